//! Admission of calls, and the queues of those that wait for room.
//!
//! Not what a call does when it is refused. Invariant: an admission takes its slot and its share of the operator's limit at
//! once, and the calls behind a call that leaves a queue are woken.

use std::sync::Arc;

use hotspare_core::Moment;
use hotspare_health::{Admission, CallProfile, Permit, Refusal};

use super::World;
use super::obstacles::{Asker, sooner};
use crate::index::{KeyIndex, TargetIndex};
use crate::queue::Ticket;

/// What a call needs of a target.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Demand {
    pub(crate) draw: u64,
    pub(crate) tokens: u64,
    pub(crate) ticket: Option<Ticket>,
    pub(crate) last_resort: bool,
    /// Whether the answer is unstreamed.
    pub(crate) unstreamed: bool,
    /// Whether the model reasons before it answers.
    pub(crate) reasons: bool,
}

impl World {
    /// Calls for which there may be room now: poll each after [`Input::Woken`](crate::Input::Woken).
    pub fn take_woken(&mut self) -> Vec<Ticket> {
        self.queues.take_woken()
    }

    /// Number of calls that wait for room at a target.
    #[must_use]
    pub fn queued(&self, place: TargetIndex) -> usize {
        self.queues.len(place)
    }

    /// Requests admission at a target with the first available key, starting at `draw`.
    pub(crate) fn admit(
        &mut self,
        now: Moment,
        place: TargetIndex,
        demand: Demand,
    ) -> Result<(KeyIndex, Permit), Refusal> {
        let Demand { draw, tokens, ticket, last_resort, unstreamed, reasons } = demand;
        let mut call = CallProfile::default();
        (call.tokens, call.unstreamed, call.reasons) = (tokens, unstreamed, reasons);
        self.advance(now);
        let fleet = Arc::clone(&self.fleet);
        let target = &fleet[place];
        if let Some(refusal) = self.own_refusal(now, place, tokens, Asker::Request(ticket)) {
            return Err(refusal);
        }
        let (first, others) = target.keys_from(draw);
        let mut admit = |key| {
            let scopes = target.scopes(key).as_array();
            let admission = if last_resort {
                self.book.admit_last_resort(now, &scopes, call)
            } else {
                self.book.admit_call(now, &scopes, call)
            };
            match admission {
                Admission::Granted(permit) => Ok((key, permit)),
                Admission::Refused(refusal) => Err(refusal),
            }
        };
        let mut admitted = admit(first);
        for key in others {
            let Err(soonest) = &admitted else { break };
            match admit(key) {
                Err(refusal) if !sooner(&refusal, soonest) => {}
                better => admitted = better,
            }
        }
        if admitted.is_ok() {
            self.targets[place].begin(now, tokens);
            // Reports the transitions that the admission has caused.
            self.advance(now);
            if let Some(ticket) = ticket {
                self.leave(now, ticket);
            }
        }
        admitted
    }

    /// Queues a call at a target, to ask again at `due`; false if the queue is full.
    pub(crate) fn join(&mut self, place: TargetIndex, ticket: &mut Option<Ticket>, due: Moment) -> bool {
        let ticket = *ticket.get_or_insert_with(|| self.queues.ticket());
        self.queues.join(place, ticket, due)
    }

    /// A call no longer waits; the calls behind it may be next.
    pub(crate) fn leave(&mut self, now: Moment, ticket: Ticket) {
        self.queues.leave(ticket);
        self.wake_all(now);
    }

    /// A call no longer waits, except at `places`.
    pub(crate) fn leave_all_but(&mut self, now: Moment, ticket: Ticket, places: &[TargetIndex]) {
        if self.queues.leave_all_but(ticket, places) {
            self.wake_all(now);
        }
    }

    fn wake_all(&mut self, now: Moment) {
        self.fleet.indices().for_each(|place| self.wake(Some(now), place));
    }

    /// Wakes as many waiting calls as there are slots. If they wait for time to pass, wakes only the first: it has a
    /// timer, and the next one is woken when it leaves the queue.
    pub(super) fn wake(&mut self, now: Option<Moment>, place: TargetIndex) {
        let target = &self.fleet[place];
        let for_places = target.max_in_flight.is_some() && !target.has_own_limit();
        let free = self.free_places(place);
        self.queues.wake(now, place, if for_places { free } else { free.min(1) });
    }

    pub(super) fn free_places(&self, place: TargetIndex) -> usize {
        let Some(most) = self.fleet[place].max_in_flight else { return usize::MAX };
        let free = most.saturating_sub(self.targets[place].counts.in_flight);
        usize::try_from(free).unwrap_or(usize::MAX)
    }
}
