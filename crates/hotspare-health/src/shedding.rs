//! Whether a target that refuses for load still answers anybody.
//!
//! Why: the same words (503, 529) say "less, please" and "nobody is here". If a target with room for 60 % of its callers is
//! opened, its 60 % are lost too; if one that is gone is taken for a busy one, every caller finds out anew. What tells them
//! apart is the others. A refusal is evidence of a whole failure when nobody is let in, and of a quarter of one while somebody who
//! asked at about the same time is being answered, or was within the window. The more are let in, the less is left of the
//! quarter: nothing once it is one for two who are refused. They are counted while they are inside, because a refusal is over
//! at once and an answer takes its time: judged by their ends alone, a queue that fills looks like an outage.
//!
//! Kept without a list: calls are numbered as they begin. From the first refusal on, calls that begin know of it; as many of
//! them as began before the one that is refused now and have not ended are still under way, so they were let in. Those
//! that were under way when the first refusal came may be the lucky part of the same crowd, and weigh a quarter as well.
//! A target whose breaker last opened for such refusals is known to shed load: while it has answers under way that have begun
//! since it closed, they count as let in. Its places fill within a second or two of its return, by callers who all asked
//! before the first refusal.
//!
//! An answer to one of those who knew begins the count anew, so that who was let in before an outage does not hide it.
//!
//! What a refusal costs its caller is the same in any case: who ranks targets is told of a whole failure.
//!
//! Invariant: constant room; a whole failure is never said while a call that began between the first refusal and this one
//! has been let in (but where a younger one was refused before an older one, which makes one glance too hard); of callers
//! who come one after the other, each refused, every one weighs whole; less than a quarter is said only while somebody who
//! asked after the first refusal is inside.

use std::time::Duration;

use hotspare_core::Moment;

use crate::window::Weight;

/// Shares of a failure, in thousandths.
const LIGHT: u32 = 250;
const WHOLE: u32 = 1_000;
/// For each one who is let in, so many refusals are no evidence: to open a target that serves a third of its callers loses
/// more than it saves the others, whose way to the next target is short.
const FORGIVEN: u64 = 2;

/// What is known of one scope's refusals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Shedding {
    begun: u64,
    under_way: u64,
    run: Option<Run>,
    /// Answers under way that have begun, and the generation of the breaker that they belong to.
    speaking: (u64, u64),
    /// When somebody was answered who asked after another had been refused.
    answered_some_at: Option<Moment>,
}

/// Refusals with no answer between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Run {
    generation: u64,
    /// Number of the first call that began after the first refusal.
    first: u64,
    /// How many from there on have ended.
    ended: u64,
    /// How many of them were refused.
    refused: u64,
}

impl Shedding {
    /// A call begins; its number.
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

    /// A call's first content has come.
    pub(crate) fn speaks(&mut self, generation: u64) {
        if generation > self.speaking.1 {
            self.speaking = (0, generation);
        }
        if generation == self.speaking.1 {
            self.speaking.0 += 1;
        }
    }

    /// A call has ended in any way. `spoke`: the generation of one whose first content had come.
    pub(crate) fn ended(&mut self, number: u64, spoke: Option<u64>) {
        if spoke == Some(self.speaking.1) {
            self.speaking.0 = self.speaking.0.saturating_sub(1);
        }
        self.under_way = self.under_way.saturating_sub(1);
        if let Some(run) = self.run.as_mut().filter(|run| number >= run.first) {
            run.ended += 1;
        }
    }

    /// A call is refused, and has not ended yet: what that weighs. A run belongs to a generation of the breaker, so that a
    /// recovery is not taken for an answer among refusals. `busy`: the breaker last opened for refusals like this one.
    pub(crate) fn refused(
        &mut self,
        now: Moment,
        generation: u64,
        number: u64,
        window: Duration,
        busy: bool,
    ) -> Weight {
        let speaking = if busy && self.speaking.1 == generation { self.speaking.0 } else { 0 };
        // Of those who knew: how many were let in before this one asked, and how many were refused. `None`: it cannot be told.
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
        assert_eq!(weight.felt, WHOLE, "its caller had to go elsewhere");
        shedding.ended(number, None);
        weight.evidence
    }

    #[test]
    fn whoever_refuses_one_after_the_other_is_gone() {
        let mut shedding = Shedding::default();
        for second in 0..10 {
            let number = shedding.begin();
            assert_eq!(refuse(&mut shedding, at(second), number), WHOLE);
        }
    }

