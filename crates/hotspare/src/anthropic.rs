//! Targets that speak the Anthropic Messages wire.

pub use hotspare_anthropic::{
    Anthropic, Auth, BETA, Host, MessagesEncoder, MessagesRequest, VERSION_HEADER, WIRE,
};

use std::sync::Arc;

use hotspare_core::{ChatRequest, Error};

use crate::endpoint::Endpoint;

/// Its author's address.
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

/// A model of Anthropic's at Vertex AI. `location` is a region such as `us-east5`, or `global`. The key is an OAuth access
/// token, which lasts an hour: fetch it with [`Key::from_credentials`](crate::Key::from_credentials), or keep a file fresh and name it with
/// [`Key::file`](crate::Key::file); it is read again when the token is refused.
pub fn vertex(project: &str, location: &str, model: impl Into<String>) -> AnthropicTarget {
    AnthropicTarget { host: Host::VERTEX, base_url: Host::vertex_address(project, location), ..target(model) }
}

/// A request from the wire's JSON, so that code which makes such bodies can send them to a route. Whether a stream was
/// asked for is the caller's to say again, by [`Client::chat`](crate::Client::chat) or
/// [`Client::stream`](crate::Client::stream).
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
    /// Sets the address, up to and including the version.
    #[must_use]
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = base_url.into();
        self.own_address = true;
        self
    }

    /// Sends one more header with each request.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends the key as a bearer.
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

    /// The finished description.
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
