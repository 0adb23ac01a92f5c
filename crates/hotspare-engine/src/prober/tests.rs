//! What the prober does, and what it leaves alone; then an exploration of every order of its events, up to a bound.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use hotspare_core::{BreakerState, ModelProfile};
use hotspare_health::Config;
use hotspare_routing::Sequential;

use super::*;
use crate::fleet::{Route, TargetSpec};
use crate::index::{KeyIndex, RouteIndex, TargetIndex};
use crate::world::{Demand, ServiceChange};

struct Rig {
    prober: Prober,
    world: World,
    now: Moment,
    out: Vec<(ProbeId, usize, usize)>,
}

fn rig(keys: u64) -> Rig {
    rig_with_room(keys, None)
}

fn rig_with_room(keys: u64, max_in_flight: Option<u32>) -> Rig {
    rig_with(keys, max_in_flight, Config::default().lease)
}

fn rig_with(keys: u64, max_in_flight: Option<u32>, lease: Duration) -> Rig {
    let mut health = Config::window();
    (health.failures, health.lease) = (Some(1), lease);
    let spec = |name: &str, probe: bool| TargetSpec {
        id: name.into(),
        host: name.into(),
        address: name.into(),
        model: "m".into(),
        profile: ModelProfile::default(),
        price_list: None,
        wire: "w",
        keys: (0..keys).collect(),
        max_in_flight,
        requests_per_minute: None,
        tokens_per_minute: None,
        health: health.clone(),
        probe,
    };
    let (fleet, book) = Fleet::assemble(vec![spec("a", true), spec("b", false)]);
    let route = Route::new("r", RouteIndex::new(0), Arc::new(Sequential::new(["a", "b"])), &fleet).unwrap();
    let world = World::new(Arc::clone(&fleet), book, &[Arc::new(route)]);
    let now = Moment::ZERO + Duration::from_secs(1_000);
    Rig { prober: Prober::new(fleet), world, now, out: Vec::new() }
}

impl Rig {
    fn run(&mut self) {
        for _ in 0..100 {
            match self.prober.poll(self.now, &mut self.world) {
                ProberStep::Abort(id) => self.out.retain(|(out, ..)| *out != id),
                ProberStep::Probe { id, target, key } => {
                    self.out.push((id, target.position(), key.position()))
                }
                ProberStep::Wait => return,
            }
        }
        panic!("the prober never waits");
    }

    /// A caller's request fails at a target.
    fn caller_fails(&mut self, place: TargetIndex, kind: Kind) {
        let Ok((key, permit)) = self.world.admit(self.now, place, Demand::default()) else { return };
        let error = Error::new(kind, "");
        let outcome = verdict::outcome(self.now, &error, &self.prober.fleet[place], key, 1_000);
        self.caller_ends(place, permit, outcome, Ending::Failed(kind));
    }

    fn caller_ends(&mut self, place: TargetIndex, permit: Permit, outcome: HealthOutcome, ending: Ending) {
        let end = Settlement::of_attempt(outcome, ending);
        self.world.settle(self.now, place, permit, end, 0);
    }

