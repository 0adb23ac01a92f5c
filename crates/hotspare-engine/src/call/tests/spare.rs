//! Spares that were unavailable when they were needed.

use hotspare_routing::{RoundRobin, Tiered};

use super::*;

const BEFORE_LATE: Duration = Duration::from_millis(8_500);

fn with(ills: &'static [(usize, Ill)]) -> Rig {
    let mut setup = Setup::new(&["a", "b"]);
    setup.max_in_flight = Some(1);
    setup.ills = ills;
    setup.rig()
}

/// The budget of last resorts spares targets that fail; these answer, if late.
#[test]
fn call_is_served_late_rather_than_not_at_all() {
    let mut setup = Setup::new(&["a", "b"]);
    for (ill, served) in [(Ill::Slow, 30), (Ill::Open(60), 2)] {
        setup.ills = match ill {
            Ill::Slow => &[(0, Ill::Slow), (1, Ill::Slow)],
            _ => &[(0, Ill::Open(60)), (1, Ill::Open(60))],
        };
        let mut rig = setup.rig();
        let begun = (0..29).map(|_| rig.next_call(&setup)).filter(|rest| !rest.begun.is_empty()).count();
        assert_eq!(begun + rig.begun.len(), served, "{ill:?}");
    }
}

/// Of a slow target and one that fails, the slow one.
#[test]
fn slow_target_is_the_first_last_resort() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.ills = &[(0, Ill::Open(1)), (1, Ill::Slow)];
    assert_eq!(setup.rig().targets(), [1]);
}

#[test]
fn full_spare_starts_when_a_slot_frees_up() {
    let mut rig = with(&[(1, Ill::Busy)]);
    rig.wait(BEFORE_LATE);
    assert_eq!(
        (rig.targets(), rig.world.queued(TargetIndex(1))),
        (vec![0], 1),
        "queued while the late attempt is live"
    );
    rig.makes_room();
    assert_eq!((rig.targets(), rig.world.queued(TargetIndex(1))), (vec![0, 1], 0));
    rig.finishes_with_text(1);
    assert_eq!(rig.done[0].as_ref().unwrap().served_by.as_str(), "b");
}

/// It had been woken in vain while a retry elsewhere was due, so that it no longer waited when another attempt was served.
#[test]
fn call_that_is_served_leaves_every_queue() {
    let mut setup = Setup::new(&["a", "b", "c"]);
    (setup.max_in_flight, setup.ills) = (Some(1), &[(2, Ill::Busy)]);
    let mut rig = setup.rig();
    rig.wait(Duration::from_secs(20));
    assert_eq!((rig.targets(), rig.world.queued(TargetIndex(2))), (vec![0, 1], 1));
    rig.fails(1, Kind::Server);
    rig.tell(Input::Woken);
    assert_eq!(
        (rig.call.queue_at, rig.world.queued(TargetIndex(2))),
        (None, 1),
        "another call took the slot"
    );
    rig.text(0, "x");
    assert_eq!(rig.world.queued(TargetIndex(2)), 0);
}

#[test]
fn held_spare_starts_when_its_pause_ends() {
    for ills in [&[(1, Ill::Held(10))], &[(1, Ill::Open(10))]] {
        let mut rig = with(ills);
        let began = rig.now;
        rig.wait(Duration::from_secs(9));
        assert_eq!(rig.targets(), [0]);
        let at = rig.call.poll_timeout().unwrap();
        assert_eq!(at.saturating_since(began), Duration::from_secs(10), "{ills:?}");
        rig.wait(Duration::from_secs(1));
        assert_eq!(rig.targets(), [0, 1]);
        assert_eq!(rig.call.trail().attempts[1].why, "a is late: no content after 10.0 s; 2 of 2 in order");
    }
}

