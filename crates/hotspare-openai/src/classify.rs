//! What an unsuccessful reply means.
//!
//! Read from the body first: hosts use the same status for a bad key, an empty wallet and a malformed request. The rules
//! are a table, tried from top to bottom; a reply that no rule knows is taken by its status. Invariant: total, and the
//! provider's own words are kept short.

use std::time::{Duration, SystemTime};

use hotspare_core::{Error, Kind};
use hotspare_provider::{Head, Rule, Words, by_status, judge, plain, retry_after};
use serde_json::Value;

const fn word(words: &'static [&'static str], kind: Kind) -> Rule {
    Rule::word(words, kind)
}

const fn text(text: &'static [&'static str], kind: Kind) -> Rule {
    Rule::text(text, kind)
}

const fn at(status: u16, text: &'static [&'static str], kind: Kind) -> Rule {
    Rule::text(text, kind).at(status)
}

/// The table, most telling first.
pub const RULES: &[Rule] = &[
    word(
        &[
            "context_length_exceeded",
            "exceed_context_size_error",
            "too_many_prompt_tokens",
            "token_limit_exceeded",
        ],
        Kind::ContextOverflow,
    ),
    word(
        &[
            "insufficient_quota",
            "credit_balance_exhausted",
            "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
            "billing_hard_limit_reached",
            "billing_not_active",
            "payment_required",
            "billing_error",
        ],
        Kind::QuotaExhausted,
    ),
    word(&["slow_down"], Kind::GrowthLimited),
    word(&["tool_use_failed", "json_validate_failed"], Kind::BadOutput),
    word(
        &[
            "content_filter",
            "content_policy_violation",
            "invalid_prompt",
            "responsibleaipolicyviolation",
            "bio_policy",
            "misalignment_policy_violation",
            "image_content_policy_violation",
            "refusal",
        ],
        Kind::ContentPolicy,
    ),
    word(
        &[
            "model_not_found",
            "deploymentnotfound",
            "unknown_model",
            "invalid_model",
            "1500",
            "model_deprecated",
            "no_endpoints",
            "wrong_endpoint",
            "free_variant_ended",
        ],
        Kind::ModelUnavailable,
    ),
    word(
        &["invalid_api_key", "authentication", "authentication_error", "invalid_authentication"],
        Kind::Auth,
    ),
    word(
        &[
            "unsupported_country_region_territory",
            "region_restricted",
            "privacy_restricted",
            "permission_denied",
            "data_residency_mismatch",
        ],
        Kind::Forbidden,
    ),
    word(
        &[
            "unsupported_parameter",
            "unsupported_value",
            "not_supported_error",
            "unsupported_file",
            "max_tokens_exceeded",
        ],
        Kind::Unsupported,
    ),
    word(
        &[
            "server_is_overloaded",
            "overloaded_error",
            "capacity_exceeded",
            "unavailable_error",
            "provider_overloaded",
            "capacity_exhausted",
            "temporarily_unavailable",
            "3505",
        ],
        Kind::Overloaded,
    ),
    word(&["timeout", "vector_store_timeout"], Kind::Timeout),
    // The request alone is over the limit: waiting will not help.
    at(413, &["tokens per min", "request too large"], Kind::Unsupported),
    at(429, &["request too large"], Kind::Unsupported),
    at(
        429,
        &["exceeded your current quota", "insufficient balance", "per day", "spend limit"],
        Kind::QuotaExhausted,
    ),
    at(429, &["rate limit"], Kind::RateLimited),
    at(429, &["capacity", "high demand", "overloaded"], Kind::Overloaded),
    at(429, &[], Kind::RateLimited),
    at(402, &[], Kind::QuotaExhausted),
    text(&["insufficient balance", "credit balance", "used all available credits"], Kind::QuotaExhausted),
    text(
        &[
            "maximum context length",
            "context window",
            "prompt is too long",
            "exceeds the available context size",
            "maximum prompt length",
            "input length exceeds the context",
            "prompt too long",
            "too many tokens",
            "exceeds the maximum number of tokens",
            "is too large to process",
            "length limit exceeded",
            "total length of all messages is too long",
        ],
        Kind::ContextOverflow,
    ),
    text(&["incorrect api key", "invalid api key", "no api key"], Kind::Auth),
    text(
        &[
            "model not found",
            "supported api model names are",
            "not a chat model",
            "is not a valid model",
            "no endpoints found",
            "has been deprecated",
            "identifier is invalid",
            "supported models are",
        ],
        Kind::ModelUnavailable,
    ),
    text(&["does not exist", "is not found"], Kind::ModelUnavailable).and(&["model"]).at(400),
    at(403, &["moderation", "flagged", "guardrail"], Kind::ContentPolicy),
    // An address that this host cannot reach or will not fetch, another may; one that is no address is nobody's.
    text(&["image url is invalid"], Kind::InvalidRequest),
    text(
        &[
            "cannot fetch content",
            "cannot make get request",
            "error while downloading",
            "failed to download",
            "unable to download",
        ],
        Kind::Unsupported,
    ),
    text(
        &[
            "is not supported",
            "does not support",
            "not supported by this model",
            "not supported with",
            "not enabled for this model",
            "unsupported mime type",
            "to be a supported format",
            "unsupported content",
            "models require at least one of",
            "different pooling type",
            // The order of turns that this model's template takes.
            "unexpected role",
            "should alternate",
            "param requires --jinja",
            "doesn't support",
        ],
        Kind::Unsupported,
    ),
    // A kind of content that this host does not read.
    text(&["unknown variant"], Kind::Unsupported).and(&["expected `text`"]),
    text(&["upstream connect error"], Kind::Server),
    // Some servers answer their clients' mistakes with 500.
    at(500, &["parse_error", "must not be empty", "failed to parse", "invalid type"], Kind::InvalidRequest),
    word(&["rate_limit_exceeded", "rate_limit_error"], Kind::RateLimited),
];

