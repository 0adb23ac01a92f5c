//! Server-sent events: the framing of nearly every stream.
//!
//! Follows the WHATWG rules for `data` and `event` fields, comments and the three line endings; `id` and `retry` are
//! ignored. A body that begins like JSON is a single frame, not a stream. Invariant: an event exists only once its
//! empty line has arrived; one cut off before that is dropped.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use hotspare_core::{Error, Kind};

use super::{FRAME_LIMIT, Frame, Framer, strip_bom};

/// Writes an event. `data` is JSON or a word. A host may have spread its JSON over several lines: line ends in it are white
/// space, and are written as spaces, lest the rest of the text become fields or events of its own. A name with anything
/// but letters, digits, `_`, `.` and `-` is left out for the same reason.
pub fn write_event(name: Option<&str>, data: &[u8], out: &mut Vec<u8>) {
    let is_plain =
        |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    let name = name.filter(is_plain).unwrap_or_default();
    out.reserve(name.len() + data.len() + 16);
    if !name.is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    let mut rest = data;
    while let Some(at) = memchr::memchr2(b'\n', b'\r', rest) {
        out.extend_from_slice(&rest[..at]);
        out.push(b' ');
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(b"\n\n");
}

/// Splits a body into server-sent events.
#[derive(Debug)]
pub struct Sse {
    /// The bytes of an incomplete line.
    partial: BytesMut,
    /// The previous piece ended with a carriage return: a newline at the start of the next one belongs to it.
    after_return: bool,
    started: bool,
    /// A field has been seen, so the body is an event stream.
    has_fields: bool,
    /// The body so far, if it is JSON rather than events.
    json_body: Option<BytesMut>,
    name: Option<Bytes>,
    data: DataLines,
    limit: usize,
}

/// The `data` lines of the event being read. A single line, the usual case, is kept without a copy.
#[derive(Debug, Default)]
enum DataLines {
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
            has_fields: false,
            json_body: None,
            name: None,
            data: DataLines::None,
            limit,
        }
    }

    fn too_large(&self) -> Error {
        Error::new(Kind::Protocol, format!("an event is larger than {} bytes", self.limit))
    }

    /// Collects a line of a body that is JSON rather than events; no field starts with a bracket or brace.
    fn collect_json(&mut self, line: &[u8]) -> Result<bool, Error> {
        match (&mut self.json_body, line.trim_ascii_start().first()) {
            (Some(body), _) if body.len() + line.len() >= self.limit => Err(self.too_large()),
            (Some(body), _) => {
                body.extend_from_slice(b"\n");
                body.extend_from_slice(line);
                Ok(true)
            }
            (None, Some(b'{' | b'[')) => {
                self.json_body = Some(BytesMut::from(line));
                Ok(true)
            }
            (None, None | Some(b':')) => Ok(false),
            (None, Some(_)) => {
                self.has_fields = true;
                Ok(false)
            }
        }
    }

    /// Processes one line; `to_bytes` turns part of it into owned [`Bytes`], without a copy where possible.
    fn line<'a>(
        &mut self,
        mut line: &'a [u8],
        to_bytes: impl Fn(&'a [u8]) -> Bytes,
    ) -> Result<Option<Frame>, Error> {
        if !self.started {
            self.started = true;
            line = strip_bom(line);
        }
        if !self.has_fields && self.collect_json(line)? {
            return Ok(None);
        }
        if line.is_empty() {
            let name = self.name.take();
            return Ok(match std::mem::take(&mut self.data) {
                DataLines::None => None,
                DataLines::One(data) => Some(Frame { name, data, whole: false }),
                DataLines::Many(data) => Some(Frame { name, data: data.freeze(), whole: false }),
            });
        }
        if let Some(value) = field(line, b"data") {
            let mut all = match std::mem::take(&mut self.data) {
                DataLines::None => {
                    self.data = DataLines::One(to_bytes(value));
                    return Ok(None);
                }
                DataLines::One(first) => BytesMut::from(&first[..]),
                DataLines::Many(all) => all,
            };
            all.extend_from_slice(b"\n");
            all.extend_from_slice(value);
            if all.len() > self.limit {
                return Err(self.too_large());
            }
            self.data = DataLines::Many(all);
        } else if let Some(value) = field(line, b"event") {
            self.name = Some(to_bytes(value));
        }
        Ok(None)
    }
}

impl Framer for Sse {
    fn push(&mut self, bytes: Bytes, out: &mut VecDeque<Frame>) -> Result<(), Error> {
        let mut rest: &[u8] = &bytes;
        if self.after_return && !rest.is_empty() {
            self.after_return = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        // A line that began in an earlier piece is completed in `partial`; all others are parsed in place.
        while let Some(end) = line_end(rest) {
            let (line, terminator) = (&rest[..end], rest[end]);
            rest = &rest[end + 1..];
            if terminator == b'\r' {
                self.after_return = rest.is_empty();
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
            if self.partial.len() + line.len() > self.limit {
                return Err(self.too_large());
            }
            let frame = if self.partial.is_empty() {
                self.line(line, |part| bytes.slice_ref(part))?
            } else {
                self.partial.extend_from_slice(line);
                let whole = self.partial.split().freeze();
                self.line(&whole, |part| whole.slice_ref(part))?
            };
            out.extend(frame);
        }
        if self.partial.len() + rest.len() > self.limit {
            return Err(self.too_large());
        }
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    fn finish(&mut self, out: &mut VecDeque<Frame>) -> Result<(), Error> {
        if !self.has_fields {
            // JSON need not end with a newline.
            let last = self.partial.split();
            self.line(&last, Bytes::copy_from_slice)?;
            out.extend(self.json_body.take().map(Frame::whole));
        }
        Ok(())
    }
}

fn line_end(bytes: &[u8]) -> Option<usize> {
    memchr::memchr2(b'\n', b'\r', bytes)
}

/// The value of a line whose field is `name`.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name)?;
    match rest.strip_prefix(b":") {
        Some(value) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        None => rest.is_empty().then_some(rest),
    }
}

#[cfg(test)]
mod tests;
