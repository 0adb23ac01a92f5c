//! Explores every order of admission, first content, lateness, end, late end, lost permit and time, up to a bound, and
//! checks the breaker's invariants.
//!
//! Not sampling: states are visited breadth first and deduplicated by fingerprint, so nothing within the bound is left
//! out. Bound: at most three calls in flight, settled in any order and any way, or lost; time in steps of half a
//! cooldown; paths of up to 14 inputs. Run for a breaker that counts failures, for one that accumulates evidence, and
//! (with two calls in flight and 11 inputs) for one that judges the share of late calls.

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
    /// Admits a call whose answer is unstreamed.
    AdmitUnstreamed,
    LastResort,
    /// The first content arrives.
    Speak(usize),
    /// The first content is late.
    BeLate(usize),
    Fail(usize),
    /// It fails and asks for a pause of days.
    FailForDays(usize),
    Succeed(usize),
    /// Refused by a target that sheds load but serves other calls.
    Busy(usize),
    Neutral(usize),
    Slow(usize),
    Lose(usize),
    Tick,
}

/// The breaker, and a model of what it should do.
#[derive(Clone)]
struct World {
    breaker: Breaker,
    now: Moment,
    calls: Vec<Call>,
    probes_lost: Vec<Moment>,
    failures_in_a_row: u32,
    /// Number of openings up to the one that reached the cap, less one for every five minutes spent closed.
    openings: u32,
    closed_at: Moment,
    /// Until when it must stay open; a probe that closes it ends that.
    promised: Moment,
    /// Each call since the last recovery that is known to be late or in time, counted once.
    timed: Vec<(Moment, bool)>,
}

#[derive(Clone)]
struct Call {
    pass: Pass,
    probe: bool,
    /// When it is given up, if it is a probe.
    expires: Moment,
    spoke: bool,
    timed: bool,
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

/// Opens when 60 % of the calls are late.
fn is_late() -> Config {
    Config { failures: None, slow_rate_bp: Some(6_000), min_calls: 2, ..counts() }
}

impl World {
    fn apply(&mut self, input: Input) -> Result<(), String> {
        let before = self.breaker.clone();
        let mut change = None;
        match input {
            Input::Tick => {
                self.now = self.now + TICK;
                let now = self.now;
                change = self.breaker.advance(now, 0);
                let due = self.calls.iter().map(|call| call.expires).chain(self.probes_lost.iter().copied());
                let given_up = change.is_some_and(|(_, _, reason)| reason == Reason::LeaseExpired);
                if given_up && !due.into_iter().any(|expires| expires <= now) {
                    return Err("abandoned a probe too early".into());
                }
                self.probes_lost.retain(|expires| *expires > now);
            }
            Input::Admit | Input::AdmitUnstreamed => {
                if self.breaker.check(self.now).is_err() {
                    return Ok(());
                }
                if self.breaker.state() == BreakerState::Open {
                    return Err("admitted while open".into());
                }
                if self.now < self.promised {
                    return Err("admitted before a promised pause was over".into());
                }
                let unstreamed = input == Input::AdmitUnstreamed;
                let pass = self.breaker.admit(self.now, unstreamed);
                self.begin(pass, self.breaker.state() == BreakerState::HalfOpen, unstreamed);
            }
            Input::LastResort => {
                change = self.breaker.override_pause();
                let pass = self.breaker.admit(self.now, false);
                self.begin(pass, true, false);
            }
            Input::Speak(index) => {
                let call = &mut self.calls[index];
                self.breaker.first_content(self.now, &mut call.pass);
                call.spoke = true;
                call.expires = self.now + self.breaker.config.lease * LONG_ANSWER;
                self.time(index, false);
            }
            Input::BeLate(index) => {
                self.breaker.late(self.now, &mut self.calls[index].pass);
                self.time(index, true);
            }
            Input::Lose(index) => {
                let call = self.calls.remove(index);
                if call.pass.lease.is_some() {
                    self.probes_lost.push(call.expires);
                }
            }
            Input::Fail(index) | Input::FailForDays(index) => {
                let days = matches!(input, Input::FailForDays(_));
                let not_before = days.then_some(self.now + Duration::from_secs(3 * 86_400));
                let call = self.end(index, false);
                self.failures_in_a_row = 1;
                change = self.breaker.failure(self.now, call.pass, Weight::alike(1_000), not_before, 0);
                if days && change.is_some() {
                    self.promised = self.promised.max(self.now + LONGEST_HOLD);
                }
                self.judge(&before, call.pass, change)?;
            }
            Input::Busy(index) => {
                let call = self.end(index, false);
                let weight = Weight { felt: 1_000, evidence: 0 };
                change = self.breaker.failure(self.now, call.pass, weight, None, 0);
                self.judge(&before, call.pass, change)?;
                let late = change.is_some_and(|(_, _, reason)| reason.is_slowness());
                if before.state() == BreakerState::Closed && change.is_some() && !late {
                    return Err("opened by a refusal that is not evidence".into());
                }
            }
            Input::Slow(index) => {
                let call = self.end(index, true);
                change = self.breaker.slow(self.now, call.pass, 0);
                self.judge(&before, call.pass, change)?;
            }
            Input::Succeed(index) => {
                let call = self.end(index, false);
                self.failures_in_a_row = 0;
                change = self.breaker.success(self.now, call.pass, 0);
                self.judge(&before, call.pass, change)?;
                let closed = change.is_some_and(|(_, to, _)| to == BreakerState::Closed);
                if closed && (!call.probe || before.state() != BreakerState::HalfOpen) {
                    return Err("closed by something that is not a probe".into());
                }
                if closed {
                    self.timed.clear();
                    (self.promised, self.closed_at) = (self.now, self.now);
                }
            }
            Input::Neutral(index) => {
                let call = self.calls.remove(index);
                self.breaker.neutral(call.pass);
                if self.breaker.state() != before.state() || self.breaker.generation != before.generation {
                    return Err("changed by a neutral outcome".into());
                }
            }
        }
        if let Some((from, BreakerState::Open, _)) = change {
            self.opens(from)?;
        }
        self.check(&before, change)
    }

