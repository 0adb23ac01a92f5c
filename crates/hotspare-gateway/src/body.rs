//! A stream of events as a stream of server-sent frames.
//!
//! Not a wire: how an event is spelled is the front's to say. Invariant: a failure after the first frame is an error
//! event, and never followed by the end mark.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use hotspare::{ChatStream, Error};
use tokio::time::{Instant, Sleep};

use crate::front::Front;

/// How often a caller who waits for the first content gets a sign of life.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Frames that are ready leave together up to about this many bytes.
const BATCH: usize = 16 << 10;

/// A stream that has begun, or is still looking for somebody to serve it.
type Opening = Pin<Box<dyn Future<Output = Result<ChatStream, Error>> + Send>>;

/// The frames of one answer.
pub(crate) struct Frames<F> {
    source: Source,
    front: F,
}

enum Source {
    Opening(Opening, Pin<Box<Sleep>>),
    Open(Box<ChatStream>),
    Done,
}

impl<F: Front> Frames<F> {
    pub(crate) fn open(stream: ChatStream, front: F) -> Self {
        Self { source: Source::Open(Box::new(stream)), front }
    }

    pub(crate) fn opening(stream: Opening, front: F) -> Self {
        let sleep = Box::pin(tokio::time::sleep(Duration::ZERO));
        Self { source: Source::Opening(stream, sleep), front }
    }
}

impl<F: Front> Stream for Frames<F> {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            match &mut this.source {
                Source::Done => return Poll::Ready(None),
                Source::Opening(opening, alive) => match opening.as_mut().poll(cx) {
                    Poll::Ready(Ok(stream)) => {
                        this.source = Source::Open(Box::new(stream));
                        continue;
                    }
                    Poll::Ready(Err(error)) => {
                        this.source = Source::Done;
                        let mut out = Vec::new();
                        F::failure(&error, &mut out);
                        return Poll::Ready(Some(Ok(out.into())));
                    }
                    Poll::Pending => {
                        std::task::ready!(alive.as_mut().poll(cx));
                        alive.as_mut().reset(Instant::now() + PATIENCE);
                        return Poll::Ready(Some(Ok(Bytes::from_static(F::ALIVE))));
                    }
                },
                Source::Open(_) => {}
            }
            // What is ready leaves together: one write for many frames where tokens come fast, one each where they do not.
            let mut out = Vec::new();
            while let Source::Open(stream) = &mut this.source {
                match stream.poll_chunk(cx) {
                    Poll::Ready(Some(Ok(chunk))) => this.front.chunk(&chunk, &mut out),
                    Poll::Ready(Some(Err(error))) => {
                        F::failure(&error, &mut out);
                        this.source = Source::Done;
                    }
                    Poll::Ready(None) => {
                        this.front.end(&mut out);
                        this.source = Source::Done;
                    }
                    Poll::Pending if out.is_empty() => return Poll::Pending,
                    Poll::Pending => break,
                }
                if out.len() >= BATCH {
                    break;
                }
            }
            return Poll::Ready(Some(Ok(out.into())));
        }
    }
}
