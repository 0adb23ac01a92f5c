//! Unstreamed answers: when one is late, and what its silence says about health.

use super::time::{answered, view};
use super::*;
use crate::rules::AnswerLimit;

/// An unstreamed answer is silent until it is complete, so a caller that hangs up has learned nothing.
#[test]
fn hangup_on_an_unstreamed_answer_does_not_affect_health() {
    let mut setup = Setup::new(&["a"]);
    for (stream, hurt) in [(false, false), (true, true)] {
        setup.stream = stream;
        let mut rig = setup.rig();
        rig.wait(Duration::from_secs(35));
        rig.tell(Input::CallerGone);
        assert_eq!(view(&rig).failure_rate_bp > 0, hurt);
    }
}

fn whole(health: Config) -> Setup {
    let mut setup = Setup::new(&["a", "b"]);
    (setup.stream, setup.health) = (false, health);
    setup
}

/// One call whose first target exceeds the limit and whose spare answers within 8 s.
fn rescued(rig: &mut Rig) {
    rig.wait(Duration::from_secs(38));
    assert_eq!(rig.targets(), [0, 1]);
    rig.finishes_with_text(1);
}

#[test]
fn long_unstreamed_answers_do_not_open_the_breaker() {
    let setup = whole(Config::default());
    let mut rig = setup.rig();
    for _ in 0..8 {
        rescued(&mut rig);
        let _ = rig.next_call(&setup);
    }
    assert_eq!(view(&rig).breaker, hotspare_core::BreakerState::Closed, "its usual latency is unknown");
    // Twelve answers that each take 35 s and all arrive.
    let mut rig = setup.rig();
    let mut calls: Vec<Rest> = (0..11).map(|_| rig.next_call(&setup)).collect();
    let began = rig.now;
    for _ in 0..12 {
        rig.now = began;
        rig.wait(Duration::from_secs(35));
        assert_eq!(rig.targets(), [0, 1]);
        rig.finishes_with_text(0);
        let Some(next) = calls.pop() else { break };
        let _ = rig.back_to(next);
    }
    assert_eq!(
        (rig.world.counts(TargetIndex(0)).served, view(&rig).breaker),
        (12, hotspare_core::BreakerState::Closed)
    );
}

#[test]
fn target_that_stops_answering_opens_its_breaker() {
    let setup = whole(Config::default());
    let mut rig = setup.rig();
    answered(&mut rig, &setup, 30, Duration::from_secs(8));
    let mut calls = 0;
    while view(&rig).breaker == hotspare_core::BreakerState::Closed && calls < 20 {
        calls += 1;
        rescued(&mut rig);
        let _ = rig.next_call(&setup);
    }
    assert!(calls <= 5, "{calls} calls lost 30 s each");
}

/// The target has no track record, but a spare that answers in a thirtieth of the time is evidence enough.
#[test]
fn target_that_never_answered_opens_its_breaker_beside_a_fast_spare() {
    let setup = whole(Config::default());
    let mut rig = setup.rig();
    let mut calls = 0;
    while view(&rig).breaker == hotspare_core::BreakerState::Closed && calls < 20 {
        calls += 1;
        rig.wait(Duration::from_secs(30));
        rig.wait(Duration::from_secs(1));
        assert_eq!(rig.targets(), [0, 1]);
        rig.finishes_with_text(1);
        let _ = rig.next_call(&setup);
    }
    assert!(calls <= 5, "{calls} calls lost 30 s each");
}

/// Seconds until the spare of the next call starts, while its first target stays silent; the spare answers 4 s later.
fn spare_after(rig: &mut Rig, setup: &Setup) -> u64 {
    let _ = rig.next_call(setup);
    let began = rig.now;
    while rig.begun.len() < 2 {
        rig.wait(Duration::from_millis(500));
    }
    let after = rig.now.saturating_since(began).as_secs();
    rig.wait(Duration::from_secs(4));
    rig.finishes_with_text(1);
    after
}

/// A setup whose breakers never open, so that the first target is always asked first.
fn lasting() -> Setup {
    whole(Config::never())
}

#[test]
fn learned_limit_is_twice_the_p95() {
    let setup = lasting();
    for (needs, expected) in [(60, 120..=140), (4, 8..=9), (20, 40..=46)] {
        let mut rig = setup.rig();
        assert_eq!(spare_after(&mut rig, &setup), 30, "nothing is known");
        let _ = rig.next_call(&setup);
        answered(&mut rig, &setup, 30, Duration::from_secs(needs));
        let after = spare_after(&mut rig, &setup);
        assert!(expected.contains(&after), "{needs} s each: {after} s");
    }
    let mut rig = setup.rig();
    answered(&mut rig, &setup, 30, Duration::from_millis(100));
    assert_eq!(spare_after(&mut rig, &setup), 2, "a lost packet is no reason");
}

