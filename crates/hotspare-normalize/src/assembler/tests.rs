//! The answers that events are assembled into.

use super::*;
use hotspare_core::{Origin, TargetId};
use proptest::prelude::*;

fn text(text: &str) -> Event {
    Event::TextDelta(text.into())
}

fn thought(text: &str) -> Event {
    Event::ReasoningDelta(text.into())
}

fn tool(index: u32, id: &str, name: &str) -> Event {
    Event::ToolStarted { index, id: id.into(), name: name.into() }
}

fn arguments(index: u32, text: &str) -> Event {
    Event::ToolDelta { index, arguments: text.into() }
}

fn signature(data: &str, redacted: bool) -> Signature {
    Signature { origin: Origin("o".into()), data: data.into(), redacted }
}

fn fold(events: impl IntoIterator<Item = Event>) -> Result<ChatResponse, Error> {
    let mut assembler = Assembler::default();
    for event in events {
        assembler.push(event)?;
    }
    assembler.finish()
}

fn fold_to(finish: FinishReason, events: impl IntoIterator<Item = Event>) -> Result<ChatResponse, Error> {
    fold(events.into_iter().chain([Event::Finished(finish)]))
}

fn arguments_of(finish: FinishReason, text: &str) -> Result<String, Error> {
    let response = fold_to(finish, [tool(0, "a", "f"), arguments(0, text)])?;
    Ok(response.tool_calls().next().unwrap().arguments.clone())
}

#[test]
fn assembles_a_plain_answer() {
    let started = |id: &str, model: &str| Event::Started { id: Some(id.into()), model: Some(model.into()) };
    let response = fold([
        started("", ""),
        started("r1", "m"),
        text(""),
        text(" Hel"),
        text("lo\u{301}\n "),
        Event::Usage(Box::new(Usage::reported(Some(3), None))),
        Event::Finished(FinishReason::Stop),
        Event::Usage(Box::new(Usage::reported(None, Some(2)))),
    ])
    .unwrap();
    assert_eq!((response.id.as_deref(), response.model.as_deref()), (Some("r1"), Some("m")));
    assert_eq!(response.content, [Part::Text(" Hello\u{301}\n ".into())]);
    assert_eq!(response.finish, FinishReason::Stop);
    assert_eq!(response.usage, Usage::reported(Some(3), Some(2)));
}

#[test]
fn parts_keep_their_order_and_signatures_stay_with_reasoning() {
    let sign = |data: &str, redacted| Event::ReasoningSignature(signature(data, redacted));
    let response = fold_to(
        FinishReason::Stop,
        [
            thought("a"),
            thought("b"),
            sign("s1", false),
            sign("hidden", true),
            thought("c"),
            text("x"),
            tool(0, "t", "f"),
            text("y"),
            arguments(0, "{\"k\""),
            arguments(0, ":1}"),
            Event::RefusalDelta("n".into()),
            Event::RefusalDelta("o".into()),
        ],
    )
    .unwrap();
    assert_eq!(
        response.content,
        [
            Part::Reasoning(Reasoning::new("ab").with_signature(signature("s1", false))),
            Part::Reasoning(Reasoning::default().with_signature(signature("hidden", true))),
            Part::Reasoning(Reasoning::new("c")),
            Part::Text("x".into()),
            Part::ToolCall(ToolCall::new("t", "f", "{\"k\":1}")),
            Part::Text("y".into()),
            Part::Refusal("no".into()),
        ]
    );
    assert_eq!(response.text(), "xy");
    assert_eq!(response.finish, FinishReason::ToolCalls);
}

#[test]
fn text_is_joined_across_a_handover() {
    let handover = Event::Handover { from: TargetId::from("a"), to: TargetId::from("b") };
    let response = fold_to(FinishReason::Stop, [text("one "), handover, text("two")]).unwrap();
    assert_eq!(response.content, [Part::Text("one two".into())]);
}

