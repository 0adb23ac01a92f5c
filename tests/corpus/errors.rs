//! Every failed reply, checked against a table reviewed by people.
//!
//! `errors.tsv` gives the meaning of each failure by provider, status, code and a distinctive text. Its rows follow
//! what providers document, not what the classifier does. The first matching row applies. A failure without a row must
//! at least have a kind that its status allows; in the documented set there is none.

use std::collections::BTreeMap;

use hotspare::recorded::ExchangeOutcome;
use hotspare::{Error, Kind};

use crate::recordings::{Recording, all};

/// A row: `*` stands for anything.
struct Row {
    line: usize,
    provider: &'static str,
    status: &'static str,
    code: &'static str,
    text: &'static str,
    kind: &'static str,
    scope: &'static str,
    /// Milliseconds, `-` for none, `*` for any, or where the pause is given: `header`, `retry_info`.
    pause: &'static str,
}

impl Row {
    fn all() -> Vec<Self> {
        let lines = include_str!("errors.tsv").lines().enumerate();
        lines
            .filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty())
            .map(|(at, text)| {
                let fields: Vec<&str> = text.split('\t').collect();
                let [provider, status, code, text, kind, scope, pause] = fields[..] else {
                    panic!("errors.tsv:{}: {} fields instead of 7", at + 1, fields.len());
                };
                Self { line: at + 1, provider, status, code, text, kind, scope, pause }
            })
            .collect()
    }

    fn matches(&self, recording: &Recording, message: &str) -> bool {
        let any = |pattern: &str, value: &str| pattern == "*" || pattern == value;
        any(self.provider, &recording.exchange.provider)
            && any(self.status, recording.exchange.head.status.as_str())
            && any(self.code, &recording.code)
            && (self.text == "*" || message.contains(self.text))
    }

    /// What the classifier read differently.
    fn difference(&self, recording: &Recording, error: &Error) -> Option<String> {
        let read = error.retry_after().map(|pause| pause.as_millis());
        let expected = match self.pause {
            "*" => read,
            "-" => None,
            "header" => {
                let header = recording.exchange.head.header("retry-after");
                header.map(|seconds| (seconds.parse::<f64>().unwrap() * 1_000.0) as u128)
            }
            "retry_info" => retry_info(&recording.exchange.body),
            millis => Some(millis.parse().unwrap()),
        };
        let (kind, scope) = (error.kind().as_str(), error.scope().as_str());
        (kind != self.kind || scope != self.scope || read != expected).then(|| {
            let (line, kind, expected_kind) = (self.line, error.kind(), self.kind);
            format!(
                "{kind} with a pause of {read:?} ms instead of {expected_kind} with {expected:?} (row {line})"
            )
        })
    }
}

/// The pause in `google.rpc.RetryInfo`, found by text search alone.
fn retry_info(body: &[u8]) -> Option<u128> {
    let text = String::from_utf8_lossy(body);
    let after = text.split_once("\"retryDelay\"")?.1;
    let seconds = after.split('"').nth(1)?.strip_suffix('s')?;
    Some((seconds.parse::<f64>().ok()? * 1_000.0) as u128)
}

