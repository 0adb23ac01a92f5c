//! Cuts of an answer whose beginning has reached the caller.

use super::*;

#[test]
fn a_cut_answer_is_carried_on_without_a_seam() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.text(0, "the standby ");
    rig.text(0, "took");
    rig.fails(0, Kind::Truncated);
    assert_eq!(rig.begun[1].resume.as_ref().unwrap().text.as_ref(), "the standby took");
    rig.text(1, "the stand");
    rig.text(1, "by took over");
    rig.finishes(1);
    assert_eq!(rig.said(), "the standby took[a>b] over");
    assert!(rig.done[0].is_ok());
}

#[test]
fn a_spare_that_was_outrun_carries_on_what_the_winner_leaves() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.wait(Duration::from_secs(9));
    assert_eq!(rig.targets(), [0, 1], "the first is late");
    rig.text(0, "the standby took");
    rig.fails(0, Kind::Truncated);
    assert_eq!(rig.targets(), [0, 1, 1]);
    rig.text(2, "the standby took over");
    rig.finishes(2);
    assert_eq!(rig.said(), "the standby took[a>b] over");
    assert!(rig.done[0].is_ok());
}

#[test]
fn of_several_that_were_outrun_the_better_placed_carries_on() {
    let mut setup = Setup::new(&["a", "b", "c"]);
    setup.strategy = Arc::new(Race::new(["a", "b", "c"]).width(3));
    let mut rig = setup.rig();
    rig.text(0, "the standby took");
    rig.fails(0, Kind::Truncated);
    assert_eq!(rig.targets(), [0, 1, 2, 1]);
}

#[test]
fn a_spare_that_was_outrun_is_started_again_only_within_the_budget() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.limits.max_extra_starts = 0;
    let mut rig = setup.rig();
    rig.wait(Duration::from_secs(9));
    rig.text(0, "the standby took");
    rig.fails(0, Kind::Truncated);
    assert_eq!(rig.targets(), [0, 1]);
    assert_eq!((rig.said().as_str(), rig.error().kind()), ("the standby took", Kind::Truncated));
}

#[test]
fn the_same_family_carries_on_first() {
    let mut setup = Setup::new(&["a", "b", "c"]);
    setup.models = &["llama-3.1-70b", "mistral-large", "meta-llama/Llama-3.1-8B"];
    let mut rig = setup.rig();
    rig.text(0, "the standby took");
    rig.fails(0, Kind::Truncated);
    assert_eq!(rig.targets(), [0, 2]);
    // Before an answer has started, the route's own order applies.
    let mut rig = setup.rig();
    rig.fails(0, Kind::Overloaded);
    assert_eq!(rig.targets(), [0, 1]);
}

#[test]
fn an_answer_that_differs_ends_in_the_error_that_cut_it() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.text(0, "the standby");
    rig.fails(0, Kind::Truncated);
    rig.text(1, "another answer");
    assert_eq!(rig.said(), "the standby");
    assert_eq!(rig.error().kind(), Kind::Truncated);
    assert_eq!(rig.error().target().unwrap().as_str(), "a");
}

#[test]
fn a_turn_that_is_carried_on_is_past_its_thinking() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.profile.capabilities.assistant_prefill = Some(true);
    setup.profile.think_tags = Some(ThinkTags::default().already_open());
    let mut rig = setup.rig();
    rig.text(0, "hm</think>the standby");
    rig.fails(0, Kind::Truncated);
    assert!(rig.begun[1].resume.as_ref().unwrap().prefill);
    rig.text(1, " took over");
    rig.finishes(1);
    assert_eq!(rig.said(), "the standby[a>b] took over");
}

#[test]
fn an_answer_of_reasoning_and_white_space_is_none() {
    let thought = || Event::ReasoningDelta("hm".into());
    let blank = || Event::TextDelta(" \n ".into());
    let mut setup = Setup::new(&["a", "b"]);
    setup.stream = false;
    for events in [vec![thought()], vec![blank()], vec![thought(), blank()]] {
        let mut rig = setup.rig();
        events.iter().for_each(|event| rig.says(0, event.clone()));
        rig.finishes(0);
        assert_eq!(rig.targets(), [0, 1], "{events:?}");
        rig.finishes_with_text(1);
        assert!(rig.done[0].is_ok());
        // A stop sequence may come before the first token.
        let mut rig = setup.rig();
        rig.call.ask.stops = true;
        events.into_iter().for_each(|event| rig.says(0, event));
        rig.finishes(0);
        assert!(rig.done[0].is_ok());
    }
}

