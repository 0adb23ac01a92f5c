//! Slots, quotas and the queue.

use hotspare_core::{Allowance, RateLimits, Raw, UsageSource};

use super::*;

fn spent(requests: u64, reset: Duration) -> RateLimits {
    let mut limits = RateLimits::default();
    limits.requests = Allowance::new(100, requests, Some(reset));
    limits
}

#[test]
fn longest_waiting_call_is_woken_first() {
    let mut setup = Setup::new(&["a"]);
    setup.max_in_flight = Some(1);
    let mut rig = setup.rig();
    let first = rig.next_call(&setup);
    assert!(rig.begun.is_empty(), "the only slot is in use");
    let second = rig.next_call(&setup);
    assert!(rig.begun.is_empty());
    let ticket = second.call.ticket().unwrap();
    let third = rig.back_to(first);
    rig.text(0, "x");
    rig.finishes(0);
    assert_eq!(rig.world.take_woken(), [ticket]);
    let first = rig.back_to(third);
    rig.tell(Input::Woken);
    assert!(rig.begun.is_empty(), "the slot is for the earlier waiter");
    let _third = rig.back_to(second);
    rig.tell(Input::Woken);
    assert_eq!(rig.begun.len(), 1);
    assert!(first.done[0].is_ok());
}

/// The slot of a failed attempt goes to the next in the queue; its retry queues up behind them.
#[test]
fn retry_queues_for_a_slot() {
    let mut setup = Setup::new(&["a"]);
    (setup.max_in_flight, setup.stream) = (Some(1), false);
    setup.form = Some(OutputCheck::json_object());
    for invalid in [false, true] {
        let mut rig = setup.rig();
        let first = rig.next_call(&setup);
        let second = rig.back_to(first);
        if invalid {
            rig.finishes_with_text(0);
        } else {
            rig.fails(0, Kind::Server);
            rig.wait(Duration::from_millis(100));
        }
        assert_eq!((rig.begun.len(), rig.done.len(), rig.world.queued(TargetIndex(0))), (1, 0, 2));
        assert_eq!(rig.world.take_woken(), [second.call.ticket().unwrap()]);
        let first = rig.back_to(second);
        rig.tell(Input::Woken);
        rig.text(0, "{}");
        rig.finishes(0);
        assert_eq!(rig.world.take_woken(), [first.call.ticket().unwrap()]);
        let _ = rig.back_to(first);
        rig.tell(Input::Woken);
        assert_eq!((rig.targets(), rig.begun[1].reask.is_some()), (vec![0, 0], invalid));
        assert!(rig.call.trail().attempts[1].why.contains(if invalid { "asked again" } else { "retry" }));
    }
}

#[test]
fn cancelled_waiter_yields_to_the_next() {
    let mut setup = Setup::new(&["a"]);
    setup.max_in_flight = Some(1);
    let mut rig = setup.rig();
    let first = rig.next_call(&setup);
    let second = rig.next_call(&setup);
    assert_eq!(rig.world.queued(TargetIndex(0)), 2);
    let third = rig.back_to(second);
    rig.tell(Input::CallerGone);
    let _ = rig.back_to(first);
    rig.finishes_with_text(0);
    assert_eq!(rig.world.take_woken(), [third.call.ticket().unwrap()]);
    assert_eq!(rig.world.queued(TargetIndex(0)), 1);
}

#[test]
fn call_uses_a_spare_instead_of_queueing() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.max_in_flight = Some(1);
    let mut rig = setup.rig();
    let _first = rig.next_call(&setup);
    assert_eq!((rig.begun[0].target, rig.world.queued(TargetIndex(0))), (TargetIndex(1), 0));
}

#[test]
fn waiter_leaves_the_queue_at_its_deadline() {
    let mut setup = Setup::new(&["a"]);
    setup.max_in_flight = Some(1);
    let mut rig = setup.rig();
    let _first = rig.next_call(&setup);
    rig.wait(Duration::from_secs(121));
    let error = rig.done[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), Kind::NoTarget);
    assert!(error.message().contains("all its slots are in use"), "{error}");
    assert!(!error.message().contains("s more"), "nobody knows for how long: {error}");
    assert_eq!(rig.world.queued(TargetIndex(0)), 0);
}

