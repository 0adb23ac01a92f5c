//! A run's further inputs, beside scenario and seed, and its outcome.
//!
//! Invariant: plain values; equal inputs give the same run.

use std::sync::Arc;

use crate::fault_schedule::AvailabilitySeries;
use crate::invariants::Breach;
use crate::ledger::Ledger;
use crate::rivals::RivalKind;
use crate::setup::Setup;
use crate::workload::Arrival;

/// The policy that serves the callers.
#[derive(Clone, Debug)]
pub enum Player {
    /// The production engine, with this setup.
    Hotspare(Box<Setup>),
    /// A rival.
    Rival(RivalKind),
}

impl From<Setup> for Player {
    fn from(setup: Setup) -> Self {
        Self::Hotspare(Box::new(setup))
    }
}

impl From<RivalKind> for Player {
    fn from(kind: RivalKind) -> Self {
        Self::Rival(kind)
    }
}

impl Player {
    /// Its name in tables.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Hotspare(setup) => &setup.name,
            Self::Rival(kind) => kind.name(),
        }
    }
}

/// A run's optional inputs.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Record the data for a timeline.
    pub(crate) detail: bool,
    /// Recorded arrivals in place of drawn ones.
    pub(crate) arrivals: Option<Arc<[Arrival]>>,
    /// Measured success probabilities, by target.
    pub(crate) series: Option<Arc<[AvailabilitySeries]>>,
}

impl RunOptions {
    /// Sets whether the data for a timeline is recorded.
    #[must_use]
    pub fn with_detail(mut self, detail: bool) -> Self {
        self.detail = detail;
        self
    }

    /// Uses recorded arrivals in place of drawn ones.
    #[must_use]
    pub fn with_arrivals(mut self, arrivals: Arc<[Arrival]>) -> Self {
        self.arrivals = Some(arrivals);
        self
    }
}

/// The outcome of a run.
#[derive(Debug)]
pub struct RunOutcome {
    /// Hash over all events.
    pub hash: u64,
    /// Requests that arrived.
    pub requests: u64,
    /// Events that were processed.
    pub events: u64,
    /// Invariants that were violated.
    pub breaches: Vec<Breach>,
    pub(crate) ledger: Ledger,
}
