//! The tool calls of an answer, from pieces that hosts number, name and order in different ways.
//!
//! Does not check arguments. Invariant: calls are numbered in the order in which their names arrive, and no piece of a
//! call is emitted before its name: until then it is held back.

use hotspare_core::Event;
use hotspare_provider::{Emit, json_text};

use crate::dto::{Function, ToolCall, is_json};

/// What is held back at most, in bytes: a name that arrives late does so within a few pieces.
const HELD: usize = 64 << 10;
/// Counted for each piece held back in addition to its arguments.
const PIECE: usize = 128;

/// The calls so far.
#[derive(Debug, Default)]
pub(super) struct Calls {
    list: Vec<Call>,
    /// How many of them have been emitted.
    named: u32,
    /// Bytes held back so far.
    held: usize,
}

#[derive(Debug)]
struct Call {
    /// The host's index, if it sends one.
    index: Option<u64>,
    id: String,
    name: String,
    /// Its number in the answer, once it has a name.
    number: Option<u32>,
    /// Arguments that arrived before the name.
    early: String,
    /// Whether it has arguments.
    filled: bool,
    /// Its first piece already had all of its arguments.
    complete: bool,
    /// It began under the index of another call.
    collides: bool,
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds a piece, or a whole call if the answer is whole. `answer` is the answer's id, from which a call without an
    /// id gets one.
    pub(super) fn add(&mut self, piece: ToolCall<'_>, whole: bool, answer: &str, events: &mut Emit<'_>) {
        let Function { name, arguments } = piece.function.unwrap_or_default();
        let id = piece.id.map(|id| id.0).unwrap_or_default();
        let name = name.map(|name| name.0).unwrap_or_default();
        let index = piece.index.0;
        let arguments = arguments.map(json_text).filter(|text| !text.is_empty());
        let known = if whole { None } else { self.find(index, &id, &name, arguments.is_some()) };
        let place = known.unwrap_or_else(|| {
            // All at once, as from hosts with unreliable indexes: arguments in pieces form an object only at the end.
            let complete =
                arguments.as_ref().is_some_and(|text| text.ends_with('}') && is_json(text.as_bytes()));
            self.list.push(Call {
                index,
                id: String::new(),
                name: String::new(),
                number: None,
                early: String::new(),
                filled: false,
                complete,
                collides: self.list.iter().any(|call| index.is_some() && call.index == index),
            });
            self.list.len() - 1
        });
        let call = &mut self.list[place];
        if call.collides && !call.filled {
            call.index = index.or(call.index);
        }
        call.filled |= arguments.is_some();
        if call.number.is_none() {
            if !id.is_empty() {
                call.id = id.into_owned();
            }
            if name.is_empty() && !whole && self.held < HELD {
                let arguments = arguments.as_deref().unwrap_or_default();
                call.early.push_str(arguments);
                self.held += arguments.len() + PIECE;
                // Part of it is repeated later.
                events.detach();
                return;
            }
            call.name = name.into_owned();
            self.begin(place, answer, events);
            if known.is_some() {
                // The frame has only the rest of what this begins.
                events.detach();
            }
        }
        if let (Some(index), Some(arguments)) = (self.list[place].number, arguments) {
            events.push(Event::ToolDelta { index, arguments: arguments.into_owned() });
        }
    }

    /// Emits what was held back and never got a name, so that the answer is refused; an entry without any content is
    /// none.
    pub(super) fn end(&mut self, answer: &str, events: &mut Emit<'_>) {
        self.list.retain(|call| call.number.is_some() || call.filled || !call.id.is_empty());
        for place in 0..self.list.len() {
            if self.list[place].number.is_none() {
                events.detach();
                self.begin(place, answer, events);
            }
        }
    }

    /// The call that a piece of a stream continues.
    ///
    /// A call that has no name yet continues under its index. A new id begins a new call, even under an index that was
    /// used before; without an id the index decides, and without either, the name. Under a known index, a name begins a
    /// new call if it differs, or if the call before it has all its arguments.
    fn find(&self, index: Option<u64>, id: &str, name: &str, filled: bool) -> Option<usize> {
        let last = |matches: &dyn Fn(&Call) -> bool| self.list.iter().rposition(matches);
        let same_id = |call: &Call| call.id.is_empty() || id.is_empty() || call.id == id;
        let nameless = last(&|call| call.number.is_none() && call.index == index && same_id(call));
        if nameless.is_some() {
            return nameless;
        }
        if !id.is_empty() {
            // Some hosts make up an id for each piece; a call that begins has a name.
            let piece = || last(&|call| name.is_empty() && call.index == index);
            return last(&|call| call.id == id).or_else(piece);
        }
        if index.is_some() {
            let another = |call: &Call| !name.is_empty() && (call.name != name || (call.complete && filled));
            if let Some(place) = last(&|call| call.index == index) {
                return Some(place).filter(|place| !another(&self.list[*place]));
            }
            // One host begins a call under the index of the call before it and goes on under the next.
            let strayed = self.list.len().checked_sub(1)?;
            let call = &self.list[strayed];
            return (name.is_empty() && call.collides && !call.filled).then_some(strayed);
        }
        if name.is_empty() { self.list.len().checked_sub(1) } else { None }
    }

    /// Emits the beginning of a call, and the arguments held back.
    fn begin(&mut self, place: usize, answer: &str, events: &mut Emit<'_>) {
        let number = self.named;
        self.named = self.named.saturating_add(1);
        let call = &mut self.list[place];
        call.number = Some(number);
        if call.id.is_empty() {
            call.id = format!("call_{answer}_{number}");
        }
        let early = std::mem::take(&mut call.early);
        events.push(Event::ToolStarted { index: number, id: call.id.clone(), name: call.name.clone() });
        if !early.is_empty() {
            events.push(Event::ToolDelta { index: number, arguments: early });
        }
    }
}
