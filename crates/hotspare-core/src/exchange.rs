//! A request and its answer, of whichever sort.
//!
//! Not a wire. Invariant: what all requests have in common is read here, so that no room above asks which sort it is for
//! that.

use std::sync::Arc;

use crate::embed::{EmbedRequest, EmbedResponse};
use crate::error::Error;
use crate::kind::Kind;
use crate::request::{CallOptions, ChatRequest};
use crate::response::ChatResponse;

/// A request. Cheap to clone. Exhaustive on purpose: a new sort must be answered for in every room that tells them apart.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// For an answer in words.
    Chat(Arc<ChatRequest>),
    /// For vectors.
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

    /// The caller's wishes about failover.
    #[must_use]
    pub fn options(&self) -> &CallOptions {
        match self {
            Self::Chat(chat) => &chat.options,
            Self::Embed(embed) => &embed.options,
        }
    }

    /// The end user's opaque id.
    #[must_use]
    pub fn end_user(&self) -> Option<&str> {
        match self {
            Self::Chat(chat) => chat.end_user.as_deref(),
            Self::Embed(embed) => embed.end_user.as_deref(),
        }
    }

    /// Most tokens the answer may have; vectors have none.
    #[must_use]
    pub fn max_output(&self) -> Option<u64> {
        match self {
            Self::Chat(chat) => chat.max_output,
            Self::Embed(_) => Some(0),
        }
    }

    /// The request for words.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] if it is for something else: what a codec says that knows nothing else.
    pub fn chat(&self) -> Result<&Arc<ChatRequest>, Error> {
        match self {
            Self::Chat(chat) => Ok(chat),
            Self::Embed(_) => Err(Error::new(Kind::Unsupported, "this wire has no embeddings")),
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

/// A whole answer, of the sort that its request was.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// In words.
    Chat(ChatResponse),
    /// Vectors.
    Embed(EmbedResponse),
}

impl Response {
    /// The answer in words, if it is one.
    #[must_use]
    pub fn as_chat(&self) -> Option<&ChatResponse> {
        match self {
            Self::Chat(response) => Some(response),
            Self::Embed(_) => None,
        }
    }
}
