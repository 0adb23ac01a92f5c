//! Replies of Cohere's own wires: both versions of chat, and generate.

use hotspare::recorded::Exchange;
use serde_json::Value;

use super::{Answer, Call, append, count, frames};

pub(crate) fn read(exchange: &Exchange) -> Answer {
    let mut answer = Answer { reasoning: Some(String::new()), ..Answer::default() };
    let frames: Vec<Value> = if exchange.head.media_type() == "application/stream+json" {
        exchange
            .body
            .split(|&byte| byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect()
    } else {
        frames(exchange)
    };
    for frame in &frames {
        let first = &frame["generations"][0];
        append(&mut answer.text, &frame["text"]);
        append(&mut answer.text, &first["text"]);
        for message in [&frame["message"], &frame["delta"]["message"]] {
            append(answer.reasoning.get_or_insert_default(), &message["tool_plan"]);
            for content in list(&message["content"]) {
                append(&mut answer.text, &content["text"]);
                append(answer.reasoning.get_or_insert_default(), &content["thinking"]);
            }
            for call in list(&message["tool_calls"]) {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                match answer.tools.last_mut() {
                    Some(last) if frame["type"] == "tool-call-delta" => {
                        append(&mut last.arguments, &call["function"]["arguments"]);
                    }
                    _ => answer.tools.push(Call {
                        id: text(&call["id"]),
                        name: text(&call["function"]["name"]),
                        arguments: text(&call["function"]["arguments"]),
                    }),
                }
            }
        }
        for usage in [&frame["usage"], &frame["meta"], &frame["delta"]["usage"], &frame["response"]["meta"]] {
            let read = if usage["tokens"].is_object() { &usage["tokens"] } else { &usage["billed_units"] };
            count(&mut answer.input, &read["input_tokens"]);
            count(&mut answer.output, &read["output_tokens"]);
            count(&mut answer.reasoning_tokens, &read["reasoning_tokens"]);
            count(&mut answer.cached, &usage["cached_tokens"]);
        }
        for word in [&frame["finish_reason"], &frame["delta"]["finish_reason"], &first["finish_reason"]] {
            if let Some(word) = word.as_str() {
                answer.finish.get_or_insert_with(|| word.to_owned());
            }
        }
    }
    answer.failed = match answer.finish.as_deref() {
        None | Some("ERROR" | "TIMEOUT") => true,
        Some(word) => word == "COMPLETE" && answer.is_empty(),
    };
    answer
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(list) => list,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}
