//! What a router could achieve with knowledge that it cannot have.
//!
//! The state oracle sees the current faults and free capacity but never the draws: an upper bound for routers that are
//! always right about each provider's state. A search that ends at the first success is shortest in the order of expected
//! time over probability of success, by an exchange argument. Other oracles know more (the draws) or less (the faults of
//! some time ago, or its mean over the window). Where only capacity is lacking, the oracles that see it queue requests in
//! order of arrival; none of them reserves capacity for a later request, hedges, or looks at prices. Invariant: none of the router's code is used here.

use std::collections::VecDeque;
use std::time::Duration;

use hotspare_chaos::Fault;
use hotspare_core::{Kind, Moment};

use super::{Decision, Observation, Rival, drawn_key, untried};
use crate::effect::Effect;
use crate::provider::InboundRequest;
use crate::scenario::Scenario;

/// Time that a silent provider costs, in seconds.
const SILENCE_COST: f64 = 8.0;
/// Assumed availability of an endpoint that had no figure at the time in question.
const UNLISTED_AVAILABILITY: f64 = 0.98;
/// Samples taken for the mean over a window.
const SAMPLES: u64 = 5_000;
/// Half-life in seconds of the state seen at a failure, which decays to the mean. Chosen on recorded availability,
/// where 900 s to 12 h differ by 0.003 percentage points.
const HALF_LIFE: f64 = 1_800.0;
/// How often the head of the queue checks for capacity. The second checks half as often, and so on, but at least once
/// per `MAX_POLL_INTERVAL`.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// What an oracle knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Knowledge {
    /// The state of this long ago.
    Delayed(Duration),
    /// The mean state over the window, and all states at the time when one of its own attempts last failed.
    AtFailures,
    /// The outcome of each request.
    Draws,
    /// The mean state over the scenario's window.
    Mean,
    /// The current state and free capacity.
    Current,
}

/// An oracle.
#[derive(Debug)]
pub(super) struct Oracle {
    knowledge: Knowledge,
    /// Mean time to first content and mean length of an answer in seconds, by target.
    means: Vec<(f64, f64)>,
    /// Mean forecast over the window, by target; computed lazily.
    mean_forecasts: Vec<Forecast>,
    /// When an attempt last failed.
    failed: Moment,
    /// Queued requests, each with the time of its next check.
    queue: VecDeque<(u64, Moment)>,
}

/// What to expect of an attempt.
#[derive(Clone, Copy, Debug)]
struct Forecast {
    /// Seconds until it answers or fails.
    time: f64,
    /// The probability that it answers.
    success: f64,
    /// It would be refused, but only for lack of capacity.
    full: bool,
}

impl Forecast {
    /// Targets with a lower index come first.
    fn index(self) -> f64 {
        self.time / self.success.max(1e-9)
    }
}

impl Oracle {
    pub(super) fn new(scenario: &Scenario, knowledge: Knowledge) -> Self {
        let tokens = scenario.load.output_tokens as f64;
        let means = scenario.targets.iter().map(|target| {
            let first = target.ttft.mean();
            (first, first + tokens * target.token_gap.mean())
        });
        let (failed, queue) = (Moment::ZERO, VecDeque::new());
        Self { knowledge, means: means.collect(), mean_forecasts: Vec::new(), failed, queue }
    }

    /// The state as of `at`, for requests with this key or with a random one. With a request, free capacity for it counts
    /// too.
    fn state(
        &self,
        observation: &Observation<'_>,
        target: usize,
        at: Moment,
        key: Option<usize>,
        request: Option<&InboundRequest<'_>>,
    ) -> Forecast {
        let (mut mean, mut success, mut to_fail) = (self.means[target].0, 1.0, 0.08);
        if observation.faults.is_measured() {
            success *= observation.faults.measured(target, at).map_or(UNLISTED_AVAILABILITY, f64::from);
        }
        let mut most = None;
        for window in observation.faults.active(target, at) {
            let share = match (window.key, key) {
                (Some(affected), Some(key)) if affected as usize != key + 1 => continue,
                (Some(_), None) => window.share / f64::from(observation.scenario.targets[target].keys),
                _ => window.share,
            };
            match window.effect {
                Effect::TtftTimes(times) => mean *= 1.0 + share * (times - 1.0),
                Effect::Wire(Fault::SlowFirstToken(time)) => mean += share * time.as_secs_f64(),
                Effect::AtMost(rate) if request.is_some() => most = Some(rate),
                Effect::AtMost(rate) => success *= (rate / observation.scenario.load.rate).min(1.0),
                _ if window.is_fatal() => {
                    success *= 1.0 - share;
                    to_fail = match window.effect {
                        Effect::Wire(Fault::Silence | Fault::OnlyPings) => SILENCE_COST,
                        Effect::Unreachable => 1.0,
                        _ => window.after as f64 / 1e9,
                    };
                }
                _ => {}
            }
        }
        let mut full = false;
        if let Some(request) = request {
            match observation.providers.admission_delay(at, target, request, most) {
                Some(turns) => mean += turns * self.means[target].1,
                None => (full, success) = (success > 0.0, 0.0),
            }
        }
        Forecast { time: success * mean + (1.0 - success) * to_fail, success, full }
    }

