//! Streams and whole answers, as the wire's many hosts send them.

use proptest::prelude::*;

use hotspare_core::FinishReason;
use hotspare_provider::ITEMS_LIMIT;
use serde_json::json;

use super::*;

fn decode(frames: &[&str]) -> Result<Vec<Event>, Error> {
    let mut decoder = ResponseDecoder::new(Origin("o".into()));
    let mut out = VecDeque::new();
    for frame in frames {
        decoder.push(Frame::piece(frame.as_bytes().to_vec()), &mut out)?;
    }
    decoder.finish(&mut out)?;
    Ok(out.into_iter().map(|chunk| chunk.event).filter(|event| *event != Event::Mark).collect())
}

fn text(text: &str) -> Event {
    Event::TextDelta(text.into())
}

const CREATED: &str = r#"{"type":"response.created","response":{"id":"r","model":"m","store":true}}"#;
const COMPLETED: &str = r#"{"type":"response.completed","response":{"status":"completed","output":[],"usage":{"input_tokens":3,"output_tokens":2}}}"#;

fn started() -> Event {
    Event::Started { id: Some("r".into()), model: Some("m".into()) }
}

#[test]
fn an_answer_of_too_many_items_is_refused() {
    let item =
        |at: usize| json!({"type": "function_call", "id": format!("i{at}"), "call_id": "c", "name": "f"});
    let mut decoder = ResponseDecoder::new(Origin("o".into()));
    let mut out = VecDeque::new();
    let mut push = |frame: String| decoder.push(Frame::piece(frame.into_bytes()), &mut out);
    let mut added = 0;
    let refused = loop {
        let frame = json!({"type": "response.output_item.added", "output_index": added, "item": item(added)});
        match push(frame.to_string()) {
            Ok(()) => added += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((added, refused.kind()), (ITEMS_LIMIT, Kind::Protocol));
    let items: Vec<serde_json::Value> = (0..=ITEMS_LIMIT).map(item).collect();
    let whole = json!({"object": "response", "status": "completed", "output": items}).to_string();
    assert_eq!(decode(&[&whole]).unwrap_err().kind(), Kind::Protocol);
}

/// With indexes, item ids or neither, what belongs together is matched, and nothing is emitted twice.
#[test]
fn items_without_ids_or_indexes_are_emitted_once() {
    for (with, item) in [
        (r#""output_index":0,"item_id":"changes with each frame","#, r#""id":"m1","#),
        (r#""item_id":"m1","#, r#""id":"m1","#),
        ("", ""),
    ] {
        let frame = |kind: &str, rest: &str| format!(r#"{{"type":"response.{kind}",{with}{rest}}}"#);
        let whole =
            format!(r#""item":{{"type":"message",{item}"content":[{{"type":"output_text","text":"ab"}}]}}"#);
        let frames = [
            CREATED.to_owned(),
            frame("output_item.added", &format!(r#""item":{{"type":"message",{item}"content":[]}}"#)),
            frame("output_text.delta", r#""delta":"a","logprobs":[]"#),
            frame("output_text.delta", r#""delta":"b""#),
            frame("output_text.done", r#""text":"ab""#),
            frame("content_part.done", r#""part":{"type":"output_text","text":"ab"}"#),
            frame("output_item.done", &whole),
            COMPLETED.to_owned(),
        ];
        let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
        let events = decode(&frames).unwrap();
        assert_eq!(events[..3], [started(), text("a"), text("b")], "{with}");
        assert_eq!(events.len(), 5, "{with}");
        assert_eq!(events[4], Event::Finished(FinishReason::Stop), "{with}");
    }
}

/// What a host omits from the stream is taken from the finished item, or from the answer as a whole.
#[test]
fn content_missing_from_deltas_is_taken_from_the_final_item() {
    let item = r#"{"type":"message","id":"m1","content":[{"type":"output_text","text":"ab"}]}"#;
    let done = format!(r#"{{"type":"response.output_item.done","item":{item}}}"#);
    let completed =
        format!(r#"{{"type":"response.completed","response":{{"status":"completed","output":[{item}]}}}}"#);
    for frames in [[CREATED, &done, COMPLETED], [CREATED, "{\"type\":\"response.queued\"}", &completed]] {
        let end = Event::Finished(FinishReason::Stop);
        let events = decode(&frames).unwrap();
        assert_eq!(events[..2], [started(), text("ab")]);
        assert_eq!(events.last(), Some(&end));
    }
}

#[test]
fn calls_are_indexed_and_arguments_emitted_once() {
    let added = |id: &str| {
        format!(
            r#"{{"type":"response.output_item.added","item":{{"type":"function_call","id":"f{id}","call_id":"{id}","name":"n","arguments":""}}}}"#
        )
    };
    let done = |id: &str| {
        format!(
            r#"{{"type":"response.output_item.done","item":{{"type":"function_call","id":"f{id}","call_id":"{id}","name":"n","arguments":"{{}}"}}}}"#
        )
    };
    let frames = [
        CREATED.to_owned(),
        added("a"),
        r#"{"type":"response.function_call_arguments.delta","item_id":"fa","delta":"{}"}"#.to_owned(),
        r#"{"type":"response.function_call_arguments.done","item_id":"fa","arguments":"{}"}"#.to_owned(),
        done("a"),
        added("b"),
        done("b"),
        done("c"),
        COMPLETED.to_owned(),
    ];
    let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
    let events = decode(&frames).unwrap();
    let start = |index, id: &str| Event::ToolStarted { index, id: id.into(), name: "n".into() };
    let arguments = |index| Event::ToolDelta { index, arguments: "{}".into() };
    assert_eq!(
        events[1..7],
        [start(0, "a"), arguments(0), start(1, "b"), arguments(1), start(2, "c"), arguments(2)]
    );
    assert_eq!(events.last(), Some(&Event::Finished(FinishReason::ToolCalls)));
}

#[test]
fn reasoning_items_round_trip_to_their_origin() {
    let item = r#"{"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"one"},{"type":"summary_text","text":"two"}],"encrypted_content":"x"}"#;
    let whole =
        format!(r#"{{"object":"response","id":"r","model":"m","status":"completed","output":[{item}]}}"#);
    let streamed = [
        CREATED.to_owned(),
        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs","summary":[]}}"#.to_owned(),
        r#"{"type":"response.reasoning_summary_part.added","output_index":0,"summary_index":0}"#.to_owned(),
        r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"delta":"one"}"#.to_owned(),
        r#"{"type":"response.reasoning_summary_part.added","output_index":0,"summary_index":1}"#.to_owned(),
        r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"delta":"two"}"#.to_owned(),
        format!(r#"{{"type":"response.output_item.done","output_index":0,"item":{item}}}"#),
        COMPLETED.to_owned(),
    ];
    let streamed: Vec<&str> = streamed.iter().map(String::as_str).collect();
    for frames in [vec![whole.as_str()], streamed] {
        let events = decode(&frames).unwrap();
        let thought: String = events
            .iter()
            .filter_map(|event| match event {
                Event::ReasoningDelta(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(thought, "one\n\ntwo");
        let signature = Signature { origin: Origin("o".into()), data: item.into(), redacted: false };
        assert!(events.contains(&Event::ReasoningSignature(signature)));
    }
    // Nothing is stored and nothing is encrypted, so the item's id alone is of no use to any provider.
    let bare = r#"{"object":"response","status":"completed","store":false,"output":[{"type":"reasoning","id":"rs","summary":[]}]}"#;
    assert!(!decode(&[bare]).unwrap().iter().any(|event| matches!(event, Event::ReasoningSignature(_))));
}

#[test]
fn maps_every_response_status() {
    let end = |response: &str| {
        let frame = format!(r#"{{"type":"response.completed","response":{response}}}"#);
        decode(&[CREATED, &frame]).map(|events| events.last().cloned())
    };
    let finish = |reason| Some(Event::Finished(reason));
    let incomplete =
        |reason: &str| format!(r#"{{"status":"incomplete","incomplete_details":{{"reason":"{reason}"}}}}"#);
    assert_eq!(end(r#"{"status":"completed"}"#).unwrap(), finish(FinishReason::Stop));
    assert_eq!(end(&incomplete("max_output_tokens")).unwrap(), finish(FinishReason::Length));
    assert_eq!(end(&incomplete("content_filter")).unwrap(), finish(FinishReason::ContentFilter));
    assert_eq!(end(&incomplete("steered")).unwrap(), finish(FinishReason::Other("steered".into())));
    let refusal = r#"{"status":"completed","output":[{"type":"message","content":[{"type":"refusal","refusal":"no"}]}]}"#;
    assert_eq!(end(refusal).unwrap(), finish(FinishReason::Refusal));
    let failures = [
        (r#"{"status":"failed","error":{"code":"server_error","message":"x"}}"#, Kind::Server),
        (r#"{"status":"failed","error":{"code":"rate_limit_exceeded","message":"x"}}"#, Kind::RateLimited),
        (r#"{"status":"failed"}"#, Kind::Server),
        (r#"{"status":"queued"}"#, Kind::Unsupported),
        (r#"{"status":"in_progress"}"#, Kind::Unsupported),
    ];
    for (response, kind) in failures {
        assert_eq!(end(response).unwrap_err().kind(), kind, "{response}");
    }
}

#[test]
fn errors_and_truncation_are_not_a_normal_end() {
    let cases: [(&[&str], Kind); 6] = [
        (&[], Kind::Protocol),
        (&["[DONE]"], Kind::Protocol),
        (&[CREATED, "[DONE]"], Kind::Truncated),
        (&[CREATED, r#"{"type":"error","code":"server_is_overloaded","message":"x"}"#], Kind::Overloaded),
        (&[CREATED, r#"{"type":"error","error":{"code":"server_error","message":"x"}}"#], Kind::Server),
        (&[r#"{"error":{"code":"rate_limit_exceeded","message":"x"}}"#], Kind::RateLimited),
    ];
    for (frames, kind) in cases {
        assert_eq!(decode(frames).unwrap_err().kind(), kind, "{frames:?}");
    }
}

#[test]
fn unknown_fields_are_kept() {
    let search = r#"{"type":"web_search_call","id":"ws","status":"completed","action":{"type":"search"}}"#;
    let done = format!(r#"{{"type":"response.output_item.done","output_index":0,"item":{search}}}"#);
    let new = r#"{"type":"response.dream.added","dream":1}"#;
    let note = r#"{"type":"response.output_text.annotation.added","annotation":{"type":"url_citation"}}"#;
    let progress = r#"{"type":"response.web_search_call.searching","output_index":0}"#;
    let events = decode(&[CREATED, progress, &done, new, note, COMPLETED]).unwrap();
    let json = |text: &str| Json::parse(text).unwrap();
    assert_eq!(events[1], Event::Native(Box::new(Native::new(RESPONSES_WIRE, json(search)))));
    assert_eq!(events[2], Event::Other { kind: "response.dream.added".into(), raw: json(new) });
    assert_eq!(events[3], Event::Annotation(json(r#"{"type":"url_citation"}"#)));
}

proptest! {
    /// Whatever the input, it is decoded or refused without a panic.
    #[test]
    fn arbitrary_frames_never_panic(frames in prop::collection::vec(frame(), 0..12)) {
        let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
        let _ = decode(&frames);
    }
}

fn frame() -> impl Strategy<Value = String> {
    let kinds = prop::sample::select(vec![
        "created",
        "output_item.added",
        "output_item.done",
        "output_text.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "reasoning_summary_text.delta",
        "completed",
        "incomplete",
        "failed",
    ]);
    let rest = prop::sample::select(vec![
        r#""delta":"x""#,
        r#""delta":{"a":1},"output_index":1"#,
        r#""item":{"type":"function_call","name":"n"},"output_index":0"#,
        r#""item":{"type":"message","content":[{"text":"t"}]},"output_index":1"#,
        r#""item":{"type":"reasoning","id":"r","summary":null}"#,
        r#""item":null,"response":null"#,
        r#""arguments":"{}","item_id":"q""#,
        r#""response":{"status":"completed","output":[{"type":"message"}]}"#,
        r#""response":5"#,
    ]);
    (kinds, rest).prop_map(|(kind, rest)| format!(r#"{{"type":"response.{kind}",{rest}}}"#))
}

#[test]
fn failed_response_without_details_is_an_error() {
    let piece = r#"{"type":"response.output_text.delta","delta":"Hi"}"#;
    for end in [
        r#"{"type":"response.failed"}"#,
        r#"{"type":"response.failed","response":{"id":"r"}}"#,
        r#"{"type":"response.failed","response":{"id":"r","error":null}}"#,
        r#"{"type":"response.cancelled","response":{"id":"r"}}"#,
    ] {
        assert_eq!(decode(&[CREATED, piece, end]).unwrap_err().kind(), Kind::Server, "{end}");
    }
    let why = r#"{"type":"response.failed","error":{"code":"rate_limit_exceeded","message":"m"}}"#;
    assert_eq!(decode(&[CREATED, why]).unwrap_err().kind(), Kind::RateLimited);
    let blank = r#"{"object":"response","id":"r","status":"completed","error":{},"output":[{"type":"message","content":[{"type":"output_text","text":"Hi"}]}]}"#;
    assert!(decode(&[blank]).unwrap().contains(&text("Hi")), "an empty error is none");
}

/// One host announces its own search as a call, complete, and then replaces it by the results.
#[test]
fn call_that_the_host_made_itself_is_not_the_callers() {
    let added = r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","id":"fc","call_id":"c","name":"search_web","arguments":"{\"q\":1}","status":"completed"}}"#;
    let results = r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"search_results","results":[]}}"#;
    let said = r#"{"type":"response.output_text.delta","output_index":1,"item_id":"m","delta":"Paris"}"#;
    let completed = r#"{"type":"response.completed","response":{"status":"completed","output":[{"type":"search_results"},{"type":"message","id":"m","content":[{"type":"output_text","text":"Paris"}]}]}}"#;
    for frames in [vec![CREATED, added, results, said, completed], vec![CREATED, added, said, completed]] {
        let events = decode(&frames).unwrap();
        assert!(!events.iter().any(|event| matches!(event, Event::ToolStarted { .. })), "{events:?}");
        assert!(events.contains(&text("Paris")));
        assert_eq!(events.last(), Some(&Event::Finished(FinishReason::Stop)));
    }
}

/// Arguments and texts that come without deltas and without a finished item.
#[test]
fn content_missing_from_the_items_is_taken_from_the_first_or_last_copy() {
    let added = |arguments: &str| {
        format!(
            r#"{{"type":"response.output_item.added","output_index":0,"item":{{"type":"function_call","id":"a","call_id":"c","name":"f","arguments":"{arguments}"}}}}"#
        )
    };
    let copy = |output: &str| {
        format!(r#"{{"type":"response.completed","response":{{"status":"completed","output":[{output}]}}}}"#)
    };
    let call = r#"{"type":"function_call","id":"a","call_id":"c","name":"f","arguments":"{\"x\":1}"}"#;
    let called = [
        Event::ToolStarted { index: 0, id: "c".into(), name: "f".into() },
        Event::ToolDelta { index: 0, arguments: r#"{"x":1}"#.into() },
        Event::Finished(FinishReason::ToolCalls),
    ];
    let whole = added(r#"{\"x\":1}"#);
    let delta = r#"{"type":"response.function_call_arguments.delta","output_index":0,"item_id":"a","delta":"{\"x\":1}"}"#;
    for frames in [
        vec![CREATED, &whole, &copy("")],
        vec![CREATED, &whole, &copy(call)],
        vec![CREATED, &whole, delta, &copy("")],
        vec![CREATED, &added(""), &copy(call)],
        vec![CREATED, &added(""), &copy(&call.replace(r#""id":"a""#, r#""id":"other""#))],
    ] {
        assert_eq!(decode(&frames).unwrap()[1..], called, "{frames:?}");
    }
    let message = r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"a","content":[]}}"#;
    let said = copy(r#"{"type":"message","id":"x","content":[{"type":"output_text","text":"hi"}]}"#);
    let events = decode(&[CREATED, message, &said]).unwrap();
    assert_eq!(events[1..], [text("hi"), Event::Finished(FinishReason::Stop)]);
    let nothing = decode(&[CREATED, &added(""), &copy("")]).unwrap_err();
    assert_eq!(nothing.kind(), Kind::Truncated);
}

#[test]
fn service_tier_is_that_of_the_end() {
    let created = r#"{"type":"response.created","response":{"id":"r","model":"m","service_tier":"auto"}}"#;
    let completed = r#"{"type":"response.completed","response":{"status":"completed","service_tier":"priority","output":[{"type":"message","content":[{"type":"output_text","text":"a"}]}]}}"#;
    let expected =
        [started(), text("a"), Event::ServiceTier("priority".into()), Event::Finished(FinishReason::Stop)];
    assert_eq!(decode(&[created, completed]).unwrap(), expected);
}
