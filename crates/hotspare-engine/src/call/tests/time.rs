//! Time: what is late, what is no longer started, and what slowness says about health.

use hotspare_core::TargetView;

use super::*;

/// Has the first target serve `calls` calls, each with its first content after `after`.
pub(super) fn answered(rig: &mut Rig, setup: &Setup, calls: usize, after: Duration) {
    for _ in 0..calls {
        rig.now = rig.now + after;
        rig.run();
        rig.text(0, "x");
        rig.finishes(0);
        let _ = rig.next_call(setup);
    }
}

pub(super) fn view(rig: &Rig) -> TargetView {
    rig.world.view(rig.now, TargetIndex(0), 5)
}

/// A host that finishes its only piece, and then leaves the connection open.
#[test]
fn end_that_may_be_too_early_is_believed_after_a_pause() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    let held = || Input::HeldEnd(AttemptId(0), FinishReason::Stop);
    rig.text(0, "x");
    rig.tell(held());
    rig.wait(Duration::from_secs(2));
    rig.tell(held());
    assert!(rig.done.is_empty());
    rig.wait(Duration::from_millis(1_001));
    assert_eq!(rig.said(), "x");
    let Ok(summary) = &rig.done[0] else { panic!("{:?}", rig.done) };
    let notes = &summary.trail.attempts[0].notes;
    assert!(notes[0].starts_with("its end was taken for the end of the answer after 3.0 s"), "{notes:?}");
    assert_eq!(rig.targets(), [0]);
}

#[test]
fn end_that_something_followed_is_not_believed() {
    for follow in [Event::TextDelta("y".into()), Event::ReasoningDelta("hm".into())] {
        let mut rig = Setup::new(&["a"]).rig();
        rig.text(0, "x");
        rig.tell(Input::HeldEnd(AttemptId(0), FinishReason::Stop));
        rig.says(0, follow);
        rig.wait(Duration::from_secs(4));
        assert!(rig.done.is_empty());
    }
    // Nor is one behind reasoning alone.
    let mut rig = Setup::new(&["a"]).rig();
    rig.says(0, Event::ReasoningDelta("hm".into()));
    rig.tell(Input::HeldEnd(AttemptId(0), FinishReason::Stop));
    rig.wait(Duration::from_secs(4));
    assert!(rig.done.is_empty());
}

#[test]
fn freeze_degrades_the_target_without_opening_the_breaker() {
    let setup = Setup::new(&["a", "b"]);
    let mut rig = setup.rig();
    answered(&mut rig, &setup, 60, Duration::from_millis(400));
    // Nothing arrives any more, while new calls keep coming in.
    let mut calls = vec![rig.next_call(&setup)];
    (0..4).for_each(|_| calls.push(rig.next_call(&setup)));
    let frozen = rig.now;
    for call in calls {
        let rest = rig.back_to(call);
        rig.wait(Duration::from_millis(20));
        drop(rest);
    }
    rig.now = frozen + Duration::from_millis(500);
    rig.run();
    let mut late = 0;
    while !view(&rig).degraded && late < 20 {
        late += 1;
        let _ = rig.next_call(&setup);
        rig.wait(Duration::from_millis(500));
    }
    assert!(late <= 5, "five late calls suffice: {late}");
    assert_eq!(view(&rig).breaker, hotspare_core::BreakerState::Closed);
    assert_eq!(view(&rig).weight_bp, 1_000);
}

#[test]
fn slow_long_prompts_are_not_late() {
    let mut setup = Setup::new(&["a", "b"]);
    let mut rig = setup.rig();
    answered(&mut rig, &setup, 60, Duration::from_millis(400));
    setup.prompt_tokens = 100_000;
    let _ = rig.next_call(&setup);
    answered(&mut rig, &setup, 30, Duration::from_secs(5));
    assert!(!view(&rig).degraded);
    assert_eq!(rig.targets(), [0], "its first-content limit is longer");
}

