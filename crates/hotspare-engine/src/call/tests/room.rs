//! Room: slots, quotas, and the queue.

use hotspare_core::{Allowance, RateLimits, UsageSource};

use super::*;

fn spent(requests: u64, reset: Duration) -> RateLimits {
    let mut limits = RateLimits::default();
    limits.requests = Allowance::new(100, requests, Some(reset));
    limits
}

#[test]
fn whoever_waits_longest_is_served_first_and_is_woken_for_it() {
    let mut setup = Setup::new(&["a"]);
    setup.max_in_flight = Some(1);
    let mut rig = setup.rig();
    let first = rig.next_call(&setup);
    assert!(rig.begun.is_empty(), "there is one place and it is taken");
    let second = rig.next_call(&setup);
    assert!(rig.begun.is_empty());
    let ticket = second.call.ticket().unwrap();
    let third = rig.back_to(first);
    rig.text(0, "x");
    rig.finishes(0);
    assert_eq!(rig.world.take_woken(), [ticket]);
    let first = rig.back_to(third);
    rig.tell(Input::Woken);
    assert!(rig.begun.is_empty(), "the place is for the one before");
    let _third = rig.back_to(second);
    rig.tell(Input::Woken);
    assert_eq!(rig.begun.len(), 1);
    assert!(first.done[0].is_ok());
}

#[test]
fn a_call_that_leaves_makes_way_for_the_next() {
    let mut setup = Setup::new(&["a"]);
    setup.max_in_flight = Some(1);
    let mut rig = setup.rig();
    let first = rig.next_call(&setup);
    let second = rig.next_call(&setup);
    assert_eq!(rig.world.queued(0), 2);
    let third = rig.back_to(second);
    rig.tell(Input::CallerGone);
    let _ = rig.back_to(first);
    rig.finishes_with_text(0);
    assert_eq!(rig.world.take_woken(), [third.call.ticket().unwrap()]);
    assert_eq!(rig.world.queued(0), 1);
}

#[test]
fn with_a_spare_nobody_waits() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.max_in_flight = Some(1);
    let mut rig = setup.rig();
    let _first = rig.next_call(&setup);
    assert_eq!((rig.begun[0].target, rig.world.queued(0)), (1, 0));
}

#[test]
fn a_line_is_left_when_the_time_is_over() {
    let mut setup = Setup::new(&["a"]);
    setup.max_in_flight = Some(1);
    let mut rig = setup.rig();
    let _first = rig.next_call(&setup);
    rig.wait(Duration::from_secs(121));
    let error = rig.done[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), Kind::NoTarget);
    assert!(error.message().contains("all its places are taken"), "{error}");
    assert_eq!(rig.world.queued(0), 0);
}

#[test]
fn a_quota_that_is_used_up_is_left_before_it_is_refused() {
    let setup = Setup::new(&["a", "b"]);
    let mut rig = setup.rig();
    rig.tell(Input::Opened(AttemptId(0), spent(0, Duration::from_secs(100))));
    rig.finishes_with_text(0);
    let _ = rig.next_call(&setup);
    assert_eq!(rig.begun[0].target, 1);
    assert!(
        rig.world.view(rig.now, 0, 0).breaker == hotspare_core::BreakerState::Closed,
        "that is not ill health"
    );
    // One request is refilled per second.
    rig.now = rig.now + Duration::from_secs(1);
    let _ = rig.next_call(&setup);
    assert_eq!(rig.begun[0].target, 0);
    let _ = rig.next_call(&setup);
    assert_eq!(rig.begun[0].target, 1, "and it is taken");
}

#[test]
fn a_report_that_makes_no_sense_blocks_nobody_for_good() {
    let setup = Setup::new(&["a"]);
    let mut rig = setup.rig();
    rig.tell(Input::Opened(AttemptId(0), spent(0, Duration::MAX)));
    rig.finishes_with_text(0);
    let _ = rig.next_call(&setup);
    assert_eq!(rig.begun.len(), 1, "with nobody else to ask, it is asked all the same");
    assert!(rig.call.trail().attempts[0].why.contains("last resort"), "{}", rig.call.trail());
}

