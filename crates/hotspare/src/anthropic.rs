//! Targets that speak the Anthropic Messages wire.

pub use hotspare_anthropic::{
    Anthropic, Auth, BETA, Host, MessagesEncoder, MessagesRequest, VERSION_HEADER, WIRE,
};

use std::sync::Arc;

use hotspare_core::{ChatRequest, Error};

use crate::endpoint::{AnyWire, Endpoint, HttpOptions, WireSettings};

/// Anthropic's own API.
const BASE_URL: &str = "https://api.anthropic.com/v1";

/// A model at Anthropic.
pub fn target(model: impl Into<String>) -> Endpoint<Settings> {
    endpoint(Host::AUTHOR, BASE_URL.into(), model.into())
}

/// An Anthropic model on Vertex AI. `location` is a region such as `us-east5`, or `global`. The key is an OAuth access
/// token that lasts an hour: fetch it with [`Key::from_credentials`](crate::Key::from_credentials), or keep a file up
/// to date and pass it as [`Key::file`](crate::Key::file), which is re-read when the token is rejected.
pub fn vertex(project: &str, location: &str, model: impl Into<String>) -> Endpoint<Settings> {
    endpoint(Host::VERTEX, Host::vertex_address(project, location), model.into())
}

fn endpoint(host: Host, base_url: String, model: String) -> Endpoint<Settings> {
    let catalog = host.id.into();
    Endpoint::new(Settings { host, base_url, bearer: false }, model, Some(catalog))
}

/// Parses a request in this wire's JSON, so that code which already produces such bodies can send them to a route. The
/// `stream` field is ignored: call [`Client::chat`](crate::Client::chat) or [`Client::stream`](crate::Client::stream).
///
/// # Errors
/// [`Kind::InvalidRequest`](crate::Kind::InvalidRequest) naming the field and what is wrong with it.
pub fn request(json: &str) -> Result<ChatRequest, Error> {
    MessagesRequest::parse(json.as_bytes()).map(|incoming| incoming.request)
}

/// Settings of this module's endpoints.
#[derive(Clone, Debug)]
pub struct Settings {
    host: Host,
    /// The host's own address.
    base_url: String,
    bearer: bool,
}

impl Endpoint<Settings> {
    /// Sends the key as a bearer token.
    #[must_use]
    pub fn bearer(mut self) -> Self {
        self.wire.bearer = true;
        self
    }
}

impl WireSettings for Settings {
    fn connect(self, _: &str, http: &HttpOptions, mistakes: &mut Vec<String>) -> AnyWire {
        http.check_version(&self.base_url, mistakes);
        let base_url = http.base_url.as_deref().unwrap_or(&self.base_url);
        let mut wire = Anthropic::at(self.host, base_url);
        if self.bearer {
            wire = wire.with_bearer();
        }
        let wire = http.with_headers(wire, Anthropic::with_header, mistakes);
        AnyWire::at(base_url, Arc::new(wire), mistakes)
    }
}
