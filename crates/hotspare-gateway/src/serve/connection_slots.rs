//! Slots for connections.
//!
//! Invariant: there are never more connections than slots; a few extra slots are reserved for operators, so that a
//! full server can still be inspected and can reply that it is full.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Slots beyond the limit, for connections that get a 503 reply.
const OVERFLOW_SLOTS: usize = 32;

/// How often a full server is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// All slots.
#[derive(Debug)]
pub(super) struct ConnectionSlots {
    limit: usize,
    ordinary: Arc<Semaphore>,
    overflow: Arc<Semaphore>,
    last_logged: Option<Instant>,
}

/// A slot, freed when dropped.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    is_overflow: bool,
    _permit: Option<OwnedSemaphorePermit>,
}

impl ConnectionSlot {
    /// Whether it is one of the extra slots beyond the limit.
    pub(super) fn is_overflow(&self) -> bool {
        self.is_overflow
    }
}

impl ConnectionSlots {
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self {
            limit,
            ordinary: Arc::new(Semaphore::new(limit)),
            overflow: Arc::new(Semaphore::new(OVERFLOW_SLOTS)),
            last_logged: None,
        }
    }

    /// The next slot: an ordinary one if available, otherwise the first slot of either kind to be freed.
    pub(super) async fn acquire(&mut self) -> ConnectionSlot {
        if let Ok(permit) = Arc::clone(&self.ordinary).try_acquire_owned() {
            return ConnectionSlot { is_overflow: false, _permit: Some(permit) };
        }
        if self.last_logged.is_none_or(|last_logged| last_logged.elapsed() >= LOG_INTERVAL) {
            self.last_logged = Some(Instant::now());
            let limit = self.limit;
            tracing::warn!(
                target: "hotspare",
                "{limit} connections are open, which is the maximum: further callers get 503 (server.max_connections)",
            );
        }
        // The semaphores are never closed, so a permit is always granted eventually.
        tokio::select! {
            biased;
            permit = Arc::clone(&self.ordinary).acquire_owned() => ConnectionSlot { is_overflow: false, _permit: permit.ok() },
            permit = Arc::clone(&self.overflow).acquire_owned() => ConnectionSlot { is_overflow: true, _permit: permit.ok() },
        }
    }
}
