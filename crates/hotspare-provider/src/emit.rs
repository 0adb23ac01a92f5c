//! The output of a decoder: events, with the frame they came in.
//!
//! Knows no wire. Invariant: the first event of a frame carries the frame; later events are marked as covered by it.

use std::collections::VecDeque;

use bytes::Bytes;
use hotspare_core::{Chunk, Event, Json, Origin, Raw, Signature};
use serde_json::value::RawValue;

use crate::text::Text;

/// Emits the events of one frame.
#[derive(Debug)]
pub struct Emit<'a> {
    out: &'a mut VecDeque<Chunk>,
    /// Position in `out` of its first event.
    from: usize,
    raw: Raw,
    emitted: bool,
}

impl<'a> Emit<'a> {
    /// For a frame that may be forwarded unchanged to a caller that uses `wire`.
    pub fn framed(out: &'a mut VecDeque<Chunk>, wire: &'static str, data: Bytes) -> Self {
        let from = out.len();
        Self { out, from, raw: Raw::Frame { wire, data }, emitted: false }
    }

    /// For events without a frame, or with a frame that is never forwarded.
    pub fn bare(out: &'a mut VecDeque<Chunk>) -> Self {
        let from = out.len();
        Self { out, from, raw: Raw::Absent, emitted: false }
    }

    /// Whether anything was emitted.
    #[must_use]
    pub fn emitted(&self) -> bool {
        self.emitted
    }

    /// Emits an event.
    pub fn push(&mut self, event: Event) {
        let chunk = self.chunk(event);
        self.out.push_back(chunk);
    }

    /// Pairs an event with the frame, if no earlier event took it, for the caller to emit later.
    pub fn chunk(&mut self, event: Event) -> Chunk {
        self.emitted = true;
        let rest = if self.raw == Raw::Absent { Raw::Absent } else { Raw::Covered };
        Chunk { event, raw: std::mem::replace(&mut self.raw, rest) }
    }

    /// Replaces the host's `word` with the wire's `own` in the frame. `word` must be a string of the frame that borrows from it;
    /// if it is not, the frame is dropped, because it would contradict its events.
    pub fn replace_word(&mut self, word: &str, own: &str) {
        let attached = self.out.range_mut(self.from..).map(|chunk| &mut chunk.raw);
        let mut raws: Vec<&mut Raw> = attached.chain([&mut self.raw]).collect();
        let frame = raws.iter_mut().find_map(|raw| match raw {
            Raw::Frame { data, .. } => Some(data),
            _ => None,
        });
        let Some(data) = frame else { return };
        match replaced(data, word, own) {
            Some(edited) => *data = edited,
            None => self.detach(),
        }
    }

    /// Drops the frame, because its events differ from it.
    pub fn detach(&mut self) {
        let attached = self.out.range_mut(self.from..).map(|chunk| &mut chunk.raw);
        attached.chain([&mut self.raw]).for_each(|raw| *raw = Raw::Absent);
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

    /// Emits the service tier unless the JSON is no text, is empty, or is what `known` already has.
    pub fn service_tier(&mut self, known: &mut String, raw: Option<&RawValue>) {
        let Some(raw) = raw.filter(|raw| raw.get() != known) else { return };
        if let Ok(Text(word)) = serde_json::from_str(raw.get())
            && !word.is_empty()
        {
            raw.get().clone_into(known);
            self.push(Event::ServiceTier(word.into_owned()));
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

/// The data with `own` in place of `word`, which must be a slice of it and a whole JSON string.
fn replaced(data: &[u8], word: &str, own: &str) -> Option<Bytes> {
    let start = word.as_ptr().addr().checked_sub(data.as_ptr().addr())?;
    let head = data.get(..start)?.strip_suffix(b"\"")?;
    let tail = data.get(start..)?.strip_prefix(word.as_bytes())?.strip_prefix(b"\"")?;
    let own = serde_json::to_vec(own).ok()?;
    Some([head, &own, tail].concat().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_is_attached_to_the_first_event() {
        let mut out = VecDeque::new();
        let mut emit = Emit::framed(&mut out, "w", Bytes::from_static(b"{}"));
        assert!(!emit.emitted());
        emit.text(Event::TextDelta, Some(""));
        emit.text(Event::TextDelta, Some("a"));
        emit.text(Event::TextDelta, None::<String>);
        emit.text(Event::TextDelta, Some("b"));
        emit.mark();
        assert!(emit.emitted());
        let raws: Vec<&Raw> = out.iter().map(|chunk| &chunk.raw).collect();
        assert_eq!(raws, [&Raw::Frame { wire: "w", data: Bytes::from_static(b"{}") }, &Raw::Covered]);
        let mut out = VecDeque::new();
        Emit::framed(&mut out, "w", Bytes::from_static(b"{}")).mark();
        assert_eq!(out[0].event, Event::Mark);
        let mut out = VecDeque::new();
        Emit::bare(&mut out).extend([Event::Mark, Event::Mark]);
        assert!(out.iter().all(|chunk| chunk.raw == Raw::Absent));
    }

    #[test]
    fn value_is_replaced_in_place_in_the_frame() {
        let data = Bytes::from_static(br#"{"said":"eos","end":"eos"}"#);
        let word = std::str::from_utf8(&data[21..24]).unwrap();
        for emitted_before in [true, false] {
            let mut out = VecDeque::from([Chunk::from(Event::Mark)]);
            let mut emit = Emit::framed(&mut out, "w", data.clone());
            emit.text(Event::TextDelta, emitted_before.then_some("eos"));
            emit.replace_word(word, "stop");
            emit.push(Event::Mark);
            let data = Bytes::from_static(br#"{"said":"eos","end":"stop"}"#);
            assert_eq!(out[1].raw, Raw::Frame { wire: "w", data });
        }
    }

    #[test]
    fn frame_that_cannot_be_edited_is_dropped() {
        let data = Bytes::from_static(br#"{"end":"e\u006fs"}"#);
        let mut out = VecDeque::new();
        let mut emit = Emit::framed(&mut out, "w", data);
        emit.extend([Event::Mark, Event::Mark]);
        emit.replace_word("eos", "stop");
        emit.push(Event::Mark);
        assert!(out.iter().all(|chunk| chunk.raw == Raw::Absent));
    }
}