#[test]
fn attempts_rescued_by_a_hedge_still_count_as_slow() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.strategy = Arc::new(Hedged::new(Sequential::new(["a", "b"]), Hedge::at_p95().budget_bp(10_000)));
    let mut rig = setup.rig();
    answered(&mut rig, &setup, 60, Duration::from_millis(400));
    let before = view(&rig).latency.unwrap();
    for _ in 0..10 {
        rig.wait(Duration::from_secs(3));
        assert_eq!(rig.targets(), [0, 1]);
        rig.text(1, "x");
        rig.finishes(1);
        let route = Arc::clone(&rig.call.route);
        for _ in 0..2 {
            let _turn = rig.world.next_turn(&route);
        }
        let _ = rig.next_call(&setup);
    }
    assert!(view(&rig).latency.unwrap() > before * 3, "{:?}", view(&rig).latency);
}

/// A call whose first target is in flight, and whose second target usually needs 3 s.
fn beside_a_slow_spare() -> Rig {
    let setup = Setup::new(&["b", "a"]);
    let mut rig = setup.rig();
    for _ in 0..30 {
        rig.fails(0, Kind::ModelUnavailable);
        rig.now = rig.now + Duration::from_secs(3);
        rig.run();
        let last = rig.begun.len() - 1;
        rig.text(last, "x");
        rig.finishes(last);
        rig.now = rig.now + Duration::from_secs(700);
        let _ = rig.next_call(&setup);
    }
    rig
}

#[test]
fn target_too_slow_for_the_remaining_time_is_skipped() {
    let mut rig = beside_a_slow_spare();
    rig.call.first_content_at = rig.now + Duration::from_secs(2);
    rig.fails(0, Kind::ModelUnavailable);
    assert_eq!(rig.targets(), [0]);
    let error = rig.error();
    assert_eq!(error.kind(), Kind::ModelUnavailable, "the first failure is reported");
    assert!(error.trail().skipped[0].why.contains("2000 ms are left"), "{}", error.trail());
}

/// A call that waited for room, for one, is not held to what was known when it was planned.
#[test]
fn target_that_has_become_quick_enough_for_the_remaining_time_is_started() {
    let mut rig = beside_a_slow_spare();
    for _ in 0..200 {
        let (_, mut permit) = rig.world.admit(rig.now, TargetIndex(1), Demand::default()).unwrap();
        let after = Duration::from_millis(500);
        rig.world.observe(rig.now, TargetIndex(1), &mut permit, Observation::FirstContent { after });
        let served = HealthOutcome { verdict: Verdict::Success, at: None };
        rig.world.settle(rig.now, TargetIndex(1), permit, Settlement::of_attempt(served, Ending::Served), 0);
    }
    rig.call.first_content_at = rig.now + Duration::from_secs(2);
    rig.fails(0, Kind::ModelUnavailable);
    assert_eq!(rig.targets(), [0, 1]);
}

#[test]
fn headers_timeout_applies_until_the_host_responds() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.limits.headers = Some(Duration::from_millis(500));
    let mut rig = setup.rig();
    rig.wait(Duration::from_millis(600));
    assert_eq!(rig.targets(), [0, 1]);
    let mut rig = setup.rig();
    rig.tell(Input::Alive(AttemptId(0)));
    rig.wait(Duration::from_millis(600));
    assert_eq!(rig.targets(), [0], "it has responded, so the first-content limit applies");
    setup.stream = false;
    let mut rig = setup.rig();
    rig.wait(Duration::from_secs(3));
    assert_eq!(rig.targets(), [0], "an unstreamed reply sends its headers with the complete answer");
}

#[test]
fn attempt_timeout_applies_only_until_it_serves() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.limits.attempt = Some(Duration::from_secs(5));
    setup.rules.stream_upstream = true;
    setup.stream = false;
    let mut rig = setup.rig();
    for _ in 0..4 {
        rig.now = rig.now + Duration::from_secs(1);
        rig.text(0, "x");
    }
    rig.wait(Duration::from_secs(2));
    assert_eq!(rig.targets(), [0, 1], "it kept sending but did not finish in time");
    setup.stream = true;
    let mut rig = setup.rig();
    rig.text(0, "x");
    rig.wait(Duration::from_secs(6));
    assert_eq!(rig.targets(), [0], "a serving attempt is never cut");
}

