//! Cuts of an answer whose beginning has reached the caller.

use hotspare_core::{Price, Usage};

use super::*;
use crate::rules::OnKind;

#[test]
fn cut_stream_continues_seamlessly() {
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
fn cancelled_spare_continues_the_winners_cut_stream() {
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
fn best_ranked_loser_continues_the_cut_stream() {
    let mut setup = Setup::new(&["a", "b", "c"]);
    setup.strategy = Arc::new(Race::new(["a", "b", "c"]).at_once(3));
    let mut rig = setup.rig();
    rig.text(0, "the standby took");
    rig.fails(0, Kind::Truncated);
    assert_eq!(rig.targets(), [0, 1, 2, 1]);
}

#[test]
fn cancelled_spare_restarts_only_within_the_extra_start_limit() {
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
fn continuation_prefers_the_same_model_family() {
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

/// What the caller has is part of the prompt where the model continues it, and of the answer where it writes it again.
#[test]
fn a_target_too_small_for_the_answer_so_far_does_not_continue_it() {
    for prefill in [true, false] {
        let mut setup = Setup::new(&["a", "b"]);
        setup.profile.context_window = Some(1_200);
        setup.profile.capabilities.assistant_prefill = Some(prefill);
        let cut_after = |words: usize| {
            let mut rig = setup.rig();
            rig.text(0, &"standby ".repeat(words));
            rig.fails(0, Kind::Truncated);
            rig
        };
        let rig = cut_after(200);
        assert_eq!(rig.targets(), [0, 1]);
        let more = rig.begun[1].most_prompt_tokens - rig.begun[0].most_prompt_tokens;
        assert_eq!((200..400).contains(&more), prefill, "{more} tokens more");
        let rig = cut_after(2_000);
        assert_eq!((rig.targets(), rig.error().kind()), (vec![0], Kind::Truncated));
        let why = &rig.error().trail().skipped[0].why;
        assert!(why.ends_with(", with the answer so far"), "{why}");
    }
}

/// The answer so far is estimated as the prompt is, so it rules a target out only by the same margin.
#[test]
fn an_answer_so_far_that_may_still_fit_is_continued() {
    let cut = |prefill: bool, window: Option<u64>| {
        let mut setup = Setup::new(&["a", "b"]);
        setup.prompt_tokens = 1_000;
        setup.profile.context_window = window;
        setup.profile.capabilities.assistant_prefill = Some(prefill);
        let mut rig = setup.rig();
        rig.text(0, &"standby ".repeat(2_000));
        rig.fails(0, Kind::Truncated);
        rig
    };
    let begun = cut(true, None).begun;
    let (most_prompt, most) = (begun[0].most_prompt_tokens, begun[1].most_prompt_tokens);
    let (margin, needs) = (most_prompt - 1_000, most * 1_000 / most_prompt);
    let margins = most - needs;
    assert!(needs > 2_000 && margin > 0 && margins > 2 * margin, "{most_prompt} {most}");
    for prefill in [true, false] {
        assert_eq!(cut(prefill, Some(needs - margins + 2)).targets(), [0, 1], "prefill: {prefill}");
        assert_eq!(cut(prefill, Some(needs - margins - 2)).targets(), [0], "prefill: {prefill}");
    }
}

#[test]
fn a_continuation_counts_what_its_prompt_costs() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.profile.price = Some(Price::micros_per_million(1_000_000, 0));
    setup.profile.capabilities.assistant_prefill = Some(true);
    let mut targets = |most: u64| {
        setup.max_cost = Some(Cost::from_micros(most));
        let mut rig = setup.rig();
        rig.text(0, &"standby ".repeat(2_000));
        rig.fails(0, Kind::Truncated);
        rig.targets()
    };
    assert_eq!(targets(100), [0]);
    assert_eq!(targets(100_000), [0, 1]);
}

#[test]
fn mismatched_continuation_returns_the_error_of_the_cut() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.text(0, "the standby");
    rig.fails(0, Kind::Truncated);
    rig.text(1, "another answer");
    assert_eq!(rig.said(), "the standby");
    assert_eq!(rig.error().kind(), Kind::Truncated);
    assert_eq!(rig.error().target().unwrap().as_str(), "a");
}

/// The text goes on at the spare, which may then call a tool; from then on the answer is tied to it.
#[test]
fn continuation_may_call_a_tool() {
    let call = || Event::ToolStarted { index: 0, id: "c1".into(), name: "f".into() };
    for prefill in [false, true] {
        let mut setup = Setup::new(&["a", "b", "c"]);
        setup.profile.capabilities.assistant_prefill = Some(prefill);
        let mut rig = setup.rig();
        rig.text(0, "I look up");
        rig.fails(0, Kind::Truncated);
        rig.text(1, if prefill { " the pump." } else { "I look up the pump." });
        rig.says(1, call());
        rig.says(1, Event::ToolDelta { index: 0, arguments: "{}".into() });
        assert_eq!(rig.said(), "I look up[a>b] the pump.");
        assert!(rig.out.contains(&call()), "{:?}", rig.out);
        rig.fails(1, Kind::Truncated);
        assert_eq!((rig.targets(), rig.error().kind()), (vec![0, 1], Kind::Truncated));
    }
}

#[test]
fn rules_for_a_kind_apply_to_cuts() {
    let to_last = OnKind::To(vec!["c".into()]);
    for (rule, continued) in [(OnKind::Stop, vec![0]), (OnKind::Next, vec![0, 1]), (to_last, vec![0, 2])] {
        let mut setup = Setup::new(&["a", "b", "c"]);
        setup.rules.on.insert(Kind::Truncated, rule);
        let mut rig = setup.rig();
        rig.text(0, "the standby");
        rig.fails(0, Kind::Truncated);
        assert_eq!(rig.targets(), continued);
    }
}

/// Providers may buffer reasoning and tool arguments, so silence there says nothing about health.
#[test]
fn only_silence_within_text_counts_against_health() {
    let quiet = |event: Event, gap: u64| {
        let mut rig = Setup::new(&["a", "b"]).rig();
        rig.says(0, event);
        rig.wait(Duration::from_secs(gap));
        let ended = rig.done.first().is_some_and(|done| done.as_ref().unwrap_err().kind() == Kind::Stalled);
        assert!(ended || rig.targets() == [0, 1], "a tool call is not continued");
        rig.world.view(rig.now, TargetIndex(0), 0).failure_rate_bp
    };
    assert!(quiet(Event::TextDelta("x".into()), 9) > 0);
    assert_eq!(quiet(Event::ReasoningDelta("x".into()), 301), 0, "slow, not down");
    assert_eq!(quiet(Event::ToolStarted { index: 0, id: "c1".into(), name: "f".into() }, 301), 0);
}

#[test]
fn prefilled_continuation_is_past_the_think_block() {
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
fn answer_of_only_reasoning_and_whitespace_is_empty() {
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
        rig.call.spec.stops = true;
        events.into_iter().for_each(|event| rig.says(0, event));
        rig.finishes(0);
        assert!(rig.done[0].is_ok());
    }
}

#[test]
fn reasoning_only_stream_restarts_while_targets_remain() {
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
    assert!(rig.done[0].is_ok(), "delivered as it arrived");
}

#[test]
fn cut_tool_calls_are_never_continued() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.says(0, Event::ToolStarted { index: 0, id: "1".into(), name: "f".into() });
    rig.fails(0, Kind::Truncated);
    assert_eq!(rig.error().kind(), Kind::Truncated);
    assert_eq!(rig.targets(), [0]);
}

#[test]
fn on_cut_terminate_never_continues() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.rules.on_cut = OnCut::Terminate;
    let mut rig = setup.rig();
    rig.text(0, "x");
    rig.fails(0, Kind::Stalled);
    assert_eq!(rig.error().kind(), Kind::Stalled);
}

