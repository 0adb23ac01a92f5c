//! The retry hints that callers without an answer get.

use hotspare_core::Price;

use super::*;
use crate::spend::SpendLimit;

const HOUR: Duration = Duration::from_secs(3_600);

fn limited(pause: Duration) -> Error {
    Error::new(Kind::RateLimited, "").with_retry_after(pause)
}

/// All calls in flight are refused together and retry together. After the pause one of them goes first; the others wait
/// for it, as calls that arrive at that moment do. Waiting as long as the provider asked costs no retry budget.
#[test]
fn every_call_that_waits_out_a_pause_is_served() {
    const CALLS: usize = 40;
    let mut setup = Setup::new(&["a"]);
    setup.limits = Limits::batch();
    let mut rig = setup.rig();
    let mut others: Vec<Rest> = (1..CALLS).map(|_| rig.next_call(&setup)).collect();
    let mut each = |rig: &mut Rig, act: &dyn Fn(&mut Rig)| {
        for _ in 0..CALLS {
            act(rig);
            let next = others.remove(0);
            others.push(rig.back_to(next));
        }
    };
    each(&mut rig, &|rig| rig.tell(Input::Failed(AttemptId(0), limited(Duration::from_secs(1)))));
    for _ in 0..20 {
        rig.now = rig.now + Duration::from_millis(100);
        each(&mut rig, &|rig| {
            rig.run();
            if rig.begun.len() > 1 && rig.done.is_empty() {
                rig.finishes_with_text(1);
            }
        });
    }
    each(&mut rig, &|rig| assert!(rig.done[0].is_ok(), "{:?}", rig.done));
}

/// Also the call that met the limits itself, not only those that find the targets held back.
#[test]
fn limits_without_a_hint_give_a_retry_after() {
    let setup = Setup::new(&["a", "b"]);
    let mut rig = setup.rig();
    rig.fails(0, Kind::RateLimited);
    rig.fails(1, Kind::RateLimited);
    let first = rig.error().retry_after().expect("a time");
    let _ = rig.next_call(&setup);
    let second = rig.error().retry_after().expect("a time");
    for pause in [first, second] {
        assert!((5_000..6_250).contains(&pause.as_millis()), "{pause:?}");
    }
}

/// A target is held back for an hour at most, so that is also what the call is told that met the limit.
#[test]
fn a_pause_of_weeks_is_told_as_long_as_it_holds() {
    let setup = Setup::new(&["a"]);
    let mut rig = setup.rig();
    rig.tell(Input::Failed(AttemptId(0), limited(HOUR * 24 * 31)));
    let first = rig.error().retry_after().expect("a time");
    let _ = rig.next_call(&setup);
    let second = rig.error().retry_after().expect("a time");
    for pause in [first, second] {
        assert!((HOUR..=HOUR * 5 / 4).contains(&pause), "{pause:?}");
    }
}

#[test]
fn caller_errors_carry_no_retry_after() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.ills = &[(0, Ill::Open(60))];
    let mut rig = setup.rig();
    assert_eq!(rig.targets(), [1]);
    rig.fails(0, Kind::InvalidRequest);
    let error = rig.error();
    assert_eq!((error.kind(), error.retry_after()), (Kind::InvalidRequest, None));
    assert!(!error.is_retryable());
}

fn ruled_out(pause: Option<Duration>) -> Error {
    Error::new(Kind::Server, "").with_retry_after(pause).with_retry_ruled_out()
}

/// What a call ends with: whether it may be repeated, whether that is ruled out, and when.
fn advice(rig: &Rig) -> (bool, bool, Option<Duration>) {
    let error = rig.error();
    (error.is_retryable(), error.rules_out_retry(), error.retry_after())
}

/// A provider that asks not to be sent a request again speaks for itself.
#[test]
fn call_may_be_retried_unless_every_target_rules_that_out() {
    let setup = Setup::new(&["a", "b"]);
    let ends = |second: Error| {
        let mut rig = setup.rig();
        rig.tell(Input::Failed(AttemptId(0), ruled_out(None)));
        rig.tell(Input::Failed(AttemptId(1), second));
        advice(&rig)
    };
    assert_eq!(ends(ruled_out(None)), (false, true, None));
    assert_eq!(ends(Error::new(Kind::Overloaded, "").with_status(503)), (true, false, None));
}

/// As another gateway does during an outage.
#[test]
fn call_may_be_retried_after_the_pause_of_a_target_that_rules_out_a_retry_before_it() {
    for first in [None, Some(HOUR * 2)] {
        let mut rig = Setup::new(&["a", "b"]).rig();
        rig.tell(Input::Failed(AttemptId(0), ruled_out(first)));
        rig.tell(Input::Failed(AttemptId(1), ruled_out(Some(HOUR))));
        let (retryable, ruled_out, pause) = advice(&rig);
        let pause = pause.expect("a time");
        assert!(retryable && !ruled_out && (HOUR..HOUR * 5 / 4).contains(&pause), "{pause:?}");
    }
}

/// The second target is late when the time is over.
#[test]
fn call_whose_time_is_over_may_be_retried_if_a_target_did_not_have_its_turn() {
    for pause in [None, Some(HOUR)] {
        let mut rig = Setup::new(&["a", "b"]).rig();
        rig.tell(Input::Failed(AttemptId(0), ruled_out(pause)));
        rig.wait(HOUR);
        assert_eq!((rig.targets(), rig.error().kind()), (vec![0, 1], Kind::Server));
        let (retryable, ruled_out, told) = advice(&rig);
        assert!(retryable && !ruled_out, "{pause:?}");
        assert_eq!(told.is_some(), pause.is_some());
        assert!(told.is_none_or(|told| told < Duration::from_secs(2)), "the other may serve now: {told:?}");
    }
}

