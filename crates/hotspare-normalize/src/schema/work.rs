//! Bounds the work that a schema can cause, before it causes any.
//!
//! Not a validator: it only counts. A few lines of schema can cause years of work, because references may double it at
//! every step. Invariant: every reference is followed as the validator follows it, so any that could point elsewhere (a
//! URL, an anchor, a nested `$id`, a dynamic reference) is refused.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// The most subschemas that can apply to one place of an answer, with all references expanded. The largest schema that
/// providers accept has a few thousand.
const LIMIT: u64 = 20_000;
/// The deepest nesting of subschemas with references expanded: both counting and validating recurse.
const DEPTH_LIMIT: u32 = 64;
/// The most subschemas that may be visited to describe what is wrong with an answer.
const ERROR_LIMIT: u64 = 2_000_000;

/// The steps that one subschema takes at most: each is about as long as comparing two values.
const STEPS: u64 = 8;

/// Keywords whose value is a schema or a list of schemas.
const SCHEMAS: [&str; 15] = [
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "oneOf",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
];
/// Keywords whose value maps names to schemas.
const NAMED: [&str; 6] =
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];

/// The work that a schema can cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    /// The number of subschemas, with references expanded until they recur.
    schemas: u64,
    /// The number of recurring references: each repeats all the work one level deeper in the answer.
    loops: u64,
    /// The nesting of subschemas, expanded likewise.
    height: u32,
}

impl Work {
    /// Computes the work of a whole schema.
    pub(super) fn of(schema: &Value) -> Result<Self, Cow<'static, str>> {
        let mut counter = Counter { root: schema, known: BTreeMap::new(), depth: 0 };
        counter.known.insert(String::new(), None);
        let work = counter.schema(schema, true)?;
        if work.schemas > LIMIT {
            return Err(
                format!("it has more than {LIMIT} subschemas when its references are written out").into()
            );
        }
        Ok(work)
    }

    /// Whether all violations in an answer of this depth can be listed. (Whether there are any can always be
    /// determined: the validator caches results, but not reasons.)
    pub(super) fn can_explain(self, depth: u32) -> bool {
        self.loops
            .checked_pow(depth)
            .is_some_and(|repeats| self.schemas.saturating_mul(repeats.max(1)) <= ERROR_LIMIT)
    }

    /// The most steps of a validation per byte of the answer, for a schema of this many bytes without regular
    /// expressions: every subschema may apply to each value, and each value may be compared with every value that the
    /// schema lists. Values take at least two bytes. `None` if recurring references repeat the work at every level.
    pub(super) fn steps(self, bytes: usize) -> Option<u64> {
        let listed = u64::try_from(bytes / 2).unwrap_or(u64::MAX);
        (self.loops <= 1).then(|| (STEPS * self.schemas).saturating_add(listed) / 2)
    }

    fn add(&mut self, other: Self) {
        self.schemas = self.schemas.saturating_add(other.schemas);
        self.loops = self.loops.saturating_add(other.loops);
        self.height = self.height.max(other.height.saturating_add(1));
    }
}

/// The number of different regular expressions anywhere in a schema: each is compiled once.
pub(super) fn patterns(schema: &Value) -> usize {
    fn collect<'a>(value: &'a Value, patterns: &mut BTreeSet<&'a str>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| collect(item, patterns)),
            Value::Object(keywords) => {
                patterns.extend(keywords.get("pattern").and_then(Value::as_str));
                let named = keywords.get("patternProperties").and_then(Value::as_object);
                patterns.extend(named.into_iter().flat_map(Map::keys).map(String::as_str));
                keywords.values().for_each(|value| collect(value, patterns));
            }
            _ => {}
        }
    }
    let mut patterns = BTreeSet::new();
    collect(schema, &mut patterns);
    patterns.len()
}

struct Counter<'a> {
    root: &'a Value,
    /// Work by JSON pointer; `None` while it is being computed.
    known: BTreeMap<String, Option<Work>>,
    depth: u32,
}

