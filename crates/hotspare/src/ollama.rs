//! Targets that speak Ollama's own chat wire. The same servers speak the OpenAI wire too: see `openai::compatible`.

pub use hotspare_ollama::{Ollama, WIRE};

use std::sync::Arc;

use crate::endpoint::Endpoint;

/// A server on this machine, on the default port.
const BASE_URL: &str = "http://127.0.0.1:11434";

/// A model on a server on this machine.
pub fn target(model: impl Into<String>) -> OllamaTarget {
    OllamaTarget { model: model.into(), base_url: BASE_URL.into() }
}

/// A target whose address can still be changed; it becomes an [`Endpoint`] with `key` or `endpoint`.
#[derive(Clone, Debug)]
pub struct OllamaTarget {
    model: String,
    base_url: String,
}

impl OllamaTarget {
    /// Sets the base URL, without `/api`.
    #[must_use]
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = base_url.into();
        self
    }

    /// Adds a key, sent as a bearer token.
    #[must_use]
    pub fn key(self, key: crate::Key) -> Endpoint {
        self.endpoint().key(key)
    }

    /// Finishes the description without adding a key.
    #[must_use]
    pub fn endpoint(self) -> Endpoint {
        let wire = Ollama::new().with_base_url(&self.base_url);
        let mut endpoint = Endpoint::reached(Arc::new(wire), self.model, &self.base_url);
        endpoint.needs_key = false;
        endpoint.catalog = Some("ollama".into());
        endpoint.mistakes = crate::endpoint::url_mistakes(&self.base_url);
        endpoint
    }
}

impl From<OllamaTarget> for Endpoint {
    fn from(target: OllamaTarget) -> Self {
        target.endpoint()
    }
}
