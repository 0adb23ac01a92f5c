//! Targets that speak Cohere's own chat wire, as the provider `cohere-native` does in a configuration. The same host
//! speaks the OpenAI wire too: for that one, which is `cohere` in a configuration, see
//! [`openai::dialect`](crate::openai::dialect).

pub use hotspare_cohere::{Cohere, WIRE};

use std::sync::Arc;

use crate::endpoint::{AnyWire, Endpoint, HttpOptions, WireSettings};

/// Cohere's own API.
const BASE_URL: &str = "https://api.cohere.com/v2";

/// A model at Cohere.
pub fn target(model: impl Into<String>) -> Endpoint<Settings> {
    Endpoint::new(Settings(()), model.into(), Some("cohere".into()))
}

/// Settings of this module's endpoints: none of their own.
#[derive(Clone, Debug)]
pub struct Settings(());

impl WireSettings for Settings {
    fn connect(self, _: &str, http: &HttpOptions, mistakes: &mut Vec<String>) -> AnyWire {
        http.check_version(BASE_URL, mistakes);
        let base_url = http.base_url.as_deref().unwrap_or(BASE_URL);
        let wire = Cohere::new().with_base_url(base_url);
        let wire = http.with_headers(wire, Cohere::with_header, mistakes);
        AnyWire::at(base_url, Arc::new(wire), mistakes)
    }
}