#[test]
fn a_limit_of_ones_own_is_waited_for() {
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
fn a_limit_of_ones_own_is_first_come_first_served() {
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
    assert!(rig.begun.is_empty(), "others came before it");
    let _ = rig.back_to(oldest);
    rig.run();
    assert_eq!(rig.begun.len(), 1);
    assert_eq!(
        rig.world.take_woken(),
        [others[0].call.ticket().unwrap()],
        "the next one is the head of the line"
    );
}

/// Two calls per minute are allowed and two are queued: the second is served after the first, whichever asks first.
#[test]
fn whoever_is_behind_in_line_is_not_sent_away_in_its_last_second() {
    let mut setup = Setup::new(&["a"]);
    setup.requests_per_minute = Some(2);
    setup.limits.first_content_deadline = Duration::from_millis(60_500);
    let mut rig = setup.rig();
    let _ = rig.next_call(&setup);
    let _ = rig.next_call(&setup);
    let first = rig.next_call(&setup);
    assert_eq!(rig.world.queued(0), 2);
    rig.now = rig.now + Duration::from_secs(60);
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
fn a_limit_of_ones_own_is_told_as_one() {
    let mut setup = Setup::new(&["a"]);
    setup.requests_per_minute = Some(1);
    setup.limits.first_content_deadline = Duration::from_secs(5);
    let mut rig = setup.rig();
    rig.finishes_with_text(0);
    let _ = rig.next_call(&setup);
    let error = rig.done[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), Kind::RateLimited);
    assert!(error.message().contains("its limit a minute is used up"), "{error}");
}

#[test]
fn an_answer_that_was_longer_than_reckoned_is_made_up_for() {
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
fn what_is_held_back_is_bounded_whatever_it_is() {
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
fn a_limit_a_minute_is_one_targets_own() {
    let spec = |id: &str, key: u64, requests: u64| TargetSpec {
        id: id.into(),
        endpoint: "host".into(),
        address: "host/v1".into(),
        model: "m".into(),
        profile: ModelProfile::default(),
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
    let mut room = |place| (0..100).take_while(|_| world.admit(now, place, Wish::default()).is_ok()).count();
    assert_eq!([room(1), room(0), room(1)], [3, 60, 0]);
    let view = world.view(now, 1, 0);
    assert_eq!((view.usable, view.usable_in), (false, Some(Duration::from_secs(20))));
}

/// It is unknown when there will be room, so a near deadline is no reason not to wait.
#[test]
fn room_is_waited_for_until_the_end() {
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
fn what_is_under_way_counts_against_what_a_call_may_cost() {
    let mut setup = Setup::new(&["a", "b", "c"]);
    setup.strategy = Arc::new(hotspare_routing::Race::new(["a", "b", "c"]).width(3));
    setup.prompt_tokens = 1_000;
    setup.profile.price = Some(hotspare_core::Price::per_million(1_000_000_000, 0));
    setup.max_cost = Some(Cost::from_micros(2_000_001));
    let rig = setup.rig();
    assert_eq!(rig.targets(), [0, 1], "two prompts of 1 USD each");
    assert!(rig.call.trail().skipped[0].why.contains("the request allows"), "{}", rig.call.trail());
}

/// Later callers get the same error as the first caller that met the rate limit.
#[test]
fn all_at_a_rate_limit_is_a_rate_limit() {
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
    assert!(error.message().starts_with("a: it asked to be left alone for 9.0 s more; b: "), "{error}");
    assert_eq!(error.public_message(), Kind::RateLimited.summary(), "names of targets are for the operator");
    rig.world.set_cordoned(0, true);
    let _ = rig.next_call(&setup);
    assert_eq!(rig.done[0].as_ref().unwrap_err().kind(), Kind::RateLimited, "the other passes by itself");
    rig.world.set_cordoned(1, true);
    let _ = rig.next_call(&setup);
    assert_eq!(rig.done[0].as_ref().unwrap_err().kind(), Kind::NoTarget);
}
