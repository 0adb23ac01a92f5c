//! Content that is held back before the call commits.

use super::*;
use crate::rules::OnKind;

/// A route that holds content back for ten seconds, and a caller that waits for five.
fn held_back() -> Setup {
    let mut setup = Setup::new(&["a", "b", "c"]);
    setup.rules.commit = Commit::After(Duration::from_secs(10));
    setup.first_content_deadline = Some(Duration::from_secs(5));
    setup
}

/// The caller has received nothing, so nothing has begun.
#[test]
fn lost_content_that_was_held_back_does_not_extend_the_callers_deadline() {
    let mut rig = held_back().rig();
    rig.wait(Duration::from_secs(1));
    rig.text(0, "x");
    rig.wait(Duration::from_secs(1));
    rig.fails(0, Kind::Truncated);
    assert_eq!(rig.targets(), [0, 1], "the next target has the rest of the time");
    rig.wait(Duration::from_millis(2_999));
    assert!(rig.done.is_empty());
    rig.wait(Duration::from_millis(1));
    assert_eq!((rig.out.len(), rig.error().kind()), (0, Kind::Truncated), "{:?}", rig.done);
    assert!(rig.live.is_empty());
}

/// Content that is held until the answer is complete cannot be passed on at the caller's deadline, which therefore no
/// longer applies once it has passed: it must not end the call at the first failure after it.
#[test]
fn callers_deadline_that_held_content_outlasted_does_not_end_the_call_later() {
    let whole = || Setup { rules: Rules { commit: Commit::Whole, ..Rules::default() }, ..held_back() };
    let judged = || Setup { form: Some(OutputCheck::json_object()), ..held_back() };
    for (setup, answer) in [(whole(), "y"), (judged(), "{}")] {
        let mut rig = setup.rig();
        rig.wait(Duration::from_secs(1));
        rig.text(0, "x");
        for _ in 0..7 {
            rig.wait(Duration::from_secs(1));
            rig.text(0, "x");
        }
        rig.fails(0, Kind::Truncated);
        assert_eq!(rig.targets(), [0, 1]);
        rig.wait(Duration::from_secs(4));
        rig.text(1, answer);
        rig.finishes(1);
        assert_eq!((rig.said().as_str(), rig.done[0].is_ok()), (answer, true));
        // A failure in time leaves the next target what is left of the caller's time.
        let mut rig = setup.rig();
        rig.text(0, "x");
        rig.wait(Duration::from_secs(2));
        rig.fails(0, Kind::Truncated);
        rig.wait(Duration::from_millis(2_999));
        assert!(rig.done.is_empty());
        rig.wait(Duration::from_millis(1));
        assert_eq!((rig.out.len(), rig.error().kind()), (0, Kind::Truncated));
    }
}

#[test]
fn lost_content_that_was_held_back_extends_the_routes_deadline() {
    let mut setup = held_back();
    setup.first_content_deadline = None;
    setup.limits.first_content_deadline = Duration::from_secs(12);
    let mut rig = setup.rig();
    rig.text(0, "x");
    rig.wait(Duration::from_secs(7));
    rig.fails(0, Kind::Truncated);
    rig.wait(Duration::from_secs(6));
    rig.text(1, "y");
    rig.finishes(1);
    assert_eq!((rig.said().as_str(), rig.done[0].is_ok()), ("y", true));
}

#[test]
fn content_is_held_back_no_longer_than_the_callers_deadline() {
    let setups = [Commit::After(Duration::from_secs(10)), Commit::Events(3)].map(|commit| {
        let mut setup = held_back();
        setup.rules.commit = commit;
        setup
    });
    for setup in setups {
        let mut rig = setup.rig();
        rig.wait(Duration::from_secs(1));
        rig.text(0, "x");
        rig.wait(Duration::from_millis(3_999));
        assert_eq!(rig.said(), "");
        rig.wait(Duration::from_millis(1));
        assert_eq!(rig.said(), "x");
        rig.text(0, "y");
        rig.finishes(0);
        assert_eq!((rig.said().as_str(), rig.done[0].is_ok()), ("xy", true));
    }
}

/// The second target answers the request that the first one calls invalid.
#[test]
fn objection_of_one_target_does_not_rule_out_that_another_continues_a_cut_answer() {
    let mut rig = Setup::new(&["a", "b", "c"]).rig();
    rig.wait(Duration::from_secs(8));
    rig.fails(1, Kind::InvalidRequest);
    rig.text(0, "x");
    rig.fails(0, Kind::Truncated);
    assert_eq!(rig.targets(), [0, 1, 2]);
    rig.text(2, "xy");
    rig.finishes(2);
    assert_eq!((rig.said().as_str(), rig.done[0].is_ok()), ("x[a>c]y", true));
}

/// The rule is about rate limits, and the cut is not one.
#[test]
fn rule_for_an_earlier_failure_does_not_restrict_who_continues_a_cut_answer() {
    let mut setup = Setup::new(&["a", "b", "c"]);
    setup.rules.on.insert(Kind::RateLimited, OnKind::To(vec!["b".into()]));
    let mut rig = setup.rig();
    rig.fails(0, Kind::RateLimited);
    rig.text(1, "x");
    rig.fails(1, Kind::Truncated);
    assert_eq!(rig.targets(), [0, 1, 2]);
}
