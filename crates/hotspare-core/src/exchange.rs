//! A request and its answer, for chat or for embeddings.
//!
//! Not a wire format. Invariant: what all requests have in common is read through these types, so that code above them
//! matches on the variant only where the two differ.

use std::sync::Arc;

use crate::embed::{EmbedRequest, EmbedResponse};
use crate::error::Error;
use crate::kind::Kind;
use crate::request::{CallOptions, ChatRequest};
use crate::response::ChatResponse;

/// A request. Cheap to clone. Exhaustive on purpose: code that distinguishes the variants must handle a new one.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// For a chat answer.
    Chat(Arc<ChatRequest>),
    /// For embeddings.
    Embed(Arc<EmbedRequest>),
}

impl Request {
    /// Name of a route or target.
    #[must_use]
    pub fn model(&self) -> &str {
        match self {
            Self::Chat(chat) => &chat.model,
            Self::Embed(embed) => &embed.model,
        }
    }

    /// The request's failover options.
    #[must_use]
    pub fn options(&self) -> &CallOptions {
        match self {
            Self::Chat(chat) => &chat.options,
            Self::Embed(embed) => &embed.options,
        }
    }

    /// Opaque id of the end user.
    #[must_use]
    pub fn end_user(&self) -> Option<&str> {
        match self {
            Self::Chat(chat) => chat.end_user.as_deref(),
            Self::Embed(embed) => embed.end_user.as_deref(),
        }
    }

    /// Maximum tokens of the answer; 0 for embeddings.
    #[must_use]
    pub fn max_output(&self) -> Option<u64> {
        match self {
            Self::Chat(chat) => chat.max_output,
            Self::Embed(_) => Some(0),
        }
    }

    /// The chat request.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] if it is another kind of request; for codecs that support chat only.
    pub fn chat(&self) -> Result<&Arc<ChatRequest>, Error> {
        match self {
            Self::Chat(chat) => Ok(chat),
            Self::Embed(_) => Err(Error::new(Kind::Unsupported, "this wire does not support embeddings")),
        }
    }
}

impl From<Arc<ChatRequest>> for Request {
    fn from(request: Arc<ChatRequest>) -> Self {
        Self::Chat(request)
    }
}

impl From<ChatRequest> for Request {
    fn from(request: ChatRequest) -> Self {
        Self::Chat(Arc::new(request))
    }
}

impl From<EmbedRequest> for Request {
    fn from(request: EmbedRequest) -> Self {
        Self::Embed(Arc::new(request))
    }
}

/// A complete answer, of the same variant as its request. Exhaustive for the same reason as [`Request`].
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// A chat answer.
    Chat(ChatResponse),
    /// Embeddings.
    Embed(EmbedResponse),
}

impl Response {
    /// The chat answer, if it is one.
    #[must_use]
    pub fn as_chat(&self) -> Option<&ChatResponse> {
        match self {
            Self::Chat(response) => Some(response),
            Self::Embed(_) => None,
        }
    }
}
