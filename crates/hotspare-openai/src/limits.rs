//! Rate-limit headers.
//!
//! Invariant: figures that make no sense are absent.

use std::time::Duration;

use hotspare_core::{Allowance, RateLimits};
use hotspare_provider::Head;

use crate::classify::duration;

/// A bucket's headers: limit, remaining, reset.
type Names = [&'static str; 3];

const REQUESTS: [Names; 2] = [
    ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"],
    ["x-ratelimit-limit-req-minute", "x-ratelimit-remaining-req-minute", "x-ratelimit-reset-req-minute"],
];
const TOKENS: [Names; 2] = [
    ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"],
    [
        "x-ratelimit-limit-tokens-minute",
        "x-ratelimit-remaining-tokens-minute",
        "x-ratelimit-reset-tokens-minute",
    ],
];

/// A bucket whose name says how soon it is full again.
const MINUTE: Duration = Duration::from_secs(60);

/// Reads the usual `x-ratelimit-…` headers, the per-minute spelling of the same, and Azure's renewal periods.
pub(crate) fn limits(head: &Head) -> RateLimits {
    let mut limits = RateLimits::default();
    // Most hosts send none; looking for each name would cost more than reading the answer.
    if head.headers.keys().any(|name| name.as_str().starts_with("x-ratelimit-")) {
        limits.requests = allowance(head, &REQUESTS);
        limits.tokens = allowance(head, &TOKENS);
    }
    limits
}

fn allowance(head: &Head, spellings: &[Names]) -> Option<Allowance> {
    spellings.iter().find_map(|[limit, remaining, reset]| {
        let number = |name: &str| head.header(name)?.trim().parse::<u64>().ok();
        let remaining_is = number(remaining)?;
        let renewal = || Some(Duration::from_secs(number(&limit.replace("-limit-", "-renewalperiod-"))?));
        let minute = || limit.ends_with("-minute").then_some(MINUTE);
        let reset = head.header(reset).and_then(duration).or_else(renewal).or_else(minute);
        // Some Azure deployments tell what is left and not of how much.
        Allowance::new(number(limit).unwrap_or(remaining_is.max(1)), remaining_is, reset)
    })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

    use super::*;

    #[test]
    fn sense_is_read_and_nonsense_is_absent() {
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
        assert_eq!(usual.tokens, Allowance::new(1_000, 0, Some(MINUTE)), "its name says how soon");
        let azure = read(&[
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-renewalperiod-requests", "60"),
            ("x-ratelimit-remaining-tokens", "5000"),
        ]);
        assert_eq!(azure.requests, Allowance::new(1, 0, Some(MINUTE)));
        assert_eq!(azure.tokens, Allowance::new(5_000, 5_000, None));
        let odd = read(&[("x-ratelimit-limit-requests", "-1"), ("x-ratelimit-remaining-requests", "soon")]);
        assert_eq!(odd, RateLimits::default());
    }
}
