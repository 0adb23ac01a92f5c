//! What must happen without a caller: finding out whether a target that is unhealthy, or whose key or model is out of
//! service, has recovered.
//!
//! Why: otherwise the first caller after an outage has to find out. It probes instead, with a request of its
//! own that never copies a caller's, and only targets for which that is enabled.
//!
//! Not a task and not a clock: a driver polls it, sends the probes that it asks for and reports their results.
//! Invariant: at most one probe at a time per key of a target; every probe times out; the same key is probed at most
//! once a second; every permit is settled, provided that a driver which stops calls [`Prober::give_up`].

use std::sync::Arc;
use std::time::Duration;

use hotspare_core::{Error, Kind, Moment};
use hotspare_health::{Outcome, Permit};

use crate::ending::{End, Ending};
use crate::fleet::Fleet;
use crate::verdict;
use crate::world::World;

/// Time limit of a probe.
const PATIENCE: Duration = Duration::from_secs(10);
/// Minimum time between the end of a probe and the next one with the same key.
const PAUSE: Duration = Duration::from_secs(1);

/// Identifies a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId(pub u64);

/// What a prober's driver must do next.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProberStep {
    /// Drop this probe: it took too long.
    Abort(ProbeId),
    /// Send a short request to a target, and report its result with [`Prober::handle`].
    Probe {
        /// Identifies the probe.
        id: ProbeId,
        /// Index of the target in the fleet.
        target: usize,
        /// Index of the key.
        key: usize,
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
    /// Keys that were probed recently, and when they may be probed again.
    resting: Vec<((usize, usize), Moment)>,
}

#[derive(Debug)]
struct Running {
    id: ProbeId,
    target: usize,
    key: usize,
    permit: Permit,
    until: Moment,
}

impl Prober {
    /// A prober for these targets.
    #[must_use]
    pub fn new(fleet: Arc<Fleet>) -> Self {
        Self { fleet, next: 0, running: Vec::new(), resting: Vec::new() }
    }

    /// Whether any target is to be probed; if not, the prober has nothing to do.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        self.fleet.targets().iter().any(|target| target.probe)
    }

    /// What to do next. Call it again until it returns [`ProberStep::Wait`].
    pub fn poll(&mut self, now: Moment, world: &mut World) -> ProberStep {
        world.advance(now);
        self.resting.retain(|(_, until)| *until > now);
        if let Some(late) = self.running.iter().position(|probe| now >= probe.until) {
            let id = self.running[late].id;
            self.handle(now, world, id, Err(Error::new(Kind::Timeout, "the probe timed out")));
            return ProberStep::Abort(id);
        }
        for (target, key) in self.askable() {
            if world.probe_at(now, target, key).is_none_or(|at| at > now) {
                continue;
            }
            let Some(permit) = world.admit_probe(now, target, key) else { continue };
            self.next += 1;
            let id = ProbeId(self.next);
            self.running.push(Running { id, target, key, permit, until: now + PATIENCE });
            return ProberStep::Probe { id, target, key };
        }
        ProberStep::Wait
    }

    /// Takes the result of a probe.
    pub fn handle(&mut self, now: Moment, world: &mut World, id: ProbeId, result: Result<(), Error>) {
        let Some(index) = self.running.iter().position(|probe| probe.id == id) else { return };
        let Running { target, key, permit, .. } = self.running.swap_remove(index);
        self.resting.push(((target, key), now + PAUSE));
        let (outcome, ending) = match &result {
            Ok(()) => (Outcome::success(), Ending::Served),
            Err(error) => {
                let outcome = verdict::outcome(now, error, &self.fleet.targets()[target], key, 1_000);
                (outcome, Ending::Failed(error.kind()))
            }
        };
        let end = End::of_probe(outcome, ending);
        world.settle(now, target, permit, end, draw(now));
    }

    /// The driver stops with probes in flight: returns their slots and leases.
    pub fn give_up(&mut self, now: Moment, world: &mut World) {
        for Running { target, permit, .. } in self.running.drain(..) {
            let end = End::of_probe(Outcome::neutral(), Ending::Cancelled);
            world.settle(now, target, permit, end, draw(now));
        }
    }

    /// When to poll again if nothing happens.
    #[must_use]
    pub fn poll_timeout(&self, now: Moment, world: &World) -> Option<Moment> {
        let over = self.running.iter().map(|probe| probe.until);
        let rested = self.resting.iter().map(|(_, until)| *until);
        let due = self.askable().into_iter().filter_map(|(target, key)| world.probe_at(now, target, key));
        over.chain(rested).chain(due).chain(world.next_change()).min()
    }

    /// Keys that may be probed: neither being probed nor resting.
    fn askable(&self) -> Vec<(usize, usize)> {
        let probed = self.fleet.targets().iter().enumerate().filter(|(_, target)| target.probe);
        probed
            .flat_map(|(place, target)| (0..target.key_count()).map(move |key| (place, key)))
            .filter(|pair| {
                !self.running.iter().any(|probe| (probe.target, probe.key) == *pair)
                    && !self.resting.iter().any(|(resting, _)| resting == pair)
            })
            .collect()
    }
}

/// A probe has no call whose draws it could use, so the moment stands in for one.
fn draw(now: Moment) -> u64 {
    now.as_nanos().wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests;
