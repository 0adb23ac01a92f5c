//! Tells whether a target that sheds load still answers other calls.
//!
//! Why: the same reply (503, 529) can mean "send less" and "nothing works". Opening a target that has room for 60 % of
//! its calls loses those 60 % too; taking a dead target for a busy one makes every caller find out again. The other
//! calls tell the two apart. A refusal counts as a full failure when no call is accepted, and as a quarter of one while
//! a call that started at about the same time is being answered, or was within the window. The more calls are accepted,
//! the less remains of the quarter: nothing once one call is accepted for every two refused. Accepted calls count while
//! they are in flight, because a refusal is immediate and an answer takes time: judged by completed calls alone, a
//! queue that fills up looks like an outage.
//!
//! No list is kept: calls are numbered as they begin. All calls that begin after the first refusal form the run. Those
//! of them that began before the call being refused now and have not ended are still in flight, so they were accepted.
//! Refusing a call that was already in flight at the first refusal counts as a quarter too, because others of the same
//! burst may have been accepted. A target whose breaker last opened for load shedding is known to shed load: answers
//! that have started since it closed and are still in flight count as accepted. Its capacity fills within a second or
//! two of its return, with calls that all began before the first refusal.
//!
//! An answer to a call of the run ends it, so that calls accepted before an outage do not hide the outage.
//!
//! To its caller a refusal costs the same in any case: for ranking it always counts as a full failure.
//!
//! Invariant: constant memory; a refusal never counts as a full failure while a call that began between the first
//! refusal and this one is accepted (except that a younger call refused before an older one can make one verdict too
//! harsh); of calls made one after another and all refused, each counts as a full failure; less than a quarter is
//! returned only while a call that began after the first refusal is in flight.

use std::time::Duration;

use hotspare_core::Moment;

use crate::window::Weight;

/// Shares of a full failure, in thousandths.
const LIGHT: u32 = 250;
const WHOLE: u32 = 1_000;
/// Number of refusals excused by each accepted call: opening a target that serves a third of its calls loses more than
/// it saves the others, which fail over quickly.
const FORGIVEN: u64 = 2;

/// What is known of one scope's refusals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Shedding {
    begun: u64,
    under_way: u64,
    run: Option<Run>,
    /// Number of answers in flight that have started, and the breaker generation they belong to.
    speaking: (u64, u64),
    /// When a call that began after another's refusal was last answered.
    answered_some_at: Option<Moment>,
}

/// Refusals without an answer between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Run {
    generation: u64,
    /// Number of the first call that began after the first refusal.
    first: u64,
    /// How many calls from there on have ended.
    ended: u64,
    /// How many of those were refused.
    refused: u64,
}

impl Shedding {
    /// A call begins; returns its number.
    pub(crate) fn begin(&mut self) -> u64 {
        self.begun += 1;
        self.under_way += 1;
        self.begun - 1
    }

    /// A call is being answered.
    pub(crate) fn answered(&mut self, now: Moment, generation: u64, number: u64) {
        if self.run.is_some_and(|run| run.generation == generation && number >= run.first) {
            self.answered_some_at = Some(now);
            self.run = None;
        }
    }

    /// A call's first content has arrived.
    pub(crate) fn speaks(&mut self, generation: u64) {
        if generation > self.speaking.1 {
            self.speaking = (0, generation);
        }
        if generation == self.speaking.1 {
            self.speaking.0 += 1;
        }
    }

    /// A call has ended in any way. `spoke` is the generation of a call whose first content had arrived.
    pub(crate) fn ended(&mut self, number: u64, spoke: Option<u64>) {
        if spoke == Some(self.speaking.1) {
            self.speaking.0 = self.speaking.0.saturating_sub(1);
        }
        self.under_way = self.under_way.saturating_sub(1);
        if let Some(run) = self.run.as_mut().filter(|run| number >= run.first) {
            run.ended += 1;
        }
    }