#[test]
fn exhausted_quota_is_avoided_before_a_rejection() {
    let setup = Setup::new(&["a", "b"]);
    let mut rig = setup.rig();
    rig.tell(Input::Opened(AttemptId(0), spent(0, Duration::from_secs(100))));
    rig.finishes_with_text(0);
    let _ = rig.next_call(&setup);
    assert_eq!(rig.begun[0].target, TargetIndex(1));
    assert!(
        rig.world.view(rig.now, TargetIndex(0), 0).breaker == hotspare_core::BreakerState::Closed,
        "quota does not affect health"
    );
    // One request is refilled per second.
    rig.now = rig.now + Duration::from_secs(1);
    let _ = rig.next_call(&setup);
    assert_eq!(rig.begun[0].target, TargetIndex(0));
    let _ = rig.next_call(&setup);
    assert_eq!(rig.begun[0].target, TargetIndex(1), "the refilled request is used up");
}

/// A call with a prompt of 100 tokens and an answer of 200 has ended, of whose quota 950 tokens were left.
fn after_a_report() -> (Rig, Setup) {
    let mut setup = Setup::new(&["a", "b"]);
    setup.prompt_tokens = 100;
    let mut rig = setup.rig();
    let mut limits = RateLimits::default();
    limits.tokens = Allowance::new(10_000, 950, Some(Duration::from_secs(543)));
    let usage = hotspare_core::Usage::reported(Some(100), Some(200));
    rig.tell(Input::Opened(AttemptId(0), limits));
    rig.says(0, Event::Usage(Box::new(usage)));
    rig.finishes_with_text(0);
    (rig, setup)
}

/// A reply reports before the answer is counted, or counts the answers of others that are in flight.
#[test]
fn usual_answer_is_reserved_in_a_reported_quota() {
    let (mut rig, setup) = after_a_report();
    // 300 for the next call, and 400 in case that its answer is unusually long: 950 are enough, 650 are not.
    let first = rig.next_call(&setup);
    assert_eq!(rig.begun[0].target, TargetIndex(0));
    let _ = rig.next_call(&setup);
    assert_eq!(rig.begun[0].target, TargetIndex(1), "most of what is left is reserved");
    let _ = rig.back_to(first);
    rig.fails(0, Kind::RateLimited);
    rig.text(1, "b");
    rig.finishes(1);
    rig.wait(Duration::from_secs(30));
    let _ = rig.next_call(&setup);
    assert_eq!(rig.begun[0].target, TargetIndex(0), "a refused request used nothing");
}

#[test]
fn attempt_that_took_too_long_may_have_used_what_was_reserved() {
    for (kind, next) in [(Kind::Overloaded, 0), (Kind::Stalled, 1), (Kind::Timeout, 1)] {
        let (mut rig, setup) = after_a_report();
        let _ = rig.next_call(&setup);
        assert_eq!(rig.begun[0].target, TargetIndex(0));
        rig.fails(0, kind);
        rig.text(1, "b");
        rig.finishes(1);
        let _ = rig.next_call(&setup);
        assert_eq!(
            rig.begun[0].target,
            TargetIndex(next),
            "{kind:?}: 650 or 950 are left, and 700 are needed"
        );
    }
}

#[test]
fn implausible_quota_report_does_not_block_forever() {
    let setup = Setup::new(&["a"]);
    let mut rig = setup.rig();
    rig.tell(Input::Opened(AttemptId(0), spent(0, Duration::MAX)));
    rig.finishes_with_text(0);
    let _ = rig.next_call(&setup);
    assert_eq!(rig.begun.len(), 1, "the only target is tried anyway");
    assert!(rig.call.trail().attempts[0].why.contains("last resort"), "{}", rig.call.trail());
}

