//! The tool calls of an answer, from pieces that hosts number, name and order in different ways.
//!
//! Does not check arguments. Invariant: calls are numbered in the order in which their names arrive, and no piece of a
//! call is emitted before its name: until then it is held back.

use hotspare_core::{Error, Event, Json, Native};
use hotspare_provider::{Emit, check_items, json_text};

use crate::WIRE;
use crate::dto::{Function, ToolCall, is_json, json};

/// The most bytes to hold back: a name that arrives late does so within a few deltas.
const HELD_LIMIT: usize = 64 << 10;
/// Bytes counted for each delta that is held back, in addition to its arguments.
const PIECE_COST: usize = 128;

/// The calls so far.
#[derive(Debug, Default)]
pub(super) struct ToolCalls {
    list: Vec<PartialCall>,
    /// How many of them have been emitted.
    started: u32,
    /// Bytes held back so far.
    held: usize,
}

#[derive(Debug)]
struct PartialCall {
    /// The host's index, if it sends one.
    index: Option<u64>,
    id: String,
    name: String,
    /// Its index in the emitted answer, once it has a name.
    output_index: Option<u32>,
    /// Arguments that arrived before the name.
    held_arguments: String,
    /// What the host wants back with it, if that arrived before the name.
    extra_content: Option<Json>,
    /// Whether it has arguments.
    has_arguments: bool,
    /// Whether its first delta contained all of its arguments.
    complete: bool,
    /// Whether it started under the index of another call.
    index_collides: bool,
}

impl ToolCalls {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds a piece, or a whole call if the answer is whole. `answer` is the answer's id, from which a call without an
    /// id gets one.
    ///
    /// # Errors
    /// [`Kind::Protocol`](hotspare_core::Kind::Protocol) if there are too many.
    pub(super) fn add(
        &mut self,
        delta: ToolCall<'_>,
        whole: bool,
        answer: &str,
        events: &mut Emit<'_>,
    ) -> Result<(), Error> {
        let Function { name, arguments } = delta.function.unwrap_or_default();
        let id = delta.id.map(|id| id.0).unwrap_or_default();
        let name = name.map(|name| name.0).unwrap_or_default();
        let index = delta.index.0;
        let extra_content = delta.extra_content.and_then(json);
        let arguments = arguments.map(json_text).filter(|text| !text.is_empty());
        let known = if whole { None } else { self.find(index, &id, &name, arguments.is_some()) };
        check_items(self.list.len() + usize::from(known.is_none()))?;
        let position = known.unwrap_or_else(|| {
            // All at once, as from hosts with unreliable indexes: arguments in pieces form an object only at the end.
            let complete =
                arguments.as_ref().is_some_and(|text| text.ends_with('}') && is_json(text.as_bytes()));
            self.list.push(PartialCall {
                index,
                id: String::new(),
                name: String::new(),
                output_index: None,
                held_arguments: String::new(),
                extra_content: None,
                has_arguments: false,
                complete,
                index_collides: self.list.iter().any(|call| index.is_some() && call.index == index),
            });
            self.list.len() - 1
        });
        let call = &mut self.list[position];
        if call.index_collides && !call.has_arguments {
            call.index = index.or(call.index);
        }
        call.has_arguments |= arguments.is_some();
        let waits = call.output_index.is_none() && name.is_empty() && !whole;
        if let Some(own) = extra_content {
            self.held += if waits { own.as_str().len() } else { 0 };
            if !waits || self.held < HELD_LIMIT {
                call.extra_content = Some(own);
            }
        }
        if call.output_index.is_none() {
            if !id.is_empty() {
                call.id = id.into_owned();
            }
            if waits && self.held < HELD_LIMIT {
                let arguments = arguments.as_deref().unwrap_or_default();
                call.held_arguments.push_str(arguments);
                self.held += arguments.len() + PIECE_COST;
                // Part of it is repeated later.
                events.detach();
                return Ok(());
            }
            call.name = name.into_owned();
            self.start(position, answer, events);
            if known.is_some() {
                // The frame has only the rest of what this begins.
                events.detach();
            }
        }
        if let (Some(index), Some(arguments)) = (self.list[position].output_index, arguments) {
            events.push(Event::ToolDelta { index, arguments: arguments.into_owned() });
        }
        let call = &mut self.list[position];
        // Only the last part can get fields: a host that mixes calls sends none.
        if call.output_index.is_some_and(|index| index + 1 == self.started)
            && let Some(own) = call.extra_content.take()
        {
            let own = serde_json::json!({ "extra_content": own });
            events.push(Event::Fields(Box::new(Native::new(WIRE, own.into()))));
        }
        Ok(())
    }

    /// Emits what was held back and never got a name, so that the answer is refused; an entry without any content is
    /// none.
    pub(super) fn end(&mut self, answer: &str, events: &mut Emit<'_>) {
        self.list.retain(|call| call.output_index.is_some() || call.has_arguments || !call.id.is_empty());
        for position in 0..self.list.len() {
            if self.list[position].output_index.is_none() {
                events.detach();
                self.start(position, answer, events);
            }
        }
    }

