//! A stream of events as a response body of server-sent events.
//!
//! Not a wire: the front encodes events. Invariant: a failure after the first frame is sent as an error event and never
//! followed by the end marker; no silence is longer than [`PATIENCE`], because proxies close connections that seem idle
//! and a model may think for minutes; a stream cut off because the gateway shuts down says so.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use hotspare::{ChatStream, Error};
use tokio::time::{Instant, Sleep};

use crate::closing::Watch;
use crate::front::Front;
use crate::traffic::RequestGuard;

/// How often a waiting client gets a keep-alive.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Frames that are ready together are written together, up to about this many bytes.
const BATCH: usize = 16 << 10;

/// A stream that is still being opened: no target has sent content yet.
type Opening = Pin<Box<dyn Future<Output = Result<ChatStream, Error>> + Send>>;

/// The frames of one answer.
pub(crate) struct Frames<F> {
    source: Source,
    front: F,
    /// When the next keep-alive is due. The timer is reset to it only when it fires: most keep-alives are overtaken by
    /// frames.
    due: Instant,
    timer: Pin<Box<Sleep>>,
    watch: Option<Watch>,
    /// Counts the request; taken when the stream ends.
    tally: Option<RequestGuard>,
}

enum Source {
    Opening(Opening),
    Open(Box<ChatStream>),
    Done,
}

impl<F: Front> Frames<F> {
    pub(crate) fn open(stream: ChatStream, front: F) -> Self {
        Self::new(Source::Open(Box::new(stream)), front, Instant::now() + PATIENCE)
    }

    /// For a client that has already waited for [`PATIENCE`]: the first keep-alive is due at once.
    pub(crate) fn opening(stream: Opening, front: F) -> Self {
        Self::new(Source::Opening(stream), front, Instant::now())
    }

    fn new(source: Source, front: F, due: Instant) -> Self {
        let timer = Box::pin(tokio::time::sleep_until(due));
        Self { source, front, due, timer, watch: None, tally: None }
    }

    /// Ends the stream with an error when the gateway shuts down or the caller hangs up, and counts it in `tally`.
    pub(crate) fn watched(mut self, watch: Watch, mut tally: RequestGuard) -> Self {
        if matches!(self.source, Source::Open(_)) {
            tally.content();
        }
        self.watch = Some(watch);
        self.tally = Some(tally);
        self
    }

    /// Ends the stream with an error.
    fn fail(&mut self, error: &Error, out: &mut Vec<u8>) {
        F::failure(error, out);
        self.source = Source::Done;
        if let Some(tally) = self.tally.take() {
            tally.failed(error);
        }
    }

    /// Nothing is ready: checks whether the stream ends early or a keep-alive is due.
    fn poll_quiet(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        if let Some(Poll::Ready(error)) = self.watch.as_mut().map(|watch| watch.poll(cx)) {
            let mut out = Vec::new();
            self.fail(&error, &mut out);
            return Poll::Ready(out.into());
        }
        self.poll_alive(cx)
    }

    /// A keep-alive, once nothing was sent for [`PATIENCE`].
    fn poll_alive(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        loop {
            std::task::ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let is_due = now >= self.due;
            if is_due {
                self.due = now + PATIENCE;
            }
            self.timer.as_mut().reset(self.due);
            if is_due {
                return Poll::Ready(Bytes::from_static(F::ALIVE));
            }
        }
    }
}

impl<F: Front> Stream for Frames<F> {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            match &mut this.source {
                Source::Done => return Poll::Ready(None),
                Source::Opening(opening) => match opening.as_mut().poll(cx) {
                    Poll::Ready(Ok(stream)) => {
                        this.source = Source::Open(Box::new(stream));
                        this.tally.iter_mut().for_each(RequestGuard::content);
                        continue;
                    }
                    Poll::Ready(Err(error)) => {
                        let mut out = Vec::new();
                        this.fail(&error, &mut out);
                        return Poll::Ready(Some(Ok(out.into())));
                    }
                    Poll::Pending => return this.poll_quiet(cx).map(|quiet| Some(Ok(quiet))),
                },
                Source::Open(_) => {}
            }
            // Frames that are ready are batched: one write for many where tokens arrive fast, one each where they do
            // not.
            let mut out = Vec::new();
            while let Source::Open(stream) = &mut this.source {
                match stream.poll_chunk(cx) {
                    Poll::Ready(Some(Ok(chunk))) => this.front.chunk(&chunk, &mut out),
                    Poll::Ready(Some(Err(error))) => this.fail(&error, &mut out),
                    Poll::Ready(None) => {
                        this.front.end(&mut out);
                        this.source = Source::Done;
                        this.tally.take().into_iter().for_each(RequestGuard::served);
                    }
                    Poll::Pending if out.is_empty() => {
                        return this.poll_quiet(cx).map(|quiet| Some(Ok(quiet)));
                    }
                    Poll::Pending => break,
                }
                if out.len() >= BATCH {
                    break;
                }
            }
            this.due = Instant::now() + PATIENCE;
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
    use crate::front::{Asked, Chat};

    #[tokio::test(start_paused = true)]
    async fn silent_streams_get_keepalive_frames() {
        let mut limits = Limits::default();
        limits.gap = Duration::from_secs(60);
        let thinks = Scripted::new().paced(Duration::from_secs(40), ["a", "b"]);
        let client = Client::builder()
            .target("thinks", Endpoint::custom(Arc::new(thinks), "model"))
            .route("chat", RouteSpec::new(Sequential::new(["thinks"])).limits(limits))
            .build()
            .unwrap();
        let request = ChatRequest::to("chat").user("hm?");
        let front =
            Chat::begin("id", &Asked { request: request.clone(), stream: true, include_usage: false });
        let opening: Opening = Box::pin(async move { client.stream(request).await });
        let begun = Instant::now();
        let mut frames = Frames::opening(opening, front);
        let mut told = Vec::new();
        while let Some(Ok(frame)) = frames.next().await {
            told.push((begun.elapsed().as_secs(), frame.starts_with(b":")));
        }
        let signs: Vec<u64> = told.iter().filter(|(_, sign)| *sign).map(|(at, _)| *at).collect();
        assert_eq!(signs, [0, 15, 30, 55, 70], "{told:?}");
    }
}
