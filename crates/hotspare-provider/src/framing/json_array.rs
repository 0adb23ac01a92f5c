//! A JSON array whose elements are frames, or one object that is the only frame.
//!
//! For wires that stream by writing an array piece by piece, and send a whole answer as an object of the same content
//! type. Only the first byte tells the two apart, and also reveals server-sent events under that content type. This
//! framer finds where elements end; the decoder validates them. Invariant: a frame exists only once its last byte has
//! arrived, and an unclosed array is truncated.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use hotspare_core::{Error, Kind};

use super::{BODY_LIMIT, FRAME_LIMIT, Frame, Framer, MARK, Sse};

/// Splits an array into its elements, which must be objects.
#[derive(Debug)]
pub struct JsonArray {
    /// The bytes of an incomplete element.
    partial: BytesMut,
    place: Place,
    events: Sse,
    element: usize,
    body: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the first significant byte.
    Start,
    /// In the array, between elements.
    Between,
    /// In an element, or in the sole object.
    Inside { array: bool, depth: usize, text: Text },
    /// After the last significant byte.
    End,
    /// The body is a stream of server-sent events.
    Events,
}

/// Whether the scan is inside a string, where brackets do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
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
        Self { partial: BytesMut::new(), place: Place::Start, events, element, body }
    }

    /// The length of the element that these bytes are in, or `None` if it continues past them.
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
                // A comment, or the start of `data`, `event`, `id` or `retry`.
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
                    return Err(Error::new(Kind::Protocol, "the body is not a JSON array of objects"));
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
