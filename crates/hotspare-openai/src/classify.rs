//! Classification of unsuccessful replies.
//!
//! The body is read first, because hosts use the same status for a bad key, an exhausted balance and a malformed
//! request. If no rule matches, the status decides. Invariant: total, and the provider's message is kept short.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use hotspare_core::{Error, Overflow};
use hotspare_provider::{
    Count, ErrorFields, Head, MAX_RETRY_AFTER, apply_rules, has_error_fields, message_anywhere, pause,
    plain_message, reset_in_text, retry_after, retry_after_in_text,
};
use serde_json::{Map, Value};

mod rules;

use rules::RATE_LIMITED;
pub use rules::RULES;

/// Classifies an unsuccessful reply.
pub(crate) fn reply(head: &Head, body: &[u8]) -> Error {
    let status = head.status.as_u16();
    let body = ErrorBody::read(body);
    let error = body.error(Some(status));
    let pause = retry_after(head).or(body.pause).or_else(|| retry_after_in_text(&body.message));
    let pause = pause.or_else(|| reset_in_text(&body.message, head.received_at));
    let reset_at = || reset(head.header("x-ratelimit-reset").or(body.reset.as_deref())?, head.received_at);
    error.with_retry_after(pause.or_else(|| reset_at().filter(|_| status == 429)))
}

/// Classifies an error reported inside a successful reply. Its code may be the status it should have had.
pub(crate) fn in_reply(raw: &str) -> Error {
    let body = ErrorBody::read(raw.as_bytes());
    let code =
        || body.codes.iter().find_map(|code| code.parse().ok().filter(|code| ERROR_STATUSES.contains(code)));
    // The status that the host would have sent, had it noticed before it sent the headers.
    let limited = || body.codes.iter().any(|code| RATE_LIMITED.contains(&code.as_str())).then_some(429);
    let invalid = || body.codes.iter().any(|code| code == "invalid_request_error").then_some(400);
    let error = body.error(body.status.or_else(code).or_else(limited).or_else(invalid));
    error.with_retry_after(body.pause.or_else(|| retry_after_in_text(&body.message)))
}

/// Classifies a frame without an answer if it has an error's fields at its top level, as some hosts send them. The code
/// 0 means success.
pub(crate) fn top_level_error(raw: &str) -> Option<Error> {
    let value: Value = serde_json::from_str(raw).ok()?;
    let code = value.get("base_resp").map_or(value.get("code"), |base| base.get("status_code"));
    if code.and_then(Count::of) == Some(0) {
        return None;
    }
    let has_base = value.get("base_resp").is_some_and(|base| !base.is_null());
    (has_base || has_error_fields(&value)).then(|| in_reply(raw))
}

/// Statuses of failed replies.
const ERROR_STATUSES: Range<u16> = 400..600;

/// When a relay's bucket is full again, a Unix time in milliseconds: the only hint that it gives.
fn reset(at: &str, received_at: SystemTime) -> Option<Duration> {
    let at = at.trim().parse::<u64>().ok().filter(|at| *at > 1_000_000_000_000)?;
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(at))?;
    at.duration_since(received_at).ok().filter(|pause| *pause <= MAX_RETRY_AFTER)
}

/// The fields of an error body, whatever its shape.
#[derive(Debug, Default)]
struct ErrorBody {
    message: String,
    /// Whether the message is from a field that this wire does not have.
    foreign: bool,
    /// Codes and types.
    codes: Vec<String>,
    /// Which of them are inside `error`, where this wire has them.
    own_codes: Range<usize>,
    status: Option<u16>,
    /// A pause stated in the body.
    pause: Option<Duration>,
    /// When a relay's bucket refills, if the body quotes its headers.
    reset: Option<String>,
    /// Names of the exceeded quotas, which the message omits.
    quotas: String,
    /// Tokens of a prompt that was too long, and the most that fit, in fields of their own.
    overflow: Option<Overflow>,
    request_id: Option<String>,
}

impl ErrorBody {
    fn read(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        let Ok(value) = serde_json::from_str::<Value>(text) else {
            return Self { message: plain_message(text).to_owned(), ..Self::default() };
        };
        let mut body = Self::default();
        body.collect(&value, 0);
        if body.message.is_empty() {
            body.message = message_anywhere(&value).unwrap_or_default().to_owned();
            body.foreign = true;
        }
        body
    }

    /// Collects the fields of an error from wherever hosts put them.
    fn collect(&mut self, value: &Value, depth: u32) {
        if depth > 4 {
            return;
        }
        match value {
            Value::String(text) if self.message.is_empty() => self.message = text.clone(),
            Value::Array(list) => list.iter().take(1).for_each(|first| self.collect(first, depth + 1)),
            Value::Object(map) => self.collect_object(map, depth),
            _ => {}
        }
    }

