//! What of a request a wire has no place for, described for a person.
//!
//! Not a refusal: what would change the answer is refused by the codec, so that another target serves the request.
//! Invariant: a codec that writes none of a hint names it here, so that no hint is dropped without a note.

use std::borrow::Cow;
use std::collections::BTreeSet;

use hotspare_core::{ChatRequest, Error, Kind, Message, Part, Role, ToolResult};

/// The hints that a wire has no place for.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "one independent answer per hint")]
pub struct Lacks {
    /// The end user's id.
    pub end_user: bool,
    /// Permission for one tool call at a time only.
    pub parallel_tools: bool,
    /// The seed.
    pub seed: bool,
    /// Enforced schemas of tools.
    pub strict_tools: bool,
    /// Names of participants.
    pub names: bool,
    /// Instructions after the first turn, which are sent as the user's instead.
    pub later_instructions: bool,
    /// A mark of failed tool calls; see [`result_text`].
    pub tool_errors: bool,
    /// Own fields of messages.
    pub message_fields: bool,
    /// Stop sequences of white space; see [`written_stops`].
    pub blank_stops: bool,
    /// Whether an assistant's turn takes its own unsigned reasoning back.
    pub takes_reasoning: fn(&Message) -> bool,
}

impl Lacks {
    /// A wire with a place for everything.
    pub const NOTHING: Self = Self {
        end_user: false,
        parallel_tools: false,
        seed: false,
        strict_tools: false,
        names: false,
        later_instructions: false,
        tool_errors: false,
        message_fields: false,
        blank_stops: false,
        takes_reasoning: |_| true,
    };

    /// What is dropped or changed of `request`, which is to be sent over `wire`.
    #[must_use]
    pub fn notes(&self, request: &ChatRequest, wire: &str) -> Vec<String> {
        let has_tools = !request.tools.is_empty();
        let strict = request.tools.iter().any(|tool| tool.strict == Some(true));
        let hints = [
            (self.strict_tools && strict, "strict tool schemas"),
            (
                self.parallel_tools && has_tools && request.parallel_tools == Some(false),
                "one tool call at a time",
            ),
            (self.seed && request.sampling.seed.is_some(), "the seed"),
            (self.end_user && request.end_user.is_some(), "the end user's id"),
            (
                self.blank_stops && request.stop.iter().any(|text| is_blank(text)),
                "stop sequences of white space",
            ),
        ];
        let hints = hints.into_iter().filter(|(is_dropped, _)| *is_dropped);
        let mut notes: Vec<String> = hints.map(|(_, what)| format!("dropped: {what}")).collect();
        let messages = &request.messages;
        let mut counted = |is_lacking: bool, count: usize, what: &str| {
            if is_lacking && count > 0 {
                notes.push(format!("{what} ({count})"));
            }
        };
        let named = messages.iter().filter(|message| message.name.is_some()).count();
        counted(self.names, named, "dropped the names of participants");
        let head = messages.iter().take_while(|message| is_instruction(message)).count();
        let later = messages[head..].iter().filter(|message| is_instruction(message)).count();
        counted(self.later_instructions, later, "sent later instructions as the user's");
        let failed =
            parts(messages).filter(|part| matches!(part, Part::ToolResult(result) if result.is_error));
        counted(self.tool_errors, failed.count(), "marked failed tool calls in their text");
        counted(
            true,
            unsigned_reasoning(messages, |message| !(self.takes_reasoning)(message)),
            DROPPED_REASONING,
        );
        if self.message_fields {
            let own = messages.iter().filter_map(|message| message.extras.get(wire));
            notes.extend(dropped_fields(own.flat_map(|fields| fields.keys().cloned())));
        }
        notes
    }
}

/// The note on reasoning that is not sent back.
pub const DROPPED_REASONING: &str = "dropped the reasoning of earlier turns, which is not taken back there";

/// The number of blocks of visible unsigned reasoning in the assistant's turns that `of` selects.
pub fn unsigned_reasoning(messages: &[Message], of: impl Fn(&Message) -> bool) -> usize {
    let turns = messages.iter().filter(|message| message.role == Role::Assistant && of(message));
    let is_unsigned = |part: &&Part| matches!(part, Part::Reasoning(own) if own.signature.is_none() && !own.text.is_empty());
    turns.flat_map(|message| &message.parts).filter(is_unsigned).count()
}

