//! Server-sent events: the framing of nearly every stream.
//!
//! Follows the WHATWG rules for `data` and `event` fields, comments and the three line ends; `id` and `retry` mean
//! nothing here. Invariant: an event exists only once its empty line is here; what is cut before that is not an event.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use hotspare_core::{Error, Kind};

use super::{FRAME_LIMIT, Frame, Framer};

/// Cuts a body into server-sent events.
#[derive(Debug)]
pub struct Sse {
    /// The beginning of a line whose end has not come.
    partial: BytesMut,
    /// The last byte of the piece before was a carriage return: a newline that follows belongs to it.
    after_return: bool,
    started: bool,
    name: Option<Bytes>,
    data: Data,
    limit: usize,
}

/// The `data` lines of the event that is being read. One line, the usual case, is kept without a copy.
#[derive(Debug, Default)]
enum Data {
    #[default]
    None,
    One(Bytes),
    Many(BytesMut),
}

impl Default for Sse {
    fn default() -> Self {
        Self::with_limit(FRAME_LIMIT)
    }
}

impl Sse {
    /// Accepts events of at most `limit` bytes.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self {
            partial: BytesMut::new(),
            after_return: false,
            started: false,
            name: None,
            data: Data::None,
            limit,
        }
    }

    fn too_large(&self) -> Error {
        Error::new(Kind::Protocol, format!("an event is larger than {} bytes", self.limit))
    }

    fn line(&mut self, mut line: Bytes, out: &mut VecDeque<Frame>) -> Result<(), Error> {
        if !self.started {
            self.started = true;
            if line.starts_with(b"\xef\xbb\xbf") {
                line = line.slice(3..);
            }
        }
        if line.is_empty() {
            let name = self.name.take();
            match std::mem::take(&mut self.data) {
                Data::None => {}
                Data::One(data) => out.push_back(Frame { name, data }),
                Data::Many(data) => out.push_back(Frame { name, data: data.freeze() }),
            }
            return Ok(());
        }
        if let Some(value) = field(&line, b"data") {
            let value = line.slice_ref(value);
            self.data = match std::mem::take(&mut self.data) {
                Data::None => Data::One(value),
                Data::One(first) => {
                    let mut all = BytesMut::from(&first[..]);
                    all.extend_from_slice(b"\n");
                    all.extend_from_slice(&value);
                    Data::Many(all)
                }
                Data::Many(mut all) => {
                    all.extend_from_slice(b"\n");
                    all.extend_from_slice(&value);
                    Data::Many(all)
                }
            };
            if matches!(&self.data, Data::Many(all) if all.len() > self.limit) {
                return Err(self.too_large());
            }
        } else if let Some(value) = field(&line, b"event") {
            self.name = Some(line.slice_ref(value));
        }
        Ok(())
    }
}

impl Framer for Sse {
    fn push(&mut self, mut bytes: Bytes, out: &mut VecDeque<Frame>) -> Result<(), Error> {
        if self.after_return && !bytes.is_empty() {
            self.after_return = false;
            if bytes[0] == b'\n' {
                bytes = bytes.slice(1..);
            }
        }
        // A line that began in an earlier piece is completed in `partial`; all others are cut from `bytes` in place.
        while let Some(end) = line_end(&bytes) {
            let terminator = bytes[end];
            let piece = bytes.split_to(end + 1).slice(..end);
            if self.partial.len() + piece.len() > self.limit {
                return Err(self.too_large());
            }
            let line = if self.partial.is_empty() {
                piece
            } else {
                self.partial.extend_from_slice(&piece);
                self.partial.split().freeze()
            };
            if terminator == b'\r' {
                if bytes.is_empty() {
                    self.after_return = true;
                } else if bytes[0] == b'\n' {
                    bytes = bytes.slice(1..);
                }
            }
            self.line(line, out)?;
        }
        if self.partial.len() + bytes.len() > self.limit {
            return Err(self.too_large());
        }
        self.partial.extend_from_slice(&bytes);
        Ok(())
    }

    fn finish(&mut self, _: &mut VecDeque<Frame>) -> Result<(), Error> {
        Ok(())
    }
}

fn line_end(bytes: &[u8]) -> Option<usize> {
    memchr::memchr2(b'\n', b'\r', bytes)
}

/// The value of a line if its field is `name`.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name)?;
    match rest.strip_prefix(b":") {
        Some(value) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        None => rest.is_empty().then_some(rest),
    }
}

#[cfg(test)]
mod tests;
