//! The wire, assembled from the codec's modules.
//!
//! Invariant: the key goes into one header and nowhere else.

use hotspare_core::{
    Allowance, Capabilities, ChatRequest, Error, Json, Kind, RateLimits, Request, SchemaSubset,
};
use hotspare_provider::{
    Decoder, Decoding, Describe, EmbedDecoder, Head, HttpRequest, Ndjson, Outbound, Sse, Whole, Wire, header,
};
use http::HeaderMap;

use crate::decode::ChatDecoder;
use crate::{WIRE, classify, embed, encode};

/// Cohere's chat wire.
#[derive(Clone, Debug)]
pub struct Cohere {
    chat_url: String,
    embed_url: String,
    headers: HeaderMap,
}

impl Default for Cohere {
    fn default() -> Self {
        Self::new()
    }
}

impl Cohere {
    /// The wire at Cohere's public API.
    #[must_use]
    pub fn new() -> Self {
        Self { chat_url: String::new(), embed_url: String::new(), headers: HeaderMap::new() }
            .with_base_url("https://api.cohere.com/v2")
    }

    /// Sets the base URL, up to and including the version.
    #[must_use]
    pub fn with_base_url(mut self, base_url: &str) -> Self {
        let base_url = base_url.trim_end_matches('/');
        self.chat_url = format!("{base_url}/chat");
        self.embed_url = format!("{base_url}/embed");
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

/// The schemas that it accepts (guide "How do Structured Outputs Work?", "Schema constraints" and "Unsupported schema
/// features"). A `pattern` may have no anchors, which most have, so none is sent.
const SCHEMAS: SchemaSubset = SchemaSubset {
    always_enforced: true,
    closed: false,
    all_required: false,
    some_required: true,
    recursive: true,
    lone_refs: false,
    keywords: &[
        "$defs",
        "$ref",
        "const",
        "default",
        "definitions",
        "description",
        "enum",
        "format",
        "items",
        "properties",
        "required",
        "title",
        "type",
    ],
    formats: &["date", "date-time", "time", "uuid"],
};

impl Describe for Cohere {
    fn wire(&self) -> &'static str {
        WIRE
    }

    fn capabilities(&self, _: &str) -> Capabilities {
        let mut capabilities = Capabilities::default();
        // The API reference, on `response_format`: not in combination with `documents` or `tools`.
        capabilities.format_with_tools = Some(false);
        capabilities
    }

    fn notes(&self, request: &ChatRequest, _: &str) -> Vec<String> {
        encode::notes(request)
    }

    fn asks_for_reasoning(&self, request: &ChatRequest) -> Option<bool> {
        let own = request.extras.get(WIRE).and_then(|extras| extras.get("thinking")).map(Json::to_value);
        own.map(|thinking| thinking["type"] != "disabled").or_else(|| request.asks_for_reasoning())
    }

    fn schema_subset(&self, _: &str) -> Option<&'static SchemaSubset> {
        Some(&SCHEMAS)
    }
}

impl Wire for Cohere {
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
            "text/event-stream" => Ok(Decoding { framer: Box::new(Sse::default()), decoder }),
            // Version 1 streams newline-delimited JSON.
            "application/stream+json" | "application/x-ndjson" => {
                Ok(Decoding { framer: Box::new(Ndjson::default()), decoder })
            }
            "application/json" | "" => Ok(Decoding { framer: Box::new(Whole::default()), decoder }),
            other => Err(Error::new(Kind::Protocol, format!("the reply has the content type {other}"))),
        }
    }

    fn classify(&self, head: &Head, body: &[u8]) -> Error {
        classify::reply(head, body)
    }

    fn limits(&self, head: &Head) -> RateLimits {
        let number = |name: &str| head.header(name)?.trim().parse::<u64>().ok();
        let mut limits = RateLimits::default();
        limits.requests = number("x-trial-endpoint-call-limit")
            .zip(number("x-trial-endpoint-call-remaining"))
            .and_then(|(limit, remaining)| Allowance::new(limit, remaining, None));
        limits
    }

    fn request_id(&self, head: &Head) -> Option<String> {
        head.header("x-debug-trace-id").map(str::to_owned)
    }
}
