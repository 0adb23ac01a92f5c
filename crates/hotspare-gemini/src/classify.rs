//! What an unsuccessful reply means.
//!
//! Invariant: total; the reason in the details is believed before the message, the message before the status word, the word
//! before the HTTP status, and an unknown word is taken by its status.

use hotspare_core::{Error, Kind};
use hotspare_provider::{Head, retry_after};
use serde_json::Value;

use crate::limits::Quota;

/// Classifies an unsuccessful reply.
pub(crate) fn reply(head: &Head, body: &[u8]) -> Error {
    let said = Said::read(&String::from_utf8_lossy(body));
    let status = head.status.as_u16();
    let error = said.error(Some(status)).with_status(status);
    match retry_after(head) {
        Some(pause) => error.with_retry_after(pause),
        None => error,
    }
}

/// Classifies an error that was reported inside a reply.
pub(crate) fn in_reply(text: &str) -> Error {
    Said::read(text).error(None)
}

#[derive(Debug, Default)]
struct Said {
    message: String,
    /// The word, such as `INVALID_ARGUMENT`.
    status: String,
    code: Option<u16>,
    /// `google.rpc.ErrorInfo.reason`.
    reason: String,
    quota: Quota,
}

impl Said {
    fn read(text: &str) -> Self {
        let text = text.trim();
        let Some(value) = parse(text) else {
            let message = if text.starts_with('<') { "the host sent an HTML page" } else { text };
            return Self { message: message.to_owned(), ..Self::default() };
        };
        // Where an array was asked for, the error stands in one.
        let value = value.get(0).unwrap_or(&value);
        let error = value.get("error").unwrap_or(value);
        let word = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let details = error.get("details").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let reason = details.iter().find_map(|detail| detail["reason"].as_str()).unwrap_or_default();
        let message = error.as_str().map_or_else(|| word("message"), str::to_owned);
        let code = &error["code"];
        let number = code.as_u64().or_else(|| code.as_str()?.parse().ok());
        Self {
            quota: Quota::read(details, &message),
            message,
            status: word("status"),
            code: number.and_then(|number| u16::try_from(number).ok()),
            reason: reason.to_owned(),
        }
    }

    fn error(&self, status: Option<u16>) -> Error {
        let mut error = Error::new(self.kind(status), self.message.clone());
        let code = if self.reason.is_empty() { &self.status } else { &self.reason };
        if !code.is_empty() {
            error = error.with_code(code.clone());
        }
        match self.quota.retry_after {
            Some(pause) => error.with_retry_after(pause),
            None => error,
        }
    }

    fn kind(&self, status: Option<u16>) -> Kind {
        let status = status.or(self.code);
        let by_reason = match self.reason.as_str() {
            "BILLING_DISABLED" => Some(Kind::QuotaExhausted),
            "ACCESS_TOKEN_EXPIRED"
            | "API_KEY_EXPIRED"
            | "API_KEY_INVALID"
            | "CONSUMER_INVALID"
            | "CONSUMER_SUSPENDED"
            | "CREDENTIALS_MISSING" => Some(Kind::Auth),
            "MODEL_NOT_FOUND" => Some(Kind::ModelUnavailable),
            _ => None,
        };
        if let Some(kind) = by_reason.or_else(|| self.by_message(status)) {
            return kind;
        }
        match self.status.as_str() {
            // The Gemini API has 402 for an empty account, under the word for quotas.
            "RESOURCE_EXHAUSTED" if status == Some(402) || self.quota.used_up => Kind::QuotaExhausted,
            "RESOURCE_EXHAUSTED" => Kind::RateLimited,
            "UNAUTHENTICATED" => Kind::Auth,
            "PERMISSION_DENIED" => Kind::Forbidden,
            // The Gemini API says so where it does not serve, or not without payment.
            "FAILED_PRECONDITION" => Kind::Forbidden,
            "NOT_FOUND" => Kind::ModelUnavailable,
            "UNAVAILABLE" | "ABORTED" => Kind::Overloaded,
            "DEADLINE_EXCEEDED" => Kind::Timeout,
            "INTERNAL" | "UNKNOWN" | "DATA_LOSS" | "CANCELLED" => Kind::Server,
            "UNIMPLEMENTED" => Kind::Unsupported,
            _ => by_status(status),
        }
    }

    /// Texts, where a status word covers several troubles.
    fn by_message(&self, status: Option<u16>) -> Option<Kind> {
        let lower = self.message.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        if says(&[
            "exceeds the maximum number of tokens",
            "maximum context length",
            "context window",
            "input context is too long",
        ]) {
            return Some(Kind::ContextOverflow);
        }
        match status {
            Some(429) if says(&["credits are depleted", "prepayment", "spending cap", "spend cap"]) => {
                Some(Kind::QuotaExhausted)
            }
            // No key at all, or one that its issuer has withdrawn.
            Some(403) if says(&["unregistered callers", "reported as leaked", "api key was"]) => {
                Some(Kind::Auth)
            }
            Some(400) if says(&["api key not valid", "api key expired"]) => Some(Kind::Auth),
            Some(400)
                if says(&[
                    "responsible ai",
                    "prohibited content",
                    "blocked by safety",
                    "usage guidelines",
                ]) =>
            {
                Some(Kind::ContentPolicy)
            }
            // Another model, or another host, can do what this one cannot.
            Some(400 | 500)
                if says(&[
                    "unsupported",
                    "not supported",
                    "does not support",
                    "doesn't support",
                    "is not enabled",
                    "not available",
                    "only works in thinking mode",
                    "thinking budget",
                    "thought_signature",
                    "thought signature",
                    "maximum allowed nesting depth",
                    "too many states for serving",
                    "payload size exceeds",
                    "cannot fetch content",
                    "at most",
                ]) =>
            {
                // Where a person is, no other model changes.
                if says(&["user location"]) { Some(Kind::Forbidden) } else { Some(Kind::Unsupported) }
            }
            _ => None,
        }
    }
}

/// Reads JSON, also with the comma before a closing bracket that one host has sent.
fn parse(text: &str) -> Option<Value> {
    let read = serde_json::from_str(text).ok();
    read.or_else(|| {
        let mut mended = String::with_capacity(text.len());
        for character in text.chars() {
            if matches!(character, '}' | ']') {
                let end = mended.trim_end().len();
                if mended[..end].ends_with(',') {
                    mended.truncate(end - 1);
                }
            }
            mended.push(character);
        }
        serde_json::from_str(&mended).ok()
    })
    .filter(|value: &Value| value.is_object() || value.is_array())
}

fn by_status(status: Option<u16>) -> Kind {
    match status {
        Some(401) => Kind::Auth,
        Some(402) => Kind::QuotaExhausted,
        Some(403) => Kind::Forbidden,
        Some(404) => Kind::ModelUnavailable,
        Some(408 | 504) => Kind::Timeout,
        Some(409 | 503 | 529) => Kind::Overloaded,
        Some(413) => Kind::ContextOverflow,
        Some(429) => Kind::RateLimited,
        Some(499) => Kind::Server,
        Some(501) => Kind::Unsupported,
        Some(400..=498) => Kind::InvalidRequest,
        Some(500..=599) | None => Kind::Server,
        Some(_) => Kind::Protocol,
    }
}

#[cfg(test)]
mod tests;
