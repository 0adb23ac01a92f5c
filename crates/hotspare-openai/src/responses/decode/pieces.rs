//! Pieces of items: texts, arguments, and the item that each belongs to.
//!
//! Invariant: a piece of an unknown item begins one, except a call, which needs its name.

use hotspare_core::Event;
use hotspare_provider::{Emit, json_text};
use serde_json::value::RawValue;

use super::ResponseDecoder;
use super::items::{ItemKind, ItemState, is_item, same_kind};
use crate::responses::dto::EventDto;

impl ResponseDecoder {
    /// Emits a piece of an item.
    pub(super) fn delta(
        &mut self,
        frame: &EventDto<'_>,
        kind: ItemKind,
        events: &mut Emit<'_>,
        event: impl FnOnce(String) -> Event,
    ) {
        let position = self.find(frame, kind);
        if let Some(text) = frame.delta.map(json_text).filter(|text| !text.is_empty()) {
            self.items[position].emitted = true;
            events.push(event(text.into_owned()));
        }
    }

    /// Emits the finished text of a part whose pieces the host omitted.
    pub(super) fn finished_text(&mut self, frame: &EventDto<'_>, name: &str, events: &mut Emit<'_>) {
        let (kind, whole, event): (_, _, fn(String) -> Event) = match name {
            "response.output_text.done" => (ItemKind::Message, frame.text, Event::TextDelta),
            "response.refusal.done" => (ItemKind::Message, frame.refusal, Event::RefusalDelta),
            "response.reasoning_text.done" | "response.reasoning_summary_text.done" => {
                (ItemKind::Reasoning, frame.text, Event::ReasoningDelta)
            }
            _ => return,
        };
        let position = self.find(frame, kind);
        let whole = whole.map(json_text).unwrap_or_default();
        if !self.items[position].emitted && !whole.is_empty() {
            self.items[position].emitted = true;
            self.refused |= name == "response.refusal.done";
            events.push(event(whole.into_owned()));
        }
    }

    pub(super) fn arguments(
        &mut self,
        frame: &EventDto<'_>,
        arguments: Option<&RawValue>,
        whole: bool,
        events: &mut Emit<'_>,
    ) {
        let position = self.find(frame, ItemKind::Call(None));
        let state = &self.items[position];
        if (whole && state.emitted) || !matches!(state.kind, ItemKind::Call(_)) {
            return;
        }
        if let Some(text) = arguments.map(json_text).filter(|text| !text.is_empty()) {
            let index = match (state.kind, self.items[position].held_call.take()) {
                (ItemKind::Call(Some(index)), _) => index,
                (_, Some(call)) => self.start_call(position, call.id, call.name, events),
                _ => return,
            };
            let state = &mut self.items[position];
            state.emitted = true;
            events.push(Event::ToolDelta { index, arguments: text.into_owned() });
        }
    }

    /// The item that a frame belongs to: by its index, its id, or as the latest of its kind.
    pub(super) fn find(&mut self, frame: &EventDto<'_>, kind: ItemKind) -> usize {
        let (id, output_index) = (frame.item_id.as_ref().map_or("", |id| &id.0), frame.output_index.0);
        // The latest first: nearly every frame belongs to it.
        let known = self
            .items
            .iter()
            .rposition(|state| same_kind(state.kind, kind) && is_item(state, output_index, id));
        let latest = || {
            let unnamed =
                |state: &ItemState| !state.done && (state.output_index.is_none() || output_index.is_none());
            self.items.iter().rposition(|state| unnamed(state) && same_kind(state.kind, kind))
        };
        let found = known.or_else(latest);
        found.unwrap_or_else(|| {
            // A call cannot begin without its name: the finished item will supply all of it.
            let kind = if matches!(kind, ItemKind::Call(_)) { ItemKind::Other } else { kind };
            self.items.push(ItemState { output_index, id: id.to_owned(), kind, ..ItemState::default() });
            self.items.len() - 1
        })
    }
}
