//! The question whether an answer has the form that was asked for.
//!
//! Not a particular schema language: that is one implementation. Invariant: judging never changes an answer.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// Judges answers. Closures `Fn(&Value) -> Result<(), Vec<Violation>>` are validators too. A validator that wraps another
/// forwards all three methods, or answers that the inner one could repair are rejected.
pub trait Validator: Send + Sync {
    /// Judges one answer.
    ///
    /// # Errors
    /// What is wrong with it: at least one violation.
    fn validate(&self, answer: &Value) -> Result<(), Vec<Violation>>;

    /// Spells keys as the form has them, where they differ from it only by case, `_`, `-` or spaces and one key fits
    /// one name. Gives the number of keys that changed. The result is judged again.
    fn respell(&self, answer: &mut Value) -> usize {
        let _ = answer;
        0
    }

    /// Takes off properties that are null where the form lets them be absent and does not let them be null: so answers a
    /// model that had to name every property. Gives how many. The result is judged again.
    fn drop_nulls(&self, answer: &mut Value) -> usize {
        let _ = answer;
        0
    }
}

impl<F> Validator for F
where
    F: Fn(&Value) -> Result<(), Vec<Violation>> + Send + Sync,
{
    fn validate(&self, answer: &Value) -> Result<(), Vec<Violation>> {
        self(answer)
    }
}

impl<V: Validator + ?Sized> Validator for Arc<V> {
    fn validate(&self, answer: &Value) -> Result<(), Vec<Violation>> {
        (**self).validate(answer)
    }

    fn respell(&self, answer: &mut Value) -> usize {
        (**self).respell(answer)
    }

    fn drop_nulls(&self, answer: &mut Value) -> usize {
        (**self).drop_nulls(answer)
    }
}

/// One thing that is wrong with an answer, in words that can be shown to the model that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Where, as a JSON pointer; empty means the whole answer.
    pub path: String,
    /// What, without values of the answer (names of its properties may be quoted).
    pub message: String,
}

impl Violation {
    /// A violation at a JSON pointer.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "the answer" } else { &self.path };
        write!(f, "{path}: {}", self.message)
    }
}
