//! Classification of unsuccessful replies.
//!
//! The wire has no error codes, only a message. Invariant: total; the message takes precedence over the status.

use hotspare_core::{Error, Kind};
use hotspare_provider::{
    ErrorFields, Head, Rule, Rules, apply_rules, has_error_fields, message_anywhere, plain_message,
    retry_after,
};
use serde_json::Value;

/// The rules; a reply that matches none is classified by its status.
pub const RULES: Rules = Rules {
    specific: &[
        // The message quotes the model, so no row below can be trusted.
        Rule::text(&["error parsing tool call", "xml syntax error on line"], Kind::BadOutput),
        Rule::text(&["usage limit", "upgrade for higher limits"], Kind::QuotaExhausted),
        Rule::text(&["requires more system memory", "out of memory", "process has terminated"], Kind::Server),
        Rule::text(&["server busy", "maximum pending requests", "loading model"], Kind::Overloaded),
    ],
    general: &[
        Rule::text(&["context length"], Kind::ContextOverflow),
        Rule::text(&["model is required"], Kind::ModelUnavailable),
        Rule::text(&["unsupported", "missing data required for image input"], Kind::Unsupported),
        Rule::text(&["unauthorized"], Kind::Auth),
        Rule::text(&["invalid format", "invalid message", "json: cannot unmarshal"], Kind::InvalidRequest),
    ],
};

/// Classifies an unsuccessful reply.
pub(crate) fn reply(head: &Head, body: &[u8]) -> Error {
    let error = classify_body(&String::from_utf8_lossy(body), Some(head.status.as_u16()));
    error.with_retry_after(retry_after(head))
}

/// Classifies an error reported inside a stream.
pub(crate) fn in_reply(raw: &str) -> Error {
    classify_body(raw, None)
}

/// Classifies a line that is neither an answer nor an error of this wire, if it has a field of an error, as hosts in
/// front of it send them, or one named after an error: some versions put the message into the name.
pub(crate) fn top_level_error(data: &[u8]) -> Option<Error> {
    let value: Value = serde_json::from_slice(data).ok()?;
    if has_error_fields(&value) {
        return Some(classify_body(&value.to_string(), None));
    }
    let (name, detail) = value.as_object()?.iter().find(|(name, _)| name.starts_with("error "))?;
    let detail = detail.as_str().map_or_else(|| detail.to_string(), str::to_owned);
    Some(classify_body(&Value::String(format!("{name}: {detail}")).to_string(), None))
}

fn classify_body(body: &str, status: Option<u16>) -> Error {
    let text = body.trim();
    let (message, foreign) = match serde_json::from_str::<Value>(text) {
        Ok(value) => {
            let error = value.get("error").unwrap_or(&value);
            let own = error.as_str().or_else(|| error.get("message")?.as_str());
            let own = own.filter(|text| !text.trim().is_empty());
            let other = || message_anywhere(error).or_else(|| message_anywhere(&value));
            (own.or_else(other).unwrap_or_default().to_owned(), own.is_none())
        }
        Err(_) => (plain_message(text).to_owned(), false),
    };
    let lower = message.to_ascii_lowercase();
    let fields = ErrorFields::new(status, &[], &lower).with_foreign_text(foreign);
    let error = apply_rules(&RULES, &fields).error(message);
    match status {
        Some(status) => error.with_status(status),
        None => error,
    }
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
            (400, r#"{"error":"the input length exceeds the context length"}"#, Kind::ContextOverflow),
            (404, r#"{"error":"model \"x\" not found, try pulling it first"}"#, Kind::ModelUnavailable),
            (400, r#"{"error":"\"gemma\" does not support tools"}"#, Kind::Unsupported),
            (400, r#"{"error":"invalid message format"}"#, Kind::InvalidRequest),
            (401, r#"{"error":"Unauthorized"}"#, Kind::Auth),
            (
                400,
                r#"{"error":"prompt too long; exceeded max context length by 12 tokens"}"#,
                Kind::ContextOverflow,
            ),
            (
                429,
                r#"{"error":"you have reached your hourly usage limit, upgrade for higher limits"}"#,
                Kind::QuotaExhausted,
            ),
            (502, r#"{"error":"upstream is not reachable"}"#, Kind::Server),
            (500, r#"{"error":"model requires more system memory (8 GiB) than is available"}"#, Kind::Server),
            (
                500,
                r#"{"error":"llama runner process has terminated: error loading model: unable to allocate backend buffer"}"#,
                Kind::Server,
            ),
            (
                503,
                r#"{"error":"server busy, please try again. maximum pending requests exceeded"}"#,
                Kind::Overloaded,
            ),
            (502, "", Kind::Server),
            (
                500,
                r#"{"error":"error parsing tool call: raw='{\"command\":\"ls', err=unexpected end of JSON input"}"#,
                Kind::BadOutput,
            ),
            (
                500,
                r#"{"error":"XML syntax error on line 7: element <function> closed by </parameter>"}"#,
                Kind::BadOutput,
            ),
        ] {
            assert_eq!(kind(status, body), expected, "{status} {body}");
        }
        assert_eq!(in_reply(r#"{"error":"error parsing tool call: raw='x'"}"#).kind(), Kind::BadOutput);
        let error = top_level_error(br#"{"error parsing tool call":"invalid character 'c'"}"#).unwrap();
        assert_eq!(error.kind(), Kind::BadOutput);
        assert_eq!(error.message(), "error parsing tool call: invalid character 'c'");
        assert!(top_level_error(br#"{"status":"success"}"#).is_none());
        assert_eq!(
            in_reply(r#"{"error":"an error was encountered while running the model"}"#).kind(),
            Kind::Server
        );
    }

    proptest! {
        #[test]
        fn arbitrary_replies_never_panic(status in 100u16..999, body in "\\PC{0,80}") {
            kind(status, &body);
            in_reply(&body);
        }
    }
}
