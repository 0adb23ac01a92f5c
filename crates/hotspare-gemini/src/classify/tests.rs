//! Statuses and bodies as they are actually sent.

use hotspare_core::Scope;
use http::{HeaderMap, HeaderValue, StatusCode};
use proptest::prelude::*;
use serde_json::json;
use std::time::{Duration, SystemTime};

use super::*;

fn head(status: u16) -> Head {
    Head {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        received_at: SystemTime::UNIX_EPOCH,
    }
}

fn said(status: u16, word: &str, message: &str) -> String {
    json!({"error": {"code": status, "message": message, "status": word}}).to_string()
}

#[test]
fn error_text_takes_precedence_over_status() {
    for (status, word, message, expected) in [
        (400, "INVALID_ARGUMENT", "Please use a valid role: user, model.", Kind::InvalidRequest),
        (400, "INVALID_ARGUMENT", "The document has no pages.", Kind::InvalidRequest),
        (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", Kind::Auth),
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576).",
            Kind::ContextOverflow,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "Unable to submit request because the input token count is 40000 but model only supports up to 32767.",
            Kind::ContextOverflow,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "Built-in tools ({google_search}) and Function Calling cannot be combined in the same request.",
            Kind::Unsupported,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "Function calling with a response mime type: 'application/json' is unsupported",
            Kind::Unsupported,
        ),
        (400, "INVALID_ARGUMENT", "Penalty is not enabled for models/gemini-2.5-flash", Kind::Unsupported),
        (
            400,
            "INVALID_ARGUMENT",
            "Budget 0 is invalid. This model only works in thinking mode.",
            Kind::Unsupported,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "Function call is missing a thought_signature in functionCall parts.",
            Kind::Unsupported,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "Multiple tools are supported only when they are all search tools.",
            Kind::Unsupported,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "Unable to submit request because it has a topK value of 64 but the supported range is from 1 (inclusive) to 41 (exclusive).",
            Kind::Unsupported,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "Unable to submit request because it has a temperature value of 1000 but the supported range is from 0 (inclusive) to 2.0001 (exclusive).",
            Kind::InvalidRequest,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "Only one candidate can be specified in the current model",
            Kind::Unsupported,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "The document contains 1500 pages which exceeds the supported page limit of 1000.",
            Kind::Unsupported,
        ),
        (400, "INVALID_ARGUMENT", "This model only supports the Interactions API.", Kind::ModelUnavailable),
        (400, "FAILED_PRECONDITION", "User location is not supported for the API use.", Kind::Forbidden),
        (401, "UNAUTHENTICATED", "API keys are not supported by this API.", Kind::Auth),
        (402, "RESOURCE_EXHAUSTED", "Your prepayment is used up.", Kind::QuotaExhausted),
        (403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers", Kind::Auth),
        (403, "PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied", Kind::Forbidden),
        (
            404,
            "NOT_FOUND",
            "models/x is not found for API version v1beta, or is not supported for generateContent.",
            Kind::ModelUnavailable,
        ),
        (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).", Kind::RateLimited),
        (500, "INTERNAL", "An internal error has occurred.", Kind::Server),
        (500, "INTERNAL", "Your input context is too long.", Kind::ContextOverflow),
        (503, "UNAVAILABLE", "This model is currently experiencing high demand.", Kind::Overloaded),
        (504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete.", Kind::Timeout),
        (501, "UNIMPLEMENTED", "no", Kind::Unsupported),
    ] {
        let body = said(status, word, message);
        let error = reply(&head(status), body.as_bytes());
        assert_eq!((error.kind(), error.code()), (expected, Some(word)), "{body}");
        assert_eq!(reply(&head(status), format!("[{body}]").as_bytes()).kind(), expected, "in an array");
        assert_eq!(in_reply(&body).kind(), expected, "inside a reply");
    }
}

#[test]
fn classifies_non_json_bodies() {
    for (status, body, expected) in [
        (404, "", Kind::ModelUnavailable),
        (404, "<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>", Kind::ModelUnavailable),
        (502, "<html>Bad Gateway</html>", Kind::Server),
        (503, "upstream connect error", Kind::Server),
        (
            400,
            "{\"error\": {\"code\": 400, \"message\": \"x\", \"status\": \"FAILED_PRECONDITION\",\n}\n}",
            Kind::Forbidden,
        ),
    ] {
        let error = reply(&head(status), body.as_bytes());
        assert_eq!(error.kind(), expected, "{status} {body}");
        assert!(!error.message().contains('<'));
    }
}

#[test]
fn per_minute_quota_is_a_rate_limit_but_a_daily_quota_is_not() {
    let body = |period: &str| {
        json!({"error": {"code": 429, "message": "You exceeded your current quota. Please retry in 48.9s.", "status": "RESOURCE_EXHAUSTED",
            "details": [
                {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [
                    {"quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
                     "quotaId": format!("GenerateRequests{period}PerProjectPerModel-FreeTier"), "quotaValue": "50"}]},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "48s"}]}})
        .to_string()
    };
    let error = reply(&head(429), body("PerMinute").as_bytes());
    assert_eq!((error.kind(), error.retry_after()), (Kind::RateLimited, Some(Duration::from_secs(48))));
    assert_eq!(reply(&head(429), body("PerDay").as_bytes()).kind(), Kind::QuotaExhausted);
    let mut told = head(429);
    told.headers.insert("retry-after", HeaderValue::from_static("3"));
    assert_eq!(reply(&told, body("PerMinute").as_bytes()).retry_after(), Some(Duration::from_secs(3)));
}

