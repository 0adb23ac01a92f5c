//! A second reader of replies: small, slow, and independent of the adapters.

use hotspare_core::{ChatResponse, FinishReason};
use serde_json::Value;

/// What a reply says.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    text: String,
    /// Name and arguments.
    tools: Vec<(String, String)>,
    finish: Option<String>,
    output_tokens: Option<u64>,
    /// It reports an error, or ends before its end.
    pub(crate) failed: bool,
    /// A model wrote arguments that are no JSON object.
    pub(crate) broken_arguments: bool,
}

impl Answer {
    /// What an adapter read differently.
    pub(crate) fn differs(&self, answer: &ChatResponse) -> Vec<String> {
        let mut wrong = Vec::new();
        if answer.text() != self.text {
            wrong.push(format!("text {:?} instead of {:?}", short(&answer.text()), short(&self.text)));
        }
        let json =
            |text: &str| serde_json::from_str::<Value>(if text.trim().is_empty() { "{}" } else { text }).ok();
        let read: Vec<_> =
            answer.tool_calls().map(|call| (call.name.clone(), json(&call.arguments))).collect();
        let expected: Vec<_> =
            self.tools.iter().map(|(name, arguments)| (name.clone(), json(arguments))).collect();
        if read != expected {
            wrong.push(format!("tools {read:?} instead of {expected:?}"));
        }
        if let Some(word) = &self.finish {
            let same = match &answer.finish {
                FinishReason::ToolCalls => !self.tools.is_empty(),
                FinishReason::Stop => ["stop", "eos", "end_turn", "stop_sequence"].contains(&word.as_str()),
                FinishReason::Length => {
                    ["length", "max_tokens", "model_length", "model_context_window_exceeded"]
                        .contains(&word.as_str())
                }
                FinishReason::ContentFilter => word == "content_filter",
                FinishReason::Refusal => word == "refusal" || word == "stop",
                FinishReason::Other(other) => other == word,
                _ => false,
            };
            if !same {
                wrong.push(format!("finish {:?} for {word}", answer.finish));
            }
        }
        if let Some(tokens) = self.output_tokens
            && answer.usage.output.is_none_or(|output| output < tokens)
        {
            wrong.push(format!("{:?} output tokens instead of {tokens}", answer.usage.output));
        }
        wrong
    }
}

/// A reply of the chat wire.
pub(crate) fn chat(body: &[u8], streamed: bool) -> Answer {
    let mut answer = Answer::default();
    let mut calls: Vec<(Option<u64>, String, String, String)> = Vec::new();
    let mut any = false;
    for frame in frames(body, streamed) {
        if frame["error"].is_object() || frame["error"].is_string() || frame["object"] == "error" {
            answer.failed = true;
            return answer;
        }
        any = true;
        let choice = frame["choices"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|choice| choice["index"].as_u64().unwrap_or(0) == 0);
        if let Some(tokens) = frame["usage"]["completion_tokens"].as_u64() {
            answer.output_tokens = Some(tokens);
        }
        let Some(choice) = choice else { continue };
        let (first, second) = if streamed { ("delta", "message") } else { ("message", "delta") };
        let said = if choice[first].is_object() { &choice[first] } else { &choice[second] };
        match &said["content"] {
            Value::String(text) => answer.text.push_str(text),
            Value::Array(parts) => {
                for part in parts {
                    answer.text.push_str(part["text"].as_str().unwrap_or_default());
                }
            }
            object @ Value::Object(_) => answer.text.push_str(&object.to_string()),
            _ => {}
        }
        for call in said["tool_calls"].as_array().into_iter().flatten() {
            let (index, id) = (call["index"].as_u64(), call["id"].as_str().unwrap_or_default().to_owned());
            let name = call["function"]["name"].as_str().unwrap_or_default();
            let arguments = match &call["function"]["arguments"] {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                object => object.to_string(),
            };
            let known = calls.iter_mut().rev().find(|(at, known, ..)| {
                if id.is_empty() { *at == index && index.is_some() } else { *known == id }
            });
            match known {
                Some(call) => call.3.push_str(&arguments),
                None => calls.push((index, id, name.to_owned(), arguments)),
            }
        }
        if said["function_call"].is_object() {
            let call = &said["function_call"];
            let (name, arguments) =
                (call["name"].as_str().unwrap_or_default(), call["arguments"].as_str().unwrap_or_default());
            match calls.last_mut() {
                Some(last) if name.is_empty() => last.3.push_str(arguments),
                _ => calls.push((None, String::new(), name.to_owned(), arguments.to_owned())),
            }
        }
        if let Some(word) = choice["finish_reason"].as_str().filter(|word| !word.is_empty()) {
            answer.finish.get_or_insert_with(|| word.to_ascii_lowercase());
        }
    }
    answer.tools = calls.into_iter().map(|(_, _, name, arguments)| (name, arguments)).collect();
    answer.close(any)
}

