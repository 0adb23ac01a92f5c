//! Replies that hold embeddings: the part of their decoding that is alike on every wire.
//!
//! Not a wire: an adapter reads the bytes. Invariant: numbers come out as they were sent, and a reply without vectors is
//! an error.

use std::collections::VecDeque;

use hotspare_core::{Chunk, Error, Event, FinishReason, Kind, Usage, Vector};

use crate::framing::Frame;
use crate::wire::Decoder;

/// What an adapter reads from a reply.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct EmbedReply {
    /// The reply's id.
    pub id: Option<String>,
    /// The model, as the provider names it.
    pub model: Option<String>,
    /// The vectors.
    pub vectors: Vec<Vector>,
    /// Tokens, if they were reported.
    pub usage: Option<Usage>,
}

impl EmbedReply {
    /// A reply whose vectors are in the order of the inputs.
    #[must_use]
    pub fn in_order(vectors: impl IntoIterator<Item = Vec<f32>>) -> Self {
        let vectors = (0..).zip(vectors).map(|(index, values)| Vector { index, values }).collect();
        Self { vectors, ..Self::default() }
    }

    /// Adds the number of tokens read, if it was reported.
    #[must_use]
    pub fn with_input_tokens(mut self, tokens: Option<u64>) -> Self {
        self.usage = tokens.map(|_| Usage::reported(tokens, Some(0)));
        self
    }

    /// The error of a reply that has no vectors.
    #[must_use]
    pub fn missing() -> Error {
        Error::new(Kind::Protocol, "the reply has no vectors")
    }
}

/// Decodes one reply, which arrives as one frame.
#[derive(Clone, Copy, Debug)]
pub struct EmbedDecoder {
    read: fn(&[u8]) -> Result<EmbedReply, Error>,
    received: bool,
}

impl EmbedDecoder {
    /// A decoder of replies that `read` reads.
    pub const fn new(read: fn(&[u8]) -> Result<EmbedReply, Error>) -> Self {
        Self { read, received: false }
    }
}

impl Decoder for EmbedDecoder {
    fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let data = frame.data.trim_ascii();
        if data.is_empty() {
            return Ok(());
        }
        let reply = (self.read)(data)?;
        self.received = true;
        let started = Event::Started { id: reply.id, model: reply.model };
        let vectors = reply.vectors.into_iter().map(|vector| Event::Vector(Box::new(vector)));
        let usage = reply.usage.map(|usage| Event::Usage(Box::new(usage)));
        let events = std::iter::once(started).chain(vectors).chain(usage);
        out.extend(events.chain([Event::Finished(FinishReason::Stop)]).map(Chunk::from));
        Ok(())
    }

    fn finish(&mut self, _: &mut VecDeque<Chunk>) -> Result<(), Error> {
        if self.received { Ok(()) } else { Err(Error::new(Kind::Protocol, "the reply is empty")) }
    }
}
