//! Newline-delimited JSON: each line is a frame.
//!
//! Invariant: empty lines are not frames; a last line without a newline is one.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use hotspare_core::{Error, Kind};

use super::{FRAME_LIMIT, Frame, Framer, strip_bom};

/// Splits a body at newlines.
#[derive(Debug)]
pub struct Ndjson {
    partial: BytesMut,
    limit: usize,
}

impl Default for Ndjson {
    fn default() -> Self {
        Self { partial: BytesMut::new(), limit: FRAME_LIMIT }
    }
}

impl Ndjson {
    fn line(line: Bytes, out: &mut VecDeque<Frame>) {
        let trimmed = strip_bom(&line).trim_ascii();
        if !trimmed.is_empty() {
            out.push_back(Frame::piece(line.slice_ref(trimmed)));
        }
    }
}

impl Framer for Ndjson {
    fn push(&mut self, mut bytes: Bytes, out: &mut VecDeque<Frame>) -> Result<(), Error> {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let piece = bytes.split_to(end + 1);
            if self.partial.is_empty() {
                Self::line(piece, out);
            } else {
                self.partial.extend_from_slice(&piece);
                Self::line(self.partial.split().freeze(), out);
            }
        }
        if self.partial.len() + bytes.len() > self.limit {
            return Err(Error::new(Kind::Protocol, format!("a line is longer than {} bytes", self.limit)));
        }
        self.partial.extend_from_slice(&bytes);
        Ok(())
    }

    fn finish(&mut self, out: &mut VecDeque<Frame>) -> Result<(), Error> {
        Self::line(self.partial.split().freeze(), out);
        Ok(())
    }
}
