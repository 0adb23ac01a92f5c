//! What a request says that its host may quote in an error.
//!
//! Searched only if an error has consequences for other callers and rests on its text alone, so at most once per failed
//! call. Invariant: a text that the caller wrote is found however it is escaped in the body, and the search costs a bounded
//! time and one more copy of the body, for as long as it lasts.

use bytes::Bytes;
use hotspare_core::Error;
use http::HeaderValue;
use memchr::memmem;

use crate::rule::MOST_TEXTS;
use crate::transport::HttpRequest;

/// The longest body that is searched, in bytes: the thread has other calls to serve. A longer one may have any text.
const LONGEST_SEARCHED: usize = 8 << 20;

/// A string can be JSON in which strings are JSON again: arguments of a tool call that hold a document.
const LEVELS: usize = 3;

/// A request that was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    body: Bytes,
    url: String,
    headers: Vec<HeaderValue>,
}

impl Sent {
    /// Keeps what a host may quote. Headers with a key are no words of a caller.
    pub(super) fn of(request: &HttpRequest) -> Self {
        let headers = request.headers.values().filter(|value| !value.is_sensitive());
        Self { body: request.body.clone(), url: request.url.clone(), headers: headers.cloned().collect() }
    }

    /// Decides what the error means.
    pub(super) fn settle(&self, error: Error) -> Error {
        let readings = error.readings().iter();
        let mut texts: Vec<&str> =
            readings.flat_map(|reading| reading.said.iter().flatten()).map(String::as_str).collect();
        texts.sort_unstable();
        texts.dedup();
        if texts.is_empty() || texts.len() > MOST_TEXTS {
            let quoted = !texts.is_empty();
            return error.settle(|_| quoted);
        }
        let quoted: Vec<String> = self.quoted(texts).into_iter().map(str::to_owned).collect();
        error.settle(|text| quoted.iter().any(|quoted| quoted == text))
    }

    /// Which of these texts, in lower case, the request has.
    fn quoted<'a>(&self, texts: Vec<&'a str>) -> Vec<&'a str> {
        if self.body.len() > LONGEST_SEARCHED {
            return texts;
        }
        let mut search = Search { missing: texts, found: Vec::new() };
        search.escaped(self.body.to_vec(), LEVELS);
        search.plain(&percent_decoded(self.url.as_bytes()));
        for value in &self.headers {
            search.escaped(value.as_bytes().to_vec(), 1);
        }
        search.found
    }
}

struct Search<'a> {
    missing: Vec<&'a str>,
    found: Vec<&'a str>,
}

impl Search<'_> {
    /// Searches text, and what it says if it is JSON, or has JSON in its strings.
    fn escaped(&mut self, mut text: Vec<u8>, levels: usize) {
        text.make_ascii_lowercase();
        self.plain(&text);
        for _ in 0..levels {
            if self.missing.is_empty() || memchr::memchr(b'\\', &text).is_none() {
                return;
            }
            unescape(&mut text);
            text.make_ascii_lowercase();
            self.plain(&text);
        }
    }

    /// Searches text in lower case.
    fn plain(&mut self, text: &[u8]) {
        let (found, missing) =
            self.missing.iter().partition(|wanted| memmem::find(text, wanted.as_bytes()).is_some());
        self.missing = missing;
        self.found.extend::<Vec<&str>>(found);
    }
}

/// Replaces the escape sequences of JSON by what they stand for, wherever they are. What is none is left as it is.
fn unescape(text: &mut Vec<u8>) {
    let (mut read, mut write) = (0, 0);
    while read < text.len() {
        let (byte, next) = (text[read], text.get(read + 1).copied());
        let simple = match (byte, next) {
            (b'\\', Some(sign @ (b'"' | b'\\' | b'/'))) => Some(sign),
            (b'\\', Some(b'n')) => Some(b'\n'),
            (b'\\', Some(b'r')) => Some(b'\r'),
            (b'\\', Some(b't')) => Some(b'\t'),
            (b'\\', Some(b'b')) => Some(8),
            (b'\\', Some(b'f')) => Some(12),
            _ => None,
        };
        if let Some(sign) = simple {
            text[write] = sign;
            (read, write) = (read + 2, write + 1);
        } else if let Some((character, length)) = unicode(&text[read..]) {
            // No longer than its escape sequence.
            let mut buffer = [0; 4];
            let encoded = character.encode_utf8(&mut buffer).as_bytes();
            text[write..write + encoded.len()].copy_from_slice(encoded);
            (read, write) = (read + length, write + encoded.len());
        } else {
            text[write] = byte;
            (read, write) = (read + 1, write + 1);
        }
    }
    text.truncate(write);
}

