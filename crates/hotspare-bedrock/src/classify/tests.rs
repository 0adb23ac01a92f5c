//! Statuses, names and messages as they are actually sent.

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, StatusCode};
use proptest::prelude::*;

use super::*;

fn head(status: u16, name: &str) -> Head {
    let mut headers = HeaderMap::new();
    if !name.is_empty() {
        let value = format!("{name}:http://internal.amazon.com/coral/com.amazon.bedrock/");
        headers.insert("x-amzn-errortype", HeaderValue::from_str(&value).unwrap());
    }
    Head { status: StatusCode::from_u16(status).unwrap(), headers, received_at: SystemTime::UNIX_EPOCH }
}

#[test]
fn classifies_by_name_then_message_then_status() {
    for (status, name, message, expected) in [
        (400, "ValidationException", "The provided model identifier is invalid.", Kind::ModelUnavailable),
        (400, "", "The provided model identifier is invalid.", Kind::ModelUnavailable),
        (
            400,
            "ValidationException",
            "Invocation of model ID deepseek.r1-v1:0 with on-demand throughput isn\u{2019}t supported. Retry with an inference profile.",
            Kind::ModelUnavailable,
        ),
        (400, "ValidationException", "Input is too long for requested model.", Kind::ContextOverflow),
        (
            400,
            "ValidationException",
            "The model returned the following errors: prompt is too long: 210001 tokens > 200000 maximum",
            Kind::ContextOverflow,
        ),
        (
            400,
            "ValidationException",
            "input length and `max_tokens` exceed context limit: 198000 + 8192 > 200000",
            Kind::ContextOverflow,
        ),
        (
            400,
            "ValidationException",
            "Too many input tokens. Max input tokens: 8192, request input token count: 9000",
            Kind::ContextOverflow,
        ),
        (
            400,
            "ValidationException",
            "The maximum tokens you requested exceeds the model limit of 4096.",
            Kind::Unsupported,
        ),
        (
            400,
            "",
            "The model returned the following errors: max_tokens: 200000 > 64000, which is the maximum allowed number of output tokens for m",
            Kind::Unsupported,
        ),
        (403, "", "Bearer Token has expired", Kind::Auth),
        (
            424,
            "ModelErrorException",
            "Model produced invalid sequence as part of ToolUse. Please refer to the model tool use troubleshooting guide.",
            Kind::BadOutput,
        ),
        (400, "ValidationException", "This model doesn't support tool use.", Kind::Unsupported),
        (
            400,
            "",
            "A text block must be included when using documents. Add a text block and retry your request.",
            Kind::InvalidRequest,
        ),
        (
            400,
            "ValidationException",
            "`temperature` and `top_p` cannot both be specified for this model.",
            Kind::Unsupported,
        ),
        (
            400,
            "",
            "Malformed input request: #: extraneous key [max_tokens] is not permitted",
            Kind::Unsupported,
        ),
        (
            400,
            "",
            "Malformed input request: #/messages/0/content/0: extraneous key [inputText] is not permitted",
            Kind::InvalidRequest,
        ),
        (
            400,
            "ValidationException",
            "messages.2.content.2.document.source.type: Field required",
            Kind::InvalidRequest,
        ),
        (400, "ValidationException", "Operation not allowed", Kind::Forbidden),
        (
            400,
            "ValidationException",
            "The model returned the following errors: invalid beta flag",
            Kind::Unsupported,
        ),
        (
            400,
            "ValidationException",
            "tools.0.custom.strict: Extra inputs are not permitted",
            Kind::Unsupported,
        ),
        (
            400,
            "ValidationException",
            "Retry your request with the ID or ARN of an inference profile that contains this model.",
            Kind::ModelUnavailable,
        ),
        (400, "ValidationException", "Bedrock is unable to process your request.", Kind::Overloaded),
        (400, "ServiceQuotaExceededException", "Your request exceeds the quota", Kind::QuotaExhausted),
        (
            403,
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
            Kind::Forbidden,
        ),
        (
            403,
            "AccessDeniedException",
            "Authentication failed: Please make sure your API Key is valid.",
            Kind::Auth,
        ),
        (
            403,
            "AccessDeniedException",
            "Model access is denied due to INVALID_PAYMENT_INSTRUMENT",
            Kind::QuotaExhausted,
        ),
        (
            403,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            Kind::Auth,
        ),
        (403, "ExpiredTokenException", "The security token included in the request is expired", Kind::Auth),
        (403, "InvalidSignatureException", "Signature expired: 20251117T063822Z is now earlier", Kind::Auth),
        (403, "", "Forbidden", Kind::Forbidden),
        (
            404,
            "ResourceNotFoundException",
            "This model version has reached the end of its life.",
            Kind::ModelUnavailable,
        ),
        (408, "ModelTimeoutException", "m", Kind::Timeout),
        (424, "ModelErrorException", "m", Kind::Server),
        (
            429,
            "ThrottlingException",
            "Too many requests, please wait before trying again.",
            Kind::RateLimited,
        ),
        (429, "ModelNotReadyException", "m", Kind::Overloaded),
        (429, "", "m", Kind::RateLimited),
        (500, "", "The system encountered an unexpected error during processing.", Kind::Server),
        (500, "InternalServerException", "m", Kind::Server),
        (
            503,
            "ServiceUnavailableException",
            "Model is getting throttled. Try your request again.",
            Kind::Overloaded,
        ),
        (599, "NobodyKnowsException", "m", Kind::Server),
    ] {
        let body = serde_json::json!({ "message": message }).to_string();
        assert_eq!(reply(&head(status, name), body.as_bytes()).kind(), expected, "{status} {name} {message}");
    }
}