#[test]
fn stream_refusal_falls_back_to_unstreamed_and_is_remembered() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.rules.stream_upstream = true;
    setup.stream = false;
    let mut rig = setup.rig();
    assert!(rig.begun[0].stream);
    rig.fails(0, Kind::InvalidRequest);
    assert_eq!((rig.targets(), rig.begun[1].stream), (vec![0, 0], false));
    rig.text(1, "x");
    rig.finishes(1);
    assert!(rig.done[0].is_ok());
    assert_eq!(view(&rig).failure_rate_bp, 0);
    let _ = rig.next_call(&setup);
    assert!(!rig.begun[0].stream, "remembered");
    // A request that is invalid stays invalid, and concerns no other target.
    rig.fails(0, Kind::InvalidRequest);
    assert_eq!(rig.error().kind(), Kind::InvalidRequest);
}

#[test]
fn growth_limit_shifts_half_the_traffic_without_affecting_health() {
    let setup = Setup::new(&["a", "b"]);
    let mut rig = setup.rig();
    answered(&mut rig, &setup, 40, Duration::from_millis(100));
    rig.fails(0, Kind::GrowthLimited);
    assert_eq!(rig.targets(), [0, 1]);
    let mut served = [0, 0];
    for _ in 0..60 {
        rig.now = rig.now + Duration::from_secs(1);
        let _ = rig.next_call(&setup);
        served[rig.begun[0].target.position()] += 1;
        rig.finishes_with_text(0);
    }
    assert!((15..=25).contains(&served[0]), "{served:?}");
    assert_eq!(view(&rig).failure_rate_bp, 0);
}

#[test]
fn reasoning_model_leaves_time_for_the_spare() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.profile.capabilities.reasoning = Some(ReasoningMode::ByDefault);
    setup.limits.first_content_deadline = Duration::from_secs(20);
    let mut rig = setup.rig();
    rig.wait(Duration::from_secs(11));
    assert_eq!(rig.targets(), [0, 1], "at half of the deadline, although the limit is 90 s");
    rig.text(1, "x");
    rig.finishes(1);
    assert!(rig.done[0].is_ok());
    assert_eq!(
        (view(&rig).failure_rate_bp, view(&rig).samples),
        (0, 0),
        "the first target's health is unchanged"
    );
}

/// A model that only can reason answers at once unless the request asks it to, so its silence starts the spare early.
#[test]
fn model_that_reasons_on_request_gets_the_long_limit_only_then() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.profile.capabilities.reasoning = Some(ReasoningMode::OnRequest);
    let mut rig = setup.rig();
    rig.wait(Duration::from_secs(9));
    assert_eq!(rig.targets(), [0, 1]);
    let reasons = |effort: Option<&str>, asked: Option<bool>| {
        let mut request = ChatRequest::to("r").user("hi");
        request.reasoning_effort = effort.map(str::to_owned);
        let (size, views) = (PromptSize::of_text(1), rig.world.views(rig.now, &rig.call.route, 1, true));
        let (fleet, route) = (&rig.call.fleet, &rig.call.route);
        let plan = Plan::new(fleet, route, &request.into(), size, &views, PlanSeed::default());
        let plan = if asked.is_some() { plan.with_reasoning(fleet, |_| asked) } else { plan };
        plan.choices[0].reasons
    };
    assert!(reasons(Some("low"), None) && reasons(None, Some(true)));
    assert!(!reasons(Some("none"), None) && !reasons(Some("low"), Some(false)));
}

#[test]
fn unstreamed_answer_may_use_the_total_deadline() {
    let mut setup = Setup::new(&["a"]);
    setup.stream = false;
    let mut rig = setup.rig();
    rig.wait(Duration::from_secs(599));
    assert!(rig.done.is_empty());
    rig.finishes_with_text(0);
    assert!(rig.done[0].is_ok());
    let mut rig = setup.rig();
    rig.wait(Duration::from_secs(601));
    assert_eq!(rig.error().kind(), Kind::Deadline);
    // A stream requested upstream by the route must show signs of life.
    setup.rules.stream_upstream = true;
    let mut rig = setup.rig();
    rig.wait(Duration::from_secs(121));
    assert_eq!(rig.error().kind(), Kind::Deadline);
}

