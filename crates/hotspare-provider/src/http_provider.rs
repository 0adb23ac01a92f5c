//! Combines a wire and a transport into a provider: the one IO loop.
//!
//! It never retries, never waits and never looks at health. Invariant: one request is sent per call, and no error from
//! here shows the key.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt};
use hotspare_core::{Chunk, Error, Event, FinishReason, Kind};
use http::header::{CONTENT_ENCODING, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::describe::Wrapper;
use crate::framing::{Frame, strip_bom};
use crate::hops::{self, Announcer};
use crate::provider::{Opened, Outbound, Provider, Signal};
use crate::secret::Secret;
use crate::sign::Signer;
use crate::transport::{Head, Transport};
use crate::wire::{Decoding, Wire};

mod sent;

use self::sent::Sent;

/// How much of an unsuccessful reply is read to classify it.
const ERROR_BODY_LIMIT: usize = 64 << 10;

/// As in [`Error::scrub`].
const SHORTEST_SECRET: usize = 8;

/// A provider reached over HTTP.
#[derive(Clone, Debug)]
pub struct HttpProvider<W> {
    wire: W,
    transport: Arc<dyn Transport>,
    signer: Option<Arc<dyn Signer>>,
    deadline_header: Option<HeaderName>,
    announcer: Announcer,
}

impl<W: Wire> HttpProvider<W> {
    /// A provider that uses `wire` over `transport`.
    pub fn new(wire: W, transport: Arc<dyn Transport>) -> Self {
        Self { wire, transport, signer: None, deadline_header: None, announcer: Announcer::default() }
    }

    /// Signs every request that has a key, after the wire has encoded it.
    #[must_use]
    pub fn with_signer(mut self, signer: Option<Arc<dyn Signer>>) -> Self {
        self.signer = signer;
        self
    }

    /// Sends the time left for the answer in this header: `20000ms`, or the bare number if the header's name ends in
    /// `-ms`.
    #[must_use]
    pub fn with_deadline_header(mut self, name: HeaderName) -> Self {
        self.deadline_header = Some(name);
        self
    }

    async fn failure(&self, head: &Head, mut body: BoxStream<'static, Result<Bytes, Error>>) -> Error {
        let mut read = Vec::new();
        while let Some(Ok(bytes)) = body.next().await {
            let room = ERROR_BODY_LIMIT - read.len();
            read.extend_from_slice(&bytes[..bytes.len().min(room)]);
            if read.len() == ERROR_BODY_LIMIT {
                break;
            }
        }
        // A compressed body cannot be read.
        failure(&self.wire, head, if compressed(head).is_some() { &[] } else { &read })
    }

    async fn open(&self, call: &Outbound) -> Result<ReplyStream, Error> {
        let mut request = self.wire.encode(call)?;
        if let (Some(name), Some(remaining)) = (&self.deadline_header, call.remaining) {
            let unit = if name.as_str().ends_with("-ms") { "" } else { "ms" };
            let text = format!("{}{unit}", remaining.as_millis());
            if let Ok(value) = HeaderValue::try_from(text) {
                request.headers.insert(name.clone(), value);
            }
        }
        let options = call.request.options();
        let is_gateway = self.deadline_header.as_ref().is_some_and(|name| *name == hops::DEADLINE_HEADER);
        self.announcer.announce(&mut request.headers, options, &request.url, is_gateway);
        if let (Some(signer), Some(secret)) = (&self.signer, &call.secret) {
            signer.sign(&mut request, secret, call.sent_at)?;
        }
        let sensitive = sensitive_values(&request.headers);
        let sent = Sent::of(&request);
        let response = self.transport.send(request).await?;
        let head = response.head;
        if !head.status.is_success() {
            let error = sent.settle(self.failure(&head, response.body).await);
            return Err(redact(error, &sensitive));
        }
        if let Some(encoding) = compressed(&head) {
            let what = format!("the reply is compressed ({encoding}), although that was not asked for");
            return Err(Error::new(Kind::Protocol, what).with_status(head.status.as_u16()));
        }
        let decoding = self.wire.decoder(call, &head)?;
        let id = self.wire.request_id(&head).filter(|id| !shows_key(id, call.secret.as_ref(), &sensitive));
        let opened = Opened::new(Some(head.status.as_u16()), id, self.wire.limits(&head));
        Ok(ReplyStream {
            opened: Some(Box::new(opened)),
            body: Some(response.body),
            decoding,
            frames: VecDeque::new(),
            chunks: VecDeque::new(),
            held_end: None,
            failure: None,
            sent: Some(sent),
            secret: call.secret.clone(),
            sensitive,
        })
    }
}

/// The values of user-set headers and of the key's own, which may be secrets.
fn sensitive_values(headers: &HeaderMap) -> Vec<HeaderValue> {
    headers.values().filter(|value| value.is_sensitive()).cloned().collect()
}

/// Whether a host has put a key, or part of one, into this text. A shorter secret also occurs inside ordinary words.
fn shows_key(text: &str, secret: Option<&Secret>, sensitive: &[HeaderValue]) -> bool {
    let values = sensitive.iter().filter_map(|value| value.to_str().ok());
    let mut keys = values.chain(secret.into_iter().flat_map(Secret::parts));
    keys.any(|key| key.len() >= SHORTEST_SECRET && text.contains(key))
}

fn redact(error: Error, sensitive: &[HeaderValue]) -> Error {
    let texts = sensitive.iter().filter_map(|value| value.to_str().ok());
    texts.fold(error, |error, text| error.scrub(text))
}

impl<W: Wire> Wrapper for HttpProvider<W> {
    type Inner = W;

    fn inner(&self) -> &W {
        &self.wire
    }
}

#[async_trait]
impl<W: Wire> Provider for HttpProvider<W> {
    async fn send(&self, call: Outbound) -> Result<BoxStream<'static, Result<Signal, Error>>, Error> {
        match self.open(&call).await {
            Ok(reply) => Ok(Box::pin(reply)),
            Err(error) => Err(scrub(error, call.secret.as_ref())),
        }
    }
}

