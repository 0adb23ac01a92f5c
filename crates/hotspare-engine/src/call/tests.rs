//! Examples of a call's behavior, step by step; the exhaustive exploration is in `explore`.

use std::time::Duration;

use hotspare_core::{
    ChatRequest, ChatResponse, Cost, FinishReason, ModelProfile, Outcome as Ended, TargetId, ThinkTags,
};
use hotspare_health::{Config, Outcome, Permit, Verdict};
use hotspare_normalize::OutputCheck;
use hotspare_routing::{Hedge, Hedged, Race, Sequential, Strategy};

use super::*;
use crate::ending::{End, Ending};
use crate::fleet::TargetSpec;
use crate::plan::PlanSeed;
use crate::rules::{Limits, OnCut, Rules};
use crate::step::AttemptStart;
use crate::world::Wish;

mod cuts;
mod explore;
mod network;
mod pauses;
mod rig;
mod room;
mod rules;
mod spare;
mod time;
mod validate;

use rig::{Ill, Rest, Rig, Setup};

#[test]
fn a_failure_moves_on_and_the_trail_says_why() {
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
fn role_frames_and_usage_commit_to_nobody() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.says(0, Event::Started { id: None, model: None });
    rig.text(0, "");
    rig.fails(0, Kind::Truncated);
    assert_eq!(rig.targets(), [0, 1]);
    assert_eq!(rig.out, vec![]);
}

#[test]
fn late_content_starts_the_spare_and_the_late_one_may_still_win() {
    let mut rig = Setup::new(&["a", "b", "c"]).rig();
    rig.wait(Duration::from_secs(9));
    assert_eq!(rig.targets(), [0, 1]);
    rig.text(0, "slow but first");
    assert_eq!(rig.live, BTreeSet::from([AttemptId(0)]), "the spare was dropped");
    rig.finishes(0);
    assert_eq!(rig.done[0].as_ref().unwrap().served_by.as_str(), "a");
    assert_eq!(rig.world.counts(1).cancelled, 1);
}

#[test]
fn a_caller_mistake_returns_at_once_and_hurts_nobody() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.fails(0, Kind::InvalidRequest);
    assert_eq!(rig.error().kind(), Kind::InvalidRequest);
    assert_eq!(rig.targets(), [0]);
    assert_eq!(rig.world.view(rig.now, 0, 0).failure_rate_bp, 0);
}

#[test]
fn a_single_server_error_is_tried_once_more_where_it_happened() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.fails(0, Kind::Server);
    rig.wait(Duration::from_millis(100));
    assert_eq!(rig.targets(), [0, 0]);
    rig.fails(1, Kind::Server);
    assert_eq!(rig.targets(), [0, 0, 1]);
    let failures = rig.world.view(rig.now, 0, 0).failure_rate_bp;
    rig.text(2, "x");
    rig.finishes(2);
    assert!(failures > 0);
    assert_eq!(rig.world.counts(0).failed[&Kind::Server], 2);
}

