//! A target in a scenario: its provider's speed, its limits, and how it reports them.
//!
//! Does not describe faults. Invariant: the defaults make a healthy provider without limits.

use serde::Deserialize;

use super::breaker::BreakerDto;
use crate::units::{Distribution, Span};

/// A target: how its provider behaves, and what the route knows of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TargetDto {
    pub(crate) name: String,
    /// The endpoint; targets at the same endpoint share health. The target's own name if omitted.
    pub(crate) endpoint: Option<String>,
    /// Group names by which faults can address several targets.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    #[serde(default = "first_content")]
    pub(crate) ttft: Distribution,
    #[serde(default = "token_gap")]
    pub(crate) token_gap: Distribution,
    #[serde(default = "default_keys")]
    pub(crate) keys: u32,
    /// Dollars per million tokens.
    pub(crate) price: Option<PriceDto>,
    #[serde(default = "default_true")]
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

/// Slots at a provider, and how many requests are queued silently. Beyond that it answers 503.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Capacity {
    pub(crate) places: u32,
    #[serde(default)]
    pub(crate) queue: u32,
}

/// A provider's limits per key, and how it reports them.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuotaDto {
    pub(crate) requests_per_minute: Option<u64>,
    pub(crate) tokens_per_minute: Option<u64>,
    #[serde(default)]
    pub(crate) says: QuotaReporting,
}

/// What a provider reports of its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum QuotaReporting {
    /// Every reply states what is left, and refusals state when to retry.
    #[default]
    Everything,
    /// Nonsensical figures.
    Garbage,
    /// Nothing: a bare 429.
    Nothing,
    /// Refusals state when to retry.
    RetryAfter,
}

/// A provider that rejects traffic growing faster than this.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Growth {
    /// Maximum multiple of the previous window's requests.
    pub(crate) factor: f64,
    pub(crate) window: Span,
    /// This many requests per window are always accepted.
    pub(crate) floor: u32,
}

impl TargetDto {
    /// A target with the defaults.
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

    /// Whether a fault on `name` affects it.
    pub(crate) fn is_addressed_by(&self, name: &str) -> bool {
        name == "all" || name == self.name || self.groups.iter().any(|group| group == name)
    }
}

fn default_keys() -> u32 {
    1
}

fn default_true() -> bool {
    true
}

fn first_content() -> Distribution {
    spread(&[(0.0, 0.3), (0.5, 0.6), (0.95, 1.2), (0.99, 4.0), (1.0, 8.0)])
}

fn token_gap() -> Distribution {
    spread(&[(0.0, 0.015), (0.5, 0.02), (0.95, 0.03), (0.99, 0.06), (1.0, 0.2)])
}

fn spread(points: &[(f64, f64)]) -> Distribution {
    // The points above are sorted; the fallback is never used.
    Distribution::new(points).unwrap_or_else(|| Distribution::constant(1.0))
}