/// Classifies an unsuccessful reply, and adds its status, the provider's request id and whether it rules out a retry.
/// Only the first 64 KiB of the body are read.
pub fn failure<W: Wire + ?Sized>(wire: &W, head: &Head, body: &[u8]) -> Error {
    let body = strip_bom(body);
    let mut error = match redirect(head) {
        Some(to) => Error::new(Kind::Protocol, format!("the host redirects to {to}: set `base_url` to it")),
        None => wire.classify(head, &body[..body.len().min(ERROR_BODY_LIMIT)]),
    };
    if error.status().is_none() {
        error = error.with_status(head.status.as_u16());
    }
    if head.header("x-should-retry") == Some("false") {
        error = error.with_retry_ruled_out();
    }
    match wire.request_id(head) {
        Some(id) if error.request_id().is_none() => error.with_request_id(id),
        _ => error,
    }
}

/// How the body is compressed, if it is. What else the host may have written there is not shown.
fn compressed(head: &Head) -> Option<&'static str> {
    let encoding = head.headers.get(CONTENT_ENCODING)?.to_str().unwrap_or("unreadable").trim();
    if encoding.is_empty() || encoding.eq_ignore_ascii_case("identity") {
        return None;
    }
    let mut known = ["br", "compress", "deflate", "gzip", "x-gzip", "zstd"].into_iter();
    Some(known.find(|name| encoding.eq_ignore_ascii_case(name)).unwrap_or("an unknown encoding"))
}

/// Where a reply redirects to: the origin, without a path or user, which may hold a secret.
fn redirect(head: &Head) -> Option<String> {
    let location = head.headers.get(LOCATION).filter(|_| head.status.is_redirection())?;
    let to = Uri::try_from(location.as_bytes()).ok()?;
    match (to.scheme_str(), to.host()) {
        (Some(scheme), Some(host)) => {
            let port = to.port().map(|port| format!(":{port}")).unwrap_or_default();
            Some(format!("{scheme}://{host}{port}"))
        }
        _ => Some("another path".into()),
    }
}

