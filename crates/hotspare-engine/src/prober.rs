//! What must happen without a caller: finding out whether a target that is unhealthy, or whose key or model is out of
//! service, has recovered.
//!
//! Why: otherwise the first caller after an outage has to find out. It probes instead, with a request of its
//! own that never copies a caller's, and only targets for which that is enabled.
//!
//! While it probes a target, calls find the probe slot taken. So a target that is healthy but too slow for probes must
//! be left to the calls, which may have more patience: each timeout doubles the time limit of the next probe, up to the
//! breaker's lease, and after a probe that exceeded the lease a call goes first.
//!
//! Not a task and not a clock: a driver polls it, sends the probes that it asks for and reports their results.
//! Invariant: at most one probe at a time per key of a target; every probe times out; the same key is probed at most
//! once a second, and less often while its probes are inconclusive; between two probes that exceeded the lease, a call
//! had its turn; every permit is settled, provided that a driver which stops calls [`Prober::give_up`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hotspare_core::{Error, Kind, Moment};
use hotspare_health::{HealthOutcome, Permit, Verdict};

use crate::ending::{Ending, Settlement};
use crate::fleet::Fleet;
use crate::index::{KeyIndex, TargetIndex};
use crate::verdict;
use crate::world::World;

/// Time limit of a probe; doubles with each timeout, up to the target's lease.
const PATIENCE: Duration = Duration::from_secs(10);
/// Minimum time between the end of a probe and the next one with the same key. Doubles while probes say nothing about
/// health, as when the target rejects the probe's request, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Identifies a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId(pub u64);

/// What a prober's driver must do next.
#[derive(Debug, PartialEq, Eq)]
pub enum ProberStep {
    /// Drop this probe: it took too long.
    Abort(ProbeId),
    /// Send a short request to a target, and report its result with [`Prober::handle`].
    Probe {
        /// Identifies the probe.
        id: ProbeId,
        /// Index of the target in the fleet.
        target: TargetIndex,
        /// Index of the key.
        key: KeyIndex,
    },
    /// Do nothing until [`Prober::poll_timeout`], or until a call changes the world.
    Wait,
}

/// The state machine of the probes.
#[derive(Debug)]
pub struct Prober {
    fleet: Arc<Fleet>,
    next: u64,
    running: Vec<Running>,
    /// What the probes of each target and key have shown since it became unhealthy.
    histories: BTreeMap<(TargetIndex, KeyIndex), History>,
}

#[derive(Debug)]
struct Running {
    id: ProbeId,
    target: TargetIndex,
    key: KeyIndex,
    permit: Permit,
    until: Moment,
    /// Its time limit is the lease: a longer one would keep calls from finding out.
    is_last_try: bool,
}

#[derive(Debug, Default)]
struct History {
    /// The key is not probed before.
    rests_until: Moment,
    /// It may be probed earlier once the target has settled more calls than this.
    after_call: Option<u64>,
    /// Probes in a row that said nothing about health.
    inconclusive: u32,
    /// Probes in a row that exceeded their time limit.
    timeouts: u32,
}

impl History {
    /// Until when the key is not probed, if no call settles before.
    fn rest(&self, settled: u64) -> Moment {
        if self.after_call.is_some_and(|calls| calls < settled) { Moment::ZERO } else { self.rests_until }
    }
}

impl Prober {
    /// A prober for these targets.
    #[must_use]
    pub fn new(fleet: Arc<Fleet>) -> Self {
        Self { fleet, next: 0, running: Vec::new(), histories: BTreeMap::new() }
    }