    fn collect_object(&mut self, map: &Map<String, Value>, depth: u32) {
        self.codes_of(map);
        // Deeper ids belong to errors that a relay quotes.
        if depth <= 1 && self.request_id.is_none() {
            let id = map.get("request_id").and_then(Value::as_str).filter(|id| !id.is_empty());
            self.request_id = id.map(str::to_owned);
        }
        self.hints_of(map);
        self.collect_nested(map, depth);
        // A relay quotes the error of the host behind it, which is more specific.
        if let Some(raw) =
            map.get("metadata").and_then(|metadata| metadata.get("raw")).and_then(Value::as_str)
        {
            self.message = format!("{}: {raw}", self.message);
            if let Ok(quoted) = serde_json::from_str::<Value>(raw) {
                self.collect(&quoted, depth + 1);
            }
        }
    }

    /// Codes, types and a status.
    fn codes_of(&mut self, map: &Map<String, Value>) {
        for name in ["code", "type", "error_type", "status", "reason", "provider_code"] {
            match map.get(name) {
                Some(Value::String(code)) => self.codes.push(code.clone()),
                Some(value @ Value::Number(code)) => self
                    .codes
                    .push(Count::of(value).map_or_else(|| code.to_string(), |code| code.to_string())),
                _ => {}
            }
        }
        // A status, or a host-specific code in its place. Other statuses than those of errors say nothing.
        let code = map.get("status_code").or_else(|| map.get("http_status_code"));
        if let Some(code) = code.and_then(Count::of) {
            match u16::try_from(code).ok().filter(|code| *code < ERROR_STATUSES.end) {
                Some(status) if ERROR_STATUSES.contains(&status) => {
                    self.status = self.status.or(Some(status));
                }
                Some(_) => {}
                None => self.codes.push(code.to_string()),
            }
        }
    }

    /// What the host says about limits: a pause, when a bucket refills, the most tokens, the names of quotas.
    fn hints_of(&mut self, map: &Map<String, Value>) {
        let tokens = |name: &str| map.get(name).and_then(Count::of);
        let overflow = Overflow::new(tokens("n_prompt_tokens"), tokens("n_ctx"));
        self.overflow = self.overflow.or(overflow);
        self.pause = self.pause.or_else(|| {
            let names = ["retry_after", "retry_after_seconds", "resets_in_seconds", "estimated_time"];
            let seconds = names.iter().find_map(|name| map.get(*name)?.as_f64())?;
            Duration::try_from_secs_f64(seconds).ok().filter(|pause| *pause <= MAX_RETRY_AFTER)
        });
        self.reset = self.reset.take().or_else(|| {
            let headers = map.get("headers")?.as_object()?;
            let mut reset = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-ratelimit-reset"));
            Some(reset.next()?.1.as_str()?.to_owned())
        });
        for detail in map.get("details").and_then(Value::as_array).into_iter().flatten() {
            self.detail(detail);
        }
    }

    /// The objects in which hosts put an error's fields.
    fn collect_nested(&mut self, map: &Map<String, Value>, depth: u32) {
        for name in [
            "error",
            "errors",
            "message",
            "detail",
            "msg",
            "base_resp",
            "status_msg",
            "innererror",
            "inner_error",
            "availability",
            "metadata",
        ] {
            if let Some(inner) = map.get(name) {
                let first = self.message.is_empty();
                let before = self.codes.len();
                self.collect(inner, depth + 1);
                if name == "error" {
                    self.own_codes = before..self.codes.len();
                }
                // Frameworks in front of a host write these two.
                let framework = matches!(name, "detail" | "errors");
                self.foreign |= framework && first && !self.message.is_empty();
            }
        }
    }

    /// Reads a detail of `google.rpc.Status`, which hosts forward unchanged: a reason, a pause, or the quotas that were
    /// exceeded.
    fn detail(&mut self, detail: &Value) {
        self.codes.extend(detail.get("reason").and_then(Value::as_str).map(str::to_owned));
        self.pause = self.pause.or_else(|| pause(detail.get("retryDelay")?.as_str()?));
        for violation in detail.get("violations").and_then(Value::as_array).into_iter().flatten() {
            if let Some(quota) = violation.get("quotaId").and_then(Value::as_str) {
                self.quotas.push(' ');
                self.quotas.push_str(quota);
            }
        }
    }

    fn error(&self, status: Option<u16>) -> Error {
        let lower = format!("{}{}", self.message, self.quotas).to_ascii_lowercase();
        let words: Vec<&str> = self.codes.iter().map(String::as_str).collect();
        let own_words = words.get(self.own_codes.clone()).unwrap_or_default();
        let fields = ErrorFields::new(status, &words, &lower)
            .with_own_words(own_words)
            .with_foreign_text(self.foreign);
        let classification = apply_rules(&RULES, &fields);
        let mut error = classification.error(self.message.clone()).with_overflow(self.overflow);
        if let Some(status) = status {
            error = error.with_status(status);
        }
        if let Some(code) = self.codes.first() {
            error = error.with_code(code.clone());
        }
        if let Some(id) = &self.request_id {
            error = error.with_request_id(id.clone());
        }
        error
    }
}

#[cfg(test)]
mod tests;
