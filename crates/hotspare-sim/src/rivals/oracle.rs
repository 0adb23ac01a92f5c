//! What perfect knowledge of the providers' states could achieve.
//!
//! It sees the current weather but never the draws: an upper bound for routers that are always right about health. A
//! search that ends at the first success is shortest in the order of expected time over probability of success, by an
//! exchange argument. Invariant: none of the router's code is used here.

use hotspare_chaos::Fault;

use super::{Rival, Sight, untried};
use crate::effect::Effect;
use crate::scenario::Scenario;

/// Time that a silent provider costs, in seconds.
const SILENT: f64 = 8.0;

/// An oracle of provider states.
#[derive(Debug)]
pub(super) struct Oracle {
    /// Mean time to first content, by place.
    means: Vec<f64>,
    /// Expected time and probability of success, as last computed.
    known: Vec<(u64, f64, f64)>,
}

impl Oracle {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let means: Vec<f64> = scenario.targets.iter().map(|target| target.ttft.mean()).collect();
        Self { known: vec![(u64::MAX, 0.0, 1.0); means.len()], means }
    }

    /// Expected time of an attempt, and the probability that it succeeds.
    fn state(&self, sight: &Sight<'_>, place: usize) -> (f64, f64) {
        let (mut mean, mut success, mut to_fail) = (self.means[place], 1.0, 0.08);
        if let Some(measured) = sight.weather.measured(place, sight.now) {
            success *= f64::from(measured);
        }
        for spell in sight.weather.at(place, sight.now) {
            let share = match spell.key {
                Some(_) => spell.share / f64::from(sight.scenario.targets[place].keys),
                None => spell.share,
            };
            match spell.effect {
                Effect::TtftTimes(times) => mean *= 1.0 + share * (times - 1.0),
                Effect::Wire(Fault::SlowFirstToken(time)) => mean += share * time.as_secs_f64(),
                Effect::AtMost(rate) => success *= (rate / sight.scenario.load.rate).min(1.0),
                _ if spell.kills() => {
                    success *= 1.0 - share;
                    to_fail = match spell.effect {
                        Effect::Wire(Fault::Silence | Fault::OnlyPings) => SILENT,
                        Effect::Unreachable => 1.0,
                        _ => spell.after as f64 / 1e9,
                    };
                }
                _ => {}
            }
        }
        (success * mean + (1.0 - success) * to_fail, success)
    }
}

impl Rival for Oracle {
    fn choose(&mut self, sight: &Sight<'_>, tried: &[usize], _: u64) -> Option<usize> {
        for place in 0..self.means.len() {
            if self.known[place].0 != sight.now.as_nanos() {
                let (time, success) = self.state(sight, place);
                self.known[place] = (sight.now.as_nanos(), time, success);
            }
        }
        let index = |place: usize| {
            let (_, time, success) = self.known[place];
            time / success.max(1e-9)
        };
        untried(self.means.len(), tried)
            .reduce(|best, place| if index(place) < index(best) { place } else { best })
    }
}
