//! Requests to the wire's JSON.
//!
//! Leading instructions become `system`; later ones join the user's turn. Consecutive turns of one role are merged,
//! because turns must alternate. What the wire lacks and would change the answer (penalties, stop sequences of nothing but white space)
//! is refused as unsupported, as is an image by URL; a mere hint is dropped and listed by [`notes`], as is a lowered temperature. The wire has no plain
//! JSON mode, either, but that format is checked in the answer. A history with tool calls needs tools: if none are
//! offered, those that were called are declared. Invariant: reasoning goes back only to its origin, and tool ids use
//! only the characters that the wire allows.

mod content;

use std::collections::BTreeSet;

use hotspare_core::{ChatRequest, Error, Json, Kind, Message, OutputFormat, Part, Role, ToolChoice};
use hotspare_provider::{JsonObject, Lacks, check_tool_choice, written_stops};
use serde_json::{Map, Value, json};

use crate::WIRE;
use crate::family::Family;
use content::BlockEncoder;

/// The model's own field that enables thinking, if it has one with this name.
const THINKING: &str = "thinking";

/// The note that thinking is left out.
const THINKING_DISABLED_NOTE: &str =
    "thinking disabled: the tool calls being continued have no reasoning from this provider";

/// The highest temperature.
const MAX_TEMPERATURE: f64 = 1.0;

/// The hints that the wire has no place for.
const LACKS: Lacks = Lacks {
    end_user: true,
    parallel_tools: true,
    seed: true,
    names: true,
    later_instructions: true,
    message_fields: true,
    blank_stops: true,
    takes_reasoning: |_| false,
    ..Lacks::NOTHING
};

/// The wire's own fields that bring tools.
const TOOL_FIELDS: &[&str] = &["toolConfig"];

/// The field for a model's own fields.
const MODEL_FIELDS: &str = "additionalModelRequestFields";

/// Encodes the body of a request.
pub(crate) fn body(request: &ChatRequest, model: &str) -> Result<String, Error> {
    check(request)?;
    let family = Family::of(model);
    let mut out = JsonObject::default();
    let head = request.messages.iter().take_while(|message| is_instruction(message)).count();
    let (head, rest) = request.messages.split_at(head);
    let mut blocks = BlockEncoder::new(family);
    let mut system = Vec::new();
    for part in head.iter().flat_map(|message| &message.parts) {
        blocks.part(part, &mut system)?;
    }
    out.put("system", Some(system).filter(|system| !system.is_empty()));
    let turns = messages(rest, &mut blocks)?;
    let thinking_disabled =
        family.requires_leading_reasoning && requests_thinking(request) && starts_without_reasoning(&turns);
    out.put("messages", Some(turns));
    out.put("inferenceConfig", Some(inference(request)?).filter(|inference| !inference.is_empty()));
    let mut config = Map::new();
    if let OutputFormat::JsonSchema { name, schema, .. } = &request.output {
        // The schema is a string here, so its key order is kept.
        let schema = json!({"name": name, "schema": schema.as_str()});
        config
            .insert("textFormat".into(), json!({"type": "json_schema", "structure": {"jsonSchema": schema}}));
    }
    if let Some(effort) = request.reasoning_effort.as_deref().filter(|_| family.effort.is_empty()) {
        config.insert("effort".into(), effort.into());
    }
    out.put("outputConfig", Some(config).filter(|config| !config.is_empty()));
    if let Some(tools) = tools(request)? {
        out.put_raw("toolConfig", tools);
    }
    out.put(MODEL_FIELDS, Some(model_fields(request, family)?).filter(|own| !own.is_empty()));
    for (name, value) in request.extras.get(WIRE).into_iter().flatten() {
        let mut theirs = value.to_value();
        let thinking = theirs.as_object_mut().filter(|_| thinking_disabled && name == MODEL_FIELDS);
        let trimmed = thinking.and_then(|own| own.remove(THINKING)).is_some();
        // The caller's own model fields are merged with those that the request implies.
        match (out.get_mut(name), theirs) {
            (Some(Value::Object(mine)), Value::Object(theirs)) => mine.extend(theirs),
            (_, theirs) if trimmed => out.put(name, Some(theirs)),
            _ => out.put_raw(name, value.as_str()),
        }
    }
    Ok(out.finish())
}

