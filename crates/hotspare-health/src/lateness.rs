//! Evidence that a target has become slow, available while its calls are still in flight.
//!
//! Why: a target that freezes fails nothing for as long as its callers wait. Each call that exceeds the 95th percentile
//! of comparable calls adds to a sum, each one within it subtracts; normally one call in twenty is late and the sum
//! stays near zero, while five late calls in (nearly) a row indicate that the target has changed. That degrades it: its
//! weight falls to a tenth, and strategies that rank it lower still send it some calls, which notice its recovery. This
//! kind of slowness opens no breaker.
//!
//! *In a row* means by when the calls began. Of calls that began together, those in time always report before the late
//! ones: in a burst of a hundred, five late calls in a row are normal. So calls in time that began at about the same
//! time as a late call offset it, even if they reported while the sum was zero. A freeze leaves nothing to offset:
//! nothing that began later is in time.
//!
//! An unstreamed answer that is late may be a long one, so its lateness counts only until it arrives.
//!
//! Invariant: integers only, bounded; each call counts as late at most once.

use std::time::Duration;

use hotspare_core::Moment;

/// What a late call adds, what a call in time subtracts, and the sum that degrades, in thousandths of a nat: the
/// log-likelihood ratio between a target where every second call is late and one where one in twenty is (ln 0.5/0.05,
/// ln 0.95/0.5). A healthy target is degraded by chance once in 590,000 calls, if its calls are late independently.
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
    offset: Offset,
}

impl Lateness {
    /// A call that began at `began` has exceeded its usual time without content.
    pub(crate) fn late(&mut self, now: Moment, began: Moment) {
        self.fade(now);
        self.fresh = 0;
        let added = LATE - self.offset.take(began, LATE);
        self.milli_nats = (self.milli_nats + added).min(DEGRADE);
        self.degraded |= self.milli_nats >= DEGRADE;
    }

    /// The first content of a call that began at `began` arrived within its usual time.
    pub(crate) fn in_time(&mut self, now: Moment, began: Moment, usual: Duration) {
        self.fade(now);
        self.fresh = (self.fresh + 1).min(FRESH);
        self.offset.add(began, usual, IN_TIME.saturating_sub(self.milli_nats));
        self.milli_nats = self.milli_nats.saturating_sub(IN_TIME);
        self.degraded &= self.milli_nats > 0 || self.fresh < FRESH;
    }

    /// An unstreamed answer has arrived after its usual time: it was a long answer, not a freeze.
    pub(crate) fn answered(&mut self, now: Moment) {
        self.fade(now);
        self.fresh = (self.fresh + 1).min(FRESH);
        self.milli_nats = self.milli_nats.saturating_sub(LATE);
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

/// What calls in time had to subtract beyond zero, kept for late calls that began no later than they did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Offset {
    /// By when the calls began: before `since`, and from then on. A late call reports after its usual time, so two
    /// spans of that length hold all that began with it.
    milli_nats: [u32; 2],
    since: Moment,
    /// The latest start of a call that was in time.
    newest: Moment,
}

impl Offset {
    fn add(&mut self, began: Moment, usual: Duration, milli_nats: u32) {
        if began >= self.since + usual {
            let kept = if began < self.since + usual * 2 { self.milli_nats[1] } else { 0 };
            (self.milli_nats, self.since) = ([kept, 0], began);
        }
        let span = &mut self.milli_nats[usize::from(began >= self.since)];
        *span = span.saturating_add(milli_nats);
        self.newest = self.newest.max(began);
    }

