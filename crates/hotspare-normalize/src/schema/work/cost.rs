//! The steps that the keywords of a schema take, for each place and byte of an answer.
//!
//! Not a count for any answer. Invariant: a cost is at least what the validator does, in units of several nanoseconds.

use serde_json::{Map, Value};

use crate::schema::patterns::Patterns;

/// The steps for one subschema at one place of an answer.
pub(super) const VISIT: u64 = 16;

/// The steps that subschemas take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// At each place of an answer.
    place: u64,
    /// For each byte of a text or of a property's name.
    byte: u64,
    /// Whether it grows faster than the answer.
    pub(super) steep: bool,
}

impl Cost {
    /// Of any schema.
    pub(super) const VISIT: Self = Self { place: VISIT, byte: 0, steep: false };

    /// The cost of a schema's own keywords.
    pub(super) fn of(keywords: &Map<String, Value>, patterns: &Patterns) -> Self {
        // To look at each part of an object or array.
        let mut cost = Self { place: 1, byte: 0, steep: false };
        for (keyword, value) in keywords {
            let (mut place, mut byte) = (0, 0);
            match (keyword.as_str(), value) {
                ("required", Value::Array(names)) => place = VISIT.saturating_mul(count(names.len())),
                ("enum", Value::Array(values)) => place = choices(values),
                ("const", value) => place = nodes(value),
                ("pattern", Value::String(pattern)) => byte = patterns.size(pattern),
                ("patternProperties", Value::Object(named)) => {
                    // `additionalProperties` and `unevaluatedProperties` match them again.
                    byte = named.keys().map(|pattern| patterns.size(pattern)).fold(0, u64::saturating_add);
                    byte = byte.saturating_mul(3);
                }
                ("properties", Value::Object(named)) => place = count(named.len()),
                ("format", _) => byte = 4,
                ("minLength" | "maxLength", _) => byte = 1,
                ("uniqueItems", Value::Bool(true)) => cost.steep = true,
                _ => {}
            }
            cost.place = cost.place.saturating_add(place);
            cost.byte = cost.byte.saturating_add(byte);
        }
        cost
    }

    pub(super) fn add(&mut self, other: Self) {
        self.place = self.place.saturating_add(other.place);
        self.byte = self.byte.saturating_add(other.byte);
        self.steep |= other.steep;
    }

    /// The cost of as many such schemas.
    pub(super) fn repeated(self, times: u64) -> Self {
        let (place, byte) = (self.place.saturating_mul(times), self.byte.saturating_mul(times));
        Self { place, byte, ..self }
    }

    /// The steps at places with these bytes of text.
    pub(super) fn times(self, places: u64, bytes: u64) -> u64 {
        self.place.saturating_mul(places).saturating_add(self.byte.saturating_mul(bytes))
    }

    /// The most steps for an answer of this many bytes. A value takes at least two.
    pub(super) fn of_bytes(self, bytes: u64) -> u64 {
        let places = bytes / 2 + 1;
        let steep = if self.steep { places.saturating_mul(places) } else { 0 };
        self.times(places, bytes).saturating_add(steep)
    }

    /// Whether even every subschema at every place of an answer would stay within the limit. Most schemas are so small,
    /// and most answers so short, that this saves a closer look.
    pub(super) fn bounds(self, answer: &Value, limit: u64) -> bool {
        let (mut places, mut bytes) = (0, 0);
        !self.steep && self.fits(answer, limit, &mut places, &mut bytes) && self.times(places, bytes) <= limit
    }

    fn fits(self, value: &Value, limit: u64, places: &mut u64, bytes: &mut u64) -> bool {
        *places += 1;
        match value {
            Value::String(text) => *bytes += count(text.len()),
            Value::Array(items) => return items.iter().all(|item| self.fits(item, limit, places, bytes)),
            Value::Object(items) => {
                *bytes += items.keys().map(|name| count(name.len())).sum::<u64>();
                return self.times(*places, *bytes) <= limit
                    && items.values().all(|value| self.fits(value, limit, places, bytes));
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
