//! Limits the cost of extra attempts.
//!
//! Why a budget and not a count: a count per request multiplies load exactly when a provider can least bear it. A
//! budget ties extra attempts to successes, so that a healthy system can retry freely and a failing one hardly at all,
//! with a floor so that a quiet process always has its one retry. Invariant: never below zero, and never consulted for
//! the first try of a target that the call has not tried: an answer matters more than a budget.

use std::time::Duration;

use hotspare_core::Moment;

/// One start, in units of 1/10,000 of a start.
const START: u64 = 10_000;

/// A bucket of fractional starts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    saved: u64,
    cap: u64,
    deposit: u64,
    floor_every: Option<Duration>,
    floor_at: Moment,
}

impl Budget {
    /// For retries at the same target: ten initially, plus a tenth of a start per success, at most 50 saved, and one
    /// start every 5 s in any case.
    #[must_use]
    pub const fn retries() -> Self {
        Self {
            saved: 10 * START,
            cap: 50 * START,
            deposit: START / 10,
            floor_every: Some(Duration::from_secs(5)),
            floor_at: Moment::ZERO,
        }
    }

    /// For hedges: `share_bp` hundredths of a per cent of a start per call, at most 10 saved.
    #[must_use]
    pub const fn hedges(share_bp: u32) -> Self {
        Self {
            saved: if share_bp == 0 { 0 } else { START },
            cap: 10 * START,
            deposit: share_bp as u64,
            floor_every: None,
            floor_at: Moment::ZERO,
        }
    }

    /// For calls whose targets are all known to be unhealthy: a tenth of traffic, and one per second.
    #[must_use]
    pub const fn last_resort() -> Self {
        Self {
            saved: START,
            cap: 10 * START,
            deposit: START / 10,
            floor_every: Some(Duration::from_secs(1)),
            floor_at: Moment::ZERO,
        }
    }

    /// Adds what one success (for hedges and last resorts, one call) earns.
    pub fn deposit(&mut self) {
        self.saved = (self.saved + self.deposit).min(self.cap);
    }

    /// Takes one start, if there is one.
    #[must_use]
    pub fn try_take(&mut self, now: Moment) -> bool {
        if self.saved >= START {
            self.saved -= START;
            return true;
        }
        match self.floor_every {
            Some(every) if now >= self.floor_at => {
                self.floor_at = now + every;
                true
            }
            _ => false,
        }
    }

    /// When a start is available without further deposits; `None` if never.
    #[must_use]
    pub fn ready_at(&self, now: Moment) -> Option<Moment> {
        if self.saved >= START { Some(now) } else { self.floor_every.map(|_| now.max(self.floor_at)) }
    }

    /// Whether less than one start is saved.
    #[must_use]
    pub const fn is_low(&self) -> bool {
        self.saved < START
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spent_budget_refills_one_retry_every_five_seconds() {
        let mut budget = Budget::retries();
        let at = |secs| Moment::ZERO + Duration::from_secs(secs);
        assert!((0..11).all(|_| budget.try_take(at(0))));
        assert!(!budget.try_take(at(4)));
        assert_eq!(budget.ready_at(at(4)), Some(at(5)));
        assert!(budget.try_take(at(5)));
    }

    #[test]
    fn no_share_allows_no_hedge() {
        assert!(!Budget::hedges(0).try_take(Moment::ZERO));
    }

    #[test]
    fn smallest_share_still_accumulates() {
        let mut budget = Budget::hedges(1);
        assert!(budget.try_take(Moment::ZERO) && !budget.try_take(Moment::ZERO));
        (0..10_000).for_each(|_| budget.deposit());
        assert!(budget.try_take(Moment::ZERO));
    }

    proptest! {
        #[test]
        fn extra_starts_stay_within_a_share_of_successes(steps in prop::collection::vec((any::<bool>(), 0u64..400), 1..400)) {
            let mut budget = Budget::retries();
            let (mut now, mut earned, mut taken) = (Moment::ZERO, 0u64, 0u64);
            for (success, millis) in steps {
                now = now + Duration::from_millis(millis);
                if success {
                    budget.deposit();
                    earned += 1;
                } else {
                    let ready = budget.ready_at(now) == Some(now);
                    prop_assert_eq!(ready, budget.try_take(now), "a caller that retries when told to gets one");
                    taken += u64::from(ready);
                }
                let floors = now.as_nanos() / 5_000_000_000 + 1;
                prop_assert!(taken * 10 <= earned + floors * 10 + 100);
            }
        }
    }
}