#[test]
fn a_stream_of_reasoning_alone_begins_anew_while_somebody_is_left() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.says(0, Event::ReasoningDelta("hm".into()));
    rig.says(0, Event::Finished(FinishReason::Stop));
    assert_eq!(rig.targets(), [0, 1]);
    assert!(!rig.out.iter().any(|event| matches!(event, Event::Finished(_))), "{:?}", rig.out);
    rig.finishes_with_text(1);
    assert_eq!(rig.said(), "[a>b]x");
    assert!(rig.done[0].is_ok());
    let mut rig = Setup::new(&["a"]).rig();
    rig.says(0, Event::ReasoningDelta("hm".into()));
    rig.says(0, Event::Finished(FinishReason::Stop));
    rig.fails(0, Kind::Truncated);
    assert!(rig.done[0].is_ok(), "it is passed on as it came");
}

#[test]
fn tool_calls_are_never_carried_on() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.says(0, Event::ToolStarted { index: 0, id: "1".into(), name: "f".into() });
    rig.fails(0, Kind::Truncated);
    assert_eq!(rig.error().kind(), Kind::Truncated);
    assert_eq!(rig.targets(), [0]);
}

#[test]
fn terminate_means_terminate() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.rules.on_cut = OnCut::Terminate;
    let mut rig = setup.rig();
    rig.text(0, "x");
    rig.fails(0, Kind::Stalled);
    assert_eq!(rig.error().kind(), Kind::Stalled);
}

#[test]
fn whoever_was_refused_when_the_call_began_may_carry_on() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.ills = &[(0, Ill::Held(5))];
    let mut rig = setup.rig();
    assert_eq!(rig.targets(), [1]);
    rig.text(0, "the standby ");
    rig.now = rig.now + Duration::from_secs(6);
    rig.text(0, "took");
    rig.fails(0, Kind::Truncated);
    assert_eq!(rig.targets(), [1, 0], "the pause is over");
    rig.text(1, "the standby took over");
    rig.finishes(1);
    assert_eq!(rig.said(), "the standby took[b>a] over");
}

/// Delivers a word every five seconds for 130 s, then cuts the stream.
fn cut_late(rig: &mut Rig) {
    for _ in 0..26 {
        rig.text(0, "word ");
        rig.now = rig.now + Duration::from_secs(5);
        rig.run();
    }
    rig.fails(0, Kind::Truncated);
}

#[test]
fn a_late_cut_starts_one_after_the_other_like_an_early_one() {
    let mut rig = Setup::new(&["a", "b", "c", "d"]).rig();
    cut_late(&mut rig);
    assert_eq!(rig.targets(), [0, 1]);
    rig.wait(Duration::from_secs(9));
    assert_eq!(rig.targets(), [0, 1, 2]);
}

#[test]
fn a_continuation_that_never_begins_ends_in_the_error_of_the_cut() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    cut_late(&mut rig);
    rig.wait(Duration::from_secs(121));
    assert_eq!(rig.error().kind(), Kind::Truncated);
    assert_eq!(rig.targets(), [0, 1]);
}

#[test]
fn an_answer_that_was_held_and_lost_is_had_elsewhere_however_late() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.rules.commit = Commit::Whole;
    let mut rig = setup.rig();
    cut_late(&mut rig);
    assert_eq!(rig.targets(), [0, 1]);
    rig.finishes_with_text(1);
    assert!(rig.done[0].is_ok());
}

/// As long as the caller has not read everything, the next target is not started; that must not count against its
/// deadline.
#[test]
fn a_slow_reader_gets_the_rest_too() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.text(0, "the standby");
    rig.call.on_event(rig.now, AttemptId(0), Chunk::from(Event::TextDelta(" took".into())));
    rig.call.handle(rig.now, &mut rig.world, Input::Failed(AttemptId(0), Error::new(Kind::Truncated, "")));
    rig.now = rig.now + Duration::from_secs(130);
    rig.call.resumed(rig.now);
    rig.run();
    assert_eq!(rig.targets(), [0, 1]);
    rig.text(1, "the standby took over");
    rig.finishes(1);
    assert_eq!(rig.said(), "the standby took[a>b] over");
}

#[test]
fn what_is_kept_for_a_continuation_is_bounded() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.limits.max_buffered_bytes = 2_000;
    let mut rig = setup.rig();
    (0..30).for_each(|_| rig.text(0, &"x".repeat(100)));
    assert_eq!((rig.said().len(), rig.call.sent.as_ref()), (3_000, None));
    rig.fails(0, Kind::Truncated);
    assert_eq!((rig.error().kind(), rig.targets()), (Kind::Truncated, vec![0]));
}
