//! Classification of unsuccessful replies.
//!
//! Invariant: total. The detailed code takes precedence over the type, and the type over the status; if a word is
//! unknown, the status decides.

use std::time::{Duration, SystemTime};

use hotspare_core::{Error, Kind, Scope};
use hotspare_provider::{
    Classification, Count, ErrorFields, Head, MAX_RETRY_AFTER, Rule, Rules, apply_rules, own_or_foreign,
    plain_message, reset_in_text, retry_after, retry_after_in_text,
};
use serde_json::Value;

/// The rules; a reply that matches none is classified by its status.
pub const RULES: Rules = Rules {
    specific: &[
        Rule::word(&["ramp_limit_exceeded"], Kind::GrowthLimited),
        Rule::word(
            &[
                "billing_error",
                "organization_on_hold",
                "creditserror",
                "monthlylimiterror",
                "billing_disabled",
            ],
            Kind::QuotaExhausted,
        ),
        Rule::word(&["linked_organization_*"], Kind::QuotaExhausted),
        // The organization's own key for its data cannot be used.
        Rule::word(&["cmek_*"], Kind::Forbidden),
        // What is free, or a plan's allowance for a period of hours.
        Rule::word(&["freeusagelimiterror", "subscriptionusagelimiterror"], Kind::QuotaExhausted)
            .within(Scope::CredentialModel),
        Rule::word(&["exceed_context_size_error", "request_too_large"], Kind::ContextOverflow),
        Rule::word(&["model_not_found"], Kind::ModelUnavailable),
        Rule::word(&["modelerror"], Kind::ModelUnavailable).at(401),
        Rule::word(&["overloaded_error"], Kind::Overloaded),
        // The request refers to something that the provider no longer has.
        Rule::text(&["file not found", "container "], Kind::InvalidRequest).at(404),
    ],
    general: &[
        Rule::text(&["prefill", "pre-fill", "disallowed feature"], Kind::Unsupported),
        // A policy of the project; the host sends the status of a caller's mistake.
        Rule::word(&["failed_precondition"], Kind::Forbidden),
        Rule::word(&["unavailable"], Kind::Overloaded),
        Rule::word(&["rate_limit_error", "resource_exhausted"], Kind::RateLimited),
        Rule::word(&["authentication_error", "unauthenticated"], Kind::Auth),
        Rule::word(&["permission_error", "permission_denied"], Kind::Forbidden),
        Rule::word(&["not_found_error", "not_found"], Kind::ModelUnavailable),
        Rule::word(&["timeout_error", "deadline_exceeded"], Kind::Timeout),
        Rule::word(&["conflict_error"], Kind::Overloaded),
        Rule::word(&["invalid_request_error"], Kind::InvalidRequest).at(400),
        // Some servers answer client errors with 500.
        Rule::text(&["parse_error", "must not be empty", "failed to parse"], Kind::InvalidRequest).at(500),
    ],
};

/// Classifies an unsuccessful reply.
pub(crate) fn reply(head: &Head, body: &[u8]) -> Error {
    let body = ErrorBody::read(&String::from_utf8_lossy(body));
    let status = head.status.as_u16();
    let hint = retry_after(head).or_else(|| plan_reset(head).filter(|_| status == 429));
    // A request that alone exceeds the limit gets a 429 that asks not to be retried, without a time at which it may be.
    let hopeless = status == 429 && hint.is_none() && head.header("x-should-retry") == Some("false");
    let mut error = body.error(Some(status)).with_status(status);
    if hopeless && error.kind() == Kind::RateLimited {
        error = error.with_kind(Kind::Unsupported);
    }
    let pause = hint.or_else(|| retry_after_in_text(&body.message));
    error.with_retry_after(pause.or_else(|| reset_in_text(&body.message, head.received_at)))
}

/// The time until a plan that is used up is full again. The header has the end, as a Unix time, of the plan's window of
/// hours or days, whatever else the refusal is about.
fn plan_reset(head: &Head) -> Option<Duration> {
    let status = head.header("anthropic-ratelimit-unified-status")?.trim();
    if !status.eq_ignore_ascii_case("rejected") {
        return None;
    }
    let at = head.header("anthropic-ratelimit-unified-reset")?.trim().parse::<u64>().ok()?;
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at))?;
    at.duration_since(head.received_at).ok().filter(|pause| *pause <= MAX_RETRY_AFTER)
}

/// Classifies an error reported inside a stream.
pub(crate) fn in_reply(raw: &str) -> Error {
    let body = ErrorBody::read(raw);
    let status = match &*body.kind {
        "invalid_request_error" => Some(400),
        "rate_limit_error" => Some(429),
        _ => body.status,
    };
    body.error(status)
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
    /// Whether the message is from a field that this wire does not have.
    foreign: bool,
    /// Whether the fields are inside `error`, where this wire has them.
    is_enveloped: bool,
    /// The type or its substitute, and a code beside it.
    kind: String,
    code: String,
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
        let (message, foreign) = own_or_foreign(Some(&message), &value);
        let message = message.to_owned();
        let request_id = Some(word(&value, "request_id")).filter(|id| !id.is_empty());
        let status = error.get("code").and_then(Count::of).and_then(|code| u16::try_from(code).ok());
        let status = status.filter(|status| (400..600).contains(status));
        let named = ["type", "status", "code"].map(|name| word(error, name));
        let code = named[2].clone();
        let kind = named.into_iter().find(|kind| !kind.is_empty()).unwrap_or_default();
        let is_enveloped = value.get("error").is_some_and(Value::is_object);
        Self { message, foreign, is_enveloped, kind, code, detail, status, request_id }
    }

    fn classification(&self, status: Option<u16>) -> Classification {
        let lower = format!("{} {}", self.message, self.detail).to_ascii_lowercase();
        let words = &[&*self.detail, &*self.kind, &*self.code];
        let own_words: &[&str] = if self.is_enveloped { words } else { &[] };
        let fields =
            ErrorFields::new(status, words, &lower).with_own_words(own_words).with_foreign_text(self.foreign);
        apply_rules(&RULES, &fields)
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

#[cfg(test)]
mod tests;
