//! Targets that speak the Gemini wire, at the Gemini API or at Vertex AI.

pub use hotspare_gemini::{Gemini, Host, WIRE};

use std::sync::Arc;

use hotspare_core::Error;

use crate::endpoint::{AnyWire, Endpoint, HttpOptions, WireSettings};

/// A model on the Gemini API, with an API key.
pub fn target(model: impl Into<String>) -> Endpoint<Settings> {
    endpoint(Host::GEMINI, Ok(Gemini::new()), model.into())
}

/// A model on Vertex AI. `location` is a region such as `europe-west4`, or `global`. The key is an OAuth access token
/// that lasts an hour: keep a file up to date (`gcloud auth print-access-token`) and pass it as
/// [`Key::file`](crate::Key::file), which is re-read when the token is rejected.
pub fn vertex(project: &str, location: &str, model: impl Into<String>) -> Endpoint<Settings> {
    endpoint(Host::VERTEX, Gemini::vertex(project, location), model.into())
}

fn endpoint(host: Host, wire: Result<Gemini, Error>, model: String) -> Endpoint<Settings> {
    let catalog = host.id.into();
    Endpoint::new(Settings { host, wire }, model, Some(catalog))
}

/// Settings of this module's endpoints: none of their own.
#[derive(Clone, Debug)]
pub struct Settings {
    host: Host,
    /// The wire at the host's own address, if that address is valid.
    wire: Result<Gemini, Error>,
}

impl WireSettings for Settings {
    fn connect(self, _: &str, http: &HttpOptions, mistakes: &mut Vec<String>) -> AnyWire {
        if let Ok(own) = &self.wire {
            http.check_version(own.base_url(), mistakes);
        }
        let wire = match &http.base_url {
            Some(base_url) => Gemini::at(self.host, base_url),
            None => self.wire.unwrap_or_else(|error| {
                mistakes.push(error.message().to_owned());
                Gemini::new()
            }),
        };
        let base_url = wire.base_url().to_owned();
        let wire = http.with_headers(wire, Gemini::with_header, mistakes);
        AnyWire::at(&base_url, Arc::new(wire), mistakes)
    }
}
