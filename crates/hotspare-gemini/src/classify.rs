//! Classification of unsuccessful replies.
//!
//! Invariant: total. The reason in the details takes precedence over the message, the message over the status word, and
//! the word over the HTTP status; if a word is unknown, the HTTP status decides.

use hotspare_core::{Error, Kind, Scope};
use hotspare_provider::{
    Classification, Count, ErrorFields, Head, Rule, Rules, apply_rules, has_error_fields, own_or_foreign,
    plain_message, retry_after,
};
use serde_json::Value;

use crate::limits::Quota;

/// Added to the words if the exhausted quota is not one that refills within minutes; see `limits`.
const USED_UP: &str = "quota used up";

/// Another model or another host may be able to do what this one cannot. Too short for other wires.
const CANNOT: &[&str] = &[
    "unsupported",
    "not supported",
    "is not enabled",
    "not available",
    "thinking budget",
    "thought_signature",
    "thought signature",
    "payload size exceeds",
    "at most",
];

/// The request refers to something that this host lacks or withholds from this key; other requests are not affected.
const NAMED: &[&str] = &["cachedcontent", "cached content", "access the file"];

/// The rules; a reply that matches none is classified by its status.
pub const RULES: Rules = Rules {
    specific: &[
        Rule::word(&["billing_disabled"], Kind::QuotaExhausted),
        Rule::word(
            &[
                "access_token_expired",
                "api_key_expired",
                "api_key_invalid",
                "consumer_invalid",
                "consumer_suspended",
                "credentials_missing",
            ],
            Kind::Auth,
        ),
        Rule::word(&["model_not_found"], Kind::ModelUnavailable),
        // The URL names the model: the frontend knows no such address (recorded, with an empty body).
        Rule::text(&["the host sent"], Kind::ModelUnavailable).at(404),
        Rule::text(
            &["credits are depleted", "prepayment", "spending cap", "spend cap"],
            Kind::QuotaExhausted,
        )
        .at(429),
        // The issuer has revoked the key.
        Rule::text(&["api key was"], Kind::Auth).at(403),
        Rule::text(NAMED, Kind::InvalidRequest).at(403),
        Rule::text(NAMED, Kind::InvalidRequest).at(404),
        Rule::word(&["model_capacity_exhausted"], Kind::Overloaded),
        // Each model of a project has a quota of its own.
        Rule::word(&[USED_UP, "quota_exhausted"], Kind::QuotaExhausted).within(Scope::CredentialModel),
        // The Gemini API sends 402 with the quota word if the account is empty. A period is read from the details, so
        // what the text says of one does not count.
        Rule::word(&["resource_exhausted"], Kind::QuotaExhausted).at(402),
        Rule::word(&["resource_exhausted", "too_many_requests", "rate_limit_exceeded"], Kind::RateLimited),
    ],
    general: &[
        Rule::text(
            &["responsible ai", "prohibited content", "blocked by safety", "usage guidelines"],
            Kind::ContentPolicy,
        )
        .at(400),
        // Another model does not change the user's location.
        Rule::text(&["user location", "in your country"], Kind::Forbidden).at(400),
        Rule::text(CANNOT, Kind::Unsupported).at(400),
        Rule::text(CANNOT, Kind::Unsupported).at(500),
        Rule::word(&["unauthenticated", "unauthorized", "authentication_error"], Kind::Auth),
        // The Gemini API sends the second word where it is unavailable, or available only with billing.
        Rule::word(&["permission_denied", "failed_precondition"], Kind::Forbidden),
        Rule::word(&["not_found"], Kind::ModelUnavailable),
        Rule::word(&["unavailable", "service_unavailable", "overloaded", "aborted"], Kind::Overloaded),
        Rule::word(&["deadline_exceeded", "gateway_timeout", "timeout"], Kind::Timeout),
        Rule::word(
            &["api_error", "cancelled", "data_loss", "internal", "internal_error", "server_error", "unknown"],
            Kind::Server,
        ),
        Rule::word(&["invalid_request", "invalid_argument", "out_of_range"], Kind::InvalidRequest),
        Rule::word(&["unimplemented"], Kind::Unsupported),
    ],
};