    /// Each opening doubles the pause up to the cap, and no pause exceeds that or the requested one. A draw of 0 leaves
    /// half of the pause.
    fn opens(&mut self, from: BreakerState) -> Result<(), String> {
        let config = &self.breaker.config;
        if from == BreakerState::Closed {
            let steps = self.now.saturating_since(self.closed_at).as_secs() / 300;
            self.openings = self.openings.saturating_sub(u32::try_from(steps).unwrap());
        }
        let pause = config.cooldown.saturating_mul(1 << self.openings.min(16)).min(config.cooldown_cap) / 2;
        if pause * 2 < config.cooldown_cap {
            self.openings += 1;
        }
        self.promised = self.promised.max(self.now + pause);
        if self.breaker.until != self.promised {
            let found = self.breaker.until.saturating_since(self.now);
            let due = self.promised.saturating_since(self.now);
            return Err(format!("open for {found:?} at opening {}, not for {due:?}", self.openings));
        }
        Ok(())
    }

    fn begin(&mut self, pass: Pass, probe: bool, unstreamed: bool) {
        let leases = if unstreamed { LONG_ANSWER } else { 1 };
        let expires = self.now + self.breaker.config.lease * leases;
        self.calls.push(Call { pass, probe, expires, spoke: false, timed: false });
    }

    /// A call turns out to be late, or in time.
    fn time(&mut self, index: usize, late: bool) {
        let call = &mut self.calls[index];
        if call.pass.generation == self.breaker.generation && !std::mem::replace(&mut call.timed, true) {
            self.timed.push((self.now, late));
        }
    }

    fn end(&mut self, index: usize, late: bool) -> Call {
        self.time(index, late);
        self.calls.remove(index)
    }