#[test]
fn target_held_at_call_start_can_continue_later() {
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
fn late_cut_starts_continuations_one_after_another() {
    let mut rig = Setup::new(&["a", "b", "c", "d"]).rig();
    cut_late(&mut rig);
    assert_eq!(rig.targets(), [0, 1]);
    rig.wait(Duration::from_secs(9));
    assert_eq!(rig.targets(), [0, 1, 2]);
}

#[test]
fn continuation_without_content_returns_the_error_of_the_cut() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    cut_late(&mut rig);
    rig.wait(Duration::from_secs(121));
    assert_eq!(rig.error().kind(), Kind::Truncated);
    assert_eq!(rig.targets(), [0, 1]);
}

#[test]
fn held_answer_that_is_cut_late_fails_over() {
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
fn slow_reader_still_receives_the_continuation() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.text(0, "the standby");
    rig.call.on_event(rig.now, AttemptId(0), Chunk::from(Event::TextDelta(" took".into())));
    rig.call.handle(rig.now, &mut rig.world, Input::Failed(AttemptId(0), Error::new(Kind::Truncated, "")));
    rig.now = rig.now + Duration::from_secs(130);
    rig.call.resumed(rig.now, rig.now);
    rig.run();
    assert_eq!(rig.targets(), [0, 1]);
    rig.text(1, "the standby took over");
    rig.finishes(1);
    assert_eq!(rig.said(), "the standby took[a>b] over");
}

