//! Another wire inside Bedrock's envelope: its bodies unchanged, its stream's events in base64 inside an event stream.
//!
//! Not a wire of its own: bodies belong to the inner wire, and so do URLs, which its row for this host defines; frames
//! stay interchangeable with those of the wire's other hosts. Errors have Bedrock's format. Invariant: the inner wire
//! never sees a key.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hotspare_core::{Chunk, Error, Event, FinishReason, Kind, Usage};
use hotspare_provider::{
    Decoder, Decoding, EventStream, Frame, Head, HttpRequest, Outbound, Text, Wire, Wrapper,
};
use http::{HeaderValue, header};
use serde::Deserialize;

use crate::classify;
use crate::wire::{EVENT_STREAM, authorize, request_id};

/// A wire inside Bedrock's envelope.
#[derive(Clone, Debug)]
pub struct Invoke<W> {
    inner: W,
}

impl<W: Wire> Invoke<W> {
    /// Wraps `inner`, which must produce URLs and bodies for this host.
    pub fn new(inner: W) -> Self {
        Self { inner }
    }
}

impl<W: Wire> Wrapper for Invoke<W> {
    type Inner = W;

    fn inner(&self) -> &W {
        &self.inner
    }
}

impl<W: Wire> Wire for Invoke<W> {
    fn encode(&self, call: &Outbound) -> Result<HttpRequest, Error> {
        authorize(self.inner.encode(&call.clone().with_secret(None))?, call.secret.as_ref())
    }

    fn decoder(&self, call: &Outbound, head: &Head) -> Result<Decoding, Error> {
        if head.media_type() != EVENT_STREAM {
            let Decoding { framer, decoder } = self.inner.decoder(call, head)?;
            let with_usage = UsageDecoder { inner: decoder, counts: counts(head), has_usage: false };
            return Ok(Decoding { framer, decoder: Box::new(with_usage) });
        }
        let mut inner_head = head.clone();
        inner_head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        let inner = UsageDecoder {
            inner: self.inner.decoder(call, &inner_head)?.decoder,
            counts: None,
            has_usage: false,
        };
        Ok(Decoding {
            framer: Box::new(EventStream::default()),
            decoder: Box::new(EnvelopeDecoder { inner }),
        })
    }

    fn classify(&self, head: &Head, body: &[u8]) -> Error {
        classify::reply(head, body)
    }

    fn request_id(&self, head: &Head) -> Option<String> {
        request_id(head)
    }
}

/// Unwraps events from their envelope.
struct EnvelopeDecoder {
    inner: UsageDecoder,
}

/// Emits the host's token counts if the inner wire has none.
struct UsageDecoder {
    inner: Box<dyn Decoder>,
    counts: Option<Usage>,
    has_usage: bool,
}

impl Decoder for UsageDecoder {
    fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let before = out.len();
        self.inner.push(frame, out)?;
        self.has_usage |= out.range(before..).any(|chunk| matches!(chunk.event, Event::Usage(_)));
        if let Some(counts) = self.counts.take().filter(|_| !self.has_usage) {
            // Before the finish event, which completes the answer.
            let is_finish = |chunk: &Chunk| matches!(chunk.event, Event::Finished(_));
            let at = out.range(before..).position(is_finish).map_or(out.len(), |at| before + at);
            out.insert(at, Event::Usage(Box::new(counts)).into());
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        self.inner.finish(out)
    }

    fn held_end(&self) -> Option<FinishReason> {
        self.inner.held_end()
    }
}

/// The token counts in a whole reply's head.
fn counts(head: &Head) -> Option<Usage> {
    let count = |name: &str| head.header(name)?.trim().parse::<u64>().ok();
    let read = count("x-amzn-bedrock-input-token-count");
    let written = count("x-amzn-bedrock-output-token-count");
    (read.is_some() || written.is_some()).then(|| Usage::reported(read, written))
}

/// The field with the token counts in a stream's last event.
const METRICS: &str = "amazon-bedrock-invocationMetrics";

/// The token counts in a stream's last event, beside the model's own output.
#[derive(Debug, Default, Deserialize)]
struct MetricsFrame {
    #[serde(rename = "amazon-bedrock-invocationMetrics")]
    metrics: Option<Metrics>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metrics {
    #[serde(deserialize_with = "hotspare_provider::count")]
    input_token_count: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    output_token_count: Option<u64>,
}

/// The envelope; its field `p` is padding.
#[derive(Debug, Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    bytes: Option<Text<'a>>,
}

impl Decoder for EnvelopeDecoder {
    fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let name = String::from_utf8_lossy(frame.name.as_deref().unwrap_or_default());
        for prefix in [EventStream::EXCEPTION, EventStream::ERROR] {
            if let Some(code) = name.strip_prefix(prefix) {
                return Err(classify::in_stream(code, &frame.data));
            }
        }
        let malformed = || Error::new(Kind::Protocol, "an event's envelope cannot be opened");
        let envelope: Envelope<'_> = serde_json::from_slice(&frame.data).map_err(|_| malformed())?;
        let Some(text) = envelope.bytes else { return Ok(()) };
        let data = STANDARD.decode(text.0.as_bytes()).map_err(|_| malformed())?;
        // Most inner wires count tokens themselves, from their first event on.
        if !self.inner.has_usage
            && std::str::from_utf8(&data).is_ok_and(|data| data.contains(METRICS))
            && let Some(metrics) =
                serde_json::from_slice::<MetricsFrame>(&data).ok().and_then(|last| last.metrics)
        {
            self.inner.counts = Some(Usage::reported(metrics.input_token_count, metrics.output_token_count));
        }
        self.inner.push(Frame::piece(data), out)
    }

    fn finish(&mut self, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        self.inner.finish(out)
    }

    fn held_end(&self) -> Option<FinishReason> {
        self.inner.held_end()
    }
}

#[cfg(test)]
mod tests;
