//! Streams of Google's wire that no recording has.
//!
//! Invariant: a deviation changes nothing of the answer.

use super::{Read, check, events};

#[test]
fn deviations_of_gemini_streams_change_nothing() {
    let text = r#"{"candidates":[{"content":{"parts":[{"text":"Hé"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":3},"responseId":"r"}"#;
    let end = r#"{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"totalTokenCount":5}}"#;
    let plain = || events(&[text, end]).replace('\n', "\r\n");
    let counts = r#""usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2}"#;
    let bare = |candidate: &str| events(&[text, &format!(r#"{{"candidates":[{candidate}],{counts}}}"#)]);
    let part = |part: &str| {
        events(&[&format!(r#"{{"candidates":[{{"content":{{"parts":[{part}]}},"finishReason":"STOP"}}]}}"#)])
    };
    let last = |candidate: &str| events(&[&format!(r#"{{"candidates":[{candidate}]}}"#)]);
    let call = r#"{"functionCall":{"name":"f","args":{"a":1}}}"#;
    let other = r#"{"functionCall":{"name":"g","args":{"b":2}}}"#;
    let rows = [
        ("plain", plain(), Read::Text),
        ("LF", events(&[text, end]), Read::Text),
        ("byte order mark", format!("\u{feff}{}", plain()), Read::Text),
        ("comments between", plain().replace("data:", ": ping\r\n\r\ndata:"), Read::Text),
        ("an end mark of another wire", format!("{}data: [DONE]\n\n", events(&[text, end])), Read::Text),
        ("a list of pieces", format!("[{text},\r\n{end}\r\n]"), Read::Text),
        (
            "a list of one",
            format!(
                "[{}]",
                text.replace(r#","index":0}]"#, r#","finishReason":"STOP"}]"#)
                    .replace(":3}", ":3,\"candidatesTokenCount\":2}")
            ),
            Read::Text,
        ),
        (
            "counts alone at the end",
            events(&[text, r#"{"candidates":[{"finishReason":"STOP"}]}"#, &format!("{{{counts}}}")]),
            Read::Text,
        ),
        (
            "counts with no candidates",
            events(&[
                text,
                r#"{"candidates":[{"finishReason":"STOP"}]}"#,
                &format!("{{\"candidates\":[],{counts}}}"),
            ]),
            Read::Text,
        ),
        (
            "counts with null candidates",
            events(&[
                text,
                r#"{"candidates":[{"finishReason":"STOP"}]}"#,
                &format!("{{\"candidates\":null,{counts}}}"),
            ]),
            Read::Text,
        ),
        ("an end without content", bare(r#"{"finishReason":"STOP","index":0}"#), Read::Text),
        ("an end with null content", bare(r#"{"content":null,"finishReason":"STOP"}"#), Read::Text),
        ("an end without parts", bare(r#"{"content":{"role":"model"},"finishReason":"STOP"}"#), Read::Text),
        ("an end with null parts", bare(r#"{"content":{"parts":null},"finishReason":"STOP"}"#), Read::Text),
        ("an end with no parts", bare(r#"{"content":{"parts":[]},"finishReason":"STOP"}"#), Read::Text),
        (
            "an end with an empty part",
            bare(r#"{"content":{"parts":[{}]},"finishReason":"STOP"}"#),
            Read::Text,
        ),
        ("a number for the end", bare(r#"{"content":{"parts":[]},"finishReason":1}"#), Read::Text),
        (
            "a reason of no meaning before the end",
            events(&[
                &text.replace(r#","index":0}"#, r#","finishReason":"FINISH_REASON_UNSPECIFIED"}"#),
                end,
            ]),
            Read::Text,
        ),
        (
            "a null reason before the end",
            events(&[&text.replace(r#","index":0}"#, r#","finishReason":null}"#), end]),
            Read::Text,
        ),
        (
            "an empty reason before the end",
            events(&[&text.replace(r#","index":0}"#, r#","finishReason":""}"#), end]),
            Read::Text,
        ),
        (
            "an empty frame first",
            events(&[r#"{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"}}]}"#, text, end]),
            Read::Text,
        ),
        (
            "STOP first, with nothing",
            events(&[
                r#"{"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}]}"#,
                text,
                end,
            ]),
            Read::Text,
        ),
        (
            "counts as text",
            plain().replace("Count\":3", "Count\":\"3\"").replace("Count\":2", "Count\":\"2\""),
            Read::Text,
        ),
        (
            "an empty feedback on the prompt",
            plain().replace(r#"{"candidates""#, r#"{"promptFeedback":{},"candidates""#),
            Read::Text,
        ),
        (
            "ratings of the prompt",
            plain().replace(r#"{"candidates""#, r#"{"promptFeedback":{"safetyRatings":[]},"candidates""#),
            Read::Text,
        ),
        (
            "an unspecified block",
            plain().replace(
                r#"{"candidates""#,
                r#"{"promptFeedback":{"blockReason":"BLOCK_REASON_UNSPECIFIED"},"candidates""#,
            ),
            Read::Text,
        ),
        ("a thought", part(r#"{"text":"hm","thought":true},{"text":"Hé"}"#), Read::Thought),
        (
            "a thought with a signature",
            part(
                r#"{"text":"hm","thought":true,"thoughtSignature":"cw=="},{"text":"Hé","thoughtSignature":"cw=="}"#,
            ),
            Read::Thought,
        ),
        ("a call", part(call), Read::Call),
        (
            "a call with a signature",
            part(&call.replace(r#""args":{"a":1}}"#, r#""args":{"a":1}},"thoughtSignature":"cw==""#)),
            Read::Call,
        ),
        ("a call with an id", part(&call.replace(r#"{"name""#, r#"{"id":"t","name""#)), Read::Call),
        ("a call with an empty id", part(&call.replace(r#"{"name""#, r#"{"id":"","name""#)), Read::Call),
        ("two calls in one piece", part(&format!("{call},{other}")), Read::Calls),
        (
            "two calls in two pieces",
            events(&[
                &format!(r#"{{"candidates":[{{"content":{{"parts":[{call}]}}}}]}}"#),
                &format!(r#"{{"candidates":[{{"content":{{"parts":[{other}]}},"finishReason":"STOP"}}]}}"#),
            ]),
            Read::Calls,
        ),
        (
            "two calls with one id",
            part(&format!(
                "{},{}",
                call.replace(r#"{"name""#, r#"{"id":"","name""#),
                other.replace(r#"{"name""#, r#"{"id":"","name""#)
            )),
            Read::Calls,
        ),
        (
            "a call, and the end by itself",
            events(&[
                &format!(r#"{{"candidates":[{{"content":{{"parts":[{call}]}}}}]}}"#),
                r#"{"candidates":[{"content":{},"finishReason":"STOP"}]}"#,
            ]),
            Read::Call,
        ),
        (
            "a malformed call",
            last(
                r#"{"content":{},"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"Malformed function call: print(x)"}"#,
            ),
            Read::Failed("bad_output"),
        ),
        (
            "an answer that was withheld",
            last(r#"{"finishReason":"SAFETY","safetyRatings":[]}"#),
            Read::Filtered,
        ),
        (
            "a prompt that was blocked",
            events(&[
                r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":3}}"#,
            ]),
            Read::Failed("content_policy"),
        ),
        (
            "a prompt that was blocked, with no candidates",
            events(&[r#"{"candidates":[],"promptFeedback":{"blockReason":"SAFETY","safetyRatings":[]}}"#]),
            Read::Failed("content_policy"),
        ),
        (
            "a prompt that was blocked for a number",
            events(&[r#"{"promptFeedback":{"blockReason":1}}"#]),
            Read::Failed("content_policy"),
        ),
        (
            "an error",
            events(&[
                text,
                r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#,
            ]),
            Read::Failed("overloaded"),
        ),
        (
            "an error in a list",
            events(&[text, r#"[{"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED"}}]"#]),
            Read::Failed("rate_limited"),
        ),
        (
            "an error in the list of pieces",
            format!("[{text},{}]", r#"{"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED"}}"#),
            Read::Failed("rate_limited"),
        ),
        ("an error as text", events(&[text, r#"{"error":"overloaded"}"#]), Read::Failed("server")),
        (
            "an error's body",
            r#"{"error":{"code":500,"message":"x","status":"INTERNAL"}}"#.to_owned(),
            Read::Failed("server"),
        ),
        ("no end", events(&[text]), Read::Failed("truncated")),
        ("a list without its end", format!("[{text},"), Read::Failed("truncated")),
        ("nothing", String::new(), Read::Failed("protocol")),
    ];
    check("gemini", "stream_generate_content", &rows);
}