/// Classifies an unsuccessful reply.
pub(crate) fn reply(head: &Head, body: &[u8]) -> Error {
    let status = head.status.as_u16();
    let said = Said::read(body);
    let error = said.error(Some(status));
    let pause = retry_after(head).or(said.pause).or_else(|| pause_in_words(&said.message));
    error.with_retry_after(pause.or_else(|| reset(head).filter(|_| status == 429)))
}

/// Classifies an error that was reported inside a successful reply. Its code may be the status it should have had.
pub(crate) fn in_reply(raw: &str) -> Error {
    let said = Said::read(raw.as_bytes());
    let status = said.status.or_else(|| said.codes.iter().find_map(|code| code.parse().ok()));
    let error = said.error(status.filter(|status| (400..600).contains(status)));
    error.with_retry_after(said.pause.or_else(|| pause_in_words(&said.message)))
}

/// A relay's only hint: when its bucket is full again, as a time in milliseconds.
fn reset(head: &Head) -> Option<Duration> {
    let at =
        head.header("x-ratelimit-reset")?.trim().parse::<u64>().ok().filter(|at| *at > 1_000_000_000_000)?;
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(at))?;
    at.duration_since(head.received_at).ok().filter(|pause| *pause <= ABSURD)
}

/// What a host said, whatever shape it used.
#[derive(Debug, Default)]
struct Said {
    message: String,
    /// Codes and types.
    codes: Vec<String>,
    status: Option<u16>,
    /// A pause that the body names as a number of seconds.
    pause: Option<Duration>,
}

impl Said {
    fn read(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        let Ok(value) = serde_json::from_str::<Value>(text) else {
            return Self { message: plain(text).to_owned(), ..Self::default() };
        };
        let mut said = Self::default();
        said.gather(&value, 0);
        said
    }

