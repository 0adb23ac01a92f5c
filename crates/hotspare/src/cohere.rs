//! Targets that speak Cohere's own chat wire. The same host speaks the OpenAI wire too: see `openai::dialect`.

pub use hotspare_cohere::{Cohere, WIRE};

use std::sync::Arc;

use crate::endpoint::Endpoint;

/// Cohere's own API.
const BASE_URL: &str = "https://api.cohere.com/v2";

/// A model at Cohere.
pub fn target(model: impl Into<String>) -> CohereTarget {
    CohereTarget { model: model.into(), base_url: BASE_URL.into() }
}

/// A target whose address can still be changed; it becomes an [`Endpoint`] with `key` or `endpoint`.
#[derive(Clone, Debug)]
pub struct CohereTarget {
    model: String,
    base_url: String,
}

impl CohereTarget {
    /// Sets the base URL, up to and including the version.
    #[must_use]
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = base_url.into();
        self
    }

    /// Adds a key.
    #[must_use]
    pub fn key(self, key: crate::Key) -> Endpoint {
        self.endpoint().key(key)
    }

    /// Finishes the description without adding a key.
    #[must_use]
    pub fn endpoint(self) -> Endpoint {
        let wire = Cohere::new().with_base_url(&self.base_url);
        let mut endpoint = Endpoint::reached(Arc::new(wire), self.model, &self.base_url);
        endpoint.needs_key = self.base_url == BASE_URL;
        endpoint.catalog = Some("cohere".into());
        endpoint.mistakes = crate::endpoint::url_mistakes(&self.base_url);
        endpoint
    }
}

impl From<CohereTarget> for Endpoint {
    fn from(target: CohereTarget) -> Self {
        target.endpoint()
    }
}
