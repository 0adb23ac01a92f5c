//! Frames to events, for streams and whole answers.
//!
//! A stream sends everything up to three times: in pieces, as a finished item, and in the answer as a whole. Each is
//! read once: the pieces if there are any, else the item, else the whole. Hosts omit fields and frames freely, so what
//! belongs together is matched by index, by id, or as the latest of its kind. Invariant: an answer is complete once the
//! wire says so; a body that ends before that is truncated, whatever it contained.

use std::collections::VecDeque;

use hotspare_core::{Chunk, Error, Event, Json, Kind, Native, Origin, Signature};
use hotspare_provider::{Decoder, Emit, Frame, Text, check_items, json_text};
use serde_json::value::RawValue;

use super::RESPONSES_WIRE;
use super::dto::{EventDto, Item, Response};
use crate::classify;
use crate::decode::non_empty_error;
use crate::dto::json;

mod events;
mod items;
mod pieces;
mod whole;

use events::{list, read, text, whole_json};
use items::{HeldCall, ItemKind, ItemState, is_item, is_progress, item_kind, same_kind};
use whole::unexplained_failure;

/// Separates two paragraphs of reasoning that the wire sends as separate parts.
const PARAGRAPH: &str = "\n\n";

/// Decodes one reply.
#[derive(Debug)]
pub(super) struct ResponseDecoder {
    origin: Origin,
    started: bool,
    /// Whether any frame was understood.
    received: bool,
    finished: bool,
    refused: bool,
    /// Whether the provider stores nothing: then an item's id alone is of no use to it.
    stateless: bool,
    items: Vec<ItemState>,
    tool_calls: u32,
    /// Whether a tool without a schema was called, which the caller must answer, too.
    custom_tool_called: bool,
}

impl ResponseDecoder {
    pub(super) fn new(origin: Origin) -> Self {
        Self {
            origin,
            started: false,
            received: false,
            finished: false,
            refused: false,
            stateless: false,
            items: Vec::new(),
            tool_calls: 0,
            custom_tool_called: false,
        }
    }

    fn read(&mut self, frame: &EventDto<'_>, data: &str, events: &mut Emit<'_>) -> Result<(), Error> {
        let Some(kind) = frame.kind.as_ref().map(|kind| &*kind.0) else {
            if frame.object.is_some() {
                return self.whole(data, events);
            }
            let error = non_empty_error(frame.error).map(|error| classify::in_reply(error.get()));
            return Err(error
                .or_else(|| classify::top_level_error(data))
                .unwrap_or_else(|| Error::new(Kind::Protocol, "a frame is neither an answer nor an error")));
        };
        self.received = true;
        match kind {
            "response.created" | "response.in_progress" | "response.queued" => self.start(frame, events)?,
            "response.output_item.added" => self.begin(frame, events)?,
            "response.output_text.delta" => {
                self.delta(frame, ItemKind::Message, events, Event::TextDelta);
                events.extend(frame.logprobs.and_then(list).map(Event::LogProbs));
            }
            "response.refusal.delta" => {
                self.refused = true;
                self.delta(frame, ItemKind::Message, events, Event::RefusalDelta);
            }
            "response.reasoning_summary_text.delta"
            | "response.reasoning_text.delta"
            | "response.reasoning_summary.delta"
            | "response.reasoning.delta" => {
                self.delta(frame, ItemKind::Reasoning, events, Event::ReasoningDelta);
            }
            "response.reasoning_summary_part.added" => {
                let position = self.find(frame, ItemKind::Reasoning);
                if frame.summary_index.0.unwrap_or(0) > 0 && self.items[position].emitted {
                    events.push(Event::ReasoningDelta(PARAGRAPH.into()));
                }
            }
            "response.function_call_arguments.delta" => self.arguments(frame, frame.delta, false, events),
            "response.function_call_arguments.done" => self.arguments(frame, frame.arguments, true, events),
            "response.output_text.annotation.added" => {
                let position = self.find(frame, ItemKind::Message);
                if let Some(note) = frame.annotation.and_then(json) {
                    self.items[position].annotations += 1;
                    events.push(Event::Annotation(note));
                }
            }
            "response.output_item.done" => self.end(frame, events)?,
            "response.completed" | "response.incomplete" | "response.done" => {
                self.whole(frame.response.map_or("{}", RawValue::get), events)?;
            }
            "response.failed" | "response.cancelled" => {
                let response: Response<'_> = read(frame.response.map_or("{}", RawValue::get))?;
                let error = non_empty_error(response.error).or(non_empty_error(frame.error));
                return Err(error.map_or_else(unexplained_failure, |error| classify::in_reply(error.get())));
            }
            "error" => {
                return Err(classify::in_reply(non_empty_error(frame.error).map_or(data, RawValue::get)));
            }
            // Repeats what comes in pieces before it, or with the finished item.
            "response.content_part.added"
            | "response.content_part.done"
            | "response.output_text.done"
            | "response.refusal.done"
            | "response.reasoning_text.done"
            | "response.reasoning_summary_text.done"
            | "response.reasoning_summary_part.done" => self.finished_text(frame, kind, events),
            kind if is_progress(kind) => {}
            kind => {
                let raw = Json::parse(data).map_err(|_| Error::new(Kind::Protocol, "a frame is not JSON"))?;
                events.push(Event::Other { kind: kind.to_owned(), raw });
            }
        }
        Ok(())
    }

