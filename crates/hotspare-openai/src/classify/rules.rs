//! The rules that classify this wire's failed replies.
//!
//! Only data: the parent module reads bodies and applies the rules, with the shared sentences in between. Invariant:
//! the first rule that holds wins, so a rule stands above every less specific one.

use hotspare_core::{Kind, Scope};
use hotspare_provider::{Rule, Rules};

const fn word(words: &'static [&'static str], kind: Kind) -> Rule {
    Rule::word(words, kind)
}

const fn text(text: &'static [&'static str], kind: Kind) -> Rule {
    Rule::text(text, kind)
}

const fn at(status: u16, text: &'static [&'static str], kind: Kind) -> Rule {
    Rule::text(text, kind).at(status)
}

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
pub const RULES: Rules = Rules { specific: SPECIFIC, general: GENERAL };

const SPECIFIC: &[Rule] = &[
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
            "operationdenied.serviceoverdue",
            "invalidsubscription",
            "billing_disabled",
        ],
        Kind::QuotaExhausted,
    ),
    word(&["1113"], Kind::QuotaExhausted).at(429),
    // A limit of one model or one group of models: the owner's own, a plan's, or that of what is free.
    word(
        &[
            "allocationquota.freetieronly",
            "setlimitexceeded",
            "freeusagelimiterror",
            "subscriptionusagelimiterror",
            "accountquotaexceeded",
        ],
        Kind::QuotaExhausted,
    )
    .within(Scope::CredentialModel),
    word(&["quota_exceeded", "quotaexceeded"], Kind::QuotaExhausted).within(Scope::CredentialModel).at(429),
    word(&["slow_down", "limit_burst_rate", "requestbursttoofast"], Kind::GrowthLimited),
    word(&["tool_use_failed", "json_validate_failed"], Kind::BadOutput),
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
    // A field of the request that this host no longer accepts; its model is still there.
    at(410, &["live search is deprecated"], Kind::Unsupported),
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
    word(&["modelerror"], Kind::ModelUnavailable).at(401),
    // A plan that does not include the model.
    word(&["1311"], Kind::Forbidden).at(429),
    // The account is locked.
    word(&["1112", "1121"], Kind::Auth).at(429),
    word(
        &[
            "unsupported_country_region_territory",
            "region_restricted",
            "privacy_restricted",
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
            "constraint_filtered",
            "unsupported_image_media_type",
            // A schema outside the host's subset, in which Hotspare writes schemas.
            "invalid_json_schema",
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
            "model_capacity_exhausted",
            "serveroverloaded",
        ],
        Kind::Overloaded,
    ),
    word(&["1305", "1312"], Kind::Overloaded).at(429),
    word(&["timeout", "vector_store_timeout"], Kind::Timeout),
    // A plan's allowance for a period of hours.
    word(&["1304", "1308", "1309", "1310", "1316"], Kind::QuotaExhausted)
        .within(Scope::CredentialModel)
        .at(429),
    // Other hosts use these numbers for something else.
    word(&["1001"], Kind::Timeout).saying(&["timeout"]),
    word(&["1002", "1039", "1041"], Kind::RateLimited).saying(&["limit"]),
    word(&["10000"], Kind::Auth).saying(&["authentication error"]),
    // The request alone exceeds the limit of a minute.
    word(RATE_LIMITED, Kind::Unsupported).at(413),
    at(413, &["request too large"], Kind::Unsupported),
    // A malformed URL works at no host, unlike one that this host cannot reach.
    text(&["image url is invalid"], Kind::InvalidRequest),
];

const GENERAL: &[Rule] = &[
    // One host's reply to an unknown deployment; the code only repeats the status.
    word(&["404"], Kind::ModelUnavailable).at(404).saying(&["resource not found"]),
    // The request refers to something (a file, an earlier answer, a conversation) that this host does not have.
    at(404, &["with id", "no such"], Kind::InvalidRequest),
    at(403, &["moderation", "flagged", "guardrail"], Kind::ContentPolicy),
    word(&["2013"], Kind::InvalidRequest).saying(&["invalid param"]),
    word(&["1042"], Kind::InvalidRequest).saying(&["character"]),
    // Some servers answer client errors with 500.
    at(500, &["parse_error", "must not be empty", "failed to parse", "invalid type"], Kind::InvalidRequest),
    // Hosts also use one of these words for a URL that they cannot reach, which the text tells.
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
    word(&["permission_denied"], Kind::Forbidden),
    word(&["unavailable"], Kind::Overloaded),
    word(RATE_LIMITED, Kind::RateLimited),
    // A status of one host's own: it has no capacity left for flexible requests.
    at(498, &[], Kind::Overloaded),
];
