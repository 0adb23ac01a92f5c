//! What a host writes is classified alike on every wire, because relays and compatible endpoints quote it.
//!
//! Invariant: a sentence about the target moves the call on, and one about the caller's mistake returns to the caller.

use hotspare::recorded::{Exchange, ExchangeOutcome};
use hotspare::{Error, Kind};
use serde_json::{Value, json};

/// A provider and an endpoint for each wire, and for a relay that quotes the host behind it.
pub(crate) const WIRES: &[(&str, &str)] = &[
    ("openai", "chat_completions"),
    ("openai", "responses"),
    ("openrouter", "chat_completions"),
    ("anthropic", "messages"),
    ("gemini", "generate_content"),
    ("bedrock", "converse"),
    ("cohere", "chat_v2"),
    ("ollama", "api_chat"),
];

/// The body of a failed reply with this sentence, as each wire shapes it.
fn body(provider: &str, status: u16, sentence: &str) -> Value {
    match provider {
        "openrouter" => {
            let raw = json!({"error": {"message": sentence}}).to_string();
            json!({"error": {"message": "Provider returned error", "code": status, "metadata": {"raw": raw}}})
        }
        "anthropic" => {
            let kind = match status {
                403 => "permission_error",
                429 => "rate_limit_error",
                500.. => "api_error",
                _ => "invalid_request_error",
            };
            json!({"type": "error", "error": {"type": kind, "message": sentence}})
        }
        "gemini" => {
            let word = match status {
                403 => "PERMISSION_DENIED",
                500.. => "INTERNAL",
                _ => "INVALID_ARGUMENT",
            };
            json!({"error": {"code": status, "message": sentence, "status": word}})
        }
        "bedrock" | "cohere" => json!({"message": sentence}),
        "ollama" => json!({"error": sentence}),
        _ => {
            json!({"error": {"message": sentence, "type": "invalid_request_error", "param": null, "code": null}})
        }
    }
}

fn classify(provider: &str, endpoint: &str, status: u16, sentence: &str) -> Error {
    classify_body(provider, endpoint, status, &body(provider, status, sentence).to_string())
}

/// What a wire makes of a failed reply with this body.
pub(crate) fn classify_body(provider: &str, endpoint: &str, status: u16, body: &str) -> Error {
    let line = json!({
        "provider": provider, "endpoint": endpoint, "model": "m", "status": status, "response_kind": "json",
        "response_body": body,
    });
    match Exchange::parse(line.to_string().as_bytes()).unwrap().decode().outcome {
        ExchangeOutcome::Failed(error) => error,
        other => panic!("{provider} {endpoint}: {other:?}"),
    }
}