/// The first content of an unstreamed answer is its end: its latency says nothing about streams, and vice versa.
#[test]
fn streamed_and_unstreamed_latencies_are_tracked_separately() {
    let mut setup = Setup::new(&["a", "b"]);
    let mut rig = setup.rig();
    answered(&mut rig, &setup, 60, Duration::from_millis(400));
    setup.stream = false;
    let _ = rig.next_call(&setup);
    answered(&mut rig, &setup, 30, Duration::from_secs(20));
    assert!(!view(&rig).degraded, "a long answer is not late");
    let route = Arc::clone(&rig.call.route);
    let p95 = |rig: &Rig, stream| rig.world.views(rig.now, &route, 5, stream)[0].latency_p95.unwrap();
    assert!(p95(&rig, true) < Duration::from_millis(500), "{:?}", p95(&rig, true));
    assert!(p95(&rig, false) > Duration::from_secs(19), "{:?}", p95(&rig, false));
    // Half of the unstreamed answers take longer than this call has left; none of the streams does.
    setup.stream = true;
    setup.strategy = Arc::new(Sequential::new(["b", "a"]));
    let _ = rig.next_call(&setup);
    rig.call.first_content_at = rig.now + Duration::from_secs(15);
    rig.fails(0, Kind::ModelUnavailable);
    assert_eq!(rig.targets().len(), 2, "{}", rig.call.trail());
}

#[test]
fn unstreamed_hedge_delay_follows_unstreamed_latency() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.strategy = Arc::new(Hedged::new(Sequential::new(["a", "b"]), Hedge::at_p95().budget_bp(10_000)));
    let mut rig = setup.rig();
    answered(&mut rig, &setup, 60, Duration::from_millis(400));
    setup.stream = false;
    let _ = rig.next_call(&setup);
    rig.wait(Duration::from_secs(5));
    assert_eq!(rig.targets(), [0], "no unstreamed latency is known yet");
    rig.finishes_with_text(0);
    let _ = rig.next_call(&setup);
    answered(&mut rig, &setup, 30, Duration::from_secs(5));
    rig.wait(Duration::from_secs(4));
    assert_eq!(rig.targets(), [0]);
    rig.wait(Duration::from_secs(3));
    assert_eq!(rig.targets(), [0, 1]);
}

/// Seconds until the spare starts while the first target of the next call is silent; then the spare answers.
fn spare_after(rig: &mut Rig, setup: &Setup) -> f64 {
    let _ = rig.next_call(setup);
    let began = rig.now;
    while rig.begun.len() < 2 {
        rig.wait(Duration::from_millis(100));
    }
    let after = rig.now.saturating_since(began).as_secs_f64();
    rig.wait(Duration::from_millis(400));
    rig.finishes_with_text(1);
    after
}

#[test]
fn adaptive_limit_applies_at_low_rates_and_silence_does_not_raise_it() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.limits.adaptive = Some(crate::rules::Adaptive::default());
    setup.health = Config::never();
    let mut rig = setup.rig();
    assert!(spare_after(&mut rig, &setup) > 7.9, "nothing is known");
    for _ in 0..30 {
        rig.now = rig.now + Duration::from_secs(60);
        let _ = rig.next_call(&setup);
        answered(&mut rig, &setup, 1, Duration::from_millis(400));
    }
    for _ in 0..60 {
        let after = spare_after(&mut rig, &setup);
        assert!((1.2..1.5).contains(&after), "three times the p95: {after} s");
    }
}

/// A failing server that names a time means it.
#[test]
fn retry_after_a_server_error_waits_as_hinted_or_is_left_to_the_next_target() {
    let failure = |pause: Duration| Error::new(Kind::Server, "").with_status(500).with_retry_after(pause);
    let setup = Setup::new(&["a", "b"]);
    let mut rig = setup.rig();
    rig.tell(Input::Failed(AttemptId(0), failure(Duration::from_secs(30))));
    assert_eq!(rig.targets(), [0, 1]);
    let mut patient = Setup::new(&["a", "b"]);
    patient.limits.wait_for_rate_limit = Duration::from_secs(5);
    let mut rig = patient.rig();
    rig.tell(Input::Failed(AttemptId(0), failure(Duration::from_secs(2))));
    rig.wait(Duration::from_millis(1_999));
    assert_eq!(rig.targets(), [0]);
    rig.wait(Duration::from_millis(1));
    assert_eq!(rig.targets(), [0, 0]);
    let mut rig = Setup::new(&["a"]).rig();
    rig.tell(Input::Failed(AttemptId(0), failure(Duration::from_secs(2))));
    rig.wait(Duration::from_secs(2));
    assert_eq!(rig.targets(), [0, 0], "there is no other");
    let mut full = Setup::new(&["a", "b"]);
    (full.max_in_flight, full.ills) = (Some(1), &[(1, Ill::Busy)]);
    let mut rig = full.rig();
    rig.tell(Input::Failed(AttemptId(0), failure(Duration::from_secs(2))));
    assert_eq!(rig.world.queued(TargetIndex(1)), 1, "the other may have room at any time");
}

