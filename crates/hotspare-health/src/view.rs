//! What is known of a set of scopes at one moment.
//!
//! Invariant: reading changes nothing; each figure is the worst of the scopes.

use std::time::Duration;

use hotspare_core::{BreakerState, Moment};

use crate::latency::Latency;

/// Health of the scopes that one call would need.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct View {
    /// Whether a call would be admitted.
    pub usable: bool,
    /// If not, when it may be.
    pub until: Option<Moment>,
    /// The worst breaker's state.
    pub state: BreakerState,
    /// The highest share of failures, in hundredths of a per cent.
    pub failure_rate_bp: u32,
    /// The highest share of calls that is expected to fail, based on minutes and days, in parts per million.
    pub expected_failure_ppm: u32,
    /// The lowest weight, in hundredths of a per cent.
    pub weight_bp: u32,
    /// Times to the first content of streams.
    pub streamed: Times,
    /// Times to unstreamed answers.
    pub unstreamed: Times,
    /// Calls in the window; the highest number among the scopes.
    pub samples: u32,
    /// Whether any scope has become slow.
    pub degraded: bool,
    /// Whether any scope is disabled.
    pub disabled: bool,
}

/// Latency of the slowest of several scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Times {
    /// Moving average, in which failures count as slow.
    pub average: Option<Duration>,
    /// Median for prompts of this size.
    pub p50: Option<Duration>,
    /// 95th percentile for prompts of this size.
    pub p95: Option<Duration>,
}

impl Times {
    pub(crate) fn of(latency: &Latency, tokens: u64) -> Self {
        let (p50, p95) = latency.p50_and_p95(tokens).unzip();
        Self { average: latency.average(), p50, p95 }
    }

    /// The longer of each.
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            average: self.average.max(other.average),
            p50: self.p50.max(other.p50),
            p95: self.p95.max(other.p95),
        }
    }
}
