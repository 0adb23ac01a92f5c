//! Marks as part of a scenario: whether they make sense in it, and what they cover.
//!
//! Not how a mark is judged. Invariant: a mark is only judged in a run that was long enough.

use super::Scenario;
use crate::marks::{Mark, Measure};
use crate::units::{Span, nanos};

/// The shortest part of a span, in nanoseconds, that is representative of the whole.
const MINUTE: u64 = 60_000_000_000;

impl Mark {
    pub(crate) fn mistake(&self, scenario: &Scenario) -> Option<String> {
        if self.at_least.is_none() && self.at_most.is_none() {
            return Some(format!("the mark {} has no bound", self.measure));
        }
        if let Some(bound) =
            self.at_least.iter().chain(&self.at_most).find(|bound| !self.measure.is_valid(bound.value))
        {
            let (measure, text) = (self.measure, &bound.text);
            return Some(format!(
                "the mark {measure} has the bound {text}, and {measure} is a share, such as \"99.9%\""
            ));
        }
        let target = self.target.as_ref()?;
        let known = scenario.targets.iter().any(|known| known.name == *target);
        (!known).then(|| format!("the mark {} is about `{target}`, which is not a target", self.measure))
    }

    /// The span of arrival times it covers, in nanoseconds.
    pub(crate) fn span(&self, scenario: &Scenario) -> (u64, u64) {
        let [from, until] = scenario.window;
        (self.from.unwrap_or(from).nanos(), self.until.unwrap_or(until).nanos())
    }

    /// Whether a run was long enough to judge it. A span that lasts until the scenario's end may be cut with the run,
    /// down to a minute; any other must have been run in full.
    pub(crate) fn can_be_judged(&self, scenario: &Scenario, value: Option<f64>) -> bool {
        let length = scenario.length.nanos();
        let full = scenario.full_length().nanos();
        let [begins, ends] = scenario.window.map(Span::nanos);
        let bound = self.at_most.as_ref().map_or(0, |bound| nanos(bound.value));
        match self.measure {
            Measure::OpenAfter => value.is_some() || begins.saturating_add(bound) <= length,
            Measure::RecoveredAfter => value.is_some() || ends.saturating_add(bound) <= length,
            Measure::OutcomesToOpen => value.is_some() || ends <= length,
            _ => {
                let (from, until) = self.span(scenario);
                until <= length || until >= full && length.saturating_sub(from) >= MINUTE
            }
        }
    }
}
