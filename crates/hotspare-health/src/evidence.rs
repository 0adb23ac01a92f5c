//! Accumulated evidence of failure.
//!
//! Why in addition to the window: a window needs a certain volume of calls to judge a share, and a count of failures
//! ignores what lies between them. This sum (a CUSUM, Page 1954) needs neither: each outcome adds the log-likelihood
//! ratio between a target that fails every second call and one that fails one in fifty. It trips after four failures
//! in a row at any traffic rate, or three if the host cannot be reached, sooner or later for any failure rate above about
//! one in six, and below that only by chance.
//!
//! Not a clock: old evidence fades when the next outcome arrives. Invariant: integers only, never below zero, and
//! turning a success into a failure never delays the opening.

use std::time::Duration;

use hotspare_core::Moment;

/// When the sum opens a breaker, and what each outcome adds, in thousandths of a nat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Evidence {
    /// Opens at this sum. Default 11,513 (ln 10⁵: four failures in a row, and less than one false opening in 10,000
    /// calls at a failure rate of 5 %). 9,210 opens at three, 13,816 at five.
    pub trip: u32,
    /// What a full failure adds. Default 3,219 (ln 0.5/0.02).
    pub failure: u32,
    /// What a failure to reach the host adds. Default 4,135 (ln 0.5/0.008): healthy hosts refuse connections more rarely
    /// than they fail, so three in a row open.
    pub unreachable: u32,
    /// What a success subtracts. Default 673 (ln 0.98/0.5).
    pub success: u32,
    /// Time in which the sum halves without outcomes. Default 10 min.
    pub half_life: Duration,
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            trip: 11_513,
            failure: 3_219,
            unreachable: 4_135,
            success: 673,
            half_life: Duration::from_secs(600),
        }
    }
}

impl Evidence {
    /// Opens at another sum, in thousandths of a nat.
    #[must_use]
    pub const fn trip(mut self, sum: u32) -> Self {
        self.trip = sum;
        self
    }
}

/// The sum so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Sum {
    pub(crate) milli_nats: u64,
    touched: Moment,
}

impl Sum {
    /// The initial sum of a target that one probe found healthy: the next full failure trips, and a dozen successes
    /// clear it.
    pub(crate) fn one_short_of(now: Moment, rule: &Evidence) -> Self {
        Self { milli_nats: u64::from(rule.trip.saturating_sub(rule.failure)), touched: now }
    }

    pub(crate) fn success(&mut self, now: Moment, rule: &Evidence) {
        self.fade(now, rule);
        self.milli_nats = self.milli_nats.saturating_sub(u64::from(rule.success));
    }

    /// `full` is what a full failure of its sort adds, and `weight_milli` its share of one, in thousandths.
    pub(crate) fn failure(&mut self, now: Moment, rule: &Evidence, full: u32, weight_milli: u32) {
        self.fade(now, rule);
        let more = u64::from(full) * u64::from(weight_milli) / 1_000;
        self.milli_nats = self.milli_nats.saturating_add(more);
    }

    pub(crate) fn trips(&self, rule: &Evidence) -> bool {
        self.milli_nats >= u64::from(rule.trip)
    }

    fn fade(&mut self, now: Moment, rule: &Evidence) {
        let passed = now.saturating_since(self.touched).as_nanos();
        let halvings = u32::try_from(passed / rule.half_life.as_nanos().max(1)).unwrap_or(u32::MAX);
        self.milli_nats = self.milli_nats.checked_shr(halvings).unwrap_or(0);
        self.touched = now.max(self.touched);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULE: Evidence = Evidence {
        trip: 11_513,
        failure: 3_219,
        unreachable: 4_135,
        success: 673,
        half_life: Duration::from_secs(600),
    };

    /// After how many outcomes it trips, `gap` seconds apart.
    fn trips_after(failures: impl IntoIterator<Item = bool>, gap: u64) -> Option<usize> {
        let mut sum = Sum::default();
        failures.into_iter().enumerate().find_map(|(index, failed)| {
            let now = Moment::ZERO + Duration::from_secs(gap * index as u64);
            if failed {
                sum.failure(now, &RULE, RULE.failure, 1_000)
            } else {
                sum.success(now, &RULE)
            }
            sum.trips(&RULE).then_some(index + 1)
        })
    }

    #[test]
    fn four_consecutive_failures_trip_but_one_in_ten_never_does() {
        for gap in [0, 1, 60, 500] {
            assert_eq!(trips_after([true; 10], gap), Some(4), "one call in {gap} s");
        }
        assert_eq!(trips_after((0..100_000).map(|index| index % 10 == 0), 0), None);
        let half = trips_after((0..100).map(|index| index % 2 == 0), 0).unwrap();
        assert!(half <= 10, "half of the calls failing is found within ten: {half}");
    }

    #[test]
    fn evidence_decays_within_an_hour() {
        let mut sum = Sum::default();
        for _ in 0..3 {
            sum.failure(Moment::ZERO, &RULE, RULE.failure, 1_000);
        }
        let later = Moment::ZERO + Duration::from_secs(3_600);
        sum.failure(later, &RULE, RULE.failure, 1_000);
        assert!(!sum.trips(&RULE) && sum.milli_nats < 2 * u64::from(RULE.failure), "{sum:?}");
    }

    proptest! {
        /// The metamorphic invariant: more failures never trip later.
        #[test]
        fn more_failures_never_delay_the_trip(
            outcomes in prop::collection::vec(any::<bool>(), 1..80), turned in 0usize..80,
        ) {
            let before = trips_after(outcomes.clone(), 1).unwrap_or(usize::MAX);
            let mut worse = outcomes;
            if let Some(outcome) = worse.get_mut(turned) {
                *outcome = true;
            }
            prop_assert!(trips_after(worse, 1).unwrap_or(usize::MAX) <= before);
        }

        /// Stretching time without changing the order has an effect only through the half-life.
        #[test]
        fn time_matters_only_through_the_half_life(
            outcomes in prop::collection::vec(any::<bool>(), 1..80), a in 0u64..599, b in 0u64..599,
        ) {
            prop_assert_eq!(trips_after(outcomes.clone(), a), trips_after(outcomes, b));
        }
    }
}