#[test]
fn fixed_limit_is_not_learned() {
    let mut setup = lasting();
    setup.limits.unstreamed = AnswerLimit::Fixed(Duration::from_secs(45));
    for needs in [4, 100] {
        let mut rig = setup.rig();
        answered(&mut rig, &setup, 30, Duration::from_secs(needs));
        assert_eq!(spare_after(&mut rig, &setup), 45);
    }
}

#[test]
fn learned_limit_leaves_time_for_the_spare() {
    let mut setup = lasting();
    setup.limits.total = Duration::from_secs(150);
    let mut rig = setup.rig();
    answered(&mut rig, &setup, 30, Duration::from_secs(60));
    assert_eq!(spare_after(&mut rig, &setup), 75, "half of what the call has");
}

#[test]
fn silence_does_not_change_the_limit() {
    let setup = lasting();
    let mut rig = setup.rig();
    let unknown: BTreeSet<u64> = (0..60).map(|_| spare_after(&mut rig, &setup)).collect();
    assert_eq!(unknown, BTreeSet::from([30]), "it never answered");
    let mut rig = setup.rig();
    answered(&mut rig, &setup, 60, Duration::from_secs(4));
    let known: BTreeSet<u64> = (0..600).map(|_| spare_after(&mut rig, &setup)).collect();
    assert_eq!(known, BTreeSet::from([8]));
}

/// Half of the answers take 3 s and half a minute; the long ones always lose to a spare that needs 4 s.
#[test]
fn abandoned_answers_count_towards_the_limit() {
    let setup = lasting();
    let mut rig = setup.rig();
    for _ in 0..60 {
        let _ = rig.next_call(&setup);
        answered(&mut rig, &setup, 1, Duration::from_secs(3));
        assert_eq!(spare_after(&mut rig, &setup), 30, "half of them were not answered in that time");
    }
}

/// Both targets need a minute for every answer, so that a spare starts for each after half a minute, and loses.
#[test]
fn spare_is_not_judged_by_an_earlier_request() {
    let mut setup = whole(Config::default());
    setup.limits.unstreamed = AnswerLimit::Fixed(Duration::from_secs(30));
    let mut rig = setup.rig();
    let mut calls: Vec<Rest> = (0..39).map(|_| rig.next_call(&setup)).collect();
    let began = rig.now;
    loop {
        rig.now = began;
        rig.wait(Duration::from_secs(60));
        assert_eq!(rig.targets(), [0, 1]);
        rig.finishes_with_text(0);
        let Some(next) = calls.pop() else { break };
        let _ = rig.back_to(next);
    }
    let spare = rig.world.view(rig.now, TargetIndex(1), 5);
    assert_eq!((spare.breaker, spare.samples), (hotspare_core::BreakerState::Closed, 0));
    assert_eq!(rig.world.counts(TargetIndex(1)).cancelled, 40);
}

#[test]
fn five_overdue_answers_degrade_until_they_arrive() {
    let setup = whole(Config::default());
    let mut rig = setup.rig();
    answered(&mut rig, &setup, 60, Duration::from_secs(4));
    let mut calls: Vec<Rest> = (0..4).map(|_| rig.next_call(&setup)).collect();
    let began = rig.now;
    // Each of the five calls in turn.
    let mut each = |rig: &mut Rig, after: u64, then: fn(&mut Rig)| {
        for _ in 0..5 {
            rig.now = began;
            rig.wait(Duration::from_secs(after));
            then(rig);
            let next = calls.remove(0);
            calls.push(rig.back_to(next));
        }
    };
    each(&mut rig, 7, |rig| assert!(!view(rig).degraded));
    each(&mut rig, 10, |_| ());
    assert!(view(&rig).degraded, "all five have taken twice as long as they should");
    each(&mut rig, 40, |rig| rig.finishes_with_text(0));
    assert!(!view(&rig).degraded, "they were long answers");
}

/// Silence is how such a model works, unless it is known to be quicker.
#[test]
fn silence_of_a_reasoning_model_counts_once_its_p95_is_known() {
    let mut setup = whole(Config::default());
    setup.profile.capabilities.reasoning = Some(ReasoningMode::ByDefault);
    for known in [false, true] {
        let mut rig = setup.rig();
        if known {
            answered(&mut rig, &setup, 60, Duration::from_secs(20));
        }
        let waits = (0..8).map(|_| spare_after(&mut rig, &setup));
        let waits: Vec<u64> = waits.collect();
        assert_eq!(view(&rig).failure_rate_bp > 0, known, "{waits:?}");
    }
}