/// Another call's last resort finds out that it works again, long before its pause ends.
#[test]
fn open_spare_starts_soon_after_another_call_has_closed_its_breaker() {
    for secs in [15, 60] {
        let mut setup = Setup::new(&["a", "b"]);
        setup.ills = if secs == 15 { &[(1, Ill::Open(15))] } else { &[(1, Ill::Open(60))] };
        let mut rig = setup.rig();
        rig.wait(Duration::from_secs(9));
        let resort = Demand { last_resort: true, ..Demand::default() };
        let (_, permit) = rig.world.admit(rig.now, TargetIndex(1), resort).unwrap();
        let served = Settlement::of_attempt(HealthOutcome::success(), Ending::Served);
        rig.world.settle(rig.now, TargetIndex(1), permit, served, 0);
        rig.wait(Duration::from_secs(1));
        assert_eq!(rig.targets(), [0, 1], "{secs}");
    }
}

#[test]
fn answered_calls_record_the_targets_that_health_refused() {
    let mut rig = with(&[(0, Ill::Open(60))]);
    rig.finishes_with_text(0);
    let trail = &rig.done[0].as_ref().unwrap().trail;
    assert_eq!((trail.attempts.len(), trail.skipped.len()), (1, 1), "{trail}");
    assert_eq!(trail.skipped[0].why, "its breaker is open for 60.0 s more");
}

#[test]
fn held_first_target_becomes_the_spare() {
    let mut rig = with(&[(0, Ill::Held(5))]);
    assert_eq!(rig.targets(), [1]);
    rig.wait(Duration::from_secs(9));
    assert_eq!(rig.targets(), [1, 0]);
    let view = rig.world.view(rig.now, TargetIndex(1), 0);
    assert_eq!((view.samples, view.failure_rate_bp), (0, 0), "not blamed without an alternative");
}

#[test]
fn call_leaves_the_queue_when_its_late_target_answers() {
    for commit in [Commit::FirstContent, Commit::Whole] {
        let mut setup = Setup::new(&["a", "b"]);
        setup.max_in_flight = Some(1);
        setup.ills = &[(1, Ill::Busy)];
        setup.rules.commit = commit;
        let mut rig = setup.rig();
        rig.wait(BEFORE_LATE);
        rig.text(0, "slow");
        assert_eq!(rig.world.queued(TargetIndex(1)), 0);
        rig.makes_room();
        rig.wait(Duration::from_secs(2));
        assert_eq!(rig.targets(), [0]);
        rig.finishes(0);
        assert!(rig.done[0].is_ok());
    }
}

#[test]
fn open_breaker_is_not_overridden_while_an_attempt_is_live() {
    let mut rig = with(&[(1, Ill::Open(500))]);
    rig.wait(Duration::from_secs(60));
    assert_eq!(rig.targets(), [0]);
    rig.finishes_with_text(0);
    assert!(rig.done[0].is_ok());
}

/// A continuation that does not fit reports its end, and then its connection ends before the call is polled.
#[test]
fn stream_end_after_a_mismatch_is_one_failure() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.text(0, "the standby");
    rig.fails(0, Kind::Truncated);
    rig.call.on_event(rig.now, AttemptId(1), Chunk::from(Event::Finished(FinishReason::Stop)));
    rig.tell(Input::Ended(AttemptId(1)));
    assert_eq!(rig.error().kind(), Kind::Truncated);
}

#[test]
fn pending_retry_is_dropped_once_another_target_serves() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.wait(Duration::from_secs(8));
    rig.fails(1, Kind::Server);
    rig.text(0, "x");
    rig.wait(Duration::from_secs(1));
    assert_eq!(rig.targets(), [0, 1]);
}

