//! Classification of unsuccessful replies.
//!
//! Invariant: total. The detailed code takes precedence over the type, and the type over the status; if a word is
//! unknown, the status decides.

use std::time::SystemTime;

use hotspare_core::{Error, Kind, Scope};
use hotspare_provider::{
    Classification, ErrorFields, Head, Rule, apply_rules, plain_message, retry_after, retry_after_in_text,
};
use serde_json::Value;

/// The rules, most specific first; a reply that matches none is classified by its status.
pub const RULES: &[Rule] = &[
    Rule::word(&["ramp_limit_exceeded"], Kind::GrowthLimited),
    Rule::word(
        &["billing_error", "organization_on_hold", "creditserror", "monthlylimiterror"],
        Kind::QuotaExhausted,
    ),
    Rule::text(
        &[
            "credit balance is too low",
            "api usage limits",
            "insufficient balance",
            "spend limit",
            // Part of codes, of which new ones keep appearing, such as `enforced_spend_limit_reached`.
            "spend_limit",
            "linked_organization",
            "out of extra usage",
        ],
        Kind::QuotaExhausted,
    ),
    // Some servers fail to parse the model's output and quote it, so no text rule below this one can be trusted.
    Rule::text(&["failed to parse input at pos"], Kind::BadOutput).at(500),
    Rule::word(&["exceed_context_size_error", "request_too_large"], Kind::ContextOverflow),
    Rule::text(
        &[
            "prompt is too long",
            "too many total text bytes",
            "context window",
            "maximum context length",
            "exceeds the available context",
            "input length and `max_tokens` exceed context limit",
            "prompt exceeds max length",
            "greater than the context length",
            "context length of only",
            "context size has been exceeded",
        ],
        Kind::ContextOverflow,
    ),
    Rule::text(&["acceleration", "usage increase rate"], Kind::GrowthLimited).at(429),
    Rule::text(&["per day", "daily rate limit"], Kind::QuotaExhausted).within(Scope::CredentialModel).at(429),
    // What is free, or a plan's allowance for a period of hours.
    Rule::word(&["freeusagelimiterror", "subscriptionusagelimiterror"], Kind::QuotaExhausted)
        .within(Scope::CredentialModel),
    Rule::text(&["usage limit reached", "usage limit for this billing cycle"], Kind::QuotaExhausted)
        .within(Scope::CredentialModel),
    Rule::text(&["limit exhausted"], Kind::QuotaExhausted).within(Scope::CredentialModel).at(429),
    Rule::text(
        &["organization has been disabled", "only authorized for use with", "token has been revoked"],
        Kind::Auth,
    ),
    Rule::word(&["billing_disabled"], Kind::QuotaExhausted),
    Rule::text(&["is not allowed to use publisher model"], Kind::Forbidden),
    Rule::text(&["blocked by content filtering policy"], Kind::ContentPolicy),
    Rule::text(&["upstream connect error"], Kind::Server),
    // A URL that this provider cannot reach may be reachable for another.
    Rule::text(&["unable to download the file"], Kind::Unsupported),
    Rule::text(
        &[
            "does not support",
            "is not supported",
            "schema not supported",
            "prefill",
            "pre-fill",
            "too complex for compilation",
            "too many parameters with union types",
            "too many optional parameters",
            "cannot both be specified",
            "is deprecated for this model",
            "maximum allowed number of output tokens",
            "required for long context requests",
            "may not be enabled when",
            "disallowed feature",
            "extra inputs are not permitted",
            "not yet available for this subscription",
        ],
        Kind::Unsupported,
    ),
    // A policy of the project; the host sends the status of a caller's mistake.
    Rule::word(&["failed_precondition"], Kind::Forbidden),
    Rule::word(&["overloaded_error", "unavailable"], Kind::Overloaded),
    Rule::word(&["rate_limit_error", "resource_exhausted"], Kind::RateLimited),
    Rule::word(&["authentication_error", "unauthenticated"], Kind::Auth),
    Rule::word(&["permission_error", "permission_denied"], Kind::Forbidden),
    // The request refers to something that the provider no longer has.
    Rule::text(&["file not found", "container "], Kind::InvalidRequest).at(404),
    Rule::word(&["not_found_error", "not_found"], Kind::ModelUnavailable),
    Rule::text(&["model doesn't exist", "model does not exist"], Kind::ModelUnavailable),
    Rule::word(&["timeout_error", "deadline_exceeded"], Kind::Timeout),
    Rule::word(&["conflict_error"], Kind::Overloaded),
    Rule::word(&["invalid_request_error"], Kind::InvalidRequest).at(400),
    // Some servers answer client errors with 500.
    Rule::text(&["parse_error", "must not be empty", "failed to parse"], Kind::InvalidRequest).at(500),
];