#[test]
fn waits_for_a_configured_rate_limit() {
    let mut setup = Setup::new(&["a"]);
    setup.requests_per_minute = Some(1);
    let mut rig = setup.rig();
    rig.finishes_with_text(0);
    let _ = rig.next_call(&setup);
    assert!(rig.begun.is_empty());
    rig.wait(Duration::from_secs(61));
    assert_eq!(rig.begun.len(), 1);
}

/// A limit admits one call at a time: an ended call does not wake the whole queue, and a new call does not jump it.
#[test]
fn configured_rate_limit_serves_in_fifo_order() {
    let mut setup = Setup::new(&["a"]);
    setup.requests_per_minute = Some(1);
    let mut rig = setup.rig();
    let first = rig.next_call(&setup);
    let oldest = rig.next_call(&setup);
    let others: Vec<Rest> = (0..20).map(|_| rig.next_call(&setup)).collect();
    let _ = rig.back_to(first);
    rig.finishes_with_text(0);
    assert_eq!(rig.world.take_woken().len(), 1);
    rig.now = rig.now + Duration::from_secs(60);
    let _ = rig.next_call(&setup);
    assert!(rig.begun.is_empty(), "earlier calls are queued");
    let _ = rig.back_to(oldest);
    rig.run();
    assert_eq!(rig.begun.len(), 1);
    assert_eq!(rig.world.take_woken(), [others[0].call.ticket().unwrap()], "the head of the queue is next");
}

/// A call in an arm of `select!` is not polled while another arm runs, though the others still are.
#[test]
fn waiter_that_does_not_answer_when_woken_is_passed_over_until_it_does() {
    let mut setup = Setup::new(&["a"]);
    setup.max_in_flight = Some(1);
    let mut rig = setup.rig();
    let first = rig.next_call(&setup);
    let deaf = rig.next_call(&setup);
    let deaf_ticket = deaf.call.ticket().unwrap();
    let later = rig.back_to(first);
    rig.finishes_with_text(0);
    assert_eq!(rig.world.take_woken(), [deaf_ticket]);
    let _ = rig.back_to(later);
    rig.wait(LOOK_AGAIN / 2);
    assert!(rig.begun.is_empty(), "the head of the queue has time to answer");
    rig.wait(LOOK_AGAIN * 2);
    assert_eq!(rig.targets(), [0], "the slot is not kept for a call that does not answer");
    let later = rig.back_to(deaf);
    rig.tell(Input::Woken);
    assert_eq!(
        (rig.begun.len(), rig.done.len(), rig.world.queued(TargetIndex(0))),
        (0, 0, 1),
        "it has kept its place"
    );
    let deaf = rig.next_call(&setup);
    assert!(rig.begun.is_empty(), "it is behind the one that answers again");
    let _ = rig.back_to(later);
    rig.finishes_with_text(0);
    assert_eq!(rig.world.take_woken(), [deaf_ticket]);
    let _ = rig.back_to(deaf);
    rig.tell(Input::Woken);
    assert_eq!(rig.targets(), [0]);
}

/// Nobody wakes a call when the time under a limit has passed: it has a timer, which does not run unless it is polled.
#[test]
fn waiter_that_misses_its_time_under_a_limit_is_passed_over() {
    let mut setup = Setup::new(&["a"]);
    setup.requests_per_minute = Some(1);
    let mut rig = setup.rig();
    rig.finishes_with_text(0);
    let _ = rig.next_call(&setup);
    let _deaf = rig.next_call(&setup);
    rig.wait(Duration::from_secs(60));
    assert!(rig.begun.is_empty(), "the head of the queue has time to answer");
    rig.wait(LOOK_AGAIN * 2);
    assert_eq!(rig.targets(), [0]);
}

