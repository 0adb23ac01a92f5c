//! What is sent to the transport, and what errors show.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::stream;
use hotspare_core::{ChatRequest, Chunk, Kind};
use http::{HeaderMap, StatusCode};

use super::*;
use crate::describe::Describe;
use crate::framing::Ndjson;
use crate::hops::HOPS_HEADER;
use crate::transport::{HttpRequest, HttpResponse};
use crate::wire::Decoder;

/// A wire whose replies are lines; `!` marks a failure.
#[derive(Debug)]
struct Lines;

impl Describe for Lines {
    fn wire(&self) -> &'static str {
        "lines"
    }
}

impl Wire for Lines {
    fn encode(&self, _: &Outbound) -> Result<HttpRequest, Error> {
        Ok(HttpRequest::post_json("http://api.host/".into(), "{}"))
    }

    fn decoder(&self, _: &Outbound, _: &Head) -> Result<Decoding, Error> {
        Ok(Decoding { framer: Box::new(Ndjson::default()), decoder: Box::new(Lines) })
    }

    fn classify(&self, _: &Head, body: &[u8]) -> Error {
        Error::new(Kind::Auth, String::from_utf8_lossy(body))
    }

    fn request_id(&self, head: &Head) -> Option<String> {
        head.header("x-id").map(str::to_owned)
    }
}

impl Decoder for Lines {
    fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        out.push_back(hotspare_core::Event::TextDelta(String::from_utf8_lossy(&frame.data).into()).into());
        Ok(())
    }

    fn finish(&mut self, _: &mut VecDeque<Chunk>) -> Result<(), Error> {
        Ok(())
    }

    fn held_end(&self) -> Option<hotspare_core::FinishReason> {
        Some(hotspare_core::FinishReason::Stop)
    }
}

/// Replies with a fixed response, whose headers may be changed, and records the requests.
#[derive(Debug)]
struct Canned(u16, &'static str, Mutex<Vec<HttpRequest>>, HeaderMap);

#[async_trait]
impl Transport for Canned {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        self.2.lock().unwrap().push(request);
        let status = StatusCode::from_u16(self.0).unwrap();
        let head = Head { status, headers: self.3.clone(), received_at: SystemTime::UNIX_EPOCH };
        let body = Bytes::from_static(self.1.as_bytes());
        Ok(HttpResponse { head, body: Box::pin(stream::iter([Ok(body)])) })
    }
}

#[derive(Debug)]
struct Dated;

