//! Streams and answers of individual hosts that deviate from the wire.

use super::*;

/// The text, the reasoning and the tool calls (name and arguments) of an answer, and how it ended.
fn transcript(events: &[Event]) -> (String, String, Vec<(String, String)>) {
    let (mut text, mut thought, mut calls) = (String::new(), String::new(), Vec::new());
    for event in events {
        match event {
            Event::TextDelta(delta) => text.push_str(delta),
            Event::ReasoningDelta(delta) => thought.push_str(delta),
            Event::ToolStarted { name, .. } => calls.push((name.clone(), String::new())),
            Event::ToolDelta { index, arguments } => calls[*index as usize].1.push_str(arguments),
            _ => {}
        }
    }
    (text, thought, calls)
}

fn whole(body: &str) -> (Vec<Event>, Result<(), Kind>) {
    let (mut decoder, mut out) = (ChatDecoder::default(), VecDeque::new());
    let result = decoder.push(Frame::whole(Bytes::from(body.to_owned())), &mut out);
    let result = result.and_then(|()| decoder.finish(&mut out)).map_err(|error| error.kind());
    (out.into_iter().map(|chunk| chunk.event).collect(), result)
}

fn call() -> Vec<(String, String)> {
    vec![("f".into(), r#"{"a":1}"#.into())]
}

#[test]
fn final_full_message_is_not_emitted_twice() {
    for finish in [r#""stop""#, "null"] {
        let last_delta =
            format!(r#"{{"choices":[{{"delta":{{"content":" there"}},"finish_reason":{finish}}}]}}"#);
        let body = sse(&[
            r#"{"id":"c","choices":[{"delta":{"reasoning_content":"hm"}}]}"#,
            r#"{"choices":[{"delta":{"content":"Hello"}}]}"#,
            &last_delta,
            r#"{"object":"chat.completion","choices":[{"finish_reason":"stop","message":{"content":"Hello there","reasoning_content":"hm"}}],"usage":{"prompt_tokens":44,"completion_tokens":43}}"#,
            "[DONE]",
        ]);
        let (events, result) = run(&body, &[]);
        assert_eq!(result, Ok(()));
        assert_eq!(transcript(&events), ("Hello there".into(), "hm".into(), vec![]));
        assert!(events.contains(&Event::Usage(Box::new(Usage::reported(Some(44), Some(43))))));
    }
    // A host whose stream consists of messages.
    let body = sse(&[
        r#"{"id":"c","choices":[{"message":{"content":"a"}}]}"#,
        r#"{"choices":[{"message":{"content":"b"},"finish_reason":"stop"}]}"#,
    ]);
    assert_eq!(transcript(&run(&body, &[]).0).0, "ab");
}

#[test]
fn tool_calls_in_a_second_choice_are_read() {
    for index in ["", r#""index":0,"#, r#""index":1,"#] {
        let (events, result) = whole(&format!(
            r#"{{"id":"c","choices":[{{"index":0,"finish_reason":"tool_calls","message":{{"content":"I'll look"}}}},{{{index}"finish_reason":"tool_calls","message":{{"tool_calls":[{{"id":"t","type":"function","function":{{"name":"f","arguments":"{{\"a\":1}}"}}}}]}}}}]}}"#
        ));
        assert_eq!(result, Ok(()), "{index}");
        assert_eq!(transcript(&events), ("I'll look".into(), String::new(), call()));
    }
}

#[test]
fn tool_call_deltas_with_changing_ids_are_one_call() {
    let body = sse(&[
        r#"{"id":"c","choices":[{"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":""}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"y","function":{"arguments":"{\"a\":"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"z","function":{"name":"","arguments":"1}"}}]},"finish_reason":"tool_calls"}]}"#,
    ]);
    assert_eq!(transcript(&run(&body, &[]).0).2, call());
}

/// A stream of these pieces of tool calls.
fn pieces(pieces: &[&str]) -> (Vec<Event>, Result<(), Kind>) {
    let frames: Vec<String> = pieces
        .iter()
        .map(|piece| format!(r#"{{"id":"c","choices":[{{"delta":{{"tool_calls":[{piece}]}}}}]}}"#))
        .collect();
    let mut frames: Vec<&str> = frames.iter().map(String::as_str).collect();
    frames.push(r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#);
    run(&sse(&frames), &[])
}

#[test]
fn tool_call_names_may_arrive_late() {
    // The id first.
    let (events, result) = pieces(&[
        r#"{"index":0,"id":"x","type":"function"}"#,
        r#"{"index":0,"function":{"name":"f"}}"#,
        r#"{"index":0,"function":{"arguments":"{\"a\":1}"}}"#,
    ]);
    assert_eq!((transcript(&events).2, result), (call(), Ok(())));
    let begun = Event::ToolStarted { index: 0, id: "x".into(), name: "f".into() };
    assert!(events.contains(&begun), "{events:?}");
    // The arguments first.
    let (events, result) = pieces(&[
        r#"{"index":0,"function":{"arguments":"{\"a\":"}}"#,
        r#"{"index":0,"id":"x","function":{"name":"f","arguments":"1}"}}"#,
    ]);
    assert_eq!((transcript(&events).2, result), (call(), Ok(())));
    assert!(events.contains(&begun), "{events:?}");
    // Another call is named first.
    let (events, _) = pieces(&[
        r#"{"index":0,"id":"x"}"#,
        r#"{"index":1,"id":"y","function":{"name":"g","arguments":"{}"}}"#,
        r#"{"index":0,"function":{"name":"f","arguments":"{\"a\":1}"}}"#,
    ]);
    assert_eq!(transcript(&events).2, [("g".into(), "{}".into()), call().remove(0)]);
    // A name that never arrives, and an entry without content.
    let (events, _) = pieces(&[r#"{"index":0,"function":{"arguments":"{}"}}"#, r#"{"index":1}"#]);
    assert_eq!(transcript(&events).2, [(String::new(), "{}".into())]);
}

#[test]
fn frames_around_held_back_pieces_are_not_forwarded() {
    let frame = |delta: &str| format!(r#"{{"id":"c","choices":[{{"delta":{delta}}}]}}"#);
    let early = frame(r#"{"content":"x","tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}"#);
    let name = frame(r#"{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"1"}}]}"#);
    let rest = frame(r#"{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}"#);
    let (mut decoder, mut out) = (ChatDecoder::default(), VecDeque::new());
    for text in [early, name, rest.clone()] {
        decoder.push(Frame::piece(Bytes::from(text)), &mut out).unwrap();
    }
    let forwarded: Vec<&Raw> =
        out.iter().map(|chunk| &chunk.raw).filter(|raw| **raw != Raw::Absent).collect();
    assert_eq!(forwarded, [&Raw::Frame { wire: WIRE, data: Bytes::from(rest) }]);
}

#[test]
fn arguments_under_the_next_index_belong_to_a_colliding_call() {
    let (events, result) = pieces(&[
        r#"{"index":0,"id":"x","function":{"name":"f","arguments":""}}"#,
        r#"{"index":0,"function":{"arguments":"{\"a\":1}"}}"#,
        r#"{"index":0,"id":"y","function":{"name":"g","arguments":""}}"#,
        r#"{"index":1,"function":{"arguments":"{\"b\":"}}"#,
        r#"{"index":1,"function":{"arguments":"2}"}}"#,
    ]);
    assert_eq!(result, Ok(()));
    assert_eq!(transcript(&events).2, [call().remove(0), ("g".into(), r#"{"b":2}"#.into())]);
}

#[test]
fn held_back_pieces_are_bounded() {
    let piece = format!(r#"{{"index":0,"function":{{"arguments":"{}"}}}}"#, "x".repeat(1 << 10));
    let (mut decoder, mut out) = (ChatDecoder::default(), VecDeque::new());
    let frame = format!(r#"{{"id":"c","choices":[{{"delta":{{"tool_calls":[{piece}]}}}}]}}"#);
    for _ in 0..100 {
        decoder.push(Frame::piece(Bytes::from(frame.clone())), &mut out).unwrap();
    }
    assert!(out.len() > 30, "{}", out.len());
}

#[test]
fn tool_call_outside_an_array_is_read() {
    let body = sse(&[
        r#"{"id":"c","choices":[{"delta":{"tool_calls":{"index":0,"id":"","function":{"name":"f","arguments":"{\"a\":1}"}}},"finish_reason":"stop"}]}"#,
    ]);
    assert_eq!(transcript(&run(&body, &[]).0).2, call());
}

#[test]
fn failing_native_finish_reasons_are_errors() {
    let end = |native: &str| {
        whole(&format!(
            r#"{{"id":"c","choices":[{{"message":{{"content":"Half an ans"}},"finish_reason":"stop","native_finish_reason":{native}}}]}}"#
        ))
        .1
    };
    assert_eq!(end(r#""network_error""#), Err(Kind::Server));
    assert_eq!(end(r#""MALFORMED_FUNCTION_CALL""#), Err(Kind::BadOutput));
    for fine in [r#""STOP""#, r#""end_turn""#, r#""length""#, "null", "7"] {
        assert_eq!(end(fine), Ok(()), "{fine}");
    }
}

#[test]
fn stream_error_status_is_used() {
    let frame = r#"{"error":{"message":"Input validation error","http_status_code":422}}"#;
    let told = |frame: &str| run(&sse(&[frame]), &[]).1;
    assert_eq!(told(frame), Err(Kind::InvalidRequest));
    assert_eq!(told(&frame.replace("422", "503")), Err(Kind::Overloaded));
}

#[test]
fn reads_cached_tokens_under_any_name() {
    let usage = |fields: &str| {
        let body = format!(
            r#"{{"id":"c","choices":[{{"message":{{"content":"x"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":10,"completion_tokens":2,{fields}}}}}"#
        );
        let counted = whole(&body).0.into_iter().find_map(|event| match event {
            Event::Usage(usage) => Some((usage.cached, usage.cache_write)),
            _ => None,
        });
        counted.unwrap()
    };
    assert_eq!(usage(r#""cached_tokens":4"#), (Some(4), None));
    let two = r#""cache_read_input_tokens":4,"cache_creation_input_tokens":3"#;
    assert_eq!(usage(two), (Some(4), Some(3)));
}

/// Some hosts write a finish reason into every frame, or into the last one of the reasoning.
#[test]
fn answer_goes_on_after_an_early_finish_reason() {
    let frame = |delta: &str, reason: &str| {
        format!(r#"{{"id":"c","choices":[{{"index":0,"delta":{{{delta}}},"finish_reason":{reason}}}]}}"#)
    };
    let (a, b) = (r#""content":"a""#, r#""content":"b""#);
    let (stop, null) = (r#""stop""#, "null");
    let call = r#""tool_calls":[{"index":0,"id":"1","function":{"name":"f","arguments":"{}"}}]"#;
    let reasoning = |text: &str| Event::ReasoningDelta(text.into());
    for (deltas, content, reason) in [
        (vec![(a, stop), (b, stop), (a, stop)], vec![text("a"), text("b"), text("a")], FinishReason::Stop),
        (vec![(a, stop), (b, null)], vec![text("a"), text("b")], FinishReason::Stop),
        (vec![(a, r#""null""#), (b, stop)], vec![text("a"), text("b")], FinishReason::Stop),
        (vec![(a, r#""length""#), (b, null)], vec![text("a"), text("b")], FinishReason::Length),
        (
            vec![
                (r#""reasoning_content":"r""#, null),
                (r#""reasoning_content":"s""#, stop),
                (a, stop),
                (b, stop),
            ],
            vec![reasoning("r"), reasoning("s"), text("a"), text("b")],
            FinishReason::Stop,
        ),
        (
            vec![(a, stop), (call, r#""tool_calls""#)],
            vec![
                text("a"),
                Event::ToolStarted { index: 0, id: "1".into(), name: "f".into() },
                Event::ToolDelta { index: 0, arguments: "{}".into() },
            ],
            FinishReason::ToolCalls,
        ),
    ] {
        let mut frames: Vec<String> = deltas.iter().map(|(delta, reason)| frame(delta, reason)).collect();
        frames.push("[DONE]".into());
        let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
        let (events, result) = run(&sse(&frames), &[]);
        result.unwrap();
        let expected = [content, vec![Event::Finished(reason)]].concat();
        assert_eq!(events[1..], expected, "{deltas:?}");
    }
    // Without the end mark, what follows an early reason may have been cut off.
    let (_, result) = run(&sse(&[&frame(a, stop), &frame(b, null)]), &[]);
    assert_eq!(result.unwrap_err(), Kind::Truncated);
    // Nor is it known whether another call would have followed the first.
    for (frames, ends) in [
        (vec![frame(a, stop)], true),
        (vec![frame(a, stop), frame(b, stop)], false),
        (vec![frame(call, "\"tool_calls\"")], false),
    ] {
        let (mut decoder, mut out) = (ChatDecoder::default(), VecDeque::new());
        for frame in frames {
            decoder.push(Frame::piece(frame.into_bytes()), &mut out).unwrap();
        }
        assert_eq!(decoder.held_end().is_some(), ends);
    }
}

#[test]
fn missing_output_count_is_the_rest_of_the_total() {
    let reply = r#"{"id":"c","choices":[{"message":{"content":"hi"},"finish_reason":"content_filtered"}],"usage":{"prompt_tokens":19,"total_tokens":32}}"#;
    let (mut decoder, mut out) = (ChatDecoder::default(), VecDeque::new());
    let mut frame = Frame::piece(reply.as_bytes().to_vec());
    frame.whole = true;
    decoder.push(frame, &mut out).unwrap();
    let events: Vec<Event> = out.into_iter().map(|chunk| chunk.event).collect();
    assert!(events.contains(&Event::Usage(Box::new(Usage::reported(Some(19), Some(13))))), "{events:?}");
    assert!(events.contains(&Event::Finished(FinishReason::ContentFilter)), "{events:?}");
}

#[test]
fn service_tier_is_emitted_when_it_changes() {
    let frame = |tier: &str, delta: &str| {
        format!(r#"{{"id":"c","service_tier":{tier},"choices":[{{"delta":{{{delta}}}}}]}}"#)
    };
    let end = r#"{"id":"c","choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    let odd = frame(r#"{"name":"x"}"#, r#""content":"d""#);
    let (events, result) = run(
        &sse(&[
            &frame("null", r#""content":"a""#),
            &frame(r#""default""#, r#""content":"b""#),
            &frame(r#""default""#, r#""content":"c""#),
            &frame(r#""""#, ""),
            &odd,
            &frame(r#""flex""#, ""),
            end,
        ]),
        &[],
    );
    assert_eq!(result, Ok(()));
    let tier = |word: &str| Event::ServiceTier(word.into());
    assert_eq!(
        events[1..],
        [
            text("a"),
            text("b"),
            tier("default"),
            text("c"),
            text("d"),
            tier("flex"),
            Event::Finished(FinishReason::Stop)
        ]
    );
}
