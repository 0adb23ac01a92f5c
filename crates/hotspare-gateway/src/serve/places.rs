//! Slots for connections.
//!
//! Invariant: there are never more connections than places; a few extra places are reserved for operators, so that a
//! full server can still be inspected and can reply that it is full.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Connections beyond the limit that get a reply that there is no room.
const SPARE: usize = 32;

/// How often a full server is logged.
const AGAIN: Duration = Duration::from_secs(10);

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    ordinary: Arc<Semaphore>,
    spare: Arc<Semaphore>,
    told: Option<Instant>,
}

/// A place, freed when dropped.
#[derive(Debug)]
pub(super) struct Place {
    is_spare: bool,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// Whether it is one of the extra places beyond the limit.
    pub(super) fn is_spare(&self) -> bool {
        self.is_spare
    }
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        Self {
            most,
            ordinary: Arc::new(Semaphore::new(most)),
            spare: Arc::new(Semaphore::new(SPARE)),
            told: None,
        }
    }

    /// The next place: an ordinary one if available, else a spare one, else whichever is freed first.
    pub(super) async fn take(&mut self) -> Place {
        if let Ok(permit) = Arc::clone(&self.ordinary).try_acquire_owned() {
            return Place { is_spare: false, _permit: Some(permit) };
        }
        if self.told.is_none_or(|told| told.elapsed() >= AGAIN) {
            self.told = Some(Instant::now());
            let most = self.most;
            tracing::warn!(
                target: "hotspare",
                "{most} connections are open, which is the maximum: further callers get 503 (server.max_connections)",
            );
        }
        // The semaphores are never closed, so a permit is always granted eventually.
        tokio::select! {
            biased;
            permit = Arc::clone(&self.ordinary).acquire_owned() => Place { is_spare: false, _permit: permit.ok() },
            permit = Arc::clone(&self.spare).acquire_owned() => Place { is_spare: true, _permit: permit.ok() },
        }
    }
}
