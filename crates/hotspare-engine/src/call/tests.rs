//! Examples of a call's behavior, step by step; the exhaustive exploration is in `explore`.

use std::collections::BTreeMap;
use std::time::Duration;

use hotspare_core::{
    ChatRequest, ChatResponse, Cost, FinishReason, ModelProfile, Outcome, Overflow, PromptSize,
    ReasoningMode, TargetId, ThinkTags,
};
use hotspare_health::{Config, HealthOutcome, Permit, Verdict};
use hotspare_normalize::OutputCheck;
use hotspare_routing::{Hedge, Hedged, Race, Sequential, Strategy};

use super::*;
use crate::ending::{Ending, Settlement};
use crate::fleet::TargetSpec;
use crate::judgement::Judgement;
use crate::plan::PlanSeed;
use crate::rules::{Commit, Limits, OnCut, Rules, ValidateOutput};
use crate::step::AttemptStart;
use crate::world::{Demand, LOOK_AGAIN};

mod away;
mod capacity;
mod costs;
mod cuts;
mod explore;
mod extremes;
mod held;
mod judging;
mod kinds;
mod lateness;
mod network;
mod pauses;
mod reasons;
mod rig;
mod rules;
mod spare;
mod time;
mod validate;
mod whole;

use rig::{Ill, Rest, Rig, Setup};

#[test]
fn fails_over_and_records_the_reason_in_the_trail() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.fails(0, Kind::Connect);
    rig.text(1, "hi");
    rig.finishes(1);
    let summary = rig.done[0].as_ref().unwrap();
    assert_eq!(summary.served_by.as_str(), "b");
    assert_eq!(summary.trail.attempts[1].why, "a failed (connect); 2 of 2 in order");
    assert_eq!(rig.said(), "hi");
}

#[test]
fn events_without_content_do_not_commit() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.says(0, Event::Started { id: None, model: None });
    rig.text(0, "");
    rig.fails(0, Kind::Truncated);
    assert_eq!(rig.targets(), [0, 1]);
    assert_eq!(rig.out, vec![]);
}

#[test]
fn late_first_content_starts_a_spare_but_the_late_target_can_win() {
    let mut rig = Setup::new(&["a", "b", "c"]).rig();
    rig.wait(Duration::from_secs(9));
    assert_eq!(rig.targets(), [0, 1]);
    rig.text(0, "slow but first");
    assert_eq!(rig.live, BTreeSet::from([AttemptId(0)]), "the spare was dropped");
    rig.finishes(0);
    assert_eq!(rig.done[0].as_ref().unwrap().served_by.as_str(), "a");
    assert_eq!(rig.world.counts(TargetIndex(1)).cancelled, 1);
}

#[test]
fn caller_error_returns_at_once_without_affecting_health() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.fails(0, Kind::InvalidRequest);
    assert_eq!(rig.error().kind(), Kind::InvalidRequest);
    assert_eq!(rig.targets(), [0]);
    assert_eq!(rig.world.view(rig.now, TargetIndex(0), 0).failure_rate_bp, 0);
}

#[test]
fn server_error_is_retried_once_on_the_same_target() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.fails(0, Kind::Server);
    rig.wait(Duration::from_millis(100));
    assert_eq!(rig.targets(), [0, 0]);
    rig.fails(1, Kind::Server);
    assert_eq!(rig.targets(), [0, 0, 1]);
    let failures = rig.world.view(rig.now, TargetIndex(0), 0).failure_rate_bp;
    rig.text(2, "x");
    rig.finishes(2);
    assert!(failures > 0);
    assert_eq!(rig.world.counts(TargetIndex(0)).failed[&Kind::Server], 2);
}

#[test]
fn connection_closed_young_is_retried_in_place_without_blame() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.wait(Duration::from_millis(600));
    rig.fails(0, Kind::Disconnected);
    assert_eq!(rig.targets(), [0, 0], "its connection may have been stale");
    assert_eq!(rig.world.view(rig.now, TargetIndex(0), 0).failure_rate_bp, 0);
    rig.fails(1, Kind::Disconnected);
    assert_eq!(rig.targets(), [0, 0, 1], "a new connection is not stale");
    assert_eq!(rig.world.view(rig.now, TargetIndex(0), 0).failure_rate_bp, 10_000);
}

#[test]
fn connection_closed_during_work_moves_on_and_counts() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.wait(Duration::from_secs(3));
    rig.fails(0, Kind::Disconnected);
    assert_eq!(rig.targets(), [0, 1]);
    assert_eq!(rig.world.view(rig.now, TargetIndex(0), 0).failure_rate_bp, 10_000);
}

