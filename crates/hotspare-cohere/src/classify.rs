//! Classification of unsuccessful replies.
//!
//! The wire has no error codes, only a message. Invariant: total; the message takes precedence over the status.

use hotspare_core::{Error, Kind};
use hotspare_provider::{
    ErrorFields, Head, Rule, Rules, apply_rules, own_or_foreign, plain_message, retry_after,
};
use serde_json::Value;

/// The rules; a reply that matches none is classified by its status.
pub const RULES: Rules = Rules {
    specific: &[
        Rule::word(&["invalid_tool_generation"], Kind::BadOutput),
        Rule::text(&["invalid tool generation"], Kind::BadOutput),
        Rule::text(
            &["billing", "monthly limit", "payment", "add a payment method", "calls / month"],
            Kind::QuotaExhausted,
        )
        .at(429),
        Rule::text(&["trial key", "calls / minute", "rate limit"], Kind::RateLimited).at(429),
    ],
    general: &[
        Rule::text(&["size limit exceeded"], Kind::ContextOverflow),
        Rule::text(&["invalid api token"], Kind::Auth),
        Rule::text(&["was removed on", "deprecated and removed"], Kind::ModelUnavailable),
        Rule::text(&["not supported for", "not compatible with"], Kind::Unsupported),
        Rule::text(&["safety", "blocked by", "toxic"], Kind::ContentPolicy).at(403),
        // A status of this host's own: the prompt or the answer contains a word from its deny list.
        Rule::status(498, Kind::ContentPolicy),
    ],
};

/// Classifies an unsuccessful reply.
pub(crate) fn reply(head: &Head, body: &[u8]) -> Error {
    let status = head.status.as_u16();
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    let value = serde_json::from_str::<Value>(text);
    let field = |name: &str| value.as_ref().ok()?.get(name)?.as_str();
    let own = |value| {
        let named = |name: &str| Value::get(value, name).and_then(Value::as_str);
        named("message").or(named("error")).or(value.as_str())
    };
    let (message, foreign) = match &value {
        Ok(value) => own_or_foreign(own(value), value),
        Err(_) => (plain_message(text), false),
    };
    let mut error = classified(message, "", Some(status), foreign).with_status(status);
    if let Some(id) = field("id") {
        error = error.with_request_id(id);
    }
    error.with_retry_after(retry_after(head))
}

/// Classifies an error by its message and, if a stream gives one, its error type.
pub(crate) fn message(message: &str, word: &str, status: Option<u16>) -> Error {
    classified(message, word, status, false)
}

fn classified(message: &str, word: &str, status: Option<u16>, foreign: bool) -> Error {
    let lower = message.to_ascii_lowercase();
    let words = [word];
    let fields = ErrorFields::new(status, &words, &lower).with_foreign_text(foreign);
    let error = apply_rules(&RULES, &fields).error(message);
    if word.is_empty() { error } else { error.with_code(word) }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use http::{HeaderMap, StatusCode};
    use proptest::prelude::*;

    use super::*;

    fn kind(status: u16, body: &str) -> Kind {
        let head = Head {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            received_at: SystemTime::UNIX_EPOCH,
        };
        reply(&head, body.as_bytes()).kind()
    }

    #[test]
    fn error_text_takes_precedence_over_status() {
        for (status, body, expected) in [
            (
                400,
                r#"{"message":"too many tokens: size limit exceeded by 25836 tokens."}"#,
                Kind::ContextOverflow,
            ),
            (
                400,
                r#"{"message":"invalid request: document at index 0 cannot be empty"}"#,
                Kind::InvalidRequest,
            ),
            (401, r#"{"message":"invalid api token"}"#, Kind::Auth),
            (402, "", Kind::QuotaExhausted),
            (404, r#"{"message":"model 'x' was removed on September 15, 2025."}"#, Kind::ModelUnavailable),
            (
                422,
                r#"{"message":"unknown field: parameter name is not a valid field"}"#,
                Kind::InvalidRequest,
            ),
            (
                429,
                r#"{"message":"You are using a Trial key, which is limited to 10 API calls / minute."}"#,
                Kind::RateLimited,
            ),
            (403, r#"{"message":"your access token does not have access to this"}"#, Kind::Forbidden),
            (
                400,
                r#"{"message":"invalid request: temperature must be between 0 and 1 inclusive"}"#,
                Kind::InvalidRequest,
            ),
            (
                429,
                r#"{"message":"Please wait and try again later, or upgrade to a production key"}"#,
                Kind::RateLimited,
            ),
            (
                429,
                r#"{"message":"You have reached your monthly limit; add a payment method"}"#,
                Kind::QuotaExhausted,
            ),
            (499, r#"{"message":"request cancelled by user"}"#, Kind::Server),
            (501, r#"{"message":"not implemented"}"#, Kind::Unsupported),
            (504, "", Kind::Timeout),
            (
                498,
                r#"{"message":"blocked output: this generation may be potentially unsafe"}"#,
                Kind::ContentPolicy,
            ),
            (
                429,
                r#"{"message":"You are using a Trial key, which is limited to 1000 API calls / month."}"#,
                Kind::QuotaExhausted,
            ),
            (410, "", Kind::ModelUnavailable),
            (500, "", Kind::Server),
            (503, "", Kind::Overloaded),
        ] {
            assert_eq!(kind(status, body), expected, "{status} {body}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_replies_never_panic(status in 100u16..999, body in "\\PC{0,80}") {
            kind(status, &body);
        }
    }
}
