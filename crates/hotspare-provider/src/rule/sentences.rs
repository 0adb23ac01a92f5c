//! Sentences with which hosts report failures, whatever the wire.
//!
//! Relays and compatible endpoints quote the host behind them, so a sentence that one wire's hosts write arrives over
//! every other wire. Codes, types and fragments that mean something only on one wire belong to the adapters' tables,
//! which are tried before and after this one. Hosts also quote the request, so a text alone has no
//! consequences for other callers if the request has it too. Invariant: only data, and a text is long enough not to match
//! a request that the caller must correct.

use hotspare_core::{Kind, Scope};

use super::Rule;

const fn text(text: &'static [&'static str], kind: Kind) -> Rule {
    Rule::text(text, kind)
}

const fn at(status: u16, text: &'static [&'static str], kind: Kind) -> Rule {
    Rule::text(text, kind).at(status)
}

/// The account is out of money, whatever the status.
const MONEY: &[&str] = &[
    "insufficient balance",
    "credit balance",
    "credits are depleted",
    "used all available credits",
    "spend limit",
    // Part of codes, of which new ones keep appearing, such as `enforced_spend_limit_reached`.
    "spend_limit",
    "spending limit",
    "spend cap",
    "spending cap",
    "balance is insufficient",
    "any credits yet",
    "any credits or licenses yet",
    "run out of credits",
    "credit limit is insufficient",
    "exceededbudget",
    "exceededtokenbudget",
    "daily free allocation",
    "key limit exceeded",
    "payment is past due",
    "enter a payment method",
    "account is overdue",
    "requires billing to be enabled",
    "api usage limits",
    "out of extra usage",
    "extra usage, not your plan",
    "out of call volume quota",
    "余额不足",
    "额度不足",
    "额度已用尽",
];

/// The prompt does not fit the model's window.
const OVERFLOW: &[&str] = &[
    "maximum context length",
    "context window",
    "prompt is too long",
    "exceeds the available context",
    "maximum prompt length",
    "input length exceeds the context",
    "prompt too long",
    "too many tokens",
    "too many input tokens",
    "input tokens exceeded",
    "too many total text bytes",
    "exceeds the maximum number of tokens",
    "input context is too long",
    "input token count is",
    "is too large to process",
    "length limit exceeded",
    "total length of all messages is too long",
    "`inputs` tokens + `max_new_tokens`",
    "`inputs` must have less than",
    "'inputs' tokens and 'max_new_tokens' must not exceed",
    "prompt token count of",
    "longer than the model's context length",
    "range of input length",
    "exceeded model token limit",
    "prompt exceeds max length",
    "context length of only",
    "context length is only",
    "greater than the context length",
    "context size has been exceeded",
    "maximum allowed input length",
    "resulting in a maximum input length",
    "configured context size",
    "reduce the length of the messages",
    "maximum input length is",
    "tokens, exceeding max",
    "longer than the maximum model length",
    // What is left of the window for the answer.
    "max_tokens must be at least 1, got -",
    "cannot exceed the total tokens limit",
    "exceed max message tokens",
    "must be less than max_seq_len",
    "greater than max_seq_len",
    "exceeds maximum input length",
    "exceeds the max_model_len",
    "exceed n_ctx",
    "input is too long",
    "exceed context limit",
    "contextwindowexceedederror",
    "超过最大长度",
];

/// The model is unknown, retired or not loaded. `*` stands for its name.
const MODEL: &[&str] = &[
    "model * does not exist",
    "model * doesn't exist",
    "model * not found",
    "model * is not found",
    "model * has been deprecated",
    "model * has been retired",
    "model does not exist",
    "model doesn't exist",
    "model not exist",
    "model not found",
    "model with id",
    "no such model",
    "supported api model names are",
    "supported models are",
    "not a chat model",
    "is not a valid model",
    "invalid model name",
    "model identifier is invalid",
    "no endpoints found",
    "non-serverless model",
    "not accessible via the",
    "is not found for api version",
    "not found, try pulling",
    // A function is a model, removed or not for this account.
    "not found for account",
    "model not supported by provider",
    "model you requested is unavailable",
    "on-demand throughput",
    "inference profile that contains this model",
    "no models loaded",
    "model is not loaded",
    "endpoint is paused",
    "llm provider not provided",
    "no providers available for model",
    "no available channel",
    "无可用渠道",
    "可用渠道不存在",
    // Another endpoint of the same host has it.
    "only supported in v1/responses",
    "only supports the interactions api",
];

