//! How many tokens a prompt has: estimated for any model, exact where its encoding is published.
//!
//! Not a promise: what a provider wraps around a request is its own affair, and [`Calibration`] learns it from what it
//! reports. Invariant: an estimate is one pass over the text and allocates nothing; same request, same size.

mod calibration;
mod exact;
mod media;
mod text;

use hotspare_core::{
    ChatRequest, EmbedInput, EmbedRequest, Message, OutputFormat, Part, Request, Tool, ToolChoice,
};

pub use calibration::Calibration;
pub use exact::{count_exactly, count_text};
pub use text::estimate_text;

/// Tokens that a message costs beside its text: its role and its end.
const MESSAGE: u64 = 4;
/// Tokens that a tool costs beside its name, description and schema.
const TOOL: u64 = 8;

/// Bytes of a part in another wire's words that may be text, and what a longer one is taken for.
const NATIVE: usize = 16 << 10;
const MOST_NATIVE: u64 = 1_500;

/// The size of a prompt as far as the request itself tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PromptSize {
    /// Tokens, estimated.
    pub tokens: u64,
    /// What else the request has: tools, a schema. Providers wrap each in words of their own.
    pub shape: usize,
}

impl PromptSize {
    /// Estimates a request.
    #[must_use]
    pub fn of(request: &ChatRequest) -> Self {
        Self { tokens: count(request, &estimate_text), shape: shape(request) }
    }

    /// The size of a request that [`estimate_prompt_tokens`] has estimated at `tokens`.
    #[must_use]
    pub fn known(request: &Request, tokens: u64) -> Self {
        match request {
            Request::Chat(chat) => Self { tokens, shape: shape(chat) },
            Request::Embed(_) => Self { tokens, shape: 0 },
        }
    }

    /// Tokens of one message, as they count in a request.
    pub(crate) fn of_message(message: &Message) -> u64 {
        self::message(message, &estimate_text)
    }
}

/// Estimated tokens of the prompt, tools and schema included, or of all that is to be embedded.
#[must_use]
pub fn estimate_prompt_tokens(request: &Request) -> u64 {
    match request {
        Request::Chat(chat) => count(chat, &estimate_text),
        Request::Embed(embed) => of_inputs(embed),
    }
}

fn of_inputs(request: &EmbedRequest) -> u64 {
    let inputs = request.inputs.iter().map(|input| match input {
        EmbedInput::Tokens(tokens) => tokens.len() as u64,
        EmbedInput::Text(words) => estimate_text(words),
        _ => 0,
    });
    inputs.sum()
}

/// Whether a request has tools (1) and a schema (2).
fn shape(request: &ChatRequest) -> usize {
    let schema = matches!(request.output, OutputFormat::JsonSchema { .. });
    usize::from(!tools(request).is_empty()) + 2 * usize::from(schema)
}

/// The tools that a model is shown: none where it must not call any, for most providers leave them out then.
fn tools(request: &ChatRequest) -> &[Tool] {
    if request.tool_choice == Some(ToolChoice::None) { &[] } else { &request.tools }
}

/// Adds up a request whose texts are counted by `text`.
fn count(request: &ChatRequest, text: &dyn Fn(&str) -> u64) -> u64 {
    let mut tokens = MESSAGE;
    for message in &request.messages {
        tokens += self::message(message, text);
    }
    for tool in tools(request) {
        let description = tool.description.as_deref().unwrap_or_default();
        tokens += TOOL + text(&tool.name) + text(description) + text(tool.parameters.as_str());
    }
    if let OutputFormat::JsonSchema { schema, .. } = &request.output {
        tokens += text(schema.as_str());
    }
    tokens
}

fn message(message: &Message, text: &dyn Fn(&str) -> u64) -> u64 {
    MESSAGE + message.parts.iter().map(|part| of_part(part, text)).sum::<u64>()
}

fn of_part(part: &Part, text: &dyn Fn(&str) -> u64) -> u64 {
    match part {
        Part::Text(words) | Part::Refusal(words) => text(words),
        Part::Reasoning(reasoning) => text(&reasoning.text),
        Part::ToolCall(call) => MESSAGE + text(&call.name) + text(&call.arguments),
        Part::ToolResult(result) => {
            MESSAGE + result.content.iter().map(|part| of_part(part, text)).sum::<u64>()
        }
        Part::Image(image) => media::image(image),
        Part::Document(document) => media::document(document),
        // Most of a long one is base64: sound, or a file.
        Part::Native(native) if native.raw.as_str().len() > NATIVE => MOST_NATIVE,
        Part::Native(native) => text(native.raw.as_str()),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
