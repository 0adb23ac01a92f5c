//! One HTTP request in, one response out.
//!
//! Independent of reqwest, which is one implementation, in its own crate. Invariant: an HTTP status is not an error
//! here; only a missing or broken response is.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use hotspare_core::Error;
use http::{HeaderMap, Method, StatusCode};

use crate::secret::Secret;

/// Sends requests.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends a request and returns once the head of the response has arrived. Dropping the future or body cancels it.
    ///
    /// # Errors
    /// [`Kind::Connect`](hotspare_core::Kind::Connect) if no connection was established,
    /// [`Kind::Disconnected`](hotspare_core::Kind::Disconnected) if it closed before the head. In the body:
    /// [`Kind::Truncated`](hotspare_core::Kind::Truncated).
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Error>;
}

const _: fn(&dyn Transport) = |_| ();

/// A shared transport is a transport, so that wrappers accept it.
impl<T: Transport + ?Sized> Transport for Arc<T> {
    /// Written as the macro expands, because `async` would box the future a second time.
    fn send<'call, 'async_trait>(
        &'call self,
        request: HttpRequest,
    ) -> BoxFuture<'async_trait, Result<HttpResponse, Error>>
    where
        'call: 'async_trait,
        Self: 'async_trait,
    {
        (**self).send(request)
    }
}

/// An HTTP request.
#[derive(Clone)]
pub struct HttpRequest {
    /// Usually POST.
    pub method: Method,
    /// The absolute URL.
    pub url: String,
    /// Headers, including the key.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl HttpRequest {
    /// A POST request with a JSON body.
    #[must_use]
    pub fn post_json(url: String, body: impl Into<Bytes>) -> Self {
        // Room for the key, for what the transport adds, and for a few of the user's.
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        Self { method: Method::POST, url, headers, body: body.into() }
    }

    /// Adds a header that holds the key.
    ///
    /// # Errors
    /// [`Kind::Config`](hotspare_core::Kind::Config) if the name or value is not valid in a header.
    pub fn with_key(self, name: &str, value: &str) -> Result<Self, Error> {
        self.with_sensitive(
            http::HeaderName::from_bytes(name.as_bytes()).ok(),
            http::HeaderValue::from_str(value).ok(),
        )
    }

    fn with_sensitive(
        mut self,
        name: Option<http::HeaderName>,
        value: Option<http::HeaderValue>,
    ) -> Result<Self, Error> {
        let (Some(name), Some(mut value)) = (name, value) else {
            return Err(Error::new(hotspare_core::Kind::Config, "the key is not a valid header value"));
        };
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Adds the key, if any, as a bearer token.
    ///
    /// # Errors
    /// [`Kind::Config`](hotspare_core::Kind::Config) if it is not valid in a header.
    pub fn with_bearer(self, secret: Option<&Secret>) -> Result<Self, Error> {
        match secret {
            Some(secret) => {
                let value = ["Bearer ", secret.expose()].concat();
                self.with_sensitive(Some(http::header::AUTHORIZATION), value.try_into().ok())
            }
            None => Ok(self),
        }
    }
}

/// Connection and framing headers, which only the transport may set. No reply is decompressed.
const FRAMING: [http::HeaderName; 5] = [
    http::header::ACCEPT_ENCODING,
    http::header::CONNECTION,
    http::header::CONTENT_LENGTH,
    http::header::TRANSFER_ENCODING,
    http::header::UPGRADE,
];

/// Headers that carry a key.
const CREDENTIALS: [&str; 6] = [
    "api-key",
    "authorization",
    "proxy-authorization",
    "x-amz-security-token",
    "x-api-key",
    "x-goog-api-key",
];

/// Why a header of this name is no header to configure, if it carries a key: it would replace the one from the key's
/// source, or be replaced by it.
#[must_use]
pub fn credential_header(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    CREDENTIALS.contains(&&*name).then(|| {
        format!(
            "`{name}` carries the key: name the key's source instead, as in keys = [{{ env = \"API_KEY\" }}]"
        )
    })
}

/// Parses a user-configured header. Its value may be a secret, so `Debug` does not show it.
///
/// # Errors
/// [`Kind::Config`](hotspare_core::Kind::Config) if the name or value is not valid in a header, or the transport sets
/// that header itself.
pub fn header(name: &str, value: &str) -> Result<(http::HeaderName, http::HeaderValue), Error> {
    let wrong = |what: String| Error::new(hotspare_core::Kind::Config, what);
    let name = http::HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| wrong(format!("`{}` is not the name of a header", name.escape_debug())))?;
    if FRAMING.contains(&name) {
        return Err(wrong(format!("the header `{name}` cannot be set by users")));
    }
    let mut value = http::HeaderValue::from_str(value)
        .map_err(|_| wrong(format!("the value of the header `{name}` cannot be sent")))?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Omits headers (keys), the body (prompts) and the URL's query (keys again).
impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.url.split('?').next().unwrap_or_default();
        write!(f, "{} {address} ({} bytes)", self.method, self.body.len())
    }
}

/// The head of a response.
#[derive(Clone, Debug)]
pub struct Head {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// When it arrived, by wall clock: dates in headers are relative to it.
    pub received_at: SystemTime,
}

impl Head {
    /// The value of a header, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The media type without parameters, in lower case; empty if absent.
    #[must_use]
    pub fn media_type(&self) -> Cow<'_, str> {
        let value = self.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = value.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if kind.bytes().any(|byte| byte.is_ascii_uppercase()) {
            kind.to_ascii_lowercase().into()
        } else {
            kind.into()
        }
    }
}

/// A response whose body is still arriving.
pub struct HttpResponse {
    /// Head.
    pub head: Head,
    /// Body, as it arrives.
    pub body: BoxStream<'static, Result<Bytes, Error>>,
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpResponse({})", self.head.status)
    }
}
