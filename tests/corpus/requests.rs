//! Recorded requests: parsed into core types, encoded again, and encoded for other wires.
//!
//! Requests are compared field by field; permitted differences are data, each with its reason. Requests that their
//! provider rejected may be rejected by the reader, too.

use std::collections::{BTreeMap, VecDeque};

use hotspare_core::{ChatRequest, Kind, Media, Part};
use hotspare_openai::Dialect;
use hotspare_provider::{Outbound, Wire};
use serde_json::Value;

/// A permitted difference, by a path pattern (`*` for any index).
#[derive(Clone, Copy)]
enum Allowed {
    /// These values mean the same as omitting the field.
    Default(&'static [&'static str]),
    /// The order of the list has no meaning.
    Order,
    /// The value moved, or has another form with the same meaning.
    Rewritten,
    /// The field is the older name of another.
    Renamed(&'static str),
    /// Nothing reads it.
    Ignored,
}

/// Messages: what may differ, and why.
const MESSAGES: &[(&str, Allowed, &str)] = &[
    ("stream", Allowed::Default(&["false"]), "whole answers are the default"),
    ("messages.*.content.*.is_error", Allowed::Default(&["false"]), "results are no errors by default"),
    (
        "messages.*.role",
        Allowed::Rewritten,
        "later instructions join the user's turn: most models refuse the role",
    ),
    ("tools", Allowed::Default(&["[]"]), "no tools"),
    ("tools.*.type", Allowed::Default(&["\"custom\""]), "the default type"),
    ("tools", Allowed::Order, "tools that the provider runs follow the others"),
    ("metadata", Allowed::Default(&["{}", "{\"user_id\":null}"]), "an empty object says nothing"),
];

/// Chat completions: what may differ, and why.
const CHAT: &[(&str, Allowed, &str)] = &[
    ("stream", Allowed::Default(&["false"]), "whole answers are the default"),
    (
        "stream_options",
        Allowed::Ignored,
        "counts are always asked for; the gateway drops them where nobody wants them",
    ),
    ("n", Allowed::Default(&["1"]), "one answer is the default"),
    ("max_tokens", Allowed::Renamed("max_completion_tokens"), "the newer name"),
    ("parallel_tool_calls", Allowed::Default(&["true"]), "the default"),
    ("stop", Allowed::Default(&["[]"]), "nothing stops by default"),
    ("response_format", Allowed::Default(&["{\"type\":\"text\"}"]), "text is the default"),
    ("response_format.json_schema.strict", Allowed::Default(&["false"]), "the default"),
    ("response_format.json_schema.name", Allowed::Rewritten, "a name is made up where it is missing"),
    (
        "response_format.json_schema.description",
        Allowed::Ignored,
        "a note on the schema; the schema has its own",
    ),
    ("tools", Allowed::Order, "tools of other types follow the functions"),
    ("messages.*.tool_calls.*.index", Allowed::Ignored, "a leftover of a stream"),
    ("tools.*.function.required", Allowed::Ignored, "not a field of the wire"),
    ("tools.*.function.parameters", Allowed::Rewritten, "no parameters are an empty object's schema"),
    ("messages.*.annotations", Allowed::Ignored, "notes on an earlier answer, for people"),
    ("messages.*.audio", Allowed::Default(&["null"]), "null says nothing"),
    ("messages.*.parsed", Allowed::Ignored, "an SDK's own field"),
    ("messages.*.function_call", Allowed::Default(&["null"]), "null says nothing"),
    ("messages.*.charset", Allowed::Ignored, "not a field of the wire"),
    ("messages.*.type", Allowed::Ignored, "not a field of the wire"),
    ("messages.*.name", Allowed::Ignored, "a tool's name is known by its call"),
    ("messages.*.content", Allowed::Default(&["null", "\"\"", "[]"]), "a turn without words"),
];

