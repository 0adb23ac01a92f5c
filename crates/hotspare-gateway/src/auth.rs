//! Who may call.
//!
//! Invariant: an inbound key is compared and forgotten: never forwarded, never logged.

use std::fmt;

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
}
