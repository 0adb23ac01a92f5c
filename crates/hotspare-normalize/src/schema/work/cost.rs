//! The steps that the keywords of a schema take, for each place and byte of an answer.
//!
//! Not a count for any answer. Invariant: a cost is at least what the validator does, in units of several nanoseconds.

use serde_json::{Map, Value};

use crate::schema::patterns::Patterns;

/// The steps for one subschema and one value of an answer.
pub(super) const VISIT: u64 = 16;

/// The steps that subschemas take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// For each value of an answer that it applies to.
    per_instance: u64,
    /// For each byte of a text or of a property's name.
    per_byte: u64,
    /// Whether the cost grows faster than linearly in the answer.
    pub(super) superlinear: bool,
}

impl Cost {
    /// The cost of any schema, whatever its keywords.
    pub(super) const VISIT: Self = Self { per_instance: VISIT, per_byte: 0, superlinear: false };

    /// The cost of a schema's own keywords.
    pub(super) fn of(keywords: &Map<String, Value>, patterns: &Patterns) -> Self {
        // To look at each part of an object or array.
        let mut cost = Self { per_instance: 1, per_byte: 0, superlinear: false };
        for (keyword, value) in keywords {
            let (mut per_instance, mut per_byte) = (0, 0);
            match (keyword.as_str(), value) {
                ("required", Value::Array(names)) => per_instance = VISIT.saturating_mul(count(names.len())),
                ("enum", Value::Array(values)) => per_instance = choices(values),
                ("const", value) => per_instance = nodes(value),
                ("pattern", Value::String(pattern)) => per_byte = patterns.size(pattern),
                ("patternProperties", Value::Object(named)) => {
                    // `additionalProperties` and `unevaluatedProperties` match them again.
                    per_byte =
                        named.keys().map(|pattern| patterns.size(pattern)).fold(0, u64::saturating_add);
                    per_byte = per_byte.saturating_mul(3);
                }
                ("properties", Value::Object(named)) => per_instance = count(named.len()),
                ("format", _) => per_byte = 4,
                ("minLength" | "maxLength", _) => per_byte = 1,
                ("uniqueItems", Value::Bool(true)) => cost.superlinear = true,
                _ => {}
            }
            cost.per_instance = cost.per_instance.saturating_add(per_instance);
            cost.per_byte = cost.per_byte.saturating_add(per_byte);
        }
        cost
    }

    pub(super) fn add(&mut self, other: Self) {
        self.per_instance = self.per_instance.saturating_add(other.per_instance);
        self.per_byte = self.per_byte.saturating_add(other.per_byte);
        self.superlinear |= other.superlinear;
    }

    /// The cost of as many such schemas.
    pub(super) fn repeated(self, times: u64) -> Self {
        let (per_instance, per_byte) =
            (self.per_instance.saturating_mul(times), self.per_byte.saturating_mul(times));
        Self { per_instance, per_byte, ..self }
    }

    /// The steps at places with these bytes of text.
    pub(super) fn times(self, instances: u64, bytes: u64) -> u64 {
        self.per_instance.saturating_mul(instances).saturating_add(self.per_byte.saturating_mul(bytes))
    }

    /// The most steps for an answer of this many bytes. A value takes at least two.
    pub(super) fn of_bytes(self, bytes: u64) -> u64 {
        let instances = bytes / 2 + 1;
        let superlinear = if self.superlinear { instances.saturating_mul(instances) } else { 0 };
        self.times(instances, bytes).saturating_add(superlinear)
    }

    /// Whether even every subschema at every place of an answer would stay within the limit. Most schemas are so small,
    /// and most answers so short, that this saves a closer look.
    pub(super) fn bounds(self, answer: &Value, limit: u64) -> bool {
        let (mut instances, mut bytes) = (0, 0);
        !self.superlinear
            && self.is_within(answer, limit, &mut instances, &mut bytes)
            && self.times(instances, bytes) <= limit
    }

    fn is_within(self, value: &Value, limit: u64, instances: &mut u64, bytes: &mut u64) -> bool {
        *instances += 1;
        match value {
            Value::String(text) => *bytes += count(text.len()),
            Value::Array(items) => {
                return items.iter().all(|item| self.is_within(item, limit, instances, bytes));
            }
            Value::Object(items) => {
                *bytes += items.keys().map(|name| count(name.len())).sum::<u64>();
                return self.times(*instances, *bytes) <= limit
                    && items.values().all(|value| self.is_within(value, limit, instances, bytes));
            }
            _ => {}
        }
        true
    }
}

/// The steps to compare a value with each of these. The validator looks texts and integers up.
fn choices(values: &[Value]) -> u64 {
    let short = values.iter().all(|value| value.is_string() || value.is_null())
        || values.iter().all(|value| value.is_null() || value.is_i64());
    if short {
        return count(values.len().min(10));
    }
    values.iter().map(|value| nodes(value).saturating_mul(8)).fold(0, u64::saturating_add)
}

/// The number of values in a value. The parser has bounded this recursion.
pub(super) fn nodes(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(nodes).sum::<u64>(),
        Value::Object(items) => 1 + items.values().map(nodes).sum::<u64>(),
        _ => 1,
    }
}

pub(super) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