/// The note on fields of `wire` itself for whose parts `is_written` is false. It is asked by a message's position, once for the
/// message's own parts and once, with `true`, for the parts inside its tool results.
pub fn unwritten_fields(
    request: &ChatRequest,
    wire: &str,
    is_written: impl Fn(usize, bool) -> bool,
) -> Option<String> {
    let mut names = BTreeSet::new();
    for (at, message) in request.messages.iter().enumerate() {
        let mut collect = |parts: &[Part], inside: bool| {
            let own = parts.iter().filter_map(|part| match part {
                Part::Fields(fields) if fields.wire == wire => Some(fields.raw.to_value()),
                _ => None,
            });
            let own = own.filter(|_| !is_written(at, inside));
            names.extend(
                own.filter_map(|fields| Some(fields.as_object()?.keys().cloned().collect::<Vec<_>>()))
                    .flatten(),
            );
        };
        collect(&message.parts, false);
        for part in &message.parts {
            if let Part::ToolResult(result) = part {
                collect(&result.content, true);
            }
        }
    }
    dropped_fields(names)
}

/// The note on fields that have no place on their own wire.
fn dropped_fields(names: impl IntoIterator<Item = String>) -> Option<String> {
    let names: BTreeSet<String> = names.into_iter().collect();
    let list = names.into_iter().collect::<Vec<_>>().join(", ");
    (!list.is_empty()).then(|| format!("dropped fields that have no place there ({list})"))
}

/// The content of a tool's result for a wire without a mark of failed calls: the text itself says so.
#[must_use]
pub fn result_text(result: &ToolResult) -> Cow<'_, [Part]> {
    const MARK: &str = "Error: ";
    let begins_with_mark = |text: &str| {
        text.trim_start().get(..5).is_some_and(|beginning| beginning.eq_ignore_ascii_case("error"))
    };
    let first = result.content.iter().position(|part| part.as_text().is_some_and(|text| !text.is_empty()));
    let marked = match first.map(|at| (at, &result.content[at])) {
        _ if !result.is_error => return Cow::Borrowed(&result.content),
        Some((_, Part::Text(text))) if begins_with_mark(text) => return Cow::Borrowed(&result.content),
        Some((at, Part::Text(text))) => {
            let mut content = result.content.clone();
            content[at] = Part::Text(format!("{MARK}{text}"));
            content
        }
        _ => {
            let mut content = result.content.clone();
            content.insert(0, Part::Text(format!("{MARK}the call failed")));
            content
        }
    };
    Cow::Owned(marked)
}

/// The stop sequences for a wire that refuses those of white space; an empty one stops nothing. The others are left out,
/// because an answer that runs on past one of them is better than none.
///
/// # Errors
/// [`Kind::Unsupported`] if the request has no others: it may depend on them.
pub fn written_stops(request: &ChatRequest) -> Result<Vec<&str>, Error> {
    let stops = || request.stop.iter().map(String::as_str);
    let written: Vec<&str> = stops().filter(|text| !text.trim().is_empty()).collect();
    if written.is_empty() && stops().any(is_blank) {
        return Err(Error::new(
            Kind::Unsupported,
            "this wire does not support stop sequences of white space",
        ));
    }
    Ok(written)
}

fn is_blank(text: &str) -> bool {
    !text.is_empty() && text.trim().is_empty()
}

fn is_instruction(message: &Message) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

fn parts(messages: &[Message]) -> impl Iterator<Item = &Part> {
    messages.iter().flat_map(|message| &message.parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_call_is_marked_in_its_text_once() {
        let text = |content: Vec<Part>, is_error: bool| {
            let result = ToolResult::from_parts("c", content).with_error(is_error);
            result_text(&result).iter().filter_map(Part::as_text).collect::<String>()
        };
        assert_eq!(text(vec!["no such city".into()], false), "no such city");
        assert_eq!(text(vec!["no such city".into()], true), "Error: no such city");
        assert_eq!(text(vec!["error: no such city".into()], true), "error: no such city");
        assert_eq!(text(vec!["".into(), "é".into()], true), "Error: é");
        assert_eq!(text(vec![Part::image("https://example.com/a.png")], true), "Error: the call failed");
        assert_eq!(text(vec![], true), "Error: the call failed");
    }
}
