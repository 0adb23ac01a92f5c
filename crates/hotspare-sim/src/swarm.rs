//! Random scenarios, and how to minimize one that fails.
//!
//! A random subset of faults per seed finds what a list of scenarios does not (swarm testing, Groce et al. 2012).
//! Invariant: a seed always gives the same scenario, and its text parses back.

use std::fmt::Write;

use crate::rng::{CounterRng, Purpose};
use crate::scenario::Scenario;

/// Possible effects. The first half leaves answers possible, the rest does not.
const EFFECTS: [&str; 20] = [
    "ttft-times:10",
    "gap-times:20",
    "slow-first-token:3000ms",
    "at-most:3",
    "status:500",
    "status:503",
    "status:529",
    "refuse",
    "unreachable",
    "reset-before-head",
    "silence",
    "only-pings",
    "stall-after:20",
    "cut-after:30",
    "clean-end-after:10",
    "error-event-after:5",
    "malformed-after:3",
    "rate-limited:7",
    "status:401",
    "quota-exhausted",
];

/// One fault of a random scenario.
#[derive(Clone, Debug, PartialEq)]
struct SwarmFault {
    on: &'static str,
    effect: &'static str,
    from: u64,
    until: u64,
    share: u64,
    flap: Option<u64>,
}

/// A random scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Swarm {
    seed: u64,
    rate: u64,
    length: u64,
    hedge: bool,
    faults: Vec<SwarmFault>,
    load_settings: Vec<&'static str>,
}

