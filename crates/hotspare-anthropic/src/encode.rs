//! Requests to the wire's JSON.
//!
//! Instructions at the head become `system`; later ones join the user's turn, because most models refuse the role.
//! Neighbouring turns of one role are merged, for turns must alternate. `max_tokens` is required: where the request sets no
//! limit, [`DEFAULT_MAX_TOKENS`] is sent. What the wire cannot say and what would change the answer (penalties, a
//! temperature above 1, plain JSON mode) is refused as unsupported; a seed is a hint and left out. Invariant: thinking goes
//! back only to its author, and tool ids are spelled as the wire allows.

use hotspare_core::{
    ChatRequest, Error, Kind, Media, Message, OutputFormat, Part, Role, ToolCall, ToolChoice, ToolResult,
};
use serde_json::{Map, Value, json};

use crate::{ORIGIN, WIRE};

/// Sent as `max_tokens` where the request sets no limit: every model of this wire can give as many.
pub(crate) const DEFAULT_MAX_TOKENS: u64 = 4_096;

/// Spells a request's body.
pub(crate) fn body(request: &ChatRequest, model: &str, stream: bool) -> Result<Vec<u8>, Error> {
    check(request)?;
    let mut out = Map::new();
    out.insert("model".into(), model.into());
    out.insert("max_tokens".into(), request.max_output.unwrap_or(DEFAULT_MAX_TOKENS).into());
    if let Some(system) = request.instructions() {
        out.insert("system".into(), system.into());
    }
    out.insert("messages".into(), messages(&request.messages)?.into());
    if stream {
        out.insert("stream".into(), true.into());
    }
    if let Some(choice) = tool_choice(request).filter(|_| !request.tools.is_empty()) {
        out.insert("tool_choice".into(), choice);
    }
    let sampling = &request.sampling;
    for (name, value) in [("temperature", sampling.temperature), ("top_p", sampling.top_p)] {
        if let Some(value) = value {
            out.insert(name.into(), json!(value));
        }
    }
    if let Some(top_k) = sampling.top_k {
        out.insert("top_k".into(), top_k.into());
    }
    // The wire refuses stop texts that are nothing but white space.
    let stop: Vec<Value> =
        request.stop.iter().filter(|text| !text.trim().is_empty()).map(|text| text.as_str().into()).collect();
    if !stop.is_empty() {
        out.insert("stop_sequences".into(), stop.into());
    }
    if let Some(user) = &request.user {
        out.insert("metadata".into(), json!({"user_id": user}));
    }
    let mut config = Map::new();
    if let Some(effort) = &request.reasoning_effort {
        config.insert("effort".into(), effort.as_str().into());
    }
    let mut raw: Vec<(&str, String)> = Vec::new();
    if let OutputFormat::JsonSchema { schema, .. } = &request.output {
        let effort = config.get("effort").map(|effort| format!("\"effort\":{effort},")).unwrap_or_default();
        raw.push((
            "output_config",
            format!(r#"{{{effort}"format":{{"type":"json_schema","schema":{schema}}}}}"#),
        ));
    } else if !config.is_empty() {
        out.insert("output_config".into(), config.into());
    }
    if !request.tools.is_empty() {
        raw.push(("tools", tools(request)));
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
    let invalid = |what: &str| Err(Error::new(Kind::InvalidRequest, what));
    let unsupported = |what: &str| Err(Error::new(Kind::Unsupported, what));
    if [sampling.temperature, sampling.top_p].into_iter().flatten().any(|value| !value.is_finite()) {
        return invalid("a sampling value is not a finite number");
    }
    if request.max_output == Some(0) {
        return invalid("max_output must be at least 1");
    }
    if sampling.temperature.is_some_and(|temperature| temperature > 1.0) {
        return unsupported("this wire's temperature goes up to 1");
    }
    if sampling.frequency_penalty.is_some_and(|penalty| penalty != 0.0)
        || sampling.presence_penalty.is_some_and(|penalty| penalty != 0.0)
    {
        return unsupported("this wire has no word for penalties");
    }
    if request.output == OutputFormat::JsonObject {
        return unsupported("this wire has no JSON mode without a schema");
    }
    Ok(())
}

fn messages(messages: &[Message]) -> Result<Vec<Value>, Error> {
    let head = messages.iter().take_while(|message| is_instruction(message)).count();
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in &messages[head..] {
        let role = if message.role == Role::Assistant { "assistant" } else { "user" };
        let mut blocks = Vec::new();
        for part in &message.parts {
            blocks.extend(block(part)?);
        }
        if blocks.is_empty() {
            continue;
        }
        match turns.last_mut() {
            Some((last, before)) if *last == role => before.append(&mut blocks),
            _ => turns.push((role, blocks)),
        }
    }
    if turns.is_empty() {
        return Err(Error::new(Kind::InvalidRequest, "the request has instructions but no turn to answer"));
    }
    let turns = turns.into_iter().map(|(role, mut blocks)| {
        // Results come first in a turn, whatever else the caller put there.
        blocks.sort_by_key(|block| block["type"] != "tool_result");
        let content = match blocks.as_slice() {
            [only] if only["type"] == "text" => only["text"].clone(),
            _ => blocks.into(),
        };
        json!({"role": role, "content": content})
    });
    Ok(turns.collect())
}

fn is_instruction(message: &Message) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

fn block(part: &Part) -> Result<Option<Value>, Error> {
    Ok(match part {
        Part::Text(text) | Part::Refusal(text) if text.is_empty() => None,
        Part::Text(text) | Part::Refusal(text) => Some(json!({"type": "text", "text": text})),
        Part::Image(media) => Some(json!({"type": "image", "source": source(media)})),
        Part::Document(media) => Some(json!({"type": "document", "source": source(media)})),
        Part::Reasoning(reasoning) => match &reasoning.signature {
            Some(signature) if signature.origin.0 != ORIGIN => None,
            Some(signature) if signature.redacted => {
                Some(json!({"type": "redacted_thinking", "data": signature.data}))
            }
            Some(signature) => {
                Some(json!({"type": "thinking", "thinking": reasoning.text, "signature": signature.data}))
            }
            None => None,
        },
        Part::ToolCall(call) => Some(tool_use(call)?),
        Part::ToolResult(result) => Some(tool_result(result)?),
        _ => None,
    })
}

fn tool_use(call: &ToolCall) -> Result<Value, Error> {
    let text = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
    let input: Value = serde_json::from_str(text).ok().filter(Value::is_object).ok_or_else(|| {
        let what = format!("the arguments of the earlier call to `{}` are not a JSON object", call.name);
        Error::new(Kind::Unsupported, what)
    })?;
    Ok(json!({"type": "tool_use", "id": wire_id(&call.id), "name": call.name, "input": input}))
}

fn tool_result(result: &ToolResult) -> Result<Value, Error> {
    let mut content = Vec::new();
    for part in &result.content {
        content.extend(block(part)?);
    }
    let mut out = json!({"type": "tool_result", "tool_use_id": wire_id(&result.id), "content": content});
    if result.is_error {
        out["is_error"] = true.into();
    }
    Ok(out)
}

/// The wire's ids hold letters, digits, `_` and `-`. Another's id is respelled, the same way at every place; a hash keeps
/// two that differ only in what was respelled apart.
fn wire_id(id: &str) -> String {
    let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    if !id.is_empty() && id.len() <= 64 && id.chars().all(fits) {
        return id.to_owned();
    }
    let hash = id.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let kept: String = id.chars().filter(|character| fits(*character)).take(32).collect();
    format!("{kept}_{hash:016x}")
}

fn source(media: &Media) -> Value {
    match media {
        Media::Base64 { media_type, data } => {
            json!({"type": "base64", "media_type": media_type, "data": data})
        }
        other => json!({"type": "url", "url": other.to_url()}),
    }
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
            if tool.strict == Some(true) {
                fields.insert("strict".into(), true.into());
            }
            let schema = [("input_schema", tool.parameters.as_str().to_owned())];
            String::from_utf8(join(&fields, &schema)).unwrap_or_default()
        })
        .collect();
    format!("[{}]", spelled.join(","))
}

fn tool_choice(request: &ChatRequest) -> Option<Value> {
    let mut choice = match &request.tool_choice {
        None if request.parallel_tools == Some(false) => json!({"type": "auto"}),
        None => return None,
        Some(ToolChoice::None) => json!({"type": "none"}),
        Some(ToolChoice::Required) => json!({"type": "any"}),
        Some(ToolChoice::Named(name)) => json!({"type": "tool", "name": name}),
        Some(_) => json!({"type": "auto"}),
    };
    if request.parallel_tools == Some(false) && choice["type"] != "none" {
        choice["disable_parallel_tool_use"] = true.into();
    }
    Some(choice)
}

#[cfg(test)]
mod tests;
