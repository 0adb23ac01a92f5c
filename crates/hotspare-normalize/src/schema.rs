//! Validation against a JSON Schema.
//!
//! It fetches nothing: references must point from the schema's root into the schema (`#`, `#/…`); any other kind is
//! refused at compile time. Invariant: schemas and answers may both be untrusted, so the time and memory that compiling
//! one, validating an answer against it, and describing what is wrong with it can take are bounded. A schema that exceeds
//! a bound by itself is refused; an answer that cannot be judged within the bounds is not valid, and its only violation
//! says so.

mod applicable;
mod key_spelling;
mod nulls;
mod patterns;
mod work;

use hotspare_core::{Error, Json, Kind};
use jsonschema::ValidationError;
use serde_json::Value;

use self::patterns::Patterns;
use self::work::{Excess, Work};
use crate::validate::{Validator, Violation};

/// The longest schema, in bytes: several times the largest that providers accept.
const SIZE_LIMIT: usize = 256 << 10;
/// The deepest nesting of a schema; validation recurses.
const DEPTH_LIMIT: u32 = 64;
/// The most violations to report: a model corrects the first few, and the rest often follow from them.
const VIOLATION_LIMIT: usize = 16;
/// The longest message of a violation, in bytes.
const MESSAGE_LIMIT: usize = 300;
/// The memory that a compiled subschema takes, in bytes, approximately.
const SCHEMA_WEIGHT: usize = 2 << 10;
/// The memory that a byte of a schema takes, in bytes, at most: a digit and a comma are a value that is held three times.
const TEXT_WEIGHT: usize = 48;

/// A compiled JSON Schema: draft 2020-12, or the draft that its `$schema` names.
pub struct JsonSchema {
    schema: jsonschema::Validator,
    patterns: Patterns,
    work: Work,
    tree: Value,
    weight: usize,
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
    /// than 256 KiB, nests deeper than 64, has more than 20,000 subschemas when its references are expanded, more
    /// than 64 different regular expressions, or one that is longer than 16 KiB or takes more than 256 KiB when compiled.
    pub fn compile(schema: &Json) -> Result<Self, Error> {
        let text = schema.as_str();
        if text.len() > SIZE_LIMIT {
            return Err(invalid(format!("it is longer than {SIZE_LIMIT} bytes")));
        }
        let tree: Value = serde_json::from_str(text).map_err(|_| invalid("it cannot be read"))?;
        if depth(&tree) > DEPTH_LIMIT {
            return Err(invalid(format!("it nests deeper than {DEPTH_LIMIT}")));
        }
        let mut patterns = Patterns::of(&tree).map_err(invalid)?;
        let work = Work::of(&tree, &patterns).map_err(invalid)?;
        let schema = patterns.build(&tree).map_err(|error| invalid(violation(&error).to_string()))?;
        let schemas = usize::try_from(work.schemas()).unwrap_or(usize::MAX);
        let weight = text.len() * TEXT_WEIGHT + schemas.saturating_mul(SCHEMA_WEIGHT) + patterns.weight();
        Ok(Self { schema, patterns, work, tree, weight })
    }

    /// The memory that it may use, in bytes, approximately.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }
}

impl Validator for JsonSchema {
    fn validate(&self, answer: &Value) -> Result<(), Vec<Violation>> {
        if let Err(excess) = self.work.check_validation(&self.tree, &self.patterns, answer) {
            let message = match excess {
                Excess::Size => "is too large to be checked against the schema",
                Excess::Pattern => "takes a regular expression of the schema too long to match",
            };
            return Err(vec![Violation::new("", message)]);
        }
        // Most answers are valid, and this check collects nothing.
        if self.schema.is_valid(answer) {
            return Ok(());
        }
        if self.work.check_explanation(&self.tree, &self.patterns, answer).is_err() {
            return Err(vec![Violation::new("", "does not fit the schema")]);
        }
        Err(self.schema.iter_errors(answer).take(VIOLATION_LIMIT).map(|error| violation(&error)).collect())
    }

    fn respell(&self, answer: &mut Value) -> usize {
        key_spelling::respell(&self.tree, answer)
    }

    fn drop_nulls(&self, answer: &mut Value) -> usize {
        nulls::drop_nulls(&self.tree, answer)
    }

    fn is_heavy(&self, bytes: usize) -> bool {
        self.patterns.backtrack() || self.work.is_heavy(bytes)
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
