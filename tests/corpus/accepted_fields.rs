//! The fields that each provider has accepted, derived from the recorded requests that it answered.
//!
//! Not a schema: a field is listed if a request with it was answered, and nothing tells whether it had an effect.
//! Invariant: a path names the kind of each object on the way (its `type` or `role`), so a field of one kind of part
//! does not count as a field of another.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// More different words than this at one place are texts, not the values of an enumeration.
const MOST_WORDS: usize = 12;
/// A field that this many objects had without exception is taken to be required.
const ALWAYS: usize = 40;

/// Fields whose words the caller chooses.
const NAMES: &[&str] = &["id", "model", "name", "tool_call_id"];

/// Objects of the caller: schemas, arguments, and maps with free keys.
const OPAQUE: &[&str] = &[
    "additionalModelRequestFields",
    "args",
    "arguments",
    "input_schema",
    "input",
    "inputSchema",
    "json",
    "labels",
    "logit_bias",
    "metadata",
    "parameters",
    "parametersJsonSchema",
    "response",
    "responseJsonSchema",
    "responseSchema",
    "schema",
];

/// What one place of a body has held.
#[derive(Debug, Default)]
struct Place {
    types: BTreeSet<&'static str>,
    /// The words, as long as they are few.
    words: BTreeSet<String>,
    seen: usize,
    texts: bool,
}

/// The accepted fields of one provider.
#[derive(Debug, Default)]
pub(crate) struct AcceptedFields {
    places: BTreeMap<String, Place>,
    required: BTreeMap<String, Vec<String>>,
    pub(crate) requests: usize,
}

impl AcceptedFields {
    /// The fields of these accepted requests.
    pub(crate) fn of(requests: impl Iterator<Item = Value>) -> Self {
        let mut accepted = Self::default();
        requests.for_each(|body| accepted.add(&body));
        accepted.required = Self::required(&accepted.places);
        accepted
    }

    fn add(&mut self, body: &Value) {
        self.requests += 1;
        walk("", body, &mut |path, value| {
            let place = self.places.entry(path.to_owned()).or_default();
            place.seen += 1;
            place.types.insert(type_of(value));
            if let Value::String(text) = value {
                match is_word(text) && place.words.len() <= MOST_WORDS {
                    true => drop(place.words.insert(text.clone())),
                    false => place.texts = true,
                }
            }
            true
        });
    }

    /// The places of a body and their types.
    pub(crate) fn shape(body: &Value) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        walk("", body, &mut |path, value| found.insert(format!("{path}: {}", type_of(value))) | true);
        found
    }

    /// What in `body` was never accepted, as `path: what`.
    pub(crate) fn violations(&self, body: &Value) -> Vec<String> {
        let mut found = Vec::new();
        walk("", body, &mut |path, value| {
            let Some(place) = self.places.get(path) else {
                found.push(format!("{path}: unknown"));
                return false;
            };
            let kind = type_of(value);
            let fits = place.types.contains(kind) || (kind == "integer" && place.types.contains("number"));
            if !fits {
                found.push(format!("{path}: {kind}"));
                return false;
            }
            if let Value::String(word) = value
                && place.is_enumeration(path)
                && !place.words.contains(word)
            {
                found.push(format!("{path}: {word:?}"));
            }
            if let Value::Object(fields) = value {
                let required = self.required.get(path).into_iter().flatten();
                let missing = required.filter(|name| !fields.contains_key(*name));
                found.extend(missing.map(|name| below(path, name) + ": missing"));
            }
            true
        });
        found
    }

    /// For each place, the fields that every accepted object there had.
    fn required(places: &BTreeMap<String, Place>) -> BTreeMap<String, Vec<String>> {
        let mut required: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (path, field) in places {
            let (object, name) = path.rsplit_once('.').unwrap_or(("", path));
            let plain = !name.is_empty() && !name.contains(['[', '{']);
            let always = |place: &Place| place.seen >= ALWAYS && field.seen == place.seen;
            if plain && places.get(object).is_some_and(always) {
                required.entry(object.to_owned()).or_default().push(name.to_owned());
            }
        }
        required
    }
}

impl Place {
    /// Whether its strings are the values of an enumeration: few words, each seen several times on average.
    fn is_enumeration(&self, path: &str) -> bool {
        let named = path.rsplit('.').next().is_some_and(|last| NAMES.contains(&last));
        !named && !self.texts && self.words.len() <= MOST_WORDS && self.seen >= 4 * self.words.len()
    }
}

/// Calls `visit` for each value with its path; goes below a value if `visit` says so.
fn walk(path: &str, value: &Value, visit: &mut impl FnMut(&str, &Value) -> bool) {
    if !visit(path, value) {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let at = below(path, name);
                let schema = value.get("properties").is_some() || value.get("$ref").is_some();
                let opaque = value.is_object() && (schema || OPAQUE.contains(&name.as_str()));
                match value.as_object().and_then(|fields| fields.get("type")?.as_str()) {
                    _ if opaque => drop(visit(&at, value)),
                    Some(kind) => walk(&format!("{at}{{{kind}}}"), value, visit),
                    None => walk(&at, value, visit),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                let kind = item["type"].as_str().or(item["role"].as_str()).unwrap_or("*");
                walk(&format!("{path}[{kind}]"), item, visit);
            }
        }
        _ => {}
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// Whether a text may be a value of an enumeration.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 24
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.'))
}