impl Signer for Dated {
    fn sign(&self, request: &mut HttpRequest, secret: &Secret, sent_at: SystemTime) -> Result<(), Error> {
        let seconds = sent_at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let text = format!("{seconds}/{}/{}", request.body.len(), secret.parts().count());
        request.headers.insert("signed", text.parse().unwrap());
        Ok(())
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match Box::pin(future).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

fn call(secret: Option<&str>) -> Outbound {
    Outbound::new(Arc::new(ChatRequest::default()), "m", true)
        .with_secret(secret.map(Secret::new))
        .with_sent_at(SystemTime::UNIX_EPOCH + Duration::from_secs(7))
}

#[test]
fn request_with_a_key_is_signed_at_send_time() {
    let transport = Arc::new(Canned(200, "", Mutex::default(), HeaderMap::new()));
    let shared: Arc<dyn Transport> = Arc::<Canned>::clone(&transport);
    let provider = HttpProvider::new(Lines, shared).with_signer(Some(Arc::new(Dated)));
    now(provider.send(call(Some("id:key:token")))).map(drop).unwrap();
    now(provider.send(call(None))).map(drop).unwrap();
    let sent = transport.2.lock().unwrap();
    assert_eq!(sent[0].headers["signed"], "7/2/3");
    assert!(sent[1].headers.get("signed").is_none(), "no key, no signature");
}

#[test]
fn every_part_of_a_key_is_redacted() {
    let echo = "the canonical request for AKIDEXAMPLE with wJalrXUtnFEMI and AQoDYXdzEJr was wrong";
    let provider = HttpProvider::new(Lines, Arc::new(Canned(403, echo, Mutex::default(), HeaderMap::new())));
    let key = "AKIDEXAMPLE:wJalrXUtnFEMI:AQoDYXdzEJr:the";
    let error = now(provider.send(call(Some(key)))).map(drop).unwrap_err();
    assert_eq!(error.message(), "the canonical request for [key] with [key] and [key] was wrong");
}

/// Replies with one line and then breaks off.
#[derive(Debug)]
struct Broken;

#[async_trait]
impl Transport for Broken {
    async fn send(&self, _: HttpRequest) -> Result<HttpResponse, Error> {
        let head =
            Head { status: StatusCode::OK, headers: HeaderMap::new(), received_at: SystemTime::UNIX_EPOCH };
        let cut = Err(Error::new(Kind::Connect, "the connection was reset"));
        Ok(HttpResponse { head, body: Box::pin(stream::iter([Ok(Bytes::from_static(b"hello\n")), cut])) })
    }
}

#[test]
fn end_held_by_the_decoder_is_reported_and_delivered_before_an_interruption() {
    let provider = HttpProvider::new(Lines, Arc::new(Broken));
    let signals = now(provider.send(call(None))).map_err(|error| error.kind()).unwrap();
    let heard: Vec<_> = now(signals.collect());
    let end = |signal: &Signal| matches!(signal, Signal::Chunk(chunk) if matches!(chunk.event, hotspare_core::Event::Finished(_)));
    let held = Signal::HeldEnd(hotspare_core::FinishReason::Stop);
    assert_eq!(heard[2].as_ref().ok(), Some(&held), "{heard:?}");
    assert!(heard[3].as_ref().is_ok_and(end), "{heard:?}");
    assert!(heard[4].as_ref().is_err_and(|error| error.kind() == Kind::Connect), "{heard:?}");
}

#[test]
fn chunks_before_a_broken_frame_are_delivered() {
    let mut long = String::from("hello\n");
    long.push_str(&"x".repeat(crate::FRAME_LIMIT + 1));
    let long: &'static str = long.leak();
    let provider = HttpProvider::new(Lines, Arc::new(Canned(200, long, Mutex::default(), HeaderMap::new())));
    let signals = now(provider.send(call(None))).map_err(|error| error.kind()).unwrap();
    let heard: Vec<_> = now(signals.collect());
    assert!(matches!(&heard[1], Ok(Signal::Chunk(_))), "{heard:?}");
    assert!(matches!(&heard[2], Err(error) if error.kind() == Kind::Protocol), "{heard:?}");
}

#[test]
fn remaining_time_is_sent_only_in_a_configured_header() {
    let transport = Arc::new(Canned(200, "", Mutex::default(), HeaderMap::new()));
    let is_gateway = |request: &HttpRequest| request.headers.contains_key(&HOPS_HEADER);
    for name in [None, Some("x-hotspare-deadline"), Some("x-rq-timeout-ms")] {
        let mut provider = HttpProvider::new(Lines, Arc::clone(&transport) as Arc<dyn Transport>);
        if let Some(name) = name {
            provider = provider.with_deadline_header(HeaderName::from_static(name));
        }
        let call = Outbound::new(Arc::new(ChatRequest::to("m")), "m", true)
            .with_remaining(Some(Duration::from_millis(20_500)));
        assert!(now(provider.send(call)).is_ok());
    }
    let sent = transport.2.lock().unwrap();
    let told = |request: &HttpRequest| {
        let names = ["x-hotspare-deadline", "x-rq-timeout-ms"];
        names.iter().filter_map(|name| Some(request.headers.get(*name)?.to_str().ok()?.to_owned())).collect()
    };
    let told: Vec<Vec<String>> = sent.iter().map(told).collect();
    assert_eq!(told, [vec![], vec!["20500ms".to_owned()], vec!["20500".to_owned()]]);
    let gateways: Vec<bool> = sent.iter().map(is_gateway).collect();
    assert_eq!(gateways, [false, true, false], "only a gateway gets the count of gateways");
}

/// The error of a reply with a header.
fn failed(status: u16, body: &'static str, name: &'static str, value: &'static str) -> Error {
    let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
    let provider = HttpProvider::new(Lines, Arc::new(Canned(status, body, Mutex::default(), headers)));
    now(provider.send(call(None))).map(drop).unwrap_err()
}

#[test]
fn compressed_replies_are_refused_and_not_shown() {
    let error = failed(200, "\u{1f}binary", "content-encoding", "gzip");
    assert_eq!(error.kind(), Kind::Protocol);
    assert!(error.message().contains("(gzip)"), "{error}");
    let error = failed(401, "\u{1f}binary", "content-encoding", "br");
    assert_eq!((error.status(), error.message()), (Some(401), ""));
    assert_eq!(failed(401, "words", "content-encoding", "identity").message(), "words");
}

#[test]
fn header_rules_out_a_retry() {
    assert!(failed(503, "", "x-should-retry", "false").rules_out_retry());
    assert!(!failed(503, "", "x-should-retry", "true").rules_out_retry());
}

#[test]
fn redirect_errors_name_only_the_origin() {
    for (location, named) in [
        ("https://user:secret@api.host:8443/v1/chat?key=secret", "redirects to https://api.host:8443:"),
        ("https://api.host/v1", "redirects to https://api.host:"),
        ("/v2/chat?key=secret", "redirects to another path:"),
    ] {
        let error = failed(301, "", "location", location);
        assert_eq!((error.kind(), error.status()), (Kind::Protocol, Some(301)));
        assert!(error.message().contains(named) && !error.message().contains("secret"), "{error}");
    }
    assert_eq!(failed(401, "words", "location", "/login").message(), "words");
}

/// A wire whose failures are sentences, also inside a stream: lines that begin with `!`.
#[derive(Debug)]
struct Told;

const TOLD: crate::Rules = crate::Rules { specific: &[], general: &[] };

fn told(status: Option<u16>, text: &str) -> Error {
    let lower = text.to_ascii_lowercase();
    crate::apply_rules(&TOLD, &crate::ErrorFields::new(status, &[], &lower)).error(text)
}

impl Describe for Told {
    fn wire(&self) -> &'static str {
        "told"
    }
}

impl Wire for Told {
    fn encode(&self, call: &Outbound) -> Result<HttpRequest, Error> {
        let text = call.chat()?.messages.last().map(|message| message.joined_text()).unwrap_or_default();
        Ok(HttpRequest::post_json("http://api.host/".into(), serde_json::json!({ "text": text }).to_string()))
    }

