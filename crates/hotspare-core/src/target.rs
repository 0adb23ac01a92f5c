//! Names of targets, the places that a request can go to.
//!
//! Not their health, price or address. Invariant: a [`TargetId`] is a name that the application chose; nothing is
//! derived from its spelling.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a target (a model at an endpoint, with its keys), as the application chose it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct TargetId(Arc<str>);

impl TargetId {
    /// The id with this name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for TargetId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for TargetId {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl From<TargetId> for String {
    fn from(id: TargetId) -> Self {
        id.as_str().into()
    }
}

impl AsRef<str> for TargetId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for TargetId {
    fn eq(&self, name: &str) -> bool {
        *self.0 == *name
    }
}

impl PartialEq<&str> for TargetId {
    fn eq(&self, name: &&str) -> bool {
        *self.0 == **name
    }
}

impl Borrow<str> for TargetId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}
