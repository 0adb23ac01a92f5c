//! The normal form in which two bodies of equal meaning are equal.
//!
//! Not the list of what may differ. Invariant: a value is removed or changed only by a rule of that list or by a
//! rewriting below, which states its reason.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use super::allowed::{Allowed, Rule};

/// Which of the two bodies a rewriting is applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Recorded,
    Encoded,
}

/// Brings a body into a normal form, in which equal meanings are equal.
pub(super) fn normalize(path: &str, value: &Value, allowed: &[Rule]) -> Value {
    let rules = |path: &str| {
        let path = path.to_owned();
        allowed.iter().filter(move |(pattern, ..)| *pattern == path).map(|(_, rule, _)| *rule)
    };
    match value {
        _ if rules(path).any(|rule| matches!(rule, Allowed::Exact)) => as_is(value),
        Value::Object(fields) => {
            let mut out = Map::new();
            for (name, value) in fields {
                let at = below(path, name);
                let json = value.to_string();
                let value = normalize(&at, value, allowed);
                let mut name = name.as_str();
                let mut kept = !value.is_null();
                for rule in rules(&at) {
                    match rule {
                        Allowed::Ignored => kept = false,
                        Allowed::Default(values) => kept &= !values.contains(&json.as_str()),
                        Allowed::Renamed(newer) => name = newer,
                        Allowed::Order | Allowed::Missing(_) | Allowed::Exact => {}
                    }
                }
                if kept {
                    out.insert(name.to_owned(), value);
                }
            }
            for (pattern, rule, _) in allowed {
                let Some((parent, name)) = pattern.rsplit_once('.') else { continue };
                if let Allowed::Missing(meant) = rule
                    && parent == path
                    && !out.contains_key(name)
                {
                    out.insert(name.to_owned(), serde_json::from_str(meant).unwrap());
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
        scalar => as_is(scalar),
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The value itself, with every number spelled alike.
fn as_is(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), as_is(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(as_is).collect(),
        Value::Number(number) => number.as_f64().map_or(value.clone(), Value::from),
        other => other.clone(),
    }
}

/// Merges consecutive turns of one role, results first, as the wire does. Recorded later instructions join the user's
/// turn, because most models refuse the role. Also renames the beta field for the output format.
pub(super) fn merge_turns(body: &mut Value, side: Side) {
    let older = body.as_object_mut().and_then(|fields| fields.remove("output_format"));
    if let Some(format) = older {
        body["output_config"]["format"] = format;
    }
    let Some(turns) = body["messages"].as_array_mut() else { return };
    let mut out: Vec<(Value, Vec<Value>)> = Vec::new();
    for turn in turns.drain(..) {
        let role = match turn["role"].as_str() {
            Some("system") if side == Side::Recorded => Value::from("user"),
            _ => turn["role"].clone(),
        };
        let blocks = match &turn["content"] {
            Value::String(text) if text.is_empty() => Vec::new(),
            Value::String(text) => vec![json!({"type": "text", "text": text})],
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
            json!({"role": role, "content": content})
        })
        .collect();
}

/// Moves images in results to a user turn after the last result: the host rejects them anywhere else.
pub(super) fn move_media_to_user_turn(body: &mut Value, side: Side) {
    if side == Side::Encoded {
        return;
    }
    let Some(messages) = body["messages"].as_array_mut() else { return };
    let (mut out, mut media) = (Vec::new(), Vec::new());
    for mut message in messages.drain(..) {
        if message["role"] != "tool" && !media.is_empty() {
            media.insert(0, json!({"type": "text", "text": "Media from the tool results:"}));
            out.push(json!({"role": "user", "content": std::mem::take(&mut media)}));
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
        media.insert(0, json!({"type": "text", "text": "Media from the tool results:"}));
        out.push(json!({"role": "user", "content": media}));
    }
    *messages = out;
}

/// Normalizes leading instructions to their own field, and a turn's text to a list.
pub(super) fn normalize_instructions(body: &mut Value, _: Side) {
    if let Value::String(text) = &body["input"] {
        body["input"] = json!([{"role": "user", "content": text}]);
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
                item[place] = json!([{"type": kind, "text": text}]);
            }
        }
        if item["role"] == "developer" && item["type"] != "additional_tools" {
            item["role"] = "developer".into();
        }
    }
}

/// The paths of all differences.
pub(super) fn differences(path: &str, left: &Value, right: &Value, out: &mut VecDeque<String>) {
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
