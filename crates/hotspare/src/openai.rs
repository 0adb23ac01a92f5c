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

/// A model at a host that speaks this wire, at `base_url` (up to and including the version). It may need a key or not.
pub fn compatible(base_url: impl Into<String>, model: impl Into<String>) -> OpenAiTarget {
    dialect(&Dialect::COMPATIBLE, model).base_url(base_url)
}

/// A model at the host of this row.
pub fn dialect(row: &Dialect, model: impl Into<String>) -> OpenAiTarget {
    OpenAiTarget { dialect: row.clone(), model: model.into(), headers: Vec::new(), api: None }
}

/// A request from the wire's JSON, so that code which makes such bodies can send them to a route. Whether a stream was
/// asked for is the caller's to say again, by [`Client::chat`](crate::Client::chat) or
/// [`Client::stream`](crate::Client::stream).
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

/// Which of a host's wires a target speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Api {
    Chat,
    Responses,
}

impl OpenAiTarget {
    /// Speaks the Responses wire. Without this or [`OpenAiTarget::chat`] a model that the catalogue knows to be served
    /// by it alone does so by itself.
    #[must_use]
    pub fn responses(mut self) -> Self {
        self.api = Some(Api::Responses);
        self
    }

    /// Speaks the chat wire, whatever the catalogue says.
    #[must_use]
    pub fn chat(mut self) -> Self {
        self.api = Some(Api::Chat);
        self
    }

    /// Sets the address, up to and including the version.
    #[must_use]
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.dialect = self.dialect.at(base_url.into());
        self
    }

    /// Sends one more header with each request.
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

    /// The finished description.
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

/// The wire with all headers that can stand in a request.
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
