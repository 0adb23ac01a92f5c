//! Bounds the work that a schema can cause: for any answer before there is one, and for each answer before it is
//! validated.
//!
//! Not a validator: it only counts, and [`Meter`] counts for one answer what the bound for all of them does not settle. A
//! few lines of schema can cause years of work, because references may double it at every step, and every item of an answer
//! repeats it. Invariants: every reference is followed as the validator follows it, so any that could point elsewhere (a
//! URL, an anchor, a nested `$id`, a dynamic reference) is refused; and the validator sees an answer only if its work was
//! found to be within the limits.

mod cost;
mod meter;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use self::cost::{Cost, VISIT, count, nodes};
pub(super) use self::meter::Excess;
use self::meter::Meter;
use super::patterns::Patterns;

/// The most subschemas that can apply to one place of an answer, with all references expanded. The largest schema that
/// providers accept has a few thousand.
const LIMIT: u64 = 20_000;
/// The deepest nesting of subschemas with references expanded: both counting and validating recurse.
const DEPTH_LIMIT: u32 = 64;
/// The most steps to determine whether one answer is valid. One is a byte that one state of a regular expression reads, or
/// as much work: several nanoseconds. An answer of 10,000 values against 100 subschemas each takes half as many.
const VALIDATION_LIMIT: u64 = 32_000_000;
/// The most steps to describe what is wrong with an answer: 100,000 subschemas, each of which may take a kilobyte.
const EXPLANATION_LIMIT: u64 = 1_600_000;
/// The most steps of a validation that is quick: a few milliseconds even if every subschema applies to every value.
const QUICK_LIMIT: u64 = 8_000_000;

/// Keywords whose value is a schema or a list of schemas.
const SCHEMA_KEYWORDS: [&str; 15] = [
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
const SCHEMA_MAP_KEYWORDS: [&str; 6] =
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];
const UNEVALUATED: &str = "unevaluatedProperties";
/// Keywords whose schemas apply to the same place of an answer, as a reference does.
const IN_PLACE_APPLICATORS: [&str; 9] =
    ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"];
/// How often `unevaluatedItems` and `unevaluatedProperties` have the schemas beside them compiled and applied: once for
/// the result and, where they nest, between one and two times for what they evaluate.
const REPEATS: u64 = 3;

/// The work that a schema can cause.
#[derive(Debug)]
pub(super) struct Work {
    expanded: Expanded,
    /// The references, as JSON pointers, that lead back to a schema from within it.
    recurring: BTreeSet<String>,
}

/// What a subschema adds up to with its references expanded until they recur.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Expanded {
    /// The number of subschemas.
    schemas: u64,
    /// The number of recurring references: each repeats all the work one level deeper in the answer.
    loops: u64,
    /// The nesting of subschemas.
    height: u32,
    cost: Cost,
}

impl Work {
    /// Computes the work of a whole schema.
    pub(super) fn of(schema: &Value, patterns: &Patterns) -> Result<Self, Cow<'static, str>> {
        let mut counter =
            Counter { root: schema, patterns, known: BTreeMap::new(), recurring: BTreeSet::new(), depth: 0 };
        counter.known.insert(String::new(), None);
        let expanded = counter.schema(schema, true)?;
        if expanded.schemas > LIMIT {
            return Err(
                format!("it has more than {LIMIT} subschemas when its references are written out").into()
            );
        }
        Ok(Self { expanded, recurring: counter.recurring })
    }

    /// The number of subschemas.
    pub(super) fn schemas(&self) -> u64 {
        self.expanded.schemas
    }

    /// Whether validating an answer of this many bytes may take longer than a few milliseconds, unless it backtracks.
    pub(super) fn is_heavy(&self, bytes: usize) -> bool {
        self.expanded.loops > 1 || self.expanded.cost.of_bytes(count(bytes)) > QUICK_LIMIT
    }

    /// Determines whether an answer can be judged within the limit.
    pub(super) fn check_validation(
        &self,
        schema: &Value,
        patterns: &Patterns,
        answer: &Value,
    ) -> Result<(), Excess> {
        if !patterns.backtrack() && self.expanded.cost.bounds(answer, VALIDATION_LIMIT) {
            return Ok(());
        }
        Meter::new(self, patterns, schema, VALIDATION_LIMIT, true).answer(answer).map(drop)
    }

    /// Determines whether all violations in an answer can be listed within the limit. This may take much more than to
    /// determine whether there are any: the validator caches results, but not reasons.
    pub(super) fn check_explanation(
        &self,
        schema: &Value,
        patterns: &Patterns,
        answer: &Value,
    ) -> Result<(), Excess> {
        Meter::new(self, patterns, schema, EXPLANATION_LIMIT, false).answer(answer).map(drop)
    }
}

