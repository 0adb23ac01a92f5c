//! Targets that speak the Anthropic Messages wire.

pub use hotspare_anthropic::{
    Anthropic, Auth, BETA, Host, MessagesEncoder, MessagesRequest, VERSION_HEADER, WIRE,
};

use std::sync::Arc;

use hotspare_core::{ChatRequest, Error};

use crate::endpoint::Endpoint;

/// Anthropic's own API.
const BASE_URL: &str = "https://api.anthropic.com/v1";

/// A model at Anthropic.
pub fn target(model: impl Into<String>) -> AnthropicTarget {
    AnthropicTarget {
        model: model.into(),
        host: Host::AUTHOR,
        base_url: BASE_URL.into(),
        own_address: false,
        headers: Vec::new(),
        bearer: false,
    }
}

/// An Anthropic model on Vertex AI. `location` is a region such as `us-east5`, or `global`. The key is an OAuth access
/// token that lasts an hour: fetch it with [`Key::from_credentials`](crate::Key::from_credentials), or keep a file up
/// to date and pass it as [`Key::file`](crate::Key::file), which is re-read when the token is rejected.
pub fn vertex(project: &str, location: &str, model: impl Into<String>) -> AnthropicTarget {
    AnthropicTarget { host: Host::VERTEX, base_url: Host::vertex_address(project, location), ..target(model) }
}

/// Parses a request in this wire's JSON, so that code which already produces such bodies can send them to a route. The
/// `stream` field is ignored: call [`Client::chat`](crate::Client::chat) or [`Client::stream`](crate::Client::stream).
///
/// # Errors
/// [`Kind::InvalidRequest`](crate::Kind::InvalidRequest) naming the field and what is wrong with it.
pub fn request(json: &str) -> Result<ChatRequest, Error> {
    MessagesRequest::parse(json.as_bytes()).map(|incoming| incoming.request)
}

/// A target whose address and headers can still be changed; it becomes an [`Endpoint`] with `key` or `endpoint`.
#[derive(Clone, Debug)]
pub struct AnthropicTarget {
    model: String,
    host: Host,
    base_url: String,
    own_address: bool,
    headers: Vec<(String, String)>,
    bearer: bool,
}

impl AnthropicTarget {
    /// Sets the base URL, up to and including the version.
    #[must_use]
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = base_url.into();
        self.own_address = true;
        self
    }

    /// Adds a header to each request.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends the key as a bearer token.
    #[must_use]
    pub fn bearer(mut self) -> Self {
        self.bearer = true;
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
        let mut mistakes = crate::endpoint::url_mistakes(&self.base_url);
        let mut wire = Anthropic::at(self.host, &self.base_url);
        if self.bearer {
            wire = wire.with_bearer();
        }
        for (name, value) in &self.headers {
            wire = match wire.clone().with_header(name, value) {
                Ok(wire) => wire,
                Err(error) => {
                    mistakes.push(format!("header `{name}`: {}", error.message()));
                    wire
                }
            };
        }
        let mut endpoint = Endpoint::reached(Arc::new(wire), self.model, &self.base_url);
        endpoint.needs_key = !self.own_address;
        endpoint.catalog = Some(self.host.id.into());
        endpoint.mistakes = mistakes;
        endpoint
    }
}

impl From<AnthropicTarget> for Endpoint {
    fn from(target: AnthropicTarget) -> Self {
        target.endpoint()
    }
}