#[test]
fn request_without_hedges_starts_one_target_until_that_is_late() {
    let hedge = Hedge::after(Duration::from_secs(1)).budget_bp(10_000);
    let strategies: [Arc<dyn Strategy>; 2] = [
        Arc::new(Race::new(["a", "b", "c"]).at_once(3)),
        Arc::new(Hedged::new(Sequential::new(["a", "b", "c"]), hedge)),
    ];
    for strategy in strategies {
        let mut setup = Setup::new(&["a", "b", "c"]);
        (setup.strategy, setup.no_hedge) = (strategy, true);
        let mut rig = setup.rig();
        rig.wait(setup.limits.first_content - Duration::from_millis(1));
        assert_eq!(rig.targets(), [0]);
        rig.wait(Duration::from_millis(1));
        assert_eq!(rig.targets(), [0, 1]);
        rig.finishes_with_text(0);
        assert!(rig.done[0].is_ok());
    }
}

#[test]
fn no_hedge_is_started_after_a_failover() {
    let mut setup = Setup::new(&["a", "b", "c"]);
    let hedge = Hedge::after(Duration::from_secs(1)).budget_bp(10_000);
    setup.strategy = Arc::new(Hedged::new(Sequential::new(["a", "b", "c"]), hedge));
    let mut rig = setup.rig();
    rig.wait(Duration::from_millis(950));
    rig.fails(0, Kind::Connect);
    rig.wait(Duration::from_secs(1));
    assert_eq!(rig.targets(), [0, 1]);
}

#[test]
fn retry_after_points_at_the_next_last_resort() {
    let mut setup = Setup::new(&["a"]);
    setup.ills = &[(0, Ill::Open(13))];
    let mut rig = setup.rig();
    let mut told = None;
    for _ in 0..5 {
        let _ = rig.next_call(&setup);
        told = told.or(rig.done.first().and_then(|done| done.as_ref().err()?.retry_after()));
    }
    let told = told.unwrap();
    assert!(told <= Duration::from_millis(1_250), "one second plus up to a quarter of jitter: {told:?}");
    rig.now = rig.now + told;
    let _ = rig.next_call(&setup);
    assert_eq!(rig.targets(), [0]);
}

#[test]
fn target_in_two_tiers_is_tried_once() {
    let mut setup = Setup::new(&["a", "b", "c"]);
    let tiers: Vec<Box<dyn Strategy>> =
        vec![Box::new(RoundRobin::new(["a", "b"])), Box::new(Sequential::new(["b", "c"]))];
    setup.strategy = Arc::new(Tiered::new(tiers));
    let mut rig = setup.rig();
    for attempt in 0..3 {
        rig.fails(attempt, Kind::Overloaded);
    }
    assert_eq!(rig.targets(), [0, 1, 2]);
    assert_eq!(rig.error().kind(), Kind::Overloaded);
}

/// A hold-back window that outlives the attempt which opened it would be a timer that stays due for ever.
#[test]
fn hold_back_window_ends_with_its_attempt() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.rules.commit = Commit::After(Duration::from_secs(2));
    let mut rig = setup.rig();
    rig.text(0, "half an ans");
    rig.wait(Duration::from_secs(1));
    rig.fails(0, Kind::Truncated);
    rig.wait(Duration::from_secs(3));
    assert!(rig.call.poll_timeout() > Some(rig.now), "nothing is due");
    rig.text(1, "whole");
    rig.wait(Duration::from_millis(1_900));
    assert_eq!(rig.said(), "", "the second attempt has its own window");
    rig.wait(Duration::from_millis(200));
    assert_eq!(rig.said(), "whole");
}

#[test]
fn refusal_is_held_back_past_the_window() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.rules.commit = Commit::After(Duration::from_secs(2));
    setup.rules.on_refusal = crate::rules::OnRefusal::Next;
    let mut rig = setup.rig();
    rig.says(0, Event::RefusalDelta("I cannot".into()));
    rig.wait(Duration::from_secs(3));
    rig.finishes(0);
    assert_eq!((rig.targets(), rig.out.len()), (vec![0, 1], 0));
}