/// Responses: what may differ, and why.
const RESPONSES: &[(&str, Allowed, &str)] = &[
    ("stream", Allowed::Default(&["false"]), "whole answers are the default"),
    ("parallel_tool_calls", Allowed::Default(&["true"]), "the default"),
    ("tools", Allowed::Order, "tools of other types follow the functions"),
    ("tools", Allowed::Default(&["[]"]), "no tools"),
    ("tools.*.parameters", Allowed::Rewritten, "no parameters are an empty object's schema"),
    ("text.format", Allowed::Default(&["{\"type\":\"text\"}"]), "text is the default"),
    ("text", Allowed::Default(&["{}", "{\"format\":{\"type\":\"text\"}}"]), "text is the default"),
    ("text.format.strict", Allowed::Default(&["false"]), "the default"),
    ("reasoning", Allowed::Default(&["{}"]), "an empty object says nothing"),
    ("input", Allowed::Default(&["[]"]), "nothing new is said"),
    ("input.*.type", Allowed::Default(&["\"message\""]), "the default type"),
    ("input.*.id", Allowed::Ignored, "a call is known by its call_id; other items keep their names"),
    ("input.*.status", Allowed::Ignored, "set by the provider, not read"),
    ("input.*.content.*.annotations", Allowed::Ignored, "notes on an earlier answer, for people"),
    ("input.*.content.*.logprobs", Allowed::Ignored, "figures of an earlier answer, for people"),
    ("input.*.output.*.filename", Allowed::Rewritten, "a name is made up where it is missing"),
    ("input.*.content.*.filename", Allowed::Rewritten, "a name is made up where it is missing"),
];

/// Normalizes leading instructions to their own field, and a turn's text to a list.
fn normalize_instructions(body: &mut Value) {
    if let Value::String(text) = &body["input"] {
        body["input"] = serde_json::json!([{"role": "user", "content": text}]);
    }
    if body["instructions"].is_null()
        && let Some(items) = body["input"].as_array_mut()
        && items.first().is_some_and(|item| item["role"] == "system")
    {
        let text = match &items[0]["content"] {
            Value::Array(parts) if parts.len() == 1 => parts[0]["text"].clone(),
            content => content.clone(),
        };
        if text.is_string() {
            items.remove(0);
            body["instructions"] = text;
        }
    }
    for item in body["input"].as_array_mut().into_iter().flatten() {
        let kind = if item["role"] == "assistant" { "output_text" } else { "input_text" };
        for place in ["content", "output"] {
            if let Value::String(text) = &item[place] {
                item[place] = serde_json::json!([{"type": kind, "text": text}]);
            }
        }
        if item["role"] == "developer" && item["type"] != "additional_tools" {
            item["role"] = "developer".into();
        }
    }
}

struct RecordedRequest {
    id: String,
    provider: String,
    status: u64,
    body: Value,
    raw: String,
}

pub(crate) fn records() -> Option<Vec<Value>> {
    let folder = hotspare_tests::peer::env_or_skip("HOTSPARE_CORPUS", "a folder of recorded exchanges")?;
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    files.sort();
    let recorded = files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    let texts = recorded.map(|path| std::fs::read_to_string(path).unwrap());
    Some(
        texts
            .flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
            .collect(),
    )
}

fn recorded(endpoint: &str, providers: &[&str]) -> Option<Vec<RecordedRequest>> {
    let records = records()?;
    let wanted = records.into_iter().filter(|record| {
        record["endpoint"] == endpoint
            && record["method"] == "POST"
            && record["request_body_encoding"].is_null()
            && (providers.is_empty() || providers.iter().any(|provider| record["provider"] == *provider))
    });
    let found = wanted.filter_map(|record| {
        let mut raw = record["request_body"].as_str()?.to_owned();
        // Some hosts name the model in the URL.
        let mut body: Value = serde_json::from_str(&raw).ok()?;
        if body.is_object() && body["model"].is_null() {
            body["model"] = record["model"].as_str().unwrap_or("m").into();
            raw = body.to_string();
        }
        Some(RecordedRequest {
            id: record["id"].as_str()?.to_owned(),
            provider: record["provider"].as_str()?.to_owned(),
            status: record["status"].as_u64()?,
            body,
            raw,
        })
    });
    Some(found.collect())
}

