//! Statuses and bodies as they are actually sent.

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, StatusCode};
use proptest::prelude::*;

use super::*;

fn head(status: u16) -> Head {
    Head {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        received_at: SystemTime::UNIX_EPOCH,
    }
}

fn typed(kind: &str, message: &str) -> String {
    format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}},"request_id":"req_1"}}"#)
}

#[test]
fn error_text_takes_precedence_over_status() {
    for (status, body, expected) in [
        (400, typed("invalid_request_error", "max_tokens: Field required"), Kind::InvalidRequest),
        (400, typed("invalid_request_error", "Your credit balance is too low to access the API"), Kind::QuotaExhausted),
        (400, typed("invalid_request_error", "prompt is too long: 200001 tokens > 200000 maximum"), Kind::ContextOverflow),
        (400, typed("invalid_request_error", "This model does not support assistant message prefill"), Kind::Unsupported),
        (401, typed("authentication_error", "invalid x-api-key"), Kind::Auth),
        (402, typed("billing_error", "pay"), Kind::QuotaExhausted),
        (403, typed("permission_error", "no"), Kind::Forbidden),
        (404, typed("not_found_error", "model: x"), Kind::ModelUnavailable),
        (413, typed("request_too_large", "too large"), Kind::ContextOverflow),
        (429, typed("rate_limit_error", "Number of request tokens has exceeded your limit"), Kind::RateLimited),
        (429, typed("rate_limit_error", "This request would exceed your acceleration limit"), Kind::GrowthLimited),
        (429, r#"{"error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}"#.into(), Kind::QuotaExhausted),
        (400, typed("invalid_request_error", "Output blocked by content filtering policy"), Kind::ContentPolicy),
        (400, typed("invalid_request_error", "`temperature` is deprecated for this model."), Kind::Unsupported),
        (400, typed("invalid_request_error", "max_tokens: 20000 > 8192, which is the maximum allowed number of output tokens for m"), Kind::Unsupported),
        (400, typed("invalid_request_error", "This organization has been disabled."), Kind::Auth),
        (400, typed("invalid_request_error", "You're out of extra usage. Add more and keep going."), Kind::QuotaExhausted),
        (429, typed("rate_limit_error", "This request would exceed your organization's maximum usage increase rate for input tokens per minute"), Kind::GrowthLimited),
        (429, typed("rate_limit_error", "Extra usage is required for long context requests."), Kind::Unsupported),
        (429, typed("1308", "Usage limit reached for 5 hour. Your limit will reset at 2026-01-23 01:17:54"), Kind::QuotaExhausted),
        (400, typed("1261", "Prompt exceeds max length"), Kind::ContextOverflow),
        (500, typed("api_error", "Internal server error"), Kind::Server),
        (503, "upstream connect error".into(), Kind::Server),
        (504, typed("timeout_error", "t"), Kind::Timeout),
        (529, typed("overloaded_error", "Overloaded"), Kind::Overloaded),
        (404, r#"[{"error":{"code":404,"message":"Publisher Model `x` was not found","status":"NOT_FOUND"}}]"#.into(), Kind::ModelUnavailable),
        (429, r#"{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED"}}"#.into(), Kind::RateLimited),
        (401, r#"{"error":{"code":401,"message":"token","status":"UNAUTHENTICATED"}}"#.into(), Kind::Auth),
        (401, typed("CreditsError", "No payment method. Add a payment method here: https://a"), Kind::QuotaExhausted),
        (429, typed("FreeUsageLimitError", "Free usage exceeded, add credits"), Kind::QuotaExhausted),
        (403, typed("permission_error", "OAuth token has been revoked. Please obtain a new token."), Kind::Auth),
        (400, typed("invalid_request_error", "JSON Schema not supported: could not understand the instance"), Kind::Unsupported),
        (400, typed("invalid_request_error", "output_config.format: Extra inputs are not permitted"), Kind::Unsupported),
        (400, typed("invalid_request_error", "The long context beta is not yet available for this subscription."), Kind::Unsupported),
        (422, r#"{"error":{"message":"The given model doesn't exist in the requested endpoint","code":422,"model":"m"}}"#.into(), Kind::ModelUnavailable),
    ] {
        assert_eq!(reply(&head(status), body.as_bytes()).kind(), expected, "{status} {body}");
    }
}

#[test]
fn unretryable_429_without_retry_after_is_unsupported() {
    let mut head = head(429);
    head.headers.insert("x-should-retry", HeaderValue::from_static("false"));
    let body = typed("rate_limit_error", "m");
    assert_eq!(reply(&head, body.as_bytes()).kind(), Kind::Unsupported);
    // The end of the plan's window, which is sent with every reply, says nothing of this refusal.
    head.headers.insert("anthropic-ratelimit-unified-reset", HeaderValue::from_static("60"));
    assert_eq!(reply(&head, body.as_bytes()).kind(), Kind::Unsupported);
    head.headers.insert("anthropic-ratelimit-unified-status", HeaderValue::from_static("rejected"));
    assert_eq!(reply(&head, body.as_bytes()).kind(), Kind::RateLimited, "the plan is used up until then");
    head.headers.remove("anthropic-ratelimit-unified-status");
    head.headers.insert("retry-after", HeaderValue::from_static("15"));
    assert_eq!(reply(&head, body.as_bytes()).kind(), Kind::RateLimited);
    assert_eq!(reply(&head, body.as_bytes()).request_id(), Some("req_1"));
}

proptest! {
    #[test]
    fn arbitrary_replies_never_panic(status in 100u16..999, body in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,60}") {
        let _ = reply(&head(status), &body);
        let _ = in_reply(&text);
    }
}

/// Errors that are documented and have not been recorded.
#[test]
fn classifies_documented_error_types() {
    let body = |kind: &str, message: &str, detail: &str| {
        format!(
            r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}","details":{{"error_code":"{detail}"}}}},"request_id":"r"}}"#
        )
    };
    for (status, kind, message, detail, expected) in [
        (
            400,
            "invalid_request_error",
            "You have reached your specified API usage limits.",
            "",
            Kind::QuotaExhausted,
        ),
        (402, "billing_error", "m", "", Kind::QuotaExhausted),
        (429, "rate_limit_error", "m", "enforced_spend_limit_reached", Kind::QuotaExhausted),
        (429, "rate_limit_error", "m", "contract_spend_limit_reached", Kind::QuotaExhausted),
        (403, "permission_error", "m", "linked_organization_disabled", Kind::QuotaExhausted),
        (403, "permission_error", "m", "organization_on_hold", Kind::QuotaExhausted),
        (429, "rate_limit_error", "m", "ramp_limit_exceeded", Kind::GrowthLimited),
        (
            429,
            "rate_limit_error",
            "This request would exceed your organization's acceleration limit",
            "",
            Kind::GrowthLimited,
        ),
        (403, "permission_error", "m", "cmek_key_revoked", Kind::Forbidden),
        // Fields of the request, as hosts quote them.
        (400, "invalid_request_error", "cmek_x: must be a string", "", Kind::InvalidRequest),
        (400, "invalid_request_error", "linked_organization_id: must be a string", "", Kind::InvalidRequest),
        (409, "conflict_error", "m", "", Kind::Overloaded),
        (413, "request_too_large", "m", "", Kind::ContextOverflow),
        (500, "api_error", "m", "", Kind::Server),
        (504, "timeout_error", "m", "", Kind::Timeout),
        (529, "overloaded_error", "m", "", Kind::Overloaded),
        (
            400,
            "invalid_request_error",
            "This model does not support effort level 'max'.",
            "",
            Kind::Unsupported,
        ),
        (
            400,
            "invalid_request_error",
            "This model does not support assistant message prefill.",
            "",
            Kind::Unsupported,
        ),
        (400, "invalid_request_error", "Schema is too complex for compilation", "", Kind::Unsupported),
        (400, "invalid_request_error", "m", "a_code_from_tomorrow", Kind::InvalidRequest),
        (599, "a_type_from_tomorrow", "m", "", Kind::Server),
    ] {
        let body = body(kind, message, detail);
        assert_eq!(reply(&head(status), body.as_bytes()).kind(), expected, "{status} {body}");
    }
}

#[test]
fn errors_about_one_request_do_not_disable_the_model() {
    for (status, body, expected) in [
        (404, typed("not_found_error", "File not found: file_011CNha8iCJcU1wXNR6q4V8w"), Kind::InvalidRequest),
        (404, typed("not_found_error", "Container container_01 not found"), Kind::InvalidRequest),
        (404, typed("not_found_error", "model: container-1"), Kind::ModelUnavailable),
        (410, typed("not_found_error_from_tomorrow", "gone"), Kind::ModelUnavailable),
        // One server failed to parse the output of its model.
        (
            500,
            r#"{"error":{"code":500,"message":"Failed to parse input at pos 12: </tool_call> prefill","type":"server_error"}}"#
                .into(),
            Kind::BadOutput,
        ),
        (
            500,
            r#"{"error":{"code":500,"message":"Failed to parse tool call arguments as JSON","type":"server_error"}}"#.into(),
            Kind::InvalidRequest,
        ),
    ] {
        assert_eq!(reply(&head(status), body.as_bytes()).kind(), expected, "{status} {body}");
    }
}

#[test]
fn daily_limit_is_scoped_to_key_and_model() {
    let body = typed("rate_limit_error", "This request would exceed the limit of 1,000,000 tokens per day");
    let error = reply(&head(429), body.as_bytes());
    assert_eq!((error.kind(), error.scope()), (Kind::QuotaExhausted, hotspare_core::Scope::CredentialModel));
}

#[test]
fn classifies_errors_of_relays_and_compatible_hosts() {
    for (status, body, expected) in [
        (
            429,
            r#"{"error":{"code":"1310","message":"Weekly/Monthly Limit Exhausted. Your limit will reset at 2026-02-01 10:00:00"},"request_id":"x"}"#,
            Kind::QuotaExhausted,
        ),
        (
            403,
            r#"{"error":{"type":"permission_error","message":"You've reached your usage limit for this billing cycle. Your quota will be refreshed in the next cycle. Upgrade to get more: https://www.kimi.com/code/console"},"type":"error"}"#,
            Kind::QuotaExhausted,
        ),
        (
            403,
            r#"{"type":"error","error":{"type":"permission_error","message":"You've reached your usage limit for this billing cycle. Your quota will be refreshed in the next cycle. To continue now, purchase extra usage or upgrade your plan: https://www.kimi.com/code/#pricing"}}"#,
            Kind::QuotaExhausted,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"Project `123` is not allowed to use Publisher Model `projects/x/locations/us-east5/publishers/anthropic/models/claude-sonnet-4`","status":"FAILED_PRECONDITION"}}"#,
            Kind::Forbidden,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"Organization Policy constraint constraints/vertexai.allowedModels violated for `projects/1` attempting to use a disallowed Gen AI model claude","status":"FAILED_PRECONDITION"}}"#,
            Kind::Forbidden,
        ),
        (
            403,
            r#"{"error":{"code":403,"message":"This API method requires billing to be enabled. Please enable billing on project #x","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"BILLING_DISABLED"}]}}"#,
            Kind::QuotaExhausted,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Thinking may not be enabled when tool_choice forces tool use."}}"#,
            Kind::Unsupported,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"This credential is only authorized for use with Claude Code and cannot be used for other API requests."}}"#,
            Kind::Auth,
        ),
        (
            400,
            r#"{"type":"error","error":{"message":"Unknown Model, please check the model code.","code":"1211"}}"#,
            Kind::ModelUnavailable,
        ),
        (
            503,
            r#"{"error":{"type":"model_not_found","message":"No available channel for model m under group default (distributor) (request id: x)"},"type":"error"}"#,
            Kind::ModelUnavailable,
        ),
        (
            403,
            r#"{"error":{"type":"new_api_error","message":"用户额度不足, 剩余额度: ＄-0.001 (request id: x)"},"type":"error"}"#,
            Kind::QuotaExhausted,
        ),
        (
            429,
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"已达到 Token Plan 用量上限 (2067)"}}"#,
            Kind::QuotaExhausted,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"litellm.ContextWindowExceededError: AnthropicException - ContextWindowExceededError"}}"#,
            Kind::ContextOverflow,
        ),
        (
            401,
            r#"{"type":"error","error":{"type":"ModelError","message":"Model m is not supported"}}"#,
            Kind::ModelUnavailable,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified workspace API usage limits. You will regain access on 2025-10-01 at 00:00 UTC."}}"#,
            Kind::QuotaExhausted,
        ),
    ] {
        assert_eq!(reply(&head(status), body.as_bytes()).kind(), expected, "{status} {body}");
    }
}