/// Its share of the deadline is less than its limit, so that the spare starts in time; that it never said anything still
/// counts once the spare has answered.
#[test]
fn silent_reasoning_target_is_left_although_its_share_is_short() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.profile.capabilities.reasoning = Some(ReasoningMode::ByDefault);
    setup.health = Config::default();
    let mut rig = setup.rig();
    let mut waits = 0;
    while rig.begun[0].target == TargetIndex(0) {
        rig.wait(Duration::from_secs(60));
        rig.text(1, "x");
        rig.finishes(1);
        waits += 1;
        assert!(waits < 20, "the spare answers at once, and each call waits a minute");
        // Calls overlap: lateness within half a minute counts.
        rig.now = Moment::ZERO + Duration::from_secs(waits);
        let _ = rig.next_call(&setup);
    }
}

/// Callers whose patience is shorter than the limit would otherwise meet a silent target for ever.
#[test]
fn silence_opens_the_breaker_although_every_caller_leaves_before_the_limit() {
    for known in [0, 30] {
        let setup = Setup::new(&["a", "b"]);
        let mut rig = setup.rig();
        answered(&mut rig, &setup, known, Duration::from_millis(400));
        let mut left = 0;
        while rig.targets() == [0] && left < 40 {
            rig.wait(Duration::from_millis(if known == 0 { 4_500 } else { 1_000 }));
            rig.tell(Input::CallerGone);
            assert_eq!(rig.error().kind(), Kind::Cancelled);
            let _ = rig.next_call(&setup);
            left += 1;
        }
        assert!(left >= 10, "{left} of at least ten calls");
        assert_eq!(rig.targets(), [1], "{known} calls were answered before {left} callers left");
        rig.finishes_with_text(0);
    }
}

#[test]
fn callers_who_leave_sooner_than_answers_come_say_nothing() {
    let setup = Setup::new(&["a", "b"]);
    let mut rig = setup.rig();
    answered(&mut rig, &setup, 30, Duration::from_millis(400));
    for _ in 0..40 {
        rig.wait(Duration::from_millis(300));
        rig.tell(Input::CallerGone);
        let _ = rig.next_call(&setup);
    }
    assert_eq!(rig.targets(), [0]);
    assert_eq!((view(&rig).breaker, view(&rig).degraded), (hotspare_core::BreakerState::Closed, false));
}

/// What quick answers need does not show how long a model may reason.
#[test]
fn callers_who_leave_a_model_that_reasons_say_nothing() {
    let mut setup = Setup::new(&["a", "b"]);
    let mut rig = setup.rig();
    answered(&mut rig, &setup, 30, Duration::from_millis(400));
    setup.effort = Some("high");
    for _ in 0..40 {
        let _ = rig.next_call(&setup);
        rig.wait(Duration::from_secs(3));
        rig.tell(Input::CallerGone);
    }
    let _ = rig.next_call(&setup);
    assert_eq!((rig.targets(), view(&rig).breaker), (vec![0], hotspare_core::BreakerState::Closed));
}

#[test]
fn callers_first_content_deadline_leaves_time_for_the_spare_and_ends_with_the_first_content() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.first_content_deadline = Some(Duration::from_secs(5));
    let mut rig = setup.rig();
    rig.wait(Duration::from_millis(2_500));
    assert_eq!(rig.targets(), [0, 1]);
    rig.text(1, "x");
    rig.wait(Duration::from_secs(6));
    rig.finishes(1);
    assert_eq!(rig.done[0].as_ref().unwrap().served_by.as_str(), "b");
    let mut rig = setup.rig();
    rig.wait(Duration::from_secs(5));
    assert_eq!(rig.error().kind(), Kind::Deadline);
}
