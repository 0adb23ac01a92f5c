//! Text and reasoning, in the shapes in which hosts send them.
//!
//! Does not decide when an answer ends. Invariant: an empty piece gives no event.

use hotspare_core::Event;
use hotspare_provider::{Emit, Text};

use crate::dto::{Choice, Content};

/// Whether a choice adds something to the answer.
pub(super) fn has_content(choice: &Choice<'_>) -> bool {
    let text = |text: &Option<Text<'_>>| text.as_ref().is_some_and(|text| !text.0.is_empty());
    let content = |content: &Content<'_>| match content {
        Content::None => false,
        Content::Text(text) => !text.0.is_empty(),
        Content::Parts(parts) => !parts.is_empty(),
    };
    choice.index.0.unwrap_or(0) == 0
        && (text(&choice.text)
            || choice.delta.as_ref().is_some_and(|delta| {
                content(&delta.content)
                    || content(&delta.reasoning)
                    || text(&delta.reasoning_content)
                    || text(&delta.reasoning_text)
                    || text(&delta.refusal)
                    || delta.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty())
            }))
}

pub(super) fn is_answer(event: &Event) -> bool {
    event.is_content() && !matches!(event, Event::ReasoningDelta(_))
}

pub(super) fn push_content(content: &Content<'_>, reasoning: bool, events: &mut Emit<'_>) {
    match content {
        Content::None => {}
        Content::Text(text) => push_text(&text.0, reasoning, events),
        Content::Parts(parts) => {
            for part in parts {
                if let Some(thinking) = &part.thinking {
                    push_content(thinking, true, events);
                }
                for summary in part.summary.iter().flatten() {
                    push_text(summary.text.as_ref().map_or("", |text| &text.0), true, events);
                }
                if let Some(text) = &part.text {
                    push_text(&text.0, reasoning, events);
                }
                if let Some(text) = part.refusal.as_ref().filter(|text| !text.0.is_empty()) {
                    events.push(Event::RefusalDelta(text.0.to_string()));
                }
            }
        }
    }
}

pub(super) fn push_text(text: &str, reasoning: bool, events: &mut Emit<'_>) {
    match (text.is_empty(), reasoning) {
        (true, _) => {}
        (false, true) => events.push(Event::ReasoningDelta(text.to_owned())),
        (false, false) => events.push(Event::TextDelta(text.to_owned())),
    }
}