#[test]
fn another_key_of_the_same_target_comes_before_another_target() {
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
fn a_fast_error_never_wins_a_race() {
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
fn race_losers_are_dropped_and_counted() {
    let mut setup = Setup::new(&["a", "b", "c"]);
    setup.strategy = Arc::new(Race::new(["a", "b", "c"]).width(3));
    let mut rig = setup.rig();
    rig.says(2, Event::Started { id: None, model: None });
    rig.text(1, "first");
    assert_eq!(rig.live, BTreeSet::from([AttemptId(1)]));
    rig.finishes(1);
    let trail = &rig.done[0].as_ref().unwrap().trail;
    assert!(matches!(trail.attempts[2].outcome, Ended::Cancelled { .. }));
    assert!(trail.attempts[2].usage.input.is_some(), "the loser had begun and is paid for");
    assert_eq!(rig.world.view(rig.now, 0, 0).failure_rate_bp, 0, "losing is not failing");
}

#[test]
fn a_hedge_starts_once_and_only_within_its_budget() {
    let mut setup = Setup::new(&["a", "b", "c"]);
    setup.strategy =
        Arc::new(Hedged::new(Sequential::new(["a", "b", "c"]), Hedge::after(Duration::from_millis(400))));
    let mut rig = setup.rig();
    rig.wait(Duration::from_secs(2));
    assert_eq!(rig.targets(), [0, 1]);
    assert_eq!(rig.call.trail().attempts[1].why, "hedge after 400 ms; 2 of 3 in order");
}

#[test]
fn a_stall_is_seen_and_a_slow_reader_is_not_one() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.text(0, "x");
    rig.now = rig.now + Duration::from_secs(60);
    rig.call.resumed(rig.now);
    rig.run();
    assert_eq!(rig.targets(), [0], "the reader was away, not the provider");
    rig.wait(Duration::from_secs(9));
    assert_eq!(rig.targets(), [0, 1]);
}

#[test]
fn an_unstreamed_answer_is_held_until_it_is_whole() {
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
fn a_prompts_upper_bound_follows_what_was_learned() {
    let rig = Setup::new(&["a", "b"]).rig();
    let request = ChatRequest::to("r").user("hi").into();
    let mut views = rig.world.views(rig.now, &rig.call.route, 10_000, true);
    views[1].tokens.doubt = [0; PromptSize::PARTS];
    let size = PromptSize::of_text(10_000);
    let plan = Plan::new(&rig.call.fleet, &rig.call.route, &request, size, &views, PlanSeed::default());
    let bounds: Vec<u64> = plan.choices.iter().map(|choice| choice.most_prompt_tokens).collect();
    assert_eq!(bounds, [13_000, 11_500], "2.5 standard deviations, and never less than 15 %");
}

#[test]
fn an_empty_answer_is_a_failure() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.finishes(0);
    assert_eq!(rig.targets(), [0, 1]);
}

#[test]
fn an_end_without_a_finish_reason_is_a_cut() {
    let mut rig = Setup::new(&["a"]).rig();
    rig.text(0, "half an ans");
    rig.tell(Input::Ended(AttemptId(0)));
    assert_eq!(rig.error().kind(), Kind::Truncated);
}

#[test]
fn what_breaks_after_the_answer_concerns_nobody() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.text(0, "x");
    rig.says(0, Event::Finished(FinishReason::Stop));
    rig.fails(0, Kind::Truncated);
    assert!(rig.done[0].is_ok());
}

#[test]
fn when_all_are_blocked_one_is_asked_all_the_same() {
    fn ask_again(rig: &mut Rig) {
        let (fleet, route) = (Arc::clone(&rig.call.fleet), Arc::clone(&rig.call.route));
        let request = ChatRequest::to("r").user("hi").into();
        let (size, views) = (PromptSize::of_text(1), rig.world.views(rig.now, &route, 1, true));
        let plan = Plan::new(&fleet, &route, &request, size, &views, PlanSeed::default());
        rig.call = Call::new(rig.now, fleet, route, Ask::new(true, 1), plan);
        rig.run();
    }
    let mut rig = Setup::new(&["a"]).rig();
    rig.fails(0, Kind::Connect);
    for _ in 0..4 {
        ask_again(&mut rig);
        rig.fails(0, Kind::Connect);
    }
    assert!(!rig.world.view(rig.now, 0, 0).usable);
    ask_again(&mut rig);
    assert!(rig.call.trail().attempts[0].why.starts_with("last resort"));
    rig.text(0, "back again");
    rig.finishes(0);
    assert!(rig.done.last().unwrap().is_ok());
    assert!(rig.world.view(rig.now, 0, 0).usable);
}

#[test]
fn nobody_is_waited_for_beyond_the_deadline() {
    let mut rig = Setup::new(&["a"]).rig();
    rig.wait(Duration::from_secs(121));
    assert_eq!(rig.error().kind(), Kind::Deadline);
    assert!(rig.live.is_empty());
}

#[test]
fn a_caller_who_leaves_hurts_nobody() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.tell(Input::CallerGone);
    assert_eq!(rig.world.counts(0).in_flight, 0);
    assert_eq!(rig.world.view(rig.now, 0, 0).samples, 0);
}
