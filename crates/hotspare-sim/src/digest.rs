//! What is kept of a run once it is over: figures, verdicts, and the data for a timeline.
//!
//! Invariant: small and free of references, so that a suite can keep thousands.

use crate::invariants::Breach;
use crate::ledger::Ledger;
use crate::marks::Measure;
use crate::run::RunOutcome;
use crate::scenario::Scenario;
use crate::timeline::Timeline;
use crate::verdict::{JudgedMark, Verdict};

/// Measures that are kept for every run, in this order.
pub const DIGEST_MEASURES: [Measure; 19] = [
    Measure::Available,
    Measure::Lost,
    Measure::FirstTry,
    Measure::Attempts,
    Measure::TtftP50,
    Measure::TtftP99,
    Measure::Amplification,
    Measure::RecoveredAfter,
    Measure::OpenAfter,
    Measure::OpensOfTheWell,
    Measure::Affected,
    Measure::Hedged,
    Measure::Waste,
    Measure::Cost,
    Measure::Cut,
    Measure::OutcomesToOpen,
    Measure::DegradesOfTheWell,
    Measure::Refused,
    Measure::Used,
];

/// The digest of a run.
#[derive(Clone, Debug)]
pub struct Digest {
    /// The seed.
    pub seed: u64,
    /// Hash over all events.
    pub hash: u64,
    /// Requests that arrived.
    pub requests: u64,
    /// Events that were processed.
    pub events: u64,
    /// Invariants that were violated.
    pub breaches: Vec<Breach>,
    /// Verdicts on the scenario's marks.
    pub judged: Vec<JudgedMark>,
    /// Values of [`DIGEST_MEASURES`] in the scenario's window; `None` if there was nothing to measure.
    pub values: [Option<f64>; DIGEST_MEASURES.len()],
    /// Data for a timeline, if the run recorded it.
    pub timeline: Option<Timeline>,
}

impl Digest {
    /// Digests a run.
    #[must_use]
    pub fn of(scenario: &Scenario, seed: u64, outcome: RunOutcome) -> Self {
        let judged = outcome.judge(scenario);
        let values = DIGEST_MEASURES.map(|measure| outcome.in_window(measure));
        let ledger: &Ledger = &outcome.ledger;
        let timeline = ledger.detail.then(|| Timeline::of(scenario, seed, ledger));
        Self {
            seed,
            hash: outcome.hash,
            requests: outcome.requests,
            events: outcome.events,
            breaches: outcome.breaches,
            judged,
            values,
            timeline,
        }
    }

    /// One of the kept measures.
    #[must_use]
    pub fn value(&self, measure: Measure) -> Option<f64> {
        DIGEST_MEASURES.iter().position(|values| *values == measure).and_then(|at| self.values[at])
    }

    /// Whether no mark was missed and no invariant violated.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.breaches.is_empty() && self.judged.iter().all(|judged| judged.verdict != Verdict::Missed)
    }
}
