//! Prompt size in tokens: estimated for any model, exact where its encoding is published.
//!
//! Not a promise: providers wrap requests in text of their own, and [`Calibration`] learns its size from what they
//! report. Invariant: an estimate is one pass over the text and allocates nothing; equal requests have equal sizes.

mod calibration;
mod exact;
mod media;
mod text;

use hotspare_core::{
    ChatRequest, EmbedInput, EmbedRequest, Message, OutputFormat, Part, PromptPart, PromptSize, Request,
    ToolChoice,
};

pub use calibration::Calibration;
pub use exact::{count_text, exact_size};
pub use text::estimate_text;

/// If the extra fields of a request are longer than this, in bytes, its prompt cannot be measured.
const EXTRAS_LIMIT: usize = 1 << 10;
/// A native part of up to this many bytes is measured as text; a longer one is assumed to have `NATIVE_TOKENS` tokens.
const NATIVE_TEXT_LIMIT: usize = 16 << 10;
const NATIVE_TOKENS: u64 = 1_500;

/// The size of a prompt, including tools and schema, or of everything to be embedded.
#[must_use]
pub fn prompt_size(request: &Request) -> PromptSize {
    match request {
        Request::Chat(chat) => chat_size(chat),
        Request::Embed(embed) => embed_size(embed),
    }
}

/// The size of a chat's prompt.
#[must_use]
pub fn chat_size(request: &ChatRequest) -> PromptSize {
    count(request, &estimate_text)
}

/// The size of one message as part of a request.
#[must_use]
pub fn message_size(message: &Message) -> PromptSize {
    let mut size = PromptSize::default();
    add_message(&mut size, message, &estimate_text);
    size
}

fn embed_size(request: &EmbedRequest) -> PromptSize {
    let inputs = request.inputs.iter().map(|input| match input {
        EmbedInput::Tokens(tokens) => tokens.len() as u64,
        EmbedInput::Text(text) => estimate_text(text),
        _ => 0,
    });
    PromptSize::of_text(inputs.sum())
}

/// Measures a request, counting texts with `text`.
fn count(request: &ChatRequest, text: &dyn Fn(&str) -> u64) -> PromptSize {
    let mut size = PromptSize::default();
    size.add(PromptPart::Request, 1);
    for message in &request.messages {
        add_message(&mut size, message, text);
    }
    let idle = request.tool_choice == Some(ToolChoice::None);
    for tool in &request.tools {
        let description = tool.description.as_deref().unwrap_or_default();
        let tokens = text(&tool.name) + text(description) + text(tool.parameters.as_str());
        if idle {
            size.add(PromptPart::IdleTools, tokens);
        } else {
            size.add(PromptPart::Tool, 1);
            size.add(PromptPart::ToolText, tokens);
        }
    }
    size.add(PromptPart::Tools, u64::from(!idle && !request.tools.is_empty()));
    if let OutputFormat::JsonSchema { schema, .. } = &request.output {
        size.add(PromptPart::Schema, 1);
        size.add(PromptPart::SchemaText, text(schema.as_str()));
    }
    let extras =
        request.reasoning_effort.is_some() || request.extras.values().any(|fields| !fields.is_empty());
    size.add(PromptPart::Extras, u64::from(extras));
    // Extra fields may hold content that the model reads (functions, documents, a prediction) or does not.
    let unread: usize =
        request.extras.values().flat_map(|fields| fields.values()).map(|json| json.as_str().len()).sum();
    if unread > EXTRAS_LIMIT {
        size.set_opaque();
    }
    if !request.native_tools.is_empty() || request.bound.as_ref().is_some_and(|bound| bound.kept) {
        size.set_opaque();
    }
    size
}

fn add_message(size: &mut PromptSize, message: &Message, text: &dyn Fn(&str) -> u64) {
    size.add(PromptPart::Message, 1);
    for part in &message.parts {
        add_part(size, part, text);
    }
}

fn add_part(size: &mut PromptSize, part: &Part, text: &dyn Fn(&str) -> u64) {
    match part {
        Part::Text(content) | Part::Refusal(content) => size.add(PromptPart::Text, text(content)),
        Part::Reasoning(reasoning) => size.add(PromptPart::Thought, text(&reasoning.text)),
        Part::ToolCall(call) => {
            size.add(PromptPart::Call, 1);
            size.add(PromptPart::Text, text(&call.name) + text(&call.arguments));
        }
        Part::ToolResult(result) => {
            size.add(PromptPart::Call, 1);
            for part in &result.content {
                add_part(size, part, text);
            }
        }
        Part::Image(image) => media::add_image(size, image),
        Part::Document(document) => media::add_document(size, document),
        Part::Native(native) => {
            // A long one is mostly base64: audio or a file.
            let raw = native.raw.as_str();
            size.add(
                PromptPart::Media,
                if raw.len() > NATIVE_TEXT_LIMIT { NATIVE_TOKENS } else { text(raw) },
            );
            size.set_opaque();
        }
        // Cache marks and the like, which add nothing to their part.
        Part::Fields(_) => {}
        _ => size.set_opaque(),
    }
}

#[cfg(test)]
mod tests;