/// This model or host cannot do what the request asks, or not so much of it; another may.
const UNSUPPORTED: &[&str] = &[
    "is not supported",
    "are not supported",
    "does not support",
    "doesn't support",
    "not supported by this model",
    "not supported on this model",
    "not supported with",
    "only supported by certain",
    "supported only when",
    "is only enabled when",
    "not enabled for this model",
    "is not enabled for models/",
    "unsupported mime type",
    "to be a supported format",
    "unsupported content",
    "unknown part type",
    "unsupported parameter",
    "' is unsupported",
    "models require at least one of",
    "model requires that either",
    "different pooling type",
    "tool choice requires",
    "tool choice must be auto",
    "requires --tool-call-parser",
    "is enabled only for api versions",
    "cannot be combined",
    "cannot be used together",
    "cannot both be specified",
    "cannot specify both",
    "may not be enabled when",
    "is deprecated for this model",
    "extra_forbidden",
    "extra inputs are not permitted",
    "invalid beta flag",
    "not yet available for this subscription",
    // Values that other models accept.
    "is immutable for this model",
    "is allowed for this model",
    "is limited for this model",
    "is unavailable for this model",
    "not available for this model",
    "which is greater than max allowed",
    "'response_format.type' must be",
    "response_format type is unavailable",
    "reasoning is mandatory",
    "only works in thinking mode",
    "incompatible with thinking enabled",
    "always engages in thinking",
    "only one candidate can be specified",
    // A schema that the host cannot turn into a grammar.
    "schema not supported",
    "unsupported json schema",
    "json schema conversion failed",
    "failed to initialize samplers",
    "failed to parse grammar",
    "grammar constraints with tools",
    "not supported by xgrammar",
    "grammar error",
    "grammar is too complex",
    "too complex for compilation",
    "schema is too complex",
    "too many parameters with union types",
    "too many optional parameters",
    "too many states for serving",
    "maximum allowed nesting depth",
    // A schema that breaks a rule of this host. One that must be enforced is sent in the form that the host is known to
    // accept, and one that need not be is sent as it came: in both cases another host may accept it.
    "invalid schema for response_format",
    "is required to be supplied and to be",
    "must be explicitly set to false",
    // More tools or inputs than the host accepts at once.
    "maximum allowed batch size",
    "batch size is invalid",
    "'tools': array too long",
    "'tools' : maximum number of items",
    "exceeds the supported page limit",
    "supports up to",
    // Fewer images than the request has, or none.
    "image(s) may be provided",
    "image per prompt",
    "images per prompt",
    "is not a multimodal model",
    // Streaming only.
    "only support stream",
    "for non-streaming",
    "must have stream=true",
    // More output than this model can generate.
    "max_tokens is too large",
    "maximum allowed number of output tokens",
    "the maximum value for `max_",
    "`max_new_tokens` must be <=",
    "valid range of max_tokens",
    "range of max_tokens should be",
    "model's maximum output tokens",
    // A part of the reasoning that this host wants back; other hosts do not ask for it.
    "missing a thought_signature",
];

/// The conversation breaks a rule of this model's template: the order of turns, their roles, the form of ids.
const TEMPLATE: &[&str] = &[
    "unexpected role",
    "should alternate",
    "should be alternating",
    "roles must alternate",
    "roles are supported",
    "expected last role",
    "system role not supported",
    "system message must be at the beginning",
    "no user query found in messages",
    "single tool-calls at once",
    "must be a user message, or an assistant message with prefix mode",
    "must be a-z, a-z, 0-9, with a length of 9",
    "incompatible with enable_thinking",
    "invalid chat setting",
    "invalid message role",
    "invalid role: developer",
    "chat template",
    "prompt with jinja",
    "param requires --jinja",
    "jinja exception",
    "raise_exception(",
    "unable to generate parser for this template",
    "value is not callable",
    "can only get item pairs from a mapping",
    "object key of unhashable type",
];

