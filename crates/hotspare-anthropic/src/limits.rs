//! Rate-limit headers.
//!
//! Invariant: implausible figures are absent, and so is a reset in the past.

use std::time::Duration;

use hotspare_core::{Allowance, RateLimits};
use hotspare_provider::{Head, pause, timestamp};

/// A longer reset is ignored: no bucket takes more than a month to fill.
const MAX_RESET: Duration = Duration::from_secs(31 * 24 * 3600);

/// Reads `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}`, or else
/// `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, as hosts of this wire other than its author spell them.
pub(crate) fn limits(head: &Head) -> RateLimits {
    let mut limits = RateLimits::default();
    limits.requests = allowance(head, "requests");
    limits.tokens = allowance(head, "input-tokens").or_else(|| allowance(head, "tokens"));
    limits.output_tokens = allowance(head, "output-tokens");
    limits
}

fn allowance(head: &Head, name: &str) -> Option<Allowance> {
    let field = |what: &str| head.header(&format!("anthropic-ratelimit-{name}-{what}"));
    if field("limit").is_none() {
        return other_hosts(head, name);
    }
    let number = |what: &str| field(what)?.trim().parse::<u64>().ok();
    let reset = field("reset").and_then(timestamp).and_then(|at| at.duration_since(head.received_at).ok());
    let reset = reset.filter(|reset| *reset <= MAX_RESET);
    Allowance::new(number("limit")?, number("remaining")?, reset)
}

fn other_hosts(head: &Head, name: &str) -> Option<Allowance> {
    let field = |what: &str| head.header(&format!("x-ratelimit-{what}-{name}"));
    let number = |what: &str| field(what)?.trim().parse::<u64>().ok();
    Allowance::new(number("limit")?, number("remaining")?, field("reset").and_then(pause))
}
