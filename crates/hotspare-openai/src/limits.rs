//! Rate-limit headers.
//!
//! Hosts name their buckets in many ways (`x-ratelimit-remaining-requests`, `…-remaining-tokens-month`,
//! `ratelimitbysize-remaining`), and some have several of a kind: the scarcest is reported, because it is the one that
//! will refuse. Invariant: implausible figures are absent, and so are buckets of anything but requests and tokens.

use std::time::{Duration, SystemTime};

use hotspare_core::{Allowance, RateLimits};
use hotspare_provider::{Head, MAX_RETRY_AFTER, pause};

/// A bucket with at least this much left counts as unlimited.
const UNLIMITED: u64 = 1 << 60;

/// The unit that a bucket counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Requests,
    Tokens,
}

/// The field of a bucket that a header holds.
#[derive(Clone, Copy, Debug)]
enum HeaderField {
    Limit,
    Remaining,
    Reset,
    Period,
}

/// A bucket, assembled from its headers.
#[derive(Debug)]
struct Bucket<'a> {
    name: &'a str,
    unit: Unit,
    limit: Option<u64>,
    remaining: Option<u64>,
    reset: Option<Duration>,
    /// The longest time until it is full again, if its name or another header states one.
    period: Option<Duration>,
}

/// Reads all headers in one pass: most hosts send none, and a lookup per name would cost more than reading the answer.
pub(crate) fn limits(head: &Head) -> RateLimits {
    let mut buckets: Vec<Bucket<'_>> = Vec::new();
    for (name, value) in &head.headers {
        let name = name.as_str();
        let Some((field, bucket)) = header(name) else { continue };
        let (Some((unit, period)), Ok(value)) = (unit_and_period(bucket, name), value.to_str()) else {
            continue;
        };
        let at = buckets.iter().position(|known| known.name == bucket && known.unit == unit).unwrap_or_else(
            || {
                let (limit, remaining, reset) = (None, None, None);
                buckets.push(Bucket { name: bucket, unit, limit, remaining, reset, period });
                buckets.len() - 1
            },
        );
        let number = || value.trim().parse::<u64>().ok();
        match field {
            HeaderField::Limit => buckets[at].limit = number(),
            HeaderField::Remaining => buckets[at].remaining = number(),
            HeaderField::Reset => buckets[at].reset = reset(value, head.received_at),
            HeaderField::Period => buckets[at].period = number().map(Duration::from_secs),
        }
    }
    let mut limits = RateLimits::default();
    limits.requests = scarcest(&buckets, Unit::Requests);
    limits.tokens = scarcest(&buckets, Unit::Tokens);
    limits
}

/// Splits a header's name into the value it holds and its bucket.
fn header(name: &str) -> Option<(HeaderField, &str)> {
    let name = name.strip_prefix("x-").unwrap_or(name).strip_prefix("ratelimit")?;
    let name = name.strip_prefix("bysize").unwrap_or(name).strip_prefix('-')?;
    let parts = [
        ("limit", HeaderField::Limit),
        ("remaining", HeaderField::Remaining),
        ("reset", HeaderField::Reset),
        ("renewalperiod", HeaderField::Period),
    ];
    parts.into_iter().find_map(|(word, field)| {
        let bucket = name.strip_prefix(word)?;
        if bucket.is_empty() { Some((field, "")) } else { Some((field, bucket.strip_prefix('-')?)) }
    })
}

/// What a bucket of this name counts, and its period, if its name states one.
fn unit_and_period(bucket: &str, header: &str) -> Option<(Unit, Option<Duration>)> {
    let periods = [
        ("10-second", 10),
        ("second", 1),
        ("minute", 60),
        ("hour", 3_600),
        ("day", 86_400),
        ("month", 30 * 86_400),
    ];
    let found = periods.into_iter().find_map(|(name, seconds)| Some((bucket.strip_suffix(name)?, seconds)));
    let (bare, period) = match found {
        Some((bare, seconds)) => (bare.trim_end_matches('-'), Some(Duration::from_secs(seconds))),
        None => (bucket, None),
    };
    let unit = match bare {
        "" if header.contains("bysize") => Unit::Tokens,
        "" | "req" | "requests" => Unit::Requests,
        "project-tokens" | "tokens" | "tokens_usage_based" => Unit::Tokens,
        _ => return None,
    };
    Some((unit, period))
}

