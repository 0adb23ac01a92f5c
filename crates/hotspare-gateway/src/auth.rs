//! Authentication of clients.
//!
//! Invariant: an inbound key is compared and then dropped: never forwarded, never logged.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use hotspare::{Key, KeyReader};
use http::HeaderMap;

/// How often the source of keys is re-read while requests arrive, so that adding or revoking a key needs no restart.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// The keys that clients must present; if empty, no key is needed. Clones share them.
#[derive(Clone, Default)]
pub struct ClientKeys(Option<Arc<KeyStore>>);

struct KeyStore {
    keys: RwLock<Vec<String>>,
    source: Option<KeyReader>,
    /// When the source was last read.
    last_read: Mutex<Instant>,
}

/// What a request's headers present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyMatch {
    /// One of the keys, counted from 1; `None` if no key is needed.
    Known(Option<usize>),
    /// No key, or an unknown one.
    Unknown,
}

impl ClientKeys {
    /// Keys separated by white space or commas. A `#` that begins a line or follows a separator begins a comment.
    ///
    /// # Errors
    /// If a key contains anything but visible ASCII characters: no client could send it.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(Self::store(parse(text)?, None))
    }

    /// Keys whose source is re-read while requests arrive, at most once a second.
    ///
    /// # Errors
    /// If it cannot be read, contains no key, or one that no client could send.
    pub fn from_source(source: Key) -> Result<Self, String> {
        let keys = parse_source(source.reveal()?.expose(), &source)?;
        Ok(Self::store(keys, Some(source)))
    }

    fn store(keys: Vec<String>, source: Option<Key>) -> Self {
        let any = !keys.is_empty();
        let source = source.map(KeyReader::new);
        let store = KeyStore { keys: RwLock::new(keys), source, last_read: Mutex::new(Instant::now()) };
        Self(any.then(|| Arc::new(store)))
    }

    /// Whether no key is needed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Re-reads the source. A source that cannot be read in time, contains no key or an invalid one changes nothing: it must
    /// neither admit everyone nor lock everyone out.
    pub async fn reload(&self) {
        let Some((store, source)) = self.0.as_ref().and_then(|store| Some((store, store.source.as_ref()?)))
        else {
            return;
        };
        let reading = Arc::clone(store);
        let read = source.read(move |source| reading.replace(source.reveal()?.expose(), source));
        if let Err(what) = read.await.flatten() {
            tracing::warn!(target: "hotspare", "{what}: the previous keys stay valid");
        }
    }

    /// Re-reads the source if that is due, so that a revoked key is refused at once.
    pub(crate) async fn refresh(&self) {
        if self.0.as_ref().is_some_and(|store| store.is_due()) {
            self.reload().await;
        }
    }

    /// Which of the keys the headers present.
    pub(crate) fn lookup(&self, headers: &HeaderMap) -> KeyMatch {
        let Some(store) = &self.0 else { return KeyMatch::Known(None) };
        let bearer = headers.get(http::header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        let presented = bearer.or_else(|| headers.get("x-api-key").map(http::HeaderValue::as_bytes));
        let Some(presented) = presented else { return KeyMatch::Unknown };
        let keys = store.keys.read().unwrap_or_else(PoisonError::into_inner);
        // Every key is compared in full, so that timing reveals nothing.
        let found = keys.iter().enumerate().fold(None, |found, (index, key)| {
            if constant_time_eq(key.as_bytes(), presented) { Some(index + 1) } else { found }
        });
        found.map_or(KeyMatch::Unknown, |index| KeyMatch::Known(Some(index)))
    }
}

impl KeyStore {
    /// Whether the source is due to be re-read. Only one of several concurrent callers gets `true`.
    fn is_due(&self) -> bool {
        let Ok(mut last_read) = self.last_read.try_lock() else { return false };
        let due = self.source.as_ref().is_some_and(|source| !source.is_reading())
            && last_read.elapsed() >= REFRESH_INTERVAL;
        if due {
            *last_read = Instant::now();
        }
        due
    }

    fn replace(&self, text: &str, source: &Key) -> Result<(), String> {
        let keys = parse_source(text, source)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }
}

/// The keys in the text of a source: at least one.
fn parse_source(text: &str, source: &Key) -> Result<Vec<String>, String> {
    match parse(text) {
        Ok(keys) if keys.is_empty() => Err(format!("{source:?} contains no key")),
        Ok(keys) => Ok(keys),
        Err(what) => Err(format!("{source:?}: {what}")),
    }
}

