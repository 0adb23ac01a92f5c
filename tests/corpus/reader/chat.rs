//! Replies of the chat wire, and of the older text completions.

use hotspare::recorded::Exchange;
use serde_json::Value;

use super::{Answer, Call, append, count, frames};

pub(crate) fn read(exchange: &Exchange) -> Answer {
    let mut answer =
        Answer { reasoning: Some(String::new()), refusal: Some(String::new()), ..Answer::default() };
    // Calls with the index that the host gives them.
    let mut calls: Vec<(Option<u64>, Call)> = Vec::new();
    let (mut total, mut ended_badly) = (None, false);
    for frame in frames(exchange) {
        if frame["error"].is_object() || frame["error"].is_string() || frame["object"] == "error" {
            return Answer { failed: true, ..answer };
        }
        let usage = if frame["usage"].is_object() { &frame["usage"] } else { &frame["x_groq"]["usage"] };
        count(&mut answer.input, &usage["prompt_tokens"]);
        count(&mut answer.output, &usage["completion_tokens"]);
        count(&mut answer.cached, &usage["num_cached_tokens"]);
        count(&mut answer.cached, &usage["prompt_cache_hit_tokens"]);
        count(&mut answer.cached, &usage["prompt_tokens_details"]["cached_tokens"]);
        count(&mut answer.reasoning_tokens, &usage["completion_tokens_details"]["reasoning_tokens"]);
        count(&mut total, &usage["total_tokens"]);
        let choices = frame["choices"].as_array().into_iter().flatten();
        for choice in choices.filter(|choice| choice["index"].as_u64().unwrap_or(0) == 0) {
            let (first, second) =
                if exchange.streaming { ("delta", "message") } else { ("message", "delta") };
            let said = if choice[first].is_object() { &choice[first] } else { &choice[second] };
            content(&mut answer, &said["content"]);
            if said.is_null() {
                append(&mut answer.text, &choice["text"]);
            }
            append(&mut answer.text, &said["audio"]["transcript"]);
            let thought = answer.reasoning.get_or_insert_default();
            match said["reasoning_content"].as_str() {
                Some(text) if !text.is_empty() => thought.push_str(text),
                _ => append(thought, &said["reasoning"]),
            }
            // Some hosts send reasoning only in pieces, each with its signature.
            if !["reasoning_content", "reasoning"]
                .iter()
                .any(|name| said[*name].as_str().is_some_and(|text| !text.is_empty()))
            {
                for detail in said["reasoning_details"].as_array().into_iter().flatten() {
                    append(thought, &detail["text"]);
                    append(thought, &detail["summary"]);
                }
            }
            append(answer.refusal.get_or_insert_default(), &said["refusal"]);
            for call in said["tool_calls"].as_array().into_iter().flatten() {
                tool(&mut calls, call);
            }
            let call = &said["function_call"];
            let says = |name: &str| !matches!(call[name].as_str(), None | Some(""));
            if says("name") || says("arguments") {
                match calls.last_mut() {
                    Some((_, last)) if call["name"].as_str().is_none_or(str::is_empty) => {
                        append(&mut last.arguments, &call["arguments"]);
                    }
                    _ => calls.push((None, new_call(call, ""))),
                }
            }
            let word = choice["finish_reason"].as_str();
            let word = if word == Some("") && !exchange.streaming { Some("stop") } else { word };
            if let Some(word) = word.filter(|word| !word.is_empty()) {
                answer.finish.get_or_insert_with(|| word.to_owned());
                ended_badly |= ["error", "insufficient_system_resource"].contains(&word);
            }
        }
    }
    answer.tools = calls.into_iter().map(|(_, call)| call).collect();
    // If the total only adds up with the reasoning tokens, they are not included in the output count.
    if let (Some(input), Some(output), Some(thought), Some(total)) =
        (answer.input, answer.output, answer.reasoning_tokens, total)
        && thought > 0
        && total == input + output + thought
    {
        answer.output = Some(output + thought);
    }
    let plain = answer.finish.as_deref().is_some_and(|word| ["stop", "eos"].contains(&word));
    // One host sends no finish reason; it sends the output count and the wire's end marker.
    let marked = exchange.body.trim_ascii_end().ends_with(b"[DONE]") && answer.output.is_some();
    answer.failed = ended_badly || (answer.finish.is_none() && !marked) || (answer.is_empty() && plain);
    answer
}

fn content(answer: &mut Answer, content: &Value) {
    match content {
        Value::String(text) => answer.text.push_str(text),
        Value::Array(parts) => {
            for part in parts {
                append(&mut answer.text, &part["text"]);
                let thought = answer.reasoning.get_or_insert_default();
                append(thought, &part["thinking"]);
                for piece in part["thinking"].as_array().into_iter().flatten() {
                    append(thought, &piece["text"]);
                }
            }
        }
        object @ Value::Object(_) => answer.text.push_str(&object.to_string()),
        _ => {}
    }
}

fn tool(calls: &mut Vec<(Option<u64>, Call)>, call: &Value) {
    let index = call["index"].as_u64();
    let id = call["id"].as_str().unwrap_or_default();
    let known = calls
        .iter_mut()
        .rev()
        .find(|(at, known)| if id.is_empty() { *at == index && index.is_some() } else { known.id == id });
    match known {
        Some((_, known)) => known.arguments.push_str(&arguments(&call["function"]["arguments"])),
        None => calls.push((index, new_call(&call["function"], id))),
    }
}

fn new_call(function: &Value, id: &str) -> Call {
    Call {
        id: id.to_owned(),
        name: function["name"].as_str().unwrap_or_default().to_owned(),
        arguments: arguments(&function["arguments"]),
    }
}

fn arguments(arguments: &Value) -> String {
    match arguments {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        object => object.to_string(),
    }
}
