//! Recorded Gemini requests, parsed into core types by a small test-only reader, and encoded again.
//!
//! Permitted differences: spelling of keys (`generation_config`), consecutive turns of one role, ids of calls
//! (generated where the recording has none), an older field for a tool's schema, and unsigned thoughts, which are not
//! sent back.

use std::collections::BTreeMap;
use std::sync::Arc;

use hotspare_core::{
    ChatRequest, Json, Media, Message, Native, Origin, OutputFormat, Part, Reasoning, Role, Signature, Tool,
    ToolCall, ToolChoice, ToolResult,
};
use hotspare_gemini::{Gemini, Host, WIRE};
use hotspare_provider::{Describe, Outbound, Wire};
use serde_json::{Map, Value, json};

use crate::recordings::all;

#[test]
fn recorded_requests_round_trip() {
    let all = all().recordings.iter().map(|recording| &recording.exchange);
    let (mut same, mut respelled, mut refused) = (0, 0, BTreeMap::<String, u32>::new());
    let mut wrong = Vec::new();
    for exchange in all.filter(|exchange| exchange.endpoint.ends_with("generate_content")) {
        // A request that the provider rejected has no meaning to preserve.
        let accepted = exchange.head.status.is_success();
        let Ok(recorded) = serde_json::from_slice::<Value>(&exchange.request) else { continue };
        match round_trip(&recorded, &exchange.model, &exchange.provider) {
            Ok((difference, notes)) => match difference {
                None if notes == 0 => same += 1,
                None => respelled += 1,
                Some(_) if !accepted => *refused.entry("differs, and was refused".into()).or_default() += 1,
                Some(difference) => wrong.push(format!("{}: {difference}", exchange.id)),
            },
            Err(error) if !accepted => *refused.entry(error).or_default() += 1,
            Err(error) => wrong.push(format!("{}: {error}", exchange.id)),
        }
    }
    println!(
        "{same} requests the same, {respelled} with schemas in part, refused as their provider did: {refused:?}"
    );
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Parses and encodes again; returns what differs, if anything, and the number of notes for the trail.
fn round_trip(recorded: &Value, model: &str, provider: &str) -> Result<(Option<String>, usize), String> {
    let host = if provider == "vertex" { Host::VERTEX } else { Host::GEMINI };
    let recorded = plain(recorded);
    let request = Arc::new(request(&recorded, host.origin));
    let wire = Gemini::at(host, "https://host");
    let notes = wire.notes(&request, model);
    let call = Outbound::new(Arc::clone(&request), model, false);
    let encoded = wire.encode(&call).map_err(|error| error.message().to_owned())?;
    let encoded: Value = serde_json::from_slice(&encoded.body).unwrap();
    let (mut before, mut after) = (normalize(&recorded), normalize(&encoded));
    if !notes.is_empty() {
        // Schema rewriting has its own tests.
        for meaning in [&mut before, &mut after] {
            meaning.remove("schemas");
        }
    }
    let difference = before
        .iter()
        .map(|(name, value)| (name, value, after.get(name).unwrap_or(&Value::Null)))
        .chain(
            after
                .iter()
                .filter(|(name, _)| !before.contains_key(*name))
                .map(|(name, value)| (name, &Value::Null, value)),
        )
        .find(|(_, before, after)| before != after)
        .map(|(name, before, after)| {
            let short = |value: &Value| value.to_string().chars().take(400).collect::<String>();
            format!("{name}\n  {}\n  {}", short(before), short(after))
        });
    Ok((difference, notes.len()))
}

/// The wire's own keys in camel case, and no nulls.
pub(crate) fn plain(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| {
                let mut camel = String::new();
                for piece in name.split('_') {
                    match piece.chars().next() {
                        Some(first) if !camel.is_empty() => camel
                            .extend([first.to_ascii_uppercase()].into_iter().chain(piece.chars().skip(1))),
                        _ => camel.push_str(piece),
                    }
                }
                let theirs = [
                    "args",
                    "response",
                    "parameters",
                    "parametersJsonSchema",
                    "responseJsonSchema",
                    "responseSchema",
                    "labels",
                ];
                let value = if theirs.contains(&camel.as_str()) { value.clone() } else { plain(value) };
                (camel, value)
            });
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}

