//! Replies of the Interactions wire.

use hotspare::recorded::Exchange;
use serde_json::Value;

use super::{Answer, Call, append, count, frames};

pub(crate) fn read(exchange: &Exchange) -> Answer {
    let mut answer = Answer { reasoning: Some(String::new()), ..Answer::default() };
    for frame in frames(exchange) {
        if frame["error"].is_object() {
            return Answer { failed: true, ..answer };
        }
        for step in frame["steps"].as_array().into_iter().flatten().chain([&frame["step"], &frame["delta"]]) {
            read_step(&mut answer, step);
        }
        let interaction = if frame["interaction"].is_object() { &frame["interaction"] } else { &frame };
        let usage = &interaction["usage"];
        if usage.is_object() {
            let number = |name: &str| usage[name].as_u64().unwrap_or(0);
            answer.input = Some(number("total_input_tokens") + number("total_tool_use_tokens"));
            answer.output = Some(number("total_output_tokens") + number("total_thought_tokens"));
            count(&mut answer.cached, &usage["total_cached_tokens"]);
            count(&mut answer.reasoning_tokens, &usage["total_thought_tokens"]);
        }
        match interaction["status"].as_str() {
            Some("in_progress") | None => {}
            Some(word) => answer.finish = Some(word.to_owned()),
        }
    }
    answer.failed = matches!(answer.finish.as_deref(), None | Some("failed" | "cancelled"));
    answer
}

/// A whole step, or a delta of one.
fn read_step(answer: &mut Answer, step: &Value) {
    match step["type"].as_str() {
        Some("text") => append(&mut answer.text, &step["text"]),
        Some("model_output") => {
            step["content"].as_array().into_iter().flatten().for_each(|item| read_step(answer, item));
        }
        Some("thought_summary") => {
            append(answer.reasoning.get_or_insert_default(), &step["content"]["text"]);
        }
        Some("function_call") => {
            let text = |name: &str| step[name].as_str().unwrap_or_default().to_owned();
            let given = step["arguments"].as_object().is_some_and(|fields| !fields.is_empty());
            let arguments = if given { step["arguments"].to_string() } else { String::new() };
            answer.tools.push(Call { id: text("id"), name: text("name"), arguments });
        }
        Some("arguments_delta") => {
            append(&mut answer.tools.last_mut().unwrap().arguments, &step["arguments"]);
        }
        _ => {}
    }
}
