//! Rate-limit headers.
//!
//! Invariant: figures that make no sense are absent.

use std::time::Duration;

use hotspare_core::{Allowance, RateLimits};
use hotspare_provider::Head;

use crate::classify::duration;

/// Reads `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` and the per-minute spelling of the same.
pub(crate) fn limits(head: &Head) -> RateLimits {
    let mut limits = RateLimits::default();
    limits.requests = allowance(head, &["requests", "req-minute"]);
    limits.tokens = allowance(head, &["tokens", "tokens-minute"]);
    limits
}

fn allowance(head: &Head, names: &[&str]) -> Option<Allowance> {
    names.iter().find_map(|name| {
        let number =
            |what: &str| head.header(&format!("x-ratelimit-{what}-{name}"))?.trim().parse::<u64>().ok();
        let reset: Option<Duration> = head.header(&format!("x-ratelimit-reset-{name}")).and_then(duration);
        Allowance::new(number("limit")?, number("remaining")?, reset)
    })
}
