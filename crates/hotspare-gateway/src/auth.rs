//! Who may call.
//!
//! Invariant: an inbound key is compared and forgotten: never forwarded, never logged.

use std::fmt;
use std::net::IpAddr;

use http::HeaderMap;

/// The keys that callers must show; empty means that anybody may call.
#[derive(Clone, Default)]
pub struct ClientKeys(Vec<String>);

impl ClientKeys {
    /// Keys separated by white space or commas.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let keys = text.split(|c: char| c.is_whitespace() || c == ',').filter(|key| !key.is_empty());
        Self(keys.map(str::to_owned).collect())
    }

    /// Whether anybody may call.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the headers show one of the keys.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let bearer = headers.get(http::header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        let shown = bearer.or_else(|| headers.get("x-api-key").map(http::HeaderValue::as_bytes));
        // Every key is compared, and to its end, so that the time tells nothing.
        shown.is_some_and(|shown| self.0.iter().fold(false, |found, key| found | same(key.as_bytes(), shown)))
    }
}

impl fmt::Debug for ClientKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientKeys({})", self.0.len())
    }
}

/// Why a request is some web page's and not its user's, if it is: a browser sends along where the page is from, and the name
/// under which it found this server, which anybody can let point here.
pub(crate) fn foreign(headers: &HeaderMap) -> Option<&'static str> {
    let text = |name| headers.get(name).map(|value: &http::HeaderValue| value.to_str().unwrap_or_default());
    let is_localhost = |name: &str| name == "localhost" || name.ends_with(".localhost");
    if let Some(origin) = text(http::header::ORIGIN)
        && !origin.split_once("://").is_some_and(|(_, host)| match address(host) {
            Ok(ip) => ip.is_loopback(),
            Err(name) => is_localhost(&name),
        })
    {
        return Some(
            "a page from elsewhere may not ask this server; set client_keys to let callers show a key",
        );
    }
    match text(http::header::HOST) {
        Some(host) if address(host).is_err_and(|name| !is_localhost(&name)) => {
            Some("this server is asked for as localhost or 127.0.0.1; set client_keys to serve other names")
        }
        _ => None,
    }
}

/// The address in `host:port`, or the name.
fn address(host: &str) -> Result<IpAddr, String> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    name.parse().map_err(|_| name)
}

/// The token of that scheme, whose name may be written in any case.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_known_keys_are_admitted() {
        let keys = ClientKeys::parse("one, two\nthree");
        let mut headers = HeaderMap::new();
        assert!(!keys.admit(&headers));
        headers.insert("authorization", HeaderValue::from_static("Bearer two"));
        assert!(keys.admit(&headers));
        headers.insert("authorization", HeaderValue::from_static("Bearer tw"));
        assert!(!keys.admit(&headers));
        headers.insert("authorization", HeaderValue::from_static("bearer two"));
        assert!(keys.admit(&headers), "the scheme may be written in any case");
        headers.insert("authorization", HeaderValue::from_static("BEARER tWo"));
        assert!(!keys.admit(&headers), "the key may not");
        headers.insert("authorization", HeaderValue::from_static("two"));
        assert!(!keys.admit(&headers));
        assert!(ClientKeys::default().admit(&headers));
        assert!(!format!("{keys:?}").contains("one"));
    }

    #[test]
    fn pages_from_elsewhere_are_told_apart_from_their_reader() {
        let asks = |origin: Option<&'static str>, host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert("origin", HeaderValue::from_static(origin));
            }
            foreign(&headers).is_none()
        };
        for host in
            ["127.0.0.1:8080", "localhost:8080", "LOCALHOST", "[::1]:8080", "[::1]", "app.localhost:1"]
        {
            assert!(asks(None, host), "{host}");
            assert!(
                asks(Some("http://localhost:3000"), host) && asks(Some("http://127.0.0.1"), host),
                "{host}"
            );
            for page in [
                "https://evil.example",
                "http://evil.example:80",
                "null",
                "http://localhost.evil.example",
                "",
            ] {
                assert!(!asks(Some(page), host), "{page} at {host}");
            }
        }
        assert!(
            !asks(None, "evil.example") && !asks(None, "evil.example:8080"),
            "a name that was let point here"
        );
        assert!(asks(None, "192.168.1.7:8080"), "an address is nobody's to let point elsewhere");
    }
}
