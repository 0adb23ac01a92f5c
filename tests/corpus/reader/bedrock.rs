//! Converse replies, and Messages replies inside Bedrock's envelope.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hotspare::recorded::Exchange;
use serde_json::Value;

use super::{Answer, Call, append, count, messages as inner};

/// The messages of a binary stream: event name and payload. The adapter checks the checksums.
fn stream(mut rest: &[u8]) -> Vec<(String, Value)> {
    let number = |at: &[u8]| u32::from_be_bytes(at[..4].try_into().unwrap()) as usize;
    let mut found = Vec::new();
    while rest.len() >= 16 {
        let (total, head) = (number(rest), number(&rest[4..]));
        let headers = String::from_utf8_lossy(&rest[12..12 + head]).into_owned();
        let after = |name: &str| {
            // A type byte and two length bytes, then the name up to the next header.
            let value = headers.split_once(name)?.1.get(3..)?;
            Some(value.chars().take_while(char::is_ascii_alphanumeric).collect::<String>())
        };
        let name = after(":exception-type").or_else(|| after(":event-type")).unwrap_or_default();
        let said = serde_json::from_slice(&rest[12 + head..total - 4]).unwrap_or_default();
        found.push((name, said));
        rest = &rest[total..];
    }
    found
}

pub(crate) fn converse(exchange: &Exchange) -> Answer {
    let whole: Option<Value> = serde_json::from_slice(&exchange.body).ok();
    let events = match whole {
        Some(body) => vec![("whole".to_owned(), body)],
        None => stream(&exchange.body),
    };
    read_events(events)
}

fn read_events(events: Vec<(String, Value)>) -> Answer {
    let mut answer = Answer { reasoning: Some(String::new()), ..Answer::default() };
    // Whether the open block is a call of one of the caller's tools.
    let mut own = false;
    for (name, said) in events {
        if name.ends_with("Exception") {
            return Answer { failed: true, ..answer };
        }
        for block in said["output"]["message"]["content"].as_array().into_iter().flatten() {
            own = block_of(&mut answer, block, own);
        }
        for member in ["start", "delta"] {
            if said[member].is_object() {
                own = block_of(&mut answer, &said[member], own);
            }
        }
        if let Some(word) = said["stopReason"].as_str() {
            answer.finish = Some(word.to_owned());
        }
        let usage = &said["usage"];
        if usage.is_object() {
            let mut parts = [None; 3];
            count(&mut parts[0], &usage["inputTokens"]);
            count(&mut parts[1], &usage["cacheReadInputTokens"]);
            count(&mut parts[2], &usage["cacheWriteInputTokens"]);
            count(&mut parts[1], &usage["cacheReadInputTokenCount"]);
            count(&mut parts[2], &usage["cacheWriteInputTokenCount"]);
            answer.input = Some(parts.iter().flatten().sum());
            answer.cached = parts[1];
            count(&mut answer.output, &usage["outputTokens"]);
        }
    }
    answer.failed = answer.finish.is_none();
    answer
}

/// A block, its start, or a piece of it; returns whether a call of one of the caller's tools is open.
fn block_of(answer: &mut Answer, block: &Value, open: bool) -> bool {
    append(&mut answer.text, &block["text"]);
    let thought = &block["reasoningContent"];
    for text in [&thought["text"], &thought["reasoningText"]["text"]] {
        append(answer.reasoning.get_or_insert_default(), text);
    }
    for piece in block["citationsContent"]["content"].as_array().into_iter().flatten() {
        append(&mut answer.text, &piece["text"]);
    }
    let call = &block["toolUse"];
    if call["name"].is_string() {
        let text = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
        if call["type"] == "server_tool_use" {
            return false;
        }
        let arguments = if call["input"].is_object() { call["input"].to_string() } else { String::new() };
        answer.tools.push(Call { id: text("toolUseId"), name: text("name"), arguments });
        return true;
    }
    if let Some(last) = answer.tools.last_mut().filter(|_| open) {
        append(&mut last.arguments, &call["input"]);
    }
    open && !block["toolResult"].is_object()
}

/// A model's own format, whole or in an envelope: any field with a text, a finish reason or a count.
pub(crate) fn body(exchange: &Exchange) -> Answer {
    let said: Vec<Value> = match serde_json::from_slice(&exchange.body) {
        Ok(whole) => vec![whole],
        Err(_) => stream(&exchange.body)
            .into_iter()
            .map(|(_, said)| {
                let data = STANDARD.decode(said["bytes"].as_str().unwrap_or_default()).unwrap();
                serde_json::from_slice(&data).unwrap()
            })
            .collect(),
    };
    let converse = ["output", "messageStart"].iter().any(|name| said[0].get(name).is_some());
    if converse {
        return converse_of(said);
    }
    let mut answer = Answer::default();
    for frame in &said {
        // Only the first of several answers.
        if frame["index"].as_u64().unwrap_or(0) > 0 {
            continue;
        }
        let metrics = &frame["amazon-bedrock-invocationMetrics"];
        count(&mut answer.input, &metrics["inputTokenCount"]);
        count(&mut answer.output, &metrics["outputTokenCount"]);
        for from in [
            frame,
            &frame["results"][0],
            &frame["outputs"][0],
            &frame["generations"][0],
            &frame["completions"][0],
            &frame["completions"][0]["data"],
            &frame["choices"][0],
            &frame["choices"][0]["delta"],
        ] {
            for text in ["text", "generation", "outputText", "content"] {
                append(&mut answer.text, &from[text]);
            }
            for call in from["tool_calls"].as_array().into_iter().flatten() {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                if call["id"].is_string() {
                    let (id, name) = (text(&call["id"]), text(&call["function"]["name"]));
                    answer.tools.push(Call { id, name, ..Call::default() });
                }
                append(&mut answer.tools.last_mut().unwrap().arguments, &call["function"]["arguments"]);
            }
            for word in [
                &from["stop_reason"],
                &from["finish_reason"],
                &from["completionReason"],
                &from["finishReason"]["reason"],
            ] {
                if let Some(word) = word.as_str() {
                    answer.finish = Some(word.to_owned());
                }
            }
            count(&mut answer.input, &from["prompt_token_count"]);
            count(&mut answer.output, &from["generation_token_count"]);
            count(&mut answer.input, &from["inputTextTokenCount"]);
            count(&mut answer.output, &from["tokenCount"]);
            count(&mut answer.output, &from["totalOutputTextTokenCount"]);
        }
    }
    answer.failed = answer.finish.is_none();
    answer
}

/// The Converse events, each a field of its own.
fn converse_of(said: Vec<Value>) -> Answer {
    let mut events = Vec::new();
    for frame in said {
        match frame.get("output") {
            Some(_) => events.push(("whole".to_owned(), frame)),
            None => events.extend(frame.as_object().unwrap().clone()),
        }
    }
    read_events(events)
}

/// A Messages reply taken out of its envelope.
pub(crate) fn messages(exchange: &Exchange) -> Answer {
    let mut inside = exchange.clone();
    if serde_json::from_slice::<Value>(&exchange.body).is_err() {
        let mut text = String::new();
        for (_, said) in stream(&exchange.body) {
            let data = STANDARD.decode(said["bytes"].as_str().unwrap_or_default()).unwrap();
            text.push_str(&format!("data: {}\n\n", String::from_utf8(data).unwrap()));
        }
        inside.body = text.into();
    }
    inner::read(&inside)
}