/// Whether the current loop of tool calls began without reasoning that can be sent back.
fn starts_without_reasoning(turns: &[Value]) -> bool {
    let has_tool_results = |turn: &Value| {
        let blocks = turn["content"].as_array();
        blocks.is_some_and(|blocks| blocks.iter().any(|block| block.get("toolResult").is_some()))
    };
    let last_prompt = turns.iter().rposition(|turn| turn["role"] == "user" && !has_tool_results(turn));
    let mut later_turns = turns.iter().skip(last_prompt.map_or(0, |at| at + 1));
    let first = later_turns.find(|turn| turn["role"] == "assistant");
    first.is_some_and(|turn| turn["content"][0].get("reasoningContent").is_none())
}

/// Whether the request forces the model to think. A model that decides for itself accepts any history.
fn requests_thinking(request: &ChatRequest) -> bool {
    let own = request.extras.get(WIRE).and_then(|extras| extras.get(MODEL_FIELDS)).map(Json::to_value);
    own.is_some_and(|own| own[THINKING]["type"] == "enabled")
}

/// Whether one of the model's own fields asks it to think or turns that off.
pub(crate) fn asks_for_reasoning(request: &ChatRequest) -> Option<bool> {
    let own = request.extras.get(WIRE)?.get(MODEL_FIELDS)?.to_value();
    let config =
        [THINKING, "reasoningConfig", "reasoning_config"].into_iter().find_map(|name| own.get(name))?;
    Some(config["type"] != "disabled")
}

/// The parts of a request that are changed or dropped.
pub(crate) fn notes(request: &ChatRequest, model: &str) -> Vec<String> {
    let mut notes = Vec::new();
    let family = Family::of(model);
    if family.requires_leading_reasoning && requests_thinking(request) {
        let head = request.messages.iter().take_while(|message| is_instruction(message)).count();
        let turns = messages(&request.messages[head..], &mut BlockEncoder::new(family));
        if turns.is_ok_and(|turns| starts_without_reasoning(&turns)) {
            notes.push(THINKING_DISABLED_NOTE.to_owned());
        }
    }
    let inference = request.extras.get(WIRE).and_then(|own| own.get("inferenceConfig")).map(Json::to_value);
    let own = inference.is_some_and(|inference| inference.get("temperature").is_some());
    if let Some(wanted) = request.sampling.temperature.filter(|wanted| *wanted > MAX_TEMPERATURE && !own) {
        notes.push(format!("temperature {wanted} lowered to {MAX_TEMPERATURE}"));
    }
    notes.extend(LACKS.notes(request, WIRE));
    if request.tools.is_empty() && request.native_tools.is_empty() && !called_tools(request).is_empty() {
        notes.push("declared the tools that the conversation has called".to_owned());
    }
    notes
}

fn unsupported(what: impl Into<String>) -> Error {
    Error::new(Kind::Unsupported, what)
}

fn check(request: &ChatRequest) -> Result<(), Error> {
    request.check_numbers()?;
    check_tool_choice(request, WIRE, TOOL_FIELDS)?;
    let sampling = &request.sampling;
    let penalties = [sampling.frequency_penalty, sampling.presence_penalty];
    if penalties.into_iter().flatten().any(|penalty| penalty != 0.0) {
        return Err(unsupported("this wire does not support penalties"));
    }
    if request.output == OutputFormat::JsonObject {
        return Err(unsupported("this wire does not support JSON mode without a schema"));
    }
    Ok(())
}

fn inference(request: &ChatRequest) -> Result<Map<String, Value>, Error> {
    let mut out = Map::new();
    if let Some(tokens) = request.max_output {
        out.insert("maxTokens".into(), tokens.into());
    }
    let sampling = &request.sampling;
    let temperature = sampling.temperature.map(|wanted| wanted.min(MAX_TEMPERATURE));
    for (name, value) in [("temperature", temperature), ("topP", sampling.top_p)] {
        if let Some(value) = value {
            out.insert(name.into(), json!(value));
        }
    }
    let stops = written_stops(request)?;
    if !stops.is_empty() {
        out.insert("stopSequences".into(), stops.into());
    }
    Ok(out)
}