    /// Whether any target is to be probed; if not, the prober has nothing to do.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        self.fleet.targets().iter().any(|target| target.probe)
    }

    /// What to do next. Call it again until it returns [`ProberStep::Wait`].
    pub fn poll(&mut self, now: Moment, world: &mut World) -> ProberStep {
        world.advance(now);
        self.forget(now, world);
        if let Some(late) = self.running.iter().position(|probe| now >= probe.until) {
            return ProberStep::Abort(self.time_out(now, world, late));
        }
        for (target, key) in self.askable(now, world) {
            if world.probe_at(now, target, key).is_none_or(|at| at > now) {
                continue;
            }
            let Some(permit) = world.admit_probe(now, target, key) else { continue };
            self.next += 1;
            let id = ProbeId(self.next);
            let timeouts = self.histories.get(&(target, key)).map_or(0, |history| history.timeouts);
            let (patience, lease) = (doubled(PATIENCE, timeouts), self.fleet[target].lease);
            let (until, is_last_try) = (now + patience.min(lease), patience >= lease);
            self.running.push(Running { id, target, key, permit, until, is_last_try });
            return ProberStep::Probe { id, target, key };
        }
        ProberStep::Wait
    }

    /// Takes the result of a probe.
    pub fn handle(&mut self, now: Moment, world: &mut World, id: ProbeId, result: Result<(), Error>) {
        let Some(index) = self.running.iter().position(|probe| probe.id == id) else { return };
        let probe = self.running.swap_remove(index);
        self.histories.entry((probe.target, probe.key)).or_default().timeouts = 0;
        self.settle(now, world, probe, &result);
    }

    /// Abandons a probe that took too long; returns its id.
    fn time_out(&mut self, now: Moment, world: &mut World, index: usize) -> ProbeId {
        let probe = self.running.swap_remove(index);
        let (id, target) = (probe.id, probe.target);
        let history = self.histories.entry((target, probe.key)).or_default();
        if probe.is_last_try {
            // A failure would only block the calls as well.
            (history.rests_until, history.after_call) = (now + LONGEST_PAUSE, Some(world.settled(target)));
            let end = Settlement::of_probe(HealthOutcome::neutral(), Ending::Failed(Kind::Timeout));
            world.settle(now, target, probe.permit, end, draw(now));
        } else {
            history.timeouts += 1;
            self.settle(now, world, probe, &Err(Error::new(Kind::Timeout, "the probe timed out")));
        }
        id
    }

    fn settle(&mut self, now: Moment, world: &mut World, probe: Running, result: &Result<(), Error>) {
        let Running { target, key, permit, .. } = probe;
        let (outcome, ending) = match result {
            Ok(()) => (HealthOutcome::success(), Ending::Served),
            Err(error) => {
                let outcome = verdict::outcome(now, error, &self.fleet[target], key, 1_000);
                (outcome, Ending::Failed(error.kind()))
            }
        };
        let history = self.histories.entry((target, key)).or_default();
        history.rests_until = now + doubled(PAUSE, history.inconclusive).min(LONGEST_PAUSE);
        history.after_call = None;
        history.inconclusive =
            if outcome.verdict == Verdict::Neutral { history.inconclusive.saturating_add(1) } else { 0 };
        let end = Settlement::of_probe(outcome, ending);
        world.settle(now, target, permit, end, draw(now));
    }

    /// Forgets the history of what is healthy again, once it has rested.
    fn forget(&mut self, now: Moment, world: &World) {
        self.histories.retain(|&(target, key), history| {
            if world.probe_at(now, target, key).is_none() {
                *history =
                    History { rests_until: history.rests_until.min(now + PAUSE), ..History::default() };
                return history.rests_until > now;
            }
            true
        });
    }

    /// The driver stops with probes in flight: returns their slots and leases.
    pub fn give_up(&mut self, now: Moment, world: &mut World) {
        for Running { target, permit, .. } in self.running.drain(..) {
            let end = Settlement::of_probe(HealthOutcome::neutral(), Ending::Cancelled);
            world.settle(now, target, permit, end, draw(now));
        }
    }

    /// When to poll again if nothing happens.
    #[must_use]
    pub fn poll_timeout(&self, now: Moment, world: &World) -> Option<Moment> {
        let over = self.running.iter().map(|probe| probe.until);
        let rests = self.histories.iter().map(|((target, _), history)| history.rest(world.settled(*target)));
        let rested = rests.filter(|until| *until > now);
        let due =
            self.askable(now, world).into_iter().filter_map(|(target, key)| world.probe_at(now, target, key));
        over.chain(rested).chain(due).chain(world.next_change()).min()
    }

    /// Keys that may be probed: neither being probed nor resting.
    fn askable(&self, now: Moment, world: &World) -> Vec<(TargetIndex, KeyIndex)> {
        let probed = self.fleet.indices().filter(|place| self.fleet[*place].probe);
        let rests = |pair: &(TargetIndex, KeyIndex)| {
            self.histories.get(pair).is_some_and(|history| history.rest(world.settled(pair.0)) > now)
        };
        probed
            .flat_map(|place| self.fleet[place].key_indices().map(move |key| (place, key)))
            .filter(|pair| {
                !self.running.iter().any(|probe| (probe.target, probe.key) == *pair) && !rests(pair)
            })
            .collect()
    }
}

fn doubled(time: Duration, times: u32) -> Duration {
    time.saturating_mul(1u32.checked_shl(times.min(16)).unwrap_or(u32::MAX))
}

/// A probe has no call whose draws it could use, so the moment stands in for one.
fn draw(now: Moment) -> u64 {
    now.as_nanos().wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests;
