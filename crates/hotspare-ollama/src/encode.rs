//! Requests to the wire's JSON.
//!
//! Tool results name the tool, not the call, so names are looked up in the turns before. What the wire lacks and would
//! change the answer (a forced tool, an image by URL, a document) is refused as unsupported; a hint is dropped and listed
//! by [`notes`]. Invariant: schemas are
//! sent verbatim.

use std::collections::BTreeMap;

use hotspare_core::{ChatRequest, Error, Kind, Media, Message, OutputFormat, Part, Role, ToolChoice};
use hotspare_provider::{
    JsonObject, Lacks, check_tool_choice, function_tools, result_text, unwritten_fields,
};
use serde_json::{Map, Value, json};

use crate::WIRE;

/// The hints that the wire has no place for.
const LACKS: Lacks = Lacks {
    end_user: true,
    parallel_tools: true,
    strict_tools: true,
    names: true,
    tool_errors: true,
    message_fields: true,
    takes_reasoning: |message| message.parts.iter().any(is_written),
    ..Lacks::NOTHING
};

/// Whether a part makes its turn one that is sent.
fn is_written(part: &Part) -> bool {
    match part {
        Part::Text(text) | Part::Refusal(text) => !text.is_empty(),
        Part::Image(_) | Part::ToolCall(_) => true,
        _ => false,
    }
}

/// The parts of a request that are changed or dropped.
pub(crate) fn notes(request: &ChatRequest) -> Vec<String> {
    let mut notes = LACKS.notes(request, WIRE);
    if request.reasoning_effort.as_deref() == Some("minimal") {
        notes.push("reasoning effort minimal mapped to off".to_owned());
    }
    notes.extend(unwritten_fields(request, WIRE, |_, _| false));
    notes
}

/// Encodes the body of a request.
pub(crate) fn body(request: &ChatRequest, model: &str, stream: bool) -> Result<String, Error> {
    check(request)?;
    let mut out = JsonObject::default();
    out.put("model", Some(model));
    out.put("messages", Some(messages(&request.messages)?));
    // Written even if false, because streaming is this wire's default.
    out.put("stream", Some(stream));
    out.put("options", Some(options(request)).filter(|options| !options.is_empty()));
    match request.reasoning_effort.as_deref() {
        None => {}
        Some("none" | "minimal") => out.put("think", Some(false)),
        Some(effort) => out.put("think", Some(effort)),
    }
    match &request.output {
        OutputFormat::JsonObject => out.put("format", Some("json")),
        OutputFormat::JsonSchema { schema, .. } => out.put_raw("format", schema.as_str()),
        _ => {}
    }
    if let Some(tools) =
        function_tools(request, WIRE).filter(|_| request.tool_choice != Some(ToolChoice::None))
    {
        out.put_raw("tools", tools);
    }
    out.overlay(request.extras.get(WIRE).into_iter().flatten());
    Ok(out.finish())
}

fn check(request: &ChatRequest) -> Result<(), Error> {
    request.check_numbers()?;
    check_tool_choice(request, WIRE, &["tools"])?;
    if request.natives(WIRE).next().is_some() {
        return Err(Error::new(Kind::Unsupported, "this wire has no parts of its own"));
    }
    match &request.tool_choice {
        Some(ToolChoice::Required | ToolChoice::Named(_)) => {
            Err(Error::new(Kind::Unsupported, "this wire cannot force a tool call"))
        }
        _ => Ok(()),
    }
}

fn options(request: &ChatRequest) -> Map<String, Value> {
    let sampling = &request.sampling;
    let mut options = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            options.insert(name.into(), value);
        }
    };
    put("num_predict", request.max_output.map(Into::into));
    put("temperature", sampling.temperature.map(|value| json!(value)));
    put("top_p", sampling.top_p.map(|value| json!(value)));
    put("top_k", sampling.top_k.map(Into::into));
    put("seed", sampling.seed.map(Into::into));
    put("frequency_penalty", sampling.frequency_penalty.map(|value| json!(value)));
    put("presence_penalty", sampling.presence_penalty.map(|value| json!(value)));
    put("stop", (!request.stop.is_empty()).then(|| request.stop.clone().into()));
    options
}

