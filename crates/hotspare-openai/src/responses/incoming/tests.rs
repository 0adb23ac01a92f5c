//! Parsing of callers' requests.

use hotspare_core::Kind;
use serde_json::json;

use super::*;

#[test]
fn consecutive_assistant_items_become_one_turn() {
    let body = json!({"model": "r", "instructions": "be brief", "store": false, "input": [
        {"role": "user", "content": "hi"},
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "role": "assistant", "id": "m1", "content": [{"type": "output_text", "text": "a"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "ok"}]},
        {"type": "item_reference", "id": "x"},
    ]});
    let request = ResponsesRequest::parse(body.to_string().as_bytes()).unwrap().request;
    let roles: Vec<Role> = request.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool, Role::Assistant]);
    let turn = &request.messages[2].parts;
    assert!(
        matches!(&turn[0], Part::Reasoning(reasoning) if reasoning.text == "hm" && reasoning.signature.is_some())
    );
    assert!(matches!(&turn[2], Part::Fields(fields) if fields.raw.as_str() == r#"{"id":"m1"}"#));
    assert!(matches!(&turn[3], Part::ToolCall(call) if call.id == "c"));
    assert!(matches!(&request.messages[4].parts[0], Part::Native(_)));
    assert_eq!(request.extras[WIRE]["store"].as_str(), "false");
}

#[test]
fn validation_errors_name_the_field() {
    let cases = [
        (json!({"model": "r"}), "`input` is missing or empty"),
        (json!({"input": "x"}), "`model` is missing: name a route or a target"),
        (json!({"model": "r", "input": [{"role": "user"}]}), "`input[0].content` is missing"),
        (json!({"model": "r", "input": [{"role": "tool", "content": "x"}]}), "`input[0].role` is `tool`"),
        (
            json!({"model": "r", "input": [{"type": "function_call", "name": "f"}]}),
            "`input[0].call_id` is missing",
        ),
        (json!({"model": "r", "input": "x", "temperature": 3}), "`temperature` is 3"),
        (json!({"model": "r", "input": "x", "tools": [{"type": "function"}]}), "`tools[0].name` is missing"),
        (
            json!({"model": "r", "input": "x", "max_output_tokens": 0}),
            "`max_output_tokens` must be at least 1",
        ),
    ];
    for (body, what) in cases {
        let error = ResponsesRequest::parse(body.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidRequest, "{body}");
        assert!(error.message().starts_with(what), "{body}: {}", error.message());
    }
}
