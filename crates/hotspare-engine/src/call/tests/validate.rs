//! Answers that must be JSON.

use hotspare_core::{Json, Native, Price, Response};

use super::*;
use crate::rules::ValidateToolCalls;

fn setup(stream: bool) -> Setup {
    let mut setup = Setup::new(&["a", "b"]);
    setup.stream = stream;
    setup.form = Some(OutputCheck::json_object());
    setup
}

fn answer(rig: &Rig) -> String {
    let texts = rig.out.iter().filter_map(|event| match event {
        Event::TextDelta(text) => Some(text.as_str()),
        _ => None,
    });
    let streamed: String = texts.collect();
    let summary = rig.done[0].as_ref().unwrap();
    summary.response.as_deref().and_then(Response::as_chat).map_or(streamed, ChatResponse::text)
}

#[test]
fn repairable_output_is_repaired_and_noted() {
    for stream in [true, false] {
        let mut rig = setup(stream).rig();
        rig.text(0, "Sure: {'ok': ");
        rig.text(0, "1,}");
        assert!(rig.out.is_empty(), "nothing is delivered before validation");
        rig.finishes(0);
        assert_eq!(answer(&rig), r#"{"ok": 1}"#);
        let notes = &rig.done[0].as_ref().unwrap().trail.attempts[0].notes;
        assert_eq!(notes, &["repaired: prose ×1, single_quotes ×1, trailing_comma ×1"]);
    }
}

#[test]
fn invalid_output_is_reasked_then_fails_over() {
    for stream in [true, false] {
        let mut rig = setup(stream).rig();
        rig.text(0, "I cannot.");
        rig.finishes(0);
        let reask = rig.begun[1].reask.clone().unwrap();
        assert_eq!((rig.begun[1].target, &*reask.answer), (TargetIndex(0), "I cannot."));
        assert!(reask.feedback.contains("not JSON"), "{}", reask.feedback);
        rig.text(1, "[]");
        rig.finishes(1);
        assert_eq!((rig.begun[2].target, &rig.begun[2].reask), (TargetIndex(1), &None));
        rig.text(2, "{}");
        rig.finishes(2);
        assert_eq!(answer(&rig), "{}");
        let health = (
            rig.world.view(rig.now, TargetIndex(0), 0).failure_rate_bp,
            rig.world.view(rig.now, TargetIndex(1), 0).failure_rate_bp,
        );
        assert_eq!(health, (0, 0), "invalid output does not affect health");
    }
}

#[test]
fn every_end_but_a_refusal_or_a_tool_call_is_validated() {
    let other = || FinishReason::Other("eos".into());
    let fields = || Event::Native(Box::new(Native::new("w", Json::parse("{}").unwrap())));
    let call = || Event::ToolStarted { index: 0, id: "1".into(), name: "f".into() };
    let cases = [
        ("complete", None, FinishReason::Stop, true),
        ("cut", None, FinishReason::Length, true),
        ("for an unknown reason", None, other(), true),
        ("for tool calls, without any", None, FinishReason::ToolCalls, true),
        ("filtered", None, FinishReason::ContentFilter, false),
        ("refused", None, FinishReason::Refusal, false),
        ("for its tool call", Some(call()), FinishReason::ToolCalls, false),
        ("complete, with a tool call", Some(call()), FinishReason::Stop, false),
        ("for its wire's own reason", Some(fields()), other(), false),
    ];
    for (how, event, finish, validated) in cases {
        for stream in [true, false] {
            let mut rig = setup(stream).rig();
            rig.text(0, "no");
            if let Some(event) = &event {
                rig.says(0, event.clone());
            }
            rig.says(0, Event::Finished(finish.clone()));
            rig.tell(Input::Ended(AttemptId(0)));
            let passed = rig.done.first().is_some_and(Result::is_ok);
            assert_eq!((passed, rig.begun.len() > 1), (!validated, validated), "{how}, stream: {stream}");
        }
    }
}

#[test]
fn output_cut_by_its_length_limit_is_not_reasked() {
    let mut rig = setup(false).rig();
    rig.text(0, "1, 2 and so on");
    rig.says(0, Event::Finished(FinishReason::Length));
    rig.tell(Input::Ended(AttemptId(0)));
    assert_eq!((rig.begun[1].target, &rig.begun[1].reask), (TargetIndex(1), &None));
}

#[test]
fn trail_says_why_there_was_no_reask() {
    let mut rig = setup(false).rig();
    let route = Arc::clone(&rig.call.route);
    while rig.world.take_retry(rig.now, &route) {}
    rig.text(0, "no");
    rig.finishes(0);
    assert_eq!(rig.begun[1].target, TargetIndex(1));
    let why = &rig.call.trail().skipped[0].why;
    assert_eq!(why, "not asked again: the route's retry budget is exhausted");
}

#[test]
fn error_names_the_violations_when_all_outputs_are_invalid() {
    let mut rig = setup(false).rig();
    for attempt in 0..4 {
        rig.text(attempt, "no");
        rig.finishes(attempt);
    }
    let error = rig.done[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), Kind::BadOutput);
    assert!(error.message().contains("not JSON"), "{error}");
    assert_eq!(error.trail().attempts.len(), 4, "two targets, one re-ask each");
    assert!(error.trail().attempts.iter().all(|attempt| attempt.violations.len() == 1), "{}", error.trail());
}

