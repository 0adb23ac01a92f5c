//! The wire: codec rooms put together.
//!
//! Invariant: the key goes into one header and nowhere else.

use hotspare_core::{Capabilities, ChatRequest, Error, Json, Kind, Origin, RateLimits};
use hotspare_provider::{Decoding, Head, HttpRequest, Outbound, Sse, Whole, Wire};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::decode::MessagesDecoder;
use crate::{BETA, ORIGIN, VERSION_HEADER, WIRE, classify, encode, limits};

/// The version of the wire that is spoken.
const VERSION: &str = "2023-06-01";

/// The Messages wire.
#[derive(Clone, Debug)]
pub struct Anthropic {
    url: String,
    bearer: bool,
    headers: HeaderMap,
}

impl Default for Anthropic {
    fn default() -> Self {
        Self::new()
    }
}

impl Anthropic {
    /// At its author's address.
    #[must_use]
    pub fn new() -> Self {
        Self { url: "https://api.anthropic.com/v1/messages".into(), bearer: false, headers: HeaderMap::new() }
    }

    /// At another address, up to and including the version.
    #[must_use]
    pub fn with_base_url(mut self, base_url: &str) -> Self {
        self.url = format!("{}/messages", base_url.trim_end_matches('/'));
        self
    }

    /// Sends the key as a bearer instead of in the wire's own header.
    #[must_use]
    pub fn with_bearer(mut self) -> Self {
        self.bearer = true;
        self
    }

    /// Sends one more header with each request, such as a beta's name.
    ///
    /// # Errors
    /// [`Kind::Config`] if name or value cannot stand in a header.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let wrong = |what| Error::new(Kind::Config, format!("the header {what} cannot be sent"));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("name"))?;
        let value = HeaderValue::from_str(value).map_err(|_| wrong("value"))?;
        self.headers.insert(name, value);
        Ok(self)
    }
}

/// Tools that run at the provider, by the beginning of their type.
const SERVED: [&str; 3] = ["code_execution", "web_fetch", "web_search"];

impl Wire for Anthropic {
    fn name(&self) -> &'static str {
        WIRE
    }

    fn origin(&self) -> Option<Origin> {
        Some(Origin(ORIGIN.to_owned()))
    }

    fn capabilities(&self, _: &str) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.embeddings = Some(false);
        capabilities
    }

    fn binds(&self, request: &ChatRequest) -> Option<String> {
        let own = request.extras.get(WIRE);
        let fields = ["container", "mcp_servers"].into_iter();
        let field = fields.into_iter().find(|name| own.is_some_and(|own| own.contains_key(*name)));
        if let Some(field) = field {
            return Some(format!("the field {field}"));
        }
        let kind = |raw: &Json| raw.to_value()["type"].as_str().unwrap_or_default().to_owned();
        let tools = request.native_tools.iter().filter(|tool| tool.wire == WIRE);
        let served = tools
            .map(|tool| kind(&tool.raw))
            .find(|kind| SERVED.iter().any(|served| kind.starts_with(served)));
        let kept = || request.natives(WIRE).find(|native| native.raw.as_str().contains("\"file_id\""));
        served.map(|kind| format!("the tool {kind}, which the provider runs")).or_else(|| {
            kept().map(|native| format!("a part that only its provider can look up ({})", kind(&native.raw)))
        })
    }

    fn encode(&self, call: &Outbound) -> Result<HttpRequest, Error> {
        let body = encode::body(call.chat()?, &call.model, call.stream)?;
        let mut request = HttpRequest::post_json(self.url.clone(), body);
        request.headers.insert(HeaderName::from_static(VERSION_HEADER), HeaderValue::from_static(VERSION));
        request.headers.extend(self.headers.clone());
        let beta = call.chat()?.extras.get(WIRE).and_then(|extras| extras.get(BETA));
        if let Some(beta) = beta.and_then(|beta| serde_json::from_str::<String>(beta.as_str()).ok()) {
            let value = HeaderValue::from_str(&beta)
                .map_err(|_| Error::new(Kind::InvalidRequest, format!("{BETA} cannot stand in a header")))?;
            request.headers.append(HeaderName::from_static(BETA), value);
        }
        match &call.secret {
            Some(secret) if self.bearer => {
                request.with_key("authorization", &format!("Bearer {}", secret.expose()))
            }
            Some(secret) => request.with_key("x-api-key", secret.expose()),
            None => Ok(request),
        }
    }

    fn decoder(&self, _: &Outbound, head: &Head) -> Result<Decoding, Error> {
        match head.media_type().as_str() {
            "text/event-stream" => Ok(Decoding {
                framer: Box::new(Sse::default()),
                decoder: Box::new(MessagesDecoder::streamed()),
            }),
            "application/json" | "" => Ok(Decoding {
                framer: Box::new(Whole::default()),
                decoder: Box::new(MessagesDecoder::whole()),
            }),
            other => Err(Error::new(Kind::Protocol, format!("the reply's type is {other}"))),
        }
    }

    fn classify(&self, head: &Head, body: &[u8]) -> Error {
        classify::reply(head, body)
    }

    fn limits(&self, head: &Head) -> RateLimits {
        limits::limits(head)
    }

    fn request_id(&self, head: &Head) -> Option<String> {
        head.header("request-id").or_else(|| head.header("x-request-id")).map(str::to_owned)
    }
}
