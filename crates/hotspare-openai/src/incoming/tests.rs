//! Callers' requests, valid and invalid.

use std::time::Duration;

use hotspare_core::{Kind, Part, Reasoning, ToolCall, ToolResult};
use proptest::prelude::*;

use super::*;
use crate::dialect::Dialect;

fn error_message(body: &str) -> String {
    let error = ChatCompletionsRequest::parse(body.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidRequest);
    error.message().to_owned()
}

#[test]
fn validation_errors_name_the_field() {
    let with = |fields: &str| {
        error_message(&format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{fields}}}"#))
    };
    assert!(with(r#""temperature":-1"#).contains("`temperature` is -1; it must be between 0 and 2"));
    assert!(with(r#""max_tokens":-5"#).contains("`max_tokens` must be a whole number"));
    assert!(with(r#""max_tokens":0"#).contains("`max_tokens` must be at least 1"));
    assert!(with(r#""n":3"#).contains("`n` must be 1"));
    assert!(with(r#""hotspare":{"deadline":"20"}"#).contains("`hotspare.deadline` is `20`"));
    assert!(with(r#""hotspare":{"failover":false}"#).contains("unknown option `hotspare.failover`"));
    assert!(with(r#""tool_choice":"perhaps""#).contains("`tool_choice` is `perhaps`"));
    assert!(with(r#""tools":[{"type":"function"}]"#).contains("`tools[0].function` is missing"));
    assert!(
        error_message(r#"{"model":"m","messages":[{"role":"wizard","content":"hi"}]}"#)
            .contains("`messages[0].role` is `wizard`")
    );
    assert!(
        error_message(r#"{"model":"m","messages":[{"role":"user"}]}"#)
            .contains("`messages[0].content` is missing")
    );
    assert!(error_message(r#"{"model":"m"}"#).contains("`messages` is missing"));
    assert!(error_message(r#"{"messages":[]}"#).contains("`model` is missing"));
    assert!(
        with(r#""max_tokens":5,"max_completion_tokens":6"#)
            .contains("`max_tokens` and `max_completion_tokens` differ")
    );
    for broken in ["", "[]", "null", "{", "\u{0}", r#"{"model":"#, "{\"model\":\"\u{1}\"}"] {
        assert!(error_message(broken).contains("not a JSON object"), "{broken:?}");
    }
    let deep = format!(r#"{{"model":"m","messages":{}"#, "[".repeat(100_000));
    assert!(error_message(&deep).contains("not a JSON object"));
}

#[test]
fn arrays_are_not_accepted_as_objects() {
    let message = r#"{"role":"user","content":"hi"}"#;
    for (fields, name) in [
        (r#""messages":[["user","hi",null,null,null,null,null]]"#.to_owned(), "messages[0]"),
        (r#""messages":[{"role":"user","content":[["text","hi"]]}]"#.to_owned(), "messages[0].content[0]"),
        (
            r#""messages":[{"role":"assistant","tool_calls":[{"id":"a","function":["f","{}"]}]}]"#.to_owned(),
            "messages[0].tool_calls[0]",
        ),
        (format!(r#""messages":[{message}],"hotspare":[]"#), "hotspare"),
        (format!(r#""messages":[{message}],"hotspare":[["a"]]"#), "hotspare"),
        (format!(r#""messages":[{message}],"stream_options":[true]"#), "stream_options"),
        (format!(r#""messages":[{message}],"tools":[["function",["f"]]]"#), "tools[0]"),
        (format!(r#""messages":[{message}],"tool_choice":[["f"]]"#), "tool_choice"),
        (format!(r#""messages":[{message}],"response_format":["json_object"]"#), "response_format"),
    ] {
        let told = error_message(&format!(r#"{{"model":"m",{fields}}}"#));
        assert!(told.contains(&format!("`{name}` must be")), "{fields}: {told}");
    }
    let same = format!(r#"{{"model":"m","messages":[{message}],"max_tokens":5,"max_completion_tokens":5}}"#);
    assert_eq!(ChatCompletionsRequest::parse(same.as_bytes()).unwrap().request.max_output, Some(5));
}

#[test]
fn deep_nesting_is_rejected_except_inside_strings() {
    let deep = format!(r#"{{"model":"m","messages":[],"x":{}{}}}"#, "[".repeat(101), "]".repeat(101));
    assert!(error_message(&deep).contains("`x` nests deeper than 100 levels"));
    let text = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{}"}}]}}"#, "[".repeat(5_000));
    assert!(ChatCompletionsRequest::parse(text.as_bytes()).is_ok());
}

#[test]
fn prompts_do_not_leak_into_errors() {
    let message =
        error_message(r#"{"model":"m","messages":[{"role":"user","content":{"secret":"prompt words"}}]}"#);
    assert!(!message.contains("prompt words"), "{message}");
}

#[test]
fn unknown_fields_are_kept() {
    let incoming = ChatCompletionsRequest::parse(
        br#"{"model":"m","messages":[{"role":"user","content":"hi"}],"logit_bias":{"5":1},"stream":true,
        "stream_options":{"include_usage":true},"hotspare":{"only":["a"],"deadline":"1.5s"}}"#,
    )
    .unwrap();
    assert_eq!(incoming.request.extras[WIRE]["logit_bias"].as_str(), r#"{"5":1}"#);
    assert_eq!(incoming.request.options.deadline, Some(Duration::from_millis(1_500)));
    assert!(incoming.stream && incoming.include_usage);
}

#[test]
fn native_parts_round_trip_in_place() {
    let incoming = ChatCompletionsRequest::parse(
        br#"{"model":"m","tools":[{"type":"custom","custom":{"name":"c"}}],"messages":[{"role":"user","content":[
        {"type":"image_url","image_url":{"url":"https://h/a.png","detail":"low"}},
        {"type":"input_audio","input_audio":{"data":"AA","format":"wav"}},
        {"type":"file","file":{"file_data":"data:application/pdf;base64,AA","filename":"a.pdf"}}]}]}"#,
    )
    .unwrap();
    let body = crate::encode::body(&incoming.request, "m", false, &crate::Dialect::OPENAI).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let content = &value["messages"][0]["content"];
    assert_eq!(content[0]["image_url"], serde_json::json!({"url": "https://h/a.png", "detail": "low"}));
    assert_eq!(content[1]["input_audio"]["format"], "wav");
    assert_eq!(content[2]["file"]["filename"], "a.pdf");
    assert_eq!(value["tools"][0]["custom"]["name"], "c");
}

/// Prompt caching, the beginning of an answer and thought signatures depend on them.
#[test]
fn unknown_fields_inside_messages_and_tools_are_sent_where_the_host_takes_them() {
    let mark = serde_json::json!({"type": "ephemeral"});
    let body = serde_json::json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "a", "cache_control": mark}]},
            {"role": "user", "content": "b", "cache_control": mark},
            {"role": "assistant", "content": null, "tool_calls": [{
                "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"},
                "extra_content": {"google": {"thought_signature": "s"}},
            }]},
            {"role": "tool", "tool_call_id": "c", "content": "d", "cache_control": mark},
            {"role": "user", "content": [{
                "type": "image_url", "image_url": {"url": "https://h/a.png", "detail": "low"}, "cache_control": mark,
            }]},
            {"role": "assistant", "content": "e", "prefix": true},
        ],
        "tools": [{
            "type": "function", "cache_control": mark,
            "function": {"name": "f", "parameters": {"type": "object"}, "defer_loading": true},
        }],
    });
    let read = ChatCompletionsRequest::parse(body.to_string().as_bytes()).unwrap();
    let sent = |id: &str| {
        let sent = crate::encode::body(&read.request, "m", false, Dialect::find(id).unwrap()).unwrap();
        serde_json::from_slice::<serde_json::Value>(&sent).unwrap()
    };
    let all = sent("compatible");
    assert_eq!((&all["messages"], &all["tools"]), (&body["messages"], &body["tools"]));
    let some = sent("mistral").to_string();
    assert!(some.contains("prefix") && !some.contains("cache_control") && !some.contains("extra_content"));
    let note = "dropped fields that this host does not accept (cache_control, defer_loading, extra_content)";
    assert_eq!(accepts::changes(&read.request, Dialect::find("mistral").unwrap()), [note]);
}

#[test]
fn parts_of_unknown_types_are_kept_for_hosts_of_this_wire() {
    let parts = serde_json::json!([
        {"type": "document_url", "document_url": "https://h/a.pdf"},
        {"type": "video_url", "video_url": {"url": "https://h/a.mp4"}},
    ]);
    let body = serde_json::json!({"model": "m", "messages": [{"role": "user", "content": parts}]});
    let read = ChatCompletionsRequest::parse(body.to_string().as_bytes()).unwrap();
    assert_eq!(read.request.natives(WIRE).count(), 2);
    let sent = crate::encode::body(&read.request, "m", false, &Dialect::OPENAI).unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&sent).unwrap()["messages"][0]["content"], parts);
}

#[test]
fn older_function_calls_are_answered_by_name() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"a"},
        {"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},
        {"role":"function","name":"f","content":"b"}]}"#;
    let messages = ChatCompletionsRequest::parse(body.as_bytes()).unwrap().request.messages;
    assert_eq!(messages[1].parts, [Part::ToolCall(ToolCall::new("f", "f", "{}"))]);
    assert_eq!(messages[2].parts, [Part::ToolResult(ToolResult::new("f", "b"))]);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..300), text in "[\\[\\]{}:,\"a-z0-9. -]{0,80}") {
        let _ = ChatCompletionsRequest::parse(&body);
        let _ = ChatCompletionsRequest::parse(text.as_bytes());
        let _ = ChatCompletionsRequest::parse(format!(r#"{{"model":"m","messages":[{text}]}}"#).as_bytes());
    }
}

#[test]
fn reasoning_is_read_under_each_name() {
    let turn = |fields: &str| {
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"a"}},{{"role":"assistant","content":"x",{fields}}}]}}"#
        );
        ChatCompletionsRequest::parse(body.as_bytes()).map(|read| read.request.messages[1].parts.clone())
    };
    let plain = vec![Part::Reasoning(Reasoning::new("why")), Part::Text("x".into())];
    assert_eq!(turn(r#""reasoning_content":"why""#).unwrap(), plain);
    assert_eq!(turn(r#""reasoning":"why","reasoning_details":null"#).unwrap(), plain);
    assert_eq!(turn(r#""reasoning":{"effort":"high"}"#).unwrap(), [Part::Text("x".into())]);
    let error = turn(r#""reasoning_details":[5]"#).unwrap_err();
    assert!(error.message().contains("`messages[1].reasoning_details[0]`"), "{}", error.message());
}

/// The entries go back to the host that signed them as they came, with any text next to them.
#[test]
fn reasoning_details_return_unchanged() {
    let details = serde_json::json!([
        {"type": "reasoning.summary", "summary": "why", "format": "openai-responses-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "AA", "id": "rs_1", "index": 1},
        {"type": "reasoning.text", "text": "more", "signature": "s", "index": 2},
    ]);
    let body = serde_json::json!({"model": "m", "messages": [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "x", "reasoning": "whymore", "reasoning_details": details},
        {"role": "user", "content": "b"},
    ]});
    let read = ChatCompletionsRequest::parse(body.to_string().as_bytes()).unwrap();
    let openrouter = Dialect::find("openrouter").unwrap();
    let sent = crate::encode::body(&read.request, "m", false, openrouter).unwrap();
    let sent: serde_json::Value = serde_json::from_slice(&sent).unwrap();
    assert_eq!(sent["messages"][1]["reasoning_details"], details);
    assert!(sent["messages"][1]["reasoning"].is_null(), "its texts are in the entries");
}
