//! Counters per target since the start.
//!
//! Not health: counters never fade and decide nothing. Invariant: each attempt ends under exactly one count, and its cost
//! under exactly one kind.

use std::collections::BTreeMap;

use hotspare_core::{Cost, Kind, Usage};

use crate::histogram::Histogram;

/// Counters of one target since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Attempts started. A background probe is no attempt.
    pub started: u64,
    /// Attempts that served.
    pub served: u64,
    /// Attempts that were cancelled: hedge and race losers, callers that left.
    pub cancelled: u64,
    /// Attempts that failed, by kind: under [`Kind::Deadline`], those that were in flight when their call's time was over.
    pub failed: BTreeMap<Kind, u64>,
    /// Background probes started.
    pub probes: u64,
    /// Attempts and probes in flight.
    pub in_flight: u32,
    /// Tokens, losers and failures included.
    pub usage: Usage,
    /// What the tokens cost at list price, where a price is known.
    pub cost: Cost,
    /// The same by purpose; each attempt counts once.
    pub costs: BTreeMap<CostKind, Cost>,
    /// Answers that were refusals, or withheld by a filter.
    pub refused: u64,
    /// Time to first content, for the attempts that had any.
    pub first_content: Histogram,
}

impl Counts {
    /// The part of the cost that bought no answer: everything but [`CostKind::Useful`].
    #[must_use]
    pub fn wasted(&self) -> Cost {
        self.costs.iter().filter(|(kind, _)| !matches!(kind, CostKind::Useful)).map(|(_, cost)| *cost).sum()
    }
}

/// What a cost was incurred for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CostKind {
    /// Attempts in flight when their caller left or their call failed.
    Abandoned,
    /// Attempts that failed.
    Failed,
    /// Attempts that another attempt made unnecessary.
    Loser,
    /// Probes and last resorts that did not serve.
    Probe,
    /// Attempts that asked again after failed validation.
    Reask,
    /// Attempts that served.
    Useful,
}

impl CostKind {
    /// The kind in snake case, a stable name for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Abandoned => "abandoned",
            Self::Failed => "failed",
            Self::Loser => "loser",
            Self::Probe => "probe",
            Self::Reask => "reask",
            Self::Useful => "useful",
        }
    }
}