/// Brings a body into a normal form, in which equal meanings are equal.
fn normalize(path: &str, value: &Value, allowed: &[(&str, Allowed, &str)]) -> Value {
    let rules = |path: &str| {
        let path = path.to_owned();
        allowed.iter().filter(move |(pattern, ..)| *pattern == path).map(|(_, rule, _)| *rule)
    };
    match value {
        Value::Object(fields) => {
            let mut out = serde_json::Map::new();
            for (name, value) in fields {
                let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let json = value.to_string();
                let value = normalize(&at, value, allowed);
                let mut name = name.as_str();
                let mut kept = !value.is_null();
                for rule in rules(&at) {
                    match rule {
                        Allowed::Ignored | Allowed::Rewritten => kept = false,
                        Allowed::Default(values) => kept &= !values.contains(&json.as_str()),
                        Allowed::Renamed(newer) => name = newer,
                        Allowed::Order => {}
                    }
                }
                if kept {
                    out.insert(name.to_owned(), value);
                }
            }
            Value::Object(out)
        }
        Value::Array(items) => {
            let mut items: Vec<Value> =
                items.iter().map(|item| normalize(&format!("{path}.*"), item, allowed)).collect();
            if rules(path).any(|rule| matches!(rule, Allowed::Order)) {
                items.sort_by_key(ToString::to_string);
            }
            // A single text and a list with one text are the same.
            match items.as_slice() {
                [only] if only["type"] == "text" && only.as_object().is_some_and(|part| part.len() == 2) => {
                    only["text"].clone()
                }
                _ => Value::Array(items),
            }
        }
        Value::Number(number) => number.as_f64().map_or(value.clone(), Value::from),
        other => other.clone(),
    }
}

/// Merges consecutive turns of one role, results first, as the wire does. Also renames the beta field for the output
/// format.
fn merge_turns(body: &mut Value) {
    let older = body.as_object_mut().and_then(|fields| fields.remove("output_format"));
    if let Some(format) = older {
        body["output_config"]["format"] = format;
    }
    let Some(turns) = body["messages"].as_array_mut() else { return };
    let mut out: Vec<(Value, Vec<Value>)> = Vec::new();
    for turn in turns.drain(..) {
        let role = if turn["role"] == "assistant" { turn["role"].clone() } else { Value::from("user") };
        let blocks = match &turn["content"] {
            Value::String(text) if text.is_empty() => Vec::new(),
            Value::String(text) => vec![serde_json::json!({"type": "text", "text": text})],
            Value::Array(blocks) => blocks.iter().filter(|block| block["text"] != "").cloned().collect(),
            _ => Vec::new(),
        };
        match out.last_mut() {
            _ if blocks.is_empty() => {}
            Some((last, before)) if *last == role => before.extend(blocks),
            _ => out.push((role, blocks)),
        }
    }
    *turns = out
        .into_iter()
        .map(|(role, mut content)| {
            content.sort_by_key(|block| block["type"] != "tool_result");
            serde_json::json!({"role": role, "content": content})
        })
        .collect();
}

