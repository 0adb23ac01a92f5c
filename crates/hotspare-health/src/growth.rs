//! Limits for a provider that refuses traffic which grows too fast.
//!
//! Why not a pause: a provider that refuses *growth* still serves the rate it is used to. A pause would lose that
//! traffic and end in the same jump as before. So the rate at which calls start is halved and then raised step by step,
//! until it is well beyond the refused rate.
//!
//! Invariant: after a refusal there are no more starts than the permitted rate plus a short burst; every wait ends.

use std::time::Duration;

use hotspare_core::Moment;

/// The permitted rate never falls below this many starts per minute, so that some traffic always flows.
const LEAST: u64 = 6;
/// Refusals this soon after another belong to the same jump.
const ROUND: Duration = Duration::from_secs(10);
/// The permitted rate rises by this many thousandths a minute: 49 % in 15 minutes. One provider documents 50 %.
const RISE_MILLI: u64 = 27;
/// How long unused starts accumulate.
const BURST: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_secs(60);

/// Starts of one scope, and the limit on their growth while there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Growth {
    minute: u64,
    current: u64,
    before: u64,
    eased: Option<Eased>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Eased {
    /// Permitted starts per minute at `since`, in thousandths.
    milli: u64,
    since: Moment,
    /// Rate at which the limit is lifted, in thousandths.
    goal: u64,
    /// When the next start would be due if starts were evenly spaced.
    next: Moment,
}

impl Growth {
    /// When the next start is permitted.
    pub(crate) fn ready_at(&self, now: Moment) -> Moment {
        match &self.eased {
            Some(eased) if eased.milli(now) < eased.goal => {
                let burst = BURST.as_nanos().min(eased.next.as_nanos().into());
                now.max(Moment::from_nanos(
                    eased.next.as_nanos().saturating_sub(u64::try_from(burst).unwrap_or(u64::MAX)),
                ))
            }
            _ => now,
        }
    }

    pub(crate) fn start(&mut self, now: Moment) {
        self.turn(now);
        self.current += 1;
        if let Some(eased) = &mut self.eased {
            let milli = eased.milli(now);
            if milli >= eased.goal {
                self.eased = None;
            } else {
                let span = Duration::from_nanos(60_000_000_000_000 / milli.max(1));
                eased.next = eased.next.max(now) + span;
            }
        }
    }

    /// Growth was refused: halves the rate of starts.
    pub(crate) fn ease(&mut self, now: Moment) {
        self.turn(now);
        let rate = match &self.eased {
            Some(eased) if now.saturating_since(eased.since) < ROUND => return,
            Some(eased) => eased.milli(now),
            None => self.rate(now) * 1_000,
        };
        let goal = self.eased.map_or(rate, |eased| eased.goal / 2).max(rate) * 2;
        self.eased =
            Some(Eased { milli: (rate / 2).max(LEAST * 1_000), since: now, goal, next: now + BURST });
    }

    /// Permitted starts per minute, if they are limited.
    #[cfg(test)]
    fn permitted(&self, now: Moment) -> Option<u64> {
        let eased = self.eased.as_ref()?;
        let milli = eased.milli(now);
        (milli < eased.goal).then_some(milli / 1_000)
    }

    /// Recent starts per minute: the last whole minute fades as the current one fills.
    fn rate(&self, now: Moment) -> u64 {
        let into = now.as_nanos() % 60_000_000_000;
        let left = 60_000_000_000 - into;
        self.current + u64::try_from(u128::from(self.before) * u128::from(left) / 60_000_000_000).unwrap_or(0)
    }

    fn turn(&mut self, now: Moment) {
        let minute = now.as_nanos() / 60_000_000_000;
        if minute > self.minute {
            self.before = if minute == self.minute + 1 { self.current } else { 0 };
            self.current = 0;
            self.minute = minute;
        }
    }
}

impl Eased {
    fn milli(&self, now: Moment) -> u64 {
        let minutes = now.saturating_since(self.since).as_nanos() / MINUTE.as_nanos();
        // After two hours every rate has reached its goal (a factor of four takes 53 minutes).
        (0..minutes.min(120))
            .fold(self.milli, |milli, _| milli.saturating_add(milli * RISE_MILLI / 1_000 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    /// Starts as many as permitted for `minutes` minutes from `from` on, trying `rate` times a minute; returns the
    /// starts of each.
    fn starts(growth: &mut Growth, from: u64, minutes: u64, rate: u64) -> Vec<u64> {
        let step = 60_000 / rate;
        (0..minutes)
            .map(|minute| {
                let tries = (0..rate).map(|index| at(from + minute * 60_000 + index * step));
                tries
                    .filter(|now| {
                        growth.ready_at(*now) <= *now && {
                            growth.start(*now);
                            true
                        }
                    })
                    .count() as u64
            })
            .collect()
    }

    #[test]
    fn permitted_rate_starts_at_half_and_grows_slowly() {
        let mut growth = Growth::default();
        starts(&mut growth, 0, 2, 600);
        growth.ease(at(120_000));
        growth.ease(at(121_000));
        let after = starts(&mut growth, 120_000, 90, 600);
        assert!((280..=330).contains(&after[0]), "half of 600: {}", after[0]);
        assert!(after.windows(2).all(|pair| pair[1] <= pair[0] + pair[0] / 20 + 30), "{after:?}");
        let quarter: u64 = after[15];
        assert!(quarter <= 460, "at most half more in a quarter of an hour: {quarter}");
        assert_eq!(after[89], 600, "all of it in the end");
        assert_eq!(growth.permitted(at(6_000_000)), None);
    }

    #[test]
    fn low_rate_process_is_never_locked_out() {
        let mut growth = Growth::default();
        for round in 0..50 {
            growth.ease(at(round * 11_000));
        }
        let now = at(600_000);
        assert!(growth.ready_at(now).saturating_since(now) <= Duration::from_secs(10));
    }

    proptest! {
        #[test]
        fn starts_never_exceed_the_permitted_rate_plus_a_burst(rate in 20u64..2_000, gaps in 1u64..30) {
            let mut growth = Growth::default();
            starts(&mut growth, 0, 2, rate);
            growth.ease(at(120_000));
            let permitted = growth.permitted(at(120_000));
            let started = starts(&mut growth, 120_000 + gaps, 1, rate)[0];
            if let Some(permitted) = permitted {
                prop_assert!(started <= permitted + permitted / 12 + 2, "{started} {permitted}");
            }
        }
    }
}
