//! Streams and answers of individual hosts that deviate from the wire.

use super::*;

/// The text, the reasoning and the tool calls (name and arguments) of an answer, and how it ended.
fn said(events: &[Event]) -> (String, String, Vec<(String, String)>) {
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
        assert_eq!(said(&events), ("Hello there".into(), "hm".into(), vec![]));
        assert!(events.contains(&Event::Usage(Box::new(Usage::reported(Some(44), Some(43))))));
    }
    // A host whose stream consists of messages.
    let body = sse(&[
        r#"{"id":"c","choices":[{"message":{"content":"a"}}]}"#,
        r#"{"choices":[{"message":{"content":"b"},"finish_reason":"stop"}]}"#,
    ]);
    assert_eq!(said(&run(&body, &[]).0).0, "ab");
}

#[test]
fn tool_calls_in_a_second_choice_are_read() {
    for index in ["", r#""index":0,"#, r#""index":1,"#] {
        let (events, result) = whole(&format!(
            r#"{{"id":"c","choices":[{{"index":0,"finish_reason":"tool_calls","message":{{"content":"I'll look"}}}},{{{index}"finish_reason":"tool_calls","message":{{"tool_calls":[{{"id":"t","type":"function","function":{{"name":"f","arguments":"{{\"a\":1}}"}}}}]}}}}]}}"#
        ));
        assert_eq!(result, Ok(()), "{index}");
        assert_eq!(said(&events), ("I'll look".into(), String::new(), call()));
    }
}

#[test]
fn tool_call_deltas_with_changing_ids_are_one_call() {
    let body = sse(&[
        r#"{"id":"c","choices":[{"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":""}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"y","function":{"arguments":"{\"a\":"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"z","function":{"name":"","arguments":"1}"}}]},"finish_reason":"tool_calls"}]}"#,
    ]);
    assert_eq!(said(&run(&body, &[]).0).2, call());
}

#[test]
fn tool_call_outside_an_array_is_read() {
    let body = sse(&[
        r#"{"id":"c","choices":[{"delta":{"tool_calls":{"index":0,"id":"","function":{"name":"f","arguments":"{\"a\":1}"}}},"finish_reason":"stop"}]}"#,
    ]);
    assert_eq!(said(&run(&body, &[]).0).2, call());
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
            Event::Usage(usage) => Some((usage.cached, usage.cache_written)),
            _ => None,
        });
        counted.unwrap()
    };
    assert_eq!(usage(r#""cached_tokens":4"#), (Some(4), None));
    let two = r#""cache_read_input_tokens":4,"cache_creation_input_tokens":3"#;
    assert_eq!(usage(two), (Some(4), Some(3)));
}