/// Fields that only the model itself has.
fn model_fields(request: &ChatRequest, family: Family) -> Result<Map<String, Value>, Error> {
    let mut out = Map::new();
    if let Some(top_k) = request.sampling.top_k {
        let path = family.top_k.ok_or_else(|| unsupported("this model is not known to support top_k"))?;
        put(&mut out, path, top_k.into());
    }
    if let Some(effort) = &request.reasoning_effort {
        for (path, fixed) in family.effort {
            put(&mut out, path, fixed.unwrap_or(effort).into());
        }
    }
    Ok(out)
}

fn put(out: &mut Map<String, Value>, path: &[&str], value: Value) {
    match path {
        [] => {}
        [last] => {
            out.insert((*last).to_owned(), value);
        }
        [first, rest @ ..] => {
            let inner = out.entry(*first).or_insert_with(|| Map::new().into());
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

fn messages(messages: &[Message], blocks: &mut BlockEncoder) -> Result<Vec<Value>, Error> {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in messages {
        let role = if message.role == Role::Assistant { "assistant" } else { "user" };
        let mut encoded = Vec::new();
        for part in &message.parts {
            blocks.part(part, &mut encoded)?;
        }
        if encoded.is_empty() {
            continue;
        }
        match turns.last_mut() {
            Some((last, before)) if *last == role => before.append(&mut encoded),
            _ => turns.push((role, encoded)),
        }
    }
    if turns.is_empty() {
        return Err(Error::new(Kind::InvalidRequest, "the request has instructions but no turn to answer"));
    }
    let turns = turns.into_iter().map(|(role, mut content)| {
        // The wire requires tool results first in a turn, wherever the caller put them.
        content.sort_by_key(|block| block.get("toolResult").is_none());
        json!({"role": role, "content": content})
    });
    Ok(turns.collect())
}

fn is_instruction(message: &Message) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

/// The names of the tools that the history calls.
fn called_tools(request: &ChatRequest) -> BTreeSet<&str> {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    parts
        .filter_map(|part| match part {
            Part::ToolCall(call) => Some(call.name.as_str()),
            _ => None,
        })
        .collect()
}

fn tools(request: &ChatRequest) -> Result<Option<String>, Error> {
    let called = called_tools(request);
    let forbidden = request.tool_choice == Some(ToolChoice::None);
    if forbidden && called.is_empty() {
        // The wire cannot forbid calls, but a tool that is not offered is not called.
        return Ok(None);
    }
    if forbidden {
        return Err(unsupported("this wire cannot disable tool calls in a conversation that contains some"));
    }
    let mut encoded: Vec<String> = request.tools.iter().map(tool).collect();
    let native = request.native_tools.iter().filter(|native| native.wire == WIRE);
    encoded.extend(native.map(|native| native.raw.as_str().to_owned()));
    let offered = !encoded.is_empty();
    if !offered {
        encoded.extend(called.iter().map(|name| {
            let schema = json!({"json": {"type": "object"}});
            json!({"toolSpec": {"name": name, "inputSchema": schema}}).to_string()
        }));
    }
    if encoded.is_empty() {
        return Ok(None);
    }
    let choice = match request.tool_choice.as_ref().filter(|_| offered) {
        None => None,
        Some(ToolChoice::Required) => Some(json!({"any": {}})),
        Some(ToolChoice::Named(name)) => Some(json!({"tool": {"name": name}})),
        Some(_) => Some(json!({"auto": {}})),
    };
    let choice = choice.map(|choice| format!(",\"toolChoice\":{choice}")).unwrap_or_default();
    Ok(Some(format!("{{\"tools\":[{}]{choice}}}", encoded.join(","))))
}

fn tool(tool: &hotspare_core::Tool) -> String {
    let mut spec = JsonObject::default();
    spec.put("name", Some(tool.name.as_str()));
    // An empty description is refused; a missing one is not.
    spec.put("description", tool.description.as_deref().filter(|text| !text.trim().is_empty()));
    spec.put("strict", Some(true).filter(|_| tool.strict == Some(true)));
    spec.put_raw("inputSchema", format!("{{\"json\":{}}}", tool.parameters));
    spec.overlay(tool.extras.get(WIRE).into_iter().flatten());
    format!("{{\"toolSpec\":{}}}", spec.finish())
}

#[cfg(test)]
mod tests;