/// Moves images in results to a user turn after the last result: the host rejects them anywhere else.
fn move_media_to_user_turn(body: &mut Value) {
    let Some(messages) = body["messages"].as_array_mut() else { return };
    let (mut out, mut media) = (Vec::new(), Vec::new());
    for mut message in messages.drain(..) {
        if message["role"] != "tool" && !media.is_empty() {
            media.insert(0, serde_json::json!({"type": "text", "text": "Media from the tool results:"}));
            out.push(serde_json::json!({"role": "user", "content": std::mem::take(&mut media)}));
        }
        let is_media = |part: &Value| part["type"] == "image_url" || part["type"] == "file";
        if message["role"] == "tool"
            && let Some(parts) =
                message["content"].as_array().filter(|parts| parts.iter().any(is_media)).cloned()
        {
            let text: String = parts.iter().filter_map(|part| part["text"].as_str()).collect();
            message["content"] = if text.is_empty() { "(shown below)".into() } else { text.into() };
            media.extend(parts.into_iter().filter(is_media));
        }
        out.push(message);
    }
    if !media.is_empty() {
        media.insert(0, serde_json::json!({"type": "text", "text": "Media from the tool results:"}));
        out.push(serde_json::json!({"role": "user", "content": media}));
    }
    *messages = out;
}

fn encode(
    wire: &dyn Wire,
    request: &ChatRequest,
    model: &str,
    stream: bool,
) -> Result<Value, hotspare_core::Error> {
    let call = Outbound::new(std::sync::Arc::new(request.clone()), model, stream);
    Ok(serde_json::from_slice(&wire.encode(&call)?.body).unwrap())
}

/// The paths of all differences.
fn differences(path: &str, left: &Value, right: &Value, out: &mut VecDeque<String>) {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            for name in a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))) {
                differences(&format!("{path}.{name}"), &left[name], &right[name], out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}[{at}]"), a, b, out);
            }
        }
        _ if left == right => {}
        _ => {
            let short = |value: &Value| value.to_string().chars().take(80).collect::<String>();
            out.push_back(format!("{path}: {} became {}", short(left), short(right)));
        }
    }
}

/// Texts of a request that are missing in a body. What only its own model can read back, and what only one wire
/// supports, may be missing: the trail says so.
fn missing_texts(request: &ChatRequest, body: &Value) -> Vec<String> {
    let (mut texts, mut held) = (Vec::new(), String::new());
    for message in &request.messages {
        collect_texts(&message.parts, &mut texts);
    }
    texts.extend(
        request.tools.iter().flat_map(|tool| [Some(tool.name.clone()), tool.description.clone()]).flatten(),
    );
    collect(body, &mut held);
    texts.retain(|text| !text.trim().is_empty() && !held.contains(text.as_str()));
    texts
}

fn collect_texts(parts: &[Part], out: &mut Vec<String>) {
    for part in parts {
        match part {
            Part::Text(text) | Part::Refusal(text) => out.push(text.clone()),
            Part::Image(Media::Base64 { data, .. }) => out.push(data.clone()),
            Part::Image(Media::Url(url)) => out.push(url.clone()),
            Part::ToolCall(call) => out.push(call.name.clone()),
            // A JSON result may be embedded as JSON.
            Part::ToolResult(result) if serde_json::from_str::<Value>(&text_of(&result.content)).is_ok() => {}
            Part::ToolResult(result) => collect_texts(&result.content, out),
            _ => {}
        }
    }
}

fn text_of(parts: &[Part]) -> String {
    parts.iter().filter_map(Part::as_text).collect()
}

/// All texts in a body.
fn collect(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => {
            out.push_str(text);
            out.push('\n');
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, out)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, out)),
        _ => {}
    }
}

type ParseRequest = fn(&[u8]) -> Result<(ChatRequest, bool), hotspare_core::Error>;

