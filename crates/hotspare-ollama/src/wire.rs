//! The wire, assembled from the codec's modules.
//!
//! Invariant: the key goes into one header and nowhere else.

use hotspare_core::{ChatRequest, Error, Json, Kind, Request};
use hotspare_provider::{
    Decoder, Decoding, Describe, EmbedDecoder, Head, HttpRequest, Ndjson, Outbound, Whole, Wire, header,
};
use http::HeaderMap;

use crate::decode::ChatDecoder;
use crate::{WIRE, classify, embed, encode};

/// Ollama's chat wire.
#[derive(Clone, Debug)]
pub struct Ollama {
    chat_url: String,
    embed_url: String,
    headers: HeaderMap,
}

impl Default for Ollama {
    fn default() -> Self {
        Self::new()
    }
}

impl Ollama {
    /// The wire at a server on this machine.
    #[must_use]
    pub fn new() -> Self {
        Self { chat_url: String::new(), embed_url: String::new(), headers: HeaderMap::new() }
            .with_base_url("http://127.0.0.1:11434")
    }

    /// Sets the base URL, without `/api`.
    #[must_use]
    pub fn with_base_url(mut self, base_url: &str) -> Self {
        let base_url = base_url.trim_end_matches('/');
        self.chat_url = format!("{base_url}/api/chat");
        self.embed_url = format!("{base_url}/api/embed");
        self
    }

    /// Adds a header to every request.
    ///
    /// # Errors
    /// [`Kind::Config`] if the name or value is not valid in a header.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let (name, value) = header(name, value)?;
        self.headers.insert(name, value);
        Ok(self)
    }
}

impl Describe for Ollama {
    fn wire(&self) -> &'static str {
        WIRE
    }

    fn notes(&self, request: &ChatRequest, _: &str) -> Vec<String> {
        encode::notes(request)
    }

    fn asks_for_reasoning(&self, request: &ChatRequest) -> Option<bool> {
        // A level (`"low"`) or a switch.
        let own = request.extras.get(WIRE).and_then(|extras| extras.get("think")).map(Json::to_value);
        own.map(|think| think != false).or_else(|| request.asks_for_reasoning())
    }
}

impl Wire for Ollama {
    fn encode(&self, call: &Outbound) -> Result<HttpRequest, Error> {
        let mut request = match &call.request {
            Request::Chat(chat) => {
                HttpRequest::post_json(self.chat_url.clone(), encode::body(chat, &call.model, call.stream)?)
            }
            Request::Embed(asked) => {
                HttpRequest::post_json(self.embed_url.clone(), embed::body(asked, &call.model)?)
            }
        };
        request.headers.extend(self.headers.clone());
        request.with_bearer(call.secret.as_ref())
    }

    fn decoder(&self, call: &Outbound, head: &Head) -> Result<Decoding, Error> {
        let decoder: Box<dyn Decoder> = match &call.request {
            Request::Chat(_) => Box::new(ChatDecoder::default()),
            Request::Embed(_) => Box::new(EmbedDecoder::new(embed::reply)),
        };
        match &*head.media_type() {
            "application/x-ndjson" => Ok(Decoding { framer: Box::new(Ndjson::default()), decoder }),
            "application/json" | "" => Ok(Decoding { framer: Box::new(Whole::default()), decoder }),
            other => Err(Error::new(Kind::Protocol, format!("the reply has the content type {other}"))),
        }
    }

    fn classify(&self, head: &Head, body: &[u8]) -> Error {
        classify::reply(head, body)
    }

    fn request_id(&self, head: &Head) -> Option<String> {
        head.header("x-request-id").map(str::to_owned)
    }
}
