//! How often a scope fails, over minutes and over days.
//!
//! Why in addition to the window: a window of seconds forgets a provider that fails one call in fifty, which is how
//! providers fail most of the time. Two averages remember it: a fast one that follows an incident within some thirty
//! calls, and a slow one for the long-term rate. Without calls the fast one decays towards the slow one, so that an
//! incident does not count against a target for longer than it lasts. The constants are those that performed best on
//! recorded availability (see the decisions).
//!
//! Not a breaker: it changes no state. Invariant: integers only, between 0 and a million.

use std::time::Duration;

use hotspare_core::Moment;

/// A failure, in parts per million.
const WHOLE: i64 = 1_000_000;
/// Expected failure rate of a target without calls: neither better nor worse than usual.
const PRIOR: i64 = 5_000;
/// Divisors of the fast and the slow average: the weight of one new outcome, once that many were seen.
const FAST: i64 = 32;
const SLOW: i64 = 512;
/// The slow average starts as if it had already seen this many outcomes.
const BELIEVED: i64 = 20;
/// Half-life of the fast average's decay towards the slow one.
const HALF_LIFE: Duration = Duration::from_secs(900);

/// The record of one scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    fast: i64,
    slow: i64,
    seen: i64,
    at: Moment,
}

impl Default for Record {
    fn default() -> Self {
        Self { fast: PRIOR, slow: PRIOR, seen: 0, at: Moment::ZERO }
    }
}

impl Record {
    /// Takes an outcome. Every failure counts in full, whatever it weighs for the breaker: a refusal that says little
    /// about the target's health (load shedding) still costs its caller as much as any other failure.
    pub(crate) fn outcome(&mut self, now: Moment, failed: bool) {
        self.fast = self.faded(now);
        self.at = now.max(self.at);
        let new = if failed { WHOLE } else { 0 };
        self.slow += (new - self.slow) / (self.seen + BELIEVED).min(SLOW);
        self.fast += (new - self.fast) / FAST;
        self.seen = (self.seen + 1).min(SLOW);
    }

    /// The share of calls that is expected to fail, in parts per million.
    pub(crate) fn expected_ppm(&self, now: Moment) -> u32 {
        u32::try_from((self.faded(now) + self.slow) / 2).unwrap_or(0)
    }

    fn faded(&self, now: Moment) -> i64 {
        let halvings = now.saturating_since(self.at).as_nanos() / HALF_LIFE.as_nanos();
        self.slow + (self.fast - self.slow) / (1i64 << halvings.min(40))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn after(outcomes: impl IntoIterator<Item = bool>) -> Record {
        let mut record = Record::default();
        outcomes.into_iter().for_each(|failed| record.outcome(Moment::ZERO, failed));
        record
    }

    #[test]
    fn record_remembers_rare_failures_and_forgives_outages() {
        let well = after((0..2_000).map(|_| false));
        let weak = after((0..2_000).map(|n| n % 50 == 0));
        assert!(well.expected_ppm(Moment::ZERO) < 200, "{well:?}");
        assert!((8_000..40_000).contains(&weak.expected_ppm(Moment::ZERO)), "{weak:?}");
        let ill = after((0..2_030).map(|n| n >= 2_000));
        let later = Moment::ZERO + Duration::from_secs(3_600);
        assert!(ill.expected_ppm(Moment::ZERO) > 300_000 && ill.expected_ppm(later) < 110_000, "{ill:?}");
    }

    proptest! {
        #[test]
        fn failures_never_lower_the_expected_failure_rate(outcomes in prop::collection::vec((any::<bool>(), 0u64..4_000), 0..200)) {
            let (mut record, mut now) = (Record::default(), Moment::ZERO);
            for (failed, gap) in outcomes {
                now = now + Duration::from_secs(gap);
                let (mut worse, mut better) = (record, record);
                worse.outcome(now, true);
                better.outcome(now, false);
                prop_assert!(better.expected_ppm(now) <= worse.expected_ppm(now) && worse.expected_ppm(now) <= 1_000_000);
                record = if failed { worse } else { better };
            }
        }
    }
}