/// The full target meanwhile asks for a pause longer than the call's remaining time, so the call no longer waits for
/// it.
#[test]
fn call_leaves_the_queue_when_it_stops_waiting() {
    let mut rig = with(&[(1, Ill::Busy)]);
    rig.wait(BEFORE_LATE);
    assert_eq!(rig.world.queued(TargetIndex(1)), 1);
    let (place, permit) = rig.others.remove(0);
    let until = rig.now + Duration::from_secs(300);
    let held = HealthOutcome::at(rig.world.scopes(place).credential_model, Verdict::Hold { until });
    rig.world.settle(rig.now, place, permit, Settlement::of_attempt(held, Ending::Cancelled), 0);
    assert_eq!(rig.world.take_woken(), [rig.call.ticket().unwrap()]);
    rig.tell(Input::Woken);
    assert_eq!((rig.targets(), rig.world.queued(TargetIndex(1))), (vec![0], 0));
}

#[test]
fn each_rejected_key_in_a_race_falls_back_to_the_next_key() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.keys = 2;
    setup.strategy = Arc::new(Race::new(["a", "b"]));
    let mut rig = setup.rig();
    // Both failures are handled before the call is polled again.
    for attempt in [0, 1] {
        let failed = Input::Failed(AttemptId(attempt), Error::new(Kind::Auth, ""));
        rig.call.handle(rig.now, &mut rig.world, failed);
    }
    rig.run();
    assert_eq!(rig.targets(), [0, 1, 0, 1]);
}

/// The slot freed by the rejected key is taken before the next key can have it.
#[test]
fn untried_key_waits_for_a_slot() {
    let mut setup = Setup::new(&["a"]);
    (setup.keys, setup.max_in_flight) = (2, Some(1));
    let mut rig = setup.rig();
    let first = rig.next_call(&setup);
    // The first call's key fails while the second call is next in the queue.
    let second = rig.back_to(first);
    rig.fails(0, Kind::Auth);
    assert_eq!(rig.targets(), [0], "the slot is for the waiter");
    assert!(rig.done.is_empty(), "{:?}", rig.done);
    let first = rig.back_to(second);
    rig.tell(Input::Woken);
    rig.finishes_with_text(0);
    let _second = rig.back_to(first);
    rig.tell(Input::Woken);
    assert_eq!(rig.targets(), [0, 0]);
    rig.finishes_with_text(1);
    assert!(rig.done[0].is_ok());
}

fn hedged(names: &'static [&'static str]) -> Setup {
    let mut setup = Setup::new(names);
    let hedge = Hedge::after(Duration::from_millis(400));
    setup.strategy = Arc::new(Hedged::new(Sequential::new(names.iter().copied()), hedge));
    setup
}

#[test]
fn unadmitted_hedge_uses_no_extra_start() {
    let mut setup = hedged(&["a", "b"]);
    setup.max_in_flight = Some(1);
    let mut rig = setup.rig();
    let taken = rig.world.admit(rig.now, TargetIndex(1), Demand::default()).unwrap().1;
    rig.wait(Duration::from_millis(500));
    assert_eq!((rig.targets(), rig.call.extra_starts), (vec![0], 0));
    rig.finishes_with_text(0);
    rig.world.settle(
        rig.now,
        TargetIndex(1),
        taken,
        Settlement::of_attempt(HealthOutcome::neutral(), Ending::Cancelled),
        0,
    );
    let _ = rig.next_call(&setup);
    rig.wait(Duration::from_millis(500));
    assert_eq!((rig.targets(), rig.call.extra_starts), (vec![0, 1], 1));
}

#[test]
fn hedge_skips_unavailable_targets() {
    for ills in [&[(0, Ill::Open(60))], &[(1, Ill::Open(60))]] {
        let mut setup = hedged(&["a", "b", "c"]);
        setup.ills = ills;
        let mut rig = setup.rig();
        rig.wait(Duration::from_millis(500));
        assert_eq!((rig.begun.len(), rig.begun[1].target), (2, TargetIndex(2)), "{ills:?}");
    }
}
