//! Wakes calls that wait for room at a target.
//!
//! Not a queue: whose turn it is, the engine says. Invariant: a bell that was rung before its call listened is still heard.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Context;

use futures::task::AtomicWaker;
use hotspare_engine::Ticket;

/// One waiting call's bell.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: AtomicBool,
    waker: AtomicWaker,
}

impl Bell {
    /// Whether it was rung since the last time; if not, the caller is woken when it is.
    pub(crate) fn heard(&self, cx: &Context<'_>) -> bool {
        self.waker.register(cx.waker());
        self.rung.swap(false, Ordering::AcqRel)
    }
}

/// The bells of all calls that wait.
#[derive(Debug, Default)]
pub(crate) struct Bells(Mutex<HashMap<Ticket, Arc<Bell>>>);

impl Bells {
    pub(crate) fn hang(&self, ticket: Ticket) -> Arc<Bell> {
        let mut bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(bells.entry(ticket).or_default())
    }

    pub(crate) fn take_down(&self, ticket: Ticket) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&ticket);
    }

    pub(crate) fn ring(&self, tickets: &[Ticket]) {
        let bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for bell in tickets.iter().filter_map(|ticket| bells.get(ticket)) {
            bell.rung.store(true, Ordering::Release);
            bell.waker.wake();
        }
    }
}
