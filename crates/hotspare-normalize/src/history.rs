//! Makes a conversation with one model acceptable to another.
//!
//! Neither a translation to a wire nor trimming: no word of the conversation is lost. Invariant: the result depends
//! only on the request, the wire and the origin, turn by turn, so that the beginning of a growing conversation is
//! always rewritten to the same text and stays in the provider's prompt cache.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use hotspare_core::{ChatRequest, Error, Kind, Message, Origin, Part, Role, Signature};

use crate::tool_ids::{derived_id, is_short};

/// The longest id of a tool call that all known servers accept.
const ID_LIMIT: usize = 40;

/// The user's first turn where the assistant must not speak first: as short as possible without being empty, and it
/// asks for nothing.
const OPENING: &str = "Begin.";

/// A request that its target accepts, and the changes that this required.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Portable<'a> {
    /// The request; borrowed if it is unchanged.
    pub request: Cow<'a, ChatRequest>,
    /// The changes, one note for each kind.
    pub notes: Vec<Note>,
}

/// A change made to a conversation, with the number of places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// Removed hidden reasoning that only its origin can read.
    HiddenReasoning(usize),
    /// Removed parts that belong to another wire.
    Native(usize),
    /// Removed another origin's signatures from visible reasoning.
    Signatures(usize),
    /// Changed ids of tool calls that were empty, used before, or not acceptable to the target.
    ToolIds(usize),
    /// Removed empty texts and messages.
    Empty(usize),
    /// Inserted a user turn before the assistant, who spoke first.
    UserFirst,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HiddenReasoning(n) => write!(f, "dropped hidden reasoning of another model ({n})"),
            Self::Native(n) => write!(f, "dropped parts specific to another wire ({n})"),
            Self::Signatures(n) => write!(f, "dropped another model's signatures ({n})"),
            Self::ToolIds(n) => write!(f, "renamed tool calls ({n})"),
            Self::Empty(n) => write!(f, "dropped empty text or messages ({n})"),
            Self::UserFirst => f.write_str("inserted a user turn before the leading assistant turn"),
        }
    }
}

/// Rewrites `request` for a target that uses `wire` and accepts only signatures of `origin`, or none if that is `None`.
///
/// Foreign signatures are removed, and with them reasoning that is hidden inside them. Parts and fields of other wires
/// are removed; [`foreign_fields`](crate::foreign_fields) names the fields. Ids of tool calls become unique and plain (1 to 40
/// ASCII letters, digits, `_`, `-`), in calls and results alike. Empty texts are removed, and so are empty messages without
/// fields of `wire`.
///
/// # Errors
/// [`Kind::InvalidRequest`] if a tool result answers no call before it, or one that already has a result.
pub fn portable<'a>(
    request: &'a ChatRequest,
    wire: &str,
    origin: Option<&Origin>,
) -> Result<Portable<'a>, Error> {
    let mut planner = EditPlanner::new(wire, origin);
    let mut edits = Vec::new();
    let mut empty_messages = 0;
    for (at, message) in request.messages.iter().enumerate() {
        let mut kept = has_own_fields(message, wire);
        for (part_index, part) in message.parts.iter().enumerate() {
            let edit = planner.read(at, part)?;
            kept |= !matches!(edit, Some(Edit::Remove));
            edits.extend(edit.map(|edit| (at, part_index, edit)));
        }
        empty_messages += usize::from(!kept);
    }
    planner.empty += empty_messages;
    let notes = planner.notes();
    if edits.is_empty() && empty_messages == 0 {
        return Ok(Portable { request: Cow::Borrowed(request), notes });
    }
    let mut request = request.clone();
    for (at, part_index, edit) in edits {
        apply(&mut request.messages[at].parts[part_index], edit);
    }
    for message in &mut request.messages {
        message.parts.retain(|part| part.as_text() != Some(""));
    }
    request.messages.retain(|message| !message.parts.is_empty() || has_own_fields(message, wire));
    Ok(Portable { request: Cow::Owned(request), notes })
}

/// Whether a message has fields of `wire`. They may be all that it is, such as the id of an answer of sound.
fn has_own_fields(message: &Message, wire: &str) -> bool {
    message.extras.get(wire).is_some_and(|fields| !fields.is_empty())
}

/// Rewrites `request` for a target that requires the user to speak first: if the assistant does, a short user turn is
/// inserted before it. `None` if nothing has to be changed.
///
/// Messages of nothing but white space do not count, because some wires drop them.
#[must_use]
pub fn user_first(request: &ChatRequest) -> Option<(ChatRequest, Note)> {
    let has_content = |part: &Part| part.as_text().is_none_or(|text| !text.trim().is_empty());
    let is_turn = |message: &Message| {
        !matches!(message.role, Role::System | Role::Developer) && message.parts.iter().any(has_content)
    };
    let first = request.messages.iter().position(is_turn)?;
    if request.messages[first].role != Role::Assistant {
        return None;
    }
    let mut request = request.clone();
    request.messages.insert(first, Message::user(OPENING));
    Some((request, Note::UserFirst))
}