    /// The mean state over the window.
    fn mean(&self, observation: &Observation<'_>, target: usize) -> Forecast {
        let [from, until] = observation.scenario.window.map(crate::units::Span::nanos);
        let step = (until.saturating_sub(from) / SAMPLES).max(1);
        let moments = (0..SAMPLES).map(|n| Moment::from_nanos(from + n * step));
        let listed = moments.filter(|at| !observation.faults.is_absent(target, *at));
        let (mut time, mut success, mut count) = (0.0, 0.0, 0.0);
        for state in listed.map(|at| self.state(observation, target, at, None, None)) {
            time += state.time;
            success += state.success;
            count += 1.0;
        }
        let count = f64::max(count, 1.0);
        Forecast { time: time / count, success: success / count, full: false }
    }

    /// The best key of a target, and what to expect of it. Who knows only means draws a key.
    fn forecast(&self, observation: &Observation<'_>, target: usize, draw: u64) -> (usize, Forecast) {
        let first = drawn_key(observation.scenario, target, draw);
        let keys = observation.scenario.targets[target].keys.max(1) as usize;
        let known = match self.knowledge {
            Knowledge::Delayed(_) | Knowledge::Draws | Knowledge::Current => keys,
            Knowledge::AtFailures | Knowledge::Mean => 1,
        };
        let with_key = |number: usize| {
            let key = (first + number) % keys;
            (key, self.forecast_with(observation, target, key))
        };
        let better = |best: (usize, Forecast), next: (usize, Forecast)| {
            let full = best.1.full || next.1.full;
            let (key, state) = if next.1.index() < best.1.index() { next } else { best };
            (key, Forecast { full, ..state })
        };
        (1..known).map(with_key).fold(with_key(0), better)
    }

    fn forecast_with(&self, observation: &Observation<'_>, target: usize, key: usize) -> Forecast {
        let request = InboundRequest { spec: observation.spec, faults: observation.faults, key, nth: 0 };
        match self.knowledge {
            Knowledge::Delayed(time) => {
                let ago = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
                let at = Moment::from_nanos(observation.now.as_nanos().saturating_sub(ago));
                self.state(observation, target, at, Some(key), None)
            }
            Knowledge::AtFailures => {
                let (seen, usual) =
                    (self.state(observation, target, self.failed, None, None), self.mean_forecasts[target]);
                let age = observation.now.saturating_since(self.failed).as_secs_f64();
                let weight = libm::exp2(-age / HALF_LIFE);
                let between = |usual: f64, seen: f64| usual + (seen - usual) * weight;
                Forecast {
                    time: between(usual.time, seen.time),
                    success: between(usual.success, seen.success),
                    full: false,
                }
            }
            Knowledge::Draws => {
                match observation.providers.peek_ttft(observation.now, target, &request, self.means[target].1)
                {
                    Some(first) => Forecast { time: first as f64 / 1e9, success: 1.0, full: false },
                    None => Forecast {
                        success: 0.0,
                        ..self.state(observation, target, observation.now, Some(key), Some(&request))
                    },
                }
            }
            Knowledge::Mean => self.mean_forecasts[target],
            Knowledge::Current => self.state(observation, target, observation.now, Some(key), Some(&request)),
        }
    }
}

