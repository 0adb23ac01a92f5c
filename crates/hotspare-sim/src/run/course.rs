//! What a run is given beside its scenario and seed, and what comes of it.
//!
//! Invariant: plain values: the same ones give the same run.

use std::sync::Arc;

use crate::ledger::Ledger;
use crate::rivals::RivalKind;
use crate::setup::Setup;
use crate::watch::Breach;
use crate::weather::Series;
use crate::workload::Arrival;

/// Who answers the callers.
#[derive(Clone, Debug)]
pub enum Player {
    /// The engine of the product, with this route.
    Hotspare(Box<Setup>),
    /// Somebody else.
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

/// What a run may be given beside scenario, player and seed.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// Keep what a timeline shows.
    pub(crate) detail: bool,
    /// Arrivals that were recorded, instead of drawn ones.
    pub(crate) arrivals: Option<Arc<[Arrival]>>,
    /// Success probabilities that were measured, by place of the target.
    pub(crate) series: Option<Arc<[Series]>>,
}

impl Course {
    /// Keeps what a timeline shows, or not.
    #[must_use]
    pub fn with_detail(mut self, detail: bool) -> Self {
        self.detail = detail;
        self
    }

    /// Arrivals that were recorded, instead of drawn ones.
    #[must_use]
    pub fn with_arrivals(mut self, arrivals: Arc<[Arrival]>) -> Self {
        self.arrivals = Some(arrivals);
        self
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Over every event.
    pub hash: u64,
    /// Requests that arrived.
    pub requests: u64,
    /// Events that were handled.
    pub events: u64,
    /// Invariants that did not hold.
    pub breaches: Vec<Breach>,
    pub(crate) ledger: Ledger,
}