/// The character of a `\u` sequence, or of two of them that form a pair, and how long it is.
fn unicode(text: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let first = unit(0)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 6));
    }
    let second = unit(6).filter(|second| (0xDC00..0xE000).contains(second) && first < 0xDC00)?;
    char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)).map(|pair| (pair, 12))
}

/// A URL in lower case, with its escaped bytes.
fn percent_decoded(url: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(url.len());
    let mut rest = url;
    while let Some((byte, after)) = rest.split_first() {
        let escaped = || u8::from_str_radix(std::str::from_utf8(after.get(..2)?).ok()?, 16).ok();
        let decoded = if *byte == b'%' { escaped() } else { None };
        text.push(decoded.unwrap_or(*byte).to_ascii_lowercase());
        rest = if decoded.is_some() { &after[2..] } else { after };
    }
    text
}

#[cfg(test)]
mod tests {
    use hotspare_core::{Kind, Reading};
    use proptest::prelude::*;

    use super::*;

    fn has(body: &str, text: &str) -> bool {
        let sent = Sent::of(&HttpRequest::post_json("http://h/".into(), body.to_owned()));
        !sent.quoted(vec![text]).is_empty()
    }

    #[test]
    fn a_text_is_found_however_it_is_written() {
        let text = "invalid api key 余额";
        for body in [
            "{\"x\":\"Invalid API Key 余额\"}",
            r#"{"x":"\u0049nvalid\u0020api key \u4f59\u989D"}"#,
            r#"{"x":"{\"y\":\"\\u0069nvalid api key 余额\"}"}"#,
            r#"{"x":"{\"y\":\"{\\\"z\\\":\\\"\\\\u0069nvalid api key 余额\\\"}\"}"}"#,
        ] {
            assert!(has(body, text), "{body}");
        }
        assert!(has(r#"{"\/x":1}"#, "/x") && has(r#"{"x":"\ud83d\ude00!"}"#, "😀!"));
        assert!(has(r#"{"x":"\no api key"}"#, "no api key"), "a host may print the escape sequence");
        for body in ["{}", r#"{"x":"invalid apikey"}"#, r#"{"x":"\ud83dinvalid"}"#, r"\", r"\u00", r"\u+041"]
        {
            assert!(!has(body, text), "{body}");
        }
    }

    #[test]
    fn a_url_and_headers_are_words_of_the_request_but_keys_are_not() {
        let mut request = HttpRequest::post_json("http://h/models/no%20such%20Model%zz%".into(), "{}");
        request.headers.insert("beta", HeaderValue::from_static("Invalid Beta"));
        let request = request.with_key("key", "secret words").unwrap();
        let sent = Sent::of(&request);
        assert_eq!(
            sent.quoted(vec!["no such model%zz%", "invalid beta", "secret words"]),
            ["no such model%zz%", "invalid beta"]
        );
    }

    #[test]
    fn a_very_long_body_may_have_any_text() {
        assert!(!has(&"x".repeat(LONGEST_SEARCHED), "invalid api key"));
        assert!(has(&"x".repeat(LONGEST_SEARCHED + 1), "invalid api key"));
    }

    #[test]
    fn so_many_texts_are_not_all_the_hosts() {
        let sent = Sent::of(&HttpRequest::post_json("http://h/".into(), "{}"));
        let error = |count: usize| {
            let said = (0..count).map(|at| vec![format!("text {at}")]).collect();
            Error::new(Kind::Auth, "m").with_readings(vec![
                Reading::new(Kind::Auth, None, said),
                Reading::new(Kind::InvalidRequest, None, Vec::new()),
            ])
        };
        assert_eq!(sent.settle(error(MOST_TEXTS)).kind(), Kind::Auth);
        assert_eq!(sent.settle(error(MOST_TEXTS + 1)).kind(), Kind::InvalidRequest);
    }

    proptest! {
        #[test]
        fn every_string_is_found_in_its_own_json(text in "\\PC{1,12}", nested in 0_usize..3) {
            let mut body = text.clone();
            for _ in 0..=nested {
                body = serde_json::json!({"x": body}).to_string();
            }
            prop_assert!(has(&body, &text.to_ascii_lowercase()));
        }

        #[test]
        fn any_bytes_are_searched(body in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut search = Search { missing: vec!["x"], found: Vec::new() };
            search.escaped(body, LEVELS);
        }
    }
}