#[test]
fn connection_closed_during_work_is_retried_in_place_if_no_other_target_is_left() {
    let mut rig = Setup::new(&["a"]).rig();
    rig.wait(Duration::from_secs(3));
    rig.fails(0, Kind::Disconnected);
    assert_eq!(rig.targets(), [0, 0]);
    assert_eq!(rig.world.view(rig.now, TargetIndex(0), 0).failure_rate_bp, 10_000, "and counts");
}

#[test]
fn next_key_is_tried_before_the_next_target() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.keys = 2;
    let mut rig = setup.rig();
    rig.fails(0, Kind::Auth);
    assert_eq!(rig.targets(), [0, 0]);
    assert_ne!(rig.begun[0].key, rig.begun[1].key);
    rig.fails(1, Kind::QuotaExhausted);
    assert_eq!(rig.targets(), [0, 0, 1]);
}

#[test]
fn fast_error_never_wins_a_race() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.strategy = Arc::new(Race::new(["a", "b"]));
    let mut rig = setup.rig();
    assert_eq!(rig.targets(), [0, 1]);
    rig.fails(0, Kind::InvalidRequest);
    assert!(rig.done.is_empty());
    rig.text(1, "good");
    rig.finishes(1);
    assert!(rig.done[0].is_ok());
}

#[test]
fn race_losers_are_cancelled_and_their_usage_counts() {
    let mut setup = Setup::new(&["a", "b", "c"]);
    setup.strategy = Arc::new(Race::new(["a", "b", "c"]).at_once(3));
    let mut rig = setup.rig();
    rig.says(2, Event::Started { id: None, model: None });
    rig.text(1, "first");
    assert_eq!(rig.live, BTreeSet::from([AttemptId(1)]));
    rig.finishes(1);
    let trail = &rig.done[0].as_ref().unwrap().trail;
    assert!(matches!(trail.attempts[2].outcome, Outcome::Cancelled { .. }));
    assert!(trail.attempts[2].usage.input.is_some(), "the loser had started and is billed");
    assert_eq!(rig.world.view(rig.now, TargetIndex(0), 0).failure_rate_bp, 0, "losing is not failing");
}

/// Its caller may take the first piece and read on much later, or never.
#[test]
fn losers_are_dropped_before_the_first_piece_is_delivered() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.strategy = Arc::new(Race::new(["a", "b"]));
    let mut rig = setup.rig();
    rig.call.on_event(rig.now, AttemptId(0), Chunk::from(Event::TextDelta("first".into())));
    assert!(matches!(rig.call.poll(rig.now, &mut rig.world), Step::Abort(AttemptId(1))));
    assert_eq!(rig.world.counts(TargetIndex(1)).in_flight, 0);
    assert_eq!(rig.call.trail().serving().unwrap().target.as_str(), "a");
    assert!(matches!(rig.call.poll(rig.now, &mut rig.world), Step::Deliver(_)));
    rig.now = rig.now + Duration::from_secs(60);
    rig.run();
    assert_eq!(rig.world.view(rig.now, TargetIndex(1), 0).failure_rate_bp, 0, "the pause is the caller's");
}

/// It had the prompt in hand, whether it said so or not.
#[test]
fn silent_loser_is_billed_for_its_prompt() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.strategy = Arc::new(Race::new(["a", "b"]));
    (setup.prompt_tokens, setup.profile.price) =
        (1_000_000, Some(hotspare_core::Price::micros_per_million(3_000_000, 0)));
    let mut rig = setup.rig();
    rig.text(1, "x");
    rig.finishes(1);
    let trail = &rig.done[0].as_ref().unwrap().trail;
    assert_eq!(trail.attempts[0].usage, hotspare_core::Usage::estimated(Some(1_000_000), Some(0)));
    assert_eq!(trail.attempts[0].cost, Some(Cost::from_micros(3_000_000)));
}

