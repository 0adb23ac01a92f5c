//! The form that an answer must have, and what to say to a model that missed it.
//!
//! Not a schema language: a [`Validator`] is that. Invariant: an answer that already has the form is not changed, and a
//! repaired one is judged by the same validator as any other.

use std::fmt;
use std::sync::Arc;

use hotspare_core::FinishReason;
use serde_json::Value;

use crate::repair::{Repair, read_json};
use crate::validate::{Validator, Violation};

/// Longest complaint that a model is sent, in bytes.
const COMPLAINT_LIMIT: usize = 2_000;

/// A form: any JSON object, or one that a validator accepts.
#[derive(Clone)]
pub struct Form {
    validator: Option<Arc<dyn Validator>>,
}

/// An answer that has the form once it is repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repaired {
    /// The answer as JSON text.
    pub text: String,
    /// What was repaired, once per place.
    pub repairs: Vec<Repair>,
}

impl Form {
    /// Any JSON object.
    #[must_use]
    pub const fn object() -> Self {
        Self { validator: None }
    }

    /// JSON that `validator` accepts.
    #[must_use]
    pub const fn fitting(validator: Arc<dyn Validator>) -> Self {
        Self { validator: Some(validator) }
    }

    /// Judges a whole answer: `None` if it has the form as it is.
    ///
    /// # Errors
    /// What is wrong with it beyond repair; at least one violation.
    pub fn check(&self, text: &str, finish: &FinishReason) -> Result<Option<Repaired>, Vec<Violation>> {
        let (value, json, mut repairs) =
            read_json(text, finish).map_err(|bad| vec![Violation::new("", format!("not JSON: {bad}"))])?;
        let repaired = match self.judge(&value) {
            Ok(()) if repairs.is_empty() => return Ok(None),
            Ok(()) => json.into_owned(),
            Err(violations) => {
                let Some((respelled, more)) = self.respelled(value) else { return Err(violations) };
                repairs.extend(more);
                respelled
            }
        };
        Ok(Some(Repaired { text: repaired, repairs }))
    }

    /// What to tell the model that missed the form.
    #[must_use]
    pub fn complaint(violations: &[Violation]) -> String {
        let mut text = String::from("Your answer does not have the form that was asked for:\n");
        for violation in violations {
            let line = format!("- {violation}\n");
            if text.len() + line.len() > COMPLAINT_LIMIT {
                break;
            }
            text.push_str(&line);
        }
        text.push_str("Answer again with the corrected JSON and nothing else.");
        text
    }

    pub(crate) fn judge(&self, value: &Value) -> Result<(), Vec<Violation>> {
        match &self.validator {
            Some(validator) => validator.validate(value),
            None if value.is_object() => Ok(()),
            None => Err(vec![Violation::new("", "not a JSON object")]),
        }
    }

    /// The answer with its keys spelled as the form has them and without nulls for what is absent, if that is all that
    /// was wrong.
    fn respelled(&self, mut value: Value) -> Option<(String, Vec<Repair>)> {
        let validator = self.validator.as_ref()?;
        let keys = validator.respell(&mut value);
        let mut repairs = vec![Repair::KeySpelling; keys];
        if validator.validate(&value).is_err() {
            repairs.extend(vec![Repair::NullForAbsent; validator.drop_nulls(&mut value)]);
        }
        (!repairs.is_empty() && validator.validate(&value).is_ok()).then(|| (value.to_string(), repairs))
    }
}

impl PartialEq for Form {
    fn eq(&self, other: &Self) -> bool {
        match (&self.validator, &other.validator) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl Eq for Form {}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.validator.is_some() { "Form(schema)" } else { "Form(object)" })
    }
}

#[cfg(test)]
#[cfg(feature = "schema")]
mod corruption;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_object_is_repaired_and_nothing_else_passes() {
        let form = Form::object();
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
    fn a_complaint_is_bounded_and_names_the_places() {
        let many: Vec<_> = (0..1_000).map(|n| Violation::new(format!("/rows/{n}"), "is missing")).collect();
        let complaint = Form::complaint(&many);
        assert!(complaint.contains("/rows/0: is missing") && complaint.len() < 2_200, "{complaint}");
    }
}
