//! Every order of admit, settle, late settle, lost permit and time, up to a bound, against the breaker's invariants.
//!
//! Not sampling: states are visited breadth first and told apart by their fingerprint, so that within the bound nothing is
//! left out. Bound: at most three calls under way, any of them settled in any order and any way or lost, time in steps of
//! half a cooldown, paths of up to 14 inputs; once for a breaker that counts, once for one that adds up evidence.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::*;
use crate::evidence::Evidence;

const TICK: Duration = Duration::from_secs(2);
const DEPTH: usize = 14;
const IN_FLIGHT: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Admit,
    LastResort,
    Fail(usize),
    Succeed(usize),
    /// Refused for load by a target that lets others in.
    Busy(usize),
    Neutral(usize),
    Slow(usize),
    Lose(usize),
    Tick,
}

/// The breaker, and what an outsider has seen of it.
#[derive(Clone)]
struct World {
    breaker: Breaker,
    now: Moment,
    passes: Vec<(Pass, bool)>,
    probes_lost: Vec<Moment>,
    failures_in_a_row: u32,
}

/// Opens at the second failure in a row.
fn adds_up() -> Config {
    Config { failures: None, evidence: Some(Evidence::default().trip(6_000)), ..counts() }
}

fn counts() -> Config {
    Config {
        failures: Some(2),
        failure_rate_bp: None,
        slow_rate_bp: None,
        window: Duration::from_secs(20),
        cooldown: Duration::from_secs(4),
        cooldown_cap: Duration::from_secs(8),
        lease: Duration::from_secs(4),
        ..Config::window()
    }
}

impl World {
    fn apply(&mut self, input: Input) -> Result<(), String> {
        let before = self.breaker.clone();
        let mut change = None;
        match input {
            Input::Tick => {
                self.now = self.now + TICK;
                change = self.breaker.advance(self.now, 0);
                let now = self.now;
                self.probes_lost.retain(|expires| *expires > now);
            }
            Input::Admit => {
                if self.breaker.check(self.now).is_err() {
                    return Ok(());
                }
                if self.breaker.state() == BreakerState::Open {
                    return Err("admitted while open".into());
                }
                let pass = self.breaker.admit(self.now);
                self.passes.push((pass, self.breaker.state() == BreakerState::HalfOpen));
            }
            Input::LastResort => {
                let pass = self.breaker.admit_last_resort(self.now);
                self.passes.push((pass, true));
            }
            Input::Lose(index) => {
                let (pass, _) = self.passes.remove(index);
                if pass.lease.is_some() {
                    self.probes_lost.push(self.now + self.breaker.config.lease);
                }
            }
            Input::Fail(index) => {
                let (pass, _) = self.passes.remove(index);
                self.failures_in_a_row = 1;
                change = self.breaker.failure(self.now, pass, Weight::alike(1_000), None, 0);
                self.judge(&before, pass, change)?;
            }
            Input::Busy(index) => {
                let (pass, _) = self.passes.remove(index);
                change = self.breaker.failure(self.now, pass, Weight { felt: 1_000, evidence: 0 }, None, 0);
                self.judge(&before, pass, change)?;
                if before.state() == BreakerState::Closed && change.is_some() {
                    return Err("opened by a refusal that is no evidence".into());
                }
            }
            Input::Slow(index) => {
                let (pass, _) = self.passes.remove(index);
                change = self.breaker.slow(self.now, pass, 0);
                self.judge(&before, pass, change)?;
            }
            Input::Succeed(index) => {
                let (pass, probe) = self.passes.remove(index);
                self.failures_in_a_row = 0;
                change = self.breaker.success(self.now, pass, 0);
                self.judge(&before, pass, change)?;
                let closed = change.is_some_and(|(_, to, _)| to == BreakerState::Closed);
                if closed && (!probe || before.state() != BreakerState::HalfOpen) {
                    return Err("closed by something that is not a probe".into());
                }
            }
            Input::Neutral(index) => {
                let (pass, _) = self.passes.remove(index);
                self.breaker.neutral(pass);
                if self.breaker.state() != before.state() || self.breaker.generation != before.generation {
                    return Err("moved by an outcome that says nothing".into());
                }
            }
        }
        self.check(&before, change)
    }

    fn judge(&self, before: &Breaker, pass: Pass, change: Option<Change>) -> Result<(), String> {
        if change.is_some() && pass.generation != before.generation {
            return Err("moved by a reply from before a transition".into());
        }
        Ok(())
    }