fn raw(value: &Value) -> Json {
    Json::from(value)
}

pub(crate) fn request(body: &Value, origin: &str) -> ChatRequest {
    let mut request = ChatRequest::to("r");
    let mut extras: BTreeMap<String, Json> = BTreeMap::new();
    for (name, value) in body.as_object().unwrap() {
        match name.as_str() {
            "contents" | "model" => {}
            "systemInstruction" => {
                let texts: Vec<String> = list(&value["parts"])
                    .iter()
                    .filter_map(|part| part["text"].as_str().map(str::to_owned))
                    .collect();
                request.messages.insert(0, Message::system(texts.concat()));
            }
            "tools" => tools(&mut request, value),
            "toolConfig" => tool_config(&mut request, value, &mut extras),
            "generationConfig" => settings(&mut request, value, &mut extras),
            _ => {
                extras.insert(name.clone(), raw(value));
            }
        }
    }
    request.messages.extend(messages(&body["contents"], origin));
    request.extras.insert(WIRE.into(), extras);
    request
}

fn tools(request: &mut ChatRequest, value: &Value) {
    for set in list(value) {
        let mut own = set.as_object().unwrap().clone();
        for function in list(&own.remove("functionDeclarations").unwrap_or_default()) {
            let mut fields = function.as_object().unwrap().clone();
            let schema = fields.remove("parametersJsonSchema").or_else(|| fields.remove("parameters"));
            let name = fields.remove("name").unwrap();
            let mut tool = Tool::new(name.as_str().unwrap(), raw(&schema.unwrap_or_else(|| json!({}))));
            tool.description = fields.remove("description").and_then(|text| text.as_str().map(str::to_owned));
            tool.extras
                .insert(WIRE.into(), fields.iter().map(|(name, value)| (name.clone(), raw(value))).collect());
            request.tools.push(tool);
        }
        if !own.is_empty() {
            request.native_tools.push(Native::new(WIRE, raw(&Value::Object(own))));
        }
    }
}

fn tool_config(request: &mut ChatRequest, value: &Value, extras: &mut BTreeMap<String, Json>) {
    let config = &value["functionCallingConfig"];
    let names = list(&config["allowedFunctionNames"]);
    let mode = config["mode"].as_str().unwrap_or_default().to_ascii_uppercase();
    let only = value.as_object().unwrap().len() == 1;
    match (mode.as_str(), names.as_slice()) {
        ("AUTO", []) if only => request.tool_choice = Some(ToolChoice::Auto),
        ("NONE", []) if only => request.tool_choice = Some(ToolChoice::None),
        ("ANY", []) if only => request.tool_choice = Some(ToolChoice::Required),
        ("ANY", [name]) if only => {
            request.tool_choice = Some(ToolChoice::Named(name.as_str().unwrap().into()))
        }
        _ => {
            extras.insert("toolConfig".into(), raw(value));
        }
    }
}

