//! The regular expressions of a schema: what they cost, and whether they come to an end on a text.
//!
//! Not the matching itself, which the validator does. Invariant: a schema whose expressions all suit the linear engine is
//! never matched by a backtracking one, and a text reaches the backtracking engine of the validator only after the same
//! engine, with the same limit, has finished on it here.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError};
use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::{Map, Value, json};

/// The most different regular expressions in one schema.
const COUNT_LIMIT: usize = 64;
/// The longest regular expression, in bytes: while it is compiled, a letter of it may take some kilobytes.
const TEXT_LIMIT: usize = 16 << 10;
/// The most bytes for one compiled regular expression, and as many again for its cache. Compiling that much takes a few
/// milliseconds; ten Unicode classes in a row fit.
const SIZE_LIMIT: usize = 256 << 10;
/// The most backtracking steps on one text. Each may scan the rest of the text.
const BACKTRACK_LIMIT: u64 = 10_000;
/// The number of backtracking steps that suffices for most texts, so that they are charged for no more than that.
const QUICK_LIMIT: u64 = 250;
/// The size of an expression that only the validator can read. Larger than most, so that it is not charged too little.
const UNKNOWN_SIZE: u64 = 500;

/// The different regular expressions anywhere in a schema, by their text.
#[derive(Default)]
pub(super) struct Patterns {
    by_text: BTreeMap<String, Pattern>,
    backtrack: bool,
}

struct Pattern {
    /// The number of states, each of which the linear engine may have to advance for each byte of a text.
    size: u64,
    /// Validators that refuse property names that match; only where the backtracking engine is needed.
    probes: Option<Probes>,
}

pub(super) struct Probes {
    quick: jsonschema::Validator,
    full: jsonschema::Validator,
}

impl Patterns {
    /// Collects the expressions of a schema.
    pub(super) fn of(schema: &Value) -> Result<Self, Cow<'static, str>> {
        let mut patterns = Self::default();
        patterns.collect(schema)?;
        if patterns.by_text.len() > COUNT_LIMIT {
            return Err(format!("it has more than {COUNT_LIMIT} regular expressions").into());
        }
        Ok(patterns)
    }

    fn collect(&mut self, value: &Value) -> Result<(), Cow<'static, str>> {
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.collect(item)),
            Value::Object(keywords) => {
                let named = keywords.get("patternProperties").and_then(Value::as_object);
                let pattern = keywords.get("pattern").and_then(Value::as_str);
                for text in named.into_iter().flat_map(Map::keys).map(String::as_str).chain(pattern) {
                    if text.len() > TEXT_LIMIT {
                        return Err(format!("a regular expression is longer than {TEXT_LIMIT} bytes").into());
                    }
                    if !self.by_text.contains_key(text) {
                        self.by_text.insert(text.to_owned(), Pattern { size: size(text), probes: None });
                    }
                }
                keywords.values().try_for_each(|value| self.collect(value))
            }
            _ => Ok(()),
        }
    }

    /// Compiles the schema that these are from: for the linear engine if it can run all of them.
    pub(super) fn build(
        &mut self,
        schema: &Value,
    ) -> Result<jsonschema::Validator, Box<ValidationError<'static>>> {
        let linear = PatternOptions::regex().size_limit(SIZE_LIMIT).dfa_size_limit(SIZE_LIMIT);
        let options = jsonschema::options().offline().with_pattern_options(linear);
        match options.build(schema) {
            Err(_) if !self.by_text.is_empty() => {}
            built => return built.map_err(Box::new),
        }
        let built = backtracking(schema, BACKTRACK_LIMIT)?;
        self.backtrack = true;
        for (text, pattern) in &mut self.by_text {
            let probe = json!({ "patternProperties": { text: false } });
            let quick = backtracking(&probe, QUICK_LIMIT)?;
            pattern.probes = Some(Probes { quick, full: backtracking(&probe, BACKTRACK_LIMIT)? });
        }
        Ok(built)
    }

    /// Whether they need an engine whose time is not linear in the text.
    pub(super) fn backtrack(&self) -> bool {
        self.backtrack
    }

    /// The steps that one of them may take for each byte of a text with the linear engine. Those of the other are
    /// counted for [each text](Probes::finish).
    pub(super) fn size(&self, text: &str) -> u64 {
        if self.backtrack {
            return 0;
        }
        self.by_text.get(text).map_or(UNKNOWN_SIZE, |pattern| pattern.size)
    }

    /// The memory that they may use, in bytes.
    pub(super) fn weight(&self) -> usize {
        let engines = if self.backtrack { 3 } else { 1 };
        self.by_text.len() * engines * 2 * SIZE_LIMIT
    }

    /// How one of them is matched, if by the backtracking engine.
    pub(super) fn probes(&self, text: &str) -> Option<&Probes> {
        self.by_text.get(text)?.probes.as_ref()
    }
}

