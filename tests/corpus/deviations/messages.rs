//! Streams of the Messages wire that no recording has.
//!
//! Invariant: a deviation changes nothing of the answer.

use serde_json::json;

use super::{Read, check, events};

const START: &str = r#"{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"c","content":[],"stop_reason":null,"usage":{"input_tokens":3,"output_tokens":1}}}"#;
const BLOCK: &str = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
const DELTA: &str = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hé"}}"#;
const BLOCK_END: &str = r#"{"type":"content_block_stop","index":0}"#;
const ANSWER_END: &str = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":2}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

/// A body of events with the names of their types.
fn named(frames: &[&str]) -> String {
    let name = |frame: &str| {
        let value: serde_json::Value = serde_json::from_str(frame).unwrap_or_default();
        value["type"].as_str().unwrap_or("message").to_owned()
    };
    frames.iter().map(|frame| format!("event: {}\ndata: {frame}\n\n", name(frame))).collect()
}

#[test]
fn deviations_of_messages_streams_change_nothing() {
    let plain = || named(&[START, BLOCK, DELTA, BLOCK_END, ANSWER_END, STOP]);
    let tool = |start: &str, pieces: &[&str]| {
        let end = ANSWER_END.replace("end_turn", "tool_use");
        let frames: Vec<&str> =
            [START, start].into_iter().chain(pieces.iter().copied()).chain([BLOCK_END, &end, STOP]).collect();
        named(&frames)
    };
    let open = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#;
    let piece = |json: &str| {
        let delta = json!({"type": "input_json_delta", "partial_json": json});
        format!(r#"{{"type":"content_block_delta","index":0,"delta":{delta}}}"#)
    };
    let ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
    let error = |body: &str| format!("{}event: error\ndata: {body}\n\n", named(&[START]));
    let rows = [
        ("plain", plain(), Read::Text),
        ("pings between", plain().replace("event:", &format!("{ping}event:")), Read::Text),
        ("pings without a body", plain().replace("event:", "event: ping\ndata: {}\n\nevent:"), Read::Text),
        ("comments between", plain().replace("event:", ": ping\n\nevent:"), Read::Text),
        ("no names", events(&[START, BLOCK, DELTA, BLOCK_END, ANSWER_END, STOP]), Read::Text),
        ("names that disagree", plain().replace("event: content_block_delta", "event: message"), Read::Text),
        (
            "types in the names only",
            plain().lines().map(|line| {
                let start = line.find("{\"type\":\"").filter(|at| *at == 6);
                let rest = start.and_then(|_| line.find(',').map(|at| format!("data: {{{}", &line[at + 1..])));
                format!("{}\n", rest.unwrap_or_else(|| line.replace("{\"type\":\"message_stop\"}", "{}")))
            }).collect(),
            Read::Text,
        ),
        ("CRLF", plain().replace('\n', "\r\n"), Read::Text),
        ("byte order mark", format!("\u{feff}{}", plain()), Read::Text),
        ("an end mark of another wire", format!("{}data: [DONE]\n\n", plain()), Read::Text),
        ("no message_stop", named(&[START, BLOCK, DELTA, BLOCK_END, ANSWER_END]), Read::Text),
        ("no ends of blocks", named(&[START, BLOCK, DELTA, ANSWER_END, STOP]), Read::Text),
        ("no starts of blocks", named(&[START, DELTA, BLOCK_END, ANSWER_END, STOP]), Read::Text),
        ("no indexes", plain().replace(r#""index":0,"#, "").replace(r#","index":0"#, ""), Read::Text),
        ("text in the start of a block", named(&[START, &BLOCK.replace(r#""text":"""#, r#""text":"Hé""#), BLOCK_END, ANSWER_END, STOP]), Read::Text),
        ("deltas without a type", plain().replace(r#""type":"text_delta","#, ""), Read::Text),
        ("counts as text", plain().replace(":3,", ":\"3\",").replace("tokens\":2", "tokens\":\"2\""), Read::Text),
        (
            "all counts at the end",
            plain().replace(r#""usage":{"output_tokens":2}"#, r#""usage":{"input_tokens":3,"output_tokens":2,"cache_read_input_tokens":0}"#)
                .replace(r#","usage":{"input_tokens":3,"output_tokens":1}"#, r#","usage":null"#),
            Read::Text,
        ),
        (
            "zero for the prompt at the start",
            plain().replace(r#""usage":{"output_tokens":2}"#, r#""usage":{"input_tokens":3,"output_tokens":2}"#)
                .replace(r#""input_tokens":3,"output_tokens":1"#, r#""input_tokens":0,"output_tokens":0"#),
            Read::Text,
        ),
        ("null for what does not change", plain().replace(r#""usage":{"output_tokens":2}"#, r#""usage":{"input_tokens":null,"output_tokens":2,"cache_read_input_tokens":null}"#), Read::Text),
        ("null content", plain().replace(r#""content":[]"#, r#""content":null"#), Read::Text),
        ("spaces after the data", plain().replace("}\n", "}     \n"), Read::Text),
        ("events of a new type", plain().replace("event:", "event: x_future\ndata: {\"type\":\"x_future\",\"text\":\"no\"}\n\nevent:"), Read::Text),
        (
            "thinking with a signature",
            named(&[
                START,
                r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}"#,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm","estimated_tokens":1}}"#,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}"#,
                BLOCK_END,
                &BLOCK.replace(":0,", ":1,"),
                &DELTA.replace(":0,", ":1,"),
                ANSWER_END,
            ]),
            Read::Thought,
        ),
        ("a call in pieces", tool(open, &[&piece(""), &piece(r#"{"a""#), &piece(":1}")]), Read::Call),
        ("a call with its input at the start", tool(&open.replace(r#""input":{}"#, r#""input":{"a":1}"#), &[]), Read::Call),
        ("a call with empty pieces after its input", tool(&open.replace(r#""input":{}"#, r#""input":{"a":1}"#), &[&piece("")]), Read::Call),
        ("a call without an input field", tool(&open.replace(r#","input":{}"#, ""), &[&piece(r#"{"a":1}"#)]), Read::Call),
        ("a call with a null input", tool(&open.replace(r#""input":{}"#, r#""input":null"#), &[&piece(r#"{"a":1}"#)]), Read::Call),
        ("a call with an empty text as input", tool(&open.replace(r#""input":{}"#, r#""input":"""#), &[&piece(r#"{"a":1}"#)]), Read::Call),
        ("a call that ends its turn", tool(open, &[&piece(r#"{"a":1}"#)]).replace("tool_use\",\"stop_seq", "end_turn\",\"stop_seq"), Read::Call),
        ("an overload", error(r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#), Read::Failed("overloaded")),
        ("an overload with null details", error(r#"{"type":"error","error":{"details":null,"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}"#), Read::Failed("overloaded")),
        ("an error as text", error(r#"{"type":"error","error":"Overloaded"}"#), Read::Failed("server")),
        ("an error without a type around it", error(r#"{"error":{"type":"rate_limit_error","message":"x"}}"#), Read::Failed("rate_limited")),
        ("an error of another wire", error(r#"{"error":{"message":"x","code":429,"type":"too_many"}}"#), Read::Failed("rate_limited")),
        ("an error's bare fields", error(r#"{"type":"overloaded_error","message":"Overloaded"}"#), Read::Failed("overloaded")),
        ("an error first", "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"x\"}}\n\n".to_owned(), Read::Failed("server")),
        ("an error's body", r#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#.to_owned(), Read::Failed("overloaded")),
        ("no end", named(&[START, BLOCK, DELTA]), Read::Failed("truncated")),
        ("an end without a reason", named(&[START, BLOCK, DELTA, BLOCK_END, STOP]), Read::Failed("truncated")),
        ("nothing", String::new(), Read::Failed("protocol")),
    ];
    check("anthropic", "messages", &rows);
}
