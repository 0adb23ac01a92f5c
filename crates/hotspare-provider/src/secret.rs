//! A key that does not print.
//!
//! Not a vault: it lives in memory like any string. Invariant: `Debug` shows nothing, there is no `Display`, and the one
//! way to the text is [`Secret::expose`], which is easy to search for.

use std::fmt;
use std::sync::Arc;

/// An API key or token; several parts of one credential are joined by `:`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a key.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The key itself, for the header it belongs in and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The credential's parts: the whole, where it is one.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split(':')
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}