#[test]
fn error_reason_in_details_takes_precedence() {
    let body = |status: u16, word: &str, reason: &str| {
        json!({"error": {"code": status, "message": "m", "status": word, "details": [{"reason": reason}]}})
            .to_string()
    };
    for (status, word, reason, expected) in [
        (400, "INVALID_ARGUMENT", "API_KEY_INVALID", Kind::Auth),
        (401, "UNAUTHENTICATED", "ACCESS_TOKEN_TYPE_UNSUPPORTED", Kind::Auth),
        (403, "PERMISSION_DENIED", "BILLING_DISABLED", Kind::QuotaExhausted),
        (403, "PERMISSION_DENIED", "SERVICE_DISABLED", Kind::Forbidden),
    ] {
        let error = reply(&head(status), body(status, word, reason).as_bytes());
        assert_eq!((error.kind(), error.code()), (expected, Some(reason)));
    }
}

/// One host's limits are told apart only by the reason.
#[test]
fn error_reasons_distinguish_quota_capacity_and_rate_limits() {
    let told = |reason: &str, metadata: serde_json::Value| {
        let details =
            json!([{"reason": reason, "domain": "cloudcode-pa.googleapis.com", "metadata": metadata}]);
        let error = json!({"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": details});
        let error = reply(&head(429), json!({"error": error}).to_string().as_bytes());
        (error.kind(), error.scope(), error.retry_after().map(|pause| pause.as_secs()))
    };
    let used_up = told("QUOTA_EXHAUSTED", json!({"quotaResetDelay": "540.91s", "model": "m"}));
    assert_eq!(used_up, (Kind::QuotaExhausted, Scope::CredentialModel, Some(540)));
    let crowded = told("MODEL_CAPACITY_EXHAUSTED", json!({"model": "m"}));
    assert_eq!((crowded.0, crowded.2), (Kind::Overloaded, None));
    let limited = told("RATE_LIMIT_EXCEEDED", json!({"quotaResetDelay": "2s"}));
    assert_eq!((limited.0, limited.2), (Kind::RateLimited, Some(2)));
}

proptest! {
    #[test]
    fn arbitrary_replies_never_panic(status in 100u16..999, body in prop::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}:,\"a-z0-9. ]{0,60}") {
        let _ = reply(&head(status), &body);
        let _ = reply(&head(status), text.as_bytes());
        let _ = in_reply(&text);
    }
}

