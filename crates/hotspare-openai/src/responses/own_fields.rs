//! Fields of items and their content that only this wire has.
//!
//! Not the fields of a request, which are sent as they are. Invariant: the provider refuses an item with a field that it
//! does not know, so calls, their results and messages get known fields only, and the others are named in a note. The
//! fields of the model's own messages came from the provider and go back unchanged.

use std::collections::BTreeSet;

use hotspare_core::{ChatRequest, Message, Part, Role};
use hotspare_provider::fields::Fields;

use super::RESPONSES_WIRE as WIRE;

/// Whether a call or its result may have this field.
fn is_call_field(name: &str) -> bool {
    matches!(name, "id" | "status")
}

/// Whether a message may have this field.
pub(super) fn is_message_field(name: &str) -> bool {
    is_call_field(name) || name == "phase"
}

/// The fields of the part at `at` that only this wire has.
pub(super) fn own_fields(parts: &[Part], at: usize) -> Fields<'_> {
    match parts.get(at + 1) {
        Some(Part::Fields(fields)) if fields.wire == WIRE => {
            serde_json::from_str(fields.raw.as_str()).unwrap_or_default()
        }
        _ => Fields::new(),
    }
}

/// Those of the call at `at` that the wire accepts.
pub(super) fn call_fields(parts: &[Part], at: usize) -> Fields<'_> {
    let mut own = own_fields(parts, at);
    own.retain(|name, _| is_call_field(name));
    own
}

/// Those of the tool result at `at`, and of the message that consists of it.
pub(super) fn result_fields(message: &Message, at: usize) -> Fields<'_> {
    let mut own = call_fields(&message.parts, at);
    let extras = message.extras.get(WIRE).filter(|_| message.role == Role::Tool);
    for (name, value) in extras.into_iter().flatten().filter(|(name, _)| is_call_field(name)) {
        if let Ok(value) = serde_json::from_str(value.as_str()) {
            own.insert(name.into(), value);
        }
    }
    own
}

/// Describes, for a person, the fields that the wire does not accept.
pub(super) fn dropped(request: &ChatRequest) -> Option<String> {
    let mut names = BTreeSet::new();
    for message in &request.messages {
        let is_accepted = if message.role == Role::Tool { is_call_field } else { is_message_field };
        let extras = message.extras.get(WIRE).into_iter().flatten();
        names.extend(extras.map(|(name, _)| name.clone()).filter(|name| !is_accepted(name)));
        for (at, part) in message.parts.iter().enumerate() {
            if matches!(part, Part::ToolCall(_) | Part::ToolResult(_)) {
                let own = own_fields(&message.parts, at).into_keys().map(|name| name.into_owned());
                names.extend(own.filter(|name| !is_call_field(name)));
            }
        }
    }
    let list = names.into_iter().collect::<Vec<_>>().join(", ");
    (!list.is_empty()).then(|| format!("dropped fields that this wire does not accept ({list})"))
}
