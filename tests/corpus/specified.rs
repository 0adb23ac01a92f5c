//! Replies that hosts' documents describe and no recording has: reasons for which an answer ends, and codes of failures.
//!
//! The bodies are made, with the least that each wire needs. Invariant: each word is read as its host's documents
//! explain it.

use hotspare::Kind;
use hotspare::recorded::{Exchange, ExchangeOutcome};
use serde_json::{Value, json};

use crate::quoted::classify_body;

/// What is made of an answer that ends for this reason: the reason, or the kind of failure.
fn ending(provider: &str, endpoint: &str, word: &Value) -> String {
    let text = json!([{"type": "text", "text": "hi"}]);
    let body = match endpoint {
        "chat_completions" => {
            json!({"id": "i", "choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": word}]})
        }
        "messages" => json!({"type": "message", "content": text, "stop_reason": word}),
        "generate_content" => {
            json!({"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": word}]})
        }
        "converse" => {
            json!({"output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}}, "stopReason": word})
        }
        "chat_v2" => json!({"message": {"role": "assistant", "content": text}, "finish_reason": word}),
        "api_chat" => {
            json!({"message": {"role": "assistant", "content": "hi"}, "done": true, "done_reason": word})
        }
        _ => json!({
            "id": "r", "object": "response", "status": "incomplete", "incomplete_details": {"reason": word},
            "output": [{"type": "message", "content": [{"type": "output_text", "text": "hi"}]}],
        }),
    };
    let line = json!({
        "provider": provider, "endpoint": endpoint, "model": "m", "status": 200, "response_kind": "json",
        "response_headers": {"content-type": "application/json"}, "response_body": body.to_string(),
    });
    match Exchange::parse(line.to_string().as_bytes()).unwrap().decode().outcome {
        ExchangeOutcome::Answered { answer, .. } => answer.finish.as_str().to_owned(),
        ExchangeOutcome::Failed(error) => error.kind().to_string(),
        other => panic!("{provider} {word}: {other:?}"),
    }
}