impl Probes {
    /// Matches the expression against a text, quickly first. `spend` is told before each run how many steps it may take for
    /// each byte of the text, and may forbid it. Returns whether the engine came to an end.
    pub(super) fn finish<E>(
        &self,
        subject: &str,
        mut spend: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<bool, E> {
        spend(QUICK_LIMIT)?;
        if finishes(&self.quick, subject) {
            return Ok(true);
        }
        spend(BACKTRACK_LIMIT)?;
        Ok(finishes(&self.full, subject))
    }
}

fn backtracking(schema: &Value, limit: u64) -> Result<jsonschema::Validator, Box<ValidationError<'static>>> {
    let options = PatternOptions::fancy_regex()
        .backtrack_limit(usize::try_from(limit).unwrap_or(usize::MAX))
        .size_limit(SIZE_LIMIT)
        .dfa_size_limit(SIZE_LIMIT);
    jsonschema::options().offline().with_pattern_options(options).build(schema).map_err(Box::new)
}

fn finishes(probe: &jsonschema::Validator, subject: &str) -> bool {
    let names = json!({ subject: null });
    let unfinished = |error: &ValidationError<'_>| {
        matches!(
            error.kind(),
            ValidationErrorKind::BacktrackLimitExceeded { .. }
                | ValidationErrorKind::RegexEngineFailure { .. }
        )
    };
    !probe.validate(&names).is_err_and(|error| unfinished(&error))
}

/// The number of states of an expression, approximately, with its repetitions written out.
fn size(text: &str) -> u64 {
    regex_syntax::parse(text).map_or(UNKNOWN_SIZE, |expression| states(&expression).saturating_add(1))
}

/// Recurses as deep as the parser allows expressions to nest, which is 250 levels.
fn states(expression: &Hir) -> u64 {
    let sum = |parts: &[Hir]| parts.iter().map(states).fold(0, u64::saturating_add);
    match expression.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => u64::try_from(literal.0.len()).unwrap_or(u64::MAX),
        HirKind::Class(Class::Bytes(_)) => 1,
        HirKind::Class(Class::Unicode(class)) => {
            if class.is_ascii() {
                1
            } else {
                4
            }
        }
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            states(&repetition.sub).saturating_mul(times.into())
        }
        HirKind::Capture(capture) => states(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => sum(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_count_repetitions() {
        assert_eq!(size("^\\d{4}-[ab]{2,3}$"), 4 * 4 + 1 + 3 + 1);
        assert_eq!(size("(a|bc)*x"), 5);
        assert!(size("((a{1,1000}){1,1000}){1,1000}") > 1_000_000);
        assert_eq!(size("(?=a)b"), UNKNOWN_SIZE);
    }

    #[test]
    fn backtracking_engine_is_a_last_resort() {
        let compiled = |schema: Value| {
            let mut patterns = Patterns::of(&schema).unwrap();
            patterns.build(&schema).map(|_| patterns.backtrack())
        };
        let email = "^[^@\\s]+@[^@\\s]+\\.[a-z]{2,}$";
        assert!(!compiled(json!({ "pattern": email, "patternProperties": { "^\\w+$": {} } })).unwrap());
        assert!(!compiled(json!({ "type": "string" })).unwrap());
        assert!(compiled(json!({ "pattern": "^(?!x)" })).unwrap());
        assert!(compiled(json!({ "patternProperties": { "(.)\\1": {} } })).unwrap());
        assert!(compiled(json!({ "pattern": "(" })).is_err());
        assert!(compiled(json!({ "type": "strnig", "pattern": "a" })).is_err());
    }
}