/// Rewrites `request` for a target that accepts only nine ASCII letters and digits as ids of tool calls, in calls and
/// results alike. `None` if nothing has to be changed.
///
/// A new id depends only on the old one and the ids before it, so the beginning of a growing conversation stays the
/// same.
#[must_use]
pub fn short_tool_ids(request: &ChatRequest) -> Option<(ChatRequest, Note)> {
    let parts = || request.messages.iter().flat_map(|message| &message.parts);
    if parts().all(|part| !matches!(part, Part::ToolCall(call) if !is_short(&call.id))) {
        return None;
    }
    let mut request = request.clone();
    let mut new_ids: BTreeMap<String, String> = BTreeMap::new();
    let mut used_ids = BTreeSet::new();
    let mut renamed = 0;
    for part in request.messages.iter_mut().flat_map(|message| &mut message.parts) {
        match part {
            Part::ToolCall(call) => {
                let mut id = call.id.clone();
                let mut attempt = 0_u32;
                while !is_short(&id) || used_ids.contains(&id) {
                    id = derived_id(&[&call.id, &attempt.to_string()]);
                    attempt = attempt.wrapping_add(1);
                }
                renamed += usize::from(id != call.id);
                used_ids.insert(id.clone());
                new_ids.insert(std::mem::replace(&mut call.id, id.clone()), id);
            }
            Part::ToolResult(result) => {
                if let Some(id) = new_ids.get(&result.id) {
                    result.id.clone_from(id);
                }
            }
            _ => {}
        }
    }
    Some((request, Note::ToolIds(renamed)))
}

enum Edit {
    Remove,
    Rename(String),
    Unsign,
}

fn apply(part: &mut Part, edit: Edit) {
    match (edit, part) {
        // Empty texts are removed in a later pass.
        (Edit::Remove, part) => *part = Part::Text(String::new()),
        (Edit::Rename(id), Part::ToolCall(call)) => call.id = id,
        (Edit::Rename(id), Part::ToolResult(result)) => result.id = id,
        (Edit::Unsign, Part::Reasoning(reasoning)) => reasoning.signature = None,
        // Unreachable: each edit was made for the part it is applied to.
        (Edit::Rename(_) | Edit::Unsign, _) => {}
    }
}

/// Reads a conversation from its beginning and decides what to change.
struct EditPlanner<'a> {
    wire: &'a str,
    origin: Option<&'a Origin>,
    used_ids: BTreeSet<String>,
    /// For each original id, the current ids of its calls that have no result yet, oldest first.
    open: BTreeMap<&'a str, VecDeque<String>>,
    calls: usize,
    hidden: usize,
    native: usize,
    signatures: usize,
    renamed: usize,
    empty: usize,
}

impl<'a> EditPlanner<'a> {
    fn new(wire: &'a str, origin: Option<&'a Origin>) -> Self {
        Self {
            wire,
            origin,
            used_ids: BTreeSet::new(),
            open: BTreeMap::new(),
            calls: 0,
            hidden: 0,
            native: 0,
            signatures: 0,
            renamed: 0,
            empty: 0,
        }
    }

    fn read(&mut self, at: usize, part: &'a Part) -> Result<Option<Edit>, Error> {
        Ok(match part {
            Part::Text(text) if text.is_empty() => {
                self.empty += 1;
                Some(Edit::Remove)
            }
            Part::Reasoning(reasoning) => {
                let foreign = |signature: &Signature| Some(&signature.origin) != self.origin;
                match &reasoning.signature {
                    None if reasoning.text.is_empty() => {
                        self.empty += 1;
                        Some(Edit::Remove)
                    }
                    Some(signature) if foreign(signature) => {
                        if signature.redacted || reasoning.text.is_empty() {
                            self.hidden += 1;
                            Some(Edit::Remove)
                        } else {
                            self.signatures += 1;
                            Some(Edit::Unsign)
                        }
                    }
                    _ => None,
                }
            }
            Part::Native(native) if native.wire != self.wire => {
                self.native += 1;
                Some(Edit::Remove)
            }
            Part::Fields(fields) if fields.wire != self.wire => Some(Edit::Remove),
            Part::ToolCall(call) => {
                let new_id = self.call(&call.id, &call.name);
                self.renamed += usize::from(new_id.is_some());
                new_id.map(Edit::Rename)
            }
            Part::ToolResult(result) => {
                let Some(new_id) = self.open.get_mut(result.id.as_str()).and_then(VecDeque::pop_front) else {
                    return Err(self.unmatched_result(at, &result.id));
                };
                (new_id != result.id).then_some(Edit::Rename(new_id))
            }
            _ => None,
        })
    }

    /// The new id for a call, if its own cannot be kept.
    fn call(&mut self, id: &'a str, name: &str) -> Option<String> {
        let call_index = self.calls.to_string();
        self.calls += 1;
        let mut new_id = id.to_owned();
        let mut attempt = 0_u32;
        while !is_portable_id(&new_id) || self.used_ids.contains(&new_id) {
            new_id = derived_id(&[id, name, &call_index, &attempt.to_string()]);
            attempt = attempt.wrapping_add(1);
        }
        self.used_ids.insert(new_id.clone());
        self.open.entry(id).or_default().push_back(new_id.clone());
        (new_id != id).then_some(new_id)
    }

    fn unmatched_result(&self, at: usize, id: &str) -> Error {
        // An id that is not plain may contain the caller's text.
        let named = if is_portable_id(id) { format!(" \"{id}\"") } else { String::new() };
        let why =
            if self.open.contains_key(id) { "already has its result" } else { "was not made before it" };
        Error::new(
            Kind::InvalidRequest,
            format!("messages[{at}] gives a result for tool call{named}, which {why}"),
        )
    }

    fn notes(&self) -> Vec<Note> {
        [
            (Note::HiddenReasoning as fn(usize) -> Note, self.hidden),
            (Note::Native, self.native),
            (Note::Signatures, self.signatures),
            (Note::ToolIds, self.renamed),
            (Note::Empty, self.empty),
        ]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(note, count)| note(count))
        .collect()
    }
}

fn is_portable_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=ID_LIMIT).contains(&id.len()) && id.bytes().all(allowed)
}

#[cfg(test)]
mod tests;
