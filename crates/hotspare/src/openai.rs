//! Targets that speak the OpenAI wire.

pub use hotspare_openai::{
    Auth, ChatCompletionsEncoder, ChatCompletionsRequest, Dialect, EmbeddingsRequest, MaxTokens, OpenAi,
    RESPONSES_WIRE, Responses, ResponsesEncoder, ResponsesRequest, WIRE,
};

use std::sync::Arc;

use hotspare_catalog::Catalog;
use hotspare_core::{ChatRequest, Error};
use hotspare_provider::Wire;

use crate::endpoint::Endpoint;

/// A model at OpenAI.
pub fn target(model: impl Into<String>) -> OpenAiTarget {
    dialect(&Dialect::OPENAI, model)
}

/// A model at DeepSeek.
pub fn deepseek(model: impl Into<String>) -> OpenAiTarget {
    dialect(&Dialect::DEEPSEEK, model)
}

/// A model on a host that speaks this wire, at `base_url` (up to and including the version). A key is optional.
pub fn compatible(base_url: impl Into<String>, model: impl Into<String>) -> OpenAiTarget {
    dialect(&Dialect::COMPATIBLE, model).base_url(base_url)
}

/// A model on the host described by this row.
pub fn dialect(row: &Dialect, model: impl Into<String>) -> OpenAiTarget {
    OpenAiTarget { dialect: row.clone(), model: model.into(), headers: Vec::new(), api: None }
}

/// Parses a request in this wire's JSON, so that code which already produces such bodies can send them to a route. The
/// `stream` field is ignored: call [`Client::chat`](crate::Client::chat) or [`Client::stream`](crate::Client::stream).
///
/// # Errors
/// [`Kind::InvalidRequest`](crate::Kind::InvalidRequest) naming the field and what is wrong with it.
pub fn request(json: &str) -> Result<ChatRequest, Error> {
    ChatCompletionsRequest::parse(json.as_bytes()).map(|incoming| incoming.request)
}

/// A target whose address and headers can still be changed; it becomes an [`Endpoint`] with `key` or `endpoint`.
#[derive(Clone, Debug)]
pub struct OpenAiTarget {
    dialect: Dialect,
    model: String,
    headers: Vec<(String, String)>,
    api: Option<Api>,
}

/// Which of a host's wires a target uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Api {
    Chat,
    Responses,
}

impl OpenAiTarget {
    /// Uses the Responses wire. This is the default for models that, according to the catalogue, no other wire serves.
    #[must_use]
    pub fn responses(mut self) -> Self {
        self.api = Some(Api::Responses);
        self
    }

    /// Uses the chat wire regardless of the catalogue.
    #[must_use]
    pub fn chat(mut self) -> Self {
        self.api = Some(Api::Chat);
        self
    }

    /// Sets the base URL, up to and including the version.
    #[must_use]
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.dialect = self.dialect.at(base_url.into());
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
    pub fn endpoint(self) -> Endpoint {
        let base_url = self.dialect.base_url.to_string();
        let (list, needs_key) = (self.dialect.catalog.to_string(), self.dialect.auth != Auth::Optional);
        let mut mistakes = crate::endpoint::url_mistakes(&self.dialect.base_url);
        let api = self.api.unwrap_or_else(|| {
            let known = Catalog::vendored().lookup(&list, &self.model).map(|entry| entry.profile());
            match known.and_then(|profile| profile.mode).as_deref() {
                Some("responses") => Api::Responses,
                _ => Api::Chat,
            }
        });
        let wire: Arc<dyn Wire> = match api {
            Api::Chat => {
                Arc::new(headed(OpenAi::new(self.dialect), OpenAi::with_header, &self.headers, &mut mistakes))
            }
            Api::Responses => {
                let wire = Responses::new(self.dialect);
                Arc::new(headed(wire, Responses::with_header, &self.headers, &mut mistakes))
            }
        };
        let mut endpoint = Endpoint::reached(wire, self.model, &base_url);
        endpoint.needs_key = needs_key;
        endpoint.catalog = Some(list);
        endpoint.mistakes = mistakes;
        endpoint
    }
}

impl From<OpenAiTarget> for Endpoint {
    fn from(target: OpenAiTarget) -> Self {
        target.endpoint()
    }
}

/// The wire with all valid headers added; the others are mistakes.
fn headed<W: Clone>(
    mut wire: W,
    add: fn(W, &str, &str) -> Result<W, Error>,
    headers: &[(String, String)],
    mistakes: &mut Vec<String>,
) -> W {
    for (name, value) in headers {
        match add(wire.clone(), name, value) {
            Ok(more) => wire = more,
            Err(error) => mistakes.push(mistake(name, &error)),
        }
    }
    wire
}

fn mistake(name: &str, error: &Error) -> String {
    format!("header `{name}`: {}", error.message())
}
