//! What an unsuccessful reply means.
//!
//! Read from the body first: hosts use the same status for a bad key, an empty wallet and a malformed request. The rules
//! are a table, tried from top to bottom; a reply that no rule knows is taken by its status. Invariant: total, and the
//! provider's own words are kept short.

use std::time::{Duration, SystemTime};

use hotspare_core::{Error, Kind, Scope};
use hotspare_provider::{ABSURD, Head, Rule, Words, judge, pause, pause_in_words, plain, retry_after};
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

/// The account has no money, at any status.
const MONEY: &[&str] = &[
    "insufficient balance",
    "credit balance",
    "used all available credits",
    "spend limit",
    "spending limit",
];

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
            "exceeded_current_quota_error",
            "arrearage",
        ],
        Kind::QuotaExhausted,
    ),
    word(&["slow_down"], Kind::GrowthLimited),
    word(&["tool_use_failed", "json_validate_failed"], Kind::BadOutput),
    // Some servers' parsers give up on what the model wrote, and quote it: no later text is trusted.
    at(500, &["failed to parse input at pos"], Kind::BadOutput),
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
            "data_inspection_failed",
        ],
        Kind::ContentPolicy,
    ),
    at(403, &["violates usage guidelines"], Kind::ContentPolicy),
    // A relay has hosts for the model, and none for all that the request asks of it.
    text(&["no endpoints found that"], Kind::Unsupported),
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
            "model_decommissioned",
            "model_not_supported",
            "operationnotsupported",
        ],
        Kind::ModelUnavailable,
    ),
    word(
        &[
            "invalid_api_key",
            "authentication",
            "authentication_error",
            "invalid_authentication",
            "organization_restricted",
        ],
        Kind::Auth,
    ),
    word(
        &[
            "unsupported_country_region_territory",
            "region_restricted",
            "privacy_restricted",
            "permission_denied",
            "data_residency_mismatch",
            "model_terms_required",
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
            "unavailable",
        ],
        Kind::Overloaded,
    ),
    word(&["timeout", "vector_store_timeout"], Kind::Timeout),
    // The request alone is over the limit: waiting will not help.
    at(413, &["tokens per min", "request too large"], Kind::Unsupported),
    at(429, &["request too large"], Kind::Unsupported),
    // An allowance of a day is one model's; money is the key's.
    at(429, &["per day", "per-day", "perday", "per_day", "byday"], Kind::QuotaExhausted)
        .within(Scope::CredentialModel),
    // One host says of a minute's allowance too that the current quota is exceeded; who means money has a code for it.
    word(&["resource_exhausted"], Kind::RateLimited).at(429),
    text(MONEY, Kind::QuotaExhausted),
    at(429, &["exceeded your current quota"], Kind::QuotaExhausted),
    at(429, &["rate limit"], Kind::RateLimited),
    at(429, &["capacity", "high demand", "overloaded"], Kind::Overloaded),
    at(429, &[], Kind::RateLimited),
    at(402, &[], Kind::QuotaExhausted),
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
            "`inputs` tokens + `max_new_tokens`",
            "`inputs` must have less than",
        ],
        Kind::ContextOverflow,
    ),
    text(&["incorrect api key", "invalid api key", "no api key"], Kind::Auth),
    at(400, &["content exists risk"], Kind::ContentPolicy),
    text(
        &[
            "model not found",
            "model with id",
            "no such model",
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
    // What a request names (a file, an earlier answer, a conversation) and this host does not have.
    at(404, &["with id", "no such"], Kind::InvalidRequest),
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
    text(&["over_capacity", "over capacity"], Kind::Overloaded),
    // Some servers answer their clients' mistakes with 500.
    at(500, &["parse_error", "must not be empty", "failed to parse", "invalid type"], Kind::InvalidRequest),
    word(&["rate_limit_exceeded", "rate_limit_error"], Kind::RateLimited),
    // One host's own: no room for requests that wait for room.
    at(498, &[], Kind::Overloaded),
];

/// Classifies an unsuccessful reply.
pub(crate) fn reply(head: &Head, body: &[u8]) -> Error {
    let status = head.status.as_u16();
    let said = Said::read(body);
    let error = said.error(Some(status));
    let pause = retry_after(head).or(said.pause).or_else(|| pause_in_words(&said.message));
    let full = || reset(head.header("x-ratelimit-reset").or(said.reset.as_deref())?, head.received_at);
    error.with_retry_after(pause.or_else(|| full().filter(|_| status == 429)))
}

/// Classifies an error that was reported inside a successful reply. Its code may be the status it should have had.
pub(crate) fn in_reply(raw: &str) -> Error {
    let said = Said::read(raw.as_bytes());
    let status = said.status.or_else(|| said.codes.iter().find_map(|code| code.parse().ok()));
    let error = said.error(status.filter(|status| (400..600).contains(status)));
    error.with_retry_after(said.pause.or_else(|| pause_in_words(&said.message)))
}

/// Classifies a frame without an answer, if it speaks of an error in its own fields, as some hosts' do.
pub(crate) fn flat(raw: &str) -> Option<Error> {
    let value: Value = serde_json::from_str(raw).ok()?;
    ["code", "detail", "message", "msg"].iter().any(|name| value.get(name).is_some()).then(|| in_reply(raw))
}

/// A relay's only hint: when its bucket is full again, as a time in milliseconds.
fn reset(at: &str, received_at: SystemTime) -> Option<Duration> {
    let at = at.trim().parse::<u64>().ok().filter(|at| *at > 1_000_000_000_000)?;
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(at))?;
    at.duration_since(received_at).ok().filter(|pause| *pause <= ABSURD)
}

/// What a host said, whatever shape it used.
#[derive(Debug, Default)]
struct Said {
    message: String,
    /// Codes and types.
    codes: Vec<String>,
    status: Option<u16>,
    /// A pause that the body names.
    pause: Option<Duration>,
    /// When a relay's bucket is full again, where the body quotes its headers.
    reset: Option<String>,
    /// Names of the quotas that were exceeded: what the message leaves out.
    quotas: String,
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
                self.reset = self.reset.take().or_else(|| {
                    let headers = map.get("headers")?.as_object()?;
                    let mut reset =
                        headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-ratelimit-reset"));
                    Some(reset.next()?.1.as_str()?.to_owned())
                });
                for detail in map.get("details").and_then(Value::as_array).into_iter().flatten() {
                    self.detail(detail);
                }
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

    /// A part of `google.rpc.Status`, which hosts pass on as they got it: a pause, or the quotas that were exceeded.
    fn detail(&mut self, detail: &Value) {
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
        let meaning = judge(RULES, &Words { status, words: &words, text: &lower });
        let mut error = meaning.error(self.message.clone());
        if let Some(status) = status {
            error = error.with_status(status);
        }
        match self.codes.first() {
            Some(code) => error.with_code(code.clone()),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests;
