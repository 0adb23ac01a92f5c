//! Streams of chat completions that no recording has.
//!
//! Invariant: a deviation changes nothing of the answer.

use super::{Read, check, events};

const CHAT_HEAD: &str = r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;
const CHAT_TEXT: &str = r#"{"id":"c","choices":[{"index":0,"delta":{"content":"Hé"},"finish_reason":null}]}"#;
const CHAT_END: &str = r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const CHAT_USAGE: &str =
    r#"{"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;
const DONE: &str = "[DONE]";

/// A stream with these pieces between its head and its end.
fn chat(pieces: &[&str], finish: &str) -> String {
    let end = format!(r#"{{"id":"c","choices":[{{"index":0,"delta":{{}},"finish_reason":"{finish}"}}]}}"#);
    let frames: Vec<String> = pieces
        .iter()
        .map(|delta| {
            format!(r#"{{"id":"c","choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#)
        })
        .collect();
    let frames: Vec<&str> = [CHAT_HEAD]
        .into_iter()
        .chain(frames.iter().map(String::as_str))
        .chain([end.as_str(), DONE])
        .collect();
    events(&frames)
}

#[test]
fn deviations_of_chat_completions_streams_change_nothing() {
    let plain = || events(&[CHAT_HEAD, CHAT_TEXT, CHAT_END, CHAT_USAGE, DONE]);
    let calls = |pieces: &[&str]| {
        let deltas: Vec<String> =
            pieces.iter().map(|piece| format!(r#"{{"tool_calls":[{piece}]}}"#)).collect();
        chat(&deltas.iter().map(String::as_str).collect::<Vec<_>>(), "tool_calls")
    };
    let filter = r#"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}]}"#;
    let late_filter = r#"{"id":"c","choices":[{"index":0,"finish_reason":null,"content_filter_results":{},"content_filter_offsets":{"check_offset":1}}]}"#;
    let rows = [
        ("plain", plain(), Read::Text),
        ("results of a filter first", events(&[filter, CHAT_TEXT, CHAT_END, CHAT_USAGE, DONE]), Read::Text),
        (
            "results of a filter late",
            events(&[CHAT_TEXT, late_filter, CHAT_END, late_filter, CHAT_USAGE, DONE]),
            Read::Text,
        ),
        (
            "usage with null choices",
            events(&[CHAT_TEXT, CHAT_END, &CHAT_USAGE.replace("[]", "null"), DONE]),
            Read::Text,
        ),
        (
            "usage with empty choices before the end",
            events(&[CHAT_TEXT, CHAT_USAGE, CHAT_END, DONE]),
            Read::Text,
        ),
        (
            "usage without choices and id",
            events(&[CHAT_TEXT, CHAT_END, r#"{"usage":{"prompt_tokens":3,"completion_tokens":2}}"#, DONE]),
            Read::Text,
        ),
        (
            "usage in every frame",
            events(&[
                r#"{"id":"c","choices":[{"delta":{"content":"H"}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#,
                r#"{"id":"c","choices":[{"delta":{"content":"é"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#,
                DONE,
            ]),
            Read::Text,
        ),
        (
            "counts as text",
            plain().replace(":3,", ":\"3\",").replace("completion_tokens\":2", "completion_tokens\":\"2\""),
            Read::Text,
        ),
        (
            "counts with fractions",
            plain().replace(":3,", ":3.0,").replace("completion_tokens\":2", "completion_tokens\":2.0"),
            Read::Text,
        ),
        ("null deltas", chat(&["null", r#"{"content":"Hé"}"#, "null"], "stop"), Read::Uncounted),
        (
            "an end with a null delta",
            events(&[CHAT_TEXT, r#"{"id":"c","choices":[{"index":0,"delta":null,"finish_reason":"stop"}]}"#, DONE]),
            Read::Uncounted,
        ),
        (
            "an end without a delta",
            events(&[CHAT_TEXT, r#"{"id":"c","choices":[{"index":0,"finish_reason":"stop"}]}"#, DONE]),
            Read::Uncounted,
        ),
        (
            "an end with empty content",
            events(&[CHAT_TEXT, &CHAT_END.replace("{}", r#"{"role":"assistant","content":"","tool_calls":null}"#), DONE]),
            Read::Uncounted,
        ),
        (
            "an end with null content and an empty list of calls",
            events(&[CHAT_TEXT, &CHAT_END.replace("{}", r#"{"content":null,"tool_calls":[],"function_call":null}"#), DONE]),
            Read::Uncounted,
        ),
        ("an end that is repeated", events(&[CHAT_TEXT, CHAT_END, CHAT_END, CHAT_USAGE, DONE]), Read::Text),
        (
            "an end after the usage's frame, with null",
            events(&[CHAT_TEXT, CHAT_END, r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":null}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#, DONE]),
            Read::Text,
        ),
        ("no end mark", events(&[CHAT_TEXT, CHAT_END, CHAT_USAGE]), Read::Text),
        ("two end marks", events(&[CHAT_TEXT, CHAT_END, CHAT_USAGE, DONE, DONE]), Read::Text),
        ("spaces after the end mark", plain().replace("[DONE]", "[DONE]  "), Read::Text),
        ("fields without spaces", plain().replace("data: ", "data:"), Read::Text),
        ("CRLF", plain().replace('\n', "\r\n"), Read::Text),
        ("CR", plain().replace('\n', "\r"), Read::Text),
        ("byte order mark", format!("\u{feff}{}", plain()), Read::Text),
        ("comments between", plain().replace("data:", ": keep-alive\n\n:\n\ndata:"), Read::Text),
        ("a comment glued to each frame", plain().replace("data:", ": PROCESSING\ndata:"), Read::Text),
        ("named events", plain().replace("data:", "event: completion\ndata:"), Read::Text),
        ("ids and retries", plain().replace("data:", "id: 7\nretry: 100\ndata:"), Read::Text),
        (
            "pings as events",
            plain().replace("data: {", "event: ping\ndata: {\"type\":\"ping\"}\n\ndata: {"),
            Read::Text,
        ),
        ("empty data between", plain().replace("data: {", "data:\n\ndata: {"), Read::Text),
        ("empty objects between", plain().replace("data: {", "data: {}\n\ndata: {"), Read::Text),
        ("no blank line after the end mark", plain().trim_end().to_owned(), Read::Text),
        ("blank lines first", format!("\n\n\n{}", plain()), Read::Text),
        (
            "a role in every frame",
            plain().replace(r#""delta":{"#, r#""delta":{"role":"assistant","#).replace(",}", "}"),
            Read::Text,
        ),
        (
            "an empty role and null fields",
            plain().replace(
                r#"{"content":"Hé"}"#,
                r#"{"role":"","content":"Hé","refusal":null,"tool_calls":null,"reasoning_content":null,"audio":null}"#,
            ),
            Read::Text,
        ),
        ("indexes as text", plain().replace(r#""index":0"#, r#""index":"0""#), Read::Text),
        ("no indexes", plain().replace(r#""index":0,"#, ""), Read::Text),
        ("null indexes", plain().replace(r#""index":0"#, r#""index":null"#), Read::Text),
        (
            "content in parts",
            chat(&[r#"{"content":[{"type":"text","text":"H"}]}"#, r#"{"content":[{"type":"text","text":"é"}]}"#], "stop"),
            Read::Uncounted,
        ),
        ("reasoning_content", chat(&[r#"{"reasoning_content":"hm"}"#, r#"{"content":"Hé"}"#], "stop"), Read::Thought),
        ("reasoning", chat(&[r#"{"reasoning":"hm","content":null}"#, r#"{"content":"Hé"}"#], "stop"), Read::Thought),
        (
            "reasoning in parts",
            chat(&[r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}"#, r#"{"content":"Hé"}"#], "stop"),
            Read::Thought,
        ),
        (
            "blocks of reasoning",
            chat(&[r#"{"thinking_blocks":[{"type":"thinking","thinking":"hm"}],"reasoning_content":"hm"}"#, r#"{"content":"Hé"}"#], "stop"),
            Read::Thought,
        ),
        ("a refusal", chat(&[r#"{"refusal":"n"}"#, r#"{"refusal":"o","content":null}"#], "stop"), Read::Refusal),
        (
            "the id in the first piece only",
            calls(&[
                r#"{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":""}}"#,
                r#"{"index":0,"function":{"arguments":"{\"a\""}}"#,
                r#"{"index":0,"function":{"arguments":":1}"}}"#,
            ]),
            Read::Call,
        ),
        (
            "id, type and name in every piece",
            calls(&[
                r#"{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":"{\"a\""}}"#,
                r#"{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":":1}"}}"#,
            ]),
            Read::Call,
        ),
        (
            "null ids and names later",
            calls(&[
                r#"{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":null}}"#,
                r#"{"index":0,"id":null,"type":null,"function":{"name":null,"arguments":"{\"a\":1}"}}"#,
            ]),
            Read::Call,
        ),
        (
            "indexes from 1",
            calls(&[
                r#"{"index":1,"id":"t","function":{"name":"f","arguments":"{\"a\""}}"#,
                r#"{"index":1,"function":{"arguments":":1}"}}"#,
            ]),
            Read::Call,
        ),
        (
            "two from 1",
            calls(&[
                r#"{"index":1,"id":"t","function":{"name":"f","arguments":"{\"a\":1}"}}"#,
                r#"{"index":2,"id":"u","function":{"name":"g","arguments":"{\"b\":2}"}}"#,
            ]),
            Read::Calls,
        ),
        (
            "no indexes",
            calls(&[
                r#"{"id":"t","function":{"name":"f","arguments":"{\"a\""}}"#,
                r#"{"function":{"arguments":":1}"}}"#,
                r#"{"id":"u","function":{"name":"g","arguments":"{\"b\":2}"}}"#,
            ]),
            Read::Calls,
        ),
        (
            "null indexes",
            calls(&[
                r#"{"index":null,"id":"t","function":{"name":"f","arguments":"{\"a\":1}"}}"#,
                r#"{"index":null,"id":"u","function":{"name":"g","arguments":"{\"b\":2}"}}"#,
            ]),
            Read::Calls,
        ),
        (
            "indexes as text",
            calls(&[
                r#"{"index":"0","id":"t","function":{"name":"f","arguments":"{\"a\":1}"}}"#,
                r#"{"index":"1","id":"u","function":{"name":"g","arguments":"{\"b\""}}"#,
                r#"{"index":"1","function":{"arguments":":2}"}}"#,
            ]),
            Read::Calls,
        ),
        (
            "pieces in turn",
            calls(&[
                r#"{"index":0,"id":"t","function":{"name":"f","arguments":""}}"#,
                r#"{"index":1,"id":"u","function":{"name":"g","arguments":""}}"#,
                r#"{"index":0,"function":{"arguments":"{\"a\""}},{"index":1,"function":{"arguments":"{\"b\""}}"#,
                r#"{"index":1,"function":{"arguments":":2}"}},{"index":0,"function":{"arguments":":1}"}}"#,
            ]),
            Read::Calls,
        ),
        (
            "one index for both",
            calls(&[
                r#"{"index":0,"id":"t","function":{"name":"f","arguments":"{\"a\":1}"}}"#,
                r#"{"index":0,"id":"u","function":{"name":"g","arguments":"{\"b\":2}"}}"#,
            ]),
            Read::Calls,
        ),
        (
            "one id for both",
            calls(&[
                r#"{"index":0,"id":"","function":{"name":"f","arguments":"{\"a\":1}"}}"#,
                r#"{"index":1,"id":"","function":{"name":"g","arguments":"{\"b\":2}"}}"#,
            ]),
            Read::Calls,
        ),
        ("arguments as an object", calls(&[r#"{"index":0,"id":"t","function":{"name":"f","arguments":{"a":1}}}"#]), Read::Call),
        (
            "a call as an object",
            chat(&[r#"{"tool_calls":{"index":0,"id":"t","function":{"name":"f","arguments":"{\"a\":1}"}}}"#], "tool_calls"),
            Read::Call,
        ),
        (
            "a call with the end",
            events(&[
                CHAT_HEAD,
                r#"{"id":"c","choices":[{"index":0,"delta":{"content":"","tool_calls":[{"id":"t","function":{"name":"f","arguments":"{\"a\":1}"}}]},"finish_reason":"tool_calls"}]}"#,
                DONE,
            ]),
            Read::Call,
        ),
        (
            "a call that ends with stop",
            chat(&[r#"{"tool_calls":[{"index":0,"id":"t","function":{"name":"f","arguments":"{\"a\":1}"}}]}"#], "stop"),
            Read::Call,
        ),
        (
            "a call of the older form",
            chat(&[r#"{"function_call":{"name":"f","arguments":""}}"#, r#"{"function_call":{"arguments":"{\"a\":1}"}}"#], "function_call"),
            Read::Call,
        ),
        ("an error as text", events(&[CHAT_HEAD, r#"{"error":"Rate limit reached"}"#]), Read::Failed("server")),
        (
            "an error with a code",
            events(&[CHAT_HEAD, r#"{"error":{"message":"Slow down","code":429}}"#]),
            Read::Failed("rate_limited"),
        ),
        (
            "an error with a code as text",
            events(&[CHAT_HEAD, r#"{"error":{"message":"Slow down","code":"429"}}"#]),
            Read::Failed("rate_limited"),
        ),
        (
            "an error with empty choices",
            events(&[CHAT_HEAD, r#"{"id":"c","choices":[],"error":{"message":"x","code":503}}"#]),
            Read::Failed("overloaded"),
        ),
        ("an error in a list", events(&[r#"[{"error":{"message":"x","code":503}}]"#]), Read::Failed("overloaded")),
        (
            "an error in a list of details",
            events(&[r#"{"detail":[{"loc":["body"],"msg":"prompt is too long","type":"value_error"}]}"#]),
            Read::Failed("context_overflow"),
        ),
        (
            "an error in JSON in a message",
            events(&[r#"{"error":{"message":"{\"error\":{\"message\":\"This model's maximum context length is 8 tokens\"}}"}}"#]),
            Read::Failed("context_overflow"),
        ),
        (
            "an error as a named event",
            format!("{}event: error\ndata: {{\"message\":\"Overloaded\",\"code\":503}}\n\n", events(&[CHAT_HEAD])),
            Read::Failed("overloaded"),
        ),
        ("an error field that is null", plain().replace(r#""id":"c","#, r#""id":"c","error":null,"#), Read::Text),
        ("an error field that is empty", plain().replace(r#""id":"c","#, r#""id":"c","error":{},"#), Read::Text),
        ("a whole answer", r#"{"id":"c","choices":[{"message":{"content":"Hé"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#.to_owned(), Read::Text),
        ("an error's body", r#"{"error":{"message":"x","code":529}}"#.to_owned(), Read::Failed("overloaded")),
        ("nothing", String::new(), Read::Failed("protocol")),
        ("only comments", ": keep-alive\n\n".repeat(3), Read::Failed("protocol")),
        ("no end", events(&[CHAT_TEXT]), Read::Failed("truncated")),
    ];
    check("openai", "chat_completions", &rows);
}
