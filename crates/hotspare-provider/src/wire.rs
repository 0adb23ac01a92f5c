//! What an adapter is: a codec.
//!
//! Not a client: no async, no sockets, no clock, no opinion on retries. Invariant: a decoder gives the same events
//! however the bytes were split on their way.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use hotspare_core::{Capabilities, ChatRequest, Chunk, Error, Origin, RateLimits, SchemaSubset};

use crate::framing::{Frame, Framer};
use crate::provider::Outbound;
use crate::transport::{Head, HttpRequest};

/// The spelling of requests and replies of one family of providers.
pub trait Wire: fmt::Debug + Send + Sync {
    /// The wire's name; see [`Provider::wire`](crate::Provider::wire).
    fn name(&self) -> &'static str;

    /// Whose signed reasoning it can read back; see [`Provider::origin`](crate::Provider::origin).
    fn origin(&self) -> Option<Origin> {
        None
    }

    /// What `model` can do here as far as the wire tells.
    fn capabilities(&self, model: &str) -> Capabilities {
        let _ = model;
        Capabilities::default()
    }

    /// What of a request it says differently or not at all; see [`Provider::notes`](crate::Provider::notes).
    fn notes(&self, request: &ChatRequest, model: &str) -> Vec<String> {
        let _ = (request, model);
        Vec::new()
    }

    /// Whether a request asks the model to think; see [`Provider::thinks`](crate::Provider::thinks).
    fn thinks(&self, request: &ChatRequest) -> bool {
        request.asks_for_reasoning()
    }

    /// What it understands of JSON Schema; see [`Provider::schema_subset`](crate::Provider::schema_subset).
    fn schema_subset(&self, model: &str) -> Option<&'static SchemaSubset> {
        let _ = model;
        None
    }

    /// Spells a request.
    ///
    /// # Errors
    /// [`Kind::Unsupported`](hotspare_core::Kind::Unsupported) if the wire has no words for it,
    /// [`Kind::InvalidRequest`](hotspare_core::Kind::InvalidRequest) if no wire would.
    fn encode(&self, call: &Outbound) -> Result<HttpRequest, Error>;

    /// What ties a request to state that this wire's provider keeps; see [`Provider::binds`](crate::Provider::binds).
    fn binds(&self, request: &ChatRequest) -> Option<String> {
        let _ = request;
        None
    }

    /// How the body of a successful reply is to be read.
    ///
    /// # Errors
    /// [`Kind::Protocol`](hotspare_core::Kind::Protocol) if the head already shows that this is no answer.
    fn decoder(&self, call: &Outbound, head: &Head) -> Result<Decoding, Error>;

    /// What an unsuccessful reply means. `body` holds its beginning, at most 64 KiB.
    fn classify(&self, head: &Head, body: &[u8]) -> Error;

    /// What a reply's head says of the provider's limits.
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

    fn thinks(&self, request: &ChatRequest) -> bool {
        (**self).thinks(request)
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
    /// Cuts the body into frames.
    pub framer: Box<dyn Framer>,
    /// Reads the frames.
    pub decoder: Box<dyn Decoder>,
}

impl fmt::Debug for Decoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoding")
    }
}

/// Reads the frames of one reply.
pub trait Decoder: Send {
    /// Reads a frame and appends what it says.
    ///
    /// # Errors
    /// A frame that reports a failure, classified by its own words, or one that makes no sense
    /// ([`Kind::Protocol`](hotspare_core::Kind::Protocol)).
    fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error>;

    /// The body has ended. Appends what was still open.
    ///
    /// # Errors
    /// [`Kind::Truncated`](hotspare_core::Kind::Truncated) if the answer had not.
    fn finish(&mut self, out: &mut VecDeque<Chunk>) -> Result<(), Error>;
}
