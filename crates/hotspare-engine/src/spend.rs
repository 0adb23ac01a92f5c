//! Spending over time: what may be spent per hour, day or month, and what was.
//!
//! Not a bill: list prices times tokens. Invariant: attempts in flight count at their expected cost until the actual
//! one is known, so that concurrent calls cannot exceed the limit together; memory is bounded (a few dozen sums).

use std::collections::VecDeque;
use std::time::Duration;

use hotspare_core::{Cost, Moment};

/// Number of parts into which a period is divided; the oldest part expires as a whole.
const PARTS: u32 = 48;

/// The maximum cost within a sliding period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpendLimit {
    /// Maximum cost.
    pub most: Cost,
    /// Length of the period.
    pub per: Duration,
}

impl SpendLimit {
    /// At most `most` within any period of length `per`.
    #[must_use]
    pub const fn new(most: Cost, per: Duration) -> Self {
        Self { most, per }
    }
}

/// Why an attempt may not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Overspent {
    pub(crate) why: String,
    /// When enough of what was spent has left the period; `None` if the limit is too small at any time.
    pub(crate) until: Option<Moment>,
}

/// What was spent against a limit.
#[derive(Clone, Debug)]
pub(crate) struct Spend {
    limit: SpendLimit,
    /// Number of the part, counted from the origin, and what was spent in it; oldest first.
    parts: VecDeque<(u64, Cost)>,
    under_way: Cost,
}

impl Spend {
    pub(crate) fn new(limit: SpendLimit) -> Self {
        Self { limit, parts: VecDeque::new(), under_way: Cost::ZERO }
    }

    /// Why an attempt of this expected cost may not start, if it may not.
    pub(crate) fn refuses(&self, now: Moment, expected: Cost) -> Option<Overspent> {
        let spent = self.spent_at(now) + self.under_way;
        let over = spent + expected > self.limit.most;
        over.then(|| {
            let hours = self.limit.per.as_secs_f64() / 3_600.0;
            let why = format!(
                "{spent} of {} in {hours:.1} h are spent, and its prompt would cost {expected}",
                self.limit.most
            );
            Overspent { why, until: self.fits_at(now, expected) }
        })
    }

    /// When it fits, if nothing else is spent meanwhile. At least a second from now, because the actual cost of
    /// attempts in flight will be known soon.
    fn fits_at(&self, now: Moment, expected: Cost) -> Option<Moment> {
        if expected > self.limit.most {
            return None;
        }
        let spent = self.spent_at(now) + self.under_way;
        let mut over = (spent + expected).saturating_sub(self.limit.most);
        let mut at = now + Duration::from_secs(1);
        for (number, cost) in self.remembered(now) {
            if over == Cost::ZERO {
                break;
            }
            over = over.saturating_sub(*cost);
            at = self.start_of(number + u64::from(PARTS));
        }
        Some(at)
    }

    /// What was spent in the period that ends now.
    pub(crate) fn spent_at(&self, now: Moment) -> Cost {
        self.remembered(now).map(|(_, cost)| *cost).sum()
    }

    pub(crate) fn begin(&mut self, expected: Cost) {
        self.under_way += expected;
    }

    pub(crate) fn end(&mut self, now: Moment, expected: Cost, cost: Cost) {
        self.under_way = self.under_way.saturating_sub(expected);
        self.forget(now);
        let number = self.number(now);
        match self.parts.back_mut() {
            // A moment slightly in the past counts towards the latest part.
            Some((last, sum)) if *last >= number => *sum += cost,
            _ => self.parts.push_back((number, cost)),
        }
    }

    /// The parts that lie in the period that ends now.
    fn remembered(&self, now: Moment) -> impl Iterator<Item = &(u64, Cost)> {
        let number = self.number(now);
        self.parts.iter().filter(move |(first, _)| first + u64::from(PARTS) > number)
    }

    fn forget(&mut self, now: Moment) {
        let kept = self.remembered(now).count();
        self.parts.drain(..self.parts.len() - kept);
    }

    /// Length of a part, in nanoseconds.
    fn part(&self) -> u64 {
        let part = (self.limit.per / PARTS).max(Duration::from_millis(1));
        u64::try_from(part.as_nanos()).unwrap_or(u64::MAX)
    }

    fn number(&self, now: Moment) -> u64 {
        now.as_nanos() / self.part()
    }

    fn start_of(&self, number: u64) -> Moment {
        Moment::from_nanos(number.saturating_mul(self.part()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn dollars(n: u64) -> Cost {
        Cost::from_micros(n * 1_000_000)
    }

    #[test]
    fn spend_window_slides_and_counts_in_flight_cost() {
        let mut spend = Spend::new(SpendLimit::new(dollars(50), DAY));
        let at = |hours: u64| Moment::ZERO + Duration::from_secs(3_600 * hours);
        spend.begin(dollars(30));
        assert_eq!(spend.refuses(at(0), dollars(20)), None);
        assert!(spend.refuses(at(0), dollars(21)).is_some(), "30 are in flight");
        spend.end(at(0), dollars(30), dollars(49));
        let Overspent { why, until } = spend.refuses(at(23), dollars(2)).unwrap();
        assert!(why.contains("49.000000 USD of 50.000000 USD in 24.0 h"), "{why}");
        assert_eq!(until, Some(at(24)));
        assert_eq!(spend.refuses(at(23), dollars(51)).unwrap().until, None, "it never fits");
        assert_eq!(spend.refuses(at(24), dollars(50)), None, "a day later it is forgotten");
    }

    proptest! {
        #[test]
        fn spending_never_exceeds_the_limit_in_any_window(
            calls in proptest::collection::vec((0..90_u64, 0..20_u64), 1..200),
        ) {
            let limit = SpendLimit::new(dollars(50), Duration::from_secs(1_440));
            let mut spend = Spend::new(limit);
            let mut now = Moment::ZERO;
            let mut paid: Vec<(Moment, u64)> = Vec::new();
            for (pause, cost) in calls {
                now = now + Duration::from_secs(pause);
                let refused = spend.refuses(now, dollars(cost));
                if let Some(at) = refused.as_ref().and_then(|overspent| overspent.until) {
                    let just_before = Moment::from_nanos(at.as_nanos() - 1);
                    prop_assert!(at > now && spend.clone().refuses(at, dollars(cost)).is_none());
                    prop_assert!(spend.clone().refuses(just_before, dollars(cost)).is_some());
                }
                if refused.is_none() {
                    spend.begin(dollars(cost));
                    spend.end(now, dollars(cost), dollars(cost));
                    paid.push((now, cost));
                }
                // A part expires as a whole, so the oldest costs may expire up to one part early.
                let within = |at: Moment| now.saturating_since(at) < limit.per - limit.per / PARTS;
                let sum: u64 = paid.iter().filter(|(at, _)| within(*at)).map(|(_, cost)| cost).sum();
                prop_assert!(sum <= 50, "{sum}");
                prop_assert!(spend.parts.len() <= 49);
            }
        }
    }
}
