//! The output of a decoder: events, with the frame they came in.
//!
//! Knows no wire. Invariant: the first event of a frame carries the frame; later events are marked as covered by it.

use std::collections::VecDeque;

use bytes::Bytes;
use hotspare_core::{Chunk, Event, Json, Origin, Raw, Signature};
use serde_json::value::RawValue;

/// Emits the events of one frame.
#[derive(Debug)]
pub struct Emit<'a> {
    out: &'a mut VecDeque<Chunk>,
    raw: Raw,
    told: bool,
}

impl<'a> Emit<'a> {
    /// For a frame that may be forwarded unchanged to a caller that uses `wire`.
    pub fn framed(out: &'a mut VecDeque<Chunk>, wire: &'static str, data: Bytes) -> Self {
        Self { out, raw: Raw::Frame { wire, data }, told: false }
    }

    /// For events without a frame, or with a frame that is never forwarded.
    pub fn bare(out: &'a mut VecDeque<Chunk>) -> Self {
        Self { out, raw: Raw::Absent, told: false }
    }

    /// Whether anything was emitted.
    #[must_use]
    pub fn told(&self) -> bool {
        self.told
    }

    /// Emits an event.
    pub fn push(&mut self, event: Event) {
        let chunk = self.chunk(event);
        self.out.push_back(chunk);
    }

    /// Pairs an event with the frame, if no earlier event took it, for the caller to emit later.
    pub fn chunk(&mut self, event: Event) -> Chunk {
        self.told = true;
        let rest = if self.raw == Raw::Absent { Raw::Absent } else { Raw::Covered };
        Chunk { event, raw: std::mem::replace(&mut self.raw, rest) }
    }

    /// Emits events in order.
    pub fn extend(&mut self, events: impl IntoIterator<Item = Event>) {
        events.into_iter().for_each(|event| self.push(event));
    }

    /// Emits text unless it is empty.
    pub fn text(&mut self, event: fn(String) -> Event, text: Option<impl Into<String>>) {
        if let Some(text) = text.map(Into::into).filter(|text: &String| !text.is_empty()) {
            self.push(event(text));
        }
    }

    /// Emits a signature of reasoning unless it is empty.
    pub fn signature(&mut self, origin: &str, data: Option<impl Into<String>>, redacted: bool) {
        if let Some(data) = data.map(Into::into).filter(|data: &String| !data.is_empty()) {
            let origin = Origin(origin.to_owned());
            self.push(Event::ReasoningSignature(Signature { origin, data, redacted }));
        }
    }

    /// Emits an annotation unless it is `null`.
    pub fn note(&mut self, raw: &RawValue) {
        if let Some(Ok(note)) = Some(raw.get()).filter(|raw| *raw != "null").map(Json::parse) {
            self.push(Event::Annotation(note));
        }
    }

    /// Emits JSON that no shared event covers.
    pub fn other(&mut self, kind: impl Into<String>, raw: &str) {
        if let Ok(raw) = Json::parse(raw) {
            self.push(Event::Other { kind: kind.into(), raw });
        }
    }

    /// Emits the whole frame as an event of its own, where no shared event covers it.
    pub fn other_frame(&mut self, kind: impl Into<String>) {
        if let Raw::Frame { data, .. } = &self.raw {
            let text = String::from_utf8_lossy(data).into_owned();
            self.other(kind, &text);
        }
    }

    /// Emits a frame without events of its own, so that it is still forwarded.
    pub fn mark(&mut self) {
        if matches!(self.raw, Raw::Frame { .. }) {
            self.push(Event::Mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_event_takes_the_frame() {
        let mut out = VecDeque::new();
        let mut emit = Emit::framed(&mut out, "w", Bytes::from_static(b"{}"));
        assert!(!emit.told());
        emit.text(Event::TextDelta, Some(""));
        emit.text(Event::TextDelta, Some("a"));
        emit.text(Event::TextDelta, None::<String>);
        emit.text(Event::TextDelta, Some("b"));
        emit.mark();
        assert!(emit.told());
        let raws: Vec<&Raw> = out.iter().map(|chunk| &chunk.raw).collect();
        assert_eq!(raws, [&Raw::Frame { wire: "w", data: Bytes::from_static(b"{}") }, &Raw::Covered]);
        let mut out = VecDeque::new();
        Emit::framed(&mut out, "w", Bytes::from_static(b"{}")).mark();
        assert_eq!(out[0].event, Event::Mark);
        let mut out = VecDeque::new();
        Emit::bare(&mut out).extend([Event::Mark, Event::Mark]);
        assert!(out.iter().all(|chunk| chunk.raw == Raw::Absent));
    }
}
