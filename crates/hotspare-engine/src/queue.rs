//! The calls that wait for room at a target with limited capacity.
//!
//! Not a timer: calls have their own deadlines and leave by themselves. Invariant: first come, first served among the
//! calls that answer; a new call never takes a slot, or capacity under an operator's limit, while such a call waits for
//! it; each queue is bounded.
//!
//! A call that its application does not poll cannot answer, and does not know that a slot is kept for it. Each waiting
//! call says when it will ask again, or is woken before; one that has not asked [`GRACE`] later is passed over, and keeps
//! its place for when it does. After a stall of the whole process for longer than that, the calls that were due during
//! it are all overdue: until they have asked, capacity goes to whoever asks first, a new call included, so an operator
//! sees calls served before others that have waited longer.

use crate::index::TargetIndex;
use std::collections::VecDeque;
use std::time::Duration;

use hotspare_core::Moment;

/// How long the turn of a waiting call is kept for it: as long as a full target is left alone.
const GRACE: Duration = Duration::from_secs(1);

/// Maximum number of calls that wait for one target; further ones are refused at once.
const LONGEST: usize = 1_000;

/// Identifies a waiting call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

/// A call in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Waiter {
    ticket: Ticket,
    /// When it asks again, or when it was woken to do so.
    due: Moment,
}

impl Waiter {
    fn answers(&self, now: Moment) -> bool {
        now < self.due + GRACE
    }
}

/// The queues of all targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Queues {
    lines: Vec<VecDeque<Waiter>>,
    next: u64,
    woken: Vec<Ticket>,
}

impl Queues {
    pub(crate) fn new(targets: usize) -> Self {
        Self { lines: vec![VecDeque::new(); targets], next: 0, woken: Vec::new() }
    }

    pub(crate) fn ticket(&mut self) -> Ticket {
        self.next += 1;
        Ticket(self.next)
    }

    /// Whether one of `free` slots is available to the holder of `ticket`, or to a call that does not wait.
    pub(crate) fn is_next(
        &self,
        now: Moment,
        place: TargetIndex,
        ticket: Option<Ticket>,
        free: usize,
    ) -> bool {
        let waiters = self.lines.get(place.position()).into_iter().flatten();
        let ahead = waiters.take_while(|waiter| Some(waiter.ticket) != ticket);
        ahead.filter(|waiter| waiter.answers(now)).take(free).count() < free
    }

    /// Joins a queue, to ask again at `due`, or says so from its place in it; false if it is full.
    pub(crate) fn join(&mut self, place: TargetIndex, ticket: Ticket, due: Moment) -> bool {
        let Some(line) = self.lines.get_mut(place.position()) else { return false };
        if let Some(waiter) = line.iter_mut().find(|waiter| waiter.ticket == ticket) {
            waiter.due = due;
            return true;
        }
        let fits = line.len() < LONGEST;
        if fits {
            line.push_back(Waiter { ticket, due });
        }
        fits
    }

    /// Leaves every queue.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        self.leave_all_but(ticket, &[]);
        self.woken.retain(|one| *one != ticket);
    }

    /// Leaves every queue except those at `places`; true if it was in any of the others.
    pub(crate) fn leave_all_but(&mut self, ticket: Ticket, places: &[TargetIndex]) -> bool {
        let mut left = false;
        let others =
            self.lines.iter_mut().enumerate().filter(|(place, _)| !places.contains(&TargetIndex(*place)));
        for (_, line) in others {
            let before = line.len();
            line.retain(|waiter| waiter.ticket != ticket);
            left |= line.len() < before;
        }
        left
    }

    /// Wakes as many waiting calls as there are free slots. Without a moment, they have until their own time to answer.
    pub(crate) fn wake(&mut self, now: Option<Moment>, place: TargetIndex, free: usize) {
        let waiters = self.lines.get_mut(place.position()).into_iter().flatten();
        let answering = waiters.filter(|waiter| now.is_none_or(|now| waiter.answers(now)));
        for waiter in answering.take(free) {
            waiter.due = now.map_or(waiter.due, |now| waiter.due.min(now));
            if !self.woken.contains(&waiter.ticket) {
                self.woken.push(waiter.ticket);
            }
        }
    }

    /// Whether nobody has been woken since that was last taken.
    pub(crate) fn is_quiet(&self) -> bool {
        self.woken.is_empty()
    }

    pub(crate) fn take_woken(&mut self) -> Vec<Ticket> {
        std::mem::take(&mut self.woken)
    }

    pub(crate) fn len(&self, place: TargetIndex) -> usize {
        self.lines.get(place.position()).map_or(0, VecDeque::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::ZERO;

    #[test]
    fn waiters_are_served_in_fifo_order() {
        let mut queues = Queues::new(1);
        let (a, b) = (queues.ticket(), queues.ticket());
        assert!(
            queues.join(TargetIndex(0), a, NOW)
                && queues.join(TargetIndex(0), b, NOW)
                && queues.join(TargetIndex(0), a, NOW)
        );
        let next = |queues: &Queues, ticket, free| queues.is_next(NOW, TargetIndex(0), ticket, free);
        assert!(next(&queues, Some(a), 1) && !next(&queues, Some(b), 1) && !next(&queues, None, 2));
        queues.wake(Some(NOW), TargetIndex(0), 1);
        assert_eq!(queues.take_woken(), [a]);
        queues.leave(a);
        assert!(next(&queues, Some(b), 1) && next(&queues, None, 2) && !next(&queues, Some(b), 0));
    }

    #[test]
    fn waiter_without_an_answer_is_neither_waited_for_nor_woken_and_keeps_its_place() {
        let mut queues = Queues::new(1);
        let (a, b) = (queues.ticket(), queues.ticket());
        let later = NOW + GRACE * 10;
        assert!(queues.join(TargetIndex(0), a, later) && queues.join(TargetIndex(0), b, later));
        queues.wake(Some(NOW), TargetIndex(0), 1);
        assert_eq!(queues.take_woken(), [a]);
        let next = |queues: &Queues, ticket| queues.is_next(NOW + GRACE, TargetIndex(0), Some(ticket), 1);
        assert!(next(&queues, b));
        queues.wake(Some(NOW + GRACE), TargetIndex(0), 1);
        assert_eq!(queues.take_woken(), [b]);
        assert!(queues.join(TargetIndex(0), a, later));
        assert!(next(&queues, a) && !next(&queues, b));
    }

    #[test]
    fn queue_length_is_bounded() {
        let mut queues = Queues::new(1);
        let joined = (0..2_000).filter(|_| {
            let ticket = queues.ticket();
            queues.join(TargetIndex(0), ticket, NOW)
        });
        assert_eq!(joined.count(), LONGEST);
    }
}
