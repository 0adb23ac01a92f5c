//! What is counted of each target since the start.
//!
//! Not health: counts never fade and decide nothing. Invariant: each attempt's cost stands under exactly one kind.

use std::collections::BTreeMap;

use hotspare_core::{Cost, Kind, Usage};

use crate::histogram::Histogram;

/// Counts of one target since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Attempts started.
    pub started: u64,
    /// Attempts that served.
    pub served: u64,
    /// Attempts that were cancelled: hedge losers, callers who left.
    pub cancelled: u64,
    /// Attempts that failed, by kind.
    pub failed: BTreeMap<Kind, u64>,
    /// Attempts under way.
    pub in_flight: u32,
    /// Tokens, losers and failures included.
    pub usage: Usage,
    /// What the tokens cost at list price, where a price is known.
    pub cost: Cost,
    /// The same by what it was spent on; each attempt counts once.
    pub costs: BTreeMap<CostKind, Cost>,
    /// Answers that were refusals, or withheld by a filter.
    pub refused: u64,
    /// Time to first content, of the attempts that brought any.
    pub first_content: Histogram,
}

impl Counts {
    /// What of the cost bought no answer: losers, failures, probes, callers who left.
    #[must_use]
    pub fn wasted(&self) -> Cost {
        self.costs.iter().filter(|(kind, _)| !matches!(kind, CostKind::Useful)).map(|(_, cost)| *cost).sum()
    }
}

/// What money was spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CostKind {
    /// Attempts that failed.
    Failed,
    /// Attempts that another one or the caller made needless.
    Loser,
    /// Attempts that found out whether a target is well again, and did not serve.
    Probe,
    /// Attempts that asked again for an answer of another form.
    Reask,
    /// Attempts that served.
    Useful,
}

impl CostKind {
    /// The kind as a stable word in snake case, for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Loser => "loser",
            Self::Probe => "probe",
            Self::Reask => "reask",
            Self::Useful => "useful",
        }
    }
}
