//! Replies of the messages wire.

use hotspare::recorded::Exchange;
use serde_json::Value;

use super::{Answer, Call, append, count, frames};

pub(crate) fn read(exchange: &Exchange) -> Answer {
    let mut answer = Answer { reasoning: Some(String::new()), ..Answer::default() };
    // Whether the open block is a call of one of the caller's tools.
    let mut own = false;
    let (mut fresh, mut written, mut cached) = (None, None, None);
    for frame in frames(exchange) {
        if frame["type"] == "error" || frame["error"].is_object() {
            return Answer { failed: true, ..answer };
        }
        for usage in [&frame["usage"], &frame["message"]["usage"]] {
            count(&mut fresh, &usage["input_tokens"]);
            count(&mut written, &usage["cache_creation_input_tokens"]);
            count(&mut cached, &usage["cache_read_input_tokens"]);
            count(&mut answer.output, &usage["output_tokens"]);
            count(&mut answer.reasoning_tokens, &usage["output_tokens_details"]["thinking_tokens"]);
        }
        for block in frame["content"].as_array().into_iter().flatten() {
            own = begin(&mut answer, block);
        }
        if frame["content_block"].is_object() {
            own = begin(&mut answer, &frame["content_block"]);
        }
        // The wire's first version answered with a single text.
        append(&mut answer.text, &frame["completion"]);
        let delta = &frame["delta"];
        append(&mut answer.text, &delta["text"]);
        append(answer.reasoning.get_or_insert_default(), &delta["thinking"]);
        if let Some(last) = answer.tools.last_mut().filter(|_| own) {
            append(&mut last.arguments, &delta["partial_json"]);
        }
        for word in [&frame["stop_reason"], &delta["stop_reason"]] {
            if let Some(word) = word.as_str() {
                answer.finish = Some(word.to_owned());
            }
        }
    }
    answer.cached = cached;
    answer.input = fresh.map(|fresh| fresh + written.unwrap_or(0) + cached.unwrap_or(0));
    answer.failed = answer.finish.is_none();
    answer
}

/// A block with its initial contents; returns whether it is a call of one of the caller's tools.
fn begin(answer: &mut Answer, block: &Value) -> bool {
    match block["type"].as_str() {
        Some("text") => append(&mut answer.text, &block["text"]),
        Some("thinking") => append(answer.reasoning.get_or_insert_default(), &block["thinking"]),
        Some("tool_use") => {
            let text = |name: &str| block[name].as_str().unwrap_or_default().to_owned();
            let input = block["input"].as_object().filter(|input| !input.is_empty());
            let arguments = input.map(|input| Value::Object(input.clone()).to_string()).unwrap_or_default();
            answer.tools.push(Call { id: text("id"), name: text("name"), arguments });
            return true;
        }
        _ => {}
    }
    false
}