/// The provider's own failover, or a model that advised another: each has a price of its own.
#[test]
fn tokens_of_several_models_are_priced_by_model() {
    let mut setup = Setup::new(&["a"]);
    setup.profile.price = Some(hotspare_core::Price::micros_per_million(3_000_000, 0));
    let mut rig = setup.rig();
    rig.text(0, "x");
    let counts = hotspare_core::Usage::reported(Some(1_000_000), Some(0));
    let turn = |model: Option<&str>| hotspare_core::Turn::new(model.map(str::to_owned), counts);
    let turns = vec![turn(None), turn(Some("claude-opus-4-5")), turn(Some("unheard-of"))];
    rig.says(0, Event::Usage(Box::new(counts)));
    rig.says(0, Event::Turns(turns.clone()));
    rig.finishes(0);
    let attempt = &rig.done[0].as_ref().unwrap().trail.attempts[0];
    assert_eq!((attempt.usage, &attempt.turns), (counts, &turns));
    assert_eq!(attempt.cost, Some(Cost::from_micros(8_000_000)), "3 dollars for `a`, 5 for the other");
    let note = "the cost leaves out 1000000 tokens of unheard-of, whose price is unknown";
    assert_eq!(attempt.notes, [note]);
}

/// The provider names what it serves under the target's name, and the target has a price of its own.
#[test]
fn a_targets_own_model_has_its_price_under_a_dated_name() {
    let mut setup = Setup::new(&["a"]);
    setup.models = &["claude-opus-4-5"];
    setup.profile.price = Some(hotspare_core::Price::micros_per_million(3_000_000, 0));
    let mut rig = setup.rig();
    rig.text(0, "x");
    let counts = hotspare_core::Usage::reported(Some(1_000_000), Some(0));
    let named = |model: &str| hotspare_core::Turn::new(Some(model.to_owned()), counts);
    rig.says(0, Event::Usage(Box::new(counts)));
    rig.says(0, Event::Turns(vec![named("claude-opus-4-5-20251101"), named("claude-haiku-4-5")]));
    rig.finishes(0);
    let attempt = &rig.done[0].as_ref().unwrap().trail.attempts[0];
    assert_eq!(attempt.cost, Some(Cost::from_micros(4_000_000)), "3 dollars for its own, 1 for the other");
}

#[test]
fn hedge_starts_once_after_its_delay() {
    let mut setup = Setup::new(&["a", "b", "c"]);
    setup.strategy =
        Arc::new(Hedged::new(Sequential::new(["a", "b", "c"]), Hedge::after(Duration::from_millis(400))));
    let mut rig = setup.rig();
    rig.wait(Duration::from_secs(2));
    assert_eq!(rig.targets(), [0, 1]);
    assert_eq!(rig.call.trail().attempts[1].why, "hedge after 400 ms; 2 of 3 in order");
}

#[test]
fn stall_is_detected_but_a_slow_reader_is_not_a_stall() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.text(0, "x");
    rig.now = rig.now + Duration::from_secs(60);
    rig.call.resumed(rig.now, rig.now);
    rig.run();
    assert_eq!(rig.targets(), [0], "the reader stalled, not the provider");
    rig.wait(Duration::from_secs(9));
    assert_eq!(rig.targets(), [0, 1]);
}

/// Only a deadline of the caller's own runs on while it does not read.
#[test]
fn slow_reader_does_not_use_up_the_total() {
    for own in [None, Some(Duration::from_secs(600))] {
        let mut rig = Setup::new(&["a"]).rig();
        rig.call.spec.deadline = own;
        rig.text(0, "x");
        let since = rig.now;
        rig.now = rig.now + Duration::from_secs(700);
        rig.call.resumed(since, rig.now);
        rig.finishes(0);
        assert_eq!(rig.done[0].is_ok(), own.is_none());
    }
}

#[test]
fn unstreamed_answer_is_held_until_complete() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.stream = false;
    let mut rig = setup.rig();
    rig.text(0, "half an ans");
    rig.fails(0, Kind::Truncated);
    rig.text(1, "whole");
    rig.finishes(1);
    assert_eq!(rig.done[0].as_ref().unwrap().response.as_ref().unwrap().as_chat().unwrap().text(), "whole");
    assert_eq!(rig.out, vec![]);
}

/// A window is filled up to what the target is known to count, not by a flat margin.
#[test]
fn prompt_upper_bound_follows_learned_token_counts() {
    let rig = Setup::new(&["a", "b"]).rig();
    let request = ChatRequest::to("r").user("hi").into();
    let mut views = rig.world.views(rig.now, &rig.call.route, 10_000, true);
    views[1].tokens.doubt = [0; PromptSize::PARTS];
    let size = PromptSize::of_text(10_000);
    let plan = Plan::new(&rig.call.fleet, &rig.call.route, &request, size, &views, PlanSeed::default());
    let bounds: Vec<u64> = plan.choices.iter().map(|choice| choice.most_prompt_tokens).collect();
    assert_eq!(bounds, [13_000, 11_500], "2.5 standard deviations, and never less than 15 %");
}

