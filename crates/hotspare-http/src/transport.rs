//! Sends requests with reqwest.
//!
//! One request in, one response out. It follows no redirect and makes no second attempt behind the engine's back, with
//! one exception below HTTP: if the server closed a kept-alive connection before the first byte of the request was
//! written, hyper sends it on a fresh one, because that request never began. A connection that ends later without a
//! byte of the reply is reported as disconnected, and the engine, which alone decides on retries, asks the same target
//! once more. Invariant: no total timeout, because a healthy stream may be long (only the body of an unsuccessful reply
//! has a time limit); one connection carries one call, so that no call waits for another's (see
//! `docs/decisions/0028-one-connection-carries-one-call.md`), and dropping the body closes it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use hotspare_core::{Error, Kind};
use hotspare_provider::{Head, HttpRequest, HttpResponse, Transport};
use reqwest::Url;
use reqwest::header::{HOST, HeaderValue};

use crate::config::HttpConfig;
use crate::error;
use crate::resolve::FewAddresses;

/// Time limit for the body of an unsuccessful reply. Hosts send it together with the head.
const WORDS: Duration = Duration::from_secs(1);

/// The most addresses to remember; a client uses a handful.
const ADDRESSES: usize = 64;

/// Where a request goes.
#[derive(Debug)]
struct Address {
    url: Url,
    /// The value of the header `Host`, which hyper would put together for every request.
    host: Option<HeaderValue>,
}

impl Address {
    fn of(spelled: &str) -> Result<Self, Error> {
        let url = Url::parse(spelled)
            .map_err(|error| Error::new(Kind::Config, "the URL is invalid").with_source(error))?;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let host = url.host_str().and_then(|host| [host, &port].concat().try_into().ok());
        Ok(Self { url, host })
    }
}

/// A transport over a pool of connections.
#[derive(Clone, Debug)]
pub struct ReqwestTransport {
    client: reqwest::Client,
    /// Whether requests get the header `Host` here. Only for a client that is known to use HTTP/1.1 and to have no
    /// value of its own.
    names_host: bool,
    /// By URL: they recur with every request, and parsing one costs more than building the request.
    addresses: Arc<RwLock<HashMap<String, Arc<Address>>>>,
}

impl ReqwestTransport {
    /// Creates a transport with its own connection pool.
    ///
    /// # Errors
    /// [`Kind::Config`] if the proxy's address or the certificates are invalid, or TLS cannot be set up.
    pub fn new(config: &HttpConfig) -> Result<Self, Error> {
        let client = client_builder(config)?.build().map_err(|error| {
            Error::new(Kind::Config, "the HTTP client cannot be set up").with_source(error.without_url())
        })?;
        Ok(Self { names_host: true, ..Self::from_client(client) })
    }

    /// Uses an application's own client. It must not follow redirects: a reply from another URL than the requested one
    /// is an error of [`Kind::Protocol`], because the key and the prompt went there, too. It should make no retries,
    /// have no total timeout, and use HTTP/1.1: over HTTP/2 it waits for one connection per host, without telling, when
    /// that has as many streams as the host allows:
    ///
    /// ```
    /// let client = reqwest::Client::builder()
    ///     .redirect(reqwest::redirect::Policy::none())
    ///     .retry(reqwest::retry::never())
    ///     .referer(false)
    ///     .http1_only()
    ///     .connect_timeout(std::time::Duration::from_secs(5))
    ///     .build()?;
    /// # Ok::<(), reqwest::Error>(())
    /// ```
    #[must_use]
    pub fn from_client(client: reqwest::Client) -> Self {
        Self { client, names_host: false, addresses: Arc::default() }
    }

    fn address(&self, spelled: String) -> Result<Arc<Address>, Error> {
        let known = self.addresses.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = known.get(&spelled) {
            return Ok(Arc::clone(address));
        }
        drop(known);
        let address = Arc::new(Address::of(&spelled)?);
        let mut known = self.addresses.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < ADDRESSES {
            known.insert(spelled, Arc::clone(&address));
        }
        Ok(address)
    }

    /// The request as the client gets it, and where it goes.
    fn outgoing(&self, request: HttpRequest) -> Result<(Arc<Address>, reqwest::Request), Error> {
        let asked = self.address(request.url)?;
        // Put together without reqwest's builder, which would copy the headers one by one.
        let mut outgoing = reqwest::Request::new(request.method, asked.url.clone());
        *outgoing.headers_mut() = request.headers;
        if let Some(host) = asked.host.as_ref().filter(|_| self.names_host) {
            outgoing.headers_mut().entry(HOST).or_insert_with(|| host.clone());
        }
        *outgoing.body_mut() = Some(request.body.into());
        Ok((asked, outgoing))
    }
}

/// How the client connects, and what it leaves to the engine.
fn client_builder(config: &HttpConfig) -> Result<reqwest::ClientBuilder, Error> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(config.connect_timeout)
        .pool_idle_timeout(config.pool_idle_timeout)
        .pool_max_idle_per_host(config.pool_max_idle_per_host)
        .tcp_nodelay(true)
        .tcp_keepalive(std::time::Duration::from_secs(30))
        .http1_only()
        .dns_resolver(FewAddresses)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("hotspare/", env!("CARGO_PKG_VERSION")));
    if config.proxy_from_env {
        check_environment(|name| std::env::var(name).ok())?;
    } else {
        builder = builder.no_proxy();
    }
    if let Some(proxy) = &config.proxy {
        builder = builder.proxy(through(proxy)?);
    }
    if let Some(pem) = &config.ca {
        builder = trust(builder, pem)?;
    }
    Ok(builder)
}