#[test]
fn failures_are_classified_as_reviewed() {
    let rows = Row::all();
    let (mut wrong, mut unknown) = (Vec::new(), Vec::new());
    let mut used: BTreeMap<usize, u32> = BTreeMap::new();
    let mut judged = 0;
    for recording in &all().recordings {
        let exchange = &recording.exchange;
        let ExchangeOutcome::Failed(error) = exchange.decode().outcome else { continue };
        let success = exchange.head.status.is_success();
        if success && recording.code.is_empty() {
            continue;
        }
        judged += 1;
        let mut message = String::from_utf8_lossy(&exchange.body).into_owned();
        for (name, value) in &exchange.head.headers {
            message.push_str(&format!("\n{name}: {}", value.to_str().unwrap_or_default()));
        }
        let name = format!(
            "{} {} {} {} {}: {}",
            exchange.provider,
            exchange.endpoint,
            exchange.id,
            exchange.head.status.as_u16(),
            recording.code,
            error.message()
        );
        match rows.iter().find(|row| row.matches(recording, &message)) {
            Some(row) => {
                *used.entry(row.line).or_default() += 1;
                wrong.extend(
                    row.difference(recording, &error).map(|difference| format!("{name}: {difference}")),
                );
            }
            None => {
                unknown.push(format!("{name}: {}", error.kind()));
                let status = exchange.head.status.as_u16();
                if !success && !plausible(status).contains(&error.kind()) && !is_frontends(status, &error) {
                    wrong.push(format!("{name}: {} is not what its status allows", error.kind()));
                }
            }
        }
    }
    println!("{judged} failures judged, {} without a row", unknown.len());
    for line in &unknown {
        println!("no row: {line}");
    }
    if all().described {
        for row in rows.iter().filter(|row| !used.contains_key(&row.line)) {
            println!("row {} was not needed", row.line);
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Each number that is read must occur in the body, and these providers name the limit in every such rejection.
#[test]
fn numbers_in_recorded_overflows_are_read() {
    const NAME_BOTH: &[&str] = &["anthropic", "deepseek", "llamacpp", "vertex", "xai"];
    const NAME_THE_LIMIT: &[&str] = &["cohere", "gemini", "openrouter"];
    let mut read = 0;
    for recording in &all().recordings {
        let exchange = &recording.exchange;
        let ExchangeOutcome::Failed(error) = exchange.decode().outcome else { continue };
        let (prompt, limit) = error.overflow().map_or((None, None), |told| (told.prompt, told.limit));
        if error.kind() != Kind::ContextOverflow {
            assert_eq!(error.overflow(), None, "{}: {error}", exchange.id);
            continue;
        }
        let body = String::from_utf8_lossy(&exchange.body);
        for number in prompt.into_iter().chain(limit) {
            assert!(body.contains(&number.to_string()), "{number} in {body}");
        }
        let is_in = |names: &[&str]| names.contains(&exchange.provider.as_str());
        assert!(limit.is_some() || !(is_in(NAME_BOTH) || is_in(NAME_THE_LIMIT)), "{}: {error}", exchange.id);
        assert!(prompt.is_some() || !is_in(NAME_BOTH), "{}: {error}", exchange.id);
        read += u32::from(limit.is_some());
    }
    println!("{read} rejections as too long name the window");
}

/// Whether a 404 is by a frontend of the host: nothing in it speaks of a model.
fn is_frontends(status: u16, error: &Error) -> bool {
    let text = error.message().to_ascii_lowercase();
    status == 404
        && error.kind() == Kind::Server
        && !["model", "deployment"].iter().any(|what| text.contains(what))
}

/// The kinds that a failure with this status may have.
fn plausible(status: u16) -> &'static [Kind] {
    match status {
        401 => &[Kind::Auth],
        402 => &[Kind::QuotaExhausted],
        403 => &[Kind::Auth, Kind::ContentPolicy, Kind::Forbidden, Kind::QuotaExhausted],
        404 => &[Kind::InvalidRequest, Kind::ModelUnavailable, Kind::Unsupported],
        408 | 504 => &[Kind::Timeout],
        429 => &[
            Kind::GrowthLimited,
            Kind::Overloaded,
            Kind::QuotaExhausted,
            Kind::RateLimited,
            Kind::Unsupported,
        ],
        498 | 503 | 529 => &[Kind::Overloaded, Kind::Server],
        500 => &[Kind::InvalidRequest, Kind::Server, Kind::Unsupported],
        501 => &[Kind::Unsupported],
        502 | 505..=599 => &[Kind::Server, Kind::Timeout],
        _ => &[
            Kind::Auth,
            Kind::BadOutput,
            Kind::ContentPolicy,
            Kind::ContextOverflow,
            Kind::Forbidden,
            Kind::InvalidRequest,
            Kind::ModelUnavailable,
            Kind::Overloaded,
            Kind::QuotaExhausted,
            Kind::Unsupported,
        ],
    }
}