    /// Opens the first target, which from then on answers every request after `takes`. A caller tries once a second if
    /// there are any. Returns the time until the breaker closes, up to ten minutes.
    fn time_to_recover(&mut self, takes: Duration, with_callers: bool) -> Option<Duration> {
        self.caller_fails(TargetIndex(0), Kind::Server);
        self.run();
        let (begun, mut second) = (self.now, 0);
        let mut calls: VecDeque<(Moment, Permit)> = VecDeque::new();
        let mut probed: Vec<(ProbeId, Moment)> = Vec::new();
        while self.now < begun + Duration::from_secs(600) {
            probed.retain(|(id, _)| self.out.iter().any(|(out, ..)| out == id));
            for (id, ..) in &self.out {
                if probed.iter().all(|(one, _)| one != id) {
                    probed.push((*id, self.now + takes));
                }
            }
            let call = begun + Duration::from_secs(second);
            let timer = self.prober.poll_timeout(self.now, &self.world);
            let ends = calls.front().map(|(ends, _)| *ends);
            let answer = probed.iter().map(|(_, ends)| *ends).min();
            self.now = [timer, ends, answer, Some(call)].into_iter().flatten().min().unwrap().max(self.now);
            if answer.is_some_and(|ends| ends <= self.now) {
                self.ends(Ok(()));
            } else if ends.is_some_and(|ends| ends <= self.now) {
                let (_, permit) = calls.pop_front().unwrap();
                self.caller_ends(TargetIndex(0), permit, HealthOutcome::success(), Ending::Served);
            } else if call <= self.now {
                second += 1;
                let demand = Demand { unstreamed: true, ..Demand::default() };
                if let Some((_, permit)) =
                    self.world.admit(self.now, TargetIndex(0), demand).ok().filter(|_| with_callers)
                {
                    calls.push_back((self.now + takes, permit));
                }
            }
            self.run();
            if self.state(TargetIndex(0)) == BreakerState::Closed {
                return Some(self.now.saturating_since(begun));
            }
        }
        None
    }

    fn ends(&mut self, result: Result<(), Error>) {
        let (id, ..) = self.out.remove(0);
        self.prober.handle(self.now, &mut self.world, id, result);
        self.run();
    }

    fn timer(&mut self) -> bool {
        let Some(at) = self.prober.poll_timeout(self.now, &self.world) else { return false };
        self.now = at.max(self.now);
        self.run();
        true
    }

    fn state(&self, place: TargetIndex) -> BreakerState {
        self.world.view(self.now, place, 0).breaker
    }
}

#[test]
fn probes_only_unhealthy_targets_that_opted_in() {
    let mut rig = rig(1);
    rig.run();
    assert_eq!((rig.out.len(), rig.prober.poll_timeout(rig.now, &rig.world)), (0, None));
    rig.caller_fails(TargetIndex(1), Kind::Server);
    assert_eq!(rig.state(TargetIndex(1)), BreakerState::Open);
    while rig.timer() {}
    assert!(rig.out.is_empty(), "the second target is not to be probed");
    assert_eq!(rig.state(TargetIndex(1)), BreakerState::HalfOpen, "its cooldown still elapses");
}

#[test]
fn probe_closes_an_open_breaker_without_traffic() {
    let mut rig = rig(1);
    rig.caller_fails(TargetIndex(0), Kind::Server);
    rig.run();
    assert!(rig.out.is_empty(), "the breaker is cooling down");
    let opened = rig.now;
    assert!(rig.timer());
    assert_eq!(rig.out.len(), 1);
    assert!(rig.now.saturating_since(opened) <= Duration::from_secs(5));
    rig.ends(Ok(()));
    assert_eq!(rig.state(TargetIndex(0)), BreakerState::Closed);
    assert_eq!(rig.prober.running.len() + rig.out.len(), 0);
}

#[test]
fn hung_probe_is_abandoned_and_retried() {
    let mut rig = rig(1);
    rig.caller_fails(TargetIndex(0), Kind::Server);
    rig.timer();
    assert_eq!(rig.out.len(), 1);
    let begun = rig.now;
    while rig.out.len() == 1 {
        assert!(rig.timer());
    }
    assert_eq!(rig.now.saturating_since(begun), PATIENCE);
    assert_eq!(rig.state(TargetIndex(0)), BreakerState::Open);
    while rig.out.is_empty() {
        assert!(rig.timer());
    }
    assert!(rig.now.saturating_since(begun) <= PATIENCE + Duration::from_secs(16));
}

#[test]
fn slow_but_healthy_target_recovers() {
    for (takes, with_callers, within) in [(1, false, 7), (11, false, 40), (11, true, 40), (65, true, 300)] {
        let recovered = rig(1).time_to_recover(Duration::from_secs(takes), with_callers);
        assert!(
            recovered.is_some_and(|time| time <= Duration::from_secs(within)),
            "answers after {takes} s, callers: {with_callers}: {recovered:?}"
        );
    }
}