    /// Walks down the places where hosts put their words.
    fn gather(&mut self, value: &Value, depth: u32) {
        if depth > 4 {
            return;
        }
        match value {
            Value::String(text) if self.message.is_empty() => self.message = text.clone(),
            Value::Array(list) => list.iter().take(1).for_each(|first| self.gather(first, depth + 1)),
            Value::Object(map) => {
                for name in ["code", "type", "error_type", "status", "provider_code"] {
                    match map.get(name) {
                        Some(Value::String(code)) => self.codes.push(code.clone()),
                        Some(Value::Number(code)) => self.codes.push(code.to_string()),
                        _ => {}
                    }
                }
                self.status = self
                    .status
                    .or(map.get("status_code").and_then(Value::as_u64).and_then(|s| s.try_into().ok()));
                self.pause = self.pause.or_else(|| {
                    let seconds = map.get("retry_after").and_then(Value::as_f64)?;
                    Duration::try_from_secs_f64(seconds).ok().filter(|pause| *pause <= ABSURD)
                });
                for name in [
                    "error",
                    "message",
                    "detail",
                    "msg",
                    "innererror",
                    "inner_error",
                    "availability",
                    "metadata",
                ] {
                    if let Some(inner) = map.get(name) {
                        self.gather(inner, depth + 1);
                    }
                }
                // A relay quotes the host behind it, which knows better why.
                if let Some(raw) =
                    map.get("metadata").and_then(|metadata| metadata.get("raw")).and_then(Value::as_str)
                {
                    self.message = format!("{}: {raw}", self.message);
                    if let Ok(quoted) = serde_json::from_str::<Value>(raw) {
                        self.gather(&quoted, depth + 1);
                    }
                }
            }
            _ => {}
        }
    }

    fn kind(&self, status: Option<u16>) -> Kind {
        let lower = self.message.to_ascii_lowercase();
        let words: Vec<&str> = self.codes.iter().map(String::as_str).collect();
        let said = Words { status, words: &words, text: &lower };
        judge(RULES, &said).unwrap_or_else(|| by_status(status))
    }

    fn error(&self, status: Option<u16>) -> Error {
        let mut error = Error::new(self.kind(status), self.message.clone());
        if let Some(status) = status {
            error = error.with_status(status);
        }
        match self.codes.first() {
            Some(code) => error.with_code(code.clone()),
            None => error,
        }
    }
}

/// Beyond this, a pause is a mistake: 31 days.
pub(crate) const ABSURD: Duration = Duration::from_secs(31 * 24 * 3600);

/// A pause that a message names: "try again in 6.07s", "in 1m2.5s", "retry after 12 seconds", "in 250ms".
fn pause_in_words(message: &str) -> Option<Duration> {
    let lower = message.to_ascii_lowercase();
    let after = ["try again in ", "retry in ", "retry after "]
        .iter()
        .find_map(|words| lower.find(words).map(|at| at + words.len()))?;
    duration(lower.get(after..)?)
}

/// Reads `1h2m3.5s`, `250ms`, `12 seconds`; stops where it no longer looks like one.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut total = 0.0;
    let mut rest = text;
    let mut any = false;
    loop {
        rest = rest.trim_start();
        let digits = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let Ok(number) = rest[..digits].trim_end_matches('.').parse::<f64>() else { break };
        let unit = rest[digits..].trim_start();
        let letters = unit.bytes().take_while(u8::is_ascii_alphabetic).count();
        let seconds = match &unit[..letters] {
            "ms" | "milliseconds" => 0.001,
            "s" | "sec" | "second" | "seconds" | "" => 1.0,
            "m" | "min" | "minute" | "minutes" => 60.0,
            "h" | "hour" | "hours" => 3_600.0,
            "d" | "day" | "days" => 86_400.0,
            _ => break,
        };
        total += number * seconds;
        any = true;
        rest = &unit[letters..];
        if letters == 0 {
            break;
        }
    }
    any.then(|| Duration::try_from_secs_f64(total).ok()).flatten().filter(|pause| *pause <= ABSURD)
}

#[cfg(test)]
mod tests;
