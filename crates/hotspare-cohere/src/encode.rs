//! Requests to the wire's JSON, second version.
//!
//! What the wire cannot say and what would change the answer (one tool by name, a temperature above 1, a document) is
//! refused as unsupported. Invariant: schemas are sent as they were spelled.

use hotspare_core::{ChatRequest, Error, Kind, Message, OutputFormat, Part, Role, ToolChoice, ToolResult};
use serde_json::{Map, Value, json};

use crate::WIRE;

/// Spells a request's body.
pub(crate) fn body(request: &ChatRequest, model: &str, stream: bool) -> Result<Vec<u8>, Error> {
    check(request)?;
    let mut out = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            out.insert(name.into(), value);
        }
    };
    let sampling = &request.sampling;
    put("model", Some(model.into()));
    put("messages", Some(messages(&request.messages)?.into()));
    put("stream", stream.then(|| true.into()));
    put("max_tokens", request.max_output.map(Into::into));
    put("temperature", sampling.temperature.map(|value| json!(value)));
    put("p", sampling.top_p.map(|value| json!(value)));
    put("k", sampling.top_k.map(Into::into));
    put("seed", sampling.seed.map(Into::into));
    put("frequency_penalty", sampling.frequency_penalty.map(|value| json!(value)));
    put("presence_penalty", sampling.presence_penalty.map(|value| json!(value)));
    put("stop_sequences", (!request.stop.is_empty()).then(|| request.stop.clone().into()));
    put(
        "tool_choice",
        match &request.tool_choice {
            Some(ToolChoice::Required) => Some("REQUIRED".into()),
            Some(ToolChoice::None) => Some("NONE".into()),
            _ => None,
        }
        .filter(|_| !request.tools.is_empty()),
    );
    match request.reasoning_effort.as_deref() {
        None => {}
        Some("none" | "minimal") => put("thinking", Some(json!({"type": "disabled"}))),
        Some(_) => put("thinking", Some(json!({"type": "enabled"}))),
    }
    let mut raw: Vec<(&str, String)> = Vec::new();
    match &request.output {
        OutputFormat::JsonObject => put("response_format", Some(json!({"type": "json_object"}))),
        OutputFormat::JsonSchema { schema, .. } => {
            raw.push(("response_format", format!(r#"{{"type":"json_object","json_schema":{schema}}}"#)));
        }
        _ => {}
    }
    if !request.tools.is_empty() {
        raw.push(("tools", tools(request)));
        if request.tools.iter().any(|tool| tool.strict == Some(true)) {
            put("strict_tools", Some(true.into()));
        }
    }
    for (name, value) in request.extras.get(WIRE).into_iter().flatten() {
        out.remove(name);
        raw.retain(|(written, _)| written != name);
        raw.push((name, value.as_str().to_owned()));
    }
    Ok(join(&out, &raw))
}

/// Schemas and extras are put in as they are spelled: a tree would sort their keys.
fn join(fields: &Map<String, Value>, raw: &[(&str, String)]) -> Vec<u8> {
    let mut text = Value::Object(fields.clone()).to_string();
    for (name, value) in raw {
        text.pop();
        text.push(',');
        text.push_str(&Value::from(*name).to_string());
        text.push(':');
        text.push_str(value);
        text.push('}');
    }
    text.into_bytes()
}

fn check(request: &ChatRequest) -> Result<(), Error> {
    let sampling = &request.sampling;
    let unsupported = |what: &str| Err(Error::new(Kind::Unsupported, what));
    if [sampling.temperature, sampling.top_p].into_iter().flatten().any(|value| !value.is_finite()) {
        return Err(Error::new(Kind::InvalidRequest, "a sampling value is not a finite number"));
    }
    if sampling.temperature.is_some_and(|temperature| temperature > 1.0) {
        return unsupported("this wire's temperature goes up to 1");
    }
    if request.stop.len() > 5 {
        return unsupported("this wire takes at most 5 stop texts");
    }
    if matches!(request.tool_choice, Some(ToolChoice::Named(_))) {
        return unsupported("this wire cannot force one tool by name");
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
        let (mut content, mut plan, mut calls) = (Vec::new(), String::new(), Vec::new());
        for part in &message.parts {
            match part {
                Part::Text(text) | Part::Refusal(text) if text.is_empty() => {}
                Part::Text(text) | Part::Refusal(text) => content.push(json!({"type": "text", "text": text})),
                Part::Image(media) => {
                    content.push(json!({"type": "image_url", "image_url": {"url": media.to_url()}}));
                }
                Part::Document(_) => {
                    return Err(Error::new(Kind::Unsupported, "this wire takes no documents of this kind"));
                }
                Part::Reasoning(reasoning) => plan.push_str(&reasoning.text),
                Part::ToolCall(call) => {
                    let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
                    calls.push(json!({
                        "id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments},
                    }));
                }
                Part::ToolResult(result) => out.push(tool_result(result)),
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
            if !plan.is_empty() {
                turn["tool_plan"] = plan.into();
            }
        }
        out.push(turn);
    }
    if out.is_empty() {
        return Err(Error::new(Kind::InvalidRequest, "the request has no turn to answer"));
    }
    Ok(out)
}

fn tool_result(result: &ToolResult) -> Value {
    let text: String = result.content.iter().filter_map(Part::as_text).collect();
    json!({"role": "tool", "tool_call_id": result.id, "content": text})
}

fn tools(request: &ChatRequest) -> String {
    let spelled: Vec<String> = request
        .tools
        .iter()
        .map(|tool| {
            let mut fields = Map::new();
            fields.insert("name".into(), tool.name.as_str().into());
            if let Some(description) = &tool.description {
                fields.insert("description".into(), description.as_str().into());
            }
            let function = join(&fields, &[("parameters", tool.parameters.as_str().to_owned())]);
            format!(r#"{{"type":"function","function":{}}}"#, String::from_utf8(function).unwrap_or_default())
        })
        .collect();
    format!("[{}]", spelled.join(","))
}

#[cfg(test)]
mod tests {
    use hotspare_core::{Json, Tool, ToolCall};

    use super::*;

    #[test]
    fn a_conversation_with_a_tool() {
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
        let body = String::from_utf8(body(&request, "m", true).unwrap()).unwrap();
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
    fn what_it_cannot_say_is_refused() {
        let kind = |request: &ChatRequest| body(request, "m", false).unwrap_err().kind();
        let mut named = ChatRequest::to("x").user("hi");
        named.tool_choice = Some(ToolChoice::Named("f".into()));
        assert_eq!(kind(&named), Kind::Unsupported);
        assert_eq!(kind(&ChatRequest::to("x").user("hi").temperature(1.5)), Kind::Unsupported);
        assert_eq!(kind(&ChatRequest::to("x")), Kind::InvalidRequest);
    }
}