#[test]
fn target_that_is_out_of_service_does_not_make_a_call_retryable() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.world.set_cordoned(TargetIndex(1), true);
    rig.tell(Input::Failed(AttemptId(0), ruled_out(None)));
    assert_eq!(advice(&rig), (false, true, None));
}

#[test]
fn target_beyond_its_spend_limit_makes_a_call_retryable_once_it_is_affordable() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.profile.price = Some(Price::micros_per_million(200_000_000_000, 0));
    let mut rig = setup.rig();
    rig.world.limit_spending(TargetIndex(1), SpendLimit::new(Cost::from_micros(1_500_000), HOUR));
    rig.fails(0, Kind::Connect);
    rig.finishes_with_text(1);
    let _ = rig.next_call(&setup);
    rig.tell(Input::Failed(AttemptId(0), ruled_out(None)));
    assert_eq!(rig.targets(), [0]);
    let (retryable, ruled_out, pause) = advice(&rig);
    assert!(retryable && !ruled_out, "{:?}", rig.error());
    assert!(pause.is_some_and(|pause| pause > HOUR * 9 / 10), "{pause:?}");
}

#[test]
fn one_targets_pause_is_not_the_routes_retry_after() {
    let setup = Setup::new(&["a", "b"]);
    let mut rig = setup.rig();
    rig.tell(Input::Failed(AttemptId(0), limited(HOUR)));
    rig.fails(1, Kind::Timeout);
    let error = rig.error();
    assert_eq!(error.kind(), Kind::RateLimited);
    assert!(error.retry_after().unwrap() < Duration::from_secs(2), "{error:?}");
    let _ = rig.next_call(&setup);
    assert_eq!(rig.targets(), [1], "the next call is sent at once");
}

/// Only what passes by itself has a time: a caller may retry for the sake of a target that it has not reached.
#[test]
fn trail_shows_when_a_blocked_target_may_be_tried() {
    let mut setup = Setup::new(&["a", "b", "c"]);
    setup.ills = &[(1, Ill::Held(60))];
    let mut rig = setup.rig();
    rig.world.set_cordoned(TargetIndex(2), true);
    rig.fails(0, Kind::Timeout);
    let error = rig.error();
    let skipped = &error.trail().skipped;
    let pauses: Vec<_> =
        skipped.iter().map(|skipped| (skipped.target.as_str(), skipped.retry_after)).collect();
    assert_eq!(pauses, [("b", Some(Duration::from_secs(60))), ("c", None)]);
}

#[test]
fn exhausted_spend_limit_reports_when_it_frees_up() {
    let mut setup = Setup::new(&["a"]);
    setup.profile.price = Some(Price::micros_per_million(200_000_000_000, 0));
    let mut rig = setup.rig();
    rig.world.limit_spending(TargetIndex(0), SpendLimit::new(Cost::from_micros(1_500_000), HOUR));
    rig.finishes_with_text(0);
    let spent = rig.world.spent(rig.now, TargetIndex(0)).unwrap();
    assert!(spent > Cost::from_micros(500_000), "{spent}");
    let _ = rig.next_call(&setup);
    let error = rig.error();
    assert_eq!(error.kind(), Kind::NoTarget);
    let pause = error.retry_after().expect("a time");
    assert!(pause > HOUR * 9 / 10 && pause < HOUR * 5 / 4, "{pause:?}");
}

/// All callers get the same hint. None may come back before it is over, and they should not come back in one wave.
#[test]
fn retry_after_is_jittered_by_up_to_a_quarter() {
    let pause = Duration::from_secs(100);
    let told = |seed| {
        let mut setup = Setup::new(&["a"]);
        setup.seed = seed;
        let mut rig = setup.rig();
        rig.tell(Input::Failed(AttemptId(0), limited(pause)));
        let first = rig.error().retry_after().unwrap();
        let _ = rig.next_call(&setup);
        assert!(rig.begun.is_empty());
        [first, rig.error().retry_after().unwrap()]
    };
    for kind in 0..2 {
        let told: BTreeSet<Duration> = (0..40).map(|seed| told(seed)[kind]).collect();
        assert!(
            told.len() == 40 && told.iter().all(|told| *told >= pause && *told <= pause * 5 / 4),
            "{told:?}"
        );
        assert!(told.last().unwrap().saturating_sub(*told.first().unwrap()) > pause / 5, "{told:?}");
    }
}

/// A route that waits for no pause still waits this half second: the pause is over, and the target may well be back.
#[test]
fn call_with_one_target_waits_for_the_trial_call_after_a_pause() {
    let setup = Setup::new(&["a"]);
    let mut rig = setup.rig();
    rig.tell(Input::Failed(AttemptId(0), limited(Duration::from_secs(5))));
    rig.now = rig.now + Duration::from_secs(5);
    let _ = rig.next_call(&setup);
    assert_eq!(rig.targets(), [0], "this call goes first");
    let _ = rig.next_call(&setup);
    assert!(rig.begun.is_empty() && rig.done.is_empty());
    rig.wait(Duration::from_millis(500));
    assert_eq!(rig.targets(), [0]);
    rig.tell(Input::Failed(AttemptId(0), limited(Duration::from_secs(5))));
    let _ = rig.next_call(&setup);
    assert_eq!(rig.error().kind(), Kind::RateLimited, "no call waits for the pause itself");
}
