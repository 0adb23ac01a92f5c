//! A JSON array whose elements are frames, or one object that is the only frame.
//!
//! For wires that stream by writing an array piece by piece, and answer whole with an object of the same type: which of
//! the two comes shows only in the first byte, and so does a stream of events under their type. Finds where elements end,
//! and leaves it to the decoder whether they are valid. Invariant: a frame exists only once its last byte is here, and an array that is not closed is cut.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use hotspare_core::{Error, Kind};

use super::{BODY_LIMIT, FRAME_LIMIT, Frame, Framer, MARK, Sse};

/// Cuts an array at its elements, which must be objects.
#[derive(Debug)]
pub struct JsonArray {
    /// The beginning of an element whose end has not come.
    partial: BytesMut,
    place: Place,
    events: Sse,
    element: usize,
    body: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the first byte that means something.
    Start,
    /// In the array, outside its elements.
    Between,
    /// In an element, or in the only object.
    Inside { array: bool, depth: usize, text: Text },
    /// After the last byte that means something.
    End,
    /// The body is a stream of events.
    Events,
}

/// Brackets in strings are no brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Outside,
    Inside,
    /// The next byte is not what it seems.
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
        Self { partial: BytesMut::new(), place: Place::Start, events, element, body }
    }

    /// Where the element ends that the first of these bytes is in: the number of its bytes, or `None` if it goes on.
    fn scan(bytes: &[u8], depth: &mut usize, text: &mut Text) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            match *text {
                Text::Escaped => {
                    *text = Text::Inside;
                    at += 1;
                }
                Text::Inside => {
                    let found = memchr::memchr2(b'"', b'\\', &bytes[at..])?;
                    *text = if bytes[at + found] == b'"' { Text::Outside } else { Text::Escaped };
                    at += found + 1;
                }
                Text::Outside => {
                    match bytes[at] {
                        b'"' => *text = Text::Inside,
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

    fn hold(&mut self, bytes: &[u8], array: bool) -> Result<(), Error> {
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
        if self.place == Place::Events {
            return self.events.push(bytes, out);
        }
        let mut rest: &[u8] = &bytes;
        loop {
            if let Place::Inside { array, mut depth, mut text } = self.place {
                let Some(end) = Self::scan(rest, &mut depth, &mut text) else {
                    self.place = Place::Inside { array, depth, text };
                    return self.hold(rest, array);
                };
                let (last, after) = rest.split_at(end);
                let data = if self.partial.is_empty() && last.len() <= self.element {
                    bytes.slice_ref(last)
                } else {
                    self.hold(last, array)?;
                    self.partial.split().freeze()
                };
                out.push_back(Frame { name: None, data, whole: !array });
                self.place = if array { Place::Between } else { Place::End };
                rest = after;
            }
            rest = rest.trim_ascii_start();
            let Some(&first) = rest.first() else { return Ok(()) };
            match (self.place, first) {
                (Place::Start, b'[') => self.place = Place::Between,
                (Place::Start, mark) if MARK.contains(&mark) => {}
                // A comment, or one of `data`, `event`, `id` and `retry`.
                (Place::Start, b':' | b'd' | b'e' | b'i' | b'r') => {
                    self.place = Place::Events;
                    return self.events.push(bytes.slice_ref(rest), out);
                }
                (Place::Between, b',') => {}
                (Place::Between, b']') => self.place = Place::End,
                (Place::Start | Place::Between, b'{') => {
                    let array = self.place == Place::Between;
                    self.place = Place::Inside { array, depth: 0, text: Text::Outside };
                    continue;
                }
                _ => {
                    return Err(Error::new(Kind::Protocol, "the body is no JSON array of objects"));
                }
            }
            rest = &rest[1..];
        }
    }

    fn finish(&mut self, out: &mut VecDeque<Frame>) -> Result<(), Error> {
        match self.place {
            Place::Events => self.events.finish(out),
            Place::Start | Place::End => Ok(()),
            Place::Between | Place::Inside { .. } => {
                Err(Error::new(Kind::Truncated, "the body ended inside its JSON"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
