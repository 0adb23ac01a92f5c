//! Tool calls in every form that hosts send.

use super::*;

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
