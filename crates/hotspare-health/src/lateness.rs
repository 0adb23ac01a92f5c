//! Evidence that a target has become slow, available while its calls are still in flight.
//!
//! Why: a target that freezes fails nothing for as long as its callers wait. Each call that exceeds the 95th percentile
//! of comparable calls adds to a sum, each one within it subtracts; normally one call in twenty is late and the sum
//! stays near zero, while five late calls in (nearly) a row indicate that the target has changed. That degrades it: it
//! keeps a tenth of its traffic, so that its recovery is noticed. This kind of slowness opens no breaker.
//!
//! Invariant: integers only, bounded; each call counts as late at most once.

use std::time::Duration;

use hotspare_core::Moment;

/// What a late call adds, what a call in time subtracts, and the sum that degrades, in thousandths of a nat: the
/// log-likelihood ratio between a target where every second call is late and one where one in twenty is (ln 0.5/0.05,
/// ln 0.95/0.5). A healthy target is degraded by chance once in 295,000 calls.
const LATE: u32 = 2_350;
const IN_TIME: u32 = 690;
const DEGRADE: u32 = 11_500;
/// Calls in time that must follow before a degraded target is trusted again.
const FRESH: u32 = 5;
/// Time in which the sum halves without calls.
const HALF_LIFE: Duration = Duration::from_secs(600);

/// The sum of one scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Lateness {
    milli_nats: u32,
    degraded: bool,
    fresh: u32,
    touched: Moment,
}

impl Lateness {
    /// A call has exceeded its usual time without content.
    pub(crate) fn late(&mut self, now: Moment) {
        self.fade(now);
        self.fresh = 0;
        self.milli_nats = (self.milli_nats + LATE).min(DEGRADE);
        self.degraded |= self.milli_nats >= DEGRADE;
    }

    /// A call's first content arrived within its usual time.
    pub(crate) fn in_time(&mut self, now: Moment) {
        self.fade(now);
        self.fresh = (self.fresh + 1).min(FRESH);
        self.milli_nats = self.milli_nats.saturating_sub(IN_TIME);
        self.degraded &= self.milli_nats > 0 || self.fresh < FRESH;
    }

    /// Whether it may be about to degrade, so that current measurements may not reflect the norm.
    pub(crate) fn is_suspect(&self) -> bool {
        self.degraded || self.milli_nats >= 2 * LATE
    }

    pub(crate) fn is_degraded(&self) -> bool {
        self.degraded
    }

    fn fade(&mut self, now: Moment) {
        let halvings = now.saturating_since(self.touched).as_nanos() / HALF_LIFE.as_nanos();
        self.milli_nats =
            self.milli_nats.checked_shr(u32::try_from(halvings).unwrap_or(u32::MAX)).unwrap_or(0);
        self.touched = now.max(self.touched);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_late_calls_degrade_but_one_in_twenty_never_does() {
        let mut frozen = Lateness::default();
        let seen = (1..10).find(|_| {
            frozen.late(Moment::ZERO);
            frozen.is_degraded()
        });
        assert_eq!(seen, Some(5));
        let mut healthy = Lateness::default();
        for call in 0..100_000 {
            if call % 20 == 0 {
                healthy.late(Moment::ZERO)
            } else {
                healthy.in_time(Moment::ZERO)
            }
            assert!(!healthy.is_degraded());
        }
    }

    #[test]
    fn recovers_after_seventeen_punctual_calls() {
        let mut lateness = Lateness::default();
        (0..50).for_each(|_| lateness.late(Moment::ZERO));
        let calls = (1..100).find(|_| {
            lateness.in_time(Moment::ZERO);
            !lateness.is_degraded()
        });
        assert_eq!(calls, Some(17));
    }
}