/// The rows, most specific first.
pub const SENTENCES: &[Rule] = &[
    // Output of the model that the host could not parse and quotes, so no row below can be trusted.
    at(500, &["failed to parse input at pos"], Kind::BadOutput),
    text(&["error parsing tool call", "xml syntax error on line"], Kind::BadOutput),
    // A URL that this host cannot reach or will not fetch: the text may quote it, and the reply of its server.
    text(
        &[
            "cannot fetch content",
            "cannot make get request",
            "error while downloading",
            "failed to download",
            "unable to download",
        ],
        Kind::Unsupported,
    ),
    // The request alone exceeds what is left or what is allowed: waiting will not help, a smaller one still fits.
    text(&["can only afford", "required for long context requests"], Kind::Unsupported),
    at(413, &["tokens per min"], Kind::Unsupported),
    at(429, &["request too large"], Kind::Unsupported),
    // An allowance of a day or of a plan's period belongs to the model; money belongs to the key.
    at(429, &["per day", "per-day", "perday", "per_day", "byday", "daily rate limit"], Kind::QuotaExhausted)
        .within(Scope::CredentialModel),
    text(
        &[
            "usage limit reached",
            "usage limit exceeded",
            "usage limit has been reached",
            "usage limit for this billing cycle",
            "用量上限",
        ],
        Kind::QuotaExhausted,
    )
    .within(Scope::CredentialModel),
    text(MONEY, Kind::QuotaExhausted),
    at(
        429,
        &["limit exhausted", "tpd rate limit", "usage limit", "usage quota", "quota has been exhausted"],
        Kind::QuotaExhausted,
    )
    .within(Scope::CredentialModel),
    text(&["increased too quickly"], Kind::GrowthLimited),
    at(429, &["acceleration limit", "usage increase rate"], Kind::GrowthLimited),
    at(429, &["no capacity available"], Kind::Overloaded),
    // With this word, "exceeded your current quota" also covers a per-minute limit; otherwise it means money.
    Rule::word(&["resource_exhausted"], Kind::RateLimited).at(429),
    at(429, &["exceeded your current quota"], Kind::QuotaExhausted),
    at(429, &["rate limit"], Kind::RateLimited),
    at(
        429,
        &["capacity", "high demand", "overload", "model busy", "负载已饱和", "访问量过大"],
        Kind::Overloaded,
    ),
    // Nothing below contradicts these statuses.
    Rule::status(401, Kind::Auth),
    Rule::status(402, Kind::QuotaExhausted),
    Rule::status(429, Kind::RateLimited),
    text(&["too many tokens, please wait", "too many requests, please wait"], Kind::RateLimited),
    text(
        &[
            "content management policy",
            "blocked by content filtering policy",
            "violates usage guidelines",
            "blocked by safety",
            "content exists risk",
            "datainspectionfailed",
            "new_sensitive",
        ],
        Kind::ContentPolicy,
    ),
    text(OVERFLOW, Kind::ContextOverflow),
    text(
        &[
            "incorrect api key",
            "invalid api key",
            "no api key",
            "api key not valid",
            "api key expired",
            "api key was reported as leaked",
            "unregistered callers",
            "invalid access token",
            "missing or invalid authorization header",
            "organization has been disabled",
            "only authorized for use with",
            "token has been revoked",
        ],
        Kind::Auth,
    ),
    // A plan, a project or a place that does not include the model.
    text(
        &[
            "model is not supported when using",
            "not supported for free plan",
            "not available on your plan",
            "token plan not support model",
            "is not allowed to use publisher model",
            "user location is not supported",
        ],
        Kind::Forbidden,
    ),
    // A relay has hosts for the model, but none that supports everything the request asks for.
    text(&["no endpoints found that"], Kind::Unsupported),
    text(MODEL, Kind::ModelUnavailable),
    at(
        400,
        &["unknown model", "failed to load model", "no healthy deployments for this model"],
        Kind::ModelUnavailable,
    ),
    text(&["pull model manifest"], Kind::ModelUnavailable).and(&["requires a newer version"]),
    text(UNSUPPORTED, Kind::Unsupported),
    text(TEMPLATE, Kind::Unsupported),
    text(&["at row "], Kind::Unsupported).and(&[", column "]),
    text(&["model features"], Kind::Unsupported).and(&["not support"]),
    text(&["cannot exceed"], Kind::Unsupported).and(&["max_tokens"]),
    // Other values out of range, such as a temperature, are out of range elsewhere too.
    text(&["but the supported range is"], Kind::Unsupported).and(&["maxoutputtokens value", "topk value"]),
    text(&["unexpected value(s)"], Kind::Unsupported).and(&["-beta` header"]),
    // Reasoning that this host wants back and that the caller no longer has; other hosts do not ask for it.
    text(&["reasoning_content"], Kind::Unsupported).and(&["missing", "must be passed back"]),
    // A kind of content that this host does not accept.
    text(&["unknown variant"], Kind::Unsupported).and(&["expected `text`"]),
    text(
        &[
            "upstream connect error",
            "degraded function cannot be invoked",
            "model has crashed",
            "enginecore encountered an issue",
        ],
        Kind::Server,
    ),
    // Servers that blame the caller for their own failures.
    at(400, &["already borrowed", "channel error", "model unloaded"], Kind::Server),
    text(&["over_capacity", "over capacity", "is at capacity", "under high load"], Kind::Overloaded),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_is_blind_or_redundant() {
        let mut before: Vec<(&Rule, &str)> = Vec::new();
        for rule in SENTENCES {
            for text in rule.text.iter().chain(rule.also) {
                assert_eq!(*text, text.to_ascii_lowercase(), "texts are compared in lower case");
            }
            for text in rule.text {
                for (earlier, part) in &before {
                    let covers = earlier.status.is_none_or(|status| Some(status) == rule.status);
                    assert!(
                        !(covers && earlier.also.is_empty() && text.contains(part)),
                        "`{text}` never matches: `{part}` does before it"
                    );
                }
            }
            before.extend(rule.text.iter().map(|text| (rule, *text)));
        }
    }
}