    fn check(&self, before: &Breaker, change: Option<Change>) -> Result<(), String> {
        let after = &self.breaker;
        if after.state() != before.state() && after.generation == before.generation {
            return Err("changed its state within a generation".into());
        }
        if let Some((from, to, _)) = change
            && (from != before.state() || to != after.state())
        {
            return Err("told a transition that did not happen".into());
        }
        if before.state() == BreakerState::Open && after.state() == BreakerState::Closed {
            return Err("closed without having been half-open".into());
        }
        if before.state() == BreakerState::Closed
            && after.state() == BreakerState::Open
            && self.failures_in_a_row < 1
        {
            return Err("opened by something that is not a failure".into());
        }
        if after.until < before.until {
            return Err("a promise to stay open was shortened".into());
        }
        if let State::HalfOpen { leases, .. } = &after.state {
            // A last resort may lend one more than a normal call could have.
            let last_resort = self.passes.iter().filter(|(pass, _)| pass.lease.is_some()).count();
            if leases.len() > after.probes() + last_resort {
                return Err("lent more leases than allowed".into());
            }
            let held = self.passes.iter().filter(|(pass, _)| pass.generation == after.generation).count();
            if leases.len() > held + self.probes_lost.len() {
                return Err("a lease is held by nobody: half-open for ever".into());
            }
        }
        match after.check(self.now) {
            Err((_, until)) if until == Moment::MAX => Err("refused without a time".into()),
            _ => Ok(()),
        }
    }

    fn inputs(&self) -> Vec<Input> {
        let mut inputs = vec![Input::Tick];
        if self.passes.len() < IN_FLIGHT {
            inputs.push(Input::Admit);
            if self.breaker.state() == BreakerState::Open {
                inputs.push(Input::LastResort);
            }
        }
        for index in 0..self.passes.len() {
            inputs.extend([Input::Fail(index), Input::Succeed(index), Input::Neutral(index)]);
            inputs.extend([Input::Slow(index), Input::Lose(index), Input::Busy(index)]);
        }
        inputs
    }

    /// Time and generations are rebased, so that states that only differ in age are one.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let ago = |moment: Moment| (self.now.saturating_since(moment), moment.saturating_since(self.now));
        let breaker = &self.breaker;
        breaker.state().hash(&mut hasher);
        if let State::HalfOpen { leases, good } = &breaker.state {
            good.hash(&mut hasher);
            for lease in leases {
                ago(lease.expires).hash(&mut hasher);
                self.passes.iter().position(|(pass, _)| pass.lease == Some(lease.id)).hash(&mut hasher);
            }
        }
        breaker.until.saturating_since(self.now).hash(&mut hasher);
        breaker.openings.min(3).hash(&mut hasher);
        (breaker.sum.milli_nats, self.failures_in_a_row).hash(&mut hasher);
        for age in 0..12 {
            breaker.window.total(self.now + TICK * age).failures_milli.hash(&mut hasher);
        }
        for (pass, probe) in &self.passes {
            (breaker.generation - pass.generation).min(3).hash(&mut hasher);
            (pass.lease.is_some(), probe).hash(&mut hasher);
        }
        for expires in &self.probes_lost {
            ago(*expires).hash(&mut hasher);
        }
        hasher.finish()
    }
}

impl World {
    fn start(config: Config, now: Moment) -> Self {
        let breaker = Breaker::new(config);
        Self { breaker, now, passes: Vec::new(), probes_lost: Vec::new(), failures_in_a_row: 0 }
    }
}

fn explore(name: &str, config: Config) {
    let start = World::start(config, Moment::ZERO + Duration::from_secs(100));
    let mut seen = BTreeSet::from([start.fingerprint()]);
    let mut queue = VecDeque::from([(start, Vec::new())]);
    let mut edges = 0u64;
    let mut reached = BTreeSet::new();
    while let Some((world, path)) = queue.pop_front() {
        for input in world.inputs() {
            edges += 1;
            let mut next = world.clone();
            let mut path = path.clone();
            path.push(input);
            if let Err(broken) = next.apply(input) {
                panic!("{broken}\nafter {path:?}");
            }
            reached.insert(next.breaker.state());
            if path.len() < DEPTH && seen.insert(next.fingerprint()) {
                queue.push_back((next, path));
            }
        }
    }
    println!("breaker that {name}: {} states, {edges} edges", seen.len());
    assert_eq!(reached.len(), 3, "every state was reached");
    assert!(seen.len() > 1_000, "the exploration is not empty: {}", seen.len());
}

#[test]
fn every_order_of_events_keeps_the_invariants() {
    explore("counts", counts());
    explore("adds up", adds_up());
}

/// From anywhere, time and one good call lead back to Closed: nothing wedges.
#[test]
fn it_always_recovers() {
    for config in [counts(), adds_up()] {
        let mut draws = 7u64;
        let mut world = World::start(config, Moment::ZERO);
        for _ in 0..20_000 {
            let inputs = world.inputs();
            draws = draws.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let input = inputs[usize::try_from(draws >> 33).unwrap() % inputs.len()];
            world.apply(input).unwrap();
            let mut healed = world.breaker.clone();
            let mut now = world.now;
            for _ in 0..8 {
                now = now + Duration::from_secs(10);
                healed.advance(now, 0);
                if healed.check(now).is_ok() {
                    let pass = healed.admit(now);
                    healed.success(now, pass, 0);
                }
            }
            assert_eq!(healed.state(), BreakerState::Closed);
        }
    }
}
