//! The only file that reads a clock or draws random numbers.
//!
//! Invariant: everything below this crate takes time and randomness as arguments. Uses tokio's clock, so that tests can
//! pause it.

use std::hash::{BuildHasher, RandomState};
use std::time::SystemTime;

use hotspare_core::Moment;
use tokio::time::Instant;

/// A client's clock; moments are counted from its creation.
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

    /// Wall-clock time, for dating signatures and for the expiry of tokens.
    pub(crate) fn wall() -> SystemTime {
        SystemTime::now()
    }

    pub(crate) fn instant(&self, at: Moment) -> Instant {
        // A moment beyond the range of the platform's clock is treated as thirty years away.
        let since = at.saturating_since(Moment::ZERO);
        self.origin
            .checked_add(since)
            .unwrap_or_else(|| self.origin + std::time::Duration::from_secs(30 * 365 * 24 * 3_600))
    }
}

/// Randomness from the operating system, by way of the standard library's hash keys.
pub(crate) fn entropy() -> u64 {
    RandomState::new().hash_one(0u64)
}
