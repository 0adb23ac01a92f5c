//! What a provider reports about its own rate limits, in one shape.
//!
//! Not a gate: health decides what follows. Invariant: an implausible value (negative, 0 of 0, absurd) is absent.

use std::time::Duration;

/// Remaining allowance per bucket, as reported in response headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimits {
    /// Requests.
    pub requests: Option<Allowance>,
    /// Tokens of any kind, or input tokens where the provider separates the two.
    pub tokens: Option<Allowance>,
    /// Output tokens, where the provider separates the two.
    pub output_tokens: Option<Allowance>,
}

/// One bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allowance {
    /// Size of the bucket.
    pub limit: u64,
    /// Units left.
    pub remaining: u64,
    /// Time until it is full again.
    pub reset: Option<Duration>,
}

impl Allowance {
    /// A bucket; `None` if the figures are implausible.
    #[must_use]
    pub fn new(limit: u64, remaining: u64, reset: Option<Duration>) -> Option<Self> {
        (limit > 0 && remaining <= limit).then_some(Self { limit, remaining, reset })
    }
}