/// Nobody may be there to find out.
#[test]
fn target_too_slow_for_probes_is_probed_again_without_callers() {
    let mut rig = rig(1);
    rig.caller_fails(TargetIndex(0), Kind::Server);
    let (begun, mut probes) = (rig.now, 0);
    while rig.now < begun + Duration::from_secs(3_600) {
        let before = rig.prober.next;
        assert!(rig.timer());
        probes += rig.prober.next - before;
    }
    assert!((10..30).contains(&probes), "{probes} probes in an hour");
    assert_eq!(rig.state(TargetIndex(0)), BreakerState::HalfOpen, "left to the next caller");
}

#[test]
fn inconclusive_probes_become_rare() {
    let mut rig = rig(1);
    rig.caller_fails(TargetIndex(0), Kind::Server);
    rig.timer();
    let mut rests = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300].map(Duration::from_secs).into_iter();
    for rest in rests.by_ref() {
        let before = rig.now;
        rig.ends(Err(Error::new(Kind::InvalidRequest, "")));
        assert!(rig.out.is_empty());
        while rig.out.is_empty() {
            assert!(rig.timer());
        }
        assert_eq!(rig.now.saturating_since(before), rest);
    }
    rig.ends(Err(Error::new(Kind::Server, "")));
    while rig.out.is_empty() {
        assert!(rig.timer());
    }
    let before = rig.now;
    rig.ends(Err(Error::new(Kind::InvalidRequest, "")));
    rig.timer();
    assert_eq!((rig.out.len(), rig.now.saturating_since(before)), (1, PAUSE), "it starts over");
}

#[test]
fn uncordoned_target_is_probed_at_once() {
    let mut rig = rig(1);
    rig.caller_fails(TargetIndex(0), Kind::Server);
    rig.world.set_cordoned(TargetIndex(0), true);
    rig.run();
    while rig.timer() {}
    assert!(rig.out.is_empty());
    assert!(rig.world.is_quiet() || rig.world.take_stirred());
    rig.world.set_cordoned(TargetIndex(0), false);
    assert!(rig.world.take_stirred(), "the prober is woken");
    rig.run();
    assert_eq!(rig.out.len(), 1);
}

#[test]
fn probe_waits_for_a_slot_and_occupies_it() {
    let mut rig = rig_with_room(2, Some(1));
    rig.caller_fails(TargetIndex(0), Kind::Auth);
    rig.run();
    let (_, stream) = rig.world.admit(rig.now, TargetIndex(0), Demand::default()).unwrap();
    let recheck = rig.now + Duration::from_secs(600);
    for _ in 0..5 {
        assert!(rig.timer());
        assert_eq!((rig.out.len(), rig.world.counts(TargetIndex(0)).in_flight), (0, 1));
    }
    assert!(rig.now > recheck);
    let end = Settlement::of_attempt(HealthOutcome::success(), Ending::Served);
    rig.world.settle(rig.now, TargetIndex(0), stream, end, 0);
    rig.run();
    assert_eq!((rig.out.len(), rig.world.counts(TargetIndex(0)).in_flight), (1, 1));
}

#[test]
fn give_up_releases_the_slots_of_probes() {
    let mut rig = rig_with_room(1, Some(1));
    rig.caller_fails(TargetIndex(0), Kind::Server);
    rig.timer();
    assert_eq!(rig.world.counts(TargetIndex(0)).in_flight, 1);
    rig.prober.give_up(rig.now, &mut rig.world);
    assert_eq!(rig.world.counts(TargetIndex(0)).in_flight, 0);
    assert!(rig.world.view(rig.now, TargetIndex(0), 0).usable, "the next call may be the probe");
}

#[test]
fn only_the_rejected_key_is_rechecked_after_ten_minutes() {
    let mut rig = rig(2);
    rig.caller_fails(TargetIndex(0), Kind::Auth);
    rig.run();
    let dead = rig.now;
    while rig.out.is_empty() {
        assert!(rig.timer());
    }
    assert_eq!(rig.now.saturating_since(dead), Duration::from_secs(600));
    assert_eq!(rig.out.len(), 1);
    rig.ends(Ok(()));
    assert_eq!(
        rig.prober.poll_timeout(rig.now, &rig.world),
        Some(rig.now + PAUSE),
        "only the pause between probes is left"
    );
    assert!(!rig.world.view(rig.now, TargetIndex(0), 0).disabled);
}

