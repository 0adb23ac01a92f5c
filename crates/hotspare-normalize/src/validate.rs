//! The interface for checking whether an answer has the requested format.
//!
//! Not a particular schema language, which is one implementation. Invariant: validation never changes an answer.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// Validates answers. Closures `Fn(&Value) -> Result<(), Vec<Violation>>` are validators, too. A validator that wraps
/// another must forward all methods; otherwise, answers that the inner one could repair are rejected.
pub trait Validator: Send + Sync {
    /// Validates one answer.
    ///
    /// # Errors
    /// What is wrong with it: at least one violation.
    fn validate(&self, answer: &Value) -> Result<(), Vec<Violation>>;

    /// Renames keys to the schema's spelling, if they differ from it only by case, `_`, `-` or spaces and the match is
    /// unique. Returns the number of keys changed. The result is validated again.
    fn respell(&self, answer: &mut Value) -> usize {
        let _ = answer;
        0
    }

    /// Removes null properties that the schema does not require and does not allow to be null: models that must name
    /// every property write them. Returns how many. The result is validated again.
    fn drop_nulls(&self, answer: &mut Value) -> usize {
        let _ = answer;
        0
    }

    /// Whether validating an answer of this many bytes may take longer than a few milliseconds, or may block. If so, it
    /// runs where it holds up nothing else. By default true: the validator is application code.
    fn is_heavy(&self, bytes: usize) -> bool {
        let _ = bytes;
        true
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

    fn is_heavy(&self, bytes: usize) -> bool {
        (**self).is_heavy(bytes)
    }
}

/// One problem with an answer, worded so that it can be shown to the model that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The position, as a JSON pointer; empty for the whole answer.
    pub path: String,
    /// What is wrong, without values of the answer (names of its properties may be quoted).
    pub message: String,
}

impl Violation {
    /// Creates a violation at a JSON pointer.
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
