//! Writes JSON in other ways that mean the same.
//!
//! What a model or a caller wrote (arguments, schemas, metadata) keeps its values, and gets only another notation.
//! Invariant: an independent parser finds the same answer in the result.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// Names of fields whose contents are not the wire's own.
const FOREIGN: [&str; 8] =
    ["args", "arguments", "input", "metadata", "parameters", "partial_arguments", "schema", "tools"];

/// The names of the fields that any recording has at a place.
pub(super) type Names = BTreeMap<String, BTreeSet<String>>;

/// One way of writing JSON.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Style {
    /// Every character of a text, but not of a field's name, is written as an escape.
    pub(super) escaped: bool,
    /// Whole numbers are written with a fraction of zero.
    pub(super) fractions: bool,
    /// Indented, over several lines.
    pub(super) indented: bool,
    /// The fields of an object come in the reverse order.
    pub(super) reversed: bool,
    /// Counts of tokens are written as texts.
    pub(super) texts: bool,
}

/// Whose a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// The wire's counts of tokens.
    Counts,
    /// The model's or the caller's.
    Model,
    Wire,
}

impl Owner {
    fn of(self, name: &str, field: &Value) -> Self {
        match name {
            _ if self == Self::Model || is_foreign(name, field) => Self::Model,
            "usage" | "usageMetadata" | "index" | "output_index" => Self::Counts,
            _ => self,
        }
    }
}

/// Whether a field holds something that is not the wire's. A model's answer in JSON is parsed by one host.
fn is_foreign(name: &str, field: &Value) -> bool {
    let parts = ["message", "parts", "text", "thinking", "type"];
    FOREIGN.contains(&name)
        || (name == "content" && field.is_object() && !parts.iter().any(|part| field.get(part).is_some()))
}

impl Style {
    /// Writes a value.
    pub(super) fn write(self, value: &Value) -> String {
        let mut out = String::new();
        self.append(value, 0, Owner::Wire, &mut out);
        out
    }

    fn append(self, value: &Value, depth: usize, owner: Owner, out: &mut String) {
        let gap = |out: &mut String, depth: usize| {
            if self.indented {
                out.push('\n');
                out.push_str(&" \t".repeat(depth));
            }
        };
        match value {
            Value::Object(map) => {
                out.push('{');
                let mut fields: Vec<_> = map.iter().collect();
                if self.reversed {
                    fields.reverse();
                }
                for (at, (name, field)) in fields.into_iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    gap(out, depth + 1);
                    out.push_str(&Value::from(name.as_str()).to_string());
                    out.push_str(if self.indented { " : " } else { ":" });
                    self.append(field, depth + 1, owner.of(name, field), out);
                }
                gap(out, depth);
                out.push('}');
            }
            Value::Array(list) => {
                out.push('[');
                for (at, item) in list.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    gap(out, depth + 1);
                    self.append(item, depth + 1, owner, out);
                }
                gap(out, depth);
                out.push(']');
            }
            Value::String(text) => self.text(text, out),
            Value::Number(number) if owner != Owner::Model && self.fractions && number.is_u64() => {
                out.push_str(&format!("{number}.0"));
            }
            Value::Number(number) if owner == Owner::Counts && self.texts && number.is_u64() => {
                out.push_str(&format!("\"{number}\""));
            }
            other => out.push_str(&other.to_string()),
        }
    }

    fn text(self, text: &str, out: &mut String) {
        if !self.escaped {
            out.push_str(&Value::from(text).to_string());
            return;
        }
        out.push('"');
        for unit in text.encode_utf16() {
            out.push_str(&format!("\\u{unit:04x}"));
        }
        out.push('"');
    }
}

/// Notes the names of all fields, by place.
pub(super) fn note(value: &Value, place: &str, names: &mut Names) {
    match value {
        Value::Object(map) => {
            for (name, field) in map {
                names.entry(place.to_owned()).or_default().insert(name.clone());
                if !is_foreign(name, field) {
                    note(field, &format!("{place}.{name}"), names);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|item| note(item, &format!("{place}[]"), names)),
        _ => {}
    }
}

/// Adds every field that other recordings have at the same place, as `null`.
pub(super) fn with_nulls(value: &mut Value, place: &str, names: &Names) {
    each_object(value, place, &mut |map, place| {
        for name in names.get(place).into_iter().flatten() {
            map.entry(name.clone()).or_insert(Value::Null);
        }
    });
}

/// Removes every field that is `null`.
pub(super) fn without_nulls(value: &mut Value) {
    each_object(value, "", &mut |map, _| map.retain(|_, field| !field.is_null()));
}

/// Adds a field that no wire has to every object with fields. In an empty one, it would be its only content.
pub(super) fn with_unknown(value: &mut Value) {
    each_object(value, "", &mut |map, _| {
        if map.is_empty() {
            return;
        }
        let unknown = json!({"type": "x_future", "text": "not in the answer", "list": [null, 1.5, {}]});
        map.insert("x_future".into(), unknown);
    });
}

/// Adds a block of a type that is not known yet to every list of blocks.
pub(super) fn with_unknown_blocks(value: &mut Value) {
    each_object(value, "", &mut |map, _| {
        for name in ["content", "output", "parts", "steps"] {
            if let Some(Value::Array(list)) = map.get_mut(name)
                && !list.is_empty()
                && list.iter().all(Value::is_object)
            {
                // Where blocks have no type, the name of the field says it.
                let typed = list.first().is_some_and(|block| block["type"].is_string());
                let unknown = if typed {
                    json!({"type": "x_future", "id": "x", "data": {"text": "not in the answer"}})
                } else {
                    json!({"xFuture": {"text": "not in the answer"}})
                };
                list.insert(0, unknown.clone());
                list.push(unknown);
            }
        }
    });
}

/// Replaces every reason for which an answer ends by one that is not known yet.
pub(super) fn with_unknown_reasons(value: &mut Value) {
    each_object(value, "", &mut |map, _| {
        for name in ["finish_reason", "finishReason", "stop_reason", "stopReason", "done_reason"] {
            if let Some(Value::String(word)) = map.get_mut(name)
                && !word.is_empty()
            {
                "x_future".clone_into(word);
            }
        }
    });
}

fn each_object(value: &mut Value, place: &str, change: &mut dyn FnMut(&mut Map<String, Value>, &str)) {
    match value {
        Value::Object(map) => {
            for (name, field) in map.iter_mut().filter(|(name, field)| !is_foreign(name, field)) {
                each_object(field, &format!("{place}.{name}"), change);
            }
            change(map, place);
        }
        Value::Array(list) => {
            list.iter_mut().for_each(|item| each_object(item, &format!("{place}[]"), change));
        }
        _ => {}
    }
}