    fn start(&mut self, frame: &EventDto<'_>, events: &mut Emit<'_>) -> Result<(), Error> {
        let response: Response<'_> = read(frame.response.map_or("{}", RawValue::get))?;
        self.announce(&response, events);
        Ok(())
    }

    fn announce(&mut self, response: &Response<'_>, events: &mut Emit<'_>) {
        self.stateless |= response.store == Some(false);
        if !std::mem::replace(&mut self.started, true) {
            let name = |text: &Option<Text<'_>>| {
                text.as_ref().map(|text| text.0.clone().into_owned()).filter(|text| !text.is_empty())
            };
            events.push(Event::Started { id: name(&response.id), model: name(&response.model) });
        }
    }

    /// Emits a call that was held.
    fn release(&mut self, position: usize, events: &mut Emit<'_>) {
        let Some(call) = self.items[position].held_call.take() else { return };
        let index = self.start_call(position, call.id, call.name, events);
        if !call.arguments.is_empty() {
            self.items[position].emitted = true;
            events.push(Event::ToolDelta { index, arguments: call.arguments });
        }
    }

    /// Begins an item.
    fn begin(&mut self, frame: &EventDto<'_>, events: &mut Emit<'_>) -> Result<(), Error> {
        let Some(raw) = frame.item else { return Ok(()) };
        let item: Item<'_> = read(raw.get())?;
        let kind = item_kind(&item);
        let position = self.items.len();
        self.items.push(ItemState {
            output_index: frame.output_index.0,
            id: text(&item.id),
            kind,
            ..ItemState::default()
        });
        if let ItemKind::Call(_) = kind {
            let arguments = item.arguments.map(json_text).unwrap_or_default();
            if arguments.is_empty() {
                self.call(position, &item, events);
            } else {
                // Complete from the start. One host announces its own searches so, and replaces them by their results.
                let (id, name, arguments) = (call_id(&item), text(&item.name), arguments.into_owned());
                self.items[position].held_call = Some(HeldCall { id, name, arguments });
            }
        }
        Ok(())
    }

    fn call(&mut self, position: usize, item: &Item<'_>, events: &mut Emit<'_>) -> u32 {
        self.start_call(position, call_id(item), text(&item.name), events)
    }

    fn start_call(&mut self, position: usize, id: String, name: String, events: &mut Emit<'_>) -> u32 {
        let index = self.tool_calls;
        self.tool_calls += 1;
        self.items[position].kind = ItemKind::Call(Some(index));
        let id = if id.is_empty() { format!("call_{index}") } else { id };
        events.push(Event::ToolStarted { index, id, name });
        index
    }

    /// Ends an item.
    fn end(&mut self, frame: &EventDto<'_>, events: &mut Emit<'_>) -> Result<(), Error> {
        let Some(raw) = frame.item else { return Ok(()) };
        let item: Item<'_> = read(raw.get())?;
        let id = text(&item.id);
        let output_index = frame.output_index.0;
        let position = self
            .items
            .iter()
            .position(|state| !state.done && is_item(state, output_index, &id))
            .or_else(|| {
                let unnamed = |state: &ItemState| {
                    !state.done && (state.output_index.is_none() || output_index.is_none())
                };
                self.items.iter().position(|state| unnamed(state) && same_kind(state.kind, item_kind(&item)))
            });
        self.item(raw, position, events)
    }

    /// Emits what the pieces of a finished item have not.
    fn item(&mut self, raw: &RawValue, position: Option<usize>, events: &mut Emit<'_>) -> Result<(), Error> {
        let item: Item<'_> = read(raw.get())?;
        let position = position.unwrap_or_else(|| {
            self.items.push(ItemState { id: text(&item.id), kind: ItemKind::Other, ..ItemState::default() });
            self.items.len() - 1
        });
        self.items[position].done = true;
        let emitted = self.items[position].emitted;
        match item_kind(&item) {
            ItemKind::Message => {
                for part in item.content.iter().flatten() {
                    if let Some(text) = part.text.as_ref().filter(|text| !emitted && !text.0.is_empty()) {
                        events.push(Event::TextDelta(text.0.clone().into_owned()));
                        events.extend(part.logprobs.and_then(list).map(Event::LogProbs));
                    }
                    if let Some(text) = part.refusal.as_ref().filter(|text| !text.0.is_empty()) {
                        self.refused = true;
                        if !emitted {
                            events.push(Event::RefusalDelta(text.0.clone().into_owned()));
                        }
                    }
                }
                let annotations =
                    item.content.iter().flatten().flat_map(|part| part.annotations.iter().flatten());
                let annotations =
                    annotations.skip(self.items[position].annotations).filter_map(|note| json(note));
                events.extend(annotations.map(Event::Annotation));
            }
            ItemKind::Call(_) => {
                let arguments = item.arguments.map(json_text).filter(|text| !text.is_empty());
                if arguments.is_none() {
                    self.release(position, events);
                }
                let index = match self.items[position].kind {
                    ItemKind::Call(Some(index)) => index,
                    _ => self.call(position, &item, events),
                };
                let arguments = arguments.filter(|_| !emitted);
                events.extend(arguments.map(|text| Event::ToolDelta { index, arguments: text.into_owned() }));
            }
            ItemKind::Reasoning => self.reasoning(raw, &item, emitted, events)?,
            ItemKind::Other => {
                self.custom_tool_called |=
                    item.kind.as_ref().is_some_and(|kind| kind.0 == "custom_tool_call");
                events.push(Event::Native(Box::new(Native::new(RESPONSES_WIRE, whole_json(raw)?))));
            }
        }
        Ok(())
    }

    /// Emits reasoning, and the raw item, which its origin expects back.
    fn reasoning(
        &mut self,
        raw: &RawValue,
        item: &Item<'_>,
        emitted: bool,
        events: &mut Emit<'_>,
    ) -> Result<(), Error> {
        let parts = item.summary.iter().flatten().chain(item.content.iter().flatten());
        let texts: Vec<&str> = parts
            .filter_map(|part| part.text.as_ref())
            .map(|text| &*text.0)
            .filter(|text| !text.is_empty())
            .collect();
        if !emitted && !texts.is_empty() {
            events.push(Event::ReasoningDelta(texts.join(PARAGRAPH)));
        }
        let is_encrypted = item.encrypted_content.as_ref().is_some_and(|text| !text.0.is_empty());
        let is_stored = !self.stateless && !text(&item.id).is_empty();
        if is_encrypted || is_stored {
            events.push(Event::ReasoningSignature(Signature {
                origin: self.origin.clone(),
                data: whole_json(raw)?.as_str().to_owned(),
                redacted: texts.is_empty() && !emitted,
            }));
        }
        Ok(())
    }
}

impl Decoder for ResponseDecoder {
    fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let data = frame.object();
        if data.is_empty() || data == b"[DONE]" || self.finished {
            return Ok(());
        }
        let Ok(text) = std::str::from_utf8(data) else {
            return Err(Error::new(Kind::Protocol, "a frame is not UTF-8"));
        };
        let mut events = Emit::framed(out, RESPONSES_WIRE, frame.data.clone());
        let read: EventDto<'_> = read(text)?;
        self.read(&read, text, &mut events)?;
        check_items(self.items.len())?;
        if !events.emitted() {
            events.push(Event::Mark);
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut VecDeque<Chunk>) -> Result<(), Error> {
        if self.finished {
            Ok(())
        } else if self.received {
            Err(Error::new(Kind::Truncated, "the answer ended without a terminal event"))
        } else {
            Err(Error::new(Kind::Protocol, "the reply is empty"))
        }
    }
}

/// The id under which a call is answered.
fn call_id(item: &Item<'_>) -> String {
    let id = text(&item.call_id);
    if id.is_empty() { text(&item.id) } else { id }
}

#[cfg(test)]
mod tests;
