//! Replies as servers actually send them, with the same events however the bytes are split.

use bytes::Bytes;
use hotspare_provider::{Framer, Sse};
use proptest::prelude::*;

use super::*;

fn run(body: &[u8], cuts: &[usize]) -> (Vec<Event>, Result<(), Kind>) {
    let (mut sse, mut decoder) = (Sse::default(), MessagesDecoder::default());
    let (mut frames, mut chunks) = (VecDeque::new(), VecDeque::new());
    let mut result = Ok(());
    let mut from = 0;
    for &cut in cuts.iter().chain([&body.len()]) {
        let cut = cut.clamp(from, body.len());
        result = result.and_then(|()| {
            sse.push(Bytes::copy_from_slice(&body[from..cut]), &mut frames)?;
            while let Some(frame) = frames.pop_front() {
                decoder.push(frame, &mut chunks)?;
            }
            Ok(())
        });
        from = cut;
    }
    let result = result.and_then(|()| {
        sse.finish(&mut frames)?;
        frames.drain(..).try_for_each(|frame| decoder.push(frame, &mut chunks))
    });
    let result = result.and_then(|()| decoder.finish(&mut chunks)).map_err(|error: Error| error.kind());
    (chunks.into_iter().map(|chunk| chunk.event).collect(), result)
}

fn sse(frames: &[&str]) -> Vec<u8> {
    frames.iter().map(|frame| format!("data: {frame}\n\n")).collect::<String>().into_bytes()
}

fn whole() -> Vec<u8> {
    sse(&[
        r#"{"type":"message_start","message":{"id":"msg_1","model":"c","content":[],"usage":{"input_tokens":3,"cache_read_input_tokens":7,"output_tokens":1}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"SIG"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type": "ping"}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hé世"}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t1","name":"f","input":{}}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}"#,
        r#"{"type":"content_block_stop","index":2}"#,
        r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"t2","name":"g","input":{}}}"#,
        r#"{"type":"content_block_stop","index":3}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":42}}    "#,
        r#"{"type":"message_stop"}"#,
    ])
}

#[test]
fn decodes_a_full_stream() {
    let (events, result) = run(&whole(), &[]);
    assert_eq!(result, Ok(()));
    let mut usage = Usage::reported(Some(10), Some(42));
    usage.cached = Some(7);
    assert!(events.contains(&Event::Usage(Box::new(usage))), "{events:?}");
    assert!(events.contains(&Event::ReasoningDelta("hm".into())));
    assert!(events.contains(&Event::ToolDelta { index: 0, arguments: "{\"a\":1}".into() }));
    assert!(
        events.contains(&Event::ToolDelta { index: 1, arguments: "{}".into() }),
        "no arguments are an empty object"
    );
    assert_eq!(events.last(), Some(&Event::Finished(FinishReason::ToolCalls)));
}

#[test]
fn decodes_an_unstreamed_answer() {
    let body = br#"{"id":"msg_1","type":"message","model":"c","content":[{"type":"text","text":"hi"},{"type":"tool_use","id":"t","name":"f","input":{"b":1,"a":2}}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}"#;
    let mut decoder = MessagesDecoder::default();
    let mut out = VecDeque::new();
    decoder.push(Frame::whole(Bytes::from_static(body)), &mut out).unwrap();
    decoder.finish(&mut out).unwrap();
    let events: Vec<Event> = out.into_iter().map(|chunk| chunk.event).collect();
    assert!(events.contains(&Event::ToolDelta { index: 0, arguments: r#"{"b":1,"a":2}"#.into() }));
    assert_eq!(events.last(), Some(&Event::Finished(FinishReason::ToolCalls)));
}

#[test]
fn tokens_of_each_model_are_reported_beside_those_of_the_answer() {
    let iterations = r#"[{"type":"message","input_tokens":5,"output_tokens":3,"cache_read_input_tokens":2},{"type":"advisor_message","model":"other","input_tokens":7,"output_tokens":2}]"#;
    let usage = format!(r#"{{"input_tokens":5,"output_tokens":3,"iterations":{iterations}}}"#);
    let (decoder, mut out) = (&mut MessagesDecoder::default(), VecDeque::new());
    let body = format!(
        r#"{{"type":"message","content":[{{"type":"text","text":"hi"}}],"stop_reason":"end_turn","usage":{usage}}}"#
    );
    decoder.push(Frame::whole(Bytes::from(body)), &mut out).unwrap();
    let whole: Vec<Event> = out.into_iter().map(|chunk| chunk.event).collect();
    let (streamed, result) = run(
        &sse(&[
            r#"{"type":"message_start","message":{"id":"m","usage":{"input_tokens":5}}}"#,
            &format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"end_turn"}},"usage":{usage}}}"#),
        ]),
        &[],
    );
    assert_eq!(result, Ok(()));
    let mut own = Usage::reported(Some(7), Some(3));
    own.cached = Some(2);
    let other = Turn::new(Some("other".into()), Usage::reported(Some(7), Some(2)));
    let turns = Event::Turns(vec![Turn::new(None, own), other]);
    for events in [whole, streamed] {
        assert!(events.contains(&turns), "{events:?}");
    }
}

