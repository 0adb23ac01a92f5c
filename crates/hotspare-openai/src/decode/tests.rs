//! Replies as hosts actually send them, with the same events however the bytes are split.

use bytes::Bytes;
use hotspare_provider::{Framer, Sse};
use proptest::prelude::*;

use hotspare_core::Raw;

use super::*;

mod hosts;

fn run(body: &[u8], cuts: &[usize]) -> (Vec<Event>, Result<(), Kind>) {
    let (mut sse, mut decoder) = (Sse::default(), ChatDecoder::default());
    let (mut frames, mut chunks) = (VecDeque::new(), VecDeque::new());
    let mut feed = |bytes: &[u8]| -> Result<(), Error> {
        sse.push(Bytes::copy_from_slice(bytes), &mut frames)?;
        while let Some(frame) = frames.pop_front() {
            decoder.push(frame, &mut chunks)?;
        }
        Ok(())
    };
    let mut from = 0;
    let mut result = Ok(());
    for &cut in cuts.iter().chain([&body.len()]) {
        let cut = cut.clamp(from, body.len());
        result = result.and_then(|()| feed(&body[from..cut]));
        from = cut;
    }
    let result = result.and_then(|()| {
        sse.finish(&mut frames)?;
        frames.drain(..).try_for_each(|frame| decoder.push(frame, &mut chunks))
    });
    let result = result.and_then(|()| decoder.finish(&mut chunks)).map_err(|error| error.kind());
    (chunks.into_iter().map(|chunk| chunk.event).collect(), result)
}

fn sse(frames: &[&str]) -> Vec<u8> {
    frames.iter().map(|frame| format!("data: {frame}\n\n")).collect::<String>().into_bytes()
}

fn text(text: &str) -> Event {
    Event::TextDelta(text.into())
}

#[test]
fn decodes_a_plain_stream() {
    let body = sse(&[
        r#"{"id":"c1","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":null}}]}"#,
        r#"{"id":"c1","choices":[{"index":0,"delta":{"content":"Hel\u0142o"}}],"usage":null}"#,
        r#"{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        r#"{"id":"c1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":4}}}"#,
        "[DONE]",
    ]);
    let mut usage = Usage::reported(Some(9), Some(2));
    usage.cached = Some(4);
    let expected = vec![
        Event::Started { id: Some("c1".into()), model: Some("m".into()) },
        text("Helło"),
        Event::Finished(FinishReason::Stop),
        Event::Usage(Box::new(usage)),
    ];
    assert_eq!(run(&body, &[]), (expected, Ok(())));
}

