//! The event queue, ordered by time.
//!
//! Not a clock. Invariant: simultaneous events are popped in insertion order, so that a run is the same on every
//! machine.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hotspare_core::Moment;

/// Pending events.
#[derive(Debug)]
pub(crate) struct EventQueue<E> {
    heap: BinaryHeap<Reverse<Entry<E>>>,
    /// Number of events inserted so far.
    count: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at: Moment,
    number: u64,
    event: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<E> EventQueue<E> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::with_capacity(1_024), count: 0 }
    }

    pub(crate) fn push(&mut self, at: Moment, event: E) {
        self.count += 1;
        self.heap.push(Reverse(Entry { at, number: self.count, event }));
    }

    pub(crate) fn pop(&mut self) -> Option<(Moment, E)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn timeline_pops_in_stable_time_order(moments in prop::collection::vec(0u64..20, 0..200)) {
            let mut queue = EventQueue::new();
            for (number, at) in moments.iter().enumerate() {
                queue.push(Moment::from_nanos(*at), number);
            }
            let mut sorted: Vec<(u64, usize)> = moments.iter().copied().zip(0..).collect();
            sorted.sort_unstable();
            let out: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(at, n)| (at.as_nanos(), n)).collect();
            prop_assert_eq!(out, sorted);
        }
    }
}
