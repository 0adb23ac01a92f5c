//! A JSON array whose elements are frames, or one object that is the only frame.
//!
//! For wires that stream by writing an array piece by piece, and send a whole answer as an object of the same content
//! type. Only the first byte tells the two apart, and also reveals server-sent events under that content type. This
//! framer finds where elements end; the decoder validates them. Invariant: a frame exists only once its last byte has
//! arrived, and an unclosed array is truncated.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use hotspare_core::{Error, Kind};

use super::{BODY_LIMIT, BOM, FRAME_LIMIT, Frame, Framer, Sse};

/// Splits an array into its elements, which must be objects.
#[derive(Debug)]
pub struct JsonArray {
    /// The bytes of an incomplete element.
    partial: BytesMut,
    state: State,
    events: Sse,
    element: usize,
    body: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first significant byte.
    Start,
    /// In the array, between elements.
    Between,
    /// In an element, or in the sole object.
    Inside { array: bool, depth: usize, string: StringState },
    /// After the last significant byte.
    End,
    /// The body is a stream of server-sent events.
    Events,
}

/// Whether the scan is inside a string, where brackets do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StringState {
    Outside,
    Inside,
    /// After a backslash: the next byte is escaped.
    Escaped,
}

impl Default for JsonArray {
    fn default() -> Self {
        Self::with_limits(FRAME_LIMIT, BODY_LIMIT)
    }
}

impl JsonArray {
    /// Accepts elements of at most `element` bytes, or one object of at most `body` bytes.
    #[must_use]
    pub fn with_limits(element: usize, body: usize) -> Self {
        let events = Sse::with_limit(element);
        Self { partial: BytesMut::new(), state: State::Start, events, element, body }
    }

    /// The length of the element that these bytes are in, or `None` if it continues past them.
    fn scan(bytes: &[u8], depth: &mut usize, string: &mut StringState) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            match *string {
                StringState::Escaped => {
                    *string = StringState::Inside;
                    at += 1;
                }
                StringState::Inside => {
                    let found = memchr::memchr2(b'"', b'\\', &bytes[at..])?;
                    *string =
                        if bytes[at + found] == b'"' { StringState::Outside } else { StringState::Escaped };
                    at += found + 1;
                }
                StringState::Outside => {
                    match bytes[at] {
                        b'"' => *string = StringState::Inside,
                        b'{' | b'[' => *depth += 1,
                        b'}' | b']' => *depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    at += 1;
                    if *depth == 0 {
                        return Some(at);
                    }
                }
            }
        }
        None
    }

    fn buffer(&mut self, bytes: &[u8], array: bool) -> Result<(), Error> {
        let limit = if array { self.element } else { self.body };
        if self.partial.len() + bytes.len() > limit {
            return Err(Error::new(Kind::Protocol, format!("a frame is larger than {limit} bytes")));
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }
}

impl Framer for JsonArray {
    fn push(&mut self, bytes: Bytes, out: &mut VecDeque<Frame>) -> Result<(), Error> {
        if self.state == State::Events {
            return self.events.push(bytes, out);
        }
        let mut rest: &[u8] = &bytes;
        loop {
            if let State::Inside { array, mut depth, mut string } = self.state {
                let Some(end) = Self::scan(rest, &mut depth, &mut string) else {
                    self.state = State::Inside { array, depth, string };
                    return self.buffer(rest, array);
                };
                let (last, after) = rest.split_at(end);
                let data = if self.partial.is_empty() && last.len() <= self.element {
                    bytes.slice_ref(last)
                } else {
                    self.buffer(last, array)?;
                    self.partial.split().freeze()
                };
                out.push_back(Frame { name: None, data, whole: !array });
                self.state = if array { State::Between } else { State::End };
                rest = after;
            }
            rest = rest.trim_ascii_start();
            let Some(&first) = rest.first() else { return Ok(()) };
            match (self.state, first) {
                (State::Start, b'[') => self.state = State::Between,
                (State::Start, mark) if BOM.contains(&mark) => {}
                // A comment, or the start of `data`, `event`, `id` or `retry`.
                (State::Start, b':' | b'd' | b'e' | b'i' | b'r') => {
                    self.state = State::Events;
                    return self.events.push(bytes.slice_ref(rest), out);
                }
                (State::Between, b',') => {}
                (State::Between, b']') => self.state = State::End,
                (State::Start | State::Between, b'{') => {
                    let array = self.state == State::Between;
                    self.state = State::Inside { array, depth: 0, string: StringState::Outside };
                    continue;
                }
                _ => {
                    return Err(Error::new(Kind::Protocol, "the body is not a JSON array of objects"));
                }
            }
            rest = &rest[1..];
        }
    }

    fn finish(&mut self, out: &mut VecDeque<Frame>) -> Result<(), Error> {
        match self.state {
            State::Events => self.events.finish(out),
            State::Start | State::End => Ok(()),
            State::Between | State::Inside { .. } => {
                Err(Error::new(Kind::Truncated, "the body ended inside its JSON"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
