//! Targets that speak the OpenAI wire.

pub use hotspare_openai::{
    Auth, ChatCompletionsEncoder, ChatCompletionsRequest, Dialect, EmbeddingsRequest, MaxTokens, OpenAi,
    RESPONSES_WIRE, Responses, ResponsesEncoder, ResponsesRequest, WIRE,
};

use std::sync::Arc;

use hotspare_catalog::Catalog;
use hotspare_core::{ChatRequest, Error};
use hotspare_provider::Wire;

use crate::endpoint::{AnyWire, Endpoint, HttpOptions, WireSettings};

/// A model at OpenAI.
pub fn target(model: impl Into<String>) -> Endpoint<Settings> {
    dialect(&Dialect::OPENAI, model)
}

/// A model at DeepSeek.
pub fn deepseek(model: impl Into<String>) -> Endpoint<Settings> {
    dialect(&Dialect::DEEPSEEK, model)
}

/// A model on a host that speaks this wire, at `base_url` (up to and including the version). A key is optional.
pub fn compatible(base_url: impl Into<String>, model: impl Into<String>) -> Endpoint<Settings> {
    dialect(&Dialect::COMPATIBLE, model).base_url(base_url)
}

/// A model on the host described by this row.
pub fn dialect(row: &Dialect, model: impl Into<String>) -> Endpoint<Settings> {
    Endpoint::new(Settings { dialect: row.clone(), api: None }, model.into(), Some(row.catalog.to_string()))
}

/// Parses a request in this wire's JSON, so that code which already produces such bodies can send them to a route. The
/// `stream` field is ignored: call [`Client::chat`](crate::Client::chat) or [`Client::stream`](crate::Client::stream).
///
/// # Errors
/// [`Kind::InvalidRequest`](crate::Kind::InvalidRequest) naming the field and what is wrong with it.
pub fn request(json: &str) -> Result<ChatRequest, Error> {
    ChatCompletionsRequest::parse(json.as_bytes()).map(|incoming| incoming.request)
}

/// Settings of this module's endpoints.
#[derive(Clone, Debug)]
pub struct Settings {
    dialect: Dialect,
    api: Option<Api>,
}

/// Which of a host's wires a target uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Api {
    Chat,
    Responses,
}

impl Endpoint<Settings> {
    /// Uses the Responses wire. This is the default for models that, according to the catalogue, no other wire serves.
    #[must_use]
    pub fn responses(mut self) -> Self {
        self.wire.api = Some(Api::Responses);
        self
    }

    /// Uses the chat wire regardless of the catalogue.
    #[must_use]
    pub fn chat(mut self) -> Self {
        self.wire.api = Some(Api::Chat);
        self
    }
}

impl WireSettings for Settings {
    fn connect(self, model: &str, http: &HttpOptions, mistakes: &mut Vec<String>) -> AnyWire {
        let Self { mut dialect, api } = self;
        let api = api.unwrap_or_else(|| {
            let known = Catalog::vendored().lookup(&dialect.catalog, model).map(|entry| entry.profile());
            match known.and_then(|profile| profile.mode).as_deref() {
                Some("responses") => Api::Responses,
                _ => Api::Chat,
            }
        });
        // A row with another path may have the version there.
        let shipped = Dialect::find(&dialect.id).unwrap_or(&Dialect::OPENAI);
        if dialect.chat_path == shipped.chat_path {
            http.check_version(&dialect.base_url, mistakes);
        }
        if let Some(base_url) = &http.base_url {
            dialect = dialect.at(base_url.clone());
        }
        let (base_url, needs_key) = (dialect.base_url.to_string(), dialect.auth != Auth::Optional);
        let wire: Arc<dyn Wire> = match api {
            Api::Chat => Arc::new(http.with_headers(OpenAi::new(dialect), OpenAi::with_header, mistakes)),
            Api::Responses => {
                Arc::new(http.with_headers(Responses::new(dialect), Responses::with_header, mistakes))
            }
        };
        AnyWire { needs_key, ..AnyWire::at(&base_url, wire, mistakes) }
    }
}