/// Both have the same price.
#[test]
fn cheapest_target_is_the_one_that_is_known_to_count_fewer_tokens() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.strategy = Arc::new(hotspare_routing::Cheapest::new(["a", "b"]));
    setup.profile.price = Some(hotspare_core::Price::micros_per_million(1_000_000, 1_000_000));
    let rig = setup.rig();
    let request = ChatRequest::to("r").user("hi").into();
    let mut views = rig.world.views(rig.now, &rig.call.route, 10_000, true);
    views[0].tokens.per_mille[hotspare_core::PromptPart::Text as usize] = 1_300;
    let size = PromptSize::of_text(10_000);
    let plan = Plan::new(&rig.call.fleet, &rig.call.route, &request, size, &views, PlanSeed::default());
    assert_eq!(plan.choices.iter().map(|choice| choice.target.position()).collect::<Vec<_>>(), [1, 0]);
}

#[test]
fn empty_answer_is_a_failure() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.finishes(0);
    assert_eq!(rig.targets(), [0, 1]);
}

#[test]
fn stream_end_without_finish_reason_is_truncated() {
    let mut rig = Setup::new(&["a"]).rig();
    rig.text(0, "half an ans");
    rig.tell(Input::Ended(AttemptId(0)));
    assert_eq!(rig.error().kind(), Kind::Truncated);
}

#[test]
fn errors_after_the_finish_event_are_ignored() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.text(0, "x");
    rig.says(0, Event::Finished(FinishReason::Stop));
    rig.fails(0, Kind::Truncated);
    assert!(rig.done[0].is_ok());
}

#[test]
fn last_resort_is_tried_when_all_targets_are_blocked() {
    fn ask_again(rig: &mut Rig) {
        let (fleet, route) = (Arc::clone(&rig.call.fleet), Arc::clone(&rig.call.route));
        let request = ChatRequest::to("r").user("hi").into();
        let (size, views) = (PromptSize::of_text(1), rig.world.views(rig.now, &route, 1, true));
        let plan = Plan::new(&fleet, &route, &request, size, &views, PlanSeed::default());
        rig.call = Call::new(rig.now, fleet, route, CallSpec::new(true, 1), plan);
        rig.run();
    }
    let mut rig = Setup::new(&["a"]).rig();
    rig.fails(0, Kind::Connect);
    for _ in 0..4 {
        ask_again(&mut rig);
        rig.fails(0, Kind::Connect);
    }
    assert!(!rig.world.view(rig.now, TargetIndex(0), 0).usable);
    ask_again(&mut rig);
    assert!(rig.call.trail().attempts[0].why.starts_with("last resort"));
    rig.text(0, "back again");
    rig.finishes(0);
    assert!(rig.done.last().unwrap().is_ok());
    assert!(rig.world.view(rig.now, TargetIndex(0), 0).usable);
}

/// A stream that was held back is delivered when the call has ended; until its last piece has been handed out, the trail
/// must still say who serves.
#[test]
fn trail_is_complete_while_a_held_stream_is_delivered() {
    let mut setup = Setup::new(&["a"]);
    setup.rules.commit = Commit::Whole;
    let mut rig = setup.rig();
    rig.text(0, "x");
    rig.says(0, Event::Finished(FinishReason::Stop));
    rig.call.handle(rig.now, &mut rig.world, Input::Ended(AttemptId(0)));
    while let Some(chunk) = rig.call.next_delivery() {
        rig.out.push(chunk.event);
        assert_eq!(rig.call.trail().serving().map(|attempt| attempt.target.as_str()), Some("a"));
    }
    assert_eq!(rig.said(), "x");
    rig.run();
    assert_eq!(rig.done[0].as_ref().unwrap().trail.attempts.len(), 1);
}

#[test]
fn call_ends_at_the_deadline() {
    let mut rig = Setup::new(&["a"]).rig();
    rig.wait(Duration::from_secs(121));
    assert_eq!(rig.error().kind(), Kind::Deadline);
    assert!(rig.live.is_empty());
}

#[test]
fn caller_disconnect_does_not_affect_health() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.tell(Input::CallerGone);
    assert_eq!(rig.world.counts(TargetIndex(0)).in_flight, 0);
    assert_eq!(rig.world.view(rig.now, TargetIndex(0), 0).samples, 0);
}
