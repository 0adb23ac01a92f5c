//! A target's health at one moment, for strategies and for display.
//!
//! Not the health state itself: a copy of it. Invariant: reading a view changes nothing.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::prompt_size::TokenScale;

/// A target's health as a strategy sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TargetView {
    /// Whether a request would be admitted now.
    pub usable: bool,
    /// If not, how long until it may be; `None` if unknown.
    pub usable_in: Option<Duration>,
    /// State of its breakers: the worst one's.
    pub breaker: BreakerState,
    /// Share of recent calls that failed, in hundredths of a per cent.
    pub failure_rate_bp: u32,
    /// Share of calls that is expected to fail, based on the last minutes and days, in parts per million.
    #[serde(default)]
    pub expected_failure_ppm: u32,
    /// Share of its normal traffic that it should get (less while it ramps up after recovery or is slow), in hundredths
    /// of a per cent.
    pub weight_bp: u32,
    /// Moving average of the time to first content. For an unstreamed call that is the whole answer, and a plan sees
    /// the times of calls like its own. Failures count as slow, so that a target that fails fast never looks fast.
    pub latency: Option<Duration>,
    /// Median time to first content of recent calls with prompts of this size.
    pub latency_p50: Option<Duration>,
    /// 95th percentile of the time to first content of recent calls with prompts of this size.
    pub latency_p95: Option<Duration>,
    /// Calls in flight.
    pub in_flight: u32,
    /// Number of recent calls that the figures are based on.
    pub samples: u32,
    /// It has become slow: too many of its calls exceed the 95th percentile of comparable calls.
    pub degraded: bool,
    /// An operator took it out of service.
    pub cordoned: bool,
    /// A key, quota or model problem took it out of service.
    pub disabled: bool,
    /// How it counts tokens, as learned from the counts that it has reported.
    pub tokens: TokenScale,
}

impl Default for TargetView {
    /// A target of which nothing is known counts as usable.
    fn default() -> Self {
        Self {
            usable: true,
            usable_in: None,
            breaker: BreakerState::Closed,
            failure_rate_bp: 0,
            expected_failure_ppm: 0,
            weight_bp: 10_000,
            latency: None,
            latency_p50: None,
            latency_p95: None,
            in_flight: 0,
            samples: 0,
            degraded: false,
            cordoned: false,
            disabled: false,
            tokens: TokenScale::default(),
        }
    }
}

/// A circuit breaker's state. Closed lets traffic flow, Open blocks it, HalfOpen admits single probes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Traffic flows.
    #[default]
    Closed,
    /// Single probes find out whether it has recovered.
    HalfOpen,
    /// Traffic is blocked.
    Open,
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        })
    }
}
