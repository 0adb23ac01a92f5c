//! Changes of health on their way to the log and to the application's listeners.
//!
//! Not how a change is worded. Invariant: changes are reported one batch at a time and in the order in which they happened,
//! whichever threads noticed them, and under no lock.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hotspare_engine::{ServiceChange, SlownessChange};
use hotspare_health::{NetworkChange, Transition};

/// Most batches that wait for a listener that takes its time; the oldest are dropped first.
const MOST_BATCHES: usize = 1_024;

/// What one action on the world has changed.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) breakers: Vec<Transition>,
    pub(crate) service: Vec<ServiceChange>,
    pub(crate) slowness: Vec<SlownessChange>,
    pub(crate) network: Option<NetworkChange>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.breakers.is_empty()
            && self.service.is_empty()
            && self.slowness.is_empty()
            && self.network.is_none()
    }
}

/// Batches that are not reported yet.
#[derive(Debug, Default)]
pub(crate) struct Reports(Mutex<Pending>);

#[derive(Debug, Default)]
struct Pending {
    batches: VecDeque<Batch>,
    /// A thread reports them.
    reporting: bool,
}

impl Reports {
    /// Appends a batch. Called while the world is locked, which defines the order.
    pub(crate) fn push(&self, batch: Batch) {
        if batch.is_empty() {
            return;
        }
        let mut pending = self.pending();
        if pending.batches.len() >= MOST_BATCHES {
            pending.batches.pop_front();
        }
        pending.batches.push_back(batch);
    }

    /// Reports what waits, unless another thread, or a caller further up on this one, does so already.
    pub(crate) fn report(&self, mut report: impl FnMut(Batch)) {
        {
            let mut pending = self.pending();
            if pending.reporting || pending.batches.is_empty() {
                return;
            }
            pending.reporting = true;
        }
        let mut reporter = Reporter { reports: self, is_done: false };
        while let Some(batch) = reporter.next() {
            report(batch);
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that reports. If it panics, the next one takes over.
struct Reporter<'a> {
    reports: &'a Reports,
    is_done: bool,
}

impl Reporter<'_> {
    fn next(&mut self) -> Option<Batch> {
        let mut pending = self.reports.pending();
        let next = pending.batches.pop_front();
        // Under the lock: a batch that is pushed now finds that nobody reports.
        pending.reporting = next.is_some();
        self.is_done = next.is_none();
        next
    }
}

impl Drop for Reporter<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.reports.pending().reporting = false;
        }
    }
}
