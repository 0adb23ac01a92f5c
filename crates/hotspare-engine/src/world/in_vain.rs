//! How long calls have waited in vain for a target's first content since it last sent any.
//!
//! Not how long it needs: a wait that ended early says only that it needs longer than that. Invariant: a wait is no
//! evidence about a time of more than twice its length, and no number of such waits is.

use std::time::Duration;

/// If a target has been waited for in vain for this many times as long, its median is hardly shorter: the chance of that is
/// one in 32 if its times have no memory.
const IN_VAIN: u32 = 5;

/// A wait counts if it is at least this part of the time in question. Many times do have a memory: what always needs a second
/// is waited for in vain as often as one likes for a fifth of it.
const PART: u32 = 2;

/// More waits than these cannot be needed: so many of the shortest that count are enough.
const KEPT: usize = (IN_VAIN * PART) as usize;

/// The longest waits.
#[derive(Debug, Default)]
pub(super) struct WaitsInVain([Duration; KEPT]);

impl WaitsInVain {
    /// A call has waited this long in vain.
    pub(super) fn note(&mut self, waited: Duration) {
        if let Some(shortest) = self.0.iter_mut().min() {
            *shortest = waited.max(*shortest);
        }
    }

    /// Whether it hardly sends its first content within this time.
    pub(super) fn exclude(&self, within: Duration) -> bool {
        let counted = self.0.iter().filter(|waited| waited.saturating_mul(PART) >= within);
        let sum = counted.fold(Duration::ZERO, |sum, waited| sum.saturating_add(*waited));
        sum >= within.saturating_mul(IN_VAIN)
    }
}