/// Whether a reply comes from the requested URL. User and password do not count: reqwest turns them into a header.
fn is_same(replied: &Url, asked: &Url) -> bool {
    let alike = || {
        replied.origin() == asked.origin()
            && replied.path() == asked.path()
            && replied.query() == asked.query()
    };
    replied == asked || alike()
}

/// Builds the proxy. One of a kind that reqwest does not support is refused: it would be bypassed, and prompt and key
/// would go straight to the host. Errors omit the address, which may hold a password.
fn through(address: &str) -> Result<reqwest::Proxy, Error> {
    let wrong =
        || Error::new(Kind::Config, "the proxy's address must be http://host:port or https://host:port");
    let spelled = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let url = Url::parse(&spelled).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong());
    }
    reqwest::Proxy::all(url).map_err(|_| wrong())
}

/// The variables that name a proxy.
const PROXIES: [&str; 3] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];

/// Refuses what [`through`] refuses also where the environment says so. The error names the variable only: its value may
/// hold a password.
fn check_environment(variable: impl Fn(&str) -> Option<String>) -> Result<(), Error> {
    for name in PROXIES.into_iter().flat_map(|name| [name.to_owned(), name.to_ascii_lowercase()]) {
        let value = variable(&name).filter(|value| !value.trim().is_empty());
        if value.is_some_and(|value| through(&value).is_err()) {
            let what = format!("{name} must be http://host:port or https://host:port, or unset");
            return Err(Error::new(Kind::Config, what));
        }
    }
    Ok(())
}

#[cfg(feature = "rustls")]
fn trust(mut builder: reqwest::ClientBuilder, pem: &[u8]) -> Result<reqwest::ClientBuilder, Error> {
    let unreadable = || Error::new(Kind::Config, "the certificates are not PEM");
    let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(|_| unreadable())?;
    if certificates.is_empty() {
        return Err(unreadable());
    }
    for certificate in certificates {
        builder = builder.add_root_certificate(certificate);
    }
    Ok(builder)
}

#[cfg(not(feature = "rustls"))]
fn trust(_: reqwest::ClientBuilder, _: &[u8]) -> Result<reqwest::ClientBuilder, Error> {
    Err(Error::new(
        Kind::Config,
        "certificates were given, but this build has no TLS: enable the feature `rustls`",
    ))
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let (asked, outgoing) = self.outgoing(request)?;
        let mut response = self.client.execute(outgoing).await.map_err(error::before_head)?;
        if !is_same(response.url(), &asked.url) {
            let what = "the HTTP client that was given follows redirects; build it with `Policy::none()`";
            return Err(Error::new(Kind::Protocol, what));
        }
        let head = Head {
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            received_at: SystemTime::now(),
        };
        let failed = !head.status.is_success();
        let body = response.bytes_stream().map(|piece| piece.map_err(error::in_body));
        let body: BoxStream<'static, _> = if failed {
            // The head has already reported the failure: wait for the explanation in the body, but not for long.
            Box::pin(body.take_until(tokio::time::sleep(WORDS)))
        } else {
            Box::pin(body)
        };
        Ok(HttpResponse { head, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise the system holds back the end of a request until the host has acknowledged its beginning. The option of a
    /// socket inside reqwest cannot be read, so this reads what the sockets are made with.
    #[test]
    fn connections_send_small_pieces_at_once() {
        let made_with = format!("{:?}", client_builder(&HttpConfig::default()).unwrap());
        assert!(made_with.contains("tcp_nodelay: true"), "{made_with}");
    }

    #[test]
    fn the_host_is_named_without_a_usual_port_or_a_user() {
        for (url, host) in [
            ("http://localhost:8080/v1?x=1", "localhost:8080"),
            ("https://user:secret@API.example.com:443/v1", "api.example.com"),
            ("http://api.example.com:443/v1", "api.example.com:443"),
            ("http://[::1]:80/v1", "[::1]"),
        ] {
            assert_eq!(Address::of(url).unwrap().host.unwrap(), host, "{url}");
        }
    }

    /// Over HTTP/2, which an application's own client may negotiate, the name is in `:authority`, and some hosts reject a
    /// request that has it twice.
    #[test]
    fn only_requests_of_the_transports_own_client_name_the_host() {
        let own = ReqwestTransport::new(&HttpConfig::default()).unwrap();
        let given = ReqwestTransport::from_client(reqwest::Client::new());
        let request = || HttpRequest::post_json("http://localhost:8080/v1".to_owned(), "{}");
        let named = |transport: &ReqwestTransport, request| {
            transport.outgoing(request).unwrap().1.headers().get(HOST).cloned()
        };
        assert_eq!(named(&own, request()).unwrap(), "localhost:8080");
        assert_eq!(named(&given, request()), None);
        for transport in [own, given] {
            let mut request = request();
            request.headers.insert(HOST, HeaderValue::from_static("virtual"));
            assert_eq!(named(&transport, request).unwrap(), "virtual");
        }
    }

    #[test]
    fn proxies_in_the_environment_that_would_be_bypassed_are_refused() {
        for (name, value, refused) in [
            ("https_proxy", "socks://127.0.0.1:1080", true),
            ("ALL_PROXY", "ftp://user:secret@proxy", true),
            ("HTTP_PROXY", "http://user:secret@proxy:3128", false),
            ("HTTPS_PROXY", "proxy:3128", false),
            ("http_proxy", "", false),
            ("NO_PROXY", "socks://x", false),
        ] {
            let result = check_environment(|asked| (asked == name).then(|| value.to_owned()));
            assert_eq!(result.is_err(), refused, "{name}={value}");
            if let Err(error) = result {
                assert!(error.message().contains(name) && !error.message().contains("secret"), "{error}");
            }
        }
    }
}
