//! Targets that speak Ollama's own chat wire, as the provider `ollama-native` does in a configuration. The same servers
//! speak the OpenAI wire too: for that one, which is `ollama` in a configuration, see
//! [`openai::compatible`](crate::openai::compatible).

pub use hotspare_ollama::{Ollama, WIRE};

use std::sync::Arc;

use crate::endpoint::{AnyWire, Endpoint, HttpOptions, WireSettings};

/// A server on this machine, on the default port.
const BASE_URL: &str = "http://127.0.0.1:11434";

/// A model on a server on this machine; set another one with [`base_url`](Endpoint::base_url), without `/api`. A key is
/// optional and sent as a bearer token.
pub fn target(model: impl Into<String>) -> Endpoint<Settings> {
    Endpoint::new(Settings(()), model.into(), Some("ollama".into()))
}

/// Settings of this module's endpoints: none of their own.
#[derive(Clone, Debug)]
pub struct Settings(());

impl WireSettings for Settings {
    fn connect(self, _: &str, http: &HttpOptions, mistakes: &mut Vec<String>) -> AnyWire {
        let base_url = http.base_url.as_deref().unwrap_or(BASE_URL);
        let wire = Ollama::new().with_base_url(base_url);
        let wire = http.with_headers(wire, Ollama::with_header, mistakes);
        AnyWire { needs_key: false, ..AnyWire::at(base_url, Arc::new(wire), mistakes) }
    }
}
