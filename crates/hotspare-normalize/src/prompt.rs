//! Rewrites a request for the model that it is sent to.
//!
//! Not a wire format, and not a repair of the history. Invariant: equal requests and models give equal results.

use hotspare_core::{ChatRequest, Error, PromptSize};

use crate::tokens::chat_size;

/// Adapts a request's text and settings to a model. Closures `Fn(&ChatRequest, &str) -> Result<ChatRequest, Error>` are
/// templates, too.
pub trait PromptTemplate: Send + Sync {
    /// Returns the request to send to `model`.
    ///
    /// # Errors
    /// [`Kind::Config`](hotspare_core::Kind::Config) if the template does not work for this request. The message
    /// contains none of the request's text.
    fn apply(&self, request: &ChatRequest, model: &str) -> Result<ChatRequest, Error>;

    /// The size of the prompt that [`PromptTemplate::apply`] returns for a request of this `size`. By default the request is
    /// rewritten and measured, which costs time before each call; a template that knows what it adds can say so instead.
    fn size(&self, request: &ChatRequest, model: &str, size: &PromptSize) -> PromptSize {
        self.apply(request, model).map_or(*size, |applied| chat_size(&applied))
    }
}

impl<F> PromptTemplate for F
where
    F: Fn(&ChatRequest, &str) -> Result<ChatRequest, Error> + Send + Sync,
{
    fn apply(&self, request: &ChatRequest, model: &str) -> Result<ChatRequest, Error> {
        self(request, model)
    }
}
