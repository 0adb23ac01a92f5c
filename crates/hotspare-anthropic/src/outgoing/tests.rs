//! Responses to callers, read back by this crate's own decoder.

use std::collections::VecDeque;

use bytes::Bytes;
use hotspare_core::{ChatResponse, Chunk, Origin, Part, Raw, ToolCall};
use hotspare_provider::{Decoder, Framer, Sse};
use proptest::prelude::*;

use super::*;
use crate::decode::MessagesDecoder;

fn frames(body: &[u8]) -> Vec<(String, Value)> {
    let (mut sse, mut out) = (Sse::default(), VecDeque::new());
    sse.push(Bytes::copy_from_slice(body), &mut out).unwrap();
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    out.iter()
        .map(|frame| {
            let value: Value = serde_json::from_slice(&frame.data).unwrap();
            let name = text(frame.name.as_ref().unwrap());
            assert_eq!(value["type"], name.as_str(), "a frame is named by its type");
            (name, value)
        })
        .collect()
}

fn read(body: &[u8]) -> Vec<Chunk> {
    let (mut sse, mut frames, mut chunks) = (Sse::default(), VecDeque::new(), VecDeque::new());
    let mut decoder = MessagesDecoder::default();
    sse.push(Bytes::copy_from_slice(body), &mut frames).unwrap();
    while let Some(frame) = frames.pop_front() {
        decoder.push(frame, &mut chunks).unwrap();
    }
    decoder.finish(&mut chunks).unwrap();
    chunks.into()
}

fn spell(events: &[Event]) -> Vec<u8> {
    let (mut outgoing, mut out) = (MessagesEncoder::new("id", "m"), Vec::new());
    for event in events {
        outgoing.event(event, &mut out);
    }
    outgoing.end(&mut out);
    out
}

fn started() -> Event {
    Event::Started { id: Some("msg_1".into()), model: Some("model".into()) }
}

#[test]
fn encodes_the_full_event_sequence() {
    let events = [
        started(),
        Event::ReasoningDelta("hm".into()),
        Event::TextDelta("a".into()),
        Event::TextDelta("b".into()),
        Event::ToolStarted { index: 0, id: "t".into(), name: "f".into() },
        Event::ToolDelta { index: 0, arguments: "{}".into() },
        Event::Finished(FinishReason::ToolCalls),
        Event::Usage(Box::new(Usage::reported(Some(3), Some(7)))),
    ];
    let frames = frames(&spell(&events));
    let names: Vec<&str> = frames.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "message_start",
            "ping",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    assert_eq!(frames[12].1["delta"]["stop_reason"], "tool_use");
    assert_eq!(frames[12].1["usage"]["input_tokens"], 3, "late usage is still reported");
}

