//! The one file that reads a clock or asks for chance.
//!
//! Invariant: everything below this crate gets time and chance as arguments; tokio's clock is used, so that tests can
//! pause it.

use std::hash::{BuildHasher, RandomState};
use std::time::SystemTime;

use hotspare_core::Moment;
use tokio::time::Instant;

/// A client's clock: moments count from its start.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::ZERO + self.origin.elapsed()
    }

    /// Wall time: signatures are dated with it, and tokens run out by it.
    pub(crate) fn wall() -> SystemTime {
        SystemTime::now()
    }

    pub(crate) fn instant(&self, at: Moment) -> Instant {
        // A moment beyond what the platform's clock can hold is as good as thirty years away.
        let since = at.saturating_since(Moment::ZERO);
        self.origin
            .checked_add(since)
            .unwrap_or_else(|| self.origin + std::time::Duration::from_secs(30 * 365 * 24 * 3_600))
    }
}

/// Chance from the operating system, by way of the standard library's hash keys.
pub(crate) fn entropy() -> u64 {
    RandomState::new().hash_one(0u64)
}
