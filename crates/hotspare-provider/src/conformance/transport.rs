//! The kit's fake server: a transport without a network, and the record of one call.
//!
//! Invariant: everything is ready at once or never, so a call needs no runtime, and a pending future stays pending.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{Stream, StreamExt};
use hotspare_core::{Error, Event, Kind};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::provider::{Outbound, Provider, Signal};
use crate::transport::{Head, HttpRequest, HttpResponse, Transport};
use crate::wire::Wire;

/// More polls than any reply needs.
const POLLS: usize = 200_000;

/// A server's reply.
#[derive(Clone, Debug)]
#[must_use]
pub struct Reply {
    status: u16,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Reply {
    /// A reply of any content type.
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { status, headers: HeaderMap::new(), body: body.into() }.header("content-type", content_type)
    }

    /// A JSON reply.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status, "application/json", body)
    }

    /// A stream of server-sent events.
    pub fn sse(body: impl Into<Bytes>) -> Self {
        Self::new(200, "text/event-stream", body)
    }

    /// Adds a header; an invalid one is dropped.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let pair = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value));
        if let (Ok(name), Ok(value)) = pair {
            self.headers.insert(name, value);
        }
        self
    }

    pub(super) fn with_body(&self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self.clone() }
    }

    pub(super) fn with_type(&self, content_type: &str) -> Self {
        self.clone().header("content-type", content_type)
    }

    /// Whether the request for this reply must ask for streaming.
    pub(super) fn is_stream(&self) -> bool {
        let kind = self.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        !kind.starts_with(b"application/json")
    }
}

/// How the body of a reply arrives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Delivery {
    /// In one piece.
    Whole,
    /// In pieces of this size.
    Every(usize),
    /// In two pieces, split at this position.
    Cut(usize),
    /// This many bytes, then a clean end of the body.
    EndAfter(usize),
    /// This many bytes, then a connection error.
    BreakAfter(usize),
    /// This many bytes, then nothing more.
    HangAfter(usize),
    /// Not even a head arrives.
    HangBefore,
}

/// A transport that serves one reply.
#[derive(Debug)]
pub(super) struct FakeTransport {
    reply: Reply,
    delivery: Delivery,
    sent: AtomicUsize,
    /// The number of requests and bodies in flight.
    in_flight: Arc<AtomicUsize>,
    requested: AtomicBool,
}

/// The signals and the outcome of a call.
#[derive(Debug)]
pub(super) struct CallRecord {
    pub(super) signals: Vec<Signal>,
    pub(super) outcome: Result<(), Error>,
    sent: usize,
}

impl CallRecord {
    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        self.signals.iter().filter_map(|signal| match signal {
            Signal::Chunk(chunk) => Some(&chunk.event),
            _ => None,
        })
    }

    pub(super) fn one_request(&self) -> Result<(), String> {
        if self.sent == 1 { Ok(()) } else { Err(format!("{} requests were sent", self.sent)) }
    }
}

impl FakeTransport {
    pub(super) fn new(reply: Reply, delivery: Delivery) -> Arc<Self> {
        Arc::new(Self {
            reply,
            delivery,
            sent: AtomicUsize::new(0),
            in_flight: Arc::default(),
            requested: AtomicBool::new(false),
        })
    }

    /// Runs one call to its end.
    pub(super) fn call(self: Arc<Self>, wire: &Arc<dyn Wire>, call: Outbound) -> CallRecord {
        let provider = super::provider(wire, &self);
        let mut signals = Vec::new();
        let outcome = match ready(provider.send(call)) {
            None => Err(never_ready()),
            Some(Err(error)) => Err(error),
            Some(Ok(mut stream)) => loop {
                match ready(stream.next()) {
                    None => break Err(never_ready()),
                    Some(None) => break Ok(()),
                    Some(Some(Err(error))) => break Err(error),
                    Some(Some(Ok(signal))) => signals.push(signal),
                }
            },
        };
        CallRecord { signals, outcome, sent: self.sent.load(Ordering::Relaxed) }
    }

    /// Drops a call after this many signals; returns the number of requests and bodies still in flight.
    pub(super) fn drop_after(self: Arc<Self>, wire: &Arc<dyn Wire>, call: Outbound, signals: usize) -> usize {
        {
            let provider = super::provider(wire, &self);
            let sending = provider.send(call);
            let mut sending = pin!(sending);
            let mut cx = Context::from_waker(Waker::noop());
            if let Poll::Ready(Ok(mut stream)) = sending.as_mut().poll(&mut cx) {
                for _ in 0..signals {
                    let _ = ready(stream.next());
                }
            }
        }
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn was_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }
}

fn never_ready() -> Error {
    Error::new(Kind::Stalled, "it waits for something that is not the reply")
}

/// The output of a future that never has to be woken.
pub(super) fn ready<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    (0..POLLS).find_map(|_| match future.as_mut().poll(&mut cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}

/// Counts itself in a transport's `in_flight` until it is dropped.
#[derive(Debug)]
struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    fn new(in_flight: &Arc<AtomicUsize>) -> Self {
        in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(in_flight))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Transport for FakeTransport {
    async fn send(&self, _: HttpRequest) -> Result<HttpResponse, Error> {
        let guard = InFlight::new(&self.in_flight);
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.requested.store(true, Ordering::Relaxed);
        if matches!(self.delivery, Delivery::HangBefore) {
            std::future::pending::<()>().await;
        }
        let status = StatusCode::from_u16(self.reply.status)
            .map_err(|_| Error::new(Kind::Config, "the reply's status is none"))?;
        let head = Head { status, headers: self.reply.headers.clone(), received_at: SystemTime::UNIX_EPOCH };
        let body = &self.reply.body;
        let first = |count: usize| body.slice(..count.min(body.len()));
        let (pieces, end) = match self.delivery {
            Delivery::Whole | Delivery::HangBefore => (vec![body.clone()], BodyEnd::Clean),
            Delivery::Every(size) => {
                let starts = (0..body.len()).step_by(size.max(1));
                (starts.map(|at| body.slice(at..(at + size).min(body.len()))).collect(), BodyEnd::Clean)
            }
            Delivery::Cut(at) => (vec![first(at), body.slice(at.min(body.len())..)], BodyEnd::Clean),
            Delivery::EndAfter(count) => (vec![first(count)], BodyEnd::Clean),
            Delivery::BreakAfter(count) => (vec![first(count)], BodyEnd::Broken),
            Delivery::HangAfter(count) => (vec![first(count)], BodyEnd::Never),
        };
        Ok(HttpResponse { head, body: Box::pin(FakeBody { pieces: pieces.into(), end, _guard: guard }) })
    }
}

#[derive(Clone, Copy, Debug)]
enum BodyEnd {
    Broken,
    Clean,
    Never,
}

struct FakeBody {
    pieces: VecDeque<Bytes>,
    end: BodyEnd,
    _guard: InFlight,
}

impl Stream for FakeBody {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match (self.pieces.pop_front(), self.end) {
            (Some(piece), _) => Poll::Ready(Some(Ok(piece))),
            (None, BodyEnd::Never) => Poll::Pending,
            (None, BodyEnd::Clean) => Poll::Ready(None),
            (None, BodyEnd::Broken) => {
                self.end = BodyEnd::Clean;
                Poll::Ready(Some(Err(Error::new(Kind::Truncated, "the connection broke"))))
            }
        }
    }
}
