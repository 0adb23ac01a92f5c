//! What must happen although nobody asks: finding out whether a target that is ill, or whose key or model is out of
//! service, is back.
//!
//! Why: without it the first caller after an outage is the one who finds out. The keeper asks instead, with a request of
//! its own that is never a copy of anybody's, and only targets for which that is switched on.
//!
//! Not a task and not a clock: a driver polls it, sends what it says and tells it how that went. Invariant: at most one
//! probe per key of a target at once; a probe ends by itself in time; the same key is asked at most once a second; every
//! permit is settled, if a driver that ends calls [`Keeper::give_up`].

use std::sync::Arc;
use std::time::Duration;

use hotspare_core::{Error, Kind, Moment};
use hotspare_health::{Outcome, Permit};

use crate::ending::{End, Ending};
use crate::fleet::Fleet;
use crate::verdict;
use crate::world::World;

/// A probe that has no answer by then has failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// The least time between the end of one probe and the next of the same key.
const PAUSE: Duration = Duration::from_secs(1);

/// Names a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId(pub u64);

/// What a keeper's driver must do next.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeeperStep {
    /// Drop this probe: it took too long.
    Abort(ProbeId),
    /// Send a short request to a target, and say how it went with [`Keeper::handle`].
    Probe {
        /// Its name.
        id: ProbeId,
        /// Place of the target in the fleet.
        target: usize,
        /// Which of its keys.
        key: usize,
    },
    /// Nothing until [`Keeper::poll_timeout`], or until somebody's call changes the world.
    Wait,
}

/// Background time.
#[derive(Debug)]
pub struct Keeper {
    fleet: Arc<Fleet>,
    next: u64,
    running: Vec<Running>,
    /// Keys that were asked of late, and when they may be asked again.
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

impl Keeper {
    /// A keeper of these targets.
    #[must_use]
    pub fn new(fleet: Arc<Fleet>) -> Self {
        Self { fleet, next: 0, running: Vec::new(), resting: Vec::new() }
    }

    /// Whether any target is to be probed; without one there is nothing to keep.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        self.fleet.targets().iter().any(|target| target.probe)
    }

    /// What to do next. Call again until it says [`KeeperStep::Wait`].
    pub fn poll(&mut self, now: Moment, world: &mut World) -> KeeperStep {
        world.advance(now);
        self.resting.retain(|(_, until)| *until > now);
        if let Some(late) = self.running.iter().position(|probe| now >= probe.until) {
            let id = self.running[late].id;
            self.handle(now, world, id, Err(Error::new(Kind::Timeout, "the probe was not answered")));
            return KeeperStep::Abort(id);
        }
        for (target, key) in self.askable() {
            if world.probe_at(now, target, key).is_none_or(|at| at > now) {
                continue;
            }
            let Some(permit) = world.admit_probe(now, target, key) else { continue };
            self.next += 1;
            let id = ProbeId(self.next);
            self.running.push(Running { id, target, key, permit, until: now + PATIENCE });
            return KeeperStep::Probe { id, target, key };
        }
        KeeperStep::Wait
    }

    /// Takes the end of a probe.
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

    /// The driver ends with its probes under way: their places and leases go back.
    pub fn give_up(&mut self, now: Moment, world: &mut World) {
        for Running { target, permit, .. } in self.running.drain(..) {
            let end = End::of_probe(Outcome::neutral(), Ending::Cancelled);
            world.settle(now, target, permit, end, draw(now));
        }
    }

    /// When to poll again although nothing happened.
    #[must_use]
    pub fn poll_timeout(&self, now: Moment, world: &World) -> Option<Moment> {
        let over = self.running.iter().map(|probe| probe.until);
        let rested = self.resting.iter().map(|(_, until)| *until);
        let due = self.askable().into_iter().filter_map(|(target, key)| world.probe_at(now, target, key));
        over.chain(rested).chain(due).chain(world.next_change()).min()
    }

    /// Keys that may be asked: not those that are being asked or rest.
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

/// A probe is not a caller's request, so it has no draws of its own; the moment is as good.
fn draw(now: Moment) -> u64 {
    now.as_nanos().wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests;
