//! The rules that classify this wire's failed replies.
//!
//! Only data: the parent module reads bodies and applies the rules. Invariant: the first rule that holds wins, so a
//! rule stands above every less specific one.

use hotspare_core::{Kind, Scope};
use hotspare_provider::Rule;

const fn word(words: &'static [&'static str], kind: Kind) -> Rule {
    Rule::word(words, kind)
}

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
    "used all available credits",
    "spend limit",
    "spending limit",
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
];

/// Words for a rate limit, whatever the status.
pub(super) const RATE_LIMITED: &[&str] = &[
    "rate_limit_exceeded",
    "rate_limit_error",
    "rate_limit_reached_error",
    "rate_limited",
    "too_many_requests",
    "too_many_requests_error",
];

/// The rules, most specific first.
pub const RULES: &[Rule] = &[
    // One host's code for money also covers tokens per minute, and a free allowance that each model has.
    text(&["free allocated quota exceeded"], Kind::QuotaExhausted).within(Scope::CredentialModel),
    text(&["workspace allocated quota exceeded"], Kind::QuotaExhausted),
    at(429, &["allocated quota exceeded, please increase", "error-code#token-limit"], Kind::RateLimited),
    word(
        &[
            "context_length_exceeded",
            "context_exceeded",
            "exceed_context_size_error",
            "too_many_prompt_tokens",
            "token_limit_exceeded",
            "model_max_prompt_tokens_exceeded",
            "1261",
        ],
        Kind::ContextOverflow,
    ),
    word(
        &[
            "insufficient_quota",
            "credit_balance_exhausted",
            "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
            "billing_hard_limit_reached",
            "billing_not_active",
            "payment_required",
            "billing_error",
            "exceeded_current_quota_error",
            "arrearage",
            "budget_exceeded",
            "not_enough_balance",
            "token_quota_reached",
            "usage_limit_reached",
            "1008",
            "postpaidbilloverdue",
            "accountoverdueerror",
            "customer_verification_required",
            "insufficient_user_quota",
            "pre_consume_token_quota_failed",
            "creditserror",
            "monthlylimiterror",
        ],
        Kind::QuotaExhausted,
    ),
    // A limit of one model or one group of models: the owner's own, a plan's, or that of what is free.
    word(
        &[
            "allocationquota.freetieronly",
            "setlimitexceeded",
            "freeusagelimiterror",
            "subscriptionusagelimiterror",
        ],
        Kind::QuotaExhausted,
    )
    .within(Scope::CredentialModel),
    word(&["quota_exceeded"], Kind::QuotaExhausted).within(Scope::CredentialModel).at(429),
    word(&["slow_down", "limit_burst_rate"], Kind::GrowthLimited),
    word(&["tool_use_failed", "json_validate_failed"], Kind::BadOutput),
    // Some servers fail to parse the model's output and quote it, so no text rule below this one can be trusted.
    at(500, &["failed to parse input at pos"], Kind::BadOutput),
    text(&["error parsing tool call", "xml syntax error on line"], Kind::BadOutput),
    word(
        &[
            "content_filter",
            "content_policy_violation",
            "invalid_prompt",
            "responsibleaipolicyviolation",
            "bio_policy",
            "misalignment_policy_violation",
            "image_content_policy_violation",
            "refusal",
            "cyber_policy",
            "moderation_blocked",
            "data_inspection_failed",
            "datainspectionfailed",
            "sensitivecontentdetected",
            "inputtextsensitivecontentdetected",
            "inputimagesensitivecontentdetected",
            "outputtextsensitivecontentdetected",
            "outputimagesensitivecontentdetected",
            "censorship_blocked",
            "censorship_block",
            "1026",
            "1027",
            "1301",
        ],
        Kind::ContentPolicy,
    ),
    text(&["new_sensitive", "content management policy", "datainspectionfailed"], Kind::ContentPolicy),
    // A field of the request that this host no longer accepts; its model is still there.
    at(410, &["live search is deprecated"], Kind::Unsupported),
    at(403, &["violates usage guidelines"], Kind::ContentPolicy),
    // A relay has hosts for the model, but none that supports everything the request asks for.
    text(&["no endpoints found that"], Kind::Unsupported),
    word(
        &[
            "model_not_found",
            "deploymentnotfound",
            "unknown_model",
            "invalid_model",
            "1500",
            "model_deprecated",
            "no_endpoints",
            "wrong_endpoint",
            "free_variant_ended",
            "model_decommissioned",
            "model_not_supported",
            "operationnotsupported",
            "model_not_available",
            "unsupported_api_for_model",
            "unavailable_model",
            "invalid_model_id",
            "dedicated_endpoint_not_running",
            "1211",
        ],
        Kind::ModelUnavailable,
    ),
    word(
        &[
            "invalid_api_key",
            "authentication",
            "authentication_error",
            "invalid_authentication",
            "organization_restricted",
            "api_key_invalid",
            "api_key_expired",
            "1004",
            "2049",
        ],
        Kind::Auth,
    ),
    word(&["unauthorized"], Kind::Auth).at(403),
    // A plan that does not include the model, or a project that may not use it.
    word(&["1311"], Kind::Forbidden).at(429),
    text(&["model is not supported when using", "is not allowed to use publisher model"], Kind::Forbidden),
    word(
        &[
            "unsupported_country_region_territory",
            "region_restricted",
            "privacy_restricted",
            "permission_denied",
            "data_residency_mismatch",
            "model_terms_required",
            "key_model_access_denied",
            "team_model_access_denied",
            "user_model_access_denied",
            "org_model_access_denied",
        ],
        Kind::Forbidden,
    ),
    word(
        &[
            "unsupported_parameter",
            "unsupported_value",
            "not_supported_error",
            "unsupported_file",
            "max_tokens_exceeded",
            "unsupported_image_media_type",
            "failed_to_download_image",
        ],
        Kind::Unsupported,
    ),
    word(
        &[
            "server_is_overloaded",
            "overloaded_error",
            "capacity_exceeded",
            "unavailable_error",
            "provider_overloaded",
            "capacity_exhausted",
            "temporarily_unavailable",
            "3505",
            "queue_exceeded",
            "unavailable",
        ],
        Kind::Overloaded,
    ),
    word(&["timeout", "vector_store_timeout"], Kind::Timeout),
    // The request alone exceeds the limit: waiting will not help.
    at(413, &["tokens per min", "request too large"], Kind::Unsupported),
    at(429, &["request too large"], Kind::Unsupported),
    // A daily allowance belongs to one model; money belongs to the key.
    at(429, &["per day", "per-day", "perday", "per_day", "byday"], Kind::QuotaExhausted)
        .within(Scope::CredentialModel),
    // A plan's allowance for a period of hours.
    word(&["1308", "1309", "1310", "1316"], Kind::QuotaExhausted).within(Scope::CredentialModel).at(429),
    text(&["usage limit reached", "usage limit for this billing cycle"], Kind::QuotaExhausted)
        .within(Scope::CredentialModel),
    at(429, &["limit exhausted", "tpd rate limit", "usage limit"], Kind::QuotaExhausted)
        .within(Scope::CredentialModel),
    // Other hosts use these numbers for something else.
    word(&["1002", "1039"], Kind::RateLimited).saying(&["limit"]),
    // One host says "exceeded your current quota" even of a per-minute limit; hosts that mean money have a code for it.
    word(&["resource_exhausted"], Kind::RateLimited).at(429),
    text(MONEY, Kind::QuotaExhausted),
    at(429, &["exceeded your current quota"], Kind::QuotaExhausted),
    at(429, &["rate limit"], Kind::RateLimited),
    at(429, &["capacity", "high demand", "overloaded"], Kind::Overloaded),
    at(429, &[], Kind::RateLimited),
    at(402, &[], Kind::QuotaExhausted),
    text(
        &[
            "maximum context length",
            "context window",
            "prompt is too long",
            "exceeds the available context size",
            "maximum prompt length",
            "input length exceeds the context",
            "prompt too long",
            "too many tokens",
            "exceeds the maximum number of tokens",
            "is too large to process",
            "length limit exceeded",
            "total length of all messages is too long",
            "`inputs` tokens + `max_new_tokens`",
            "`inputs` must have less than",
            "prompt token count of",
            "longer than the model's context length",
            "range of input length",
            "exceeded model token limit",
            "prompt exceeds max length",
            "context length of only",
            "greater than the context length",
            "context size has been exceeded",
            "maximum allowed input length",
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
            "超过最大长度",
            // Hosts that forward another wire's errors.
            "input is too long",
            "exceed context limit",
        ],
        Kind::ContextOverflow,
    ),
    text(
        &[
            "incorrect api key",
            "invalid api key",
            "no api key",
            "api key not valid",
            "missing or invalid authorization header",
        ],
        Kind::Auth,
    ),
    at(400, &["content exists risk"], Kind::ContentPolicy),
    text(
        &[
            "model not found",
            "model with id",
            "no such model",
            "supported api model names are",
            "not a chat model",
            "is not a valid model",
            "no endpoints found",
            "has been deprecated",
            "identifier is invalid",
            "supported models are",
            "non-serverless model",
            "not accessible via the",
            "is not found for api version",
            "invalid model name",
            "model not exist",
            "model not supported by provider",
            "model you requested is unavailable",
        ],
        Kind::ModelUnavailable,
    ),
    at(
        400,
        &["unknown model", "failed to load model", "no healthy deployments for this model"],
        Kind::ModelUnavailable,
    ),
    text(&["does not exist", "is not found"], Kind::ModelUnavailable).and(&["model"]).at(400),
    // The request refers to something (a file, an earlier answer, a conversation) that this host does not have.
    at(404, &["with id", "no such"], Kind::InvalidRequest),
    at(403, &["moderation", "flagged", "guardrail"], Kind::ContentPolicy),
    // A URL that this host cannot reach or will not fetch may work at another host; a malformed one works at none.
    text(&["image url is invalid"], Kind::InvalidRequest),
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
    text(
        &[
            "is not supported",
            "does not support",
            "not supported by this model",
            "not supported with",
            "not enabled for this model",
            "unsupported mime type",
            "to be a supported format",
            "unsupported content",
            "models require at least one of",
            "model requires that either",
            "different pooling type",
            // The order of turns that this model's template accepts.
            "unexpected role",
            "should alternate",
            "should be alternating",
            "roles must alternate",
            "jinja exception",
            "raise_exception(",
            "param requires --jinja",
            "doesn't support",
            "tool choice requires",
            "is enabled only for api versions",
            "cannot be combined",
            "' is unsupported",
            "extra_forbidden",
            "extra inputs are not permitted",
            // Values that other models accept.
            "is immutable for this model",
            "is allowed for this model",
            "is limited for this model",
            "'response_format.type' must be",
            // A schema that the host cannot turn into a grammar.
            "unsupported json schema",
            "json schema conversion failed",
            "failed to initialize samplers",
            "not supported by xgrammar",
            "grammar error",
            "grammar is too complex",
            // More tools or inputs than the host accepts at once.
            "maximum allowed batch size",
            "batch size is invalid",
            "'tools': array too long",
            "'tools' : maximum number of items",
            "unsupported parameter",
            "not supported on this model",
            "only support stream",
            "for non-streaming",
            // Fewer images than the request has, or none.
            "image(s) may be provided",
            "is not a multimodal model",
            // More output than this model can generate.
            "max_tokens is too large",
            "maximum allowed number of output tokens",
            "the maximum value for `max_",
            "`max_new_tokens` must be <=",
            "valid range of max_tokens",
            "range of max_tokens should be",
            "model's maximum output tokens",
        ],
        Kind::Unsupported,
    ),
    text(&["cannot exceed"], Kind::Unsupported).and(&["max_tokens"]),
    // Reasoning that this host wants back and that the caller no longer has; other hosts do not ask for it.
    text(&["reasoning_content"], Kind::Unsupported).and(&["missing", "must be passed back"]),
    // A kind of content that this host does not accept.
    text(&["unknown variant"], Kind::Unsupported).and(&["expected `text`"]),
    text(
        &["upstream connect error", "degraded function cannot be invoked", "model has crashed"],
        Kind::Server,
    ),
    text(&["over_capacity", "over capacity", "is at capacity"], Kind::Overloaded),
    // Some servers answer client errors with 500.
    at(500, &["parse_error", "must not be empty", "failed to parse", "invalid type"], Kind::InvalidRequest),
    // Below the text rules, because hosts also use one of these words for a URL that they cannot reach.
    word(
        &[
            "invalid_image",
            "invalid_image_format",
            "invalid_image_mode",
            "invalid_image_url",
            "invalid_base64_image",
            "empty_image_file",
            "image_file_not_found",
            "image_file_too_large",
            "image_parse_error",
            "image_too_large",
            "image_too_small",
        ],
        Kind::InvalidRequest,
    ),
    word(RATE_LIMITED, Kind::RateLimited),
    // A status of one host's own: it has no capacity left for flexible requests.
    at(498, &[], Kind::Overloaded),
];