/// Errors that are documented and have not been recorded.
#[test]
fn classifies_documented_errors() {
    for (status, word, message, expected) in [
        (400, "FAILED_PRECONDITION", "User location is not supported for the API use.", Kind::Forbidden),
        (402, "RESOURCE_EXHAUSTED", "Prepayment credits are depleted.", Kind::QuotaExhausted),
        (429, "RESOURCE_EXHAUSTED", "m", Kind::RateLimited),
        (499, "CANCELLED", "m", Kind::Server),
        (500, "INTERNAL", "m", Kind::Server),
        (500, "INTERNAL", "Your input context is too long.", Kind::ContextOverflow),
        (503, "UNAVAILABLE", "The model is overloaded. Please try again later.", Kind::Overloaded),
        (504, "DEADLINE_EXCEEDED", "m", Kind::Timeout),
        (403, "PERMISSION_DENIED", "Your API key was reported as leaked.", Kind::Auth),
        (401, "UNAUTHENTICATED", "m", Kind::Auth),
        (404, "NOT_FOUND", "models/x is not found for API version v1beta", Kind::ModelUnavailable),
        (501, "UNIMPLEMENTED", "m", Kind::Unsupported),
        (400, "A_WORD_FROM_TOMORROW", "m", Kind::InvalidRequest),
        (503, "A_WORD_FROM_TOMORROW", "m", Kind::Overloaded),
    ] {
        let body = said(status, word, message);
        assert_eq!(reply(&head(status), body.as_bytes()).kind(), expected, "{status} {body}");
        assert_eq!(
            reply(&head(status), format!("[{body}]").as_bytes()).kind(),
            expected,
            "in a list: {body}"
        );
    }
    for (status, code, expected) in [
        (400, "invalid_request", Kind::InvalidRequest),
        (429, "too_many_requests", Kind::RateLimited),
        (404, "not_found", Kind::ModelUnavailable),
        (403, "permission_denied", Kind::Forbidden),
        (500, "a_word_from_tomorrow", Kind::Server),
    ] {
        let body = json!({"error": {"code": code, "message": "m"}}).to_string();
        let error = reply(&head(status), body.as_bytes());
        assert_eq!((error.kind(), error.code()), (expected, Some(code)), "{body}");
    }
}

#[test]
fn errors_about_one_request_do_not_disable_the_key() {
    for (status, word, message, expected) in [
        (403, "PERMISSION_DENIED", "CachedContent not found (or permission denied)", Kind::InvalidRequest),
        (
            403,
            "PERMISSION_DENIED",
            "You do not have permission to access the File x or it may not exist.",
            Kind::InvalidRequest,
        ),
        (404, "NOT_FOUND", "Not found: cached content metadata for 123.", Kind::InvalidRequest),
        (403, "PERMISSION_DENIED", "Permission denied on resource project x.", Kind::Forbidden),
    ] {
        let body = said(status, word, message);
        assert_eq!(reply(&head(status), body.as_bytes()).kind(), expected, "{body}");
    }
}

#[test]
fn daily_quota_is_scoped_to_the_model_and_billing_to_the_key() {
    let day = "Quota exceeded for quota metric 'requests' and limit 'requests per day'.";
    for (status, word, message, scope) in [
        (429, "RESOURCE_EXHAUSTED", day, Scope::CredentialModel),
        (429, "RESOURCE_EXHAUSTED", "Please retry in 9h54m1s.", Scope::CredentialModel),
        (429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted.", Scope::Credential),
        (402, "RESOURCE_EXHAUSTED", "Your prepayment is used up.", Scope::Credential),
    ] {
        let body = said(status, word, message);
        let error = reply(&head(status), body.as_bytes());
        assert_eq!((error.kind(), error.scope()), (Kind::QuotaExhausted, scope), "{body}");
    }
}
