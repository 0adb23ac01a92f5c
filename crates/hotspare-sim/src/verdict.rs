//! Whether a run reached its marks.
//!
//! Invariant: every mark of the scenario is judged, in its order; a run in which an invariant broke is a failure whatever
//! its marks say.

use crate::marks::Measure;
use crate::run::Outcome;
use crate::scenario::Scenario;

/// One mark, judged.
#[derive(Clone, Debug)]
pub struct Judged {
    /// As people read it.
    pub mark: String,
    /// What was measured.
    pub measure: Measure,
    /// The value; `None` if what it is about never happened.
    pub value: Option<f64>,
    /// Whether it was reached.
    pub holds: bool,
}

impl Outcome {
    /// Judges the scenario's marks.
    #[must_use]
    pub fn judge(&self, scenario: &Scenario) -> Vec<Judged> {
        let judge = |mark: &crate::marks::Mark| {
            let value = self.ledger.measure(scenario, mark);
            Judged { mark: mark.to_string(), measure: mark.measure, value, holds: mark.holds(value) }
        };
        // A run that was made shorter says nothing about what would have come after it.
        let reached = |mark: &&crate::marks::Mark| mark.span(scenario).0 < scenario.length.nanos();
        scenario.marks.iter().filter(reached).map(judge).collect()
    }

    /// A measure of the scenario's window and first target.
    #[must_use]
    pub fn in_window(&self, measure: Measure) -> Option<f64> {
        self.ledger.value(measure, 0, self.ledger.window())
    }

    /// A measure of the whole run and first target.
    #[must_use]
    pub fn whole(&self, measure: Measure) -> Option<f64> {
        self.ledger.value(measure, 0, (0, u64::MAX))
    }
}
