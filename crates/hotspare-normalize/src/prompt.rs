//! Rewriting a request for the model that it goes to.
//!
//! Not a wire format, and not a repair of history. Invariant: same request and model, same result.

use hotspare_core::{ChatRequest, Error};

/// Gives a request the words and settings that a model works best with. Closures
/// `Fn(&ChatRequest, &str) -> Result<ChatRequest, Error>` are templates too.
pub trait PromptTemplate: Send + Sync {
    /// The request as `model` should get it.
    ///
    /// # Errors
    /// [`Kind::Config`](hotspare_core::Kind::Config) if the template does not work for this request. The message holds
    /// none of the request's words.
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