/// Parses every request of an endpoint and encodes it again, also for other wires.
fn round_trip(
    endpoint: &str,
    providers: &[&str],
    read: ParseRequest,
    own: &dyn Wire,
    others: &[&dyn Wire],
    same: impl Fn(&mut Value),
    allowed: &[(&str, Allowed, &str)],
) {
    let Some(all) = recorded(endpoint, providers) else { return };
    let mut differing = Vec::new();
    let mut counts: BTreeMap<String, [u32; 4]> = BTreeMap::new();
    let mut unsupported: BTreeMap<String, u32> = BTreeMap::new();
    for RecordedRequest { id, provider, status, body, raw } in &all {
        let count = counts.entry(provider.clone()).or_default();
        count[0] += 1;
        let (request, stream) = match read(raw.as_bytes()) {
            Ok(read) => read,
            // Its provider rejected it, too.
            Err(_) if *status >= 400 => {
                count[1] += 1;
                continue;
            }
            Err(error) => {
                *unsupported.entry(format!("{endpoint} is not read: {}", error.message())).or_default() += 1;
                count[1] += 1;
                continue;
            }
        };
        let model = body["model"].as_str().unwrap_or_default();
        let mut back = match encode(own, &request, model, stream) {
            Ok(back) => back,
            Err(error) if *status >= 400 || error.kind() == Kind::Unsupported => {
                *unsupported.entry(error.message().to_owned()).or_default() += 1;
                continue;
            }
            Err(error) => {
                differing.push(format!("{provider} {id}: {error}"));
                continue;
            }
        };
        let mut body = body.clone();
        same(&mut body);
        same(&mut back);
        let mut found = VecDeque::new();
        differences("", &normalize("", &body, allowed), &normalize("", &back, allowed), &mut found);
        if found.is_empty() {
            count[2] += 1;
        } else {
            differing.push(format!("{provider} {id} ({status}): {}", Vec::from(found).join("; ")));
        }
        // Another wire keeps all texts, or reports what it does not support.
        for other in others {
            match encode(*other, &request, "m", stream) {
                Ok(body) => {
                    // State kept by the provider binds a request to it, so these requests do not move as they are.
                    let lost =
                        if endpoint == "responses" { Vec::new() } else { missing_texts(&request, &body) };
                    if !lost.is_empty() {
                        differing.push(format!("{provider} {id}: {} loses {lost:?}", other.name()));
                    }
                    count[3] += 1;
                }
                Err(error) => {
                    assert!(matches!(error.kind(), Kind::Unsupported | Kind::InvalidRequest), "{error}");
                    *unsupported.entry(format!("{}: {}", other.name(), error.message())).or_default() += 1;
                }
            }
        }
    }
    for (provider, [all, refused, same, moved]) in &counts {
        println!(
            "{endpoint} {provider}: {same} of {all} come back the same, {refused} refused, {moved} times moved"
        );
    }
    for (what, count) in &unsupported {
        println!("  {count} × {what}");
    }
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
}

#[test]
fn messages_requests_round_trip() {
    let read: ParseRequest =
        |body| hotspare_anthropic::MessagesRequest::parse(body).map(|read| (read.request, read.stream));
    let own = hotspare_anthropic::Anthropic::new();
    let (chat, content) = (hotspare_openai::OpenAi::new(&Dialect::OPENAI), hotspare_gemini::Gemini::new());
    round_trip("messages", &["anthropic"], read, &own, &[&chat, &content], merge_turns, MESSAGES);
}

#[test]
fn chat_completions_requests_round_trip() {
    let read: ParseRequest =
        |body| hotspare_openai::ChatCompletionsRequest::parse(body).map(|read| (read.request, read.stream));
    let own = hotspare_openai::OpenAi::new(&Dialect::OPENAI);
    let (messages, content) = (hotspare_anthropic::Anthropic::new(), hotspare_gemini::Gemini::new());
    round_trip(
        "chat_completions",
        &["openai", "azure"],
        read,
        &own,
        &[&messages, &content],
        move_media_to_user_turn,
        CHAT,
    );
}

#[test]
fn responses_requests_round_trip() {
    use hotspare_openai::{Responses, ResponsesRequest};
    let read: ParseRequest = |body| ResponsesRequest::parse(body).map(|read| (read.request, read.stream));
    let own = Responses::new(&Dialect::OPENAI);
    let other = hotspare_openai::OpenAi::new(&Dialect::OPENAI);
    round_trip("responses", &[], read, &own, &[&other], normalize_instructions, RESPONSES);
}
