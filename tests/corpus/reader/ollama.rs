//! Replies of Ollama's own wires.

use hotspare::recorded::Exchange;
use serde_json::Value;

use super::{Answer, Call, append, count};

pub(crate) fn read(exchange: &Exchange) -> Answer {
    let mut answer = Answer { reasoning: Some(String::new()), ..Answer::default() };
    let mut done = false;
    for line in exchange.body.split(|&byte| byte == b'\n') {
        let Ok(frame) = serde_json::from_slice::<Value>(line) else { continue };
        if frame["error"].is_string() {
            return Answer { failed: true, ..answer };
        }
        append(&mut answer.text, &frame["response"]);
        append(&mut answer.text, &frame["message"]["content"]);
        append(answer.reasoning.get_or_insert_default(), &frame["message"]["thinking"]);
        for call in frame["message"]["tool_calls"].as_array().into_iter().flatten() {
            answer.tools.push(Call {
                id: call["id"].as_str().unwrap_or_default().to_owned(),
                name: call["function"]["name"].as_str().unwrap_or_default().to_owned(),
                arguments: call["function"]["arguments"].to_string(),
            });
        }
        count(&mut answer.input, &frame["prompt_eval_count"]);
        count(&mut answer.output, &frame["eval_count"]);
        if frame["done"] == true {
            done = true;
            answer.finish = Some(frame["done_reason"].as_str().unwrap_or("stop").to_owned());
        }
    }
    answer.failed = !done || (answer.is_empty() && answer.finish.as_deref() == Some("stop"));
    answer
}
