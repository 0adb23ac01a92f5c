//! What a limit of the request's cost allows.

use hotspare_core::{Price, Usage};

use super::*;
use crate::spend::SpendLimit;

/// A prompt of 1,000 tokens costs 1,000 µ$, and so does every token of an answer.
fn setup(names: &'static [&'static str], most: u64) -> Setup {
    let mut setup = Setup::new(names);
    setup.prompt_tokens = 1_000;
    setup.profile.price = Some(Price::micros_per_million(1_000_000, 1_000_000_000));
    setup.max_cost = Some(Cost::from_micros(most));
    setup
}

/// The first attempt fails after it has cost 501,000 µ$.
fn fails_half_way(rig: &mut Rig) {
    rig.says(0, Event::Usage(Box::new(Usage::reported(Some(1_000), Some(500)))));
    rig.fails(0, Kind::Overloaded);
}

#[test]
fn room_for_the_answer_counts_towards_the_cost_limit() {
    let rig = setup(&["a"], 1_024_999).rig();
    let error = rig.error();
    assert_eq!(error.kind(), Kind::NoTarget);
    assert!(
        error.message().contains("an answer of 1024 tokens would cost 1.025000 USD on top of 0.000000 USD"),
        "{error}"
    );
    assert_eq!(setup(&["a"], 1_025_000).rig().targets(), [0]);
}

#[test]
fn answer_is_limited_to_what_is_left_of_the_cost_limit() {
    let mut rig = setup(&["a", "b"], 3_001_000).rig();
    assert_eq!(rig.begun[0].most_output, Some(3_000));
    fails_half_way(&mut rig);
    assert_eq!(rig.begun[1].most_output, Some(2_499));
    assert_eq!(Setup::new(&["a"]).rig().begun[0].most_output, None);
}

/// The room that a late attempt reserves is free once it has failed.
#[test]
fn spare_that_cannot_be_paid_beside_a_late_attempt_is_asked_after_it() {
    let mut rig = setup(&["a", "b"], 1_500_000).rig();
    rig.wait(Duration::from_secs(10));
    assert_eq!((rig.targets(), rig.done.len()), (vec![0], 0), "both together exceed the limit");
    rig.fails(0, Kind::Overloaded);
    assert_eq!(rig.targets(), [0, 1]);
    rig.finishes_with_text(1);
    assert_eq!(rig.done[0].as_ref().unwrap().served_by.as_str(), "b");
}

/// One that waits does not keep away a cheaper one behind it.
#[test]
fn spare_that_can_be_paid_is_asked_before_one_that_has_to_wait() {
    const PRICES: [Price; 3] = [
        Price::micros_per_million(0, 1_000_000_000),
        Price::micros_per_million(0, 1_000_000_000),
        Price::micros_per_million(0, 1_000),
    ];
    let mut setup = setup(&["a", "b", "c"], 1_500_000);
    setup.prices = &PRICES;
    let mut rig = setup.rig();
    rig.wait(Duration::from_secs(10));
    assert_eq!(rig.targets(), [0, 2]);
    rig.fails(0, Kind::Overloaded);
    rig.fails(1, Kind::Overloaded);
    assert_eq!(rig.targets(), [0, 2, 1]);
}

#[test]
fn target_without_a_price_is_skipped_under_a_cost_limit() {
    let mut setup = setup(&["a"], 10_000_000);
    setup.profile.price = None;
    let rig = setup.rig();
    assert!(rig.begun.is_empty());
    assert!(rig.error().message().contains("a: its price is not known"), "{}", rig.error());
    setup.max_cost = None;
    assert_eq!(setup.rig().targets(), [0]);
}

/// Its breaker is open, so it is asked last, after another target has used up the money.
#[test]
fn last_resort_is_not_exempt_from_the_cost_limit() {
    let begun = |most: u64| {
        let mut setup = setup(&["a", "b"], most);
        setup.ills = &[(0, Ill::Open(100))];
        let mut rig = setup.rig();
        assert_eq!(rig.targets(), [1]);
        fails_half_way(&mut rig);
        rig.targets()
    };
    assert_eq!(begun(9_000_000), [1, 0], "a last resort");
    assert_eq!(begun(1_500_000), [1]);
}