/// A relayed answer that is cut off continues in frames of our own, and the block indexes still fit.
#[test]
fn generated_frames_continue_relayed_block_indexes() {
    let (mut outgoing, mut out) = (MessagesEncoder::new("id", "m"), Vec::new());
    let theirs: [(&str, Event); 3] = [
        (r#"{"type":"message_start","message":{"id":"x"}}"#, started()),
        (
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            Event::Mark,
        ),
        (
            r#"{ "type" : "content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#,
            Event::TextDelta("a".into()),
        ),
    ];
    for (data, event) in &theirs {
        outgoing.relay(data.as_bytes(), event, &mut out);
    }
    outgoing.event(&Event::Handover { from: "a".into(), to: "b".into() }, &mut out);
    outgoing.event(&Event::TextDelta("b".into()), &mut out);
    outgoing.event(&Event::Finished(FinishReason::Stop), &mut out);
    outgoing.end(&mut out);
    let names: Vec<String> = frames(&out).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "ping",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
}

#[test]
fn drops_foreign_reasoning_signatures() {
    let sign = |origin: &str, redacted| {
        Event::ReasoningSignature(Signature { origin: Origin(origin.into()), data: "proof".into(), redacted })
    };
    for (event, is_encoded) in [
        (sign("other", false), false),
        (sign("other", true), false),
        (sign(ORIGIN, true), true),
        (sign(ORIGIN, false), true),
    ] {
        let body = spell(&[started(), event.clone(), Event::Finished(FinishReason::Stop)]);
        assert_eq!(String::from_utf8(body).unwrap().contains("proof"), is_encoded, "{event:?}");
    }
}

#[test]
fn encodes_errors_in_the_wire_format() {
    for (error, status, word) in [
        (Error::new(Kind::InvalidRequest, "no").with_status(404), 404, "not_found_error"),
        (Error::new(Kind::InvalidRequest, "no").with_status(401), 401, "authentication_error"),
        (Error::new(Kind::InvalidRequest, "no").with_status(413), 413, "request_too_large"),
        (Error::new(Kind::ContextOverflow, "no"), 400, "invalid_request_error"),
        (Error::new(Kind::RateLimited, "no"), 429, "rate_limit_error"),
        (Error::new(Kind::NoTarget, "no"), 529, "overloaded_error"),
        (Error::new(Kind::Timeout, "no"), 504, "timeout_error"),
        (Error::new(Kind::Server, "no"), 502, "api_error"),
    ] {
        let body: Value = serde_json::from_slice(&MessagesEncoder::error_body(&error, Some("r1"))).unwrap();
        assert_eq!(MessagesEncoder::status(&error), status);
        assert_eq!(
            (&body["type"], &body["error"]["type"], &body["request_id"]),
            (&json!("error"), &json!(word), &json!("r1"))
        );
    }
}

#[test]
fn encodes_unstreamed_answers() {
    let mut answer = ChatResponse::new(
        vec![Part::Text("hi".into()), Part::ToolCall(ToolCall::new("t", "f", r#"{"a":1}"#))],
        FinishReason::ToolCalls,
    );
    answer.usage = Usage::reported(Some(10), Some(2));
    answer.usage.cached = Some(4);
    let body: Value = serde_json::from_slice(&MessagesEncoder::new("id", "m").body(&answer)).unwrap();
    assert_eq!(body["content"][1], json!({"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}));
    assert_eq!(
        (&body["usage"]["input_tokens"], &body["usage"]["cache_read_input_tokens"]),
        (&json!(6), &json!(4))
    );
    assert_eq!(body["stop_reason"], "tool_use");
}

fn said() -> impl Strategy<Value = Vec<Event>> {
    let piece = prop_oneof![
        "\\PC{1,12}".prop_map(Event::TextDelta),
        "\\PC{1,12}".prop_map(Event::ReasoningDelta),
        ("[a-z]{1,5}", "[a-z]{1,5}").prop_map(|(id, name)| Event::ToolStarted { index: 0, id, name }),
    ];
    prop::collection::vec(piece, 1..12).prop_map(|pieces| {
        let mut events = vec![started()];
        let mut tools = 0;
        for piece in pieces {
            if let Event::ToolStarted { id, name, .. } = piece {
                events.push(Event::ToolStarted { index: tools, id, name });
                events.push(Event::ToolDelta { index: tools, arguments: r#"{"a":1}"#.into() });
                tools += 1;
            } else {
                events.push(piece);
            }
        }
        let end = if tools > 0 { FinishReason::ToolCalls } else { FinishReason::Stop };
        events.push(Event::Finished(end));
        events
    })
}

proptest! {
    /// Any answer is read back as it was written, and relaying it gives the same bytes except for the pings.
    #[test]
    fn encoded_answers_round_trip(events in said()) {
        let body = spell(&events);
        let chunks = read(&body);
        let is_encoded = |event: &Event| !matches!(event, Event::Mark | Event::Usage(_));
        let back: Vec<Event> = chunks.iter().map(|chunk| chunk.event.clone()).filter(is_encoded).collect();
        prop_assert_eq!(back, events);

        let (mut relay, mut again) = (MessagesEncoder::new("other", "other"), Vec::new());
        for chunk in &chunks {
            match &chunk.raw {
                Raw::Frame { data, .. } => relay.relay(data, &chunk.event, &mut again),
                _ => relay.covered(&chunk.event),
            }
        }
        relay.end(&mut again);
        let no_pings = |body: &[u8]| {
            frames(body).into_iter().filter(|(name, _)| name != "ping").collect::<Vec<_>>()
        };
        prop_assert_eq!(no_pings(&again), no_pings(&body));
    }
}

#[test]
fn service_tier_is_written_in_words_of_the_wire_only() {
    for (word, expected) in
        [("default", Some("standard")), ("priority", Some("priority")), ("flex", None), ("performance", None)]
    {
        let tier = Event::ServiceTier(word.into());
        let written = spell(&[tier, Event::TextDelta("a".into()), Event::Finished(FinishReason::Stop)]);
        let mut answer = ChatResponse::new(vec![Part::Text("a".into())], FinishReason::Stop);
        answer.service_tier = Some(word.into());
        let whole: Value = serde_json::from_slice(&MessagesEncoder::new("id", "m").body(&answer)).unwrap();
        let (_, end) = frames(&written).into_iter().find(|(name, _)| name == "message_delta").unwrap();
        for usage in [&end["usage"], &whole["usage"]] {
            assert_eq!(usage.get("service_tier").and_then(Value::as_str), expected, "{word}");
        }
    }
}