fn messages(messages: &[Message]) -> Result<Vec<Value>, Error> {
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let mut out = Vec::new();
    for message in messages {
        let role = match message.role {
            Role::Assistant => "assistant",
            Role::System | Role::Developer => "system",
            _ => "user",
        };
        let (mut text, mut thinking, mut images, mut calls) =
            (String::new(), String::new(), Vec::new(), Vec::new());
        for part in &message.parts {
            match part {
                Part::Text(part_text) | Part::Refusal(part_text) => text.push_str(part_text),
                Part::Reasoning(reasoning) => thinking.push_str(&reasoning.text),
                Part::Image(Media::Base64 { data, .. }) => images.push(Value::from(data.as_str())),
                Part::Image(_) => {
                    return Err(Error::new(Kind::Unsupported, "this wire accepts images only as data"));
                }
                Part::Document(_) => {
                    return Err(Error::new(Kind::Unsupported, "this wire does not support documents"));
                }
                Part::ToolCall(call) => {
                    names.insert(&call.id, &call.name);
                    let text = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
                    let arguments = serde_json::from_str::<Map<String, Value>>(text).map_err(|_| {
                        let what = format!(
                            "the arguments of the earlier call to `{}` are not a JSON object",
                            call.name
                        );
                        Error::new(Kind::Unsupported, what)
                    })?;
                    calls.push(
                        json!({"id": call.id, "function": {"name": call.name, "arguments": arguments}}),
                    );
                }
                Part::ToolResult(result) => {
                    let is_media = |part: &Part| matches!(part, Part::Image(_) | Part::Document(_));
                    if result.content.iter().any(is_media) {
                        let what = "this wire allows only text in tool results";
                        return Err(Error::new(Kind::Unsupported, what));
                    }
                    let content: String = result_text(result).iter().filter_map(Part::as_text).collect();
                    let name = names.get(result.id.as_str()).copied().unwrap_or_default();
                    out.push(json!({
                        "role": "tool", "tool_name": name, "tool_call_id": result.id, "content": content,
                    }));
                }
                _ => {}
            }
        }
        if text.is_empty() && images.is_empty() && calls.is_empty() {
            continue;
        }
        let mut turn = json!({"role": role, "content": text});
        for (name, list) in [("images", images), ("tool_calls", calls)] {
            if !list.is_empty() {
                turn[name] = list.into();
            }
        }
        if !thinking.is_empty() {
            turn["thinking"] = thinking.into();
        }
        out.push(turn);
    }
    if out.is_empty() {
        return Err(Error::new(Kind::InvalidRequest, "the request has no turn to answer"));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use hotspare_core::{Json, Tool, ToolCall, ToolResult};

    use super::*;

    fn encoded(request: &ChatRequest) -> Value {
        serde_json::from_str(&body(request, "m", false).unwrap()).unwrap()
    }

    #[test]
    fn encodes_a_conversation_with_a_tool() {
        let schema = Json::parse(r#"{"type":"object","properties":{"z":{},"a":{}}}"#).unwrap();
        let mut request = ChatRequest::to("x")
            .system("be brief")
            .user("hi")
            .message(Message::new(
                Role::Assistant,
                vec![Part::ToolCall(ToolCall::new("c1", "f", r#"{"a":1}"#))],
            ))
            .message(Message::tool(ToolResult::new("c1", "42")))
            .tool(Tool::new("f", schema.clone()))
            .max_output(9)
            .output(OutputFormat::JsonSchema { name: "n".into(), schema, strict: true });
        request.stop = vec!["END".into()];
        request.reasoning_effort = Some("low".into());
        let body = body(&request, "m", true).unwrap();
        assert!(body.contains(r#"{"z":{},"a":{}}"#), "the schema's order is kept: {body}");
        let read: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(read["messages"][0], json!({"role": "system", "content": "be brief"}));
        assert_eq!(
            read["messages"][2]["tool_calls"][0]["function"],
            json!({"name": "f", "arguments": {"a": 1}})
        );
        assert_eq!(
            read["messages"][3],
            json!({"role": "tool", "tool_name": "f", "tool_call_id": "c1", "content": "42"})
        );
        assert_eq!(read["options"], json!({"num_predict": 9, "stop": ["END"]}));
        assert_eq!((&read["think"], &read["stream"]), (&json!("low"), &json!(true)));
    }

    #[test]
    fn unsupported_settings_are_rejected() {
        let kind = |request: &ChatRequest| body(request, "m", false).unwrap_err().kind();
        let tool = hotspare_core::Tool::new("f", hotspare_core::Json::parse("{}").unwrap());
        let mut forced = ChatRequest::to("x").user("hi").tool(tool);
        forced.tool_choice = Some(ToolChoice::Required);
        assert_eq!(kind(&forced), Kind::Unsupported);
        let image = Part::Image(Media::Url("https://example.com/a.png".into()));
        let request = ChatRequest::to("x").message(Message::new(Role::User, vec![image]));
        assert_eq!(kind(&request), Kind::Unsupported);
        let image = vec![Part::Image(Media::Base64 { media_type: "image/png".into(), data: "AAAA".into() })];
        let image =
            ChatRequest::to("x").user("hi").message(Message::tool(ToolResult::from_parts("c", image)));
        assert_eq!(kind(&image), Kind::Unsupported);
        assert_eq!(kind(&ChatRequest::to("x")), Kind::InvalidRequest);
        assert_eq!(encoded(&ChatRequest::to("x").user("hi"))["stream"], false);
    }
}
