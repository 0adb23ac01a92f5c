//! How a kind of call is decoded: the value that a row of the table holds.
//!
//! Invariant: what is not decoded says why.

use std::fmt;
use std::sync::Arc;

use hotspare_provider::Wire;

use super::Exchange;

/// How a kind of call is decoded.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Reads {
    /// As a chat answer.
    Chat(fn(&Exchange) -> Arc<dyn Wire>),
    /// As embeddings.
    Vectors(fn(&Exchange) -> Arc<dyn Wire>),
    /// Decided by the body.
    ByBody(fn(&Exchange) -> Reads),
    /// Only if the call failed: it is not a model call.
    Failures(fn(&Exchange) -> Arc<dyn Wire>),
    /// Not at all, and why.
    Nothing(&'static str),
}

impl fmt::Debug for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chat(_) => f.write_str("Chat"),
            Self::Vectors(_) => f.write_str("Vectors"),
            Self::ByBody(_) => f.write_str("ByBody"),
            Self::Failures(_) => f.write_str("Failures"),
            Self::Nothing(why) => f.debug_tuple("Nothing").field(why).finish(),
        }
    }
}
