//! Finds the parts of a schema that describe each part of an answer.
//!
//! Not a validator: a branch applies unless a property that it fixes (the tag of a union) has another value in the
//! answer. Invariant: the work is bounded whatever the schema refers to, and each part of the answer is visited once.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The most subschemas, properties and listed values to look at for one answer: a schema may refer to itself, and may be
/// untrusted.
const MAX_STEPS: usize = 1_000_000;

/// An edit of an object that these schemas describe; returns the number of changes.
pub(super) type Edit<'a> = fn(&mut Walker<'a>, &[&'a Value], &mut Map<String, Value>) -> usize;

/// Applies `edit` to every object of `answer` that `schema` describes, from the outside in.
pub(super) fn edit_objects<'a>(schema: &'a Value, answer: &mut Value, edit: Edit<'a>) -> usize {
    Walker { root: schema, left: MAX_STEPS }.walk(&[schema], answer, edit)
}

/// The subschemas for this property.
pub(super) fn property<'a>(schemas: &[&'a Value], name: &str) -> Vec<&'a Value> {
    schemas.iter().filter_map(|schema| schema.get("properties")?.get(name)).collect()
}

/// Walks one schema and an answer, with a bound on the number of steps.
pub(super) struct Walker<'a> {
    root: &'a Value,
    left: usize,
}

impl<'a> Walker<'a> {
    fn walk(&mut self, described: &[&'a Value], answer: &mut Value, edit: Edit<'a>) -> usize {
        match answer {
            Value::Object(object) => {
                let schemas = self.applicable_schemas(described, Some(object));
                let mut edits = edit(self, &schemas, object);
                if !self.spend(schemas.len().saturating_mul(object.len())) {
                    return edits;
                }
                for (name, value) in object.iter_mut() {
                    edits += self.walk(&property(&schemas, name), value, edit);
                }
                edits
            }
            Value::Array(items) => {
                let schemas = self.applicable_schemas(described, None);
                let below: Vec<&Value> = schemas.iter().filter_map(|schema| schema.get("items")).collect();
                items.iter_mut().map(|item| self.walk(&below, item, edit)).sum()
            }
            _ => 0,
        }
    }

    /// These schemas, and those that they refer to or combine.
    fn applicable_schemas(
        &mut self,
        described: &[&'a Value],
        object: Option<&Map<String, Value>>,
    ) -> Vec<&'a Value> {
        let mut seen = BTreeSet::new();
        let mut pending = described.to_vec();
        let mut applicable_schemas = Vec::new();
        while let Some(schema) = pending.pop() {
            if !self.spend(1) || !seen.insert(std::ptr::from_ref(schema)) {
                continue;
            }
            if object.is_some_and(|object| self.contradicts(schema, object)) {
                continue;
            }
            pending.extend(self.reference(schema));
            pending.extend(["anyOf", "oneOf", "allOf"].iter().flat_map(|keyword| branches(schema, keyword)));
            applicable_schemas.push(schema);
        }
        applicable_schemas
    }

    /// Whether the schema rules out null, as far as its own keywords show.
    pub(super) fn refuses_null(&mut self, schema: &'a Value) -> bool {
        self.refuses(schema, 64)
    }

    fn refuses(&mut self, schema: &'a Value, depth: u32) -> bool {
        let Some(depth) = depth.checked_sub(1).filter(|_| self.spend(1)) else { return false };
        let by_type = match schema.get("type") {
            Some(Value::String(kind)) => kind != "null",
            Some(Value::Array(kinds)) => kinds.iter().all(|kind| kind != "null"),
            _ => false,
        };
        let listed = schema.get("enum").and_then(Value::as_array);
        by_type
            || schema.get("const").is_some_and(|value| !value.is_null())
            || listed.is_some_and(|values| !values.iter().any(Value::is_null))
            || self.reference(schema).is_some_and(|target| self.refuses(target, depth))
            || branches(schema, "allOf").iter().any(|branch| self.refuses(branch, depth))
            || ["anyOf", "oneOf"].iter().any(|keyword| {
                let branches = branches(schema, keyword);
                !branches.is_empty() && branches.iter().all(|branch| self.refuses(branch, depth))
            })
    }

    fn reference(&self, schema: &Value) -> Option<&'a Value> {
        self.root.pointer(schema.get("$ref")?.as_str()?.strip_prefix('#')?)
    }

    /// Whether a property that the schema fixes has another value. A null may stand for an absent one.
    fn contradicts(&mut self, schema: &Value, object: &Map<String, Value>) -> bool {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return false };
        self.spend(properties.len())
            && properties.iter().any(|(name, below)| {
                let Some(value) = object.get(name).filter(|value| !value.is_null()) else { return false };
                let listed = below.get("enum").and_then(Value::as_array);
                below.get("const").is_some_and(|fixed| fixed != value)
                    || listed.is_some_and(|values| self.spend(values.len()) && !values.contains(value))
            })
    }

    /// Takes this many steps; `false` if there are not as many left, and from then on.
    pub(super) fn spend(&mut self, steps: usize) -> bool {
        let left = self.left.checked_sub(steps);
        self.left = left.unwrap_or(0);
        left.is_some()
    }
}

fn branches<'a>(schema: &'a Value, keyword: &str) -> &'a [Value] {
    schema.get(keyword).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
