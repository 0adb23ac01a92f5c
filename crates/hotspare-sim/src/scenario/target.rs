//! A target as a scenario writes it: how fast its provider is, how much it takes, and what it says of that.
//!
//! Not what goes wrong there: that is a fault. Invariant: what is left out makes a provider that is well and takes everybody.

use serde::Deserialize;

use super::breaker::BreakerDto;
use crate::words::{Span, Spread};

/// A target: how its provider behaves, and what the route knows of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TargetDto {
    pub(crate) name: String,
    /// Who answers there; equal endpoints share health. Its own name if left out.
    pub(crate) endpoint: Option<String>,
    /// Names under which faults find it together with others.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    #[serde(default = "first_content")]
    pub(crate) ttft: Spread,
    #[serde(default = "token_gap")]
    pub(crate) token_gap: Spread,
    #[serde(default = "one")]
    pub(crate) keys: u32,
    /// Dollars per million tokens.
    pub(crate) price: Option<PriceDto>,
    #[serde(default = "yes")]
    pub(crate) prefill: bool,
    #[serde(default)]
    pub(crate) reasoning: bool,
    pub(crate) capacity: Option<Capacity>,
    pub(crate) quota: Option<QuotaDto>,
    pub(crate) growth: Option<Growth>,
    pub(crate) max_in_flight: Option<u32>,
    pub(crate) requests_per_minute: Option<u64>,
    pub(crate) tokens_per_minute: Option<u64>,
    pub(crate) breaker: Option<BreakerDto>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceDto {
    pub(crate) input: f64,
    pub(crate) output: f64,
}

/// Places at a provider, and how many wait for one without a word. Beyond that it answers 503.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Capacity {
    pub(crate) places: u32,
    #[serde(default)]
    pub(crate) queue: u32,
}

/// A provider's limits per key, and how it speaks of them.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuotaDto {
    pub(crate) requests_per_minute: Option<u64>,
    pub(crate) tokens_per_minute: Option<u64>,
    #[serde(default)]
    pub(crate) says: Says,
}

/// What a provider says of its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Says {
    /// Every reply tells what is left, and refusals tell when to come back.
    #[default]
    Everything,
    /// Figures that make no sense.
    Garbage,
    /// Nothing: a bare 429.
    Nothing,
    /// Refusals tell when to come back.
    RetryAfter,
}

/// A provider that refuses traffic which grows faster than this.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Growth {
    /// Times the requests of the window before.
    pub(crate) factor: f64,
    pub(crate) window: Span,
    /// This many a window are always taken.
    pub(crate) floor: u32,
}

impl TargetDto {
    /// A target like those of the usual world.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            endpoint: None,
            groups: Vec::new(),
            ttft: first_content(),
            token_gap: token_gap(),
            keys: 1,
            price: Some(PriceDto { input: 2.0, output: 8.0 }),
            prefill: true,
            reasoning: false,
            capacity: None,
            quota: None,
            growth: None,
            max_in_flight: None,
            requests_per_minute: None,
            tokens_per_minute: None,
            breaker: None,
        }
    }

    /// Whether a fault on `name` concerns it.
    pub(crate) fn answers_to(&self, name: &str) -> bool {
        name == "all" || name == self.name || self.groups.iter().any(|group| group == name)
    }
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

fn first_content() -> Spread {
    spread(&[(0.0, 0.3), (0.5, 0.6), (0.95, 1.2), (0.99, 4.0), (1.0, 8.0)])
}

fn token_gap() -> Spread {
    spread(&[(0.0, 0.015), (0.5, 0.02), (0.95, 0.03), (0.99, 0.06), (1.0, 0.2)])
}

fn spread(points: &[(f64, f64)]) -> Spread {
    // The points above are in order; the fallback is never taken.
    Spread::new(points).unwrap_or_else(|| Spread::constant(1.0))
}
