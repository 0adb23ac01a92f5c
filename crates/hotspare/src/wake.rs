//! Wakes calls that wait for room at a target.
//!
//! Not a queue: the engine decides which call is next. Invariant: a signal set before its call polls is not lost.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Context;

use futures::task::AtomicWaker;
use hotspare_engine::Ticket;

/// The wake-up signal of one waiting call.
#[derive(Debug, Default)]
pub(crate) struct WakeSignal {
    set: AtomicBool,
    waker: AtomicWaker,
}

impl WakeSignal {
    /// Takes the signal and returns whether it was set. If not, registers the task to be woken when it is.
    pub(crate) fn take(&self, cx: &Context<'_>) -> bool {
        self.waker.register(cx.waker());
        self.set.swap(false, Ordering::AcqRel)
    }
}

/// The signals of all waiting calls.
#[derive(Debug, Default)]
pub(crate) struct WakeSignals(Mutex<HashMap<Ticket, Arc<WakeSignal>>>);

impl WakeSignals {
    pub(crate) fn register(&self, ticket: Ticket) -> Arc<WakeSignal> {
        let mut signals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(signals.entry(ticket).or_default())
    }

    pub(crate) fn remove(&self, ticket: Ticket) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&ticket);
    }

    pub(crate) fn wake(&self, tickets: &[Ticket]) {
        let woken: Vec<Arc<WakeSignal>> = {
            let signals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            tickets.iter().filter_map(|ticket| signals.get(ticket).cloned()).collect()
        };
        // Outside the lock: wakers are code of the application's runtime.
        for signal in woken {
            signal.set.store(true, Ordering::Release);
            signal.waker.wake();
        }
    }
}
