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
pub enum DecodeAs {
    /// As a chat answer.
    Chat(fn(&Exchange) -> Arc<dyn Wire>),
    /// As embeddings.
    Embeddings(fn(&Exchange) -> Arc<dyn Wire>),
    /// Decided by the body.
    ByBody(fn(&Exchange) -> DecodeAs),
    /// Only if the call failed: it is not a model call.
    ErrorsOnly(fn(&Exchange) -> Arc<dyn Wire>),
    /// Not at all, and why.
    Skip(&'static str),
}

impl fmt::Debug for DecodeAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chat(_) => f.write_str("Chat"),
            Self::Embeddings(_) => f.write_str("Embeddings"),
            Self::ByBody(_) => f.write_str("ByBody"),
            Self::ErrorsOnly(_) => f.write_str("ErrorsOnly"),
            Self::Skip(why) => f.debug_tuple("Skip").field(why).finish(),
        }
    }
}
