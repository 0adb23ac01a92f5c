//! The interface of an adapter: a codec.
//!
//! Not a client: no async, sockets or clock, and no decision on retries. Invariant: a decoder gives the same events
//! however the bytes were split in transit.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use hotspare_core::{Chunk, Error, FinishReason, RateLimits};

use crate::describe::Describe;
use crate::framing::{Frame, Framer};
use crate::provider::Outbound;
use crate::transport::{Head, HttpRequest};

/// Encodes requests and decodes replies for one family of providers.
pub trait Wire: Describe {
    /// Encodes a request.
    ///
    /// # Errors
    /// [`Kind::Unsupported`](hotspare_core::Kind::Unsupported) if this wire cannot express it,
    /// [`Kind::InvalidRequest`](hotspare_core::Kind::InvalidRequest) if no wire could.
    fn encode(&self, call: &Outbound) -> Result<HttpRequest, Error>;

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