/// The last look at the queue is due a millisecond before the deadline, and a busy machine may miss it.
#[test]
fn call_that_was_queued_until_its_deadline_names_the_obstacle_however_late_its_timer_fires() {
    let mut setup = Setup::new(&["a"]);
    setup.max_in_flight = Some(1);
    setup.limits.first_content_deadline = Duration::from_secs(5);
    for moment in [4_999, 6_000].map(Duration::from_millis) {
        let mut rig = setup.rig();
        let _first = rig.next_call(&setup);
        rig.now = rig.now + moment;
        rig.run();
        let error = rig.done[0].as_ref().unwrap_err();
        assert_eq!(error.kind(), Kind::NoTarget);
        assert!(error.message().contains("all its slots are in use"), "{error}");
        assert_eq!(rig.world.queued(TargetIndex(0)), 0);
    }
}

/// A call is allowed every half second and two are queued: the second is served after the first, whichever asks first.
#[test]
fn queued_call_is_not_rejected_just_before_its_deadline() {
    let mut setup = Setup::new(&["a"]);
    setup.requests_per_minute = Some(120);
    setup.limits.first_content = Duration::from_secs(1);
    setup.limits.first_content_deadline = Duration::from_millis(1_400);
    let mut rig = setup.rig();
    (1..120).for_each(|_| drop(rig.next_call(&setup)));
    assert_eq!(rig.begun.len(), 1);
    let _ = rig.next_call(&setup);
    let first = rig.next_call(&setup);
    assert_eq!(rig.world.queued(TargetIndex(0)), 2);
    rig.now = rig.now + Duration::from_secs(1);
    rig.run();
    assert!(rig.begun.is_empty() && rig.done.is_empty(), "{:?}", rig.done);
    let second = rig.back_to(first);
    rig.run();
    assert_eq!(rig.begun.len(), 1);
    let ticket = second.call.ticket().unwrap();
    assert_eq!(rig.world.take_woken(), [ticket]);
    let _ = rig.back_to(second);
    rig.tell(Input::Woken);
    assert_eq!(rig.begun.len(), 1);
}

/// The error must name the obstacle, which is not a missing slot.
#[test]
fn configured_rate_limit_is_named_in_the_error() {
    let mut setup = Setup::new(&["a"]);
    setup.requests_per_minute = Some(1);
    setup.limits.first_content_deadline = Duration::from_secs(5);
    let mut rig = setup.rig();
    rig.finishes_with_text(0);
    let _ = rig.next_call(&setup);
    let error = rig.done[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), Kind::RateLimited);
    assert!(error.message().contains("its limit per minute is exhausted"), "{error}");
}

#[test]
fn token_overuse_is_repaid_before_the_next_call() {
    let mut setup = Setup::new(&["a"]);
    setup.tokens_per_minute = Some(600);
    setup.prompt_tokens = 100;
    let mut rig = setup.rig();
    let mut usage = hotspare_core::Usage::default();
    (usage.input, usage.output) = (Some(100), Some(800));
    usage.source = UsageSource::Reported;
    rig.says(0, Event::Usage(Box::new(usage)));
    rig.finishes_with_text(0);
    let _ = rig.next_call(&setup);
    assert!(rig.begun.is_empty(), "600 a minute, and 900 were used");
    rig.wait(Duration::from_secs(39));
    assert!(rig.begun.is_empty(), "a debt of 300 and 100 for the next");
    rig.wait(Duration::from_secs(2));
    assert_eq!(rig.begun.len(), 1);
}

#[test]
fn call_never_commits_before_content() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.rules.commit = Commit::Events(0);
    let mut rig = setup.rig();
    rig.says(0, Event::Mark);
    rig.fails(0, Kind::Truncated);
    rig.text(1, "whole");
    rig.finishes(1);
    assert_eq!((rig.said().as_str(), rig.done[0].is_ok()), ("whole", true));
}