/// The keys in a text, without its comments. Editors on Windows may begin a file with a byte order mark.
fn parse(text: &str) -> Result<Vec<String>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut keys = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let words = line.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
        for key in words.take_while(|word| !word.starts_with('#')) {
            if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                let line = index + 1;
                return Err(format!("line {line}: a key may contain only visible ASCII characters"));
            }
            keys.push(key.to_owned());
        }
    }
    Ok(keys)
}

impl fmt::Debug for ClientKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |store: &Arc<KeyStore>| store.keys.read().unwrap_or_else(PoisonError::into_inner).len();
        write!(f, "ClientKeys({})", self.0.as_ref().map_or(0, count))
    }
}

/// Why a request comes from a foreign web page rather than from the user, if it does. Browsers send the page's origin
/// and the host name under which they found this server; that name can be anyone's (DNS rebinding), so a loopback
/// listener answers only to names of this machine. Others have names of their own, which are not known here; before a
/// proxy they have one that the proxy may pass on as `X-Forwarded-Host`. A page of another site cannot set that header:
/// browsers ask for permission first (CORS), and this server gives none.
pub(crate) fn foreign_page(headers: &HeaderMap, is_loopback: bool) -> Option<&'static str> {
    let text = |name| headers.get(name).map(|value: &http::HeaderValue| value.to_str().unwrap_or_default());
    let is_localhost = |name: &str| name == "localhost" || name.ends_with(".localhost");
    let host = text(http::header::HOST);
    // The first is the name that the browser used; each proxy appends its own.
    let public = headers.get("x-forwarded-host").and_then(|value| value.to_str().ok()?.split(',').next());
    let public = public.map(str::trim);
    let is_own = |page: &str| match address(page) {
        Ok(ip) if ip.is_loopback() => true,
        Err(name) if is_localhost(&name) => true,
        _ => !is_loopback && host.into_iter().chain(public).any(|host| host.eq_ignore_ascii_case(page)),
    };
    if let Some(origin) = text(http::header::ORIGIN)
        && !origin.split_once("://").is_some_and(|(_, page)| is_own(page))
    {
        return Some(match is_loopback {
            true => {
                "this server rejects requests from web pages of other sites: call it from your own backend"
            }
            false => {
                "this server rejects requests from web pages of other sites: call it from your own backend; if the page is behind the same proxy, let the proxy preserve Host or send X-Forwarded-Host, or set server.client_keys"
            }
        });
    }
    match host.filter(|_| is_loopback) {
        Some(host) if address(host).is_err_and(|name| !is_localhost(&name)) => Some(
            "this server answers only to localhost and 127.0.0.1; set server.client_keys to serve other names",
        ),
        _ => None,
    }
}

/// The IP address in `host:port`, or else the name.
fn address(host: &str) -> Result<IpAddr, String> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    name.parse().map_err(|_| name)
}