impl Swarm {
    /// The scenario of a seed: three targets, two minutes of faults, and a minute to recover.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let rng = CounterRng::new(seed);
        let draw = |n: u64, what: u64, of: u64| rng.draw(Purpose::Swarm, [n, what, 0]) % of;
        // Each scenario uses a random subset of the kinds of fault.
        let kinds: Vec<&'static str> =
            EFFECTS.into_iter().zip(100..).filter(|(_, n)| draw(*n, 0, 4) == 0).map(|(one, _)| one).collect();
        let count = 1 + draw(0, 1, 8);
        let faults = (0..count).filter_map(|n| {
            let effect = *kinds.get(usize::try_from(draw(n, 2, kinds.len().max(1) as u64)).ok()?)?;
            let from = 10 + draw(n, 3, 100);
            Some(SwarmFault {
                on: ["a", "a", "b", "c", "all"][usize::try_from(draw(n, 4, 5)).ok()?],
                effect,
                from,
                until: (from + 1 + draw(n, 5, 60)).min(130),
                share: [100, 100, 50, 10][usize::try_from(draw(n, 6, 4)).ok()?],
                flap: (draw(n, 7, 5) == 0).then(|| 1 + draw(n, 8, 10)),
            })
        });
        let load_settings = [
            "invalid = \"10%\"",
            "leave = { share = \"20%\", after = \"500ms\" }",
            "stream = \"50%\"",
            "cv = 4.0",
            "crowd = 100",
        ];
        Self {
            seed,
            rate: [1, 10, 20, 40][usize::try_from(draw(1, 9, 4)).unwrap_or(0)],
            length: 190,
            hedge: draw(2, 9, 2) == 0,
            faults: faults.collect(),
            load_settings: load_settings
                .into_iter()
                .zip(200..)
                .filter(|(_, n)| draw(*n, 0, 3) == 0)
                .map(|(one, _)| one)
                .collect(),
        }
    }

    /// The scenario as the text of a file.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "what = \"random faults, seed {}\"\nlength = \"{}s\"\nwindow = [\"10s\", \"130s\"]\n",
            self.seed, self.length
        );
        if self.hedge {
            text.push_str("route = { hedge = \"p95\", adaptive = 3.0 }\n");
        }
        // A rejected key is re-checked only after ten minutes: a target that has lost every key is not back at the end.
        let dead = |target: &str| {
            let kills = |fault: &&SwarmFault| ["status:401", "quota-exhausted"].contains(&fault.effect);
            self.faults.iter().filter(kills).any(|fault| [target, "all"].contains(&fault.on))
        };
        if !["a", "b", "c"].into_iter().all(dead) {
            text.push_str(
                "marks = [{ measure = \"available\", from = \"165s\", until = \"190s\", at_least = \"99%\" }]\n",
            );
        }
        // Writing to a string cannot fail.
        let _ = writeln!(text, "[load]\nrate = {}.0\n{}", self.rate, self.load_settings.join("\n"));
        for fault in &self.faults {
            let SwarmFault { on, effect, from, until, share, flap } = fault;
            let _ = writeln!(
                text,
                "[[faults]]\non = [\"{on}\"]\neffect = \"{effect}\"\nfrom = \"{from}s\"\nuntil = \"{until}s\"\nshare = \"{share}%\""
            );
            if let Some(secs) = flap {
                let _ = writeln!(text, "flap = {{ on = \"{secs}s\", off = \"{secs}s\" }}");
            }
        }
        text
    }

    /// The parsed scenario.
    ///
    /// # Errors
    /// None in practice: a test checks that the text parses.
    pub fn scenario(&self) -> Result<Scenario, String> {
        Scenario::parse(&format!("swarm-{}", self.seed), &self.text())
    }

    /// The smallest scenario that still fails: removes faults and settings and halves times and loads for as long as
    /// `fails` returns true.
    #[must_use]
    pub fn shrink(mut self, mut fails: impl FnMut(&Scenario) -> bool) -> Self {
        let mut still_fails = |candidate: &Self| candidate.scenario().is_ok_and(|scenario| fails(&scenario));
        loop {
            let smaller = self.candidates().into_iter().find(|candidate| still_fails(candidate));
            match smaller {
                Some(candidate) => self = candidate,
                None => return self,
            }
        }
    }

    fn candidates(&self) -> Vec<Self> {
        let mut candidates = Vec::new();
        for index in 0..self.faults.len() {
            let mut candidate = self.clone();
            candidate.faults.remove(index);
            candidates.push(candidate);
        }
        for index in 0..self.load_settings.len() {
            let mut candidate = self.clone();
            candidate.load_settings.remove(index);
            candidates.push(candidate);
        }
        let mut change = |change: &dyn Fn(&mut Self) -> bool| {
            let mut candidate = self.clone();
            if change(&mut candidate) {
                candidates.push(candidate);
            }
        };
        change(&|candidate| std::mem::take(&mut candidate.hedge));
        change(&|candidate| {
            candidate.rate > 1 && {
                candidate.rate /= 2;
                true
            }
        });
        for index in 0..self.faults.len() {
            change(&|candidate| candidate.faults[index].flap.take().is_some());
            change(&|candidate| std::mem::replace(&mut candidate.faults[index].share, 100) != 100);
            change(&|candidate| {
                let fault = &mut candidate.faults[index];
                let half = fault.from + (fault.until - fault.from) / 2;
                let shorter = half > fault.from && half < fault.until;
                fault.until = if shorter { half } else { fault.until };
                shorter
            });
        }
        candidates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_swarm_scenario_parses() {
        for seed in 0..300 {
            let swarm = Swarm::new(seed);
            if let Err(what) = swarm.scenario() {
                panic!("{what}\n{}", swarm.text());
            }
            assert_eq!(swarm, Swarm::new(seed));
        }
    }

    #[test]
    fn shrinking_keeps_only_what_fails() {
        let fails = |scenario: &Scenario| {
            scenario.faults.iter().any(|fault| fault.effect.to_string().starts_with("status"))
        };
        let found = (0..100)
            .map(Swarm::new)
            .find(|swarm| swarm.faults.len() > 3 && fails(&swarm.scenario().unwrap()));
        let small = found.unwrap().shrink(fails);
        assert_eq!(
            (small.faults.len(), small.load_settings.len(), small.rate, small.hedge),
            (1, 0, 1, false)
        );
        assert_eq!(small.faults[0].until, small.faults[0].from + 1);
    }
}
