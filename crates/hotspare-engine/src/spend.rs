//! Spending over time: what may be spent per hour, day or month, and what was.
//!
//! Not a bill: list prices times tokens. Invariant: attempts in flight count at what they may cost until the actual cost
//! is known, so that concurrent calls exceed the limit together only by what each costs beyond that; memory is bounded
//! (a few dozen sums).

use std::collections::VecDeque;
use std::time::Duration;

use hotspare_core::{Cost, Moment};

/// Number of parts into which a period is divided; the oldest part expires as a whole.
const PARTS: u32 = 48;

/// The maximum cost within a sliding period.
///
/// An attempt starts only if its prompt and its answer fit beside what is spent and what attempts in flight have
/// reserved; when it ends, however it ends, its actual cost replaces what it reserved. The answer counts with the
/// request's output limit or, without one, 1,024 tokens. If both together cost more than the whole limit, the attempt
/// reserves all of it: it starts when nothing else is spent or reserved. Only a prompt that costs more by itself never
/// starts. What is spent therefore exceeds the limit only as far as prompts are longer than estimated, answers without
/// an output limit longer than those 1,024 tokens, and such an attempt's answer dearer than the limit; costs that a
/// provider does not report, such as those of an attempt that was dropped, count as estimated. Per process, at list
/// prices; of the period, a 48th expires at a time.
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

/// What an attempt may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Estimate {
    /// Its prompt alone.
    pub(crate) prompt: Cost,
    /// Its prompt and an answer that uses the room reserved for it.
    pub(crate) most: Cost,
}

impl Estimate {
    /// The answer is not known, or costs nothing.
    pub(crate) fn of_prompt(prompt: Cost) -> Self {
        Self { prompt, most: prompt }
    }
}

/// Why an attempt may not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Overspent {
    pub(crate) why: String,
    /// When enough of what was spent has left the period; `None` if the limit is too small for the prompt at any time.
    pub(crate) until: Option<Moment>,
}

/// What was spent against a limit.
#[derive(Clone, Debug)]
pub(crate) struct Spend {
    limit: SpendLimit,
    /// Number of the part, counted from the origin, and what was spent in it; oldest first.
    parts: VecDeque<(u64, Cost)>,
    /// What attempts in flight may cost.
    reserved: Cost,
}

impl Spend {
    pub(crate) fn new(limit: SpendLimit) -> Self {
        Self { limit, parts: VecDeque::new(), reserved: Cost::ZERO }
    }

    /// Why an attempt that may cost this much may not start, if it may not.
    pub(crate) fn refuses(&self, now: Moment, estimate: Estimate) -> Option<Overspent> {
        let Estimate { prompt, most } = estimate;
        let (spent, reserved) = (self.spent_at(now), self.reserved);
        let never = prompt > self.limit.most;
        let over = spent + reserved + self.share(most) > self.limit.most;
        (never || over).then(|| {
            let hours = self.limit.per.as_secs_f64() / 3_600.0;
            let mut why = format!("{spent} of {} in {hours:.1} h are spent", self.limit.most);
            if reserved > Cost::ZERO {
                why.push_str(&format!(", {reserved} are reserved until the calls in flight end"));
            }
            if never {
                why.push_str(&format!(", and its prompt alone costs {prompt}, more than the whole limit"));
            } else {
                why.push_str(&format!(", and it may cost {most}"));
            }
            if !never && most > self.limit.most {
                why.push_str(
                    ", more than the whole limit, so it waits until nothing else is spent or reserved: with a lower output limit it need not",
                );
            }
            let until = (!never).then(|| self.fits_at(now, self.share(most)));
            Overspent { why, until }
        })
    }

    /// What an attempt that may cost this much reserves: no more than there is while nothing else is spent, or it could
    /// never start.
    fn share(&self, most: Cost) -> Cost {
        most.min(self.limit.most)
    }

    /// When it fits, if nothing else is spent meanwhile. At least a second from now, because the actual cost of
    /// attempts in flight will be known soon.
    fn fits_at(&self, now: Moment, share: Cost) -> Moment {
        let mut over = (self.spent_at(now) + self.reserved + share).saturating_sub(self.limit.most);
        let mut at = now + Duration::from_secs(1);
        // What is reserved may cost less, or nothing: a refused attempt is not billed.
        if self.spent_at(now) + share <= self.limit.most {
            return at;
        }
        for (number, cost) in self.remembered(now) {
            if over == Cost::ZERO {
                break;
            }
            over = over.saturating_sub(*cost);
            at = self.start_of(number + u64::from(PARTS));
        }
        at
    }

