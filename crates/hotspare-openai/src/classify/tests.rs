//! Statuses and bodies as hosts actually send them.

use std::time::SystemTime;

use hotspare_core::{Kind, Scope};
use http::{HeaderMap, HeaderValue, StatusCode};
use proptest::prelude::*;

use super::*;

mod allowances;
mod hosts;
mod messages;
mod reported;
mod scopes;

fn head(status: u16) -> Head {
    Head {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        received_at: SystemTime::UNIX_EPOCH,
    }
}

fn kind(status: u16, body: &str) -> Kind {
    reply(&head(status), body.as_bytes()).kind()
}

#[test]
fn error_body_takes_precedence_over_status() {
    for (status, body, expected) in [
        (
            429,
            r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            Kind::QuotaExhausted,
        ),
        (
            429,
            r#"{"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}"#,
            Kind::RateLimited,
        ),
        (
            429,
            r#"{"error":{"message":"Request too large for gpt-4o on tokens per min: Limit 30000, Requested 60000","type":"tokens","code":"rate_limit_exceeded"}}"#,
            Kind::Unsupported,
        ),
        (429, r#"{"error":{"code":"slow_down","message":"ramp"}}"#, Kind::GrowthLimited),
        (
            429,
            r#"{"object":"error","message":"Service tier capacity exceeded for this model.","code":"3505"}"#,
            Kind::Overloaded,
        ),
        (402, "", Kind::QuotaExhausted),
        (
            400,
            r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: xa***"}"#,
            Kind::Auth,
        ),
        (
            400,
            r#"{"error":{"message":"The requested model 'x' does not exist.","type":"invalid_request_error","code":"model_not_found"}}"#,
            Kind::ModelUnavailable,
        ),
        (
            400,
            r#"{"error":{"message":"This model's maximum context length is 8192 tokens","code":"context_length_exceeded"}}"#,
            Kind::ContextOverflow,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"request (9031 tokens) exceeds the available context size (2048 tokens), try increasing it","type":"exceed_context_size_error"}}"#,
            Kind::ContextOverflow,
        ),
        (
            400,
            r#"{"error":{"code":"content_filter","message":"m","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            Kind::ContentPolicy,
        ),
        (
            400,
            r#"{"error":{"message":"Unsupported parameter","code":"unsupported_parameter"}}"#,
            Kind::Unsupported,
        ),
        (400, r#"{"error":{"message":"'messages' is required"}}"#, Kind::InvalidRequest),
        (
            422,
            r#"{"detail":[{"loc":["body"],"msg":"field required","type":"missing"}]}"#,
            Kind::InvalidRequest,
        ),
        (401, "<html><script>…</script></html>", Kind::Auth),
        (401, r#"{"detail":"Unauthorized"}"#, Kind::Auth),
        (403, r#"{"error":{"message":"You are not allowed to sample from this model"}}"#, Kind::Forbidden),
        (404, "", Kind::Server),
        (
            500,
            r#"{"error":{"code":500,"message":"[json.exception.parse_error.101] parse error","type":"server_error"}}"#,
            Kind::InvalidRequest,
        ),
        (
            500,
            r#"{"error":{"code":500,"message":"image input is not supported - hint: mmproj","type":"server_error"}}"#,
            Kind::Unsupported,
        ),
        (500, r#"{"error":{"message":"The server had an error","type":"server_error"}}"#, Kind::Server),
        (501, r#"{"error":{"code":501,"message":"x","type":"not_supported_error"}}"#, Kind::Unsupported),
        (502, "", Kind::Server),
        (
            503,
            r#"{"error":{"message":"Loading model","type":"unavailable_error","code":503}}"#,
            Kind::Overloaded,
        ),
        (503, "upstream connect error or disconnect/reset before headers", Kind::Server),
        (504, "", Kind::Timeout),
        (520, "", Kind::Server),
        (302, "", Kind::Protocol),
    ] {
        assert_eq!(kind(status, body), expected, "{status} {body}");
    }
}

#[test]
fn reads_pauses_from_headers_and_messages() {
    let mut with_header = head(429);
    with_header.headers.insert("retry-after", HeaderValue::from_static("12"));
    assert_eq!(reply(&with_header, b"").retry_after(), Some(Duration::from_secs(12)));
    let words = |text: &str| {
        reply(&head(429), format!(r#"{{"error":{{"message":"{text}"}}}}"#).as_bytes()).retry_after()
    };
    assert_eq!(words("Please try again in 6.07s. Visit"), Some(Duration::from_millis(6_070)));
    assert_eq!(words("Try again in 1m2.5s."), Some(Duration::from_millis(62_500)));
    assert_eq!(words("Please retry after 12 seconds."), Some(Duration::from_secs(12)));
    assert_eq!(words("try again in 250ms"), Some(Duration::from_millis(250)));
    assert_eq!(words("try again in a while"), None);
}

#[test]
fn error_quoted_by_a_relay_is_classified() {
    let body = r#"{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"This endpoint's maximum context length is 10 tokens\"}}"}}}"#;
    assert_eq!(kind(400, body), Kind::ContextOverflow);
}

#[test]
fn reads_codes_of_quoted_errors_and_hints_of_relays() {
    let body = r#"{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"code\":\"content_filter\",\"message\":\"m\"}}"}}}"#;
    assert_eq!(kind(400, body), Kind::ContentPolicy);
    let body =
        r#"{"error":{"code":503,"message":"m","availability":{"code":"no_endpoints","retry_after":2.5}}}"#;
    let error = reply(&head(503), body.as_bytes());
    assert_eq!(
        (error.kind(), error.retry_after()),
        (Kind::ModelUnavailable, Some(Duration::from_millis(2_500)))
    );
    let mut full = head(429);
    full.received_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_754_667_634);
    full.headers.insert("x-ratelimit-reset", HeaderValue::from_static("1754667660000"));
    assert_eq!(reply(&full, b"").retry_after(), Some(Duration::from_secs(26)));
    full.headers.insert("x-ratelimit-reset", HeaderValue::from_static("12"));
    assert_eq!(reply(&full, b"").retry_after(), None);
    assert_eq!(
        kind(400, r#"{"error":{"code":"x","inner_error":{"code":"ResponsibleAIPolicyViolation"}}}"#),
        Kind::ContentPolicy
    );
}

#[test]
fn implausible_pauses_are_ignored() {
    let text = |text: &str| {
        reply(&head(429), format!(r#"{{"error":{{"message":"{text}"}}}}"#).as_bytes()).retry_after()
    };
    assert_eq!(text("try again in 99999h"), None);
    assert_eq!(text("try again in 20h"), Some(Duration::from_secs(72_000)));
}

proptest! {
    #[test]
    fn arbitrary_replies_never_panic(status in 100u16..999, body in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}") {
        let head = head(status);
        let _ = reply(&head, &body);
        let _ = reply(&head, text.as_bytes());
        let _ = in_reply(&text);
    }
}

/// Errors that hosts document and that have not been recorded.
#[test]
fn classifies_documented_error_codes() {
    let mut wrong = Vec::new();
    for (status, body, expected) in [
        // Money.
        (
            429,
            r#"{"error":{"message":"m","type":"insufficient_quota","code":"credit_balance_exhausted"}}"#,
            Kind::QuotaExhausted,
        ),
        (
            429,
            r#"{"error":{"message":"m","code":"organization_spend_limit_exceeded"}}"#,
            Kind::QuotaExhausted,
        ),
        (429, r#"{"error":{"message":"m","code":"project_spend_limit_exceeded"}}"#, Kind::QuotaExhausted),
        (
            429,
            r#"{"error":{"message":"m","code":"organization_usage_limit_exceeded"}}"#,
            Kind::QuotaExhausted,
        ),
        (
            402,
            r#"{"error":{"message":"Insufficient Balance","type":"unknown_error","code":"invalid_request_error"}}"#,
            Kind::QuotaExhausted,
        ),
        (402, r#"{"error":{"code":402,"message":"Insufficient credits"}}"#, Kind::QuotaExhausted),
        // Load.
        (
            503,
            r#"{"error":{"message":"m","type":"service_unavailable_error","code":"server_is_overloaded"}}"#,
            Kind::Overloaded,
        ),
        (429, r#"{"error":{"message":"m","type":"requests","code":"slow_down"}}"#, Kind::GrowthLimited),
        (498, r#"{"error":{"message":"m","type":"capacity_exceeded"}}"#, Kind::Overloaded),
        (429, r#"{"error":{"message":"m","code":"RateLimitReached"}}"#, Kind::RateLimited),
        (
            429,
            r#"{"error":{"code":"429","message":"Requests to the ChatCompletions_Create Operation have exceeded token rate limit of your current AIServices S0 pricing tier. Please retry after 8 seconds."}}"#,
            Kind::RateLimited,
        ),
        (
            429,
            r#"{"error":{"code":"429","message":"The system is currently experiencing high demand and cannot process your request."}}"#,
            Kind::Overloaded,
        ),
        (
            503,
            r#"{"error":{"code":503,"message":"m","metadata":{"error_type":"provider_overloaded"}}}"#,
            Kind::Overloaded,
        ),
        (
            502,
            r#"{"error":{"code":502,"message":"m","metadata":{"error_type":"provider_unavailable"}}}"#,
            Kind::Server,
        ),
        (
            503,
            r#"{"code":"The service is currently unavailable","error":"The model is at capacity"}"#,
            Kind::Overloaded,
        ),
        (409, r#"{"error":{"message":"m"}}"#, Kind::Overloaded),
        // Time.
        (504, r#"{"error":{"code":504,"message":"m","metadata":{"error_type":"timeout"}}}"#, Kind::Timeout),
        (408, "", Kind::Timeout),
        // Keys and permissions.
        (401, r#"{"code":"unauthenticated:bad-credentials","error":"m"}"#, Kind::Auth),
        (400, r#"{"code":"invalid-argument","error":"Incorrect API key provided: xa***."}"#, Kind::Auth),
        (403, r#"{"error":{"message":"m","code":"unsupported_country_region_territory"}}"#, Kind::Forbidden),
        (
            403,
            r#"{"error":{"code":403,"message":"Your chosen model requires moderation and your input was flagged","metadata":{"reasons":["violence"],"flagged_input":"x"}}}"#,
            Kind::ContentPolicy,
        ),
        // Models.
        (
            404,
            r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#,
            Kind::ModelUnavailable,
        ),
        (
            404,
            r#"{"error":{"message":"m","availability":{"code":"no_endpoints","retryable":false}}}"#,
            Kind::ModelUnavailable,
        ),
        (404, r#"{"error":{"message":"m","availability":{"code":"region_restricted"}}}"#, Kind::Forbidden),
        (
            503,
            r#"{"error":{"message":"m","availability":{"code":"temporarily_unavailable","retry_after":3}}}"#,
            Kind::Overloaded,
        ),
        (400, r#"{"code":"x","error":"Model not found: grok-0"}"#, Kind::ModelUnavailable),
        // The request does not fit this model.
        (
            400,
            r#"{"error":{"message":"m","metadata":{"error_type":"context_length_exceeded"}}}"#,
            Kind::ContextOverflow,
        ),
        (
            400,
            r#"{"error":{"message":"m","metadata":{"error_type":"max_tokens_exceeded"}}}"#,
            Kind::Unsupported,
        ),
        (
            413,
            r#"{"error":{"message":"m","metadata":{"error_type":"payload_too_large"}}}"#,
            Kind::ContextOverflow,
        ),
        (
            413,
            r#"{"error":{"message":"Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 9000","type":"tokens","code":"rate_limit_exceeded"}}"#,
            Kind::Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens","type":"BadRequestError","code":400}}"#,
            Kind::ContextOverflow,
        ),
        (
            400,
            r#"{"object":"error","message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","code":400}"#,
            Kind::ContextOverflow,
        ),
        (
            400,
            r#"{"error":{"message":"Thinking mode does not support this tool_choice","type":"invalid_request_error","code":"invalid_request_error"}}"#,
            Kind::Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"Failed to deserialize the JSON body: messages[0]: unknown variant `image_url`, expected `text`","code":"invalid_request_error"}}"#,
            Kind::Unsupported,
        ),
        // Policy.
        (400, r#"{"error":{"message":"m","code":"bio_policy"}}"#, Kind::ContentPolicy),
        (400, r#"{"error":{"message":"m","code":"misalignment_policy_violation"}}"#, Kind::ContentPolicy),
        (
            400,
            r#"{"error":{"message":"m","inner_error":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            Kind::ContentPolicy,
        ),
        (400, r#"{"error":{"message":"m","metadata":{"error_type":"refusal"}}}"#, Kind::ContentPolicy),
        // Output.
        (
            400,
            r#"{"error":{"message":"m","type":"invalid_request_error","code":"json_validate_failed","failed_generation":"x"}}"#,
            Kind::BadOutput,
        ),
        // Order of turns, at a host that has a code for it.
        (
            400,
            r#"{"object":"error","message":"Unexpected role 'system' after role 'assistant'","type":"invalid_request_prompt","code":"3230"}"#,
            Kind::Unsupported,
        ),
        (
            429,
            r#"{"object":"error","message":"Rate limit exceeded","type":"rate_limited","code":"1300"}"#,
            Kind::RateLimited,
        ),
        (
            500,
            r#"{"object":"error","message":"Service unavailable.","type":"internal_server_error","code":"1000"}"#,
            Kind::Server,
        ),
        // Numbers in a quoted prompt are not statuses.
        (
            400,
            r#"{"error":{"message":"Invalid value: 'error 429 503' at messages[0]","type":"invalid_request_error"}}"#,
            Kind::InvalidRequest,
        ),
        (
            400,
            r#"{"error":{"message":"Invalid 'user': string too long. Expected a string with maximum length 64","code":"string_above_max_length"}}"#,
            Kind::InvalidRequest,
        ),
    ] {
        if kind(status, body) != expected {
            wrong.push(format!("{} instead of {expected}: {status} {body}", kind(status, body)));
        }
    }
    for (body, expected) in [
        (r#"{"code":"server_is_overloaded","message":"m"}"#, Kind::Overloaded),
        (r#"{"code":"rate_limit_exceeded","message":"m"}"#, Kind::RateLimited),
        (r#"{"code":"server_error","message":"m"}"#, Kind::Server),
        (r#"{"code":"data_residency_mismatch","message":"m"}"#, Kind::Forbidden),
        (r#"{"code":"vector_store_timeout","message":"m"}"#, Kind::Timeout),
        (r#"{"code":"invalid_prompt","message":"m"}"#, Kind::ContentPolicy),
        (r#"{"code":529,"message":"m"}"#, Kind::Overloaded),
        (r#"{"code":"some_new_code","message":"m"}"#, Kind::Server),
    ] {
        if in_reply(body).kind() != expected {
            wrong.push(format!("{} instead of {expected}: {body}", in_reply(body).kind()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