/// The bearer token. The scheme's name is case-insensitive.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_known_keys_are_admitted() {
        let keys = ClientKeys::parse("one, two\nthree").unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(keys.lookup(&headers), KeyMatch::Unknown);
        for (value, found) in [
            ("Bearer two", Some(2)),
            ("Bearer tw", None),
            // The scheme is case-insensitive, the key is not.
            ("bearer three", Some(3)),
            ("BEARER tWo", None),
            ("two", None),
        ] {
            headers.insert("authorization", HeaderValue::from_static(value));
            let expected = found.map_or(KeyMatch::Unknown, |index| KeyMatch::Known(Some(index)));
            assert_eq!(keys.lookup(&headers), expected, "{value}");
        }
        assert_eq!(ClientKeys::default().lookup(&headers), KeyMatch::Known(None));
        assert!(!format!("{keys:?}").contains("one"));
    }

    /// Keys whose source is this text.
    fn keys_from(text: &Arc<Mutex<String>>) -> ClientKeys {
        let source = Arc::clone(text);
        let read = move || Ok(hotspare::Secret::new(source.lock().unwrap().clone()));
        ClientKeys::from_source(Key::read("a test", read)).unwrap()
    }

    fn admits(keys: &ClientKeys, key: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", HeaderValue::from_static(key));
        keys.lookup(&headers) != KeyMatch::Unknown
    }

    #[tokio::test(start_paused = true)]
    async fn reload_adds_and_revokes_keys_but_ignores_an_empty_source() {
        let text = Arc::new(Mutex::new("old".to_owned()));
        let keys = keys_from(&text);
        assert!(admits(&keys, "old") && !admits(&keys, "new"));
        "new".clone_into(&mut text.lock().unwrap());
        keys.reload().await;
        assert!(!admits(&keys, "old") && admits(&keys, "new"));
        text.lock().unwrap().clear();
        keys.reload().await;
        assert!(admits(&keys, "new") && !keys.is_empty());
    }

    #[test]
    fn comments_and_byte_order_marks_are_not_keys() {
        let text = "\u{feff}# keys of the team\nck-1, ck-2 # two, of Ann\n\t#ck-3\r\nck#4";
        assert_eq!(parse(text).unwrap(), ["ck-1", "ck-2", "ck#4"]);
        assert_eq!(parse("# nothing\n").unwrap(), [""; 0]);
        assert_eq!(
            parse("ck-1\nsch\u{fc}ssel").unwrap_err(),
            "line 2: a key may contain only visible ASCII characters"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn source_with_an_invalid_key_keeps_the_previous_keys() {
        let text = Arc::new(Mutex::new("\u{feff}old".to_owned()));
        let keys = keys_from(&text);
        assert!(admits(&keys, "old"));
        for invalid in ["n\u{e9}w", "# new\n", "ok\nn\u{200b}ew"] {
            invalid.clone_into(&mut text.lock().unwrap());
            keys.reload().await;
            assert!(admits(&keys, "old") && !admits(&keys, "ok"), "{invalid}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn revoked_key_is_rejected_after_any_pause() {
        let text = Arc::new(Mutex::new("old".to_owned()));
        let keys = keys_from(&text);
        let set_last_read = |time| *keys.0.as_ref().unwrap().last_read.lock().unwrap() = time;
        "new".clone_into(&mut text.lock().unwrap());
        // Later than now, so that it stays recent on a machine that stops for a while.
        set_last_read(Instant::now() + Duration::from_secs(3_600));
        keys.refresh().await;
        assert!(admits(&keys, "old"), "the source was read a moment ago");
        set_last_read(Instant::now().checked_sub(2 * REFRESH_INTERVAL).unwrap());
        keys.refresh().await;
        assert!(!admits(&keys, "old"));
    }

    #[test]
    fn cross_origin_requests_are_detected() {
        let asks = |origin: Option<&'static str>, host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert("origin", HeaderValue::from_static(origin));
            }
            assert!(
                foreign_page(&headers, true).is_some() || foreign_page(&headers, false).is_none(),
                "what this machine may ask, others may"
            );
            foreign_page(&headers, true).is_none()
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
        assert!(!asks(None, "evil.example") && !asks(None, "evil.example:8080"), "DNS rebinding");
        assert!(asks(None, "192.168.1.7:8080"), "an IP address cannot be rebound");
    }

    /// A listener that other machines reach, without keys.
    #[test]
    fn only_its_own_pages_ask_an_open_listener() {
        let asks = |origin: Option<&'static str>, host: &'static str| {
            let mut headers = HeaderMap::from_iter([(http::header::HOST, HeaderValue::from_static(host))]);
            headers.extend(origin.map(|page| (http::header::ORIGIN, HeaderValue::from_static(page))));
            foreign_page(&headers, false).is_none()
        };
        assert!(asks(None, "gateway.example:8080") && asks(None, "10.0.0.7"), "no browser");
        assert!(asks(Some("http://gateway.example:8080"), "Gateway.example:8080"), "its own page");
        assert!(asks(Some("http://localhost:3000"), "gateway.example:8080"));
        for page in
            ["https://evil.example", "null", "", "http://gateway.example", "http://gateway.example:8081"]
        {
            assert!(!asks(Some(page), "gateway.example:8080"), "{page}");
        }
    }

    /// Proxies send the upstream's name as `Host` unless told otherwise.
    #[test]
    fn page_behind_the_same_proxy_asks_an_open_listener() {
        let asks = |page: &'static str, public: &'static str, is_loopback: bool| {
            let headers = HeaderMap::from_iter([
                (http::header::HOST, HeaderValue::from_static("10.0.0.7:8080")),
                (http::header::ORIGIN, HeaderValue::from_static(page)),
                (http::HeaderName::from_static("x-forwarded-host"), HeaderValue::from_static(public)),
            ]);
            foreign_page(&headers, is_loopback)
        };
        for public in ["app.example", "App.example, inner.example:80"] {
            assert_eq!(asks("https://app.example", public, false), None, "{public}");
            assert!(asks("https://app.example", public, true).is_some(), "{public}");
        }
        for public in ["", "other.example", "other.example, app.example"] {
            let why = asks("https://app.example", public, false).unwrap();
            assert!(why.contains("preserve Host") && why.contains("server.client_keys"), "{why}");
        }
    }
}
