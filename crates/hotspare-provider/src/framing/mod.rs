//! Bytes to frames.
//!
//! Knows nothing of what a frame says. Whether a body is a stream or one whole answer shows in its first bytes: hosts send
//! either under the content type of the other, and framers take both. Invariant: the frames are the same however the bytes
//! were split, and no input makes a framer hold more than its limit.

mod event_stream;
mod json_array;
mod ndjson;
mod sse;
mod whole;

use std::collections::VecDeque;

use bytes::Bytes;
use hotspare_core::Error;
use serde_json::value::RawValue;

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
    /// It is the whole body, not a piece of a stream.
    pub whole: bool,
}

impl Frame {
    /// A piece of a stream, without a name.
    #[must_use]
    pub fn piece(data: impl Into<Bytes>) -> Self {
        Self { name: None, data: data.into(), whole: false }
    }

    /// A whole body.
    #[must_use]
    pub fn whole(data: impl Into<Bytes>) -> Self {
        Self { name: None, data: data.into(), whole: true }
    }

    /// What it says, without white space around it, and without the list that some hosts put around a single object.
    #[must_use]
    pub fn object(&self) -> &[u8] {
        let data = self.data.trim_ascii();
        if !data.starts_with(b"[") {
            return data;
        }
        serde_json::from_slice::<[&RawValue; 1]>(data).map_or(data, |[only]| only.get().as_bytes())
    }
}

/// A byte order mark, which some hosts put before their JSON and no reader of JSON takes.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The bytes without their mark.
pub(crate) fn unmarked(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK).unwrap_or(bytes)
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