#[test]
fn validate_at_end_fails_an_invalid_stream() {
    for (text, fits) in [("{}", true), ("{'a':1}", false), ("no", false)] {
        let mut setup = setup(true);
        setup.rules.validate_output = ValidateOutput::AtEnd;
        let mut rig = setup.rig();
        rig.text(0, text);
        assert_eq!(rig.out.len(), 1, "delivered as it arrives");
        rig.finishes(0);
        assert_eq!(rig.done[0].is_ok(), fits, "{text}");
    }
}

#[test]
fn validate_never_passes_invalid_output() {
    let mut setup = setup(false);
    setup.rules.validate_output = ValidateOutput::Never;
    let mut rig = setup.rig();
    rig.text(0, "no");
    rig.finishes(0);
    assert_eq!(answer(&rig), "no");
}

fn calls(rig: &mut Rig, attempt: usize, arguments: &[&str]) {
    rig.says(attempt, Event::ToolStarted { index: 0, id: "1".into(), name: "f".into() });
    for piece in arguments {
        rig.says(attempt, Event::ToolDelta { index: 0, arguments: (*piece).into() });
    }
    rig.says(attempt, Event::Finished(FinishReason::ToolCalls));
    rig.tell(Input::Ended(AttemptId(attempt)));
}

#[test]
fn non_object_tool_arguments_are_bad_output() {
    // An unstreamed answer is taken from another target; a stream that has started ends in an error.
    for (stream, ok) in [(false, true), (true, false)] {
        let mut setup = Setup::new(&["a", "b"]);
        setup.stream = stream;
        let mut rig = setup.rig();
        calls(&mut rig, 0, &["{\"city\": \"Par"]);
        if ok {
            calls(&mut rig, 1, &["{}"]);
        }
        let done = rig.done[0].as_ref();
        assert_eq!(done.is_ok(), ok);
        assert_eq!(done.err().map(Error::kind), (!ok).then_some(Kind::BadOutput));
        let finished = rig.out.iter().any(|event| matches!(event, Event::Finished(_)));
        assert!(!(stream && finished), "it must not look complete to the caller");
        assert_eq!(
            rig.world.view(rig.now, TargetIndex(0), 0).failure_rate_bp,
            0,
            "invalid output does not affect health"
        );
    }
}

#[test]
fn tool_arguments_are_validated_if_the_route_enables_it() {
    let city = |value: &serde_json::Value| match value["city"].as_str() {
        Some(_) => Ok(()),
        None => Err(vec![hotspare_normalize::Violation::new("", "city is missing")]),
    };
    let form = OutputCheck::validated(Arc::new(city));
    for (stream, rule, served_by) in [
        (false, ValidateToolCalls::AtEnd, Some("b")),
        (true, ValidateToolCalls::AtEnd, None),
        (true, ValidateToolCalls::BeforeDelivery, Some("b")),
    ] {
        let mut setup = Setup::new(&["a", "b"]);
        setup.stream = stream;
        setup.rules.validate_tool_calls = rule;
        setup.tools = vec![("f".into(), form.clone())];
        let mut rig = setup.rig();
        calls(&mut rig, 0, &["{\"town\":", "\"Paris\"}"]);
        if served_by.is_some() {
            assert!(rig.out.is_empty(), "nothing is delivered before validation");
            assert_eq!(
                (rig.begun[1].target, &rig.begun[1].reask),
                (TargetIndex(1), &None),
                "failed over without a re-ask"
            );
            calls(&mut rig, 1, &["{\"city\":", "\"Paris\"}"]);
        }
        match (rig.done[0].as_ref(), served_by) {
            (Ok(summary), Some(served_by)) => assert_eq!(summary.served_by.as_str(), served_by),
            (Err(error), None) => {
                assert_eq!(error.kind(), Kind::BadOutput);
                assert!(error.message().contains("city is missing"), "{error}");
            }
            (other, _) => panic!("{rule:?}: {other:?}"),
        }
    }
}

#[test]
fn arguments_cut_by_the_length_limit_are_passed_through() {
    let mut rig = Setup::new(&["a"]).rig();
    rig.says(0, Event::ToolStarted { index: 0, id: "1".into(), name: "f".into() });
    rig.says(0, Event::ToolDelta { index: 0, arguments: "{\"a".into() });
    rig.says(0, Event::Finished(FinishReason::Length));
    rig.tell(Input::Ended(AttemptId(0)));
    assert!(rig.done[0].is_ok(), "its finish reason says that it was truncated");
}

