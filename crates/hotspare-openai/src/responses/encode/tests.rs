//! Encoded requests.

use hotspare_core::{Origin, Reasoning, Signature, Tool, ToolCall, ToolResult};
use serde_json::{Value, json};

use super::*;
use crate::responses::ResponsesRequest;

fn encoded(request: &ChatRequest) -> Value {
    serde_json::from_slice(&body(request, "m", false, &Dialect::OPENAI).unwrap()).unwrap()
}

#[test]
fn encodes_a_conversation_as_items() {
    let proof = r#"{"type":"reasoning","id":"rs","summary":[],"encrypted_content":"x"}"#;
    let signature = Signature { origin: Origin("openai".into()), data: proof.into(), redacted: true };
    let mut request = ChatRequest::to("r").system("be brief").user("hi");
    request.messages.push(Message::new(
        Role::Assistant,
        vec![
            Part::Reasoning(Reasoning::default().with_signature(signature)),
            Part::Text("let me see".into()),
            Part::ToolCall(ToolCall::new("c", "f", "")),
            Part::Reasoning(Reasoning::new("another model's")),
        ],
    ));
    request.messages.push(Message::tool(ToolResult::new("c", "ok")));
    request.messages.push(Message::new(
        Role::User,
        vec![Part::Text("and this?".into()), Part::Image(Media::from_url("https://x/a.png"))],
    ));
    let body = encoded(&request);
    assert_eq!(body["instructions"], "be brief");
    assert_eq!(
        body["input"],
        json!([
            {"role": "user", "content": "hi"},
            serde_json::from_str::<Value>(proof).unwrap(),
            {"role": "assistant", "content": [{"type": "output_text", "text": "let me see"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "ok"},
            {"role": "user", "content": [
                {"type": "input_text", "text": "and this?"}, {"type": "input_image", "image_url": "https://x/a.png"}
            ]},
        ])
    );
}

#[test]
fn a_message_with_an_id_says_that_it_is_a_message() {
    let said = r#"{"model":"r","input":[{"type":"message","id":"msg_1","status":"completed","role":"assistant",
        "content":[{"type":"output_text","text":"hi"}]}]}"#;
    let request = crate::ResponsesRequest::parse(said.as_bytes()).unwrap().request;
    let item = json!({"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "text": "hi"}]});
    assert_eq!(encoded(&request)["input"], json!([item]));
}

/// The model's messages may be empty, and ids belong to one item each.
#[test]
fn an_empty_message_gives_its_id_to_no_call() {
    let said = json!({"model": "r", "input": [
        {"role": "user", "content": "hi"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "message", "id": "msg_1", "role": "assistant", "content": []},
        {"type": "function_call_output", "call_id": "c", "output": "ok"},
    ]});
    let request = ResponsesRequest::parse(said.to_string().as_bytes()).unwrap().request;
    let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"});
    let input = &encoded(&request)["input"];
    assert_eq!((&input[1], input.as_array().unwrap().len()), (&call, 3), "{input}");
}

/// The provider refuses an item with a field that it does not know.
#[test]
fn items_get_the_fields_that_the_wire_accepts_and_the_rest_is_noted() {
    let said = json!({"model": "r", "input": [
        {"role": "user", "content": "hi", "phase": "commentary", "priority": 1},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "metadata": {"turn": 1}},
        {"type": "function_call_output", "call_id": "c", "output": "ok", "seen": true},
    ]});
    let mut request = ResponsesRequest::parse(said.to_string().as_bytes()).unwrap().request;
    let own = json!({"id": "fc_1", "status": "completed", "phase": "commentary"});
    let call = Part::ToolCall(ToolCall::new("d", "f", ""));
    request
        .messages
        .push(Message::new(Role::Assistant, vec![call, Part::Fields(Native::new(WIRE, own.into()))]));
    let mut result = Message::tool(ToolResult::new("d", "ok"));
    let own = [("status", json!("completed")), ("elapsed", json!(3))];
    let own = own.map(|(name, value)| (name.to_owned(), Json::from(value)));
    result.extras.insert(WIRE.into(), own.into());
    request.messages.push(result);
    assert_eq!(
        encoded(&request)["input"],
        json!([
            {"role": "user", "content": "hi", "phase": "commentary"},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "ok"},
            {"type": "function_call", "call_id": "d", "name": "f", "arguments": "{}", "id": "fc_1", "status": "completed"},
            {"type": "function_call_output", "call_id": "d", "output": "ok", "status": "completed"},
        ])
    );
    let note = crate::responses::own_fields::dropped(&request).unwrap();
    assert_eq!(
        note,
        "dropped fields that this wire does not accept (elapsed, metadata, phase, priority, seen)"
    );
    assert_eq!(crate::responses::own_fields::dropped(&ChatRequest::to("r").user("hi")), None);
}

#[test]
fn extra_fields_are_merged() {
    let mut request = ChatRequest::to("r").user("hi").output(OutputFormat::JsonObject);
    request.reasoning_effort = Some("low".into());
    let extras = request.extras.entry(WIRE.into()).or_default();
    extras.insert("reasoning".into(), json!({"summary": "auto"}).into());
    extras.insert("text".into(), json!({"verbosity": "low"}).into());
    extras.insert("store".into(), json!(false).into());
    let body = encoded(&request);
    assert_eq!(body["reasoning"], json!({"effort": "low", "summary": "auto"}));
    assert_eq!(body["text"], json!({"format": {"type": "json_object"}, "verbosity": "low"}));
    assert_eq!(body["store"], false);
}

#[test]
fn unsupported_settings_are_rejected() {
    let mut request = ChatRequest::to("r").user("hi");
    request.stop.push("x".into());
    let error = body(&request, "m", false, &Dialect::OPENAI).unwrap_err();
    assert_eq!((error.kind(), error.message()), (Kind::Unsupported, "this wire does not support stop"));
}

/// Without the field, this wire's provider enforces the schema and rewrites it; no other wire does.
#[test]
fn a_tool_is_enforced_only_if_its_caller_says_so_or_used_this_wire() {
    let schema = || Json::from(json!({"type": "object", "properties": {}}));
    let strict_field = |request: &ChatRequest| encoded(request)["tools"][0].get("strict").cloned();
    let request = |tool: Tool| ChatRequest::to("r").user("hi").tool(tool);
    assert_eq!(strict_field(&request(Tool::new("f", schema()))), Some(json!(false)));
    for strict in [true, false] {
        let tool = Tool::new("f", schema()).with_strict(strict);
        assert_eq!(strict_field(&request(tool)), Some(json!(strict)));
    }
    for (sent, kept) in [
        (json!({}), None),
        (json!({"strict": null}), None),
        (json!({"strict": false}), Some(json!(false))),
        (json!({"strict": true}), Some(json!(true))),
    ] {
        let mut tool = json!({"type": "function", "name": "f", "parameters": {"type": "object"}});
        tool.as_object_mut().unwrap().extend(sent.as_object().unwrap().clone());
        let body = json!({"model": "r", "input": "hi", "tools": [tool]});
        let parsed = ResponsesRequest::parse(body.to_string().as_bytes()).unwrap().request;
        assert_eq!(strict_field(&parsed), kept, "{sent}");
    }
}

#[test]
fn effort_that_means_the_default_is_left_out() {
    let effort = |word: &str| {
        let mut request = ChatRequest::to("r").user("hi");
        request.reasoning_effort = Some(word.into());
        encoded(&request).get("reasoning").cloned()
    };
    assert_eq!(effort("default"), None);
    assert_eq!(effort("none"), Some(json!({"effort": "none"})));
}
