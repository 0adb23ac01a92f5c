//! A stream of events as a response body of server-sent events.
//!
//! Does not encode events: the client wire does. Invariant: a failure after the first frame is sent as an error event
//! and never followed by the end marker; no silence is longer than [`KEEP_ALIVE_INTERVAL`], because proxies close
//! connections that seem idle and a model may think for minutes; a stream cut off because the gateway shuts down ends
//! with an error that says so.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use hotspare::{ChatStream, Error};
use tokio::time::{Instant, Sleep};
use tracing::Span;

use crate::client_wire::ClientWire;
use crate::refusal;
use crate::shutdown::Interruption;
use crate::traffic::RequestGuard;

/// How often a waiting client gets a keep-alive.
pub(crate) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Frames that are ready together are written together, up to about this many bytes.
const MAX_BATCH_BYTES: usize = 16 << 10;

/// How many events are read in one turn of the connection's task, also of those that the client's wire leaves out: an answer
/// that never pauses must not keep others from their turn.
const MAX_BATCH_EVENTS: usize = 256;

/// A stream that is still being opened: no target has sent content yet.
type PendingStream = Pin<Box<dyn Future<Output = Result<ChatStream, Error>> + Send>>;

/// The frames of one answer.
pub(crate) struct SseBody<F> {
    source: Source,
    encoder: F,
    /// When the next keep-alive is due. The timer is reset to it only when it fires: most keep-alives are overtaken by
    /// frames.
    due: Instant,
    timer: Pin<Box<Sleep>>,
    interruption: Option<Interruption>,
    /// Counts the request; taken when the stream ends.
    guard: Option<RequestGuard>,
    /// The request's span, with its id.
    span: Span,
}

enum Source {
    Opening(PendingStream),
    Open(Box<ChatStream>),
    Done,
}

impl<F: ClientWire> SseBody<F> {
    pub(crate) fn open(stream: ChatStream, encoder: F) -> Self {
        Self::new(Source::Open(Box::new(stream)), encoder, Instant::now() + KEEP_ALIVE_INTERVAL)
    }

    /// For a client that has already waited for [`KEEP_ALIVE_INTERVAL`]: the first keep-alive is due at once.
    pub(crate) fn opening(stream: PendingStream, encoder: F) -> Self {
        Self::new(Source::Opening(stream), encoder, Instant::now())
    }

    fn new(source: Source, encoder: F, due: Instant) -> Self {
        let timer = Box::pin(tokio::time::sleep_until(due));
        Self { source, encoder, due, timer, interruption: None, guard: None, span: Span::current() }
    }

    /// Ends the stream with an error when the gateway shuts down or the caller hangs up, and counts it in `guard`.
    pub(crate) fn with_interruption(mut self, interruption: Interruption, mut guard: RequestGuard) -> Self {
        if matches!(self.source, Source::Open(_)) {
            guard.mark_first_content();
        }
        self.interruption = Some(interruption);
        self.guard = Some(guard);
        self
    }

    /// Ends the stream with an error.
    fn fail(&mut self, error: &Error, out: &mut Vec<u8>) {
        F::error_frame(error, out);
        self.source = Source::Done;
        if let Some(guard) = self.guard.take() {
            guard.failed(error);
        }
    }

    /// The error that ends the stream early, if it is to. Asked before the answer, which may never pause.
    fn poll_interruption(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        let Some(interruption) = &mut self.interruption else { return Poll::Pending };
        let error = std::task::ready!(interruption.poll(cx));
        if refusal::code(&error) == Some(refusal::SHUTTING_DOWN) {
            tracing::warn!(target: "hotspare", parent: &self.span, "answer cut off by the shutdown, with an error to its caller");
        }
        let mut out = Vec::new();
        self.fail(&error, &mut out);
        Poll::Ready(out.into())
    }

    /// A keep-alive, once nothing was sent for [`KEEP_ALIVE_INTERVAL`].
    fn poll_keep_alive(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        loop {
            std::task::ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let is_due = now >= self.due;
            if is_due {
                self.due = now + KEEP_ALIVE_INTERVAL;
            }
            self.timer.as_mut().reset(self.due);
            if is_due {
                return Poll::Ready(Bytes::from_static(F::KEEP_ALIVE));
            }
        }
    }
}

