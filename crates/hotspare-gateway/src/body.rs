//! A stream of events as a stream of server-sent frames.
//!
//! Where the serving target speaks the caller's wire, its frames are passed on untouched; otherwise they are spelled anew.
//! Invariant: a failure after the first frame is an error event, and never followed by the end mark.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use hotspare::openai::{Outgoing, WIRE};
use hotspare::{ChatStream, Chunk, Error, Event, Raw, Usage};
use tokio::time::{Instant, Sleep};

/// How often a caller who waits for the first content gets a sign of life.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Frames that are ready leave together up to about this many bytes.
const BATCH: usize = 16 << 10;

/// A stream that has begun, or is still looking for somebody to serve it.
type Opening = Pin<Box<dyn Future<Output = Result<ChatStream, Error>> + Send>>;

/// The frames of one answer.
pub(crate) struct Frames {
    source: Source,
    outgoing: Outgoing,
    include_usage: bool,
    usage: Option<Usage>,
    /// Token counts have left in a frame of the provider's own.
    usage_sent: bool,
    /// The last frame was of the caller's own wire and was passed on.
    relays: bool,
}

enum Source {
    Opening(Opening, Pin<Box<Sleep>>),
    Open(Box<ChatStream>),
    Done,
}

impl Frames {
    pub(crate) fn open(stream: ChatStream, outgoing: Outgoing, include_usage: bool) -> Self {
        Self::new(Source::Open(Box::new(stream)), outgoing, include_usage)
    }

    pub(crate) fn opening(stream: Opening, outgoing: Outgoing, include_usage: bool) -> Self {
        let sleep = Box::pin(tokio::time::sleep(Duration::ZERO));
        Self::new(Source::Opening(stream, sleep), outgoing, include_usage)
    }

    fn new(source: Source, outgoing: Outgoing, include_usage: bool) -> Self {
        Self { source, outgoing, include_usage, usage: None, usage_sent: false, relays: false }
    }

    /// Appends the frame for a piece of the answer, if it has one.
    fn frame(&mut self, chunk: &Chunk, out: &mut Vec<u8>) {
        match &chunk.event {
            Event::Started { id, model } => self.outgoing.rename(id.as_deref(), model.as_deref()),
            Event::Usage(usage) => self.usage = Some(**usage),
            _ => {}
        }
        if let Raw::Frame { wire, .. } = &chunk.raw {
            self.relays = *wire == WIRE;
        }
        match &chunk.raw {
            Raw::Frame { data, .. } if self.relays => {
                let only_usage = matches!(chunk.event, Event::Usage(_));
                if only_usage && !self.include_usage {
                    return;
                }
                self.usage_sent |= only_usage;
                append(out, data);
            }
            Raw::Covered if self.relays => {}
            _ => {
                if let Some(data) = self.outgoing.frame(&chunk.event) {
                    append(out, &data);
                }
            }
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if let Some(usage) = self.usage.filter(|_| self.include_usage && !self.usage_sent) {
            append(out, &self.outgoing.usage_frame(&usage));
        }
        append(out, b"[DONE]");
    }
}

impl Stream for Frames {
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
                        append(&mut out, &Outgoing::error_body(&error));
                        return Poll::Ready(Some(Ok(out.into())));
                    }
                    Poll::Pending => {
                        std::task::ready!(alive.as_mut().poll(cx));
                        alive.as_mut().reset(Instant::now() + PATIENCE);
                        return Poll::Ready(Some(Ok(Bytes::from_static(
                            b": waiting for the first content\n\n",
                        ))));
                    }
                },
                Source::Open(_) => {}
            }
            // What is ready leaves together: one write for many frames where tokens come fast, one each where they do not.
            let mut out = Vec::new();
            while let Source::Open(stream) = &mut this.source {
                match stream.poll_chunk(cx) {
                    Poll::Ready(Some(Ok(chunk))) => this.frame(&chunk, &mut out),
                    Poll::Ready(Some(Err(error))) => {
                        append(&mut out, &Outgoing::error_body(&error));
                        this.source = Source::Done;
                    }
                    Poll::Ready(None) => {
                        this.end(&mut out);
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

fn append(out: &mut Vec<u8>, data: &[u8]) {
    out.reserve(data.len() + 8);
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\n\n");
}