    /// Takes up to `most` for a late call.
    fn take(&mut self, began: Moment, most: u32) -> u32 {
        if began > self.newest {
            return 0;
        }
        let mut taken = 0;
        for span in &mut self.milli_nats[usize::from(began >= self.since)..] {
            let part = (*span).min(most - taken);
            *span -= part;
            taken += part;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn five_late_calls_degrade_but_one_in_twenty_never_does() {
        let mut target = Lateness::default();
        for call in 0..100_000 {
            let began = at(call * 50);
            if call % 20 == 0 {
                target.late(began + USUAL, began);
            } else {
                target.in_time(began + USUAL / 2, began, USUAL);
            }
            assert!(!target.is_degraded());
        }
        let frozen = (1..10).find(|call| {
            let began = at((100_000 + call) * 50);
            target.late(began + USUAL, began);
            target.is_degraded()
        });
        assert_eq!(frozen, Some(5), "whatever was in time before");
    }

    /// Those in time report first, so that the late ones come in a row.
    #[test]
    fn late_calls_of_a_burst_do_not_degrade() {
        for (size, late) in [(100, 5), (1_000, 60), (20, 3)] {
            for gap in [0, 1] {
                let mut target = Lateness::default();
                for call in 0..size - late {
                    target.in_time(at(500 + call), at(call * gap), USUAL);
                }
                for call in 0..late {
                    // Spread over the burst; the last call of all is late too.
                    let began = at((size - 1 - call * (size / late)) * gap);
                    target.late(began + USUAL, began);
                    assert!(!target.is_degraded(), "{late} of {size}");
                }
            }
        }
    }

    #[test]
    fn burst_that_is_mostly_late_degrades() {
        let mut target = Lateness::default();
        (0..40).for_each(|_| target.in_time(at(500), at(0), USUAL));
        (0..60).for_each(|_| target.late(at(1_000), at(0)));
        assert!(target.is_degraded());
    }

    /// What was in time an hour or a second ago says nothing about calls that began since.
    #[test]
    fn only_calls_that_started_together_offset_each_other() {
        for pause in [1, 1_000, 3_600_000] {
            let mut target = Lateness::default();
            (0..200).for_each(|call| target.in_time(at(call * 10 + 300), at(call * 10), USUAL));
            let froze = 2_000 + pause;
            (0..5).for_each(|call| target.late(at(froze + call) + USUAL, at(froze + call)));
            assert!(target.is_degraded(), "{pause} ms");
        }
    }

    #[test]
    fn late_unstreamed_answers_count_until_they_arrive() {
        let mut target = Lateness::default();
        for call in 0..100 {
            target.late(at(call * 10_000 + 2_000), at(call * 10_000));
            target.answered(at(call * 10_000 + 9_000));
            assert!(!target.is_degraded(), "one after the other");
        }
        (0..40).for_each(|_| target.late(at(2_000_000), at(1_998_000)));
        assert!(target.is_degraded(), "nothing is answered");
        (0..5).for_each(|_| target.answered(at(2_010_000)));
        assert!(!target.is_degraded());
    }

    /// The distribution of the sum, call by call: the share that has reached the bound gives the rate.
    #[test]
    fn healthy_target_is_degraded_once_in_590_000_calls() {
        const UNIT: u32 = 10;
        let [late, in_time, degrade] = [LATE, IN_TIME, DEGRADE].map(|value| (value / UNIT) as usize);
        let calls = 20_000;
        let mut shares = vec![0.0; degrade];
        shares[0] = 1.0;
        let mut degraded = 0.0;
        for _ in 0..calls {
            let mut next = vec![0.0; degrade];
            for (sum, share) in shares.iter().enumerate() {
                next[sum.saturating_sub(in_time)] += 0.95 * share;
                match next.get_mut(sum + late) {
                    Some(more) => *more += 0.05 * share,
                    None => degraded += 0.05 * share,
                }
            }
            shares = next;
        }
        let once_in = f64::from(calls) / -f64::ln(1.0 - degraded);
        assert!((580_000.0..600_000.0).contains(&once_in), "once in {once_in:.0} calls");
    }

    #[test]
    fn recovers_after_seventeen_punctual_calls() {
        let mut lateness = Lateness::default();
        (0..50).for_each(|_| lateness.late(Moment::ZERO, Moment::ZERO));
        let calls = (1..100).find(|_| {
            lateness.in_time(at(1), at(1), USUAL);
            !lateness.is_degraded()
        });
        assert_eq!(calls, Some(17));
    }
}
