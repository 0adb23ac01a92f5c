//! The interface of an adapter: a codec.
//!
//! Not a client: no async, sockets or clock, and no decision on retries. Invariant: a decoder gives the same events
//! however the bytes were split in transit.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use hotspare_core::{
    Capabilities, ChatRequest, Chunk, Error, FinishReason, Origin, RateLimits, SchemaSubset,
};

use crate::framing::{Frame, Framer};
use crate::provider::Outbound;
use crate::transport::{Head, HttpRequest};

/// Encodes requests and decodes replies for one family of providers.
pub trait Wire: fmt::Debug + Send + Sync {
    /// The wire's name; see [`Provider::wire`](crate::Provider::wire).
    fn name(&self) -> &'static str;

    /// The origin of the reasoning signatures that it accepts; see [`Provider::origin`](crate::Provider::origin).
    fn origin(&self) -> Option<Origin> {
        None
    }

    /// What `model` supports, as far as the wire knows.
    fn capabilities(&self, model: &str) -> Capabilities {
        let _ = model;
        Capabilities::default()
    }

    /// The parts of a request that it changes or drops; see [`Provider::notes`](crate::Provider::notes).
    fn notes(&self, request: &ChatRequest, model: &str) -> Vec<String> {
        let _ = (request, model);
        Vec::new()
    }

    /// Whether a request asks the model to reason or turns that off; see
    /// [`Provider::asks_for_reasoning`](crate::Provider::asks_for_reasoning).
    fn asks_for_reasoning(&self, request: &ChatRequest) -> Option<bool> {
        request.asks_for_reasoning()
    }

    /// The subset of JSON Schema that it accepts; see [`Provider::schema_subset`](crate::Provider::schema_subset).
    fn schema_subset(&self, model: &str) -> Option<&'static SchemaSubset> {
        let _ = model;
        None
    }

    /// Encodes a request.
    ///
    /// # Errors
    /// [`Kind::Unsupported`](hotspare_core::Kind::Unsupported) if this wire cannot express it,
    /// [`Kind::InvalidRequest`](hotspare_core::Kind::InvalidRequest) if no wire could.
    fn encode(&self, call: &Outbound) -> Result<HttpRequest, Error>;

    /// What ties a request to state that this wire's provider keeps; see [`Provider::binds`](crate::Provider::binds).
    fn binds(&self, request: &ChatRequest) -> Option<String> {
        let _ = request;
        None
    }

    /// Chooses the framer and decoder for the body of a successful reply.
    ///
    /// # Errors
    /// [`Kind::Protocol`](hotspare_core::Kind::Protocol) if the head already shows that this is not an answer.
    fn decoder(&self, call: &Outbound, head: &Head) -> Result<Decoding, Error>;

    /// Classifies an unsuccessful reply. `body` holds its beginning, at most 64 KiB.
    fn classify(&self, head: &Head, body: &[u8]) -> Error;

    /// The rate limits in a reply's head.
    fn limits(&self, head: &Head) -> RateLimits {
        let _ = head;
        RateLimits::default()
    }

    /// The provider's id of the request.
    fn request_id(&self, head: &Head) -> Option<String> {
        let _ = head;
        None
    }
}

const _: fn(&dyn Wire) = |_| ();

impl<W: Wire + ?Sized> Wire for Arc<W> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn origin(&self) -> Option<Origin> {
        (**self).origin()
    }

    fn capabilities(&self, model: &str) -> Capabilities {
        (**self).capabilities(model)
    }

    fn notes(&self, request: &ChatRequest, model: &str) -> Vec<String> {
        (**self).notes(request, model)
    }

    fn binds(&self, request: &ChatRequest) -> Option<String> {
        (**self).binds(request)
    }

    fn asks_for_reasoning(&self, request: &ChatRequest) -> Option<bool> {
        (**self).asks_for_reasoning(request)
    }

    fn schema_subset(&self, model: &str) -> Option<&'static SchemaSubset> {
        (**self).schema_subset(model)
    }

    fn encode(&self, call: &Outbound) -> Result<HttpRequest, Error> {
        (**self).encode(call)
    }

    fn decoder(&self, call: &Outbound, head: &Head) -> Result<Decoding, Error> {
        (**self).decoder(call, head)
    }

    fn classify(&self, head: &Head, body: &[u8]) -> Error {
        (**self).classify(head, body)
    }

    fn limits(&self, head: &Head) -> RateLimits {
        (**self).limits(head)
    }

    fn request_id(&self, head: &Head) -> Option<String> {
        (**self).request_id(head)
    }
}

/// How a body is read: bytes to frames, frames to events.
pub struct Decoding {
    /// Splits the body into frames.
    pub framer: Box<dyn Framer>,
    /// Decodes the frames.
    pub decoder: Box<dyn Decoder>,
}

impl fmt::Debug for Decoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoding")
    }
}

/// Decodes the frames of one reply.
pub trait Decoder: Send {
    /// Decodes a frame and appends its events.
    ///
    /// # Errors
    /// The failure that a frame reports, classified by its content, or
    /// [`Kind::Protocol`](hotspare_core::Kind::Protocol) for a frame that cannot be decoded.
    fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error>;

    /// Ends the body. Appends what was still open.
    ///
    /// # Errors
    /// [`Kind::Truncated`](hotspare_core::Kind::Truncated) if the answer was incomplete.
    fn finish(&mut self, out: &mut VecDeque<Chunk>) -> Result<(), Error>;

    /// The end that has arrived and is held only because more may follow: it counts if the body breaks off, or if
    /// nothing follows for a while. An answer that may be incomplete has none.
    fn held_end(&self) -> Option<FinishReason> {
        None
    }
}
