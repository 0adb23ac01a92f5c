//! The wire, assembled from the codec's modules.
//!
//! Invariant: the key goes into one header and nowhere else, least of all into a URL.

use hotspare_core::{Capabilities, ChatRequest, Error, Kind, Origin, Request};
use hotspare_provider::{
    Decoding, Describe, EmbedDecoder, Head, HttpRequest, JsonArray, Outbound, Sse, Whole, Wire, header,
};
use http::HeaderMap;

use crate::decode::ContentDecoder;
use crate::embed;
use crate::host::{Auth, Host};
use crate::{WIRE, binding, classify, encode, generation};

/// The base URL of the Gemini API, with its version.
const GEMINI_BASE: &str = "https://generativelanguage.googleapis.com/v1beta";
/// The version of Vertex AI's API: the one with ids of function calls, which the official clients also use.
const VERTEX_VERSION: &str = "v1beta1";

/// The Gemini wire at one host.
#[derive(Clone, Debug)]
pub struct Gemini {
    host: Host,
    base_url: String,
    headers: HeaderMap,
}

impl Gemini {
    /// The wire at the Gemini API, with an API key.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Host::GEMINI, GEMINI_BASE)
    }

    /// The wire at Vertex AI, with an OAuth access token. `location` is a region such as `europe-west4`, or `global`.
    ///
    /// # Errors
    /// [`Kind::Config`] if the project or location is not valid in a URL.
    pub fn vertex(project: &str, location: &str) -> Result<Self, Error> {
        for (what, text) in [("project", project), ("location", location)] {
            // Project ids of some organizations contain a domain: `example.com:project`.
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
            if text.is_empty() || !text.bytes().all(fits) {
                return Err(Error::new(Kind::Config, format!("`{text}` is not a valid {what}")));
            }
        }
        let server = match location {
            "global" => "aiplatform.googleapis.com".to_owned(),
            region => format!("{region}-aiplatform.googleapis.com"),
        };
        let base = format!("https://{server}/{VERTEX_VERSION}/projects/{project}/locations/{location}");
        Ok(Self::at(Host::VERTEX, base))
    }

    /// The wire at a host like `host`, with a base URL up to the path of the models.
    pub fn at(host: Host, base_url: impl Into<String>) -> Self {
        let mut base_url: String = base_url.into();
        base_url.truncate(base_url.trim_end_matches('/').len());
        Self { host, base_url, headers: HeaderMap::new() }
    }

    /// Sets the base URL.
    #[must_use]
    pub fn with_base_url(self, base_url: impl Into<String>) -> Self {
        Self { headers: self.headers, ..Self::at(self.host, base_url) }
    }

    /// The base URL, up to the path of the models.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
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

    /// A model's path: the host's prefix and the plain name, or a path unchanged (`tunedModels/mine`).
    fn path(&self, model: &str) -> Result<String, Error> {
        let fits =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@' | b'/');
        if model.is_empty() || !model.bytes().all(fits) || model.contains("..") {
            return Err(Error::new(Kind::ModelUnavailable, "the model's name is not valid in a URL"));
        }
        let before = if model.contains('/') { "" } else { self.host.models };
        Ok(format!("{before}{model}"))
    }
}

impl Default for Gemini {
    fn default() -> Self {
        Self::new()
    }
}

impl Describe for Gemini {
    fn wire(&self) -> &'static str {
        WIRE
    }

    fn origin(&self) -> Option<Origin> {
        Some(Origin(self.host.origin.to_owned()))
    }

    fn capabilities(&self, model: &str) -> Capabilities {
        let mut capabilities = Capabilities::default();
        // A turn of function calls must follow a user's turn.
        capabilities.assistant_first = Some(false);
        capabilities.format_with_tools = generation::of(model).format_with_tools;
        capabilities
    }

    fn notes(&self, request: &ChatRequest, model: &str) -> Vec<String> {
        encode::notes(request, model)
    }

    fn asks_for_reasoning(&self, request: &ChatRequest) -> Option<bool> {
        encode::asks_for_reasoning(request)
    }

    fn binds(&self, request: &ChatRequest) -> Option<String> {
        binding::binds(request)
    }
}

impl Wire for Gemini {
    fn encode(&self, call: &Outbound) -> Result<HttpRequest, Error> {
        let path = self.path(&call.model)?;
        let (verb, body) = match &call.request {
            Request::Chat(chat) => {
                let verb = if call.stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
                (verb, encode::body(chat, &call.model, self.host.origin)?)
            }
            Request::Embed(embed) => (self.host.embed.verb(), embed::body(embed, &path, self.host.embed)?),
        };
        let url = format!("{}/{path}:{verb}", self.base_url);
        let mut request = HttpRequest::post_json(url, body);
        request.headers.extend(self.headers.clone());
        match (&call.secret, self.host.auth) {
            (Some(secret), Auth::Header(name)) => request.with_key(name, secret.expose()),
            (secret, _) => request.with_bearer(secret.as_ref()),
        }
    }

    fn decoder(&self, call: &Outbound, head: &Head) -> Result<Decoding, Error> {
        let kind = head.media_type();
        if matches!(call.request, Request::Embed(_)) && matches!(&*kind, "application/json" | "") {
            let decoder = Box::new(EmbedDecoder::new(embed::reply));
            return Ok(Decoding { framer: Box::new(Whole::default()), decoder });
        }
        let decoder = Box::new(ContentDecoder::new(self.host.clone()));
        match &*kind {
            "text/event-stream" => Ok(Decoding { framer: Box::new(Sse::default()), decoder }),
            // A whole answer, or a stream from a host that drops `alt=sse`: the first byte tells them apart.
            "application/json" | "" => Ok(Decoding { framer: Box::new(JsonArray::default()), decoder }),
            other => Err(Error::new(Kind::Protocol, format!("the reply has the content type {other}"))),
        }
    }

    fn classify(&self, head: &Head, body: &[u8]) -> Error {
        classify::reply(head, body)
    }

    fn request_id(&self, head: &Head) -> Option<String> {
        head.header("x-vertex-ai-received-request-id").map(str::to_owned)
    }
}

#[cfg(test)]
mod tests;
