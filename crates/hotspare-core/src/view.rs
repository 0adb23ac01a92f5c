//! What is known of a target's health at one moment, for whoever chooses or shows.
//!
//! Not the health machine: a copy taken from it. Invariant: reading a view changes nothing.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

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
    /// Usual time to first content; failures count as slow, so that a fast failure never looks fast.
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

/// How a target's counts of tokens follow from estimates, by what a request has: nothing else, tools, a schema, both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TokenScale {
    /// One line for each.
    pub lines: [TokenLine; 4],
    /// A request of about so many tokens (prompt and room for the answer) was lately too long for it.
    pub overflow: Option<u64>,
}

/// Tokens as `per_mille` thousandths of the estimate and an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenLine {
    /// Thousandths.
    pub per_mille: u32,
    /// Tokens that come on top, whatever is asked.
    pub offset: i32,
    /// Counts that this rests on.
    pub samples: u32,
}

impl Default for TokenLine {
    fn default() -> Self {
        Self { per_mille: 1_000, offset: 0, samples: 0 }
    }
}

impl TokenScale {
    /// The line that fits a shape best: its own, or the one that most is known of.
    fn line(&self, shape: usize) -> TokenLine {
        let own = self.lines.get(shape).copied().unwrap_or_default();
        if own.samples > 0 {
            return own;
        }
        let best = self.lines.iter().max_by_key(|line| line.samples).copied().unwrap_or_default();
        // Offsets belong to their shape: what tools add says nothing about a schema.
        TokenLine { offset: 0, samples: 0, ..best }
    }

    /// Tokens that the target will count for a prompt of this shape that was estimated at `tokens`.
    #[must_use]
    pub fn estimate(&self, shape: usize, tokens: u64) -> u64 {
        let line = self.line(shape);
        let scaled = u128::from(tokens) * u128::from(line.per_mille) / 1_000;
        let scaled = u64::try_from(scaled).unwrap_or(u64::MAX);
        // However odd the counts: a long prompt is never taken for nothing.
        scaled.saturating_add_signed(i64::from(line.offset)).max(tokens / 4).max(1)
    }

    /// Counts that an estimate for this shape rests on.
    #[must_use]
    pub fn samples(&self, shape: usize) -> u32 {
        self.line(shape).samples
    }
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