#[test]
fn text_kept_for_continuation_is_bounded() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.limits.max_buffered_bytes = 2_000;
    let mut rig = setup.rig();
    (0..30).for_each(|_| rig.text(0, &"x".repeat(100)));
    assert_eq!((rig.said().len(), rig.call.sent.as_ref()), (3_000, None));
    rig.fails(0, Kind::Truncated);
    assert_eq!((rig.error().kind(), rig.targets()), (Kind::Truncated, vec![0]));
}

/// What the caller is told at the end.
fn counted(rig: &Rig) -> Usage {
    let told = rig.out.iter().rev().find_map(|event| match event {
        Event::Usage(usage) => Some(**usage),
        _ => None,
    });
    assert_eq!(told, rig.done[0].as_ref().ok().map(|summary| summary.usage));
    told.unwrap()
}

fn usage(input: impl Into<Option<u64>>, output: impl Into<Option<u64>>) -> Event {
    Event::Usage(Box::new(Usage::reported(input.into(), output.into())))
}

#[test]
fn continued_answer_counts_the_tokens_of_every_part() {
    let mut setup = Setup::new(&["a", "b", "c"]);
    setup.profile.capabilities.assistant_prefill = Some(true);
    let mut rig = setup.rig();
    // The output that is reported before the first token is no count of it.
    rig.says(0, usage(7, 1));
    rig.text(0, "the standby");
    rig.fails(0, Kind::Truncated);
    // An interim count leaves out what follows it.
    rig.says(1, usage(11, None));
    rig.text(1, " took over");
    rig.says(1, usage(None, 2));
    rig.text(1, " from");
    rig.fails(1, Kind::Stalled);
    rig.text(2, " the main target");
    rig.says(2, Event::Finished(FinishReason::Stop));
    rig.says(2, usage(20, 4));
    rig.tell(Input::Ended(AttemptId(2)));
    assert_eq!(rig.said(), "the standby[a>b] took over from[b>c] the main target");
    let reported = (7 + 11 + 20, 11u64.div_ceil(4) + 2 + 5u64.div_ceil(4) + 4);
    assert_eq!(counted(&rig), Usage::estimated(Some(reported.0), Some(reported.1)));
    assert_eq!(rig.done[0].as_ref().unwrap().trail.usage(), counted(&rig));
}

#[test]
fn continuation_without_a_report_of_tokens_is_estimated() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.profile.capabilities.assistant_prefill = Some(true);
    let mut rig = setup.rig();
    rig.says(0, usage(7, 0));
    rig.text(0, "the standby");
    rig.says(0, usage(7, 0));
    rig.fails(0, Kind::Truncated);
    rig.text(1, " took over");
    rig.finishes(1);
    // What it continued was part of its prompt.
    let prefill = rig.begun[1].most_prompt_tokens - rig.begun[0].most_prompt_tokens;
    assert_eq!((prefill, counted(&rig)), (6, Usage::estimated(Some(7 + 5 + 6), Some(3 + 3))));
}

#[test]
fn tokens_of_an_uncut_answer_are_passed_on_as_reported() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.fails(0, Kind::Overloaded);
    rig.text(1, "the standby took over");
    rig.says(1, Event::Finished(FinishReason::Stop));
    rig.says(1, usage(20, 4));
    rig.tell(Input::Ended(AttemptId(1)));
    assert_eq!(counted(&rig), Usage::reported(Some(20), Some(4)));
}
