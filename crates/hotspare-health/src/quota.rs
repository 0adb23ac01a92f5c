//! Buckets of requests and tokens that refill at a constant rate: a provider's, or those of an operator's limits.
//!
//! Not a rate limiter: it tells how long to wait. Invariant: the level never exceeds the limit; what a reply reports
//! replaces the estimate; no wait is longer than an hour.

use std::time::Duration;

use hotspare_core::{Allowance, Moment};

/// Longest wait; a longer one is treated as this, because a header may be garbage.
const LONGEST: Duration = Duration::from_secs(3_600);

/// Buckets of requests and of tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Quota {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

impl Quota {
    /// Full buckets that refill by these amounts per minute; `None` means no limit.
    #[must_use]
    pub fn per_minute(requests: Option<u64>, tokens: Option<u64>) -> Self {
        Self { requests: requests.map(Bucket::per_minute), tokens: tokens.map(Bucket::per_minute) }
    }

    /// When there is enough for one request of `tokens` tokens; `None` if that is now.
    #[must_use]
    pub fn wait(&self, now: Moment, tokens: u64) -> Option<Moment> {
        let request = self.requests.as_ref().map(|bucket| bucket.ready_at(now, 1));
        let tokens = self.tokens.as_ref().map(|bucket| bucket.ready_at(now, tokens.max(1)));
        request.max(tokens).filter(|at| *at > now)
    }

    /// Takes one request of `tokens` tokens, as far as available.
    pub fn take(&mut self, now: Moment, tokens: u64) {
        for (bucket, need) in [(&mut self.requests, 1), (&mut self.tokens, tokens)] {
            if let Some(bucket) = bucket {
                bucket.take(now, need);
            }
        }
    }

    /// Corrects the tokens of a call that has ended from the estimate to what it used.
    pub fn correct(&mut self, now: Moment, reckoned: u64, used: u64) {
        if let Some(tokens) = &mut self.tokens {
            tokens.correct(now, reckoned, used);
        }
    }

    /// Whether half of the tokens' bucket or more has flowed in since then.
    pub(crate) fn is_old(&self, sent: Moment, now: Moment) -> bool {
        self.tokens.as_ref().is_some_and(|bucket| bucket.is_old(sent, now))
    }

    /// Tokens that a full bucket holds; 0 without one.
    pub(crate) fn most_tokens(&self) -> u64 {
        self.tokens.as_ref().map_or(0, |bucket| bucket.limit)
    }

    /// Takes over what is left of the requests according to the reply to a request that was sent at `sent`, after which
    /// `later` were taken. Returns whether the report tells more than the estimate.
    pub(crate) fn learn_requests(
        &mut self,
        sent: Moment,
        now: Moment,
        allowance: &Allowance,
        later: u64,
    ) -> bool {
        Bucket::learn(&mut self.requests, sent, now, allowance, later)
    }

    /// As [`Quota::learn_requests`], for tokens.
    pub(crate) fn learn_tokens(
        &mut self,
        sent: Moment,
        now: Moment,
        allowance: &Allowance,
        later: u64,
    ) -> bool {
        Bucket::learn(&mut self.tokens, sent, now, allowance, later)
    }
}

/// A bucket that refills at a constant rate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bucket {
    limit: u64,
    /// Units available at `at`; `at` lies in the future while the bucket is in debt.
    level: u64,
    /// Time in which one unit is refilled, in nanoseconds.
    unit: u64,
    at: Moment,
}

impl Bucket {
    /// A full bucket of `limit` units that refills by as many per minute.
    pub(crate) fn per_minute(limit: u64) -> Self {
        Self { limit, level: limit, unit: 60_000_000_000 / limit.max(1), at: Moment::ZERO }
    }

    /// What a reply reports. `None` if units are missing and the reply does not say when the bucket is full again.
    pub(crate) fn reported(now: Moment, allowance: &Allowance) -> Option<Self> {
        let missing = allowance.limit.saturating_sub(allowance.remaining);
        let reset = allowance.reset.or((missing == 0).then_some(Duration::ZERO))?.min(LONGEST);
        let unit = u64::try_from(reset.as_nanos() / u128::from(missing.max(1))).unwrap_or(u64::MAX);
        Some(Self { limit: allowance.limit, level: allowance.remaining, unit, at: now })
    }

    /// Replaces the estimate by what was left at `sent`, less what was taken later. If half of the bucket or more has
    /// flowed in since, the estimate's level is better, because how much of that the full bucket could not hold is unknown;
    /// then only limit and rate are taken over, and the answer is `false`.
    fn learn(
        estimate: &mut Option<Self>,
        sent: Moment,
        now: Moment,
        allowance: &Allowance,
        later: u64,
    ) -> bool {
        let mut reported = Self::reported(sent, allowance);
        if let Some(old) = estimate.as_mut().filter(|old| old.is_old(sent, now)) {
            if let Some(reported) = reported.filter(|reported| reported.unit > 0) {
                old.take(now, 0);
                (old.limit, old.unit) = (reported.limit, reported.unit);
                old.level = old.level.min(old.limit);
            }
            return false;
        }
        if let Some(reported) = &mut reported {
            reported.take(now, later);
        }
        *estimate = reported;
        true
    }

    /// Whether half of the bucket or more has flowed in since then; unknown without a rate.
    fn is_old(&self, sent: Moment, now: Moment) -> bool {
        let half = Duration::from_nanos(self.unit.saturating_mul(self.limit) / 2);
        self.unit > 0 && now.saturating_since(sent) >= half
    }

