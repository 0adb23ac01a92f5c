//! Bytes to frames.
//!
//! Knows nothing of what a frame says. Invariant: the frames are the same however the bytes were split, and no input
//! makes a framer hold more than its limit.

mod event_stream;
mod json_array;
mod ndjson;
mod sse;
mod whole;

use std::collections::VecDeque;

use bytes::Bytes;
use hotspare_core::Error;

pub use event_stream::EventStream;
pub use json_array::JsonArray;
pub use ndjson::Ndjson;
pub use sse::Sse;
pub use whole::Whole;

/// Largest frame of a stream that is accepted: 4 MiB, far beyond any recorded one (tool arguments and images included).
pub const FRAME_LIMIT: usize = 4 << 20;

/// Largest unstreamed body that is accepted: 32 MiB.
pub const BODY_LIMIT: usize = 32 << 20;

/// A frame: the unit in which a wire speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The frame's name, where the framing has names (`event:` in SSE).
    pub name: Option<Bytes>,
    /// What it says.
    pub data: Bytes,
}

/// Cuts a body into frames.
pub trait Framer: Send {
    /// Takes the next bytes and appends the frames that they complete.
    ///
    /// # Errors
    /// [`Kind::Protocol`](hotspare_core::Kind::Protocol) if a frame is larger than the limit.
    fn push(&mut self, bytes: Bytes, out: &mut VecDeque<Frame>) -> Result<(), Error>;

    /// The body has ended. Appends a last frame if one was still open and the framing allows it.
    ///
    /// # Errors
    /// [`Kind::Truncated`](hotspare_core::Kind::Truncated) if the body ended inside a frame.
    fn finish(&mut self, out: &mut VecDeque<Frame>) -> Result<(), Error>;
}
