//! What keeps a target from taking a request: first what belongs to the target, then the health of what a request needs.
//!
//! Not an admission, and not what may be spent. Invariant: reading changes nothing, and all who ask see the same obstacles
//! in the same order.

use std::time::Duration;

use hotspare_core::Moment;
use hotspare_health::{Cause, Refusal};

use super::World;
use crate::index::{KeyIndex, TargetIndex};
use crate::queue::Ticket;

/// How soon a full target is asked again, unless the call is woken before.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// An obstacle that is the target's own, whatever the health of its host, model and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// An operator took it out of service.
    Cordoned,
    /// All its slots are taken, or are kept for calls that wait for them.
    Full,
    /// The operator's limit per minute is used up.
    LimitReached { until: Moment },
    /// Other calls are queued for the operator's limit per minute.
    Queued,
}

/// Who asks for the obstacles.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asker {
    /// A request that is to start now, and its place in the queues if it has one.
    Request(Option<Ticket>),
    /// Nobody who takes anything, so it does not matter who else waits.
    Onlooker,
}

impl Obstacle {
    pub(super) const fn cause(self) -> Cause {
        match self {
            Self::Cordoned => Cause::Cordoned,
            Self::Full => Cause::Full,
            Self::LimitReached { .. } => Cause::LimitReached,
            Self::Queued => Cause::Queued,
        }
    }

    /// When it is known to end.
    pub(super) const fn ends_at(self) -> Option<Moment> {
        match self {
            Self::LimitReached { until } => Some(until),
            Self::Cordoned | Self::Full | Self::Queued => None,
        }
    }

    /// When to ask again; `None` if an operator must act. Nobody knows when another request ends.
    pub(super) fn ask_again_at(self, now: Moment) -> Option<Moment> {
        match self {
            Self::Cordoned => None,
            Self::Full | Self::Queued => Some(now + LOOK_AGAIN),
            Self::LimitReached { until } => Some(until),
        }
    }
}

impl World {
    /// The target's own obstacles to a request of so many tokens, the first to report first.
    pub(super) fn obstacles(
        &self,
        now: Moment,
        place: TargetIndex,
        tokens: u64,
        asker: Asker,
    ) -> impl Iterator<Item = Obstacle> {
        let state = &self.targets[place];
        let has_room = |free| match asker {
            Asker::Request(ticket) => self.queues.is_next(now, place, ticket, free),
            Asker::Onlooker => free > 0,
        };
        // Capacity under the operator's limit belongs to the first in the queue, which is woken or has a timer.
        let is_queued = self.fleet[place].has_own_limit() && !has_room(1);
        let obstacles = [
            state.cordoned.then_some(Obstacle::Cordoned),
            (!has_room(self.free_places(place))).then_some(Obstacle::Full),
            state.own.wait(now, tokens).map(|until| Obstacle::LimitReached { until }),
            is_queued.then_some(Obstacle::Queued),
        ];
        obstacles.into_iter().flatten()
    }

    /// The first of the target's own obstacles, as a refusal.
    pub(super) fn own_refusal(
        &self,
        now: Moment,
        place: TargetIndex,
        tokens: u64,
        asker: Asker,
    ) -> Option<Refusal> {
        let obstacle = self.obstacles(now, place, tokens, asker).next()?;
        let scope = self.fleet[place].scopes(KeyIndex::FIRST).model;
        Some(Refusal { scope, cause: obstacle.cause(), until: obstacle.ask_again_at(now) })
    }

    /// What refuses a call of about this many tokens now, if anything: the key that may be usable soonest counts.
    pub(crate) fn refusal(&self, now: Moment, place: TargetIndex, tokens: u64) -> Option<Refusal> {
        let own = self.own_refusal(now, place, tokens, Asker::Onlooker);
        if own.is_some() {
            return own;
        }
        let target = &self.fleet[place];
        let mut soonest: Option<Refusal> = None;
        for key in target.key_indices() {
            let refusal = self.book.obstacle(now, &target.scopes(key).as_array(), tokens)?;
            if soonest.as_ref().is_none_or(|old| sooner(&refusal, old)) {
                soonest = Some(refusal);
            }
        }
        soonest
    }
}

/// Whether a refusal ends sooner than another; one without a time never does.
pub(super) fn sooner(a: &Refusal, b: &Refusal) -> bool {
    match (a.until, b.until) {
        (Some(a), Some(b)) => a < b,
        (Some(_), None) => true,
        (None, _) => false,
    }
}