    fn decoder(&self, _: &Outbound, _: &Head) -> Result<Decoding, Error> {
        Ok(Decoding { framer: Box::new(Ndjson::default()), decoder: Box::new(Told) })
    }

    fn classify(&self, head: &Head, body: &[u8]) -> Error {
        told(Some(head.status.as_u16()), &String::from_utf8_lossy(body))
    }
}

impl Decoder for Told {
    fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let line = String::from_utf8_lossy(&frame.data).into_owned();
        if let Some(text) = line.strip_prefix('!') {
            return Err(told(None, text));
        }
        out.push_back(hotspare_core::Event::TextDelta(line).into());
        Ok(())
    }

    fn finish(&mut self, _: &mut VecDeque<Chunk>) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn words_of_the_request_or_the_answer_are_not_the_hosts() {
    let kind = |prompt: &str, status: u16, body: &'static str| {
        let provider =
            HttpProvider::new(Told, Arc::new(Canned(status, body, Mutex::default(), HeaderMap::new())));
        let call = Outbound::new(Arc::new(ChatRequest::to("m").user(prompt)), "m", true);
        let failed: Result<Vec<Signal>, Error> = match now(provider.send(call)) {
            Ok(signals) => now(signals.collect::<Vec<_>>()).into_iter().collect(),
            Err(error) => Err(error),
        };
        failed.unwrap_err().kind()
    };
    let words = "Invalid API key";
    assert_eq!(kind("hi", 400, words), Kind::Auth);
    assert_eq!(kind("what is an \"invalid api key\"?", 400, words), Kind::Unsupported);
    assert_eq!(kind("hi", 200, "!Invalid API key\n"), Kind::Auth);
    assert_eq!(kind(words, 200, "!Invalid API key\n"), Kind::Server);
    assert_eq!(kind("hi", 200, "hello\n!Invalid API key\n"), Kind::Server, "the answer may have said it");
    assert_eq!(kind(words, 401, words), Kind::Auth);
}

#[test]
fn no_head_shows_a_key() {
    let key = "sk-planted-0123456789";
    let headers = |name: &'static str, value: String| {
        HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())])
    };
    let compressed = headers("content-encoding", format!("x-{key}"));
    let provider = HttpProvider::new(Lines, Arc::new(Canned(200, "", Mutex::default(), compressed)));
    let error = now(provider.send(call(Some(key)))).map(drop).unwrap_err();
    assert!(error.message().contains("an unknown encoding"), "{error}");
    for (id, shown) in [(format!("id-{key}"), None), ("id-1".to_owned(), Some("id-1"))] {
        let transport = Canned(200, "", Mutex::default(), headers("x-id", id));
        let provider = HttpProvider::new(Lines, Arc::new(transport));
        let mut signals = now(provider.send(call(Some(key)))).map_err(|error| error.kind()).unwrap();
        let Some(Ok(Signal::Opened(opened))) = now(signals.next()) else { panic!("a reply opens") };
        assert_eq!(opened.request_id.as_deref(), shown);
    }
}