fn settings(request: &mut ChatRequest, value: &Value, extras: &mut BTreeMap<String, Json>) {
    let mut own = value.as_object().unwrap().clone();
    let mut number = |name: &str| own.remove(name).and_then(|value| value.as_f64());
    request.sampling.temperature = number("temperature");
    request.sampling.top_p = number("topP");
    request.sampling.frequency_penalty = number("frequencyPenalty");
    request.sampling.presence_penalty = number("presencePenalty");
    request.sampling.top_k = number("topK").map(|value| value as u64);
    request.sampling.seed = number("seed").map(|value| value as i64);
    request.max_output = number("maxOutputTokens").map(|value| value as u64);
    let stops = list(&own.remove("stopSequences").unwrap_or_default());
    request.stop = stops.iter().map(|text| text.as_str().unwrap().to_owned()).collect();
    let json = own.get("responseMimeType") == Some(&json!("application/json"));
    if json {
        own.remove("responseMimeType");
        request.output = match own.remove("responseJsonSchema") {
            Some(schema) => {
                OutputFormat::JsonSchema { name: "answer".into(), schema: raw(&schema), strict: true }
            }
            None => OutputFormat::JsonObject,
        };
    }
    if !own.is_empty() {
        extras.insert("generationConfig".into(), raw(&Value::Object(own)));
    }
}

fn messages(contents: &Value, origin: &str) -> Vec<Message> {
    // Calls that wait for their responses: id, name, and the id in the recording.
    let mut open: Vec<(String, String, Value)> = Vec::new();
    let mut made = 0;
    let mut messages = Vec::new();
    for turn in list(contents) {
        let role = if turn["role"] == "model" { Role::Assistant } else { Role::User };
        let mut parts = Vec::new();
        for part in list(&turn["parts"]) {
            let mut fields: Map<String, Value> = part.as_object().unwrap().clone();
            let thought = fields.remove("thought") == Some(json!(true));
            let signature = fields.remove("thoughtSignature").map(|data| Signature {
                origin: Origin(origin.to_owned()),
                data: data.as_str().unwrap().to_owned(),
                redacted: !thought,
            });
            let before = |parts: &mut Vec<Part>| {
                if let Some(signature) = &signature {
                    parts.push(Part::Reasoning(Reasoning::default().with_signature(signature.clone())));
                }
            };
            if let Some(text) = fields.remove("text") {
                let text = text.as_str().unwrap().to_owned();
                if thought {
                    let mut reasoning = Reasoning::new(text);
                    reasoning.signature = signature;
                    parts.push(Part::Reasoning(reasoning));
                } else {
                    before(&mut parts);
                    parts.push(Part::Text(text));
                }
            } else if let Some(call) = fields.remove("functionCall") {
                before(&mut parts);
                made += 1;
                let id = format!("call-{made}");
                let name = call["name"].as_str().unwrap().to_owned();
                parts.push(Part::ToolCall(ToolCall::new(id.clone(), name.clone(), call["args"].to_string())));
                open.push((id, name, call["id"].clone()));
            } else if let Some(response) = fields.remove("functionResponse") {
                let place = open
                    .iter()
                    .position(|(_, name, id)| *id == response["id"] && *name == response["name"])
                    .or_else(|| open.iter().position(|(_, name, _)| *name == response["name"]));
                let id = place.map_or_else(|| "unknown".to_owned(), |place| open.remove(place).0);
                let mut content = vec![Part::Text(response["response"].to_string())];
                for media in list(&response["parts"]) {
                    content.push(inline(&media).map_or_else(
                        || Part::Image(Media::Url(media["fileData"]["fileUri"].as_str().unwrap().to_owned())),
                        media_part,
                    ));
                }
                parts.push(Part::ToolResult(ToolResult::from_parts(id, content)));
            } else if let Some(media) = inline(&part) {
                fields.remove("inlineData");
                before(&mut parts);
                parts.push(media_part(media));
            } else {
                parts.push(Part::Native(Native::new(WIRE, raw(&part))));
                continue;
            }
            if !fields.is_empty() {
                parts.push(Part::Fields(Native::new(WIRE, raw(&Value::Object(fields)))));
            }
        }
        messages.push(Message::new(role, parts));
    }
    messages
}

/// An image, or else a document: the wire itself makes no difference.
fn media_part(media: Media) -> Part {
    match &media {
        Media::Base64 { media_type, .. } if !media_type.starts_with("image/") => Part::Document(media),
        _ => Part::Image(media),
    }
}