#[test]
fn turns_of_the_requested_model_alone_are_not_listed() {
    let body = br#"{"type":"message","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":3,"cache_read_input_tokens":18446744073709551615,"service_tier":"priority","iterations":[{"type":"message","input_tokens":5,"output_tokens":3}]}}"#;
    let mut out = VecDeque::new();
    MessagesDecoder::default().push(Frame::whole(Bytes::from_static(body)), &mut out).unwrap();
    assert!(out.iter().all(|chunk| !matches!(chunk.event, Event::Turns(_))));
    assert!(out.iter().any(|chunk| chunk.event == Event::ServiceTier("priority".into())));
}

#[test]
fn decodes_legacy_completions() {
    let stream = sse(&[
        r#"{"type":"completion","completion":" Hi","stop_reason":null,"stop":null}"#,
        r#"{"completion":"","stop_reason":"stop_sequence","stop":"\n\nHuman:"}"#,
    ]);
    let expected = vec![
        Event::Started { id: None, model: None },
        Event::TextDelta(" Hi".into()),
        Event::Finished(FinishReason::Stop),
    ];
    assert_eq!(run(&stream, &[]), (expected.clone(), Ok(())));
    let mut out = VecDeque::new();
    let body = br#"{"completion":" Hi","stop_reason":"stop_sequence"}"#;
    let frame = Frame::whole(Bytes::from_static(body));
    MessagesDecoder::default().push(frame, &mut out).unwrap();
    assert_eq!(out.into_iter().map(|chunk| chunk.event).collect::<Vec<_>>(), expected);
}

