//! Another wire's events come out of the envelope unchanged.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use hotspare_core::{ChatRequest, Event, SchemaSubset};
use hotspare_provider::{Describe, Secret, Sse, Whole};
use http::{HeaderMap, StatusCode};

use super::*;

const SUBSET: SchemaSubset = SchemaSubset {
    always_enforced: false,
    closed: true,
    all_required: false,
    some_required: false,
    recursive: true,
    lone_refs: false,
    keywords: &["type"],
    formats: &[],
};

/// A wire whose frames are text.
#[derive(Clone, Debug)]
struct Inner;

impl Describe for Inner {
    fn wire(&self) -> &'static str {
        "inner"
    }

    fn schema_subset(&self, _: &str) -> Option<&'static SchemaSubset> {
        Some(&SUBSET)
    }

    fn binds(&self, _: &ChatRequest) -> Option<String> {
        Some("a file".into())
    }
}

impl Wire for Inner {
    fn encode(&self, call: &Outbound) -> Result<HttpRequest, Error> {
        assert!(call.secret.is_none(), "the inner wire never sees a key");
        Ok(HttpRequest::post_json("http://host/".into(), "{}"))
    }

    fn decoder(&self, _: &Outbound, head: &Head) -> Result<Decoding, Error> {
        let streamed = head.media_type() == "text/event-stream";
        let framer: Box<dyn hotspare_provider::Framer> =
            if streamed { Box::new(Sse::default()) } else { Box::new(Whole::default()) };
        Ok(Decoding { framer, decoder: Box::new(Inner) })
    }

    fn classify(&self, _: &Head, _: &[u8]) -> Error {
        Error::new(Kind::Protocol, "the host's words are not the inner wire's")
    }
}

impl Decoder for Inner {
    fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let text = String::from_utf8_lossy(&frame.data).into_owned();
        let usage = text.starts_with(r#"{"usage""#).then(|| Usage::reported(Some(1), Some(2)));
        out.push_back(usage.map_or(Event::TextDelta(text), |usage| Event::Usage(Box::new(usage))).into());
        Ok(())
    }

    fn finish(&mut self, _: &mut VecDeque<Chunk>) -> Result<(), Error> {
        Ok(())
    }
}

fn head(status: u16, media: &str) -> Head {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", media.parse().unwrap());
    Head { status: StatusCode::from_u16(status).unwrap(), headers, received_at: SystemTime::UNIX_EPOCH }
}

fn call(key: &str) -> Outbound {
    Outbound::new(Arc::new(ChatRequest::default()), "m", true).with_secret(Some(Secret::new(key)))
}

#[test]
fn request_properties_come_from_the_inner_wire() {
    let wire = Invoke::new(Inner);
    assert_eq!(wire.binds(&ChatRequest::default()).unwrap(), "a file");
    assert_eq!(wire.schema_subset("m").map(|subset| subset.keywords), Some(SUBSET.keywords));
}

#[test]
fn events_are_unwrapped_and_exceptions_classified() {
    let mut decoding = Invoke::new(Inner).decoder(&call("k"), &head(200, EVENT_STREAM)).unwrap();
    let mut out = VecDeque::new();
    let frame = |name: &'static str, data: &'static str| Frame {
        name: Some(Bytes::from_static(name.as_bytes())),
        data: Bytes::from_static(data.as_bytes()),
        whole: false,
    };
    decoding.decoder.push(frame("chunk", r#"{"bytes":"eyJhIjoxfQ==","p":"abc"}"#), &mut out).unwrap();
    assert_eq!(out[0].event, Event::TextDelta(r#"{"a":1}"#.into()));
    for (name, data, kind) in [
        ("exception:throttlingException", r#"{"message":"m"}"#, Kind::RateLimited),
        ("error:InternalFailure", "m", Kind::Server),
        ("chunk", r#"{"bytes":"%"}"#, Kind::Protocol),
        ("chunk", "x", Kind::Protocol),
    ] {
        assert_eq!(
            decoding.decoder.push(frame(name, data), &mut out).unwrap_err().kind(),
            kind,
            "{name} {data}"
        );
    }
    let error = Invoke::new(Inner)
        .classify(&head(403, "application/json"), br#"{"message":"Authentication failed: API Key"}"#);
    assert_eq!(error.kind(), Kind::Auth);
}

#[test]
fn the_hosts_token_counts_are_used_only_if_the_wire_inside_has_none() {
    let host = r#"{"a":1,"amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":4}}"#;
    for (inner, expected) in [(r#"{"a":1}"#, (3, 4)), (r#"{"usage":1}"#, (1, 2))] {
        let mut decoding = Invoke::new(Inner).decoder(&call("k"), &head(200, EVENT_STREAM)).unwrap();
        let mut out = VecDeque::new();
        for event in [inner, host] {
            let data = format!(r#"{{"bytes":"{}"}}"#, STANDARD.encode(event));
            decoding.decoder.push(Frame::piece(data), &mut out).unwrap();
        }
        let counts = |chunk: &Chunk| match &chunk.event {
            Event::Usage(usage) => Some((usage.input?, usage.output?)),
            _ => None,
        };
        assert_eq!(out.iter().filter_map(counts).collect::<Vec<_>>(), [expected], "{inner}");
    }
}

#[test]
fn only_bearer_keys_are_sent_as_authorization() {
    let wire = Invoke::new(Inner);
    assert_eq!(wire.encode(&call("ABSK1")).unwrap().headers["authorization"], "Bearer ABSK1");
    assert!(wire.encode(&call("AKID:key")).unwrap().headers.get("authorization").is_none());
}
