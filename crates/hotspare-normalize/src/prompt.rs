//! Rewrites a request for the model that it is sent to.
//!
//! Not a wire format, and not a repair of the history. Invariant: equal requests and models give equal results.

use hotspare_core::{ChatRequest, Error};

/// Adapts a request's text and settings to a model. Closures `Fn(&ChatRequest, &str) -> Result<ChatRequest, Error>` are
/// templates, too.
pub trait PromptTemplate: Send + Sync {
    /// Returns the request to send to `model`.
    ///
    /// # Errors
    /// [`Kind::Config`](hotspare_core::Kind::Config) if the template does not work for this request. The message
    /// contains none of the request's text.
    fn apply(&self, request: &ChatRequest, model: &str) -> Result<ChatRequest, Error>;
}

impl<F> PromptTemplate for F
where
    F: Fn(&ChatRequest, &str) -> Result<ChatRequest, Error> + Send + Sync,
{
    fn apply(&self, request: &ChatRequest, model: &str) -> Result<ChatRequest, Error> {
        self(request, model)
    }
}