impl Expanded {
    const ONE: Self = Self { schemas: 1, loops: 0, height: 1, cost: Cost::VISIT };

    fn times(self, times: u64) -> Self {
        let (schemas, loops) = (self.schemas.saturating_mul(times), self.loops.saturating_mul(times));
        Self { schemas, loops, cost: self.cost.repeated(times), ..self }
    }

    fn add(&mut self, other: Self) {
        self.schemas = self.schemas.saturating_add(other.schemas);
        self.loops = self.loops.saturating_add(other.loops);
        self.height = self.height.max(other.height.saturating_add(1));
        self.cost.add(other.cost);
    }
}

struct Counter<'a> {
    root: &'a Value,
    patterns: &'a Patterns,
    /// Results by JSON pointer; `None` while one is being computed.
    known: BTreeMap<String, Option<Expanded>>,
    recurring: BTreeSet<String>,
    depth: u32,
}

impl<'a> Counter<'a> {
    fn schema(&mut self, schema: &'a Value, is_root: bool) -> Result<Expanded, Cow<'static, str>> {
        let mut work = Expanded::ONE;
        let Some(keywords) = schema.as_object() else { return Ok(work) };
        work.cost.add(Cost::of(keywords, self.patterns));
        reject_external_pointers(keywords, is_root)?;
        if self.depth >= DEPTH_LIMIT {
            return Err(
                format!("it nests deeper than {DEPTH_LIMIT} when its references are written out").into()
            );
        }
        self.depth += 1;
        let repeats = repeats(keywords);
        for (keyword, value) in keywords {
            let times = if IN_PLACE_APPLICATORS.contains(&keyword.as_str()) { repeats } else { 1 };
            for inner in subschemas(keyword, value) {
                work.add(self.schema(inner, false)?.times(times));
            }
            if value.is_boolean() && (SCHEMA_KEYWORDS.contains(&keyword.as_str()) || keyword == UNEVALUATED) {
                work.cost.add(Expanded::ONE.times(times).cost);
            }
        }
        if let Some(Value::String(reference)) = keywords.get("$ref") {
            work.add(self.reference(reference)?.times(repeats));
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

    fn reference(&mut self, reference: &str) -> Result<Expanded, Cow<'static, str>> {
        let Some(pointer) = pointer(reference) else {
            return Err("it refers to something other than `#` or `#/…`".into());
        };
        match self.known.get(&pointer) {
            Some(Some(work)) => {
                let work = *work;
                return self.bounded(work.height).map(|()| work);
            }
            Some(None) => {
                self.recurring.insert(pointer);
                return Ok(Expanded { loops: 1, ..Expanded::ONE });
            }
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

/// How often the schemas for the same place are applied.
fn repeats(keywords: &Map<String, Value>) -> u64 {
    if keywords.contains_key("unevaluatedItems") || keywords.contains_key(UNEVALUATED) { REPEATS } else { 1 }
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
    let schemas = SCHEMA_KEYWORDS.contains(&keyword) || keyword == UNEVALUATED;
    match value {
        Value::Object(named) if SCHEMA_MAP_KEYWORDS.contains(&keyword) => Box::new(named.values()),
        Value::Object(_) if schemas => Box::new(std::iter::once(value)),
        Value::Array(list) if schemas => Box::new(list.iter()),
        _ => Box::new(std::iter::empty()),
    }
}

/// The JSON pointer of a reference into the same schema.
fn pointer(reference: &str) -> Option<String> {
    let pointer = reference.strip_prefix('#').filter(|rest| rest.is_empty() || rest.starts_with('/'));
    pointer.and_then(decode)
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
mod tests;