/// Classifies an unsuccessful reply.
pub(crate) fn reply(head: &Head, body: &[u8]) -> Error {
    let body = ErrorBody::read(&String::from_utf8_lossy(body));
    let status = head.status.as_u16();
    let error = body.error(Some(status)).with_status(status);
    error.with_retry_after(retry_after(head))
}

/// Classifies a piece of a stream that has nothing of an answer, if it has fields of an error.
pub(crate) fn top_level_error(data: &[u8]) -> Option<Error> {
    let value: Value = serde_json::from_slice(data).ok()?;
    // A status alone may be one of the work.
    has_error_fields(&value).then(|| in_reply(&String::from_utf8_lossy(data)))
}

/// Classifies an error reported inside a reply.
pub(crate) fn in_reply(text: &str) -> Error {
    ErrorBody::read(text).error(None)
}

#[derive(Debug, Default)]
struct ErrorBody {
    message: String,
    /// Whether the message is from a field that this wire does not have.
    foreign: bool,
    /// Whether the fields are inside `error`, where this wire has them.
    is_enveloped: bool,
    /// The status word, such as `INVALID_ARGUMENT`.
    status: String,
    code: Option<u16>,
    /// `google.rpc.ErrorInfo.reason`.
    reason: String,
    quota: Quota,
}

impl ErrorBody {
    fn read(text: &str) -> Self {
        let text = text.trim();
        let Some(value) = parse(text) else {
            return Self { message: plain_message(text).to_owned(), ..Self::default() };
        };
        // If an array was requested, the error is wrapped in one.
        let value = value.get(0).unwrap_or(&value);
        let error = value.get("error").unwrap_or(value);
        let word = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let details = error.get("details").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let reason = details.iter().find_map(|detail| detail["reason"].as_str()).unwrap_or_default();
        let own = error.as_str().map_or_else(|| word("message"), str::to_owned);
        let (message, foreign) = own_or_foreign(Some(&own), value);
        let message = message.to_owned();
        let code = &error["code"];
        Self {
            quota: Quota::read(details, &message),
            message,
            foreign,
            is_enveloped: value.get("error").is_some_and(Value::is_object),
            // The Interactions API puts the word in the field `code`.
            status: code
                .as_str()
                .filter(|code| code.parse::<u16>().is_err())
                .map_or_else(|| word("status"), str::to_owned),
            code: Count::of(code).and_then(|number| u16::try_from(number).ok()),
            reason: reason.to_owned(),
        }
    }

    fn error(&self, status: Option<u16>) -> Error {
        let mut error = self.classification(status).error(self.message.clone());
        let code = if self.reason.is_empty() { &self.status } else { &self.reason };
        if !code.is_empty() {
            error = error.with_code(code.clone());
        }
        error.with_retry_after(self.quota.retry_after)
    }

    fn classification(&self, status: Option<u16>) -> Classification {
        let status = status.or(self.code);
        let lower = self.message.to_ascii_lowercase();
        let daily = self.quota.used_up && self.status == "RESOURCE_EXHAUSTED";
        let used_up = if daily { USED_UP } else { "" };
        let words = &[&*self.reason, &*self.status, used_up];
        let own_words: &[&str] = if self.is_enveloped { words } else { &[] };
        let fields =
            ErrorFields::new(status, words, &lower).with_own_words(own_words).with_foreign_text(self.foreign);
        apply_rules(&RULES, &fields)
    }
}

/// Parses JSON, tolerating the comma before a closing bracket that one host has sent.
fn parse(text: &str) -> Option<Value> {
    let read = serde_json::from_str(text).ok();
    read.or_else(|| {
        let mut repaired = String::with_capacity(text.len());
        for character in text.chars() {
            if matches!(character, '}' | ']') {
                let end = repaired.trim_end().len();
                if repaired[..end].ends_with(',') {
                    repaired.truncate(end - 1);
                }
            }
            repaired.push(character);
        }
        serde_json::from_str(&repaired).ok()
    })
    .filter(|value: &Value| value.is_object() || value.is_array())
}

#[cfg(test)]
mod tests;
