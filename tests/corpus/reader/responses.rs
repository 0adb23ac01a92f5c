//! Replies of the Responses wire, read from their finished parts; deltas are ignored.

use hotspare::recorded::Exchange;
use serde_json::Value;

use super::{Answer, Call, append, count, frames};

pub(crate) fn read(exchange: &Exchange) -> Answer {
    let frames: Vec<Value> = frames(exchange).into_iter().collect();
    let ends = ["response.completed", "response.incomplete"];
    let streamed = frames.iter().any(|frame| frame["type"].is_string());
    let (end, items) = if streamed {
        let done = frames.iter().filter(|frame| frame["type"] == "response.output_item.done");
        let end = frames.iter().find(|frame| ends.iter().any(|end| frame["type"] == *end));
        (end.map(|frame| &frame["response"]), done.map(|frame| frame["item"].clone()).collect())
    } else {
        let done = |body: &&Value| {
            ["completed", "incomplete"].contains(&body["status"].as_str().unwrap_or("completed"))
        };
        let whole = frames.first().filter(done).filter(|body| body["output"].is_array());
        (whole, whole.and_then(|body| body["output"].as_array()).cloned().unwrap_or_default())
    };
    let mut answer =
        Answer { reasoning: Some(String::new()), refusal: Some(String::new()), ..Answer::default() };
    let Some(end) = end else { return Answer { failed: true, ..answer } };
    for item in &items {
        part(&mut answer, item);
    }
    let usage = &end["usage"];
    count(&mut answer.input, &usage["input_tokens"]);
    count(&mut answer.output, &usage["output_tokens"]);
    count(&mut answer.cached, &usage["input_tokens_details"]["cached_tokens"]);
    count(&mut answer.reasoning_tokens, &usage["output_tokens_details"]["reasoning_tokens"]);
    let custom = items.iter().any(|item| item["type"] == "custom_tool_call");
    answer.finish = Some(match end["incomplete_details"]["reason"].as_str() {
        Some("max_output_tokens") => "length".to_owned(),
        Some(other) => other.to_owned(),
        None if custom => "tool_calls".to_owned(),
        None => "stop".to_owned(),
    });
    answer
}

fn part(answer: &mut Answer, item: &Value) {
    let list = |name: &str| item[name].as_array().cloned().unwrap_or_default();
    match item["type"].as_str().unwrap_or_default() {
        "message" if item["role"] == "assistant" => {
            for part in list("content") {
                append(&mut answer.text, &part["text"]);
                append(answer.refusal.get_or_insert_default(), &part["refusal"]);
            }
        }
        "function_call" => {
            let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
            answer.tools.push(Call { id: text("call_id"), name: text("name"), arguments: text("arguments") });
        }
        "reasoning" => {
            let parts = list("summary").into_iter().chain(list("content"));
            let texts: Vec<String> = parts
                .filter_map(|part| part["text"].as_str().map(str::to_owned))
                .filter(|text| !text.is_empty())
                .collect();
            answer.reasoning.get_or_insert_default().push_str(&texts.join("\n\n"));
        }
        _ => {}
    }
}