#[test]
fn native_block_is_assembled_from_its_deltas() {
    let start = r#"{"type":"message_start","message":{"id":"m"}}"#;
    let delta = |delta: &str| format!(r#"{{"type":"content_block_delta","index":0,"delta":{delta}}}"#);
    let stream = sse(&[
        start,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"compaction","content":null}}"#,
        &delta(r#"{"type":"compaction_delta","content":"A sum","encrypted_content":"x1.0"}"#),
        &delta(r#"{"type":"compaction_delta","content":"mary","at":1.50}"#),
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
        &delta(r#"{"type":"text_delta","text":"Hi"}"#),
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
    ]);
    let (events, result) = run(&stream, &[]);
    assert_eq!(result, Ok(()));
    let kept = events.iter().find_map(|event| match event {
        Event::Native(native) => Some(native.raw.as_str()),
        _ => None,
    });
    let whole = r#"{"at":1.50,"content":"A summary","encrypted_content":"x1.0","type":"compaction"}"#;
    assert_eq!(kept, Some(whole));
    assert_eq!(events.iter().filter(|event| matches!(event, Event::TextDelta(_))).count(), 1);
}

#[test]
fn block_of_unexpected_shape_is_kept_as_native() {
    let events = |block: &str| {
        let body = format!(r#"{{"type":"message","content":[{block}],"stop_reason":"end_turn"}}"#);
        let (mut decoder, mut out) = (MessagesDecoder::default(), VecDeque::new());
        decoder.push(Frame::whole(body), &mut out).unwrap();
        out.into_iter().map(|chunk| chunk.event).collect::<Vec<_>>()
    };
    assert!(events(r#"{"type":"text","text":"hi","citations":{}}"#).contains(&Event::TextDelta("hi".into())));
    assert!(
        events(r#"{"type":"text","text":{"odd":1}}"#).iter().any(|event| matches!(event, Event::Native(_)))
    );
}

#[test]
fn input_tokens_sum_the_last_reported_parts() {
    let stream = sse(&[
        r#"{"type":"message_start","message":{"id":"m","usage":{"input_tokens":5,"cache_read_input_tokens":1000,"cache_creation_input_tokens":20,"output_tokens":1}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"hi"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":5,"output_tokens":7}}"#,
    ]);
    let usage = run(&stream, &[]).0.into_iter().rev().find_map(|event| match event {
        Event::Usage(usage) => Some(*usage),
        _ => None,
    });
    let usage = usage.unwrap();
    assert_eq!((usage.input, usage.cached, usage.cache_write), (Some(1_025), Some(1_000), Some(20)));
    assert_eq!(usage.output, Some(7));
}

#[test]
fn body_is_decoded_despite_mismatched_content_type() {
    let body = br#"{"type":"message","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn"}"#;
    let (events, result) = run(body, &[9]);
    assert_eq!((events[1].clone(), result), (Event::TextDelta("hi".into()), Ok(())));
    let error = br#"[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}]"#;
    assert_eq!(run(error, &[]).1, Err(Kind::Overloaded));
    let (mut framer, mut frames) = (hotspare_provider::Whole::default(), VecDeque::new());
    framer.push(Bytes::from(whole()), &mut frames).unwrap();
    framer.finish(&mut frames).unwrap();
    let (mut decoder, mut chunks) = (MessagesDecoder::default(), VecDeque::new());
    frames.into_iter().try_for_each(|frame| decoder.push(frame, &mut chunks)).unwrap();
    let events: Vec<Event> = chunks.into_iter().map(|chunk| chunk.event).collect();
    assert_eq!(events, run(&whole(), &[]).0);
}

#[test]
fn errors_inside_a_stream_are_classified() {
    let overloaded =
        r#"{"type":"error","error":{"details":null,"type":"overloaded_error","message":"Overloaded"}}"#;
    assert_eq!(run(&sse(&[overloaded]), &[]), (vec![], Err(Kind::Overloaded)));
    // An error in a host's own format, as a frame of a stream or in place of a whole answer.
    let own = r#"{"code":500,"msg":"404 NOT_FOUND","success":false}"#;
    assert_eq!(run(&sse(&[own]), &[]).1, Err(Kind::Server));
    let mut decoder = MessagesDecoder::default();
    let error =
        decoder.push(Frame::whole(Bytes::from_static(own.as_bytes())), &mut VecDeque::new()).unwrap_err();
    assert_eq!((error.kind(), error.message()), (Kind::Server, "404 NOT_FOUND"));
    let start = r#"{"type":"message_start","message":{"id":"m"}}"#;
    assert_eq!(run(&sse(&[start]), &[]).1, Err(Kind::Truncated));
    assert_eq!(run(b"", &[]).1, Err(Kind::Protocol));
    assert_eq!(run(&sse(&["<html>"]), &[]).1, Err(Kind::Protocol));
}

proptest! {
    #[test]
    fn chunk_boundaries_do_not_change_events(cuts in prop::collection::vec(0usize..2_000, 0..12)) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        prop_assert_eq!(run(&whole(), &cuts), run(&whole(), &[]));
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..300), inner in "[\\[\\]{}:,\"a-z0-9. -]{0,60}") {
        let mut framed = b"data: ".to_vec();
        framed.extend(&body);
        framed.extend(b"\n\n");
        let _ = run(&framed, &[]);
        let _ = run(&sse(&[&format!(r#"{{"type":"content_block_start","content_block":{inner}}}"#)]), &[]);
        let mut decoder = MessagesDecoder::default();
        let _ = decoder.push(Frame::whole(Bytes::from(body)), &mut VecDeque::new());
    }
}

#[test]
fn oversized_block_is_a_protocol_error() {
    let piece = "x".repeat(1 << 20);
    let delta = format!(
        r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"input_json_delta","partial_json":"{piece}"}}}}"#
    );
    let start = r#"{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}}"#;
    let begins = [r#"{"type":"message_start","message":{"content":[]}}"#, start];
    let frames: Vec<&str> = begins.into_iter().chain(std::iter::repeat_n(delta.as_str(), 5)).collect();
    assert_eq!(run(&sse(&frames), &[]).1, Err(Kind::Protocol));
    assert_eq!(run(&sse(&frames[..5]), &[]).1, Err(Kind::Truncated), "what fits is not refused");
}

/// Some hosts end a turn with tool calls as any other turn.
#[test]
fn finish_reason_is_tool_calls_if_there_are_any() {
    let frames = |word: &str| {
        [
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}"#.to_owned(),
            r#"{"type":"content_block_stop","index":0}"#.to_owned(),
            format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"{word}"}},"usage":{{"output_tokens":2}}}}"#),
        ]
    };
    let (mut decoder, mut out) = (MessagesDecoder::default(), VecDeque::new());
    for frame in frames("end_turn") {
        decoder.push(Frame { name: None, data: frame.into(), whole: false }, &mut out).unwrap();
    }
    decoder.finish(&mut out).unwrap();
    assert!(out.iter().any(|chunk| chunk.event == Event::Finished(FinishReason::ToolCalls)), "{out:?}");
    let passed = out.iter().filter_map(|chunk| match &chunk.raw {
        hotspare_core::Raw::Frame { data, .. } => Some(data.clone()),
        _ => None,
    });
    assert_eq!(passed.collect::<Vec<_>>(), frames("tool_use").map(Bytes::from));
}

