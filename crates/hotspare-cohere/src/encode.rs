//! Requests to the wire's JSON, version 2.
//!
//! What the wire lacks and would change the answer (one tool by name, a document) is refused as unsupported; a mere hint is
//! dropped and listed by [`notes`], as is a lowered temperature. Invariant: schemas are sent verbatim.

use hotspare_core::{
    ChatRequest, Error, Kind, Message, OutputFormat, Part, Role, Tool, ToolChoice, ToolResult,
};
use hotspare_provider::{
    JsonObject, Lacks, check_tool_choice, function_tools, offers_tools, result_text, unwritten_fields,
};
use serde_json::{Value, json};

use crate::WIRE;

/// The wire's own fields that bring tools.
const TOOL_FIELDS: &[&str] = &["tools"];

/// The highest temperature.
const MAX_TEMPERATURE: f64 = 1.0;

/// The hints that the wire has no place for. It takes reasoning only as the plan of tool calls.
const LACKS: Lacks = Lacks {
    end_user: true,
    parallel_tools: true,
    names: true,
    tool_errors: true,
    message_fields: true,
    takes_reasoning: |message| message.parts.iter().any(|part| matches!(part, Part::ToolCall(_))),
    ..Lacks::NOTHING
};

/// The parts of a request that are changed or dropped.
pub(crate) fn notes(request: &ChatRequest) -> Vec<String> {
    let mut notes = Vec::new();
    let own = request.extras.get(WIRE).is_some_and(|own| own.contains_key("temperature"));
    if let Some(wanted) = request.sampling.temperature.filter(|wanted| *wanted > MAX_TEMPERATURE && !own) {
        notes.push(format!("temperature {wanted} lowered to {MAX_TEMPERATURE}"));
    }
    if let Some(effort) = request.reasoning_effort.as_deref().filter(|effort| *effort != "none") {
        let sent = if effort == "minimal" { "off" } else { "on" };
        notes.push(format!("reasoning effort {effort} mapped to {sent}"));
    }
    if request.tools.iter().any(is_strict) && !enforces_tools(request) {
        notes.push("tools are not enforced: this wire enforces all or none, and not all are strict".into());
    }
    notes.extend(LACKS.notes(request, WIRE));
    notes.extend(unwritten_fields(request, WIRE, |_, _| false));
    notes
}

/// Whether a tool's schema is to be enforced.
fn is_strict(tool: &Tool) -> bool {
    tool.strict == Some(true)
}

/// Whether every tool that is sent is strict. A native one says nothing of that.
fn enforces_tools(request: &ChatRequest) -> bool {
    let has_native = request.native_tools.iter().any(|tool| tool.wire == WIRE);
    !request.tools.is_empty() && !has_native && request.tools.iter().all(is_strict)
}