/// A reply of the messages wire.
pub(crate) fn messages(body: &[u8], streamed: bool) -> Answer {
    let mut answer = Answer::default();
    let mut any = false;
    for frame in frames(body, streamed) {
        if frame["type"] == "error" || frame["error"].is_object() {
            answer.failed = true;
            return answer;
        }
        any = true;
        if !streamed {
            for block in frame["content"].as_array().into_iter().flatten() {
                match block["type"].as_str() {
                    Some("text") => answer.text.push_str(block["text"].as_str().unwrap_or_default()),
                    Some("tool_use") => {
                        let name = block["name"].as_str().unwrap_or_default();
                        answer.tools.push((name.to_owned(), block["input"].to_string()));
                    }
                    _ => {}
                }
            }
            answer.finish = frame["stop_reason"].as_str().map(str::to_owned);
            answer.output_tokens = frame["usage"]["output_tokens"].as_u64();
            continue;
        }
        match frame["type"].as_str() {
            Some("content_block_start") => match frame["content_block"]["type"].as_str() {
                Some("text") => {
                    answer.text.push_str(frame["content_block"]["text"].as_str().unwrap_or_default())
                }
                Some("tool_use") => {
                    let name = frame["content_block"]["name"].as_str().unwrap_or_default();
                    answer.tools.push((name.to_owned(), String::new()));
                }
                // A server's own tool: its arguments belong to nobody's call.
                Some("server_tool_use") => answer.tools.push((String::new(), String::new())),
                _ => {}
            },
            Some("content_block_delta") => {
                answer.text.push_str(frame["delta"]["text"].as_str().unwrap_or_default());
                if let (Some(json), Some(last)) =
                    (frame["delta"]["partial_json"].as_str(), answer.tools.last_mut())
                {
                    last.1.push_str(json);
                }
            }
            Some("message_delta") => {
                if let Some(word) = frame["delta"]["stop_reason"].as_str() {
                    answer.finish = Some(word.to_owned());
                }
                answer.output_tokens = frame["usage"]["output_tokens"].as_u64().or(answer.output_tokens);
            }
            _ => {}
        }
    }
    answer.tools.retain(|(name, _)| !name.is_empty());
    answer.close(any)
}

impl Answer {
    fn close(mut self, any: bool) -> Self {
        let ended = self
            .finish
            .as_deref()
            .is_some_and(|word| word != "error" && word != "insufficient_system_resource");
        // An answer without a word is none, unless it says why.
        let silent = self.text.is_empty() && self.tools.is_empty();
        self.failed = !any || !ended;
        self.broken_arguments = self.tools.iter().any(|(_, arguments)| {
            !arguments.trim().is_empty()
                && !serde_json::from_str::<Value>(arguments).is_ok_and(|value| value.is_object())
        });
        if silent {
            // Refusals and reasoning alone are content, too; this reader does not look for them.
            self.output_tokens = None;
        }
        self
    }
}

fn frames(body: &[u8], streamed: bool) -> Vec<Value> {
    let text = String::from_utf8_lossy(body);
    if !streamed {
        return serde_json::from_str(text.trim()).into_iter().collect();
    }
    text.replace("\r\n", "\n")
        .split("\n\n")
        .filter_map(|event| {
            let data: Vec<&str> = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
            serde_json::from_str(data.join("\n").trim()).ok()
        })
        .collect()
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}
