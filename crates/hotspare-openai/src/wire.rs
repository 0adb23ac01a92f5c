//! The wire: codec rooms put together.
//!
//! Invariant: the key goes into one header and nowhere else.

use std::borrow::Cow;

use hotspare_core::{Capabilities, Error, Kind, RateLimits, Request};
use hotspare_provider::{Decoding, Head, HttpRequest, Outbound, Sse, Whole, Wire};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::decode::ChatDecoder;
use crate::dialect::{Auth, Dialect};
use crate::embeddings::EmbedDecoder;
use crate::{WIRE, classify, embeddings, encode, limits};

/// Chat completions and embeddings in one host's dialect.
#[derive(Clone, Debug)]
pub struct OpenAi {
    dialect: Cow<'static, Dialect>,
    chat_url: String,
    embed_url: String,
    headers: HeaderMap,
}

impl OpenAi {
    /// Speaks this dialect, at its own address.
    #[must_use]
    pub fn new(dialect: impl Into<Cow<'static, Dialect>>) -> Self {
        let dialect = dialect.into();
        let base = dialect.base_url.trim_end_matches('/');
        let chat_url = format!("{base}{}", dialect.chat_path);
        let embed_url = format!("{base}{}", dialect.embed_path);
        Self { dialect, chat_url, embed_url, headers: HeaderMap::new() }
    }

    /// Sends one more header with each request, such as an organisation's name.
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

    /// The dialect.
    #[must_use]
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }
}

impl From<&'static Dialect> for Cow<'static, Dialect> {
    fn from(dialect: &'static Dialect) -> Self {
        Self::Borrowed(dialect)
    }
}

impl From<Dialect> for Cow<'static, Dialect> {
    fn from(dialect: Dialect) -> Self {
        Self::Owned(dialect)
    }
}

impl Wire for OpenAi {
    fn name(&self) -> &'static str {
        WIRE
    }

    fn capabilities(&self, _: &str) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.vision = (!self.dialect.images).then_some(false);
        capabilities.json_schema = (!self.dialect.json_schema).then_some(false);
        capabilities
    }

    fn encode(&self, call: &Outbound) -> Result<HttpRequest, Error> {
        let mut request = match &call.request {
            Request::Chat(chat) => {
                let body = encode::body(chat, &call.model, call.stream, &self.dialect)?;
                HttpRequest::post_json(self.chat_url.clone(), body)
            }
            Request::Embed(embed) => {
                let body = embeddings::body(embed, &call.model, &self.dialect)?;
                HttpRequest::post_json(self.embed_url.clone(), body)
            }
        };
        if !self.headers.is_empty() {
            request.headers.extend(self.headers.clone());
        }
        if let Some(secret) = &call.secret {
            let (name, text) = match &self.dialect.auth {
                Auth::Header(name) => {
                    (HeaderName::from_bytes(name.as_bytes()).ok(), secret.expose().to_owned())
                }
                Auth::Bearer | Auth::Optional => {
                    (Some(header::AUTHORIZATION), format!("Bearer {}", secret.expose()))
                }
            };
            let value = HeaderValue::from_str(&text).ok();
            let (Some(name), Some(mut value)) = (name, value) else {
                return Err(Error::new(Kind::Config, "the key cannot stand in a header"));
            };
            value.set_sensitive(true);
            request.headers.insert(name, value);
        }
        Ok(request)
    }

    fn decoder(&self, call: &Outbound, head: &Head) -> Result<Decoding, Error> {
        let kind = head.media_type();
        if matches!(call.request, Request::Embed(_)) {
            return match kind.as_str() {
                "application/json" | "" => Ok(Decoding {
                    framer: Box::new(Whole::default()),
                    decoder: Box::new(EmbedDecoder::default()),
                }),
                other => Err(Error::new(Kind::Protocol, format!("the reply's type is {other}"))),
            };
        }
        let whole = kind != "text/event-stream";
        let decoder = Box::new(ChatDecoder::new(self.dialect.reasoning_beside_output, whole));
        match kind.as_str() {
            "text/event-stream" => Ok(Decoding { framer: Box::new(Sse::default()), decoder }),
            // Read as what it is, also where a stream was asked for: some hosts answer whole all the same.
            "application/json" | "" => Ok(Decoding { framer: Box::new(Whole::default()), decoder }),
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
        head.header(&self.dialect.request_id).map(str::to_owned)
    }
}