impl Oracle {
    /// The best untried target, and whether any untried target lacks nothing but capacity.
    fn best(
        &mut self,
        observation: &Observation<'_>,
        tried: &[usize],
        draw: u64,
    ) -> Option<(usize, Forecast, bool)> {
        if matches!(self.knowledge, Knowledge::Mean | Knowledge::AtFailures) && self.mean_forecasts.is_empty()
        {
            self.mean_forecasts =
                (0..self.means.len()).map(|target| self.mean(observation, target)).collect();
        }
        let states = untried(self.means.len(), tried)
            .map(|target| (target, self.forecast(observation, target, draw).1));
        states.map(|(target, state)| (target, state, state.full)).reduce(|best, next| {
            let full = best.2 || next.2;
            let (target, state, _) = if next.1.index() < best.1.index() { next } else { best };
            (target, state, full)
        })
    }

    /// Queues the request.
    fn enqueue(&mut self, observation: &Observation<'_>) -> Decision {
        let number = observation.spec.number;
        let at = self.queue.iter().position(|(waiting, _)| *waiting == number).unwrap_or_else(|| {
            self.queue.push_back((number, Moment::ZERO));
            self.queue.len() - 1
        });
        let turns = u32::try_from(at + 1).unwrap_or(u32::MAX);
        let time = POLL_INTERVAL.saturating_mul(turns).min(MAX_POLL_INTERVAL);
        self.queue[at].1 = observation.now + time;
        Decision::Wait(time)
    }
}

impl Rival for Oracle {
    fn choose(&mut self, observation: &Observation<'_>, tried: &[usize], draw: u64) -> Option<usize> {
        self.best(observation, tried, draw).map(|(target, ..)| target)
    }

    fn next(&mut self, observation: &Observation<'_>, tried: &[usize], draw: u64) -> Decision {
        let Some((target, state, full)) = self.best(observation, tried, draw) else {
            return Decision::GiveUp;
        };
        // Only a provider can tell that a request is malformed.
        if !matches!(self.knowledge, Knowledge::Current | Knowledge::Draws) || observation.spec.invalid {
            return Decision::Start(target);
        }
        // Requests that have given up no longer check.
        while self.queue.front().is_some_and(|(_, looks)| *looks < observation.now) {
            self.queue.pop_front();
        }
        let number = observation.spec.number;
        let first = self.queue.front().is_none_or(|(waiting, _)| *waiting == number);
        match state.success {
            0.0 if full => self.enqueue(observation),
            // No target would answer.
            0.0 => Decision::GiveUp,
            _ if !first => self.enqueue(observation),
            success => {
                self.queue.retain(|(waiting, _)| *waiting != number);
                if success < 1.0 { Decision::Start(target) } else { Decision::StartUntimed(target) }
            }
        }
    }

    fn key(&self, observation: &Observation<'_>, target: usize, draw: u64) -> usize {
        self.forecast(observation, target, draw).0
    }

