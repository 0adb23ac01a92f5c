//! The whole body as one frame.
//!
//! Server-sent events under the content type of a whole answer are still split into events. Invariant: no frame is
//! emitted before the body ends.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use hotspare_core::{Error, Kind};

use super::{BODY_LIMIT, Frame, Framer, Sse, strip_bom};

/// Collects a body.
#[derive(Debug)]
pub struct Whole {
    first: Bytes,
    rest: BytesMut,
    limit: usize,
}

impl Default for Whole {
    fn default() -> Self {
        Self::with_limit(BODY_LIMIT)
    }
}

impl Whole {
    /// Collects at most `limit` bytes.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self { first: Bytes::new(), rest: BytesMut::new(), limit }
    }
}

/// Whether the body is an event stream; no JSON begins with one of these.
fn is_stream(body: &[u8]) -> bool {
    let body = body.trim_ascii_start();
    [&b":"[..], b"data:", b"event:", b"id:", b"retry:"].iter().any(|begin| body.starts_with(begin))
}

impl Framer for Whole {
    fn push(&mut self, bytes: Bytes, _: &mut VecDeque<Frame>) -> Result<(), Error> {
        if self.first.len() + self.rest.len() + bytes.len() > self.limit {
            return Err(Error::new(Kind::Protocol, format!("the body is larger than {} bytes", self.limit)));
        }
        // Most bodies arrive in one piece and need no copy.
        if self.first.is_empty() {
            self.first = bytes;
        } else {
            self.rest.extend_from_slice(&bytes);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut VecDeque<Frame>) -> Result<(), Error> {
        let first = std::mem::take(&mut self.first);
        let data = if self.rest.is_empty() {
            first
        } else {
            let mut all = BytesMut::with_capacity(first.len() + self.rest.len());
            all.extend_from_slice(&first);
            all.extend_from_slice(&std::mem::take(&mut self.rest));
            all.freeze()
        };
        let data = data.slice_ref(strip_bom(&data));
        if is_stream(&data) {
            return Sse::with_limit(self.limit).push(data, out);
        }
        out.push_back(Frame::whole(data));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(body: &'static str) -> Vec<String> {
        let (mut framer, mut out) = (Whole::default(), VecDeque::new());
        for piece in body.as_bytes().chunks(3) {
            framer.push(Bytes::from_static(piece), &mut out).unwrap();
        }
        framer.finish(&mut out).unwrap();
        out.iter().map(|frame| String::from_utf8_lossy(&frame.data).into_owned()).collect()
    }

    #[test]
    fn sse_body_labelled_as_json_is_split_into_frames() {
        assert_eq!(frames("{\"a\": \"data: x\"}"), ["{\"a\": \"data: x\"}"]);
        assert_eq!(frames("\ndata: {}\n\ndata: [DONE]\n\n"), ["{}", "[DONE]"]);
        assert_eq!(frames(":\n\ndata: {}\n\n"), ["{}"]);
        assert_eq!(frames(":ok\n\nid: 1\ndata: {}\n\n"), ["{}"]);
        assert_eq!(frames(""), [""]);
        assert_eq!(frames("\u{feff}{}"), ["{}"]);
    }
}
