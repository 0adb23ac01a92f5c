//! Whether a run reached its marks.
//!
//! Invariant: every mark of the scenario is judged, in order, or reported as not judged; a run that violated an
//! invariant fails whatever its marks say.

use crate::marks::{Mark, Measure};
use crate::run::RunOutcome;
use crate::scenario::Scenario;

/// One mark, judged.
#[derive(Clone, Debug)]
pub struct JudgedMark {
    /// The mark, formatted for display.
    pub mark: String,
    /// What was measured.
    pub measure: Measure,
    /// The value; `None` if there was nothing to measure.
    pub value: Option<f64>,
    /// The verdict.
    pub verdict: Verdict,
}

/// The verdict on a mark after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The mark was reached.
    Reached,
    /// The mark was missed.
    Missed,
    /// The run was too short, or held nothing to measure.
    NotJudged,
}

impl RunOutcome {
    /// Judges the scenario's marks.
    #[must_use]
    pub fn judge(&self, scenario: &Scenario) -> Vec<JudgedMark> {
        let judge = |mark: &Mark| {
            let value = self.ledger.measure(scenario, mark);
            let verdict = match value {
                _ if !mark.can_be_judged(scenario, value) => Verdict::NotJudged,
                None if !mark.measure.is_event() => Verdict::NotJudged,
                value if mark.holds(value) => Verdict::Reached,
                _ => Verdict::Missed,
            };
            JudgedMark { mark: mark.to_string(), measure: mark.measure, value, verdict }
        };
        scenario.marks.iter().map(judge).collect()
    }

    /// A measure over the scenario's window, for the first target.
    #[must_use]
    pub fn in_window(&self, measure: Measure) -> Option<f64> {
        self.ledger.value(measure, 0, self.ledger.window())
    }

    /// A measure over the whole run, for the first target.
    #[must_use]
    pub fn whole(&self, measure: Measure) -> Option<f64> {
        self.ledger.value(measure, 0, (0, u64::MAX))
    }
}