/// Encodes the body of a request.
pub(crate) fn body(request: &ChatRequest, model: &str, stream: bool) -> Result<String, Error> {
    check(request)?;
    let mut out = JsonObject::default();
    let sampling = &request.sampling;
    out.put("model", Some(model));
    out.put("messages", Some(messages(&request.messages)?));
    out.put("stream", stream.then_some(true));
    out.put("max_tokens", request.max_output);
    out.put("temperature", sampling.temperature.map(|wanted| json!(wanted.min(MAX_TEMPERATURE))));
    out.put("p", sampling.top_p.map(|value| json!(value)));
    out.put("k", sampling.top_k);
    out.put("seed", sampling.seed);
    out.put("frequency_penalty", sampling.frequency_penalty.map(|value| json!(value)));
    out.put("presence_penalty", sampling.presence_penalty.map(|value| json!(value)));
    out.put("stop_sequences", (!request.stop.is_empty()).then(|| request.stop.clone()));
    out.put(
        "tool_choice",
        match &request.tool_choice {
            Some(ToolChoice::Required) => Some("REQUIRED"),
            Some(ToolChoice::None) => Some("NONE"),
            _ => None,
        }
        .filter(|_| offers_tools(request, WIRE, TOOL_FIELDS)),
    );
    match request.reasoning_effort.as_deref() {
        None => {}
        Some("none" | "minimal") => out.put("thinking", Some(json!({"type": "disabled"}))),
        Some(_) => out.put("thinking", Some(json!({"type": "enabled"}))),
    }
    match &request.output {
        OutputFormat::JsonObject => out.put("response_format", Some(json!({"type": "json_object"}))),
        OutputFormat::JsonSchema { schema, .. } => {
            out.put_raw("response_format", format!(r#"{{"type":"json_object","json_schema":{schema}}}"#));
        }
        _ => {}
    }
    if let Some(tools) = function_tools(request, WIRE) {
        out.put_raw("tools", tools);
        if enforces_tools(request) {
            out.put("strict_tools", Some(true));
        }
    }
    out.overlay(request.extras.get(WIRE).into_iter().flatten());
    Ok(out.finish())
}

fn check(request: &ChatRequest) -> Result<(), Error> {
    request.check_numbers()?;
    check_tool_choice(request, WIRE, TOOL_FIELDS)?;
    let unsupported = |what: &str| Err(Error::new(Kind::Unsupported, what));
    if request.stop.len() > 5 {
        return unsupported("this wire allows at most 5 stop sequences");
    }
    if matches!(request.tool_choice, Some(ToolChoice::Named(_))) {
        return unsupported("this wire cannot force one tool by name");
    }
    if request.natives(WIRE).next().is_some() {
        return unsupported("this wire has no parts of its own");
    }
    Ok(())
}

fn messages(messages: &[Message]) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    for message in messages {
        let role = match message.role {
            Role::Assistant => "assistant",
            Role::System | Role::Developer => "system",
            _ => "user",
        };
        let (mut content, mut reasoning_text, mut calls) = (Vec::new(), String::new(), Vec::new());
        for part in &message.parts {
            match part {
                Part::Text(text) | Part::Refusal(text) if text.is_empty() => {}
                Part::Text(text) | Part::Refusal(text) => content.push(json!({"type": "text", "text": text})),
                Part::Image(media) => {
                    content.push(json!({"type": "image_url", "image_url": {"url": media.to_url()}}));
                }
                Part::Document(_) => {
                    return Err(Error::new(
                        Kind::Unsupported,
                        "this wire does not support documents of this kind",
                    ));
                }
                Part::Reasoning(reasoning) => reasoning_text.push_str(&reasoning.text),
                Part::ToolCall(call) => {
                    let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
                    calls.push(json!({
                        "id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments},
                    }));
                }
                Part::ToolResult(result) => out.push(tool_result(result)?),
                _ => {}
            }
        }
        if content.is_empty() && calls.is_empty() {
            continue;
        }
        let mut turn = json!({"role": role});
        match content.as_slice() {
            [] => {}
            [only] if only["type"] == "text" => turn["content"] = only["text"].clone(),
            _ => turn["content"] = content.into(),
        }
        if !calls.is_empty() {
            turn["tool_calls"] = calls.into();
            if !reasoning_text.is_empty() {
                turn["tool_plan"] = reasoning_text.into();
            }
        }
        out.push(turn);
    }
    if out.is_empty() {
        return Err(Error::new(Kind::InvalidRequest, "the request has no turn to answer"));
    }
    Ok(out)
}

fn tool_result(result: &ToolResult) -> Result<Value, Error> {
    if result.content.iter().any(|part| matches!(part, Part::Image(_) | Part::Document(_))) {
        return Err(Error::new(Kind::Unsupported, "this wire allows only text in tool results"));
    }
    let text: String = result_text(result).iter().filter_map(Part::as_text).collect();
    Ok(json!({"role": "tool", "tool_call_id": result.id, "content": text}))
}

#[cfg(test)]
mod tests {
    use hotspare_core::{Json, Media, Native, ToolCall};

    use super::*;

    #[test]
    fn encodes_a_conversation_with_a_tool() {
        let schema = Json::parse(r#"{"type":"object","properties":{"z":{},"a":{}}}"#).unwrap();
        let mut request = ChatRequest::to("x")
            .system("be brief")
            .user("hi")
            .message(Message::new(Role::Assistant, vec![Part::ToolCall(ToolCall::new("c1", "f", ""))]))
            .message(Message::tool(ToolResult::new("c1", "42")))
            .tool(Tool::new("f", schema).with_strict(true))
            .max_output(9)
            .temperature(0.5);
        request.tool_choice = Some(ToolChoice::Required);
        let body = body(&request, "m", true).unwrap();
        assert!(body.contains(r#"{"z":{},"a":{}}"#), "the schema's order is kept: {body}");
        let read: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(read["messages"][0], json!({"role": "system", "content": "be brief"}));
        assert_eq!(read["messages"][2]["tool_calls"][0]["function"], json!({"name": "f", "arguments": "{}"}));
        assert_eq!(read["messages"][3], json!({"role": "tool", "tool_call_id": "c1", "content": "42"}));
        assert_eq!(read["tool_choice"], "REQUIRED");
        assert_eq!(read["strict_tools"], true);
        assert_eq!((&read["max_tokens"], &read["temperature"]), (&json!(9), &json!(0.5)));
    }

    #[test]
    fn tools_are_enforced_only_if_all_of_them_are_strict() {
        let tool = |name: &str, strict| Tool::new(name, Json::parse("{}").unwrap()).with_strict(strict);
        let sent_beside = |native: &[&'static str], tools: &[Tool]| {
            let mut request = tools.iter().cloned().fold(ChatRequest::to("x").user("hi"), ChatRequest::tool);
            let own = r#"{"type":"function","function":{"name":"n"}}"#;
            request.native_tools =
                native.iter().map(|wire| Native::new(*wire, Json::parse(own).unwrap())).collect();
            let read: Value = serde_json::from_str(&body(&request, "m", false).unwrap()).unwrap();
            (read["strict_tools"] == true, notes(&request))
        };
        let sent = |tools: &[Tool]| sent_beside(&[], tools);
        assert_eq!(sent(&[tool("f", true), tool("g", true)]), (true, vec![]));
        let note =
            "tools are not enforced: this wire enforces all or none, and not all are strict".to_owned();
        assert_eq!(sent(&[tool("f", true), tool("g", false)]), (false, vec![note.clone()]));
        assert_eq!(sent(&[tool("f", false)]), (false, vec![]));
        assert_eq!(sent_beside(&[WIRE], &[]), (false, vec![]));
        assert_eq!(sent_beside(&[WIRE], &[tool("f", true)]), (false, vec![note]));
        assert!(sent_beside(&["another"], &[tool("f", true)]).0, "only what is sent counts");
    }

    #[test]
    fn approximated_settings_are_noted() {
        let mut request = ChatRequest::to("x").user("hi").temperature(1.0);
        assert_eq!(notes(&request), Vec::<String>::new());
        request = request.temperature(1.5).end_user("u").tool(Tool::new("f", Json::parse("{}").unwrap()));
        request.parallel_tools = Some(false);
        let read: Value = serde_json::from_str(&body(&request, "m", false).unwrap()).unwrap();
        assert_eq!(read["temperature"], json!(1.0));
        let lost = ["dropped: one tool call at a time", "dropped: the end user's id"];
        assert_eq!(notes(&request), ["temperature 1.5 lowered to 1", lost[0], lost[1]]);
    }

    #[test]
    fn unsupported_settings_are_rejected() {
        let kind = |request: &ChatRequest| body(request, "m", false).unwrap_err().kind();
        let mut named = ChatRequest::to("x").user("hi").tool(Tool::new("f", Json::parse("{}").unwrap()));
        named.tool_choice = Some(ToolChoice::Named("f".into()));
        assert_eq!(kind(&named), Kind::Unsupported);
        let shown = vec![Part::Image(Media::Base64 { media_type: "image/png".into(), data: "AAAA".into() })];
        let shown =
            ChatRequest::to("x").user("hi").message(Message::tool(ToolResult::from_parts("c", shown)));
        assert_eq!(kind(&shown), Kind::Unsupported);
        assert_eq!(kind(&ChatRequest::to("x")), Kind::InvalidRequest);
    }
}