#[test]
fn held_back_events_are_bounded() {
    let note = || Event::Annotation(hotspare_core::Json::parse("{\"at\":1}").unwrap());
    let frame = || {
        let data = vec![b'x'; 300].into();
        Chunk { event: Event::Mark, raw: Raw::Frame { wire: "even", data } }
    };
    let mut setup = Setup::new(&["a"]);
    setup.rules.commit = Commit::Whole;
    setup.limits.max_buffered_bytes = 2_000;
    for flood in [&|| Chunk::from(note()) as Chunk, &frame as &dyn Fn() -> Chunk] {
        let mut rig = setup.rig();
        rig.text(0, "x");
        for _ in 0..20 {
            rig.call.on_event(rig.now, AttemptId(0), flood());
        }
        rig.run();
        assert_eq!(rig.error().kind(), Kind::Protocol);
    }
    setup.stream = false;
    let mut rig = setup.rig();
    rig.text(0, &"x".repeat(2_001));
    assert_eq!(rig.error().kind(), Kind::Protocol);
}

/// Two accounts at one host, one of which has a lower limit.
#[test]
fn rate_limit_is_per_target() {
    let spec = |id: &str, key: u64, requests: u64| TargetSpec {
        id: id.into(),
        host: "host".into(),
        address: "host/v1".into(),
        model: "m".into(),
        profile: ModelProfile::default(),
        price_list: None,
        wire: "even",
        keys: vec![key],
        max_in_flight: None,
        requests_per_minute: Some(requests),
        tokens_per_minute: None,
        health: Config::default(),
        probe: false,
    };
    let (fleet, book) = Fleet::assemble(vec![spec("large", 1, 60), spec("small", 2, 3)]);
    let mut world = World::new(Arc::clone(&fleet), book, &[]);
    let now = Moment::ZERO + Duration::from_secs(1_000);
    let mut room =
        |place| (0..100).take_while(|_| world.admit(now, place, Demand::default()).is_ok()).count();
    assert_eq!([room(TargetIndex(1)), room(TargetIndex(0)), room(TargetIndex(1))], [3, 60, 0]);
    let view = world.view(now, TargetIndex(1), 0);
    assert_eq!((view.usable, view.usable_in), (false, Some(Duration::from_secs(20))));
}

/// It is unknown when there will be room, so a near deadline is no reason not to wait.
#[test]
fn waits_for_a_slot_until_the_deadline() {
    let mut setup = Setup::new(&["a"]);
    setup.max_in_flight = Some(1);
    setup.limits.first_content_deadline = Duration::from_millis(900);
    let mut rig = setup.rig();
    let first = rig.next_call(&setup);
    assert!(rig.done.is_empty(), "{:?}", rig.done);
    rig.wait(Duration::from_millis(800));
    let second = rig.back_to(first);
    rig.finishes_with_text(0);
    let _ = rig.back_to(second);
    rig.tell(Input::Woken);
    assert_eq!(rig.targets(), [0]);
}

/// A prompt is paid for when it is sent, not when the answer arrives.
#[test]
fn in_flight_attempts_count_towards_the_cost_limit() {
    let mut setup = Setup::new(&["a", "b", "c"]);
    setup.strategy = Arc::new(hotspare_routing::Race::new(["a", "b", "c"]).at_once(3));
    setup.prompt_tokens = 1_000;
    setup.profile.price = Some(hotspare_core::Price::micros_per_million(1_000_000_000, 0));
    setup.max_cost = Some(Cost::from_micros(2_000_001));
    let mut rig = setup.rig();
    assert_eq!(rig.targets(), [0, 1], "two prompts of 1 USD each");
    rig.fails(0, Kind::Overloaded);
    rig.fails(1, Kind::Overloaded);
    assert_eq!(rig.targets(), [0, 1, 2], "refusals cost nothing");
}

