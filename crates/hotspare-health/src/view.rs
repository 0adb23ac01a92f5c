//! What is known of a set of scopes at one moment.
//!
//! Invariant: looking changes nothing; what is shown for several scopes is the worst of them.

use std::time::Duration;

use hotspare_core::{BreakerState, Moment};

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
    /// The highest share of calls that is expected to fail, over minutes and days, in parts per million.
    pub expected_failure_ppm: u32,
    /// The lowest weight, in hundredths of a per cent.
    pub weight_bp: u32,
    /// The longest usual time to first content, failures counted as slow.
    pub latency: Option<Duration>,
    /// The time to first content that half of the calls with prompts of this size keep.
    pub latency_p50: Option<Duration>,
    /// The time that 95 % of them keep.
    pub latency_p95: Option<Duration>,
    /// Calls in the window of the most used scope.
    pub samples: u32,
    /// Whether one has become slow.
    pub degraded: bool,
    /// Whether one is disabled.
    pub disabled: bool,
    /// Whether one is cordoned.
    pub cordoned: bool,
}