#[test]
fn nothing_is_asked_again_at_an_unknown_price_under_a_cost_limit() {
    let mut setup = Setup::new(&["a"]);
    setup.form = Some(OutputCheck::json_object());
    setup.limits.max_reask_cost = Some(Cost::from_micros(1_000_000));
    let mut rig = setup.rig();
    rig.finishes_with_text(0);
    assert_eq!(rig.targets(), [0]);
    let why = &rig.error().trail().skipped[0].why;
    assert!(why.starts_with("not asked again: its price is not known"), "{why}");
}

/// Each call may cost 1,025,000 µ$ until it ends: as many are in flight as the limit covers.
#[test]
fn answers_in_flight_are_reserved_in_a_spend_limit() {
    let mut setup = setup(&["a"], u64::MAX);
    setup.max_cost = None;
    setup.limits.spend = Some(SpendLimit::new(Cost::from_micros(2_500_000), Duration::from_secs(3_600)));
    let mut rig = setup.rig();
    let first = rig.next_call(&setup);
    assert_eq!(rig.targets(), [0]);
    let second = rig.next_call(&setup);
    let why = rig.error().message().to_owned();
    assert!(why.contains("2.050000 USD are reserved until the calls in flight end"), "{why}");
    let _ = rig.back_to(first);
    rig.tell(Input::CallerGone);
    let _ = rig.next_call(&setup);
    assert_eq!(rig.targets(), [0], "a caller has left, and its call has cost a prompt");
    let _ = rig.back_to(second);
    rig.finishes_with_text(0);
    let _ = rig.next_call(&setup);
    assert_eq!(rig.targets(), [0], "an answer has ended and was short");
}

/// A route whose calls may spend this much in an hour; each may cost 1,025,000 µ$, of which its prompt is 1,000.
fn within_an_hour(names: &'static [&'static str], most: u64) -> Setup {
    let mut setup = setup(names, u64::MAX);
    setup.max_cost = None;
    setup.limits.spend = Some(SpendLimit::new(Cost::from_micros(most), Duration::from_secs(3_600)));
    setup
}

#[test]
fn call_whose_answer_may_exceed_a_whole_spend_limit_starts_while_nothing_is_spent() {
    let setup = within_an_hour(&["a"], 1_000_000);
    let mut rig = setup.rig();
    assert_eq!(rig.targets(), [0]);
    let first = rig.next_call(&setup);
    let (why, pause) = (rig.error().message().to_owned(), rig.error().retry_after());
    let hint = "it may cost 1.025000 USD, more than the whole limit, so it waits until nothing else is spent or reserved";
    assert!(why.contains(hint) && pause.is_some(), "{why} {pause:?}");
    let _ = rig.back_to(first);
    rig.finishes_with_text(0);
    rig.wait(Duration::from_secs(3_700));
    let _ = rig.next_call(&setup);
    assert_eq!(rig.targets(), [0], "what the first has cost is forgotten");
}

#[test]
fn call_whose_prompt_exceeds_a_whole_spend_limit_is_refused_with_that_reason() {
    let rig = within_an_hour(&["a"], 999).rig();
    let why = rig.error().message();
    assert!(why.contains("its prompt alone costs 0.001000 USD, more than the whole limit"), "{why}");
    assert_eq!(rig.error().retry_after(), None, "no pause helps");
}

#[test]
fn call_that_cannot_pay_for_a_retry_learns_when_it_can() {
    let mut rig = within_an_hour(&["a"], 1_500_000).rig();
    rig.says(0, Event::Usage(Box::new(Usage::reported(Some(1_000), Some(500)))));
    rig.fails(0, Kind::Server);
    rig.wait(Duration::from_secs(10));
    assert_eq!(rig.targets(), [0]);
    let error = rig.error();
    assert!(error.retry_after().is_some(), "{error} {:?}", error.trail().skipped);
}

#[test]
fn call_that_cannot_pay_for_a_last_resort_learns_when_it_can() {
    let mut setup = within_an_hour(&["a", "b"], 1_500_000);
    setup.ills = &[(0, Ill::Open(100))];
    let mut rig = setup.rig();
    fails_half_way(&mut rig);
    assert_eq!(rig.targets(), [1]);
    assert!(rig.error().retry_after().is_some(), "{}", rig.error());
}
