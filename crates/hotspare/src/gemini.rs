//! Targets that speak the Gemini wire, at the Gemini API or at Vertex AI.

pub use hotspare_gemini::{Gemini, Host, WIRE};

use std::sync::Arc;

use hotspare_core::Error;

use crate::endpoint::Endpoint;

/// A model on the Gemini API, with an API key.
pub fn target(model: impl Into<String>) -> GeminiTarget {
    GeminiTarget::new(Host::GEMINI, Ok(Gemini::new()), model.into())
}

/// A model on Vertex AI. `location` is a region such as `europe-west4`, or `global`. The key is an OAuth access token
/// that lasts an hour: keep a file up to date (`gcloud auth print-access-token`) and pass it as
/// [`Key::file`](crate::Key::file), which is re-read when the token is rejected.
pub fn vertex(project: &str, location: &str, model: impl Into<String>) -> GeminiTarget {
    GeminiTarget::new(Host::VERTEX, Gemini::vertex(project, location), model.into())
}

/// A target whose address and headers can still be changed; it becomes an [`Endpoint`] with `key` or `endpoint`.
#[derive(Clone, Debug)]
pub struct GeminiTarget {
    wire: Gemini,
    host: Host,
    model: String,
    own_address: bool,
    headers: Vec<(String, String)>,
    mistakes: Vec<String>,
}

impl GeminiTarget {
    fn new(host: Host, wire: Result<Gemini, Error>, model: String) -> Self {
        let mistakes = wire.as_ref().err().map(|error| error.message().to_owned()).into_iter().collect();
        let wire = wire.unwrap_or_default();
        Self { wire, host, model, own_address: false, headers: Vec::new(), mistakes }
    }

    /// Sets the base URL: the part of the address before the models.
    #[must_use]
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        let base_url = base_url.into();
        self.mistakes.extend(crate::endpoint::url_mistakes(&base_url));
        self.wire = Gemini::at(self.host.clone(), base_url);
        self.own_address = true;
        self
    }

    /// Adds a header to each request.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a key.
    #[must_use]
    pub fn key(self, key: crate::Key) -> Endpoint {
        self.endpoint().key(key)
    }

    /// Finishes the description without adding a key.
    #[must_use]
    pub fn endpoint(mut self) -> Endpoint {
        for (name, value) in &self.headers {
            self.wire = match self.wire.clone().with_header(name, value) {
                Ok(wire) => wire,
                Err(error) => {
                    self.mistakes.push(format!("header `{name}`: {}", error.message()));
                    self.wire
                }
            };
        }
        let base_url = self.wire.base_url().to_owned();
        let mut endpoint = Endpoint::reached(Arc::new(self.wire), self.model, &base_url);
        endpoint.needs_key = !self.own_address;
        endpoint.catalog = Some(self.host.id.into());
        endpoint.mistakes = self.mistakes;
        endpoint
    }
}

impl From<GeminiTarget> for Endpoint {
    fn from(target: GeminiTarget) -> Self {
        target.endpoint()
    }
}