#[test]
fn missing_finish_reason_is_truncated_and_empty_stream_is_protocol_error() {
    let body = sse(&[r#"{"choices":[{"delta":{"content":"x"}}]}"#]);
    assert_eq!(run(&body, &[]).1, Err(Kind::Truncated));
    for empty in [&b""[..], b"data: [DONE]\n\n", b": ping\n\n", b"data: {}\n\n", b"data: <html>\n\n"] {
        assert_eq!(run(empty, &[]).1, Err(Kind::Protocol), "{}", String::from_utf8_lossy(empty));
    }
}

#[test]
fn empty_finish_reason_ends_an_unstreamed_answer_but_not_a_stream() {
    let end = |whole: bool, choice: &str| {
        let (mut decoder, mut out) = (ChatDecoder::default(), VecDeque::new());
        let data = Bytes::from(format!("{{\"choices\":[{choice}]}}"));
        decoder.push(Frame { name: None, data, whole }, &mut out).unwrap();
        let end = decoder.finish(&mut out).map_err(|error| error.kind());
        let reason = out.into_iter().find_map(|chunk| match chunk.event {
            Event::Finished(reason) => Some(reason),
            _ => None,
        });
        end.map(|()| reason)
    };
    let call = r#"{"message":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]},"finish_reason":""}"#;
    assert_eq!(end(true, r#"{"message":{"content":"x"},"finish_reason":""}"#), Ok(Some(FinishReason::Stop)));
    assert_eq!(end(true, call), Ok(Some(FinishReason::ToolCalls)));
    let blank =
        r#"{"message":{"content":"x","function_call":{"name":"","arguments":""}},"finish_reason":""}"#;
    assert_eq!(end(true, blank), Ok(Some(FinishReason::Stop)), "an empty call is none");
    assert_eq!(end(true, r#"{"message":{"content":"x"},"finish_reason":null}"#), Err(Kind::Truncated));
    assert_eq!(end(false, r#"{"delta":{"content":"x"},"finish_reason":""}"#), Err(Kind::Truncated));
}

/// Who gets the frames as they are reads the same end as who gets the events.
#[test]
fn relayed_frames_carry_the_corrected_finish_reason() {
    let last = |whole: bool, frames: &[&str]| {
        let (mut decoder, mut out) = (ChatDecoder::default(), VecDeque::new());
        for frame in frames {
            let data = Bytes::from((*frame).to_owned());
            decoder.push(Frame { name: None, data, whole }, &mut out).unwrap();
        }
        decoder.finish(&mut out).unwrap();
        let frame = out.into_iter().filter_map(|chunk| match chunk.raw {
            Raw::Frame { data, .. } => Some(data),
            _ => None,
        });
        String::from_utf8(frame.last().unwrap().to_vec()).unwrap()
    };
    let call = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}}]}"#;
    let end = |word: &str| {
        format!(
            r#"{{"choices":[{{"delta":{{}},"finish_reason":"{word}"}}],"usage":{{"completion_tokens":2}}}}"#
        )
    };
    assert_eq!(last(false, &[call, &end("stop")]), end("tool_calls"));
    let at_once = |word: &str| call.replace("}}]}}]}", &format!(r#"}}}}]}},"finish_reason":"{word}"}}]}}"#));
    assert_eq!(last(false, &[&at_once("stop")]), at_once("tool_calls"));
    let whole = |word: &str| at_once(word).replace("delta", "message");
    assert_eq!(last(true, &[&whole("")]), whole("tool_calls"));
    let text = r#"{"choices":[{"delta":{"content":"stop"}}]}"#;
    assert_eq!(last(false, &[text, &end("eos")]), end("stop"));
    assert_eq!(last(false, &[text, &end("max_tokens")]), end("length"));
    assert_eq!(last(false, &[text, &end("stop")]), end("stop"));
    let function = r#"{"choices":[{"delta":{"function_call":{"name":"f","arguments":"{}"}}}]}"#;
    assert_eq!(last(false, &[function, &end("function_call")]), end("function_call"));
}

#[test]
fn errors_in_unusual_shapes_are_recognized() {
    for (frame, kind) in [
        (
            r#"[{"error":{"code":503,"message":"The model is overloaded","status":"UNAVAILABLE"}}]"#,
            Kind::Overloaded,
        ),
        (r#"{"code":429,"message":"Rate limited","type":"rate_limit_error"}"#, Kind::RateLimited),
        (r#"{"detail":"something broke"}"#, Kind::Server),
        (r#"{"message":"This model's maximum context length is 10 tokens"}"#, Kind::ContextOverflow),
        (r#"[{"error":1},{"error":2}]"#, Kind::Protocol),
    ] {
        let piece = r#"{"id":"c","choices":[{"delta":{"content":"Hi"}}]}"#;
        assert_eq!(run(&sse(&[piece, frame]), &[]).1, Err(kind), "{frame}");
    }
    // A whole body under a stream's content type.
    let error = br#"{"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}"#;
    assert_eq!(run(error, &[]).1, Err(Kind::RateLimited));
    let answer = b"{\n \"choices\": [{\"message\": {\"content\": \"Hi\"}, \"finish_reason\": \"\"}]\n}";
    let (events, result) = run(answer, &[7]);
    assert_eq!((&events[1..], result), (&[text("Hi"), Event::Finished(FinishReason::Stop)][..], Ok(())));
}

#[test]
fn errors_inside_a_stream_take_precedence() {
    for (frame, kind) in [
        (
            r#"{"error":{"message":"m","type":"server_error","code":"server_is_overloaded"}}"#,
            Kind::Overloaded,
        ),
        (
            r#"{"id":"x","choices":[{"delta":{},"finish_reason":"error"}],"error":{"code":502,"message":"bad"}}"#,
            Kind::Server,
        ),
        (r#"{"error":"something"}"#, Kind::Server),
        (
            r#"{"object":"error","message":"slow","type":"rate_limited","code":"1300","status_code":429}"#,
            Kind::RateLimited,
        ),
        (r#"{"choices":[{"delta":{},"finish_reason":"insufficient_system_resource"}]}"#, Kind::Server),
        (
            r#"{"choices":[{"delta":{"content":""},"finish_reason":"error","error":{"code":429,"message":"Rate limited upstream"}}]}"#,
            Kind::RateLimited,
        ),
        (
            r#"{"choices":[{"message":{"content":""},"finish_reason":null,"error":{"code":403,"message":"Content was flagged by moderation"}}]}"#,
            Kind::ContentPolicy,
        ),
        (
            r#"{"id":"c","choices":null,"model":"m","usage":{"total_tokens":0},"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#,
            Kind::QuotaExhausted,
        ),
        (r#"{"base_resp":{"status_code":1004,"status_msg":"login fail"}}"#, Kind::Auth),
    ] {
        assert_eq!(run(&sse(&[frame]), &[]).1, Err(kind), "{frame}");
    }
    let named = b"event: error\ndata: {\"error\":{\"message\":\"m\",\"code\":\"tool_use_failed\",\"status_code\":400}}\n\n";
    assert_eq!(run(named, &[]).1, Err(Kind::BadOutput));
}

#[test]
fn decodes_every_tool_call_format() {
    let started = |index, id: &str| Event::ToolStarted { index, id: id.into(), name: "f".into() };
    let delta = |index, arguments: &str| Event::ToolDelta { index, arguments: arguments.into() };
    let tools = |frames: &[&str]| -> Vec<Event> {
        let keep = |event: &Event| matches!(event, Event::ToolStarted { .. } | Event::ToolDelta { .. });
        run(&sse(frames), &[]).0.into_iter().filter(keep).collect()
    };
    let call = |inner: &str| format!(r#"{{"id":"r","choices":[{{"delta":{{"tool_calls":[{inner}]}}}}]}}"#);
    // In pieces, by index.
    let pieces = [
        call(r#"{"index":0,"id":"a","function":{"name":"f","arguments":""}}"#),
        call(r#"{"index":0,"function":{"arguments":"{\"x\""}}"#),
        call(r#"{"index":0,"function":{"arguments":":1}"}}"#),
    ];
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    assert_eq!(tools(&pieces), [started(0, "a"), delta(0, "{\"x\""), delta(0, ":1}")]);
    // Whole, two at once, no index; and the same index with another id.
    let whole = call(
        r#"{"id":"a","function":{"name":"f","arguments":"{}"}},{"id":"b","function":{"name":"f","arguments":"{}"}}"#,
    );
    assert_eq!(tools(&[&whole]), [started(0, "a"), delta(0, "{}"), started(1, "b"), delta(1, "{}")]);
    let same =
        call(r#"{"index":0,"id":"a","function":{"name":"f"}},{"index":0,"id":"b","function":{"name":"f"}}"#);
    assert_eq!(tools(&[&same]), [started(0, "a"), started(1, "b")]);
    // Arguments as an object, no id.
    let object = call(r#"{"function":{"name":"f","arguments":{"x":1}}}"#);
    assert_eq!(tools(&[&object]), [started(0, "call_r_0"), delta(0, r#"{"x":1}"#)]);
    // A forced call also ends with `stop`.
    let forced = [whole.as_str(), r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#];
    assert!(run(&sse(&forced), &[]).0.contains(&Event::Finished(FinishReason::ToolCalls)));
}

#[test]
fn tool_call_after_a_finish_reason_is_kept() {
    let call = |index: u32, end: &str| {
        format!(
            r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":{index},"id":"c{index}","function":{{"name":"f","arguments":"{{}}"}}}}]}},"finish_reason":{end}}}]}}"#
        )
    };
    let (first, second) = (call(0, "\"tool_calls\""), call(1, "\"tool_calls\""));
    let (events, result) = run(&sse(&[&first, &second, "[DONE]"]), &[]);
    assert_eq!(result, Ok(()));
    assert_eq!(events.iter().filter(|event| matches!(event, Event::ToolStarted { .. })).count(), 2);
    assert_eq!(
        events.last(),
        Some(&Event::Finished(FinishReason::ToolCalls)),
        "and only the last end is one"
    );
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Finished(_))).count(), 1);
}

#[test]
fn decodes_every_reasoning_field() {
    for delta in [
        r#"{"reasoning_content":"hm"}"#,
        r#"{"reasoning":"hm"}"#,
        r#"{"reasoning_content":"hm","reasoning":"hm"}"#,
        r#"{"reasoning_text":"hm","reasoning_opaque":"s"}"#,
        r#"{"reasoning_content":"hm","reasoning_text":"hm"}"#,
        r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}"#,
        r#"{"content":[{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]}]}"#,
        r#"{"reasoning":null,"reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"s"}]}"#,
        r#"{"reasoning_details":[{"type":"reasoning.summary","summary":"hm"}]}"#,
        r#"{"reasoning":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm"}]}"#,
    ] {
        let body = sse(&[&format!(r#"{{"choices":[{{"delta":{delta}}}]}}"#)]);
        let events = run(&body, &[]).0;
        let told = events.iter().filter(|event| **event == Event::ReasoningDelta("hm".into()));
        assert_eq!(told.count(), 1, "{delta}");
    }
}

#[test]
fn repeated_finish_and_invalid_usage_are_ignored() {
    let body = sse(&[
        r#"{"choices":[{"delta":{"content":"x"},"finish_reason":"length"}]}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":-1,"completion_tokens":2.5,"total_tokens":null}}"#,
    ]);
    let (events, result) = run(&body, &[]);
    assert_eq!(result, Ok(()));
    assert_eq!(events[2], Event::Finished(FinishReason::Length));
    assert_eq!(events[3], Event::Usage(Box::new(Usage::reported(None, None))));
}

#[test]
fn reads_usage_under_any_name_and_position() {
    let both = r#"{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"input_tokens":0,"output_tokens":0,"input_tokens_details":null}"#;
    let other = r#"{"input_tokens":9,"output_tokens":2}"#;
    for end in [
        format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":"stop"}}],"usage":{both}}}"#),
        format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":"stop"}}],"usage":{other}}}"#),
        format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":"stop","usage":{both}}}]}}"#),
    ] {
        let (events, result) =
            run(&sse(&[r#"{"choices":[{"delta":{"content":"x"}}]}"#, &end, "[DONE]"]), &[]);
        assert_eq!(result, Ok(()), "{end}");
        assert!(events.contains(&Event::Usage(Box::new(Usage::reported(Some(9), Some(2))))), "{end}");
    }
}

#[test]
fn unrelated_frames_are_ignored() {
    let answer = r#"{"id":"c","choices":[{"index":0,"delta":{"content":"ok"},"finish_reason":"stop"}],"base_resp":{"status_code":0}}"#;
    for other in [
        r#"{"choices":[],"prompt_filter_results":[]}"#,
        r#"{"event":"model_ready"}"#,
        r#"{"type":"ping"}"#,
        "{}",
    ] {
        let (events, result) = run(&sse(&[other, answer, other, "[DONE]"]), &[]);
        assert_eq!((&events[1..], result), (&[text("ok"), Event::Finished(FinishReason::Stop)][..], Ok(())));
        assert_eq!(run(&sse(&[other]), &[]).1, Err(Kind::Protocol), "no answer: {other}");
    }
    let (mut decoder, mut out) = (ChatDecoder::default(), VecDeque::new());
    let whole = Frame { name: None, data: Bytes::from_static(b"{\"something\":\"else\"}"), whole: true };
    assert_eq!(decoder.push(whole, &mut out).unwrap_err().kind(), Kind::Protocol);
}

#[test]
fn an_error_after_a_held_end_does_not_take_the_answer_away() {
    let call = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}]}}]}"#;
    let end = r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#;
    let finished = Some(&Event::Finished(FinishReason::ToolCalls));
    for failure in [
        r#"{"code":200,"msg":"success"}"#,
        r#"{"detail":"the connection is closed"}"#,
        r#"{"object":"error","message":"late"}"#,
        r#"{"base_resp":{"status_code":1000,"status_msg":"late"}}"#,
        r#"{"error":{"message":"late"}}"#,
    ] {
        let (events, result) = run(&sse(&[call, end, failure, "[DONE]"]), &[]);
        assert_eq!((events.last(), result), (finished, Err(Kind::Server)), "{failure}");
    }
    for success in [
        r#"{"code":0,"msg":"success"}"#,
        r#"{"code":"0","message":"ok"}"#,
        r#"{"base_resp":{"status_code":0,"status_msg":"success"}}"#,
    ] {
        for frames in
            [[success, call, end, "[DONE]"], [call, success, end, "[DONE]"], [call, end, success, "[DONE]"]]
        {
            let (events, result) = run(&sse(&frames), &[]);
            assert_eq!((events.last(), result), (finished, Ok(())), "{frames:?}");
        }
    }
    // An end after which the answer went on is none.
    let piece = r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"tool_calls"}]}"#;
    let (events, result) = run(&sse(&[piece, piece, r#"{"code":500,"msg":"late"}"#]), &[]);
    assert_eq!((events.last(), result), (Some(&text("a")), Err(Kind::Server)));
}

#[test]
fn images_are_parts_and_citations_are_emitted_once() {
    let image = r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,AAA"}}"#;
    let piece =
        format!(r#"{{"choices":[{{"delta":{{"content":"","images":[{image}]}}}}],"citations":["a"]}}"#);
    let end = r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"citations":["a"]}"#;
    let more = r#"{"choices":[],"usage":{},"citations":["a","b"]}"#;
    let (events, result) = run(&sse(&[&piece, end, more]), &[]);
    assert_eq!(result, Ok(()));
    let native = Native::new(WIRE, Json::parse(image).unwrap());
    assert!(events.contains(&Event::Native(Box::new(native))));
    let notes = events.iter().filter(|event| matches!(event, Event::Annotation(_)));
    assert_eq!(notes.count(), 2);
}

#[test]
fn frame_is_attached_to_its_first_event() {
    let mut decoder = ChatDecoder::default();
    let mut out = VecDeque::new();
    let data =
        Bytes::from_static(br#"{"id":"c","choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}"#);
    decoder.push(Frame::piece(data.clone()), &mut out).unwrap();
    assert_eq!(out[0].raw, Raw::Frame { wire: WIRE, data });
    assert!(out.iter().skip(1).all(|chunk| chunk.raw == Raw::Covered));
}

#[test]
fn reasoning_details_are_kept_verbatim() {
    let detail = r#"{"type":"reasoning.encrypted","data":"d","index":0}"#;
    let piece = format!(
        r#"{{"id":"c","model":"m","choices":[{{"index":0,"delta":{{"reasoning":"hm","reasoning_details":[{detail},{{"type":"reasoning.text","text":"hm"}}],"content":"a"}},"finish_reason":"stop"}}]}}"#
    );
    let read = |signs: Option<Origin>| {
        let (mut decoder, mut out) = (ChatDecoder::new(false, signs), VecDeque::new());
        decoder.push(Frame::piece(Bytes::from(piece.clone())), &mut out).unwrap();
        out.into_iter().map(|chunk| chunk.event).collect::<Vec<_>>()
    };
    let origin = Origin("relay".into());
    let proof = hotspare_core::Signature { origin: origin.clone(), data: detail.into(), redacted: true };
    assert_eq!(read(Some(origin))[2], Event::ReasoningSignature(proof));
    assert!(!read(None).iter().any(|event| matches!(event, Event::ReasoningSignature(_))));
}

#[test]
fn usage_and_done_marker_complete_an_answer_without_finish_reason() {
    let piece = r#"{"id":"","model":"m","choices":[{"index":0,"delta":{"content":"4"}}]}"#;
    let counts = r#"{"id":"","model":"m","choices":[],"usage":{"prompt_tokens":2,"completion_tokens":1}}"#;
    let (events, result) = run(&sse(&[piece, counts, "[DONE]"]), &[]);
    assert_eq!((events.last(), result), (Some(&Event::Finished(FinishReason::Stop)), Ok(())));
    for cut in [&[piece, counts][..], &[piece, "[DONE]"], &[piece]] {
        assert_eq!(run(&sse(cut), &[]).1, Err(Kind::Truncated), "{cut:?}");
    }
}

#[test]
fn maps_unusual_finish_reasons() {
    let end = |word: &str| {
        let frame = format!(r#"{{"choices":[{{"delta":{{"content":"x"}},"finish_reason":"{word}"}}]}}"#);
        let (mut events, result) = run(&sse(&[&frame]), &[]);
        result.map(|()| match events.pop() {
            Some(Event::Finished(reason)) => reason,
            other => panic!("{word}: {other:?}"),
        })
    };
    for (word, expected) in [
        ("content_filter: PROHIBITED_CONTENT", Ok(FinishReason::ContentFilter)),
        ("SAFETY", Ok(FinishReason::ContentFilter)),
        ("recitation", Ok(FinishReason::ContentFilter)),
        ("function_call_filter: MALFORMED_FUNCTION_CALL", Err(Kind::BadOutput)),
        ("malformed_function_call", Err(Kind::BadOutput)),
        ("model_context_window_exceeded", Ok(FinishReason::Length)),
        ("sensitive", Ok(FinishReason::ContentFilter)),
        ("abort", Err(Kind::Server)),
        ("network_error", Err(Kind::Server)),
        ("eos_token", Ok(FinishReason::Stop)),
        ("a_word: FROM_TOMORROW", Ok(FinishReason::Other("a_word: FROM_TOMORROW".into()))),
    ] {
        assert_eq!(end(word), expected, "{word}");
    }
}

#[test]
fn vendor_specific_error_field_is_an_error() {
    let frame = |error: &str, end: &str| {
        format!(
            r#"{{"id":"c","choices":[{{"delta":{{"content":"x"}},"finish_reason":{end}}}],"x_groq":{{"id":"r","error":{error}}}}}"#
        )
    };
    assert_eq!(run(&sse(&[&frame("\"over_capacity\"", "\"stop\"")]), &[]).1, Err(Kind::Overloaded));
    assert_eq!(run(&sse(&[&frame("null", "\"stop\"")]), &[]).1, Ok(()));
}

/// A call that begins without an id, under an index already in use.
#[test]
fn function_name_starts_a_new_tool_call() {
    let calls = |frames: &[&str]| -> Vec<(String, String)> {
        let call =
            |inner: &&str| format!(r#"{{"id":"r","choices":[{{"delta":{{"tool_calls":[{inner}]}}}}]}}"#);
        let frames: Vec<String> = frames.iter().map(call).collect();
        let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
        let mut calls: Vec<(String, String)> = Vec::new();
        for event in run(&sse(&frames), &[]).0 {
            match event {
                Event::ToolStarted { name, .. } => calls.push((name, String::new())),
                Event::ToolDelta { index, arguments } => calls[index as usize].1.push_str(&arguments),
                _ => {}
            }
        }
        calls
    };
    let said = |calls: &[(&str, &str)]| -> Vec<(String, String)> {
        calls.iter().map(|(name, arguments)| ((*name).to_owned(), (*arguments).to_owned())).collect()
    };
    let f = |arguments: &str| {
        format!(
            r#"{{"index":0,"function":{{"name":"f","arguments":{}}}}}"#,
            serde_json::to_string(arguments).unwrap()
        )
    };
    let g = r#"{"index":0,"function":{"name":"g","arguments":"{}"}}"#;
    assert_eq!(calls(&[&f("{\"x\":1}"), g]), said(&[("f", "{\"x\":1}"), ("g", "{}")]));
    assert_eq!(calls(&[&f("{\"x\":1}"), &f("{\"x\":2}")]), said(&[("f", "{\"x\":1}"), ("f", "{\"x\":2}")]));
    // A host that repeats the name with each piece is still sending the same call.
    assert_eq!(calls(&[&f("{\"x\""), &f(":1}"), &f("")]), said(&[("f", "{\"x\":1}")]));
}

#[test]
fn unstreamed_tool_calls_are_never_merged() {
    for id in ["", "same"] {
        let call = format!(r#"{{"index":0,"id":"{id}","function":{{"name":"f","arguments":"{{}}"}}}}"#);
        let body = format!(
            r#"{{"id":"r","choices":[{{"index":0,"message":{{"tool_calls":[{call},{call}]}},"finish_reason":"tool_calls"}}]}}"#
        );
        let (mut decoder, mut out) = (ChatDecoder::default(), VecDeque::new());
        decoder.push(Frame::whole(body), &mut out).unwrap();
        let begun: Vec<u32> = out
            .iter()
            .filter_map(|chunk| match &chunk.event {
                Event::ToolStarted { index, .. } => Some(*index),
                _ => None,
            })
            .collect();
        assert_eq!(begun, [0, 1], "{id:?}");
    }
}

proptest! {
    #[test]
    fn chunk_boundaries_do_not_change_events(cuts in prop::collection::vec(0usize..700, 0..10)) {
        let body = sse(&[
            r#"{"id":"c1","choices":[{"delta":{"role":"assistant","content":"é世"}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}}]}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1}}"#,
            "[DONE]",
        ]);
        let mut cuts = cuts;
        cuts.sort_unstable();
        prop_assert_eq!(run(&body, &cuts), run(&body, &[]));
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut framed = b"data: ".to_vec();
        framed.extend(body);
        framed.extend(b"\n\n");
        let _ = run(&framed, &[]);
    }

    #[test]
    fn arbitrary_json_never_panics(inner in "[\\[\\]{}:,\"a-z0-9. -]{0,60}") {
        let _ = run(&sse(&[&format!(r#"{{"choices":[{{"delta":{inner}}}]}}"#)]), &[]);
    }
}
