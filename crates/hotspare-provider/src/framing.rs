//! Bytes to frames.
//!
//! Does not interpret frames. Some hosts send a stream under the content type of a whole answer or the reverse, so
//! framers tell the two apart by the first bytes and accept both. Invariant: frames do not depend on how the bytes were
//! split, and no input makes a framer buffer more than its limit.

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
pub use sse::{Sse, write_event};
pub use whole::Whole;

/// The largest accepted frame of a stream: 4 MiB, far beyond any recorded one (tool arguments and images included).
pub const FRAME_LIMIT: usize = 4 << 20;

/// The largest accepted unstreamed body: 32 MiB.
pub const BODY_LIMIT: usize = 32 << 20;

/// A frame: the unit of a wire's framing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The frame's name, where the framing has names (`event:` in SSE).
    pub name: Option<Bytes>,
    /// The content.
    pub data: Bytes,
    /// Whether it is the whole body rather than a piece of a stream.
    pub whole: bool,
}

impl Frame {
    /// A piece of a stream, unnamed.
    #[must_use]
    pub fn piece(data: impl Into<Bytes>) -> Self {
        Self { name: None, data: data.into(), whole: false }
    }

    /// A whole body.
    #[must_use]
    pub fn whole(data: impl Into<Bytes>) -> Self {
        Self { name: None, data: data.into(), whole: true }
    }

    /// The content without surrounding white space, and without the array that some hosts wrap around a single object.
    #[must_use]
    pub fn object(&self) -> &[u8] {
        let data = self.data.trim_ascii();
        if !data.starts_with(b"[") {
            return data;
        }
        serde_json::from_slice::<[&RawValue; 1]>(data).map_or(data, |[only]| only.get().as_bytes())
    }
}

/// A byte order mark, which some hosts put before their JSON and JSON parsers reject.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// The bytes without a leading byte order mark.
pub(crate) fn strip_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BOM).unwrap_or(bytes)
}

/// Splits a body into frames.
pub trait Framer: Send {
    /// Takes the next bytes and appends the frames they complete.
    ///
    /// # Errors
    /// [`Kind::Protocol`](hotspare_core::Kind::Protocol) if a frame is larger than the limit.
    fn push(&mut self, bytes: Bytes, out: &mut VecDeque<Frame>) -> Result<(), Error>;

    /// Ends the body. Appends a last frame if one was still open and the framing allows it.
    ///
    /// # Errors
    /// [`Kind::Truncated`](hotspare_core::Kind::Truncated) if the body ended inside a frame.
    fn finish(&mut self, out: &mut VecDeque<Frame>) -> Result<(), Error>;
}