    /// What was spent in the period that ends now.
    pub(crate) fn spent_at(&self, now: Moment) -> Cost {
        self.remembered(now).map(|(_, cost)| *cost).sum()
    }

    /// An attempt starts that may cost this much.
    pub(crate) fn begin(&mut self, most: Cost) {
        self.reserved += self.share(most);
    }

    /// An attempt has ended that could have cost `most`.
    pub(crate) fn end(&mut self, now: Moment, most: Cost, cost: Cost) {
        self.reserved = self.reserved.saturating_sub(self.share(most));
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

    fn prompt(n: u64) -> Estimate {
        Estimate::of_prompt(dollars(n))
    }

    #[test]
    fn spend_window_slides_and_counts_in_flight_cost() {
        let mut spend = Spend::new(SpendLimit::new(dollars(50), DAY));
        let at = |hours: u64| Moment::ZERO + Duration::from_secs(3_600 * hours);
        spend.begin(dollars(30));
        assert_eq!(spend.refuses(at(0), prompt(20)), None);
        assert!(spend.refuses(at(0), prompt(21)).is_some(), "30 are in flight");
        spend.end(at(0), dollars(30), dollars(49));
        let Overspent { why, until } = spend.refuses(at(23), prompt(2)).unwrap();
        assert!(why.contains("49.000000 USD of 50.000000 USD in 24.0 h"), "{why}");
        assert_eq!(until, Some(at(24)));
        assert_eq!(spend.refuses(at(23), prompt(51)).unwrap().until, None, "it never fits");
        assert_eq!(spend.refuses(at(24), prompt(50)), None, "a day later it is forgotten");
    }

    #[test]
    fn refusal_names_what_is_reserved() {
        let mut spend = Spend::new(SpendLimit::new(dollars(50), DAY));
        spend.begin(dollars(45));
        let Overspent { why, until } = spend.refuses(Moment::ZERO, prompt(6)).unwrap();
        assert!(why.contains("45.000000 USD are reserved until the calls in flight end"), "{why}");
        assert!(why.contains("it may cost 6.000000 USD"), "{why}");
        assert_eq!(until, Some(Moment::ZERO + Duration::from_secs(1)), "they may cost less");
    }

    #[test]
    fn attempt_that_may_cost_more_than_the_limit_reserves_all_of_it_until_it_ends() {
        let mut spend = Spend::new(SpendLimit::new(dollars(50), DAY));
        let large = Estimate { prompt: dollars(1), most: dollars(60) };
        assert_eq!(spend.refuses(Moment::ZERO, large), None);
        spend.begin(dollars(60));
        assert!(spend.refuses(Moment::ZERO, prompt(1)).is_some());
        spend.end(Moment::ZERO, dollars(60), dollars(2));
        assert_eq!(spend.refuses(Moment::ZERO, prompt(48)), None);
        let Overspent { until, .. } = spend.refuses(Moment::ZERO, large).unwrap();
        assert_eq!(until, Some(Moment::ZERO + DAY), "when those 2 are forgotten");
    }

    proptest! {
        /// Each step ends the call in flight at an index, or else starts one. A call may cost more than was reserved.
        #[test]
        fn calls_in_flight_exceed_a_limit_together_only_by_what_each_exceeds_its_bound(
            steps in proptest::collection::vec((0..12_usize, 1..20_u64, 0..24_u64), 1..300),
        ) {
            let mut spend = Spend::new(SpendLimit::new(dollars(100), DAY));
            let (mut flying, mut excess): (Vec<(u64, u64)>, u64) = (Vec::new(), 0);
            for (index, most, cost) in steps {
                if index < flying.len() {
                    let (reserved, cost) = flying.swap_remove(index);
                    excess += cost.saturating_sub(reserved);
                    spend.end(Moment::ZERO, dollars(reserved), dollars(cost));
                } else if spend.refuses(Moment::ZERO, prompt(most)).is_none() {
                    spend.begin(dollars(most));
                    flying.push((most, cost));
                }
                prop_assert!(spend.spent_at(Moment::ZERO) + spend.reserved <= dollars(100 + excess));
            }
            for (reserved, cost) in flying {
                spend.end(Moment::ZERO, dollars(reserved), dollars(cost));
            }
            prop_assert_eq!(spend.reserved, Cost::ZERO);
        }

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
                let refused = spend.refuses(now, prompt(cost));
                if let Some(at) = refused.as_ref().and_then(|overspent| overspent.until) {
                    let just_before = Moment::from_nanos(at.as_nanos() - 1);
                    prop_assert!(at > now && spend.clone().refuses(at, prompt(cost)).is_none());
                    prop_assert!(spend.clone().refuses(just_before, prompt(cost)).is_some());
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