    #[test]
    fn an_outage_under_load_is_seen_once_those_who_were_under_way_are_through() {
        let mut shedding = Shedding::default();
        let streams: Vec<u64> = (0..70).map(|_| shedding.begin()).collect();
        let crossing: Vec<u64> = (0..3).map(|_| shedding.begin()).collect();
        let light = crossing.into_iter().map(|number| refuse(&mut shedding, at(0), number));
        assert_eq!(light.collect::<Vec<_>>(), [LIGHT; 3]);
        // Older streams that still end well say nothing about those who ask now.
        for number in streams {
            shedding.answered(at(1), 0, number);
            shedding.ended(number, None);
            let asks = shedding.begin();
            assert_eq!(refuse(&mut shedding, at(1), asks), WHOLE);
        }
    }

    #[test]
    fn a_crowd_that_is_let_in_in_part_is_load() {
        let mut shedding = Shedding::default();
        let crowd: Vec<u64> = (0..100).map(|_| shedding.begin()).collect();
        let (inside, outside) = crowd.split_at(60);
        for number in outside {
            assert_eq!(refuse(&mut shedding, at(0), *number), LIGHT);
        }
        // The next crowd: the first of it is let in, and still silent.
        let _pending = shedding.begin();
        let asks = shedding.begin();
        assert_eq!(refuse(&mut shedding, at(0), asks), 0, "one of two is inside");
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
    fn who_was_let_in_before_an_outage_does_not_hide_it() {
        let mut shedding = Shedding::default();
        // Busy: every other one is let in and streams for long.
        let mut inside = Vec::new();
        for _ in 0..40 {
            inside.push(shedding.begin());
            let asks = shedding.begin();
            refuse(&mut shedding, at(0), asks);
        }
        // Then nobody is. The last of those who were let in get their first word, and stream on.
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
    fn one_answer_among_refusals_counts_for_a_window() {
        let mut shedding = Shedding::default();
        let [refused, served] = std::array::from_fn(|_| shedding.begin());
        refuse(&mut shedding, at(0), refused);
        let later = shedding.begin();
        shedding.answered(at(1), 0, served);
        assert!(shedding.run.is_some(), "it began before anybody was refused");
        shedding.answered(at(1), 0, later);
        [served, later].into_iter().for_each(|number| shedding.ended(number, None));
        let weights = [1, 2, 3, 4].map(|second| {
            let number = shedding.begin();
            refuse(&mut shedding, at(second), number)
        });
        assert_eq!(weights, [LIGHT, LIGHT, WHOLE, WHOLE]);
    }

    #[test]
    fn a_recovery_is_not_an_answer_among_refusals() {
        let mut shedding = Shedding::default();
        let refused = shedding.begin();
        refuse(&mut shedding, at(0), refused);
        let probe = shedding.begin();
        shedding.answered(at(1), 2, probe);
        shedding.ended(probe, None);
        let again = shedding.begin();
        assert_eq!(shedding.refused(at(1), 3, again, WINDOW, false).evidence, WHOLE);
    }

    /// The same with a list of all calls, which knows exactly who is under way.
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

        /// How many who knew of a refusal and asked before `number` are let in.
        fn inside(&self, number: u64) -> u64 {
            let Some(first) = self.first else { return 0 };
            self.under_way.iter().filter(|other| (first..number).contains(other)).count() as u64
        }

        /// Whether somebody who knew of a refusal and asked before `number` is let in.
        fn somebody_is_in(&self, now: Moment, number: u64) -> bool {
            let first = self.first.unwrap_or(0);
            let in_order = number > self.youngest_ended;
            self.lately(now) || in_order && self.under_way.iter().any(|other| (first..number).contains(other))
        }
    }

    /// Every order of four calls at once, up to a depth: never whole while somebody is known to be let in, and whole where
    /// one comes after the other.
    #[test]
    fn explore_every_order_of_calls() {
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
                    let somebody = known.somebody_is_in(at(second), number);
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

    /// Its places fill before anybody is refused, and stay full.
    #[test]
    fn a_target_that_is_known_to_shed_load_is_judged_by_whom_it_answers() {
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
        assert_eq!(alone, WHOLE, "nobody is answered any more");
        assert_eq!(weigh(false).0[1], WHOLE, "nothing is known of it yet");
    }
}