#[test]
fn reads_error_name_from_body_and_either_message_key() {
    let body = br#"{"__type":"com.amazon.coral.availability#ThrottlingException","Message":"Rate exceeded"}"#;
    let error = reply(&head(400, ""), body);
    assert_eq!(
        (error.kind(), error.code(), error.message()),
        (Kind::RateLimited, Some("ThrottlingException"), "Rate exceeded")
    );
    let html = reply(&head(503, ""), b"<html>secret</html>");
    assert_eq!((html.kind(), html.message()), (Kind::Overloaded, "the host sent an HTML page"));
    let mut later = head(429, "ThrottlingException");
    later.headers.insert("retry-after", HeaderValue::from_static("3"));
    assert_eq!(reply(&later, b"").retry_after().map(|pause| pause.as_secs()), Some(3));
}

#[test]
fn exceptions_inside_a_stream_are_classified() {
    for (code, expected) in [
        ("throttlingException", Kind::RateLimited),
        ("modelStreamErrorException", Kind::Server),
        ("internalServerException", Kind::Server),
        ("serviceUnavailableException", Kind::Overloaded),
        ("modelTimeoutException", Kind::Timeout),
        ("InternalFailure", Kind::Server),
        ("somethingNewException", Kind::Server),
    ] {
        assert_eq!(in_stream(code, b"{\"message\":\"m\"}").kind(), expected, "{code}");
        assert_eq!(in_stream(code, b"").kind(), expected, "{code}");
    }
    let long = in_stream("validationException", br#"{"message":"Input is too long for requested model."}"#);
    assert_eq!(long.kind(), Kind::ContextOverflow);
}

proptest! {
    #[test]
    fn arbitrary_replies_never_panic(status in 100u16..999, body in prop::collection::vec(any::<u8>(), 0..200), name in "[ -~]{0,30}") {
        let _ = reply(&head(status, &name), &body);
        let _ = in_stream(&name, &body);
        let _ = in_reply("", &body);
    }
}

/// Exceptions that are documented and have not been recorded; status and name are from the service's API model.
#[test]
fn classifies_documented_exceptions() {
    for (status, name, expected) in [
        (400, "ServiceQuotaExceededException", Kind::QuotaExhausted),
        (400, "ConflictException", Kind::Overloaded),
        (403, "AccessDeniedException", Kind::Forbidden),
        (404, "ResourceNotFoundException", Kind::ModelUnavailable),
        (408, "ModelTimeoutException", Kind::Timeout),
        (424, "ModelErrorException", Kind::Server),
        (424, "ModelStreamErrorException", Kind::Server),
        (429, "ThrottlingException", Kind::RateLimited),
        (429, "ModelNotReadyException", Kind::Overloaded),
        (500, "InternalServerException", Kind::Server),
        (503, "ServiceUnavailableException", Kind::Overloaded),
        (400, "ExceptionFromTomorrow", Kind::InvalidRequest),
        (503, "ExceptionFromTomorrow", Kind::Overloaded),
    ] {
        assert_eq!(reply(&head(status, name), br#"{"message":"m"}"#).kind(), expected, "{status} {name}");
    }
    for (name, expected) in [
        ("throttlingException", Kind::RateLimited),
        ("modelStreamErrorException", Kind::Server),
        ("internalServerException", Kind::Server),
        ("serviceUnavailableException", Kind::Overloaded),
        ("validationException", Kind::InvalidRequest),
        ("modelTimeoutException", Kind::Timeout),
    ] {
        assert_eq!(in_stream(name, br#"{"message":"m"}"#).kind(), expected, "{name}");
    }
}

#[test]
fn daily_token_limit_is_scoped_to_key_and_model() {
    let body = br#"{"message":"Too many tokens per day, please wait before trying again."}"#;
    for (status, name) in [(429, "ThrottlingException"), (429, "")] {
        let error = reply(&head(status, name), body);
        assert_eq!(
            (error.kind(), error.scope()),
            (Kind::QuotaExhausted, hotspare_core::Scope::CredentialModel)
        );
    }
    assert_eq!(in_stream("throttlingException", body).kind(), Kind::QuotaExhausted);
    let minute = br#"{"message":"Too many tokens, please wait before trying again."}"#;
    assert_eq!(reply(&head(429, "ThrottlingException"), minute).kind(), Kind::RateLimited);
}