#[test]
fn tool_calls_are_not_checked_against_the_output_schema() {
    let mut rig = setup(false).rig();
    rig.says(0, Event::ToolStarted { index: 0, id: "1".into(), name: "f".into() });
    rig.says(0, Event::ToolDelta { index: 0, arguments: "{}".into() });
    rig.says(0, Event::Finished(FinishReason::ToolCalls));
    rig.tell(Input::Ended(AttemptId(0)));
    assert!(rig.done[0].is_ok(), "{:?}", rig.done);
}

#[test]
fn commit_whole_delivers_only_complete_streams() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.rules.commit = crate::rules::Commit::Whole;
    let mut rig = setup.rig();
    rig.text(0, "half");
    rig.fails(0, Kind::Truncated);
    rig.text(1, "who");
    rig.text(1, "le");
    assert!(rig.out.is_empty());
    rig.finishes(1);
    assert_eq!(answer(&rig), "whole");
}

#[test]
fn no_attempt_starts_above_the_cost_limit() {
    let mut setup = setup(false);
    setup.profile.price = Some(Price::micros_per_million(1_000_000_000, 0));
    setup.max_cost = Some(Cost::from_micros(1));
    let rig = setup.rig();
    let error = rig.done[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), Kind::NoTarget);
    assert!(error.message().contains("the request allows 0.000001 USD"), "{error}");
}

#[test]
fn trail_records_reasks_skipped_for_cost() {
    let skipped = |setup: Setup| -> Vec<(String, String)> {
        let mut rig = setup.rig();
        rig.text(0, "no");
        rig.finishes(0);
        let skipped = rig.call.trail().skipped.iter().chain(
            rig.done.iter().filter_map(|done| done.as_ref().err()).flat_map(|error| &error.trail().skipped),
        );
        skipped.map(|skipped| (skipped.target.to_string(), skipped.why.clone())).collect()
    };
    let dear = || {
        let mut setup = setup(false);
        setup.profile.price = Some(Price::micros_per_million(1_000_000_000, 0));
        setup
    };
    // Five tokens cost 0.005 USD: the first request is affordable, another is not.
    let mut setup = dear();
    setup.max_cost = Some(Cost::from_micros(7_000));
    let of_call = skipped(setup);
    let targets: Vec<_> = of_call.iter().map(|(target, _)| target.as_str()).collect();
    assert_eq!(targets, ["a", "b"], "{of_call:?}");
    assert!(
        of_call[0].1.starts_with("not asked again: its prompt and an answer of 1024 tokens would cost"),
        "{of_call:?}"
    );

    let mut setup = dear();
    setup.limits.max_reask_cost = Some(Cost::from_micros(1));
    let of_reasks = skipped(setup);
    assert_eq!(of_reasks.len(), 1, "{of_reasks:?}");
    assert_eq!(of_reasks[0].0, "a");
    assert!(of_reasks[0].1.starts_with("not asked again: it would cost"), "{of_reasks:?}");
    assert!(skipped(dear()).is_empty(), "asked again, and nothing is passed over");
}

#[test]
fn answer_by_tool_has_tool_call_timeouts() {
    let mut setup = setup(true);
    setup.rules.validate_output = ValidateOutput::AtEnd;
    let mut rig = setup.rig();
    rig.call.sent(AttemptId(0), Sent { by_tool: true, ..Sent::default() });
    rig.says(0, Event::ToolStarted { index: 0, id: "c".into(), name: "answer".into() });
    // Providers send arguments once a value is complete: that is neither late nor a stall.
    rig.wait(Duration::from_secs(40));
    let part = |text: &str| Event::ToolDelta { index: 0, arguments: text.into() };
    rig.says(0, part(r#"{"ok""#));
    rig.wait(Duration::from_secs(40));
    rig.says(0, part(":1}"));
    rig.says(0, Event::Finished(FinishReason::ToolCalls));
    rig.tell(Input::Ended(AttemptId(0)));
    assert_eq!((rig.targets(), answer(&rig).as_str()), (vec![0], r#"{"ok":1}"#));
    assert_eq!(rig.out.last(), Some(&Event::Finished(FinishReason::Stop)));
}

#[test]
fn answer_by_tool_is_tracked_per_attempt() {
    let mut rig = setup(true).rig();
    rig.call.sent(AttemptId(0), Sent { by_tool: true, ..Sent::default() });
    rig.says(0, Event::ToolStarted { index: 0, id: "c".into(), name: "answer".into() });
    rig.fails(0, Kind::Overloaded);
    rig.text(1, r#"{"ok":1}"#);
    rig.finishes(1);
    assert_eq!((rig.targets(), answer(&rig).as_str()), (vec![0, 1], r#"{"ok":1}"#));
}

#[test]
fn stream_too_long_to_validate_is_an_error() {
    let mut setup = Setup::new(&["a"]);
    setup.form = Some(OutputCheck::json_object());
    setup.rules.validate_output = ValidateOutput::AtEnd;
    setup.limits.max_buffered_bytes = 2_000;
    let mut rig = setup.rig();
    rig.text(0, "{\"a\":\"");
    (0..30).for_each(|_| rig.text(0, &"x".repeat(100)));
    assert_eq!(rig.error().kind(), Kind::Protocol);
}