    /// The call that a piece of a stream continues.
    ///
    /// A call that has no name yet continues under its index. A new id begins a new call, even under an index that was
    /// used before; without an id the index decides, and without either, the name. Under a known index, a name begins a
    /// new call if it differs, or if the call before it has all its arguments.
    fn find(&self, index: Option<u64>, id: &str, name: &str, has_arguments: bool) -> Option<usize> {
        let last = |matches: &dyn Fn(&PartialCall) -> bool| self.list.iter().rposition(matches);
        let same_id = |call: &PartialCall| call.id.is_empty() || id.is_empty() || call.id == id;
        let nameless = last(&|call| call.output_index.is_none() && call.index == index && same_id(call));
        if nameless.is_some() {
            return nameless;
        }
        if !id.is_empty() {
            // Some hosts make up an id for each piece; a call that begins has a name.
            let same_index = || last(&|call| name.is_empty() && call.index == index);
            return last(&|call| call.id == id).or_else(same_index);
        }
        if index.is_some() {
            let another = |call: &PartialCall| {
                !name.is_empty() && (call.name != name || (call.complete && has_arguments))
            };
            if let Some(position) = last(&|call| call.index == index) {
                return Some(position).filter(|position| !another(&self.list[*position]));
            }
            // One host begins a call under the index of the call before it and goes on under the next.
            let last_position = self.list.len().checked_sub(1)?;
            let call = &self.list[last_position];
            return (name.is_empty() && call.index_collides && !call.has_arguments).then_some(last_position);
        }
        if name.is_empty() { self.list.len().checked_sub(1) } else { None }
    }

    /// Emits the beginning of a call, and the arguments held back.
    fn start(&mut self, position: usize, answer: &str, events: &mut Emit<'_>) {
        let output_index = self.started;
        self.started = self.started.saturating_add(1);
        let call = &mut self.list[position];
        call.output_index = Some(output_index);
        if call.id.is_empty() {
            call.id = format!("call_{answer}_{output_index}");
        }
        let held_arguments = std::mem::take(&mut call.held_arguments);
        events.push(Event::ToolStarted { index: output_index, id: call.id.clone(), name: call.name.clone() });
        if !held_arguments.is_empty() {
            events.push(Event::ToolDelta { index: output_index, arguments: held_arguments });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use hotspare_provider::ITEMS_LIMIT;
    use serde_json::json;

    use super::*;

    fn decoded(deltas: &[serde_json::Value]) -> Vec<Event> {
        let (mut calls, mut chunks) = (ToolCalls::default(), VecDeque::new());
        for delta in deltas {
            let text = delta.to_string();
            let delta: ToolCall<'_> = serde_json::from_str(&text).unwrap();
            calls.add(delta, false, "a", &mut Emit::bare(&mut chunks)).unwrap();
        }
        chunks.into_iter().map(|chunk| chunk.event).collect()
    }

    #[test]
    fn an_answer_of_too_many_calls_is_refused() {
        for whole in [false, true] {
            let (mut calls, mut chunks) = (ToolCalls::default(), VecDeque::new());
            let mut added = 0;
            let refused = loop {
                let text =
                    json!({"index": added, "id": format!("c{added}"), "function": {"name": "f"}}).to_string();
                let delta: ToolCall<'_> = serde_json::from_str(&text).unwrap();
                match calls.add(delta, whole, "a", &mut Emit::bare(&mut chunks)) {
                    Ok(()) => added += 1,
                    Err(error) => break error,
                }
            };
            assert_eq!((added, refused.kind()), (ITEMS_LIMIT, hotspare_core::Kind::Protocol));
            assert!(refused.message().contains("4096"), "{refused}");
        }
    }

    /// A host that signs its thoughts refuses the next turn without them.
    #[test]
    fn what_the_host_wants_back_follows_its_call() {
        let extra = |signature: &str| json!({"google": {"thought_signature": signature}});
        let fields = |signature: &str| {
            let own = json!({"extra_content": extra(signature)});
            Event::Fields(Box::new(Native::new(WIRE, own.into())))
        };
        let started = |index: u32, id: &str| Event::ToolStarted { index, id: id.into(), name: "f".into() };
        let arguments = |index: u32| Event::ToolDelta { index, arguments: "{}".into() };
        let call = |id: &str, signature: &str| json!({"id": id, "function": {"name": "f", "arguments": "{}"}, "extra_content": extra(signature)});
        assert_eq!(
            decoded(&[call("c1", "s1"), call("c2", "s2")]),
            [started(0, "c1"), arguments(0), fields("s1"), started(1, "c2"), arguments(1), fields("s2")]
        );
        let late_name = [
            json!({"index": 0, "id": "c", "extra_content": extra("s")}),
            json!({"index": 0, "function": {"name": "f"}}),
            json!({"index": 0, "function": {"arguments": "{}"}}),
        ];
        assert_eq!(decoded(&late_name), [started(0, "c"), fields("s"), arguments(0)]);
        // What is emitted at once takes no room: signatures may be long, and calls many.
        let long = "s".repeat(HELD_LIMIT / 4);
        let mut deltas: Vec<_> = (0..8).map(|number| call(&format!("c{number}"), &long)).collect();
        deltas.extend(late_name);
        let events = decoded(&deltas);
        assert_eq!(events.iter().filter(|event| **event == fields(&long)).count(), 8);
        assert!(events.ends_with(&[started(8, "c"), fields("s"), arguments(8)]), "there is still room");
        let waiting = json!({"index": 0, "id": "w", "extra_content": extra(&"s".repeat(HELD_LIMIT))});
        assert!(decoded(&[waiting, call("c1", "s1")]).contains(&fields("s1")), "nothing waits for it");
    }
}
