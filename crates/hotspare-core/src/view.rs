//! What is known of a target's health at one moment, for whoever chooses or shows.
//!
//! Not the health machine: a copy taken from it. Invariant: reading a view changes nothing.

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
    /// If not, how long until it may be; `None` if nobody knows.
    pub usable_in: Option<Duration>,
    /// The breaker's state; of several, the worst.
    pub breaker: BreakerState,
    /// Share of recent calls that failed, in hundredths of a per cent.
    pub failure_rate_bp: u32,
    /// Share of calls that is expected to fail, from what minutes and days have shown, in parts per million.
    #[serde(default)]
    pub expected_failure_ppm: u32,
    /// Share of its normal traffic that it should get (ramp after recovery, lateness), in hundredths of a per cent.
    pub weight_bp: u32,
    /// Usual time to first content, which is the whole answer for an unstreamed call: a plan sees the times of calls like its
    /// own. Failures count as slow, so that a fast failure never looks fast.
    pub latency: Option<Duration>,
    /// Time to first content that half of recent calls with prompts of this size kept.
    pub latency_p50: Option<Duration>,
    /// Time to first content that 95 % of recent calls with prompts of this size kept.
    pub latency_p95: Option<Duration>,
    /// Calls under way.
    pub in_flight: u32,
    /// Recent calls that the figures rest on.
    pub samples: u32,
    /// Its calls keep passing the time that 95 % of the like kept: it has become slow.
    pub degraded: bool,
    /// An operator took it out of service.
    pub cordoned: bool,
    /// A key, quota or model problem took it out of service.
    pub disabled: bool,
    /// What its own counts of tokens say about estimates.
    pub tokens: TokenScale,
}

impl Default for TargetView {
    /// A target of which nothing is known: usable.
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

/// A circuit breaker's state. Closed lets traffic flow, Open blocks it, HalfOpen lets single probes through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Traffic flows.
    #[default]
    Closed,
    /// Single probes find out whether it is well again.
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
