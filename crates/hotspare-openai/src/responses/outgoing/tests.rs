//! The wire's own decoder reads back what the encoder writes.

use std::collections::VecDeque;

use hotspare_core::{Origin, ToolCall};
use hotspare_provider::{Decoder, Framer, Sse, Whole};

use super::*;
use crate::responses::decode::ResponseDecoder;

fn read(mut framer: impl Framer, body: &[u8]) -> Vec<Event> {
    let (mut frames, mut chunks) = (VecDeque::new(), VecDeque::new());
    framer.push(body.to_vec().into(), &mut frames).unwrap();
    framer.finish(&mut frames).unwrap();
    let mut decoder = ResponseDecoder::new(Origin("o".into()));
    for frame in frames {
        decoder.push(frame, &mut chunks).unwrap();
    }
    decoder.finish(&mut chunks).unwrap();
    let dull = |event: &Event| matches!(event, Event::Mark | Event::ReasoningSignature(_));
    chunks.into_iter().map(|chunk| chunk.event).filter(|event| !dull(event)).collect()
}

fn answer_events() -> Vec<Event> {
    vec![
        Event::Started { id: Some("r".into()), model: Some("m".into()) },
        Event::ReasoningDelta("hm".into()),
        Event::TextDelta("a".into()),
        Event::TextDelta("b".into()),
        Event::ToolStarted { index: 0, id: "c".into(), name: "f".into() },
        Event::ToolDelta { index: 0, arguments: "{}".into() },
        Event::Usage(Box::new(Usage::reported(Some(3), Some(2)))),
        Event::Finished(FinishReason::ToolCalls),
    ]
}

#[test]
fn encoded_stream_round_trips() {
    let mut outgoing = ResponsesEncoder::new("x", "y", 0);
    let mut out = Vec::new();
    for event in answer_events() {
        outgoing.event(&event, &mut out);
    }
    outgoing.end(&mut out);
    let mut expected = answer_events();
    let Event::Usage(usage) = &mut expected[6] else { panic!("the counts") };
    (usage.cached, usage.reasoning) = (Some(0), Some(0));
    assert_eq!(read(Sse::default(), &out), expected);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.matches("output_item.added").count(), text.matches("output_item.done").count());
    assert!(text.ends_with("\n\n") && text.matches("event: response.completed").count() == 1);
}

#[test]
fn encoded_answer_round_trips() {
    let content = vec![Part::Text("ab".into()), Part::ToolCall(ToolCall::new("c", "f", "{}"))];
    let answer = ChatResponse::new(content, FinishReason::ToolCalls);
    let body = ResponsesEncoder::new("x", "y", 0).body(&answer);
    let events = read(Whole::default(), &body);
    assert_eq!(events[1], Event::TextDelta("ab".into()));
    assert_eq!(events[3], Event::ToolDelta { index: 0, arguments: "{}".into() });
    assert_eq!(events.last(), Some(&Event::Finished(FinishReason::ToolCalls)));
}

#[test]
fn handover_is_marked_once_and_at_the_end() {
    let mut outgoing = ResponsesEncoder::new("x", "y", 0);
    let mut out = Vec::new();
    outgoing.event(&Event::TextDelta("a".into()), &mut out);
    outgoing.event(&Event::Handover { from: "main".into(), to: "spare".into() }, &mut out);
    let before = out.len();
    outgoing.event(&Event::TextDelta("b".into()), &mut out);
    outgoing.event(&Event::TextDelta("c".into()), &mut out);
    outgoing.event(&Event::Finished(FinishReason::Stop), &mut out);
    outgoing.end(&mut out);
    let text = String::from_utf8(out).unwrap();
    assert!(!text[..before].contains("hotspare"), "the handover itself has no frame");
    let frames: Vec<Value> = text[before..]
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let mark = json!({"handover": {"from": "main", "to": "spare"}});
    assert_eq!((&frames[0]["delta"], &frames[0]["hotspare"]), (&json!("b"), &mark));
    assert!(frames[1..].iter().all(|frame| frame["hotspare"].is_null()), "{text}");
    assert_eq!(frames.last().unwrap()["response"]["hotspare"], mark);
}

#[test]
fn length_limited_answer_is_incomplete() {
    let mut outgoing = ResponsesEncoder::new("x", "y", 0);
    let mut out = Vec::new();
    outgoing.event(&Event::TextDelta("a".into()), &mut out);
    outgoing.event(&Event::Finished(FinishReason::Length), &mut out);
    outgoing.end(&mut out);
    assert_eq!(read(Sse::default(), &out).last(), Some(&Event::Finished(FinishReason::Length)));
}

#[test]
fn service_tier_is_written_in_words_of_the_wire_only() {
    for (word, expected) in [("standard", Some("default")), ("flex", Some("flex")), ("batch", None)] {
        let (mut chat, mut responses) =
            (ChatCompletionsEncoder::new("x", "y", 0), ResponsesEncoder::new("x", "y", 0));
        let mut answer = ChatResponse::new(vec![Part::Text("a".into())], FinishReason::Stop);
        answer.service_tier = Some(word.into());
        chat.set_service_tier(word);
        let mut streamed = Vec::new();
        responses.event(&Event::ServiceTier(word.into()), &mut streamed);
        streamed.clear();
        responses.end(&mut streamed);
        let streamed = String::from_utf8(streamed).unwrap();
        let (_, end) = streamed.trim().rsplit_once("data: ").unwrap();
        let end: Value = serde_json::from_str(end).unwrap();
        let finish = chat.frame(&Event::Finished(FinishReason::Stop)).unwrap();
        let parsed = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap();
        for body in [
            end["response"].clone(),
            parsed(&responses.body(&answer)),
            parsed(&finish),
            parsed(&chat.body(&answer)),
        ] {
            assert_eq!(body.get("service_tier").and_then(Value::as_str), expected, "{word}: {body}");
        }
    }
}
