//! Callers' requests, valid and invalid.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::encode::{self, Destination};

fn wrong(body: &str) -> String {
    let error = MessagesRequest::parse(body.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidRequest);
    error.message().to_owned()
}

#[test]
fn validation_errors_name_the_field() {
    let with = |fields: &str| {
        wrong(&format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{fields}}}"#))
    };
    for (fields, says) in [
        (r#""temperature":1.5"#, "`temperature` is 1.5; it must be between 0 and 1"),
        (r#""max_tokens":0"#, "`max_tokens` must be at least 1"),
        (r#""top_k":-1"#, "`top_k` must be a whole number"),
        (r#""tools":[{"name":"f"}]"#, "`tools[0].input_schema` is missing"),
        (r#""tools":[{"input_schema":{}}]"#, "`tools[0].name` is missing"),
        (r#""tools":[{"name":"f","input_schema":[]}]"#, "`tools[0].input_schema` must be an object"),
        (r#""tool_choice":{"type":"perhaps"}"#, "`tool_choice.type` is `perhaps`"),
        (r#""tool_choice":{"type":"tool"}"#, "`tool_choice.name` is missing"),
        (r#""output_config":{"format":{"type":"xml"}}"#, "`output_config.format.type` is `xml`"),
        (r#""output_format":{"type":"json_schema"}"#, "`output_format.schema` is missing"),
        (r#""system":7"#, "`system` must be a text or a list of blocks"),
        (r#""tool_choice":["auto"]"#, "`tool_choice` must be an object"),
        (r#""output_format":["json_schema",{}]"#, "`output_format` must be an object"),
        (r#""metadata":["me"]"#, "`metadata` must be an object"),
        (r#""hotspare":[]"#, "`hotspare` must be an object"),
        (r#""hotspare":{"deadline":"20"}"#, "`hotspare.deadline` is `20`"),
    ] {
        let said = with(fields);
        assert!(said.contains(says), "{fields}: {said}");
    }
    for (message, says) in [
        (r#"["user","x"]"#, "`messages[0]` must be an object"),
        (r#"{"role":"tool","content":"x"}"#, "`messages[0].role` is `tool`"),
        (r#"{"content":"x"}"#, "`messages[0].role` is missing"),
        (r#"{"role":"user"}"#, "`messages[0].content` is missing"),
        (r#"{"role":"user","content":[{"text":"x"}]}"#, "`messages[0].content[0].type` is missing"),
        (r#"{"role":"user","content":[{"type":"text"}]}"#, "`messages[0].content[0].text` is missing"),
        (r#"{"role":"user","content":[{"type":"image"}]}"#, "`messages[0].content[0].source` is missing"),
        (
            r#"{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":[]}]}"#,
            "`messages[0].content[0].input` must be an object",
        ),
    ] {
        let said = wrong(&format!(r#"{{"model":"m","messages":[{message}]}}"#));
        assert!(said.contains(says), "{message}: {said}");
    }
    assert!(wrong(r#"{"model":"m"}"#).contains("`messages` is missing"));
    assert!(wrong("[]").contains("not a JSON object"));
    let leak = wrong(r#"{"model":"m","messages":[{"role":"user","content":{"secret":"prompt words"}}]}"#);
    assert!(!leak.contains("prompt words"), "{leak}");
}

#[test]
fn request_round_trips_unchanged() {
    let body = json!({
        "model": "m", "max_tokens": 10, "stream": true, "temperature": 0.5, "top_k": 5, "stop_sequences": ["x"],
        "system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "look"},
                {"type": "image", "source": {"type": "url", "url": "https://h/a.png"}, "cache_control": {"type": "ephemeral"}},
                {"type": "document", "title": "t", "citations": {"enabled": true},
                 "source": {"type": "text", "media_type": "text/plain", "data": "é"}},
                {"type": "document", "source": {"type": "file", "file_id": "f1"}},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "S"},
                {"type": "redacted_thinking", "data": "R"},
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
                {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
                {"type": "text", "text": "so", "citations": [{"type": "char_location"}]},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"z": 1, "a": 2.50}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "no", "is_error": true, "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": "go on"},
            ]},
        ],
        "tools": [
            {"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": true, "defer_loading": true},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
        ],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}, "task_budget": {"total": 1}},
        "metadata": {"user_id": "u"}, "service_tier": "auto",
    });
    let incoming = MessagesRequest::parse(body.to_string().as_bytes()).unwrap();
    assert!(incoming.stream);
    let request = &incoming.request;
    assert_eq!((request.tools.len(), request.native_tools.len()), (1, 1));
    assert_eq!(request.reasoning_effort.as_deref(), Some("high"));
    assert_eq!(request.messages.len(), 5, "instructions, three turns, and a result of its own");
    let again: Value =
        serde_json::from_slice(&encode::body(request, &Destination::author(true)).unwrap()).unwrap();
    assert_eq!(again, body);
}

#[test]
fn tool_arguments_round_trip_verbatim() {
    let body = r#"{"model":"m","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"z":1.50,"a":{"y":1e3,"b":[]}}}]}]}"#;
    let request = MessagesRequest::parse(body.as_bytes()).unwrap().request;
    let again = String::from_utf8(encode::body(&request, &Destination::author(false)).unwrap()).unwrap();
    assert!(again.contains(r#""input":{"z":1.50,"a":{"y":1e3,"b":[]}}"#), "{again}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..300), text in "[\\[\\]{}:,\"a-z0-9. -]{0,80}") {
        let _ = MessagesRequest::parse(&body);
        let _ = MessagesRequest::parse(text.as_bytes());
        let _ = MessagesRequest::parse(format!(r#"{{"model":"m","messages":[{text}]}}"#).as_bytes());
        let _ = MessagesRequest::parse(format!(r#"{{"model":"m","messages":[{{"role":"user","content":[{text}]}}]}}"#).as_bytes());
    }
}

#[test]
fn betas_are_taken_from_the_header_only() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"x"}],"anthropic-beta":"b"}"#;
    let error = MessagesRequest::parse(body).unwrap_err();
    assert_eq!(error.message(), "`anthropic-beta` is a header, not a field: send it as one");
}