#[test]
fn every_documented_reason_for_an_end_is_read() {
    let rows: &[(&str, &str, &str, &[&str])] = &[
        ("mistral", "chat_completions", "length", &["model_length"]),
        ("mistral", "chat_completions", "server", &["error"]),
        ("deepseek", "chat_completions", "server", &["insufficient_system_resource"]),
        ("together", "chat_completions", "stop", &["eos", "stop_sequence", "end_turn"]),
        ("openrouter", "chat_completions", "length", &["max_tokens", "MAX_TOKENS"]),
        ("openrouter", "chat_completions", "content_filter", &["content_filter", "SAFETY"]),
        ("openrouter", "chat_completions", "refusal", &["refusal"]),
        ("openrouter", "chat_completions", "tool_calls", &["tool_call", "function_call"]),
        ("anthropic", "messages", "length", &["model_context_window_exceeded"]),
        ("anthropic", "messages", "pause_turn", &["pause_turn"]),
        ("anthropic", "messages", "refusal", &["refusal"]),
        (
            "gemini",
            "generate_content",
            "content_filter",
            &[
                "BLOCKLIST",
                "IMAGE_PROHIBITED_CONTENT",
                "IMAGE_RECITATION",
                "IMAGE_SAFETY",
                "LANGUAGE",
                "MODEL_ARMOR",
                "PROHIBITED_CONTENT",
                "RECITATION",
                "SAFETY",
                "SPII",
            ],
        ),
        (
            "gemini",
            "generate_content",
            "bad_output",
            &[
                "MALFORMED_FUNCTION_CALL",
                "MALFORMED_RESPONSE",
                "OTHER",
                "TOO_MANY_TOOL_CALLS",
                "UNEXPECTED_TOOL_CALL",
            ],
        ),
        ("gemini", "generate_content", "unsupported", &["MISSING_THOUGHT_SIGNATURE"]),
        ("bedrock", "converse", "length", &["model_context_window_exceeded"]),
        ("bedrock", "converse", "bad_output", &["malformed_model_output", "malformed_tool_use"]),
        ("cohere", "chat_v2", "stop", &["STOP_SEQUENCE"]),
        ("cohere", "chat_v2", "length", &["MAX_TOKENS", "ERROR_LIMIT"]),
        ("cohere", "chat_v2", "content_filter", &["ERROR_TOXIC"]),
        ("cohere", "chat_v2", "server", &["ERROR"]),
        ("cohere", "chat_v2", "timeout", &["TIMEOUT"]),
        ("ollama", "api_chat", "length", &["length"]),
        ("openai", "responses", "length", &["max_output_tokens"]),
        ("openai", "responses", "content_filter", &["content_filter"]),
        ("openai", "responses", "max_messages", &["max_messages"]),
        ("openai", "responses", "steered", &["steered"]),
    ];
    let wrong: Vec<String> = rows
        .iter()
        .flat_map(|(provider, endpoint, expected, words)| {
            words.iter().map(move |word| (provider, endpoint, word, expected))
        })
        .map(|(provider, endpoint, word, expected)| {
            (provider, word, ending(provider, endpoint, &json!(word)), expected)
        })
        .filter(|(.., found, expected)| found != *expected)
        .map(|(provider, word, found, expected)| format!("{provider} {word}: {found} instead of {expected}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    for number in 0..40 {
        let _ = ending("gemini", "generate_content", &json!(number));
    }
}

/// The usual body of a failure with this word.
fn failure(provider: &str, status: u16, word: &str) -> Value {
    match provider {
        "anthropic" if word.ends_with("_error") || word == "request_too_large" => {
            json!({"type": "error", "error": {"type": word, "message": "m"}})
        }
        "anthropic" => {
            let kind = if status == 429 { "rate_limit_error" } else { "invalid_request_error" };
            json!({"type": "error", "error": {"type": kind, "message": "m", "details": {"error_code": word}}})
        }
        "bedrock" => json!({"__type": word, "message": "m"}),
        "gemini" => json!({"error": {"code": status, "message": "m", "status": word}}),
        "openrouter" if word.starts_with("availability:") => {
            let code = word.trim_start_matches("availability:");
            json!({"error": {"code": status, "message": "m", "availability": {"code": code}}})
        }
        "openrouter" => json!({"error": {"code": status, "message": "m", "metadata": {"error_type": word}}}),
        _ => json!({"error": {"message": "m", "type": "x", "param": null, "code": word}}),
    }
}

#[test]
fn every_documented_code_of_a_failure_is_read() {
    use Kind::{
        Auth, BadOutput, ContentPolicy, ContextOverflow, Forbidden, GrowthLimited, InvalidRequest,
        ModelUnavailable, Overloaded, QuotaExhausted, RateLimited, Server, Timeout, Unsupported,
    };
    const ROWS: &[(&str, u16, &str, Kind)] = &[
        ("openai", 503, "server_is_overloaded", Overloaded),
        ("openai", 429, "slow_down", GrowthLimited),
        ("openai", 429, "credit_balance_exhausted", QuotaExhausted),
        ("openai", 429, "project_spend_limit_exceeded", QuotaExhausted),
        ("openai", 429, "organization_usage_limit_exceeded", QuotaExhausted),
        ("openai", 403, "unsupported_country_region_territory", Forbidden),
        ("openai", 400, "string_above_max_length", InvalidRequest),
        ("groq", 498, "capacity_exceeded", Overloaded),
        ("groq", 400, "json_validate_failed", BadOutput),
        // Larger than the limit of a minute: no pause helps.
        ("groq", 413, "rate_limit_exceeded", Unsupported),
        ("anthropic", 402, "billing_error", QuotaExhausted),
        ("anthropic", 409, "conflict_error", Overloaded),
        ("anthropic", 413, "request_too_large", ContextOverflow),
        ("anthropic", 504, "timeout_error", Timeout),
        ("anthropic", 429, "enforced_spend_limit_reached", QuotaExhausted),
        ("anthropic", 429, "contract_spend_limit_reached", QuotaExhausted),
        ("anthropic", 429, "linked_organization_suspended", QuotaExhausted),
        ("anthropic", 400, "organization_on_hold", QuotaExhausted),
        ("anthropic", 429, "ramp_limit_exceeded", GrowthLimited),
        // The organization's own key, with which its data is encrypted, cannot be used.
        ("anthropic", 400, "cmek_key_disabled", Forbidden),
        ("gemini", 400, "FAILED_PRECONDITION", Forbidden),
        ("gemini", 402, "RESOURCE_EXHAUSTED", QuotaExhausted),
        ("gemini", 504, "DEADLINE_EXCEEDED", Timeout),
        ("bedrock", 400, "ServiceQuotaExceededException", QuotaExhausted),
        ("bedrock", 400, "ConflictException", Overloaded),
        ("bedrock", 408, "ModelTimeoutException", Timeout),
        ("bedrock", 424, "ModelErrorException", Server),
        ("bedrock", 424, "ModelStreamErrorException", Server),
        ("bedrock", 429, "ModelNotReadyException", Overloaded),
        ("bedrock", 500, "InternalServerException", Server),
        ("bedrock", 403, "IncompleteSignatureException", Auth),
        ("openrouter", 400, "context_length_exceeded", ContextOverflow),
        ("openrouter", 400, "max_tokens_exceeded", Unsupported),
        ("openrouter", 400, "token_limit_exceeded", ContextOverflow),
        ("openrouter", 400, "string_too_long", InvalidRequest),
        ("openrouter", 401, "authentication", Auth),
        ("openrouter", 402, "payment_required", QuotaExhausted),
        ("openrouter", 403, "permission_denied", Forbidden),
        ("openrouter", 403, "content_policy_violation", ContentPolicy),
        ("openrouter", 400, "invalid_prompt", ContentPolicy),
        ("openrouter", 400, "refusal", ContentPolicy),
        ("openrouter", 404, "not_found", ModelUnavailable),
        ("openrouter", 413, "payload_too_large", ContextOverflow),
        ("openrouter", 429, "rate_limit_exceeded", RateLimited),
        ("openrouter", 502, "provider_unavailable", Server),
        ("openrouter", 503, "provider_overloaded", Overloaded),
        ("openrouter", 504, "timeout", Timeout),
        ("openrouter", 404, "availability:model_deprecated", ModelUnavailable),
        ("openrouter", 404, "availability:no_endpoints", ModelUnavailable),
        ("openrouter", 404, "availability:free_variant_ended", ModelUnavailable),
        ("openrouter", 503, "availability:capacity_exhausted", Overloaded),
        ("openrouter", 503, "availability:temporarily_unavailable", Overloaded),
        ("openrouter", 403, "availability:region_restricted", Forbidden),
        // The request's own conditions leave no host; the model is still there.
        ("openrouter", 404, "availability:constraint_filtered", Unsupported),
    ];
    let endpoint = |provider: &str| match provider {
        "anthropic" => "messages",
        "bedrock" => "converse",
        "gemini" => "generate_content",
        _ => "chat_completions",
    };
    let wrong: Vec<String> = ROWS
        .iter()
        .map(|&(provider, status, word, expected)| {
            let body = failure(provider, status, word).to_string();
            (provider, word, classify_body(provider, endpoint(provider), status, &body).kind(), expected)
        })
        .filter(|(.., found, expected)| found != expected)
        .map(|(provider, word, found, expected)| format!("{provider} {word}: {found} instead of {expected}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
