//! How an attempt ended: everything that is reported to the world about it.
//!
//! Not what follows. Invariant: the holder of the permit creates it, once per attempt.

use crate::index::RouteIndex;
use hotspare_core::{Cost, Kind, PromptSize, Usage};
use hotspare_health::HealthOutcome;

/// How an attempt ended, for the book and the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settlement {
    pub(crate) outcome: HealthOutcome,
    pub(crate) ending: Ending,
    pub(crate) usage: Usage,
    pub(crate) cost: Option<Cost>,
    /// What was reserved of spending limits when it began.
    pub(crate) reserved: Cost,
    /// `None` for a probe, which carries no caller's request.
    pub(crate) route: Option<RouteIndex>,
    pub(crate) reask: bool,
    pub(crate) refused: bool,
    /// The prompt's size, and how many tokens the target counted for it.
    pub(crate) counted: Option<(PromptSize, u64)>,
}

impl Settlement {
    /// The end of an attempt that a test makes instead of a call of the first route.
    #[cfg(test)]
    pub(crate) fn of_attempt(outcome: HealthOutcome, ending: Ending) -> Self {
        Self { route: Some(RouteIndex::new(0)), ..Self::of_probe(outcome, ending) }
    }

    /// The end of a probe that carries no caller's request; its few tokens are not counted.
    pub(crate) fn of_probe(outcome: HealthOutcome, ending: Ending) -> Self {
        Self {
            outcome,
            ending,
            usage: Usage::default(),
            cost: None,
            reserved: Cost::ZERO,
            route: None,
            reask: false,
            refused: false,
            counted: None,
        }
    }
}

/// How an attempt ended, for the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its call ended without an answer: the caller left, or the call failed.
    Abandoned,
    /// Another attempt answered.
    Cancelled,
    Failed(Kind),
    Served,
}