/// A duration, or, if the number is far too large for one, a Unix time.
fn reset(value: &str, received_at: SystemTime) -> Option<Duration> {
    let at = match value.trim().parse::<u64>() {
        Ok(millis @ 1_000_000_000_000..) => Duration::from_millis(millis),
        Ok(seconds @ 1_000_000_000..) => Duration::from_secs(seconds),
        _ => return pause(value),
    };
    let at = SystemTime::UNIX_EPOCH.checked_add(at)?;
    Some(at.duration_since(received_at).unwrap_or_default()).filter(|reset| *reset <= MAX_RETRY_AFTER)
}

fn scarcest(buckets: &[Bucket<'_>], unit: Unit) -> Option<Allowance> {
    let allowances = buckets.iter().filter(|bucket| bucket.unit == unit).filter_map(|bucket| {
        let remaining = bucket.remaining.filter(|remaining| *remaining < UNLIMITED)?;
        // Some hosts report what is left but not the limit.
        Allowance::new(bucket.limit.unwrap_or(remaining.max(1)), remaining, bucket.reset.or(bucket.period))
    });
    let share = |bucket: &Allowance| bucket.remaining as f64 / bucket.limit as f64;
    allowances.min_by(|one, other| share(one).total_cmp(&share(other)))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

    use super::*;

    #[test]
    fn reads_valid_limits_and_ignores_invalid_ones() {
        let read = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            limits(&Head { status: StatusCode::OK, headers, received_at: SystemTime::UNIX_EPOCH })
        };
        let usual = read(&[
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", "499"),
            ("x-ratelimit-reset-requests", "6m0.5s"),
            ("x-ratelimit-limit-tokens-minute", "1000"),
            ("x-ratelimit-remaining-tokens-minute", "0"),
        ]);
        assert_eq!(usual.requests, Allowance::new(500, 499, Some(Duration::from_millis(360_500))));
        assert_eq!(
            usual.tokens,
            Allowance::new(1_000, 0, Some(Duration::from_secs(60))),
            "its name says how soon"
        );
        let azure = read(&[
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-renewalperiod-requests", "60"),
            ("x-ratelimit-remaining-tokens", "5000"),
        ]);
        assert_eq!(azure.requests, Allowance::new(1, 0, Some(Duration::from_secs(60))));
        assert_eq!(azure.tokens, Allowance::new(5_000, 5_000, None));
        let several = read(&[
            ("x-ratelimit-limit-tokens-minute", "1000"),
            ("x-ratelimit-remaining-tokens-minute", "900"),
            ("x-ratelimit-limit-tokens-month", "100000"),
            ("x-ratelimit-remaining-tokens-month", "10"),
            ("x-ratelimit-limit-req-10-second", "60"),
            ("x-ratelimit-remaining-req-10-second", "59"),
            ("x-ratelimit-limit-input-images", "5"),
            ("x-ratelimit-remaining-input-images", "0"),
        ]);
        let month = Some(Duration::from_secs(30 * 86_400));
        assert_eq!(several.tokens, Allowance::new(100_000, 10, month), "the scarcest will refuse");
        assert_eq!(several.requests, Allowance::new(60, 59, Some(Duration::from_secs(10))));
        let older = read(&[
            ("ratelimitbysize-limit", "2000"),
            ("ratelimitbysize-remaining", "1500"),
            ("ratelimitbysize-reset", "21"),
            ("ratelimitbysize-query-cost", "32"),
            ("x-ratelimit-remaining-tokens-day", "9223372036854767616"),
        ]);
        assert_eq!(older.tokens, Allowance::new(2_000, 1_500, Some(Duration::from_secs(21))));
        let relay = read(&[
            ("x-ratelimit-limit", "1"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1754667660000"),
        ]);
        assert_eq!(relay.requests, Allowance::new(1, 0, None), "far from the beginning of 1970");
        let odd = read(&[("x-ratelimit-limit-requests", "-1"), ("x-ratelimit-remaining-requests", "soon")]);
        assert_eq!(odd, RateLimits::default());
    }
}
