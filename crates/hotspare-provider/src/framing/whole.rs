//! The whole body as one frame.
//!
//! Invariant: at most one frame, given when the body ends.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use hotspare_core::{Error, Kind};

use super::{BODY_LIMIT, Frame, Framer};

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

impl Framer for Whole {
    fn push(&mut self, bytes: Bytes, _: &mut VecDeque<Frame>) -> Result<(), Error> {
        if self.first.len() + self.rest.len() + bytes.len() > self.limit {
            return Err(Error::new(Kind::Protocol, format!("the body is larger than {} bytes", self.limit)));
        }
        // Most bodies come in one piece and need no copy.
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
        out.push_back(Frame { name: None, data });
        Ok(())
    }
}
