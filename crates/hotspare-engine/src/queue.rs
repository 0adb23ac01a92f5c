//! The calls that wait for room at a target with limited capacity.
//!
//! Not a timer: calls have their own deadlines and leave by themselves. Invariant: first come, first served; a new call
//! never takes a slot, or capacity under an operator's limit, while others wait for it; each queue is bounded.

use std::collections::VecDeque;

/// Maximum number of calls that wait for one target; further ones are refused at once.
const LONGEST: usize = 1_000;

/// Identifies a waiting call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

/// The queues of all targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Queues {
    lines: Vec<VecDeque<Ticket>>,
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
    pub(crate) fn is_next(&self, place: usize, ticket: Option<Ticket>, free: usize) -> bool {
        let Some(line) = self.lines.get(place) else { return free > 0 };
        let ahead = ticket.and_then(|ticket| line.iter().position(|one| *one == ticket));
        ahead.unwrap_or(line.len()) < free
    }

    /// Joins a queue; false if it is full.
    pub(crate) fn join(&mut self, place: usize, ticket: Ticket) -> bool {
        let Some(line) = self.lines.get_mut(place) else { return false };
        if line.contains(&ticket) {
            return true;
        }
        let fits = line.len() < LONGEST;
        if fits {
            line.push_back(ticket);
        }
        fits
    }

    /// Leaves every queue.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        self.leave_all_but(ticket, &[]);
        self.woken.retain(|one| *one != ticket);
    }

    /// Leaves every queue except those at `places`; true if it was in any of the others.
    pub(crate) fn leave_all_but(&mut self, ticket: Ticket, places: &[usize]) -> bool {
        let mut left = false;
        let others = self.lines.iter_mut().enumerate().filter(|(place, _)| !places.contains(place));
        for (_, line) in others {
            let before = line.len();
            line.retain(|one| *one != ticket);
            left |= line.len() < before;
        }
        left
    }

    /// Wakes as many waiting calls as there are free slots.
    pub(crate) fn wake(&mut self, place: usize, free: usize) {
        for ticket in self.lines.get(place).into_iter().flatten().take(free) {
            if !self.woken.contains(ticket) {
                self.woken.push(*ticket);
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

    pub(crate) fn len(&self, place: usize) -> usize {
        self.lines.get(place).map_or(0, VecDeque::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiters_are_served_in_fifo_order() {
        let mut queues = Queues::new(1);
        let (a, b) = (queues.ticket(), queues.ticket());
        assert!(queues.join(0, a) && queues.join(0, b) && queues.join(0, a));
        assert!(
            queues.is_next(0, Some(a), 1) && !queues.is_next(0, Some(b), 1) && !queues.is_next(0, None, 2)
        );
        queues.wake(0, 1);
        assert_eq!(queues.take_woken(), [a]);
        queues.leave(a);
        assert!(queues.is_next(0, Some(b), 1) && queues.is_next(0, None, 2));
    }

    #[test]
    fn queue_length_is_bounded() {
        let mut queues = Queues::new(1);
        let joined = (0..2_000).filter(|_| {
            let ticket = queues.ticket();
            queues.join(0, ticket)
        });
        assert_eq!(joined.count(), LONGEST);
    }
}
