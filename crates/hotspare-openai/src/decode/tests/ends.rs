//! How an answer ends: reasons, end marks, usage.

use super::*;

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
