//! Where a decoder's events go.
//!
//! Knows no wire. Invariant: the first event of a frame takes the frame with it, and the others say that it has been taken.

use std::collections::VecDeque;

use bytes::Bytes;
use hotspare_core::{Chunk, Event, Json, Origin, Raw, Signature};
use serde_json::value::RawValue;

/// Puts out what one frame says.
#[derive(Debug)]
pub struct Emit<'a> {
    out: &'a mut VecDeque<Chunk>,
    raw: Raw,
    told: bool,
}

impl<'a> Emit<'a> {
    /// For a frame that can be passed on as it is to whoever speaks `wire`.
    pub fn framed(out: &'a mut VecDeque<Chunk>, wire: &'static str, data: Bytes) -> Self {
        Self { out, raw: Raw::Frame { wire, data }, told: false }
    }

    /// For events without a frame, or with one that nobody passes on.
    pub fn bare(out: &'a mut VecDeque<Chunk>) -> Self {
        Self { out, raw: Raw::Absent, told: false }
    }

    /// Whether anything was put out.
    #[must_use]
    pub fn told(&self) -> bool {
        self.told
    }

    /// Puts out an event.
    pub fn push(&mut self, event: Event) {
        let chunk = self.chunk(event);
        self.out.push_back(chunk);
    }

    /// An event with the frame, if that has not been taken, to be put out later.
    pub fn chunk(&mut self, event: Event) -> Chunk {
        self.told = true;
        let rest = if self.raw == Raw::Absent { Raw::Absent } else { Raw::Covered };
        Chunk { event, raw: std::mem::replace(&mut self.raw, rest) }
    }

    /// Puts out events in order.
    pub fn extend(&mut self, events: impl IntoIterator<Item = Event>) {
        events.into_iter().for_each(|event| self.push(event));
    }

    /// Puts out text, if there is any.
    pub fn text(&mut self, event: fn(String) -> Event, text: Option<impl Into<String>>) {
        if let Some(text) = text.map(Into::into).filter(|text: &String| !text.is_empty()) {
            self.push(event(text));
        }
    }

    /// Puts out a signature of reasoning, if there is any.
    pub fn signature(&mut self, origin: &str, data: Option<impl Into<String>>, redacted: bool) {
        if let Some(data) = data.map(Into::into).filter(|data: &String| !data.is_empty()) {
            let origin = Origin(origin.to_owned());
            self.push(Event::ReasoningSignature(Signature { origin, data, redacted }));
        }
    }

    /// Puts out an annotation; `null` is none.
    pub fn note(&mut self, raw: &RawValue) {
        if let Some(Ok(note)) = Some(raw.get()).filter(|raw| *raw != "null").map(Json::parse) {
            self.push(Event::Annotation(note));
        }
    }

    /// Puts out what no shared word covers.
    pub fn other(&mut self, kind: impl Into<String>, raw: &str) {
        if let Ok(raw) = Json::parse(raw) {
            self.push(Event::Other { kind: kind.into(), raw });
        }
    }

    /// Puts out the frame as a whole, which no shared word covers.
    pub fn other_frame(&mut self, kind: impl Into<String>) {
        if let Raw::Frame { data, .. } = &self.raw {
            let text = String::from_utf8_lossy(data).into_owned();
            self.other(kind, &text);
        }
    }

    /// A frame that gave no event passes all the same.
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