    /// When `need` units are available. More than the bucket holds never are, so the wait is capped at a full bucket.
    pub(crate) fn ready_at(&self, now: Moment, need: u64) -> Moment {
        let level = self.level(now);
        let Some(missing) = need.min(self.limit).checked_sub(level).filter(|missing| *missing > 0) else {
            return now;
        };
        let wait = Duration::from_nanos(missing.saturating_mul(self.unit)).min(LONGEST);
        (now.max(self.at) + wait).min(now + LONGEST)
    }

    /// Returns what was not used, or takes what was used beyond the estimate, as a debt if it is not available.
    fn correct(&mut self, now: Moment, reckoned: u64, used: u64) {
        self.take(now, 0);
        let ahead = u64::try_from(self.at.saturating_since(now).as_nanos()).unwrap_or(u64::MAX);
        let owed = ahead.checked_div(self.unit).unwrap_or(0);
        let have = self.level.saturating_add(reckoned.min(self.limit));
        let need = owed.saturating_add(used);
        self.level = have.saturating_sub(need).min(self.limit);
        let owed = Duration::from_nanos(need.saturating_sub(have).saturating_mul(self.unit)).min(LONGEST);
        self.at = if owed.is_zero() { self.at.min(now) } else { now + owed };
    }

    /// Takes `need` units, as far as available.
    pub(crate) fn take(&mut self, now: Moment, need: u64) {
        let flowed = self.flowed(now);
        let level = self.level.saturating_add(flowed);
        // A partially refilled unit is kept, unless the bucket is full.
        let whole = Duration::from_nanos(flowed.saturating_mul(self.unit));
        self.at = if level >= self.limit { now } else { self.at + whole };
        self.level = level.min(self.limit).saturating_sub(need);
    }

    pub(crate) fn level(&self, now: Moment) -> u64 {
        self.level.saturating_add(self.flowed(now)).min(self.limit)
    }

    fn flowed(&self, now: Moment) -> u64 {
        let passed = u64::try_from(now.saturating_since(self.at).as_nanos()).unwrap_or(u64::MAX);
        passed.checked_div(self.unit).unwrap_or(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn empty_bucket_reports_when_it_refills() {
        let allowance = Allowance::new(60, 0, Some(Duration::from_secs(60))).unwrap();
        let mut bucket = Bucket::reported(at(0), &allowance).unwrap();
        assert_eq!(bucket.ready_at(at(0), 1), at(1_000));
        assert_eq!(bucket.ready_at(at(0), 10), at(10_000));
        assert_eq!(bucket.ready_at(at(30_000), 30), at(30_000));
        bucket.take(at(30_000), 30);
        assert_eq!(bucket.ready_at(at(30_000), 1), at(31_000));
    }

    #[test]
    fn report_without_reset_is_ignored_unless_the_bucket_is_full() {
        assert_eq!(Bucket::reported(at(0), &Allowance::new(60, 10, None).unwrap()), None);
        let full = Bucket::reported(at(0), &Allowance::new(60, 60, None).unwrap()).unwrap();
        assert_eq!(full.ready_at(at(0), 60), at(0));
    }

    #[test]
    fn corrections_refund_unused_and_charge_overused_tokens() {
        let mut bucket = Bucket::per_minute(60);
        bucket.take(at(0), 40);
        bucket.correct(at(0), 40, 10);
        assert_eq!(bucket.level(at(0)), 50);
        bucket.take(at(0), 40);
        bucket.correct(at(0), 40, 80);
        assert_eq!(bucket.level(at(0)), 0);
        assert_eq!(bucket.ready_at(at(0), 1), at(31_000), "30 are owed, and one is needed");
        bucket.correct(at(10_000), 0, 5);
        assert_eq!(bucket.ready_at(at(10_000), 1), at(36_000));
        bucket.correct(at(10_000), 40, 0);
        assert_eq!(bucket.level(at(10_000)), 15, "25 were owed");
        bucket.correct(at(10_000), 1_000_000, 0);
        assert_eq!(bucket.level(at(10_000)), 60, "never more than it holds");
        bucket.correct(at(10_000), 0, u64::MAX);
        assert!(bucket.ready_at(at(10_000), 1) <= at(3_610_000), "no wait is longer than an hour");
    }

    proptest! {
        #[test]
        fn no_report_causes_a_wait_longer_than_an_hour(
            limit in 1u64.., part in 0u64..=100, reset in 0u64.., need in 0u64.., later in 0u64..,
        ) {
            let allowance = Allowance::new(limit, limit / 100 * part, Some(Duration::from_nanos(reset))).unwrap();
            if let Some(mut bucket) = Bucket::reported(Moment::ZERO, &allowance) {
                let now = Moment::from_nanos(later / 2);
                prop_assert!(bucket.ready_at(now, need).saturating_since(now) <= LONGEST);
                bucket.take(now, need);
                prop_assert!(bucket.ready_at(now, need).saturating_since(now) <= LONGEST);
            }
        }

        /// In any period no more passes than the limit and the initial burst, and a caller that waits gets the full
        /// rate.
        #[test]
        fn configured_limit_is_never_exceeded_and_fully_usable(gaps in prop::collection::vec(0u64..3_000, 1..300)) {
            let mut bucket = Bucket::per_minute(30);
            let (mut now, mut taken) = (0, 0u64);
            for gap in gaps {
                now += gap;
                if bucket.ready_at(at(now), 1) == at(now) {
                    bucket.take(at(now), 1);
                    taken += 1;
                }
                prop_assert!(taken <= 30 + now / 2_000);
            }
            for _ in 0..100 {
                let ready = bucket.ready_at(at(now), 1);
                bucket.take(ready, 1);
                now = ready.as_nanos() / 1_000_000;
                taken += 1;
            }
            prop_assert!(taken >= (now / 2_000).saturating_sub(1), "{taken} in {now} ms");
        }
    }
}