    /// Late calls in this generation since the last one in time.
    fn late_in_a_row(&self) -> u32 {
        u32::try_from(self.timed.iter().rev().take_while(|(_, late)| *late).count()).unwrap()
    }

    /// The reason to open because of late calls, if any, and the share of late calls in this generation, each counted
    /// once: of those in the window, or of those in a row, however long ago, if the window has too few.
    fn slowness(&self) -> (Option<Reason>, (u32, u32)) {
        let bucket = |moment: Moment| moment.saturating_since(Moment::ZERO).as_secs() / 2;
        let recent = self.timed.iter().filter(|(at, _)| bucket(self.now) - bucket(*at) < 10);
        let late = recent.clone().filter(|(_, late)| *late).count() as u64;
        let calls = u32::try_from(recent.count()).unwrap();
        let run = self.late_in_a_row();
        if calls < self.breaker.config.min_calls && run >= self.breaker.config.min_calls {
            return (Some(Reason::SlowRun { calls: run }), (10_000, run));
        }
        let rate_bp = rate_bp(late * 1_000, calls);
        ((rate_bp >= 6_000).then_some(Reason::SlowRate { rate_bp, calls }), (rate_bp, calls))
    }

    fn judge(&self, before: &Breaker, pass: Pass, change: Option<Change>) -> Result<(), String> {
        if change.is_some() && pass.generation != before.generation {
            return Err("changed by a reply from before a transition".into());
        }
        Ok(())
    }

    fn check(&self, before: &Breaker, change: Option<Change>) -> Result<(), String> {
        let after = &self.breaker;
        if after.state() != before.state() && after.generation == before.generation {
            return Err("changed state within a generation".into());
        }
        let told = change.map_or((before.state(), before.state()), |(from, to, _)| (from, to));
        if told != (before.state(), after.state()) {
            return Err(format!(
                "went from {:?} to {:?} and reported {told:?}",
                before.state(),
                after.state()
            ));
        }
        if before.state() == BreakerState::Open && after.state() == BreakerState::Closed {
            return Err("closed without having been half-open".into());
        }
        if let Some((BreakerState::Closed, BreakerState::Open, reason)) = change {
            let (slowness, (rate_bp, calls)) = self.slowness();
            let late = slowness == Some(reason);
            if self.failures_in_a_row < 1 && !late {
                return Err(format!("opened by {reason}; {rate_bp} of {calls} were late"));
            }
        }
        if after.until.saturating_since(self.now) > LONGEST_HOLD {
            return Err("open for longer than an hour".into());
        }
        if let State::HalfOpen { leases, .. } = &after.state {
            // Last resorts may hold leases beyond the configured number.
            let last_resort = self.calls.iter().filter(|call| call.pass.lease.is_some()).count();
            let held = leases.iter().filter(|lease| lease.holds > self.now).count();
            if held > after.probes() + last_resort {
                return Err("issued more leases than allowed".into());
            }
            let held = self.calls.iter().filter(|call| call.pass.generation == after.generation).count();
            if leases.len() > held + self.probes_lost.len() {
                return Err("a lease has no holder: half-open forever".into());
            }
        }
        match after.check(self.now) {
            Err((_, until)) if until == Moment::MAX => Err("refused without a time".into()),
            _ => Ok(()),
        }
    }

    fn inputs(&self) -> Vec<Input> {
        let mut inputs = vec![Input::Tick];
        let slow = self.breaker.config.slow_rate_bp.is_some();
        if self.calls.len() < if slow { 2 } else { IN_FLIGHT } {
            inputs.push(Input::Admit);
            // Only a probe has a lease, so how its answer arrives matters.
            if self.breaker.state() != BreakerState::Closed {
                inputs.push(Input::AdmitUnstreamed);
            }
            if self.breaker.state() == BreakerState::Open {
                inputs.push(Input::LastResort);
            }
        }
        for (index, call) in self.calls.iter().enumerate() {
            inputs.extend([Input::Fail(index), Input::Succeed(index), Input::Neutral(index)]);
            inputs.extend([Input::Slow(index), Input::Lose(index)]);
            inputs.extend([Input::Busy(index), Input::FailForDays(index)]);
            // Unless lateness can open the breaker, only the first content of a probe matters.
            if !call.spoke && (slow || call.pass.lease.is_some()) {
                inputs.push(Input::Speak(index));
            }
            if slow && !call.spoke && !call.timed {
                inputs.push(Input::BeLate(index));
            }
        }
        inputs
    }