impl<'a> Counter<'a> {
    fn schema(&mut self, schema: &'a Value, is_root: bool) -> Result<Work, Cow<'static, str>> {
        let mut work = Work { schemas: 1, loops: 0, height: 1 };
        let Some(keywords) = schema.as_object() else { return Ok(work) };
        reject_external_pointers(keywords, is_root)?;
        if self.depth >= DEPTH_LIMIT {
            return Err(
                format!("it nests deeper than {DEPTH_LIMIT} when its references are written out").into()
            );
        }
        self.depth += 1;
        for inner in keywords.iter().flat_map(|(keyword, value)| subschemas(keyword, value)) {
            work.add(self.schema(inner, false)?);
        }
        if let Some(Value::String(reference)) = keywords.get("$ref") {
            work.add(self.reference(reference)?);
        }
        self.depth -= 1;
        Ok(work)
    }

    fn bounded(&self, height: u32) -> Result<(), Cow<'static, str>> {
        if self.depth.saturating_add(height) > DEPTH_LIMIT {
            return Err(
                format!("it nests deeper than {DEPTH_LIMIT} when its references are written out").into()
            );
        }
        Ok(())
    }

    fn reference(&mut self, reference: &str) -> Result<Work, Cow<'static, str>> {
        let pointer = reference.strip_prefix('#').filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let Some(pointer) = pointer.and_then(decode) else {
            return Err("it refers to something other than `#` or `#/…`".into());
        };
        match self.known.get(&pointer) {
            Some(Some(work)) => {
                let work = *work;
                return self.bounded(work.height).map(|()| work);
            }
            Some(None) => return Ok(Work { schemas: 1, loops: 1, height: 1 }),
            None => {}
        }
        let Some(target) = self.root.pointer(&pointer) else {
            return Err("it refers to something that it does not have".into());
        };
        self.known.insert(pointer.clone(), None);
        let work = self.schema(target, false)?;
        self.known.insert(pointer, Some(work));
        Ok(work)
    }
}

fn reject_external_pointers(keywords: &Map<String, Value>, is_root: bool) -> Result<(), Cow<'static, str>> {
    for keyword in ["$dynamicRef", "$recursiveRef"] {
        if keywords.contains_key(keyword) {
            return Err(format!("it uses {keyword}").into());
        }
    }
    for keyword in ["$id", "id"] {
        if !is_root && keywords.get(keyword).is_some_and(Value::is_string) {
            return Err(format!("it has an {keyword} below its root").into());
        }
    }
    Ok(())
}

fn subschemas<'a>(keyword: &str, value: &'a Value) -> Box<dyn Iterator<Item = &'a Value> + 'a> {
    let schemas = SCHEMAS.contains(&keyword) || keyword == "unevaluatedProperties";
    match value {
        Value::Object(named) if NAMED.contains(&keyword) => Box::new(named.values()),
        Value::Object(_) if schemas => Box::new(std::iter::once(value)),
        Value::Array(list) if schemas => Box::new(list.iter()),
        _ => Box::new(std::iter::empty()),
    }
}

/// Decodes the percent encoding of a pointer in a reference.
fn decode(pointer: &str) -> Option<String> {
    let mut bytes = pointer.bytes();
    let mut plain = Vec::with_capacity(pointer.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn counts_referenced_subschemas() {
        let work = |schema: Value| Work::of(&schema).map(|work| (work.schemas, work.loops));
        assert_eq!(work(json!(true)), Ok((1, 0)));
        assert_eq!(work(json!({ "properties": { "a": {}, "$ref": { "items": [{}, {}] } } })), Ok((5, 0)));
        assert_eq!(
            work(
                json!({ "allOf": [{ "$ref": "#/x/a%20b" }, { "$ref": "#/x/a b" }], "x": { "a b": { "not": {} } } })
            ),
            Ok((7, 0))
        );
        assert_eq!(work(json!({ "properties": { "l": { "$ref": "#" }, "r": { "$ref": "#" } } })), Ok((5, 2)));
    }

    #[test]
    fn detects_when_explanations_would_be_too_expensive() {
        let work = |loops| Work { schemas: 100, loops, height: 1 };
        assert!(work(0).can_explain(127) && work(1).can_explain(127));
        assert!(work(2).can_explain(14) && !work(2).can_explain(15) && !work(u64::MAX).can_explain(127));
    }
}
