//! What the end of an answer says: why it ended, and what it used.
//!
//! Does not decide whether it is the end. Invariant: a reason that no host is known to send is kept as it is.

use hotspare_core::{Error, FinishReason, Kind, Usage};

use crate::dto::UsageDto;

/// The reason that a word stands for, in an answer that `called` a tool or `refused` to answer.
pub(super) fn finish_reason(word: &str, called: bool, refused: bool) -> Result<FinishReason, Error> {
    // One host appends a word of its own to the wire's.
    let lower = word.to_ascii_lowercase();
    Ok(match lower.split_once(':').map_or(lower.as_str(), |(word, _)| word.trim_end()) {
        "stop" | "eos" | "eos_token" | "end_turn" | "stop_sequence" | "complete" => match (called, refused) {
            (true, _) => FinishReason::ToolCalls,
            (false, true) => FinishReason::Refusal,
            (false, false) => FinishReason::Stop,
        },
        "length" | "max_output_tokens" | "max_tokens" | "model_length" | "model_context_window_exceeded" => {
            FinishReason::Length
        }
        "tool_calls" | "tool_call" | "function_call" | "tool_use" => FinishReason::ToolCalls,
        "content_filter" | "content_filtered" | "safety" | "recitation" | "blocklist"
        | "prohibited_content" | "spii" | "sensitive" => FinishReason::ContentFilter,
        "refusal" => FinishReason::Refusal,
        "function_call_filter" | "malformed_function_call" => {
            return Err(Error::new(Kind::BadOutput, "the model's tool call is malformed").with_code(word));
        }
        "error" | "abort" | "insufficient_system_resource" | "network_error" => {
            return Err(Error::new(Kind::Server, "the host ended the answer with an error").with_code(word));
        }
        _ => FinishReason::Other(word.to_owned()),
    })
}

/// The tokens used; some hosts count those of reasoning beside the answer's instead of among them.
pub(super) fn usage(wire: &UsageDto, reasoning_beside_output: bool) -> Usage {
    let reasoning = wire.completion_tokens_details.and_then(|details| details.reasoning_tokens.0);
    let input = wire.prompt_tokens.0.or(wire.input_tokens.0);
    let rest = || wire.total_tokens.0?.checked_sub(input?);
    let mut output = wire.completion_tokens.0.or(wire.output_tokens.0).or_else(rest);
    if reasoning_beside_output && let (Some(answer), Some(thought)) = (output, reasoning) {
        output = Some(answer.saturating_add(thought));
    }
    let mut usage = Usage::reported(input, output);
    usage.reasoning = reasoning;
    let details = wire.prompt_tokens_details;
    let cached = details.and_then(|details| details.cached_tokens.0);
    let elsewhere = [
        wire.prompt_cache_hit_tokens,
        wire.num_cached_tokens,
        wire.cached_tokens,
        wire.cache_read_input_tokens,
    ];
    usage.cached = cached.or_else(|| elsewhere.iter().find_map(|count| count.0));
    let written = details.and_then(|details| details.cache_write_tokens.0);
    usage.cache_write = written.or(wire.cache_creation_input_tokens.0);
    usage
}