impl<F: ClientWire> Stream for SseBody<F> {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if matches!(this.source, Source::Done) {
            return Poll::Ready(None);
        }
        if let Poll::Ready(bytes) = this.poll_interruption(cx) {
            return Poll::Ready(Some(Ok(bytes)));
        }
        loop {
            match &mut this.source {
                Source::Done => return Poll::Ready(None),
                Source::Opening(opening) => match opening.as_mut().poll(cx) {
                    Poll::Ready(Ok(stream)) => {
                        this.source = Source::Open(Box::new(stream));
                        this.guard.iter_mut().for_each(RequestGuard::mark_first_content);
                        continue;
                    }
                    Poll::Ready(Err(error)) => {
                        let mut out = Vec::new();
                        this.fail(&error, &mut out);
                        return Poll::Ready(Some(Ok(out.into())));
                    }
                    Poll::Pending => return this.poll_keep_alive(cx).map(|bytes| Some(Ok(bytes))),
                },
                Source::Open(_) => {}
            }
            // Frames that are ready are batched: one write for many where tokens arrive fast, one each where they do
            // not.
            let mut out = Vec::new();
            for _ in 0..MAX_BATCH_EVENTS {
                let Source::Open(stream) = &mut this.source else { break };
                match stream.poll_chunk(cx) {
                    Poll::Ready(Some(Ok(chunk))) => this.encoder.chunk(&chunk, &mut out),
                    Poll::Ready(Some(Err(error))) => this.fail(&error, &mut out),
                    Poll::Ready(None) => {
                        this.encoder.end(&mut out);
                        this.source = Source::Done;
                        this.guard.take().into_iter().for_each(RequestGuard::served);
                    }
                    Poll::Pending if out.is_empty() => {
                        return this.poll_keep_alive(cx).map(|bytes| Some(Ok(bytes)));
                    }
                    Poll::Pending => break,
                }
                if out.len() >= MAX_BATCH_BYTES {
                    break;
                }
            }
            if out.is_empty() && !matches!(this.source, Source::Done) {
                cx.waker().wake_by_ref();
                return this.poll_keep_alive(cx).map(|bytes| Some(Ok(bytes)));
            }
            this.due = Instant::now() + KEEP_ALIVE_INTERVAL;
            return Poll::Ready(Some(Ok(out.into())));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::StreamExt;
    use hotspare::{ChatRequest, Client, Endpoint, Limits, RouteSpec, Sequential};
    use hotspare_chaos::Scripted;

    use super::*;
    use crate::client_wire::{Chat, ParsedRequest};
    use crate::shutdown::Shutdown;
    use crate::socket::Socket;
    use crate::traffic::Traffic;

    fn client(provider: Scripted) -> Client {
        let mut limits = Limits::default();
        limits.gap = Duration::from_secs(60);
        Client::builder()
            .target("main", Endpoint::custom(Arc::new(provider), "model"))
            .route("chat", RouteSpec::new(Sequential::new(["main"])).limits(limits))
            .build()
            .unwrap()
    }

    fn request() -> ChatRequest {
        ChatRequest::to("chat").user("hm?")
    }

    fn encoder() -> Chat {
        Chat::start("id", &ParsedRequest { request: request(), stream: true, include_usage: false })
    }

    #[tokio::test(start_paused = true)]
    async fn silent_streams_get_keepalive_frames() {
        let client = client(Scripted::new().paced(Duration::from_secs(40), ["a", "b"]));
        let opening: PendingStream = Box::pin(async move { client.stream(request()).await });
        let begun = Instant::now();
        let mut frames = SseBody::opening(opening, encoder());
        let mut told = Vec::new();
        while let Some(Ok(frame)) = frames.next().await {
            told.push((begun.elapsed().as_secs(), frame.starts_with(b":")));
        }
        let signs: Vec<u64> = told.iter().filter(|(_, sign)| *sign).map(|(at, _)| *at).collect();
        assert_eq!(signs, [0, 15, 30, 55, 70], "{told:?}");
    }

    /// A body around this answer, and what cuts it off.
    async fn interruptible(client: &Client) -> (SseBody<Chat>, tokio::sync::watch::Sender<bool>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (cut_off, shutdown) = Shutdown::new();
        let interruption = Interruption::new(shutdown, Socket::new(socket));
        // Neither end of the connection is closed.
        std::mem::forget(listener);
        let stream = client.stream(request()).await.unwrap();
        let guard = Traffic::new(client).begin();
        (SseBody::open(stream, encoder()).with_interruption(interruption, guard), cut_off)
    }

    #[tokio::test]
    async fn answer_that_is_always_ready_is_cut_off_by_the_shutdown() {
        let client = client(Scripted::new().pieces(["piece "; 5_000]));
        let (mut frames, cut_off) = interruptible(&client).await;
        assert!(frames.next().await.unwrap().unwrap().starts_with(b"data:"));
        cut_off.send_replace(true);
        let frame = String::from_utf8(frames.next().await.unwrap().unwrap().to_vec()).unwrap();
        assert!(frame.contains(refusal::SHUTTING_DOWN), "{frame}");
        assert!(frames.next().await.is_none());
    }
}