#[test]
fn arguments_must_be_a_json_object() {
    let pairs = [
        ("", "{}"),
        (" \n", "{}"),
        (r#"{"a": [1, 2.50]}"#, r#"{"a": [1, 2.50]}"#),
        (" {} ", " {} "),
        ("{'a': 1,}", r#"{"a": 1}"#),
    ];
    for (written, read) in pairs {
        assert_eq!(arguments_of(FinishReason::ToolCalls, written).unwrap(), read);
    }
    let deep = format!("{{\"a\":{}", "[".repeat(100_000));
    for bad in ["null", "[]", "\"{}\"", "{", "{}{}", "{\"secret\":", &deep] {
        let error = arguments_of(FinishReason::ToolCalls, bad).unwrap_err();
        assert_eq!(error.kind(), Kind::BadOutput, "{bad:.20}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn arguments_cut_by_a_limit_are_left_as_they_are() {
    for finish in [FinishReason::Length, FinishReason::ContentFilter] {
        for left in ["", "{\"a\":"] {
            // `{}` would make a call that was cut off before its arguments look complete.
            assert_eq!(arguments_of(finish.clone(), left).unwrap(), left);
        }
    }
}

#[test]
fn tool_call_ids_are_unique_and_not_empty() {
    let calls = [tool(0, "", "f"), tool(1, "x", "f"), tool(2, "x", "g"), tool(3, "", "f")];
    let response = fold_to(FinishReason::ToolCalls, calls.clone()).unwrap();
    let ids: std::collections::BTreeSet<&str> = response.tool_calls().map(|call| call.id.as_str()).collect();
    assert!(ids.len() == 4 && !ids.contains("") && ids.contains("x"), "{ids:?}");
    assert_eq!(fold_to(FinishReason::ToolCalls, calls).unwrap(), response);
}

#[test]
fn unusable_answers_are_rejected() {
    let kind = |result: Result<ChatResponse, Error>| result.unwrap_err().kind();
    assert_eq!(kind(fold([text("half an ans")])), Kind::Truncated);
    assert_eq!(kind(fold_to(FinishReason::Stop, [])), Kind::Protocol);
    assert_eq!(kind(fold_to(FinishReason::Stop, [text(""), thought("")])), Kind::Protocol);
    assert_eq!(kind(fold_to(FinishReason::ToolCalls, [])), Kind::Protocol);
    assert_eq!(kind(fold_to(FinishReason::ToolCalls, [tool(0, "a", "")])), Kind::BadOutput);
    let other = |word: &str| FinishReason::Other(word.into());
    assert_eq!(kind(fold_to(other("a_word_from_tomorrow"), [])), Kind::Protocol);
    let met = other("stop_sequence");
    for explained in [FinishReason::Length, FinishReason::ContentFilter, FinishReason::Refusal, met] {
        assert!(fold_to(explained, []).unwrap().content.is_empty());
    }
}

#[test]
fn missing_usage_is_estimated() {
    let response = fold_to(FinishReason::Stop, [text("123456789")]).unwrap();
    assert_eq!(response.usage, Usage::estimated(None, Some(3)));
    let half = [Event::Usage(Box::new(Usage::reported(Some(7), None))), text("1234")];
    assert_eq!(fold_to(FinishReason::Stop, half).unwrap().usage, Usage::estimated(Some(7), Some(1)));
}

#[test]
fn memory_is_bounded() {
    for event in [
        |n: u32| text(if n == 0 { "a" } else { "b" }),
        |n: u32| if n.is_multiple_of(2) { text("a") } else { thought("b") },
        |n: u32| tool(n, "", ""),
        |_| Event::LogProbs(Json::parse("1").unwrap()),
        |_| Event::Annotation(Json::parse("1").unwrap()),
        |_| Event::ReasoningSignature(signature("", true)),
    ] {
        let mut assembler = Assembler::with_limit(4_096);
        let error = (0..5_000).find_map(|n| assembler.push(event(n)).err()).unwrap();
        assert_eq!(error.kind(), Kind::Protocol);
        assert!(assembler.text.len() <= 4_096 && assembler.pieces.len() <= 40);
    }
}

/// One block of an answer: the kind of its deltas, and its text.
fn blocks() -> impl Strategy<Value = Vec<(u8, String)>> {
    proptest::collection::vec((0..4_u8, "[a-z é\u{301}😀\n<>{}\"]{1,12}"), 1..8)
}

/// The blocks as events, split after every `step`-th character.
fn spell(blocks: &[(u8, String)], step: usize) -> Vec<Event> {
    let mut events = Vec::new();
    let mut tools = 0;
    for (kind, words) in blocks {
        let words = if *kind == 3 { serde_json::json!({ "k": words }).to_string() } else { words.clone() };
        if *kind == 3 {
            events.push(tool(tools, "", "f"));
            tools += 1;
        }
        let characters: Vec<char> = words.chars().collect();
        for piece in characters.chunks(step) {
            let piece: String = piece.iter().collect();
            events.push(match kind {
                0 => Event::TextDelta(piece),
                1 => Event::ReasoningDelta(piece),
                2 => Event::RefusalDelta(piece),
                _ => Event::ToolDelta { index: tools - 1, arguments: piece },
            });
        }
    }
    events.push(Event::Finished(FinishReason::Stop));
    events
}

proptest! {
    #[test]
    fn delta_boundaries_do_not_change_the_answer(blocks in blocks(), step in 1..6_usize) {
        let whole = fold(spell(&blocks, usize::MAX)).unwrap();
        let said: String = blocks.iter().filter(|(kind, _)| *kind == 0).map(|(_, words)| words.as_str()).collect();
        prop_assert_eq!(whole.text(), said);
        prop_assert_eq!(fold(spell(&blocks, step)).unwrap(), whole);
    }

    #[test]
    fn any_event_order_yields_an_answer_or_an_error(picks in proptest::collection::vec((0..8_u8, 0..3_u32), 0..20)) {
        let mut assembler = Assembler::with_limit(2_048);
        for (pick, n) in picks {
            let event = match pick {
                0 => text("a"),
                1 => thought("b"),
                2 => tool(n, "x", "f"),
                3 => arguments(n, "{}"),
                4 => Event::ReasoningSignature(signature("s", n == 0)),
                5 => Event::Finished(if n == 0 { FinishReason::Length } else { FinishReason::Stop }),
                6 => Event::RefusalDelta("c".into()),
                _ => Event::Usage(Box::default()),
            };
            let _ = assembler.push(event);
        }
        let known = assembler.text().len();
        if let Ok(response) = assembler.finish() {
            prop_assert_eq!(response.text().len(), known);
        }
    }
}

#[test]
fn fields_follow_the_part_they_belong_to() {
    let fields = || hotspare_core::Native::new("w", serde_json::json!({"own": 1}).into());
    let mut answer = Assembler::default();
    for event in [
        Event::ToolStarted { index: 0, id: "c".into(), name: "f".into() },
        Event::Fields(Box::new(fields())),
        Event::ToolDelta { index: 0, arguments: "{}".into() },
        Event::Finished(FinishReason::ToolCalls),
    ] {
        answer.push(event).unwrap();
    }
    let content = answer.finish().unwrap().content;
    assert_eq!(content, [Part::ToolCall(ToolCall::new("c", "f", "{}")), Part::Fields(fields())]);
}