fn assert_alike(rows: &[(u16, &str, Kind)]) {
    let mut wrong = Vec::new();
    for &(status, sentence, expected) in rows {
        for &(provider, endpoint) in WIRES {
            let kind = classify(provider, endpoint, status, sentence).kind();
            if kind != expected {
                wrong.push(format!(
                    "{provider} {endpoint}: {kind} instead of {expected}: {status} {sentence}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sentences_are_classified_alike_on_every_wire() {
    use Kind::{
        Auth, BadOutput, ContentPolicy, ContextOverflow, Forbidden, GrowthLimited, ModelUnavailable,
        Overloaded, QuotaExhausted, RateLimited, Server, Unsupported,
    };
    assert_alike(&[
        (
            400,
            "Third-party apps now draw from your extra usage, not your plan limits. Add more at claude.ai/settings/usage and keep going.",
            QuotaExhausted,
        ),
        (400, "Your credit balance is too low to access the API", QuotaExhausted),
        (
            403,
            "This API method requires billing to be enabled. Please enable billing on project #1",
            QuotaExhausted,
        ),
        (403, "[sk-xxx] 该令牌额度已用尽 !token.UnlimitedQuota && token.RemainQuota = -1000", QuotaExhausted),
        (
            429,
            "Your prepayment credits are depleted. Please manage your project and billing.",
            QuotaExhausted,
        ),
        (429, "Your project has exceeded its monthly spending cap.", QuotaExhausted),
        (429, "usage limit exceeded (2056)", QuotaExhausted),
        (429, "余额不足或无可用资源包,请充值。", QuotaExhausted),
        (429, "This request would exceed the limit of 1,000,000 tokens per day", QuotaExhausted),
        (429, "Rate limit reached for requests", RateLimited),
        (429, "m", RateLimited),
        (
            429,
            "Request rate increased too quickly. To ensure system stability, please scale requests more smoothly.",
            GrowthLimited,
        ),
        (429, "No capacity available for model m on the server", Overloaded),
        (
            429,
            "The service is currently unable to handle additional requests due to server overload.",
            Overloaded,
        ),
        (400, "prompt is too long: 210001 tokens > 200000 maximum", ContextOverflow),
        (
            400,
            "Unable to submit request because the input token count is 1200000 but model only supports up to 1048576",
            ContextOverflow,
        ),
        (
            400,
            "You passed 40961 input tokens and requested 0 output tokens. However, the model's context length is only 40960 tokens, resulting in a maximum input length of 40960 tokens.",
            ContextOverflow,
        ),
        (
            400,
            "Invalid request: Your request exceeded model token limit: 262144 (requested: 265000)",
            ContextOverflow,
        ),
        (400, "API key expired. Please renew the API key.", Auth),
        (403, "Your API key was reported as leaked. Please use another API key.", Auth),
        (403, "Method doesn't allow unregistered callers (callers without established identity).", Auth),
        (400, "User location is not supported for the API use.", Forbidden),
        (500, "your current token plan not support model, m (2061)", Forbidden),
        (400, "input new_sensitive (1026)", ContentPolicy),
        (400, "Unknown Model, please check the model code.", ModelUnavailable),
        (400, "model 'x' not found", ModelUnavailable),
        (400, "Model no-such/embedding-model does not exist", ModelUnavailable),
        (400, "The provided model identifier is invalid.", ModelUnavailable),
        (503, "分组 default 下模型 m 无可用渠道（distributor）", ModelUnavailable),
        (503, "No available channel for model m under group default (distributor)", ModelUnavailable),
        (400, "The model `m` has been retired and is no longer available", ModelUnavailable),
        (400, "Image content is not available for this model", Unsupported),
        (400, "invalid beta flag", Unsupported),
        (400, "tools.0.custom.strict: Extra inputs are not permitted", Unsupported),
        (
            400,
            "The model returned the following errors: `temperature` is deprecated for this model.",
            Unsupported,
        ),
        (400, "Thinking may not be enabled when tool_choice forces tool use.", Unsupported),
        (
            400,
            "thinking is enabled but reasoning_content is missing in assistant tool call message at index 2",
            Unsupported,
        ),
        (400, "Function call is missing a thought_signature in functionCall parts.", Unsupported),
        (400, "Budget 0 is invalid. This model only works in thinking mode.", Unsupported),
        (400, "Developer instruction is not enabled for models/gemma-3-27b-it", Unsupported),
        (400, "A schema in the request exceeds the maximum allowed nesting depth.", Unsupported),
        (
            400,
            "Invalid schema for function 'f': In context=(), 'additionalProperties' is required to be supplied and to be false.",
            Unsupported,
        ),
        (
            400,
            "Invalid schema for response_format 'n': In context=('properties', 'a'), 'required' is required to be supplied and to be an array including every key in properties. Missing 'b'.",
            Unsupported,
        ),
        (
            400,
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
            Unsupported,
        ),
        (
            400,
            "Unable to submit request because it has a maxOutputTokens value of 65536 but the supported range is from 1 (inclusive) to 8193 (exclusive).",
            Unsupported,
        ),
        (
            400,
            "Function tools with reasoning_effort are not supported for m in /v1/chat/completions.",
            Unsupported,
        ),
        (400, "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.", Unsupported),
        (400, "System message must be at the beginning.", Unsupported),
        (400, "Conversation roles must alternate user/assistant/user/assistant/...", Unsupported),
        (500, "This model only supports single tool-calls at once!", Unsupported),
        (500, "Value is not callable: null at row 62, column 114:", Unsupported),
        (500, "error parsing tool call: raw='{', err=unexpected end of JSON input", BadOutput),
        (503, "upstream connect error or disconnect/reset before headers", Server),
    ]);
}

/// Each mentions what a sentence about the target mentions: a model, a limit, something that does not exist.
#[test]
fn the_callers_own_mistakes_are_returned_on_every_wire() {
    let mistakes = [
        "Missing namespace for function_call 'create_widget'. It does not exist in the default namespace. Round-trip the model's function_call item with its namespace field included.",
        "The file 'file-abc' does not exist. Upload it before asking the model.",
        "The vector store 'vs_1' does not exist for this model",
        "Invalid 'input[2].id': item 'msg_x' is not found; the model output must be replayed",
        "Tool 'get_model' is not found in tools",
        "tool_call_id  is not found for model m",
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.",
        "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
        "`max_tokens` must be greater than `thinking.budget_tokens`.",
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1.",
        "Invalid schema for function 'f': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'.",
        "Unrecognized request argument supplied: foo",
        "The document has no pages.",
        "temperature must be between 0 and 2",
        "you must provide a model parameter",
    ];
    assert_alike(&mistakes.map(|sentence| (400, sentence, Kind::InvalidRequest)));
}