#[test]
fn status_is_that_of_the_key_that_is_usable_soonest() {
    let mut rig = rig(3);
    for (key, verdict) in [
        (0, Verdict::Disable { until: rig.now + Duration::from_secs(600) }),
        (1, Verdict::Hold { until: rig.now + Duration::from_secs(20) }),
        (2, Verdict::Hold { until: rig.now + Duration::from_secs(40) }),
    ] {
        let demand = Demand { draw: key, ..Demand::default() };
        let (key, permit) = rig.world.admit(rig.now, TargetIndex(1), demand).unwrap();
        let scope = rig.prober.fleet.targets()[1].scopes(key).credential;
        rig.caller_ends(TargetIndex(1), permit, HealthOutcome::at(scope, verdict), Ending::Cancelled);
    }
    let view = rig.world.view(rig.now, TargetIndex(1), 0);
    assert_eq!((view.usable_in, view.disabled), (Some(Duration::from_secs(20)), false));
}

#[test]
fn service_changes_are_reported_once() {
    let mut rig = rig(1);
    let under_way: Vec<_> =
        (0..3).map(|_| rig.world.admit(rig.now, TargetIndex(1), Demand::default()).unwrap().1).collect();
    for permit in under_way {
        let error = Error::new(Kind::QuotaExhausted, "");
        let outcome =
            verdict::outcome(rig.now, &error, &rig.prober.fleet.targets()[1], KeyIndex::FIRST, 1_000);
        let end = Settlement::of_attempt(outcome, Ending::Failed(error.kind()));
        rig.world.settle(rig.now, TargetIndex(1), permit, end, 0);
    }
    let told = rig.world.take_service_changes();
    let [ServiceChange::Out { scope, why: Kind::QuotaExhausted, recheck }] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(*recheck, Duration::from_secs(600));
    let status = rig.world.key_status(rig.now, TargetIndex(1), KeyIndex::FIRST);
    assert_eq!((status.usable, status.disabled_by), (false, Some(Kind::QuotaExhausted)));
    assert_eq!(rig.world.disabled_by(TargetIndex(1)), None, "the model is not at fault");
    assert_eq!(
        rig.world.key_status(rig.now, TargetIndex(0), KeyIndex::FIRST).disabled_by,
        None,
        "nor has the other target's key"
    );

    rig.world.enable(TargetIndex(1));
    let back = ServiceChange::Back { scope: *scope, why: Kind::QuotaExhausted };
    assert_eq!(rig.world.take_service_changes(), [back]);
    let status = rig.world.key_status(rig.now, TargetIndex(1), KeyIndex::FIRST);
    assert_eq!((status.usable, status.disabled_by), (true, None));
}

#[test]
fn successful_recheck_reports_the_model_as_back() {
    let mut rig = rig(2);
    rig.caller_fails(TargetIndex(0), Kind::ModelUnavailable);
    assert_eq!(rig.world.disabled_by(TargetIndex(0)), Some(Kind::ModelUnavailable));
    assert_eq!(rig.world.take_service_changes().len(), 1);
    while rig.out.is_empty() {
        assert!(rig.timer());
    }
    rig.ends(Err(Error::new(Kind::ModelUnavailable, "")));
    assert_eq!(rig.world.take_service_changes(), [], "no change while it stays out of service");
    while rig.out.is_empty() {
        assert!(rig.timer());
    }
    rig.ends(Ok(()));
    assert!(matches!(rig.world.take_service_changes()[..], [ServiceChange::Back { .. }]));
    assert_eq!(rig.world.disabled_by(TargetIndex(0)), None);
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Fails(usize, Kind),
    /// A caller's request succeeds at the first target, if it is admitted.
    Serves,
    Ends(bool),
    Neutral,
    Timer,
    /// The driver loses a probe, as if it had been dropped.
    Lost,
    /// The driver stops, and another one takes its place.
    Replaced,
}

