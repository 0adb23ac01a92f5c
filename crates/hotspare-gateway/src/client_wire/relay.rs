//! Which frames of an answer are passed through as they came.
//!
//! Not their encoding. Invariant: once another target continues an answer no frame is passed through, because its ids,
//! numbers and token counts are those of another answer.

use bytes::Bytes;
use hotspare::{Chunk, Event, Raw};

/// How the client gets an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Passage<'a> {
    /// In this frame, in the client's own wire format.
    Frame(&'a Bytes),
    /// In the frame of the event before it, which was passed through.
    Covered,
    /// Encoded anew.
    Encoded,
}

/// What is known of the answer so far.
#[derive(Debug, Default)]
pub(super) struct Relay {
    /// The last frame was in the client's own wire format.
    relaying: bool,
    /// Another target continues the answer.
    handed_over: bool,
}

impl Relay {
    /// How a client of the wire `wire` gets this chunk's event.
    pub(super) fn passage<'a>(&mut self, chunk: &'a Chunk, wire: &str) -> Passage<'a> {
        self.handed_over |= matches!(chunk.event, Event::Handover { .. });
        if let Some(from) = chunk.raw.wire() {
            self.relaying = from == wire;
        }
        self.relaying &= !self.handed_over;
        match &chunk.raw {
            Raw::Frame { data, .. } if self.relaying => Passage::Frame(data),
            Raw::Covered if self.relaying => Passage::Covered,
            _ => Passage::Encoded,
        }
    }
}

#[cfg(test)]
mod tests {
    use hotspare::TargetId;

    use super::*;

    fn text(raw: Raw) -> Chunk {
        Chunk { event: Event::TextDelta("a".into()), raw }
    }

    fn frame(wire: &'static str) -> Chunk {
        text(Raw::Frame { wire, data: Bytes::from_static(b"{}") })
    }

    #[test]
    fn frames_of_the_clients_wire_are_passed_through_with_what_they_cover() {
        let mut relay = Relay::default();
        assert_eq!(relay.passage(&frame("own"), "own"), Passage::Frame(&Bytes::from_static(b"{}")));
        assert_eq!(relay.passage(&text(Raw::Covered), "own"), Passage::Covered);
        assert_eq!(relay.passage(&text(Raw::Absent), "own"), Passage::Encoded);
        assert_eq!(relay.passage(&frame("other"), "own"), Passage::Encoded);
        assert_eq!(relay.passage(&text(Raw::Covered), "own"), Passage::Encoded);
    }

    #[test]
    fn nothing_is_passed_through_after_a_handover() {
        let mut relay = Relay::default();
        relay.passage(&frame("own"), "own");
        relay.passage(&Event::Handover { from: TargetId::new("a"), to: TargetId::new("b") }.into(), "own");
        assert_eq!(relay.passage(&text(Raw::Covered), "own"), Passage::Encoded);
        assert_eq!(relay.passage(&frame("own"), "own"), Passage::Encoded);
        assert_eq!(relay.passage(&text(Raw::Covered), "own"), Passage::Encoded);
    }
}