fn inline(part: &Value) -> Option<Media> {
    let data = part["inlineData"].as_object()?;
    let text = |name: &str| data[name].as_str().unwrap().to_owned();
    Some(Media::Base64 { media_type: text("mimeType"), data: text("data") })
}

/// A body in a normal form: equal meanings give equal values.
fn normalize(body: &Value) -> Map<String, Value> {
    let mut out = Map::new();
    let mut schemas = Vec::new();
    for (name, value) in body.as_object().unwrap() {
        match name.as_str() {
            "model" => {}
            "contents" => {
                out.insert("contents".into(), normalize_contents(value));
            }
            "systemInstruction" => {
                let text: String = list(&value["parts"])
                    .iter()
                    .filter_map(|part| part["text"].as_str().map(str::to_owned))
                    .collect();
                if !text.is_empty() {
                    out.insert(name.clone(), text.into());
                }
            }
            "tools" => {
                let (mut functions, mut own) = (Vec::new(), Vec::new());
                for set in list(value) {
                    let mut set = set.as_object().unwrap().clone();
                    for function in list(&set.remove("functionDeclarations").unwrap_or_default()) {
                        let mut fields = function.as_object().unwrap().clone();
                        let schema =
                            fields.remove("parametersJsonSchema").or_else(|| fields.remove("parameters"));
                        schemas.push(schema.unwrap_or_else(|| json!({})));
                        functions.push(Value::Object(fields));
                    }
                    if !set.is_empty() {
                        own.push(Value::Object(set));
                    }
                }
                out.insert("functions".into(), functions.into());
                out.insert("tools".into(), own.into());
            }
            "generationConfig" => {
                let mut fields = value.as_object().unwrap().clone();
                schemas.extend(fields.remove("responseJsonSchema"));
                for (name, value) in fields {
                    // 0 and 0.0 are the same number.
                    let value = value.as_f64().map_or(value, |number| json!(number));
                    if value != json!([]) {
                        out.insert(format!("generationConfig.{name}"), value);
                    }
                }
            }
            _ => {
                let text = value.to_string();
                let empty = text == "{}" || text == "[]";
                if !empty {
                    // Modes are case-insensitive.
                    let value =
                        if name == "toolConfig" { text.to_ascii_lowercase().into() } else { value.clone() };
                    out.insert(name.clone(), value);
                }
            }
        }
    }
    out.insert("schemas".into(), schemas.iter().map(without_comments).collect());
    out
}

/// Drops keywords that are only annotations.
fn without_comments(schema: &Value) -> Value {
    match schema {
        Value::Array(items) => items.iter().map(without_comments).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(name, _)| !matches!(name.as_str(), "$schema" | "default"));
            Value::Object(fields.map(|(name, value)| (name.clone(), without_comments(value))).collect())
        }
        other => other.clone(),
    }
}

/// Who said what, in order; consecutive turns of one role are merged.
fn normalize_contents(contents: &Value) -> Value {
    let mut said = Vec::new();
    for turn in list(contents) {
        let role = if turn["role"] == "model" { "model" } else { "user" };
        for part in list(&turn["parts"]) {
            let mut fields = part.as_object().unwrap().clone();
            let thought = fields.remove("thought") == Some(json!(true));
            if fields.get("thoughtSignature") == Some(&json!("skip_thought_signature_validator")) {
                fields.remove("thoughtSignature");
            }
            let signed = fields.contains_key("thoughtSignature");
            let empty = fields.get("text") == Some(&json!(""));
            if !signed && (thought || empty) {
                continue;
            }
            for name in ["functionCall", "functionResponse"] {
                if let Some(Value::Object(inner)) = fields.get_mut(name) {
                    inner.remove("id");
                    inner.remove("parts");
                    if name == "functionCall" {
                        inner.entry("args").or_insert_with(|| json!({}));
                    }
                }
            }
            said.push(json!([role, fields]));
        }
    }
    said.into()
}
