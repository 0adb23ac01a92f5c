//! Validation against a JSON Schema.
//!
//! It fetches nothing: references must point from the schema's root into the schema (`#`, `#/…`); any other kind is
//! refused at compile time. Invariant: a schema may be untrusted, so its size, its depth, its regular expressions and
//! the work that its references cause are bounded.

mod nulls;
mod places;
mod spelling;
mod work;

use hotspare_core::{Error, Json, Kind};
use jsonschema::{PatternOptions, ValidationError};
use serde_json::Value;

use self::work::Work;
use crate::validate::{Validator, Violation};

/// The longest schema, in bytes: several times the largest that providers accept.
const SIZE_LIMIT: usize = 256 << 10;
/// The deepest nesting of a schema; validation recurses.
const DEPTH_LIMIT: u32 = 64;
/// The most violations to report: a model corrects the first few, and the rest often follow from them.
const VIOLATION_LIMIT: usize = 16;
/// The longest message of a violation, in bytes.
const MESSAGE_LIMIT: usize = 300;
/// The most backtracking steps that one regular expression may take on one text.
const BACKTRACK_LIMIT: usize = 50_000;
/// The most bytes for one compiled regular expression, and as many again for its cache. Compiling that much takes a few
/// milliseconds; ten Unicode classes in a row fit.
const PATTERN_LIMIT: usize = 256 << 10;
/// The most different regular expressions in one schema.
const PATTERNS_LIMIT: usize = 64;

/// The most steps of a validation that is quick: a few milliseconds even if every subschema applies to every value.
const QUICK: u64 = 4_000_000;

/// A compiled JSON Schema: draft 2020-12, or the draft that its `$schema` names.
pub struct JsonSchema {
    schema: jsonschema::Validator,
    work: Work,
    tree: Value,
    weight: usize,
    /// The most steps per byte of an answer; `None` if there is no useful bound.
    steps: Option<u64>,
}

impl std::fmt::Debug for JsonSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JsonSchema(..)")
    }
}

impl JsonSchema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] if it is not a valid schema, contains references other than `#` and `#/…`, is longer
    /// than 256 KiB, nests deeper than 64, has more than 20,000 subschemas when its references are expanded, or more
    /// than 64 different regular expressions.
    pub fn compile(schema: &Json) -> Result<Self, Error> {
        let text = schema.as_str();
        if text.len() > SIZE_LIMIT {
            return Err(invalid(format!("it is longer than {SIZE_LIMIT} bytes")));
        }
        let tree: Value = serde_json::from_str(text).map_err(|_| invalid("it cannot be read"))?;
        if depth(&tree) > DEPTH_LIMIT {
            return Err(invalid(format!("it nests deeper than {DEPTH_LIMIT}")));
        }
        let work = Work::of(&tree).map_err(invalid)?;
        let count = work::patterns(&tree);
        if count > PATTERNS_LIMIT {
            return Err(invalid(format!("it has more than {PATTERNS_LIMIT} regular expressions")));
        }
        let weight = text.len() + count * 2 * PATTERN_LIMIT;
        let patterns = PatternOptions::fancy_regex()
            .backtrack_limit(BACKTRACK_LIMIT)
            .size_limit(PATTERN_LIMIT)
            .dfa_size_limit(PATTERN_LIMIT);
        let schema = jsonschema::options()
            .offline()
            .with_pattern_options(patterns)
            .build(&tree)
            .map_err(|error| invalid(violation(&error).to_string()))?;
        let steps = work.steps(text.len()).filter(|_| count == 0);
        Ok(Self { schema, work, tree, weight, steps })
    }

    /// The memory that it may use, in bytes, approximately.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }
}

impl Validator for JsonSchema {
    fn validate(&self, answer: &Value) -> Result<(), Vec<Violation>> {
        // Most answers are valid, and this check collects nothing.
        if self.schema.is_valid(answer) {
            return Ok(());
        }
        if !self.work.can_explain(depth(answer)) {
            return Err(vec![Violation::new("", "does not fit the schema")]);
        }
        Err(self.schema.iter_errors(answer).take(VIOLATION_LIMIT).map(|error| violation(&error)).collect())
    }

    fn respell(&self, answer: &mut Value) -> usize {
        spelling::respell(&self.tree, answer)
    }

    fn drop_nulls(&self, answer: &mut Value) -> usize {
        nulls::drop_nulls(&self.tree, answer)
    }

    fn is_heavy(&self, bytes: usize) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.steps.is_none_or(|steps| steps.saturating_mul(bytes) > QUICK)
    }
}

fn invalid(why: impl std::fmt::Display) -> Error {
    Error::new(Kind::InvalidRequest, format!("the output schema is unusable: {why}"))
}

fn violation(error: &ValidationError<'_>) -> Violation {
    let mut message = error.masked().to_string();
    if message.len() > MESSAGE_LIMIT {
        let end = (0..=MESSAGE_LIMIT).rev().find(|&at| message.is_char_boundary(at)).unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    Violation::new(error.instance_path().to_string(), message)
}

/// The number of levels of arrays and objects. The parser has bounded this recursion.
fn depth(value: &Value) -> u32 {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(items) => 1 + items.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