    fn outcome(&mut self, now: Moment, _: usize, failed: Option<Kind>, _: Duration) {
        if failed.is_some() {
            self.failed = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::marks::Measure;
    use crate::rivals::RivalKind;
    use crate::run::{Player, RunOptions, run};
    use crate::scenario::Scenario;

    fn measured(text: &str, kind: RivalKind, measure: Measure) -> f64 {
        let scenario = Scenario::parse("oracles", text).unwrap();
        let outcome = run(&scenario, &Player::Rival(kind), 1, &RunOptions::default()).unwrap();
        outcome.in_window(measure).unwrap()
    }

    const TWO: &str = "what = \"x\"\nlength = \"700s\"\nwindow = [\"0s\", \"600s\"]\n";

    #[test]
    fn oracle_uses_only_keys_that_work() {
        let text = format!(
            "{TWO}[[targets]]\nname = \"a\"\nkeys = 3\n[[targets]]\nname = \"b\"\n\
             [[faults]]\non = [\"a\"]\neffect = \"status:401\"\nkey = 1\n\
             [[faults]]\non = [\"a\"]\neffect = \"quota-exhausted\"\nkey = 2\n"
        );
        for kind in [RivalKind::Oracle, RivalKind::Oracle1s, RivalKind::Clairvoyant] {
            assert_eq!(measured(&text, kind, Measure::FirstTry), 1.0, "{}", kind.name());
        }
        assert_eq!(measured(&text, RivalKind::Oracle, Measure::Share), 1.0, "the first target is usable");
        assert!(measured(&text, RivalKind::Static, Measure::FirstTry) < 0.5, "two keys of three are dead");
    }

    /// Each of two targets fails for a minute out of two, in turn.
    fn turns() -> String {
        format!(
            "{TWO}targets = [{{ name = \"a\" }}, {{ name = \"b\" }}]\nfaults = [\n\
             {{ on = [\"a\"], effect = \"status:500\", flap = {{ on = \"60s\", off = \"60s\" }} }},\n\
             {{ on = [\"b\"], effect = \"status:500\", from = \"60s\", flap = {{ on = \"60s\", off = \"60s\" }} }}]"
        )
    }

    #[test]
    fn staler_oracles_score_worse() {
        let text = turns();
        let first = |kind| measured(&text, kind, Measure::FirstTry);
        assert_eq!(first(RivalKind::Oracle), 1.0);
        assert_eq!(first(RivalKind::Clairvoyant), 1.0);
        for (kind, expected) in [
            // A change a minute, and the seconds after each are played by the old state.
            (RivalKind::Oracle1s, 1.0 - 9.0 / 600.0),
            (RivalKind::Oracle5s, 1.0 - 45.0 / 600.0),
            (RivalKind::Oracle30s, 1.0 - 270.0 / 600.0),
            (RivalKind::BestFixed, 0.5),
        ] {
            let value = first(kind);
            assert!((value - expected).abs() < 0.02, "{}: {value}, not {expected}", kind.name());
        }
    }

    #[test]
    fn only_the_clairvoyant_avoids_random_faults() {
        let text = format!(
            "{TWO}targets = [{{ name = \"a\" }}, {{ name = \"b\" }}]\nfaults = [\n\
             {{ on = [\"a\"], effect = \"status:500\", share = \"30%\" }},\n\
             {{ on = [\"b\"], effect = \"status:500\", share = \"10%\" }}]"
        );
        let first = |kind| measured(&text, kind, Measure::FirstTry);
        for kind in [RivalKind::Oracle, RivalKind::BestFixed] {
            assert!((first(kind) - 0.9).abs() < 0.01, "{}: {}", kind.name(), first(kind));
        }
        assert_eq!(
            first(RivalKind::Clairvoyant),
            measured(&text, RivalKind::Clairvoyant, Measure::Available)
        );
        let answered = measured(&text, RivalKind::Oracle, Measure::Available);
        assert_eq!(measured(&text, RivalKind::Clairvoyant, Measure::Available), answered, "3 % fail at both");
    }

    /// It learns of a change only from a failure, and then sees every state.
    #[test]
    fn learning_from_failures_costs_a_failure_or_two_per_change() {
        let failed = measured(&turns(), RivalKind::OracleAtFailures, Measure::Affected);
        assert!(
            (9.0..40.0).contains(&failed),
            "nine changes, and the calls before the first failure: {failed}"
        );
    }

    /// Both know the remaining quota and send no request beyond it.
    #[test]
    fn oracle_uses_a_quota_without_exceeding_it() {
        let text = format!(
            "{TWO}[[targets]]\nname = \"a\"\nquota = {{ requests_per_minute = 600, says = \"nothing\" }}\n[[targets]]\nname = \"b\"\n"
        );
        for kind in [RivalKind::Oracle, RivalKind::Clairvoyant] {
            let value = |measure| measured(&text, kind, measure);
            assert_eq!((value(Measure::Refused), value(Measure::FirstTry)), (0.0, 1.0), "{}", kind.name());
        }
        assert!(measured(&text, RivalKind::Oracle, Measure::Used) > 0.95);
        assert!(measured(&text, RivalKind::Oracle1s, Measure::Refused) > 0.3);
    }

    /// Twenty a second come, and there are thirty places; an answer takes 3.7 s.
    #[test]
    fn oracle_sends_no_more_than_the_capacity() {
        let text = format!("{TWO}[[targets]]\nname = \"a\"\ncapacity = {{ places = 30, queue = 0 }}\n");
        let value = |measure| measured(&text, RivalKind::Oracle, measure);
        let (answered, starts) = (value(Measure::Available), value(Measure::Attempts));
        // 30 places, 3.7 s each, of 20 a second.
        assert!((answered - 30.0 / 3.7 / 20.0).abs() < 0.03, "{answered}");
        assert!((starts - answered).abs() < 1e-9, "no attempt is refused: {starts}");
    }
}
