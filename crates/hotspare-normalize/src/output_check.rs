//! Checks an answer against the requested format, and builds the feedback for a model whose answer fails.
//!
//! Not a schema language: a [`Validator`] is that. Invariant: an answer that already conforms is not changed, and a
//! repaired one is validated like any other.

use std::fmt;
use std::sync::Arc;

use hotspare_core::FinishReason;
use serde_json::Value;

use crate::amend::apply_changes;
use crate::repair::{Repair, read_json};
use crate::validate::{Validator, Violation};

/// The most feedback to send to a model, in bytes.
const FEEDBACK_LIMIT: usize = 2_000;

/// The format required of an answer: any JSON object, or JSON that a validator accepts.
#[derive(Clone)]
pub struct OutputCheck {
    validator: Option<Arc<dyn Validator>>,
}

/// An answer that conforms after repairs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repaired {
    /// The answer as JSON text.
    pub text: String,
    /// The repairs, one for each place.
    pub repairs: Vec<Repair>,
}

impl OutputCheck {
    /// Accepts any JSON object.
    #[must_use]
    pub const fn json_object() -> Self {
        Self { validator: None }
    }

    /// Accepts JSON that `validator` accepts.
    #[must_use]
    pub const fn validated(validator: Arc<dyn Validator>) -> Self {
        Self { validator: Some(validator) }
    }

    /// Validates a whole answer: `None` if it conforms as it is.
    ///
    /// # Errors
    /// The violations that cannot be repaired; at least one.
    pub fn check(&self, text: &str, finish: &FinishReason) -> Result<Option<Repaired>, Vec<Violation>> {
        let (value, json, mut repairs) = read_json(text, finish)
            .map_err(|error| vec![Violation::new("", format!("not JSON: {error}"))])?;
        let repaired = match self.validate(&value) {
            Ok(()) if repairs.is_empty() => return Ok(None),
            Ok(()) => json.into_owned(),
            Err(violations) => {
                let Some((conformed, more)) = self.conformed(value, &json) else { return Err(violations) };
                repairs.extend(more);
                conformed
            }
        };
        Ok(Some(Repaired { text: repaired, repairs }))
    }

    /// Whether the validator may take longer than a few milliseconds for an answer of this many bytes, or may block.
    #[must_use]
    pub fn is_heavy(&self, bytes: usize) -> bool {
        self.validator.as_ref().is_some_and(|validator| validator.is_heavy(bytes))
    }

    /// The feedback for a model whose answer failed.
    #[must_use]
    pub fn feedback(violations: &[Violation]) -> String {
        let mut text = String::from("Your answer does not match the requested format:\n");
        for violation in violations {
            let line = format!("- {violation}\n");
            if text.len() + line.len() > FEEDBACK_LIMIT {
                break;
            }
            text.push_str(&line);
        }
        text.push_str("Answer again with the corrected JSON and nothing else.");
        text
    }

    pub(crate) fn validate(&self, value: &Value) -> Result<(), Vec<Violation>> {
        match &self.validator {
            Some(validator) => validator.validate(value),
            None if value.is_object() => Ok(()),
            None => Err(vec![Violation::new("", "not a JSON object")]),
        }
    }

    /// The answer with its keys renamed to the schema's spelling and without nulls for absent properties, if nothing
    /// else is wrong with it.
    fn conformed(&self, mut value: Value, text: &str) -> Option<(String, Vec<Repair>)> {
        let validator = self.validator.as_ref()?;
        let keys = validator.respell(&mut value);
        let mut repairs = vec![Repair::KeySpelling; keys];
        if validator.validate(&value).is_err() {
            repairs.extend(vec![Repair::NullForAbsent; validator.drop_nulls(&mut value)]);
        }
        (!repairs.is_empty() && validator.validate(&value).is_ok())
            .then(|| (apply_changes(text, &value), repairs))
    }
}

impl PartialEq for OutputCheck {
    fn eq(&self, other: &Self) -> bool {
        match (&self.validator, &other.validator) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl Eq for OutputCheck {}

impl fmt::Debug for OutputCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.validator.is_some() { "OutputCheck(schema)" } else { "OutputCheck(object)" })
    }
}

#[cfg(test)]
#[cfg(feature = "schema")]
mod corruption;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_objects_are_repaired_and_anything_else_is_rejected() {
        let form = OutputCheck::json_object();
        assert_eq!(form.check(r#"{"a":1}"#, &FinishReason::Stop), Ok(None));
        let repaired = form.check("```json\n{'a': 1,}\n```", &FinishReason::Stop).unwrap().unwrap();
        assert_eq!(repaired.text, r#"{"a": 1}"#);
        assert!(
            repaired.repairs.contains(&Repair::CodeFence)
                && repaired.repairs.contains(&Repair::TrailingComma)
        );
        assert!(form.check("[1]", &FinishReason::Stop).is_err());
        assert!(form.check("I cannot.", &FinishReason::Stop).is_err());
    }

    #[test]
    fn feedback_is_bounded_and_names_the_paths() {
        let many: Vec<_> = (0..1_000).map(|n| Violation::new(format!("/rows/{n}"), "is missing")).collect();
        let feedback = OutputCheck::feedback(&many);
        assert!(feedback.contains("/rows/0: is missing") && feedback.len() < 2_200, "{feedback}");
    }
}
