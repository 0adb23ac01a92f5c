//! Marks as part of a scenario: whether they make sense in it, and what they cover.
//!
//! Not how a mark is judged. Invariant: a mark is only judged in a run that was long enough.

use super::Scenario;
use crate::marks::{Mark, Measure};
use crate::units::{Span, nanos};

/// The longest run in which the counts are kept by the second, and the least number of requests before the window, on
/// average, from which a share is known in every seed.
const LONGEST_BY_SECOND: Span = Span::secs(7_200);
const REQUESTS_FOR_SHARE: f64 = 200.0;

/// The shortest part of a span, in nanoseconds, that is representative of the whole.
const MINUTE: u64 = 60_000_000_000;

impl Mark {
    pub(crate) fn mistakes(&self, scenario: &Scenario) -> Vec<String> {
        let measure = self.measure;
        let mut mistakes = Vec::new();
        let mut add = |what: String| mistakes.push(format!("the mark {measure} {what}"));
        match (&self.at_least, &self.at_most) {
            (None, None) => add("has no bound".into()),
            (Some(least), Some(most)) if least.value > most.value => {
                add(format!("cannot be at least {} and at most {}", least.text, most.text));
            }
            _ => {}
        }
        for bound in self.at_least.iter().chain(&self.at_most).filter(|bound| !measure.accepts(bound)) {
            add(format!("has the bound {}, and {measure} is {}", bound.text, measure.unit()));
        }
        let (from, until) = self.span(scenario);
        if !measure.has_span() && (self.from.is_some() || self.until.is_some()) {
            add("is not taken over a span: `from` and `until` have no effect".into());
        } else if from >= until {
            add("must end after it begins".into());
        } else if until > scenario.full_length().nanos() {
            add("ends after the scenario".into());
        }
        if matches!(measure, Measure::Amplification | Measure::RecoveredAfter)
            && scenario.full_length() > LONGEST_BY_SECOND
        {
            add("cannot be measured in a run of more than two hours".into());
        }
        let before = scenario.load.rate * scenario.window[0].0.as_secs_f64();
        if measure == Measure::RecoveredAfter && before < REQUESTS_FOR_SHARE {
            add(format!(
                "needs {REQUESTS_FOR_SHARE} requests before the window, to know the former share; there are {before:.0}"
            ));
        }
        match &self.target {
            Some(_) if !measure.is_of_target() => {
                add("is not about one target: `target` has no effect".into())
            }
            Some(target) if !scenario.targets.iter().any(|known| known.name == *target) => {
                add(format!("is about `{target}`, which is not a target"));
            }
            _ => {}
        }
        mistakes
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