/// A call by code that the provider runs arrives with the head of the stream, and so does the stop reason.
#[test]
fn answer_in_the_head_of_a_stream_is_read() {
    let head = r#"{"type":"message_start","message":{"id":"m","model":"c","content":[{"type":"code_execution_tool_result","tool_use_id":"s1","content":[]},{"type":"tool_use","id":"t1","name":"f","input":{"id":1},"caller":{"type":"code_execution_20250825","tool_id":"x"}}],"stop_reason":"tool_use"}}"#;
    let delta = r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":3}}"#;
    let stop = r#"{"type":"message_stop"}"#;
    for frames in [vec![head, stop], vec![head, delta, stop]] {
        let (events, result) = run(&sse(&frames), &[]);
        result.unwrap();
        let called = Event::ToolStarted { index: 0, id: "t1".into(), name: "f".into() };
        let given = Event::ToolDelta { index: 0, arguments: r#"{"id":1}"#.into() };
        assert!(matches!(events[1], Event::Native(_)), "{events:?}");
        assert_eq!(events[2..4], [called, given], "{events:?}");
        let ends = events.iter().filter(|event| matches!(event, Event::Finished(_)));
        assert_eq!(ends.collect::<Vec<_>>(), [&Event::Finished(FinishReason::ToolCalls)]);
    }
    assert_eq!(run(&sse(&[head]), &[]).1.unwrap_err(), Kind::Truncated);
}

/// The arguments of the calls, by the name of their tool.
fn arguments(frames: &[&str]) -> Vec<(String, String)> {
    let (events, result) = run(&sse(frames), &[]);
    assert_eq!(result, Ok(()), "{frames:?}");
    let mut calls: Vec<(String, String)> = Vec::new();
    for event in events {
        match event {
            Event::ToolStarted { index, name, .. } => {
                assert_eq!(index as usize, calls.len());
                calls.push((name, String::new()));
            }
            Event::ToolDelta { index, arguments } => calls[index as usize].1.push_str(&arguments),
            _ => {}
        }
    }
    calls
}

#[test]
fn pieces_join_the_block_of_their_index_however_hosts_order_and_number_them() {
    let start = r#"{"type":"message_start","message":{"id":"m","content":[],"usage":{"input_tokens":1}}}"#;
    let end = r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"}}"#;
    let open = |at: &str, name: &str| {
        format!(
            r#"{{"type":"content_block_start"{at},"content_block":{{"type":"tool_use","id":"{name}","name":"{name}","input":{{}}}}}}"#
        )
    };
    let piece = |at: &str, json: &str| {
        let delta = serde_json::json!({"type": "input_json_delta", "partial_json": json});
        format!(r#"{{"type":"content_block_delta"{at},"delta":{delta}}}"#)
    };
    let stop = |at: &str| format!(r#"{{"type":"content_block_stop"{at}}}"#);
    let text = |at: &str| {
        format!(r#"{{"type":"content_block_start"{at},"content_block":{{"type":"text","text":"hi"}}}}"#)
    };
    let (zero, one, none) = (r#","index":0"#, r#","index":1"#, "");
    let (a, b) = (r#"{"a":1}"#, r#"{"b":2}"#);
    let both = [("f", a), ("g", b)];
    for (what, frames, expected) in [
        (
            "in turn",
            vec![open(zero, "f"), open(one, "g"), piece(zero, r#"{"a""#), piece(one, b), piece(zero, ":1}")],
            both,
        ),
        (
            "one without arguments, which others follow",
            vec![open(zero, "f"), open(one, "g"), piece(one, b), stop(zero), stop(one)],
            [("f", "{}"), ("g", b)],
        ),
        ("without ends", vec![open(zero, "f"), open(one, "g"), piece(one, b)], [("f", "{}"), ("g", b)]),
        (
            "without indexes",
            vec![open(none, "f"), piece(none, a), stop(none), open(none, "g"), piece(none, b), stop(none)],
            both,
        ),
        (
            "without indexes and ends",
            vec![open(none, "f"), open(none, "g"), piece(none, b)],
            [("f", "{}"), ("g", b)],
        ),
        (
            "all under one index",
            vec![open(zero, "f"), piece(zero, a), open(zero, "g"), piece(zero, b), stop(zero)],
            both,
        ),
        (
            "numbered otherwise in the pieces",
            vec![open(zero, "f"), piece(one, a), stop(one), open(one, "g"), piece(zero, b), stop(zero)],
            both,
        ),
        (
            "where an end is sent twice",
            vec![
                open(zero, "f"),
                piece(zero, a),
                stop(zero),
                open(one, "g"),
                stop(zero),
                piece(one, b),
                stop(one),
                stop(one),
            ],
            both,
        ),
        (
            "around text that ends late",
            vec![
                text(zero),
                open(one, "f"),
                stop(zero),
                piece(one, a),
                stop(one),
                open(r#","index":2"#, "g"),
                piece(r#","index":2"#, b),
            ],
            both,
        ),
    ] {
        let frames: Vec<&str> =
            [start].into_iter().chain(frames.iter().map(String::as_str)).chain([end]).collect();
        let expected = expected.map(|(name, json)| (name.to_owned(), json.to_owned()));
        assert_eq!(arguments(&frames), expected, "{what}");
    }
}

#[test]
fn blocks_without_ends_are_ended_by_those_that_follow() {
    let block = |at: usize| {
        format!(
            r#"{{"type":"content_block_start","index":{at},"content_block":{{"type":"tool_use","name":"f"}}}}"#
        )
    };
    let mut frames = vec![r#"{"type":"message_start","message":{}}"#.to_owned()];
    frames.extend((0..200).map(block));
    frames.push(r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"}}"#.to_owned());
    let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
    let calls = arguments(&frames);
    assert_eq!(calls.len(), 200);
    assert!(calls.iter().all(|(_, arguments)| arguments == "{}"), "{calls:?}");
}

#[test]
fn blocks_that_have_not_ended_are_bounded_together() {
    let open = |at: usize| {
        format!(
            r#"{{"type":"content_block_start","index":{at},"content_block":{{"type":"server_tool_use","input":{{}}}}}}"#
        )
    };
    let part = "x".repeat(hotspare_provider::FRAME_LIMIT / 3);
    let piece = |at: usize| {
        let delta = serde_json::json!({"type": "input_json_delta", "partial_json": part});
        format!(r#"{{"type":"content_block_delta","index":{at},"delta":{delta}}}"#)
    };
    let stop = |at: usize| format!(r#"{{"type":"content_block_stop","index":{at}}}"#);
    let result = |frames: Vec<String>| {
        let end = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#.to_owned();
        let frames: Vec<String> = frames.into_iter().chain([end]).collect();
        run(&sse(&frames.iter().map(String::as_str).collect::<Vec<_>>()), &[]).1
    };
    let in_turn: Vec<String> = (0..4).flat_map(|at| [open(at), piece(at), stop(at)]).collect();
    assert_eq!(result(in_turn), Ok(()));
    let at_once: Vec<String> = (0..4).map(open).chain((0..4).map(piece)).collect();
    assert_eq!(result(at_once), Err(Kind::Protocol));
}
