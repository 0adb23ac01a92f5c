//! The largest values that settings and providers can name.

use super::*;
use crate::rules::{Adaptive, AnswerLimit, OnKind};
use crate::spend::SpendLimit;

fn failed_with(rig: &mut Rig, attempt: usize, kind: Kind, pause: Duration) {
    let error = Error::new(kind, "").with_retry_after(pause);
    rig.tell(Input::Failed(AttemptId(attempt), error));
}

#[test]
fn longest_pauses_that_providers_name_are_no_panic_and_end() {
    for kind in Kind::ALL.iter().copied() {
        for rule in [None, Some(OnKind::Same), Some(OnKind::Next)] {
            let mut setup = Setup::new(&["a"]);
            setup.limits.wait_for_rate_limit = Duration::MAX;
            if let Some(rule) = rule {
                setup.rules.on.insert(kind, rule);
            }
            let mut rig = setup.rig();
            for attempt in 0..4 {
                if attempt < rig.begun.len() {
                    failed_with(&mut rig, attempt, kind, Error::LONGEST_PAUSE);
                }
                rig.wait(Duration::from_secs(6));
            }
            assert!(rig.begun.len() <= 3 && rig.done.len() == 1, "{kind}: {:?}", rig.done);
            let view = rig.world.view(rig.now, TargetIndex(0), 5);
            let pause = view.usable_in.unwrap_or_default();
            assert!(pause <= Duration::from_secs(3_600), "{kind} keeps the target out for {pause:?}");
            assert!(rig.error().retry_after() <= Some(Error::LONGEST_PAUSE), "{kind}: {:?}", rig.error());
        }
    }
}

#[test]
fn longest_limits_are_no_panic_and_every_wait_has_a_timer() {
    for stream in [true, false] {
        let mut setup = Setup::new(&["a", "b"]);
        setup.stream = stream;
        setup.limits = Limits {
            first_content: Duration::MAX,
            first_content_reasoning: Duration::MAX,
            adaptive: Some(Adaptive::new(u32::MAX, Duration::MAX)),
            headers: Some(Duration::MAX),
            attempt: Some(Duration::MAX),
            unstreamed: AnswerLimit::Learned(Duration::MAX),
            gap: Duration::MAX,
            quiet_gap: Duration::MAX,
            first_content_deadline: Duration::MAX,
            total: Duration::MAX,
            max_targets: Some(u32::MAX),
            max_extra_starts: u32::MAX,
            wait_for_rate_limit: Duration::MAX,
            max_reasks: u32::MAX,
            max_reask_cost: Some(Cost::from_micros(u64::MAX)),
            spend: Some(SpendLimit::new(Cost::from_micros(u64::MAX), Duration::MAX)),
            max_buffered_bytes: usize::MAX,
        };
        setup.rules.commit = Commit::After(Duration::MAX);
        (setup.max_in_flight, setup.requests_per_minute, setup.tokens_per_minute) =
            (Some(u32::MAX), Some(u64::MAX), Some(u64::MAX));
        (setup.prompt_tokens, setup.max_cost) = (u64::MAX, None);
        setup.health.lease = Duration::MAX;
        setup.health.ramp = Duration::MAX;
        setup.health.cooldown = Duration::MAX;
        setup.health.cooldown_cap = Duration::MAX;
        setup.health.window = Duration::MAX;
        let mut rig = setup.rig();
        assert!(rig.call.poll_timeout().is_some());
        rig.call.resumed(Moment::ZERO, Moment::MAX);
        rig.fails(0, Kind::Connect);
        rig.text(1, "x");
        rig.finishes(1);
        assert!(rig.done[0].is_ok(), "{:?}", rig.done);
        for _ in 0..6 {
            let _ = rig.next_call(&setup);
            rig.fails(0, Kind::Connect);
        }
    }
}

/// A client that is copied between machines, or a virtual one that is set back, may see its clock go backwards.
#[test]
fn clock_that_goes_backwards_neither_panics_nor_ends_a_call() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.strategy = Arc::new(Race::new(["a", "b"]).at_once(2));
    let mut rig = setup.rig();
    rig.now = Moment::ZERO;
    rig.run();
    rig.text(0, "x");
    rig.now = Moment::from_nanos(1);
    rig.fails(0, Kind::Truncated);
    assert_eq!(rig.targets(), [0, 1, 1]);
    rig.now = Moment::ZERO;
    rig.text(2, "xy");
    rig.finishes(2);
    assert_eq!((rig.said().as_str(), rig.done[0].is_ok()), ("x[a>b]y", true));
    for place in 0..2 {
        assert_eq!(rig.world.counts(TargetIndex(place)).in_flight, 0);
    }
}

/// Nor does it count twice what such a target costs.
#[test]
fn target_taken_out_of_service_finishes_what_it_has_begun() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.profile.price = Some(hotspare_core::Price::micros_per_million(1_000_000, 1_000_000));
    let mut rig = setup.rig();
    rig.text(0, "x");
    rig.world.set_cordoned(TargetIndex(0), true);
    rig.text(0, "y");
    rig.finishes(0);
    assert_eq!((rig.said().as_str(), rig.targets()), ("xy", vec![0]));
    let summary = rig.done[0].as_ref().unwrap();
    assert_eq!(summary.trail.cost(), Some(rig.world.counts(TargetIndex(0)).cost));
    assert_eq!(rig.world.counts(TargetIndex(0)).in_flight, 0);
}