/// Later callers get the same error as the first caller that met the rate limit.
#[test]
fn all_targets_rate_limited_is_reported_as_rate_limited() {
    let setup = Setup::new(&["a", "b"]);
    let mut rig = setup.rig();
    let limited = |seconds| {
        Error::new(Kind::RateLimited, "").with_status(429).with_retry_after(Duration::from_secs(seconds))
    };
    rig.tell(Input::Failed(AttemptId(0), limited(9)));
    rig.tell(Input::Failed(AttemptId(1), limited(7)));
    assert_eq!(rig.done[0].as_ref().unwrap_err().kind(), Kind::RateLimited);
    let _ = rig.next_call(&setup);
    let error = rig.done[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), Kind::RateLimited);
    // The shorter of the two, plus up to a quarter.
    let pause = error.retry_after().unwrap();
    assert!((Duration::from_secs(7)..Duration::from_secs(9)).contains(&pause), "{pause:?}");
    assert!(error.message().starts_with("a: it is rate limited for 9.0 s more; b: "), "{error}");
    assert_eq!(error.public_message(), Kind::RateLimited.summary(), "target names are for operators only");
    rig.world.set_cordoned(TargetIndex(0), true);
    let _ = rig.next_call(&setup);
    assert_eq!(rig.done[0].as_ref().unwrap_err().kind(), Kind::RateLimited, "the other passes by itself");
    rig.world.set_cordoned(TargetIndex(1), true);
    let _ = rig.next_call(&setup);
    assert_eq!(rig.done[0].as_ref().unwrap_err().kind(), Kind::NoTarget);
}

/// Opens the breaker of the first target, which also refuses to start more calls for ten seconds.
fn limit_growth_and_open(rig: &mut Rig) {
    let scope = rig.world.scopes(TargetIndex(0)).model;
    let admit = |rig: &mut Rig| rig.world.admit(rig.now, TargetIndex(0), Demand::default()).unwrap().1;
    let settle = |rig: &mut Rig, permit, verdict| {
        let settlement = Settlement::of_attempt(HealthOutcome::at(scope, verdict), Ending::Cancelled);
        rig.world.settle(rig.now, TargetIndex(0), permit, settlement, 0);
    };
    let permits: Vec<Permit> = (0..6).map(|_| admit(rig)).collect();
    let mut permits = permits.into_iter();
    settle(rig, permits.next().unwrap(), Verdict::Ease { until: None });
    let last = admit(rig);
    let not_before = Some(rig.now + Duration::from_secs(60));
    for permit in permits.chain([last]) {
        settle(rig, permit, Verdict::Failure { weight_milli: 1_000, not_before });
    }
}

#[test]
fn growth_limit_of_an_open_target_keeps_no_call_from_another_last_resort() {
    let setup = Setup::new(&["a", "b"]);
    let mut rig = setup.rig();
    limit_growth_and_open(&mut rig);
    let _ = Ill::Open(60).befall(rig.now, &mut rig.world, TargetIndex(1));
    let left = |rig: &mut Rig| (0..1_000).take_while(|_| rig.world.take_last_resort(rig.now)).count();
    let _ = rig.next_call(&setup);
    assert_eq!(rig.targets(), [1]);
    let mut other = setup.rig();
    limit_growth_and_open(&mut other);
    assert_eq!(left(&mut rig) + 1, left(&mut other), "asking the first one has cost nothing");
}

#[test]
fn last_resort_waits_until_its_target_allows_more_calls() {
    let setup = Setup::new(&["a"]);
    let mut rig = setup.rig();
    limit_growth_and_open(&mut rig);
    let _ = rig.next_call(&setup);
    rig.wait(Duration::from_secs(9));
    assert!(rig.begun.is_empty() && rig.done.is_empty(), "{:?}", rig.done);
    rig.wait(Duration::from_secs(2));
    assert_eq!(rig.targets(), [0]);
}

#[test]
fn open_breaker_is_no_rate_limit_although_growth_is_limited_too() {
    let mut setup = Setup::new(&["a"]);
    setup.first_content_deadline = Some(Duration::from_secs(5));
    let mut rig = setup.rig();
    limit_growth_and_open(&mut rig);
    let _ = rig.next_call(&setup);
    rig.wait(Duration::from_secs(5));
    assert_eq!(rig.error().kind(), Kind::NoTarget, "{:?}", rig.error());
}
