//! How many tokens a prompt has, about.
//!
//! Not a tokenizer: bytes over four for Latin script, less per token for scripts that tokenizers cut finer. Off by up to a
//! third for unusual text, so whoever excludes a target by it leaves a margin. Invariant: one pass, no allocation.

use hotspare_core::{ChatRequest, EmbedInput, EmbedRequest, OutputFormat, Part, Request};

/// Tokens that an image is taken for.
const IMAGE: u64 = 800;
/// Tokens that a message costs beside its text.
const MESSAGE: u64 = 4;

/// Estimated tokens of the prompt, tools and schema included, or of all that is to be embedded.
#[must_use]
pub fn estimate_prompt_tokens(request: &Request) -> u64 {
    match request {
        Request::Chat(chat) => prompt(chat),
        Request::Embed(embed) => inputs(embed),
    }
}

fn prompt(request: &ChatRequest) -> u64 {
    let mut tokens = 0;
    for message in &request.messages {
        tokens += MESSAGE + message.parts.iter().map(part).sum::<u64>();
    }
    for tool in &request.tools {
        let description = tool.description.as_deref().unwrap_or_default();
        tokens += MESSAGE + text(&tool.name) + text(description) + text(tool.parameters.as_str());
    }
    if let OutputFormat::JsonSchema { schema, .. } = &request.output {
        tokens += text(schema.as_str());
    }
    tokens
}

fn inputs(request: &EmbedRequest) -> u64 {
    let inputs = request.inputs.iter().map(|input| match input {
        EmbedInput::Tokens(tokens) => tokens.len() as u64,
        EmbedInput::Text(words) => text(words),
        _ => 0,
    });
    inputs.sum()
}

fn part(part: &Part) -> u64 {
    match part {
        Part::Text(words) | Part::Refusal(words) => text(words),
        Part::Reasoning(reasoning) => text(&reasoning.text),
        Part::ToolCall(call) => MESSAGE + text(&call.name) + text(&call.arguments),
        Part::ToolResult(result) => MESSAGE + result.content.iter().map(self::part).sum::<u64>(),
        _ => IMAGE,
    }
}

/// A quarter of a token per ASCII byte, a token and a half per three-byte character of the dense scripts.
fn text(words: &str) -> u64 {
    if words.is_ascii() {
        return (words.len() as u64).div_ceil(4);
    }
    let quarters: u64 = words
        .chars()
        .map(|character| match character.len_utf8() {
            1 => 1,
            2 => 2,
            3 => 5,
            _ => 8,
        })
        .sum();
    quarters.div_ceil(4)
}