/// A reply being read: body to frames to chunks.
struct ReplyStream {
    opened: Option<Box<Opened>>,
    body: Option<BoxStream<'static, Result<Bytes, Error>>>,
    decoding: Decoding,
    frames: VecDeque<Frame>,
    chunks: VecDeque<Chunk>,
    /// The end that the decoder holds, until it is reported.
    held_end: Option<FinishReason>,
    failure: Option<Error>,
    /// What an error may quote, until there is content: later errors may quote that as well.
    sent: Option<Sent>,
    secret: Option<Secret>,
    sensitive: Vec<HeaderValue>,
}

impl ReplyStream {
    fn decode(&mut self) -> Result<(), Error> {
        while let Some(frame) = self.frames.pop_front() {
            let begun = self.chunks.len();
            let pushed = self.decoding.decoder.push(frame, &mut self.chunks);
            if self.sent.is_some() && self.chunks.iter().skip(begun).any(|chunk| chunk.event.is_content()) {
                self.sent = None;
            }
            pushed?;
        }
        Ok(())
    }

    fn push_bytes(&mut self, bytes: Bytes) -> Result<(), Error> {
        let framed = self.decoding.framer.push(bytes, &mut self.frames);
        self.decode()?;
        framed
    }

    fn end(&mut self) -> Result<(), Error> {
        let framed = self.decoding.framer.finish(&mut self.frames);
        self.decode()?;
        if framed.is_err() {
            self.believe_end();
        }
        framed?;
        self.decoding.decoder.finish(&mut self.chunks)
    }

    /// Nothing follows any more.
    fn believe_end(&mut self) {
        let end = self.decoding.decoder.held_end();
        self.chunks.extend(end.map(|reason| Chunk::from(Event::Finished(reason))));
    }

    /// Chunks decoded before the failure are still delivered before it.
    fn fail(&mut self, error: Error) {
        self.body = None;
        self.frames.clear();
        let error = match &self.sent {
            Some(sent) => sent.settle(error),
            None => error.settle(|_| true),
        };
        self.failure = Some(redact(scrub(error, self.secret.as_ref()), &self.sensitive));
    }
}

impl Stream for ReplyStream {
    type Item = Result<Signal, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(opened) = this.opened.take() {
            return Poll::Ready(Some(Ok(Signal::Opened(opened))));
        }
        loop {
            if let Some(chunk) = this.chunks.pop_front() {
                return Poll::Ready(Some(Ok(Signal::Chunk(chunk))));
            }
            if let Some(error) = this.failure.take() {
                return Poll::Ready(Some(Err(error)));
            }
            if let Some(reason) = this.held_end.take() {
                return Poll::Ready(Some(Ok(Signal::HeldEnd(reason))));
            }
            let Some(body) = &mut this.body else { return Poll::Ready(None) };
            match std::task::ready!(body.poll_next_unpin(cx)) {
                Some(Ok(bytes)) => {
                    if let Err(error) = this.push_bytes(bytes) {
                        this.fail(error);
                        continue;
                    }
                    this.held_end = this.decoding.decoder.held_end();
                    if this.chunks.is_empty() && this.held_end.is_none() {
                        return Poll::Ready(Some(Ok(Signal::Alive)));
                    }
                }
                Some(Err(error)) => {
                    this.believe_end();
                    this.fail(error);
                }
                None => {
                    this.body = None;
                    if let Err(error) = this.end() {
                        this.fail(error);
                    }
                }
            }
        }
    }
}

impl fmt::Debug for ReplyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyStream")
    }
}

fn scrub(error: Error, secret: Option<&Secret>) -> Error {
    let Some(secret) = secret else { return error };
    let parts = secret.parts().filter(|part| *part != secret.expose());
    parts.fold(error.scrub(secret.expose()), |error, part| error.scrub(part))
}

#[cfg(test)]
mod tests;