    /// Times and generations are relative, so that states which differ only in age are one.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let ago = |moment: Moment| (self.now.saturating_since(moment), moment.saturating_since(self.now));
        let breaker = &self.breaker;
        breaker.state().hash(&mut hasher);
        if let State::HalfOpen { leases, good } = &breaker.state {
            good.hash(&mut hasher);
            for lease in leases {
                (ago(lease.expires), ago(lease.holds)).hash(&mut hasher);
                self.calls.iter().position(|call| call.pass.lease == Some(lease.id)).hash(&mut hasher);
            }
        }
        breaker.until.saturating_since(self.now).hash(&mut hasher);
        self.promised.saturating_since(self.now).hash(&mut hasher);
        (breaker.openings.min(3), self.openings.min(3)).hash(&mut hasher);
        (breaker.sum.milli_nats, self.failures_in_a_row).hash(&mut hasher);
        for age in 0..12 {
            let total = breaker.window.total(self.now + TICK * age);
            total.failures_milli.hash(&mut hasher);
            if breaker.config.slow_rate_bp.is_some() {
                (total.late, total.in_time).hash(&mut hasher);
            }
        }
        if breaker.config.slow_rate_bp.is_some() {
            (breaker.window.late_in_a_row().min(2), self.late_in_a_row().min(2)).hash(&mut hasher);
        }
        for call in &self.calls {
            (breaker.generation - call.pass.generation).min(3).hash(&mut hasher);
            (call.pass.lease.is_some(), call.probe, call.spoke, call.timed).hash(&mut hasher);
            if call.pass.lease.is_some() {
                ago(call.expires).hash(&mut hasher);
            }
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
        let (calls, probes_lost, timed) = (Vec::new(), Vec::new(), Vec::new());
        let (failures_in_a_row, openings) = (0, 0);
        let (closed_at, promised) = (Moment::ZERO, Moment::ZERO);
        Self { breaker, now, calls, probes_lost, failures_in_a_row, openings, closed_at, promised, timed }
    }
}

fn explore(name: &str, config: Config, depth: usize) {
    // Late enough for everything that fades with time to have faded.
    let start = World::start(config, Moment::ZERO + Duration::from_secs(100_000));
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
            if path.len() < depth && seen.insert(next.fingerprint()) {
                queue.push_back((next, path));
            }
        }
    }
    println!("breaker that {name}: {} states, {edges} edges", seen.len());
    assert_eq!(reached.len(), 3, "every state was reached");
    assert!(seen.len() > 1_000, "the exploration is not empty: {}", seen.len());
}

#[test]
fn invariants_hold_for_every_event_order() {
    explore("counts", counts(), DEPTH);
    explore("adds up", adds_up(), DEPTH);
    explore("minds lateness", is_late(), 11);
}

/// From any state, time and successful calls lead back to Closed: nothing wedges.
#[test]
fn breaker_always_recovers() {
    for config in [counts(), adds_up(), is_late()] {
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
                let told = healed.check(now).err().map(|(_, until)| until);
                now = healed.next_change().max(told).max(Some(now + Duration::from_secs(10))).unwrap();
                healed.advance(now, 0);
                if healed.check(now).is_ok() {
                    let pass = healed.admit(now, false);
                    healed.success(now, pass, 0);
                }
            }
            assert_eq!(healed.state(), BreakerState::Closed);
        }
    }
}
