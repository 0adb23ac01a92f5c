//! Which of a scenario's targets each target of a configuration stands for.
//!
//! Invariant: every target of the configuration stands for exactly one of the scenario's, and is affected by that one's
//! faults alone; what does not follow from the names is reported.

use hotspare_engine::TargetSpec;

use crate::scenario::{Scenario, TargetDto};
use crate::setup::Setup;

/// A configuration whose targets are in a scenario's order.
#[derive(Clone, Debug)]
pub struct Assigned {
    /// The route, with its targets in the scenario's order.
    pub setup: Setup,
    /// What the reader of the results should know, such as "main stands for openai".
    pub notes: Vec<String>,
}

impl Scenario {
    /// Puts a configuration's targets in the places of the scenario's first `written` targets: in order or, if
    /// `by_name`, those in the place of their namesakes first. Targets that are left over take the places behind, which
    /// are added to the scenario as needed, and are healthy.
    ///
    /// # Errors
    /// If a setting of one of the scenario's targets is invalid.
    pub fn assign(&mut self, mut setup: Setup, by_name: bool, written: usize) -> Result<Assigned, String> {
        let mut places: Vec<Option<TargetSpec>> = vec![None; written.min(self.targets.len())];
        let mut unplaced = Vec::new();
        for spec in std::mem::take(&mut setup.specs) {
            let mut named = self.targets.iter().take(written);
            let namesake = named.position(|target| target.name == spec.id.as_str());
            match namesake.filter(|_| by_name) {
                Some(place) => places[place] = Some(spec),
                None => unplaced.push(spec),
            }
        }
        let mut unplaced = unplaced.into_iter();
        let mut notes = Vec::new();
        for (place, target) in places.iter_mut().zip(&self.targets).filter(|(place, _)| place.is_none()) {
            let Some(spec) = unplaced.next() else { break };
            if spec.id.as_str() != target.name {
                notes.push(format!("{} stands for {}", spec.id, target.name));
            }
            *place = Some(spec);
        }
        for spec in unplaced {
            notes.push(format!("{} is not in the scenario, and is healthy throughout", spec.id));
            if places.len() == self.targets.len() {
                let target = TargetDto::named(&self.unused_name(spec.id.as_str()));
                self.targets.push(target);
            }
            places.push(Some(spec));
        }
        let used = places.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        for (index, (place, target)) in places.into_iter().zip(&self.targets).enumerate() {
            match place {
                Some(spec) => setup.specs.push(spec),
                None => {
                    notes.push(format!("{} is not used", target.name));
                    // Keeps the others in their places; the route does not lead to it.
                    if index < used {
                        setup.specs.push(target.spec()?);
                    }
                }
            }
        }
        Ok(Assigned { setup, notes })
    }

    /// `name`, or a variation if a fault could address another target by it.
    fn unused_name(&self, name: &str) -> String {
        let taken = |name: &str| self.targets.iter().any(|target| target.is_addressed_by(name));
        let mut unused = name.to_owned();
        while taken(&unused) {
            unused.push('+');
        }
        unused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marks::Measure;
    use crate::{Player, RunOptions, run};

    const OUTAGE: &str = r#"
what = "x"
length = "30s"
window = ["5s", "25s"]
targets = [{ name = "openai" }, { name = "anthropic" }, { name = "gemini" }]
faults = [{ on = ["openai"], effect = "refuse" }]
"#;

    fn scenario() -> Scenario {
        Scenario::parse("outage", OUTAGE).unwrap()
    }

    /// A route over these targets, in order.
    fn route(names: &[&str]) -> Setup {
        let targets: Vec<String> = names.iter().map(|name| format!("{{ name = \"{name}\" }}")).collect();
        let text = format!("what = \"x\"\ntargets = [{}]", targets.join(", "));
        Scenario::parse("route", &text).unwrap().setup().unwrap()
    }

    fn ids(assigned: &Assigned) -> Vec<&str> {
        assigned.setup.specs.iter().map(|spec| spec.id.as_str()).collect()
    }

    #[test]
    fn outage_follows_the_name_and_not_the_position() {
        let mut scenario = scenario();
        let assigned = scenario.assign(route(&["anthropic", "openai", "gemini"]), true, 3).unwrap();
        assert_eq!(ids(&assigned), ["openai", "anthropic", "gemini"]);
        assert_eq!(assigned.notes, [""; 0]);
        let outcome = run(&scenario, &assigned.setup.into(), 1, &RunOptions::default()).unwrap();
        assert_eq!(outcome.in_window(Measure::Affected), Some(0.0), "the first choice is healthy");
        assert_eq!(outcome.breaches, []);
        let by_position = scenario.assign(route(&["anthropic", "openai", "gemini"]), false, 3).unwrap();
        assert_eq!(by_position.notes, ["anthropic stands for openai", "openai stands for anthropic"]);
        let outcome = run(&scenario, &by_position.setup.into(), 1, &RunOptions::default()).unwrap();
        assert!(outcome.in_window(Measure::Affected) > Some(0.0));
    }

    #[test]
    fn targets_without_a_namesake_take_the_free_places() {
        let assigned = scenario().assign(route(&["main", "openai"]), true, 3).unwrap();
        assert_eq!(ids(&assigned), ["openai", "main"]);
        assert_eq!(assigned.notes, ["main stands for anthropic", "gemini is not used"]);
        let mut two = scenario();
        let assigned = two.assign(route(&["gemini", "openai"]), true, 3).unwrap();
        assert_eq!(ids(&assigned), ["openai", "anthropic", "gemini"]);
        assert_eq!(assigned.notes, ["anthropic is not used"]);
        let player: Player = two.assign(route(&["gemini", "openai"]), true, 3).unwrap().setup.into();
        let outcome = run(&two, &player, 1, &RunOptions::default()).unwrap();
        assert_eq!((outcome.breaches.len(), outcome.in_window(Measure::Affected)), (0, Some(0.0)));
    }

    #[test]
    fn additional_targets_have_no_faults() {
        let mut scenario = scenario();
        let assigned = scenario.assign(route(&["a", "b", "c", "openai"]), false, 3).unwrap();
        assert_eq!(scenario.targets[3].name, "openai+");
        assert_eq!(assigned.notes[3], "openai is not in the scenario, and is healthy throughout");
        assert_eq!(scenario.healthy_targets(), 3);
    }

    #[test]
    fn second_configuration_meets_the_scenario_as_written() {
        let mut scenario = scenario();
        let written = scenario.target_count();
        scenario.assign(route(&["a", "b", "c", "d"]), false, written).unwrap();
        let second = scenario.assign(route(&["openai", "d", "e", "f", "g"]), true, written).unwrap();
        assert_eq!(ids(&second), ["openai", "d", "e", "f", "g"]);
        let healthy = |target: &str| format!("{target} is not in the scenario, and is healthy throughout");
        let expected = ["d stands for anthropic", "e stands for gemini", &healthy("f"), &healthy("g")];
        assert_eq!(second.notes, expected);
        assert_eq!(scenario.target_count(), 5);
    }
}