    /// What the refusal of a call that has not ended yet weighs. A run belongs to one breaker generation, so that a
    /// recovery is not mistaken for an answer between refusals. `busy` is whether the breaker last opened for load
    /// shedding.
    pub(crate) fn refused(
        &mut self,
        now: Moment,
        generation: u64,
        number: u64,
        window: Duration,
        busy: bool,
    ) -> Weight {
        let speaking = if busy && self.speaking.1 == generation { self.speaking.0 } else { 0 };
        // Of the calls of this run: how many began before this one and are still in flight, and how many were refused.
        // `None` if unknown.
        let others = match &mut self.run {
            Some(run) if run.generation > generation => None,
            Some(run) if run.generation == generation => number.checked_sub(run.first).map(|before| {
                run.refused += 1;
                (before.saturating_sub(run.ended), run.refused)
            }),
            _ => {
                self.run = Some(Run { generation, first: self.begun, ended: 0, refused: 0 });
                (self.under_way <= 1).then_some((0, 1))
            }
        };
        let lately = self.answered_some_at.is_some_and(|at| now.saturating_since(at) < window);
        let others = match others {
            None if speaking > 0 => self.run.map(|run| (speaking, run.refused.max(1))),
            others => others.map(|(inside, refused)| (inside.max(speaking), refused)),
        };
        let evidence = match others {
            Some((0, _)) if !lately => WHOLE,
            Some((inside, refused)) => {
                let forgiven = u64::from(LIGHT) * FORGIVEN * inside / refused;
                LIGHT.saturating_sub(u32::try_from(forgiven).unwrap_or(LIGHT))
            }
            None => LIGHT,
        };
        Weight { felt: WHOLE, evidence }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(2);

    fn at(secs: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(secs)
    }

    fn refuse(shedding: &mut Shedding, now: Moment, number: u64) -> u32 {
        let weight = shedding.refused(now, 0, number, WINDOW, false);
        assert_eq!(weight.felt, WHOLE, "its caller had to fail over");
        shedding.ended(number, None);
        weight.evidence
    }

    #[test]
    fn sequential_refusals_count_fully() {
        let mut shedding = Shedding::default();
        for second in 0..10 {
            let number = shedding.begin();
            assert_eq!(refuse(&mut shedding, at(second), number), WHOLE);
        }
    }

    #[test]
    fn outage_under_load_is_detected_once_in_flight_calls_end() {
        let mut shedding = Shedding::default();
        let streams: Vec<u64> = (0..70).map(|_| shedding.begin()).collect();
        let crossing: Vec<u64> = (0..3).map(|_| shedding.begin()).collect();
        let light = crossing.into_iter().map(|number| refuse(&mut shedding, at(0), number));
        assert_eq!(light.collect::<Vec<_>>(), [LIGHT; 3]);
        // Older streams that still end well say nothing about calls that begin now.
        for number in streams {
            shedding.answered(at(1), 0, number);
            shedding.ended(number, None);
            let asks = shedding.begin();
            assert_eq!(refuse(&mut shedding, at(1), asks), WHOLE);
        }
    }

    #[test]
    fn partially_admitted_burst_counts_as_load_shedding() {
        let mut shedding = Shedding::default();
        let crowd: Vec<u64> = (0..100).map(|_| shedding.begin()).collect();
        let (inside, outside) = crowd.split_at(60);
        for number in outside {
            assert_eq!(refuse(&mut shedding, at(0), *number), LIGHT);
        }
        // The next burst: its first call is accepted, and has no content yet.
        let _pending = shedding.begin();
        let asks = shedding.begin();
        assert_eq!(refuse(&mut shedding, at(0), asks), 0, "one of two is admitted");
        let mut more = || {
            let asks = shedding.begin();
            refuse(&mut shedding, at(0), asks)
        };
        assert_eq!(
            [more(), more(), more()],
            [0, LIGHT - LIGHT * 2 / 3, LIGHT / 2],
            "one of three, four, five"
        );
        inside.iter().for_each(|number| shedding.ended(*number, None));
    }

    #[test]
    fn calls_admitted_before_an_outage_do_not_mask_it() {
        let mut shedding = Shedding::default();
        // Busy: every other call is accepted and streams for long.
        let mut inside = Vec::new();
        for _ in 0..40 {
            inside.push(shedding.begin());
            let asks = shedding.begin();
            refuse(&mut shedding, at(0), asks);
        }
        // Then none is. The last of the accepted calls get their first content and keep streaming.
        inside.iter().for_each(|number| shedding.answered(at(1), 0, *number));
        let weights: Vec<u32> = (0..5)
            .map(|_| {
                let asks = shedding.begin();
                refuse(&mut shedding, at(1), asks)
            })
            .collect();
        assert_eq!(weights, [LIGHT; 5]);
    }

    #[test]
    fn one_answer_among_refusals_discounts_a_window() {
        let mut shedding = Shedding::default();
        let [refused, served] = std::array::from_fn(|_| shedding.begin());
        refuse(&mut shedding, at(0), refused);
        let later = shedding.begin();
        shedding.answered(at(1), 0, served);
        assert!(shedding.run.is_some(), "it began before the first refusal");
        shedding.answered(at(1), 0, later);
        [served, later].into_iter().for_each(|number| shedding.ended(number, None));
        let weights = [1, 2, 3, 4].map(|second| {
            let number = shedding.begin();
            refuse(&mut shedding, at(second), number)
        });
        assert_eq!(weights, [LIGHT, LIGHT, WHOLE, WHOLE]);
    }

    #[test]
    fn recovery_does_not_count_as_load_shedding() {
        let mut shedding = Shedding::default();
        let refused = shedding.begin();
        refuse(&mut shedding, at(0), refused);
        let probe = shedding.begin();
        shedding.answered(at(1), 2, probe);
        shedding.ended(probe, None);
        let again = shedding.begin();
        assert_eq!(shedding.refused(at(1), 3, again, WINDOW, false).evidence, WHOLE);
    }

    /// The same logic with a list of all calls, which knows exactly which are in flight.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
    struct Known {
        under_way: Vec<u64>,
        begun: u64,
        first: Option<u64>,
        youngest_ended: u64,
        answered_some_at: Option<Moment>,
    }

    impl Known {
        fn lately(&self, now: Moment) -> bool {
            self.answered_some_at.is_some_and(|at| now.saturating_since(at) < WINDOW)
        }

        /// How many calls of the run that began before `number` are accepted.
        fn inside(&self, number: u64) -> u64 {
            let Some(first) = self.first else { return 0 };
            self.under_way.iter().filter(|other| (first..number).contains(other)).count() as u64
        }

        /// Whether any call of the run that began before `number` is accepted.
        fn has_admitted_call(&self, now: Moment, number: u64) -> bool {
            let first = self.first.unwrap_or(0);
            let in_order = number > self.youngest_ended;
            self.lately(now) || in_order && self.under_way.iter().any(|other| (first..number).contains(other))
        }
    }

    /// Every order of four concurrent calls, up to a depth: never a full failure while a call is known to be accepted,
    /// and a full one where calls are made one after another.
    #[test]
    fn invariants_hold_for_every_order_of_calls() {
        let mut seen = BTreeSet::new();
        let mut layer = vec![(Shedding::default(), Known::default(), 0u64)];
        let mut edges = 0u64;
        for _ in 0..13 {
            let mut next = Vec::new();
            for (shedding, known, second) in layer {
                let mut push = |shedding: Shedding, known: Known, second: u64| {
                    edges += 1;
                    if seen.insert((format!("{shedding:?}"), known.clone(), second)) {
                        next.push((shedding, known, second));
                    }
                };
                push(shedding, known.clone(), second + 1);
                if known.under_way.len() < 4 {
                    let (mut shedding, mut known) = (shedding, known.clone());
                    known.under_way.push(shedding.begin());
                    known.begun += 1;
                    push(shedding, known, second);
                }
                for (place, &number) in known.under_way.iter().enumerate() {
                    let mut after = known.clone();
                    after.under_way.remove(place);
                    after.youngest_ended = after.youngest_ended.max(number);
                    let mut left = shedding;
                    left.ended(number, None);
                    push(left, after.clone(), second);

                    let (mut answered, mut knows) = (shedding, after.clone());
                    answered.answered(at(second), 0, number);
                    answered.ended(number, None);
                    if knows.first.is_some_and(|first| number >= first) {
                        (knows.first, knows.answered_some_at) = (None, Some(at(second)));
                    }
                    push(answered, knows, second);

                    let (mut refused, mut knows) = (shedding, after);
                    let weight = refuse(&mut refused, at(second), number);
                    let somebody = known.has_admitted_call(at(second), number);
                    assert!(!(somebody && weight == WHOLE), "{known:?} {shedding:?} {number}");
                    let inside = known.inside(number);
                    assert!(weight >= LIGHT || inside > 0, "{known:?} {shedding:?} {number}");
                    let refusals = shedding.run.map_or(0, |run| run.refused) + 1;
                    assert!(weight > 0 || FORGIVEN * inside >= refusals, "{known:?} {shedding:?} {number}");
                    let one_by_one =
                        known.under_way.len() == 1 && known.first.is_none_or(|first| number >= first);
                    assert!(
                        known.lately(at(second)) || !one_by_one || weight == WHOLE,
                        "{known:?} {shedding:?} {number}"
                    );
                    knows.first = knows.first.or(Some(known.begun));
                    push(refused, knows, second);
                }
            }
            layer = next;
        }
        println!("shedding: {} states, {edges} edges", seen.len());
        assert!(seen.len() > 5_000, "{}", seen.len());
    }

    /// Its capacity fills before the first refusal, and stays full.
    #[test]
    fn known_load_shedder_is_judged_by_the_calls_it_answers() {
        let weigh = |busy: bool| {
            let mut shedding = Shedding::default();
            let streams: Vec<u64> = (0..30).map(|_| shedding.begin()).collect();
            streams.iter().for_each(|_| shedding.speaks(7));
            let weights: Vec<u32> = (0..40)
                .map(|_| {
                    let number = shedding.begin();
                    let weight = shedding.refused(at(1), 7, number, WINDOW, busy);
                    shedding.ended(number, None);
                    weight.evidence
                })
                .collect();
            streams.iter().for_each(|number| shedding.ended(*number, Some(7)));
            let number = shedding.begin();
            (weights, shedding.refused(at(2), 7, number, WINDOW, busy).evidence)
        };
        let (weights, alone) = weigh(true);
        assert!(weights.iter().all(|weight| *weight == 0), "thirty are answered: {weights:?}");
        assert_eq!(alone, WHOLE, "no call is answered any more");
        assert_eq!(weigh(false).0[1], WHOLE, "it has no record yet");
    }
}