/// Classifies an unsuccessful reply.
pub(crate) fn reply(head: &Head, body: &[u8]) -> Error {
    let body = ErrorBody::read(&String::from_utf8_lossy(body));
    let status = head.status.as_u16();
    let hint = retry_after(head);
    // A request that alone exceeds the limit gets a 429 that asks not to be retried.
    let hopeless = status == 429 && hint.is_none() && head.header("x-should-retry") == Some("false");
    let mut error = body.error(Some(status)).with_status(status);
    if hopeless && error.kind() == Kind::RateLimited {
        error = error.with_kind(Kind::Unsupported);
    }
    error.with_retry_after(hint.or_else(|| retry_after_in_text(&body.message)))
}

/// Classifies an error reported inside a stream.
pub(crate) fn in_reply(raw: &str) -> Error {
    let body = ErrorBody::read(raw);
    body.error((body.kind == "invalid_request_error").then_some(400).or(body.status))
}

/// Classifies a body or frame that is neither an answer nor this wire's error, if it has fields of an error.
pub(crate) fn top_level_error(data: &[u8]) -> Option<Error> {
    let value: Value = serde_json::from_slice(data).ok()?;
    let is_error = ["message", "msg"].iter().any(|name| value.get(name).is_some_and(Value::is_string));
    is_error.then(|| in_reply(&String::from_utf8_lossy(data)))
}

#[derive(Debug, Default)]
struct ErrorBody {
    message: String,
    kind: String,
    detail: String,
    /// The status given in an error inside a successful reply.
    status: Option<u16>,
    request_id: Option<String>,
}

impl ErrorBody {
    fn read(text: &str) -> Self {
        let text = text.trim();
        let Ok(value) = serde_json::from_str::<Value>(text) else {
            return Self { message: plain_message(text).to_owned(), ..Self::default() };
        };
        // One host wraps its errors in a list.
        let value = match value {
            Value::Array(mut list) if list.len() == 1 => list.remove(0),
            value => value,
        };
        let error = value.get("error").filter(|error| error.is_object()).unwrap_or(&value);
        let word = |value: &Value, name: &str| {
            value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        // The provider's own, or the list of `google.rpc.Status`.
        let detail = match error.get("details") {
            Some(Value::Array(list)) => {
                list.iter().map(|detail| word(detail, "reason")).find(|it| !it.is_empty())
            }
            Some(details) => Some(word(details, "error_code")),
            None => None,
        };
        let detail = detail.unwrap_or_default();
        let named = Some(word(error, "message")).filter(|message| !message.is_empty());
        let message =
            match (named.unwrap_or_else(|| word(error, "msg")), value.get("error").and_then(Value::as_str)) {
                (message, None) => message,
                (_, Some(text)) => text.to_owned(),
            };
        let request_id = Some(word(&value, "request_id")).filter(|id| !id.is_empty());
        let status = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        let status = status.filter(|status| (400..600).contains(status));
        let named = ["type", "status", "code"].map(|name| word(error, name));
        let kind = named.into_iter().find(|kind| !kind.is_empty()).unwrap_or_default();
        Self { message, kind, detail, status, request_id }
    }

    fn classification(&self, status: Option<u16>) -> Classification {
        let lower = format!("{} {}", self.message, self.detail).to_ascii_lowercase();
        let fields = ErrorFields { status, words: &[&self.detail, &self.kind], text: &lower };
        apply_rules(RULES, &fields)
    }

    fn error(&self, status: Option<u16>) -> Error {
        let mut error = self.classification(status).error(self.message.clone());
        let code = if self.detail.is_empty() { &self.kind } else { &self.detail };
        if !code.is_empty() {
            error = error.with_code(code.clone());
        }
        match &self.request_id {
            Some(id) => error.with_request_id(id.clone()),
            None => error,
        }
    }
}

/// Parses an RFC 3339 time; fractions of a second are dropped.
pub(crate) fn rfc3339(text: &str) -> Option<SystemTime> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..=60).contains(&second) {
        return None;
    }
    // Days since 1970-01-01 in the proleptic Gregorian calendar (Hinnant, "days from civil").
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (shifted / 400, shifted % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let zone = match text.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit()) {
        "Z" | "z" => 0,
        offset => {
            let sign = if offset.starts_with('-') { -1 } else { 1 };
            let hours = offset.get(1..3)?.parse::<i64>().ok()?;
            let minutes = offset.get(4..6)?.parse::<i64>().ok()?;
            sign * (hours * 3_600 + minutes * 60)
        }
    };
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - zone;
    SystemTime::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(u64::try_from(seconds).ok()?))
}

#[cfg(test)]
mod tests;