#[test]
fn invariants_hold_for_every_event_order() {
    const DEPTH: usize = 7;
    let apply = |rig: &mut Rig, action: Action| match action {
        Action::Fails(place, kind) => {
            rig.caller_fails(TargetIndex(place), kind);
            rig.run();
        }
        Action::Serves => {
            if let Ok((_, permit)) = rig.world.admit(rig.now, TargetIndex(0), Demand::default()) {
                rig.caller_ends(TargetIndex(0), permit, HealthOutcome::success(), Ending::Served);
                rig.run();
            }
        }
        Action::Ends(_) | Action::Neutral | Action::Lost if rig.out.is_empty() => {}
        Action::Ends(true) => rig.ends(Ok(())),
        Action::Ends(false) => rig.ends(Err(Error::new(Kind::Server, ""))),
        Action::Neutral => rig.ends(Err(Error::new(Kind::InvalidRequest, ""))),
        Action::Timer => drop(rig.timer()),
        Action::Lost => drop(rig.out.remove(0)),
        Action::Replaced => {
            rig.prober.give_up(rig.now, &mut rig.world);
            rig.prober = Prober::new(Arc::clone(&rig.prober.fleet));
            rig.out.clear();
        }
    };
    let all = [
        Action::Fails(0, Kind::Server),
        Action::Fails(0, Kind::Auth),
        Action::Fails(1, Kind::Server),
        Action::Serves,
        Action::Ends(true),
        Action::Ends(false),
        Action::Neutral,
        Action::Timer,
        Action::Lost,
        Action::Replaced,
    ];
    let (mut seen, mut edges) = (BTreeSet::new(), 0u64);
    // With the short lease, the first probe that times out leaves the target to the calls.
    let mut queue = VecDeque::from([(None, PATIENCE * 6, Vec::new()), (Some(1), PATIENCE, Vec::new())]);
    while let Some((room, lease, path)) = queue.pop_front() {
        let mut here = rig_with(2, room, lease);
        path.iter().for_each(|action| apply(&mut here, *action));
        let mut hasher = DefaultHasher::new();
        (room, lease).hash(&mut hasher);
        here.world.fingerprint(&mut hasher);
        format!("{:?} {:?} {:?}", here.prober.running, here.prober.histories, here.now).hash(&mut hasher);
        if !seen.insert(hasher.finish()) {
            continue;
        }
        for action in all {
            edges += 1;
            let mut next = rig_with(2, room, lease);
            path.iter().for_each(|action| apply(&mut next, *action));
            apply(&mut next, action);
            let mut path = path.clone();
            path.push(action);
            let probes = &next.prober.running;
            assert!(probes.iter().all(|probe| probe.target == TargetIndex(0)), "{path:?}");
            let pairs: BTreeSet<_> = probes.iter().map(|probe| (probe.target, probe.key)).collect();
            assert_eq!(pairs.len(), probes.len(), "one probe per key: {path:?}");
            assert!(next.out.len() <= probes.len(), "{path:?}");
            let in_flight = next.world.counts(TargetIndex(0)).in_flight;
            assert_eq!(
                usize::try_from(in_flight).unwrap(),
                probes.len(),
                "no calls remain in flight: {path:?}"
            );
            assert!(room.is_none_or(|room| in_flight <= room), "no slot left for a probe: {path:?}");
            let ill = next.state(TargetIndex(0)) != BreakerState::Closed
                || next.world.view(next.now, TargetIndex(0), 0).disabled;
            if ill {
                assert!(
                    next.prober.poll_timeout(next.now, &next.world).is_some(),
                    "never probed again: {path:?}"
                );
            }
            if path.len() < DEPTH {
                queue.push_back((room, lease, path));
            }
        }
    }
    println!("prober: {} states, {edges} edges", seen.len());
    assert!(seen.len() > 300, "the exploration is not empty: {}", seen.len());
}
