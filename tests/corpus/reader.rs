//! A second reader of replies: small, slow, and independent of the adapters.
//!
//! One file per wire. A reader only looks at a recording's body and reports its contents; what it does not look for is
//! `None`.

mod bedrock;
mod chat;
mod cohere;
mod gemini;
mod interactions;
mod messages;
mod ollama;
mod responses;
pub(crate) mod vectors;

use hotspare::recorded::Exchange;
use hotspare::{ChatResponse, FinishReason, Part};
use serde_json::Value;

type Reader = fn(&Exchange) -> Answer;

/// Readers by provider (empty: any), kind of call, and a part of the model's name (empty: any).
const READERS: &[(&str, &str, &str, Reader)] = &[
    ("", "chat_completions", "", chat::read),
    ("", "completions", "", chat::read),
    ("", "fim", "", chat::read),
    ("", "generate_content", "", gemini::read),
    ("", "stream_generate_content", "", gemini::read),
    ("", "messages", "", messages::read),
    ("", "complete_legacy", "", messages::read),
    ("", "converse", "", bedrock::converse),
    ("", "converse_stream", "", bedrock::converse),
    ("", "invoke", "anthropic.claude", bedrock::messages),
    ("", "invoke_stream", "anthropic.claude", bedrock::messages),
    ("", "invoke", "", bedrock::body),
    ("", "invoke_stream", "", bedrock::body),
    ("", "interactions", "", interactions::read),
    ("", "chat_v1", "", cohere::read),
    ("", "chat_v2", "", cohere::read),
    ("", "generate", "", cohere::read),
    ("", "api_chat", "", ollama::read),
    ("", "api_generate", "", ollama::read),
    ("", "responses", "", responses::read),
    ("", "raw_predict", "claude", messages::read),
    ("", "stream_raw_predict", "claude", messages::read),
];

/// Reads a successful reply, if there is a reader for its kind.
pub(crate) fn read(exchange: &Exchange) -> Option<Answer> {
    if exchange.endpoint == "invoke" && !vectors::read(exchange).is_empty() {
        return None;
    }
    let fits = |(provider, endpoint, model, _): &&(&str, &str, &str, Reader)| {
        (provider.is_empty() || exchange.provider == *provider)
            && exchange.endpoint == *endpoint
            && exchange.model.contains(model)
    };
    READERS.iter().find(fits).map(|(.., reader)| reader(exchange))
}

/// The contents of a reply.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) reasoning: Option<String>,
    pub(crate) refusal: Option<String>,
    pub(crate) tools: Vec<Call>,
    /// The finish reason as sent.
    pub(crate) finish: Option<String>,
    pub(crate) input: Option<u64>,
    pub(crate) output: Option<u64>,
    pub(crate) cached: Option<u64>,
    pub(crate) reasoning_tokens: Option<u64>,
    /// Whether it reports an error or is truncated.
    pub(crate) failed: bool,
}

/// A tool call.
#[derive(Debug, Default)]
pub(crate) struct Call {
    /// Empty if the provider gives none.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
}

/// Every provider's finish reasons in lower case, and their meaning.
const FINISH: &[(&str, &str)] = &[
    ("blocklist", "content_filter"),
    ("complete", "stop"),
    ("completed", "stop"),
    ("content_filtered", "content_filter"),
    ("content_filter", "content_filter"),
    ("end_turn", "stop"),
    ("endoftext", "stop"),
    ("eos", "stop"),
    ("finish", "stop"),
    ("function_call", "tool_calls"),
    ("guardrail_intervened", "content_filter"),
    ("incomplete", "length"),
    ("length", "length"),
    ("max_tokens", "length"),
    ("model_armor", "content_filter"),
    ("model_context_window_exceeded", "length"),
    ("model_length", "length"),
    ("prohibited_content", "content_filter"),
    ("recitation", "content_filter"),
    ("refusal", "refusal"),
    ("requires_action", "tool_calls"),
    ("safety", "content_filter"),
    ("spii", "content_filter"),
    ("stop", "stop"),
    ("stop_sequence", "stop"),
    ("tool_call", "tool_calls"),
    ("tool_calls", "tool_calls"),
    ("tool_use", "tool_calls"),
];

impl Answer {
    /// The meaning of the finish reason; a plain stop means more if there were calls or a refusal.
    pub(crate) fn meaning(&self) -> Option<&'static str> {
        let word = self.finish.as_deref()?.to_ascii_lowercase();
        let meaning = FINISH.iter().find(|(known, _)| *known == word).map_or("other", |(_, meaning)| meaning);
        Some(match meaning {
            "stop" if !self.tools.is_empty() => "tool_calls",
            "stop" if self.refusal.as_deref().is_some_and(|refusal| !refusal.is_empty()) => "refusal",
            meaning => meaning,
        })
    }

    /// Whether a model wrote arguments that are not a JSON object, in a complete answer: clients never get those.
    pub(crate) fn has_broken_arguments(&self) -> bool {
        self.meaning() != Some("length")
            && self.tools.iter().any(|call| {
                !call.arguments.trim().is_empty()
                    && !serde_json::from_str::<Value>(&call.arguments).is_ok_and(|value| value.is_object())
            })
    }

    /// Whether the reply has no content.
    pub(crate) fn is_empty(&self) -> bool {
        let nothing = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
        self.text.is_empty() && self.tools.is_empty() && nothing(&self.reasoning) && nothing(&self.refusal)
    }

    /// What an adapter read differently.
    pub(crate) fn differences(&self, answer: &ChatResponse) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut same = |what: &str, read: &str, expected: &str| {
            if read != expected {
                wrong.push(format!("{what} {:?} instead of {:?}", short(read), short(expected)));
            }
        };
        same("text", &answer.text(), &self.text);
        let said =
            |pick: fn(&Part) -> Option<&str>| answer.content.iter().filter_map(pick).collect::<String>();
        if let Some(reasoning) = &self.reasoning {
            let read = said(|part| match part {
                Part::Reasoning(reasoning) => Some(&reasoning.text),
                _ => None,
            });
            same("reasoning", &read, reasoning);
        }
        if let Some(refusal) = &self.refusal {
            let read = said(|part| match part {
                Part::Refusal(refusal) => Some(refusal),
                _ => None,
            });
            same("refusal", &read, refusal);
        }
        if let Some(meaning) = self.meaning() {
            let read = match &answer.finish {
                FinishReason::ContentFilter => "content_filter",
                FinishReason::Length => "length",
                FinishReason::Refusal => "refusal",
                FinishReason::Stop => "stop",
                FinishReason::ToolCalls => "tool_calls",
                _ => "other",
            };
            // An empty answer with a stop reason must say why it stopped.
            if !(self.is_empty() && meaning == "stop" && read == "other") {
                same("finish", read, meaning);
            }
        }
        let json =
            |text: &str| serde_json::from_str::<Value>(if text.trim().is_empty() { "{}" } else { text }).ok();
        let read: Vec<_> =
            answer.tool_calls().map(|call| (call.name.as_str(), json(&call.arguments))).collect();
        let expected: Vec<_> =
            self.tools.iter().map(|call| (call.name.as_str(), json(&call.arguments))).collect();
        if read != expected {
            wrong.push(format!("tools {read:?} instead of {expected:?}"));
        }
        for (read, expected) in answer.tool_calls().zip(&self.tools) {
            let twice = self.tools.iter().filter(|other| other.id == expected.id).count() > 1;
            if !expected.id.is_empty() && !twice && read.id != expected.id {
                wrong.push(format!("call id {:?} instead of {:?}", read.id, expected.id));
            }
        }
        let usage = &answer.usage;
        for (what, read, expected) in [
            ("input", usage.input, self.input),
            ("output", usage.output, self.output),
            ("cached", usage.cached, self.cached),
            ("reasoning", usage.reasoning, self.reasoning_tokens),
        ] {
            if expected.is_some() && read != expected {
                wrong.push(format!("{what} tokens {read:?} instead of {expected:?}"));
            }
        }
        wrong
    }
}

/// The JSON values of a reply: one, or one per event.
pub(crate) fn frames(exchange: &Exchange) -> Vec<Value> {
    let text = String::from_utf8_lossy(&exchange.body);
    let text = text.trim();
    if text.starts_with(['{', '[']) {
        return serde_json::from_str(text).into_iter().collect();
    }
    text.replace("\r\n", "\n")
        .split("\n\n")
        .filter_map(|event| {
            let data: Vec<&str> = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
            serde_json::from_str(data.join("\n").trim()).ok()
        })
        .collect()
}

/// Appends a text if there is one.
pub(crate) fn append(to: &mut String, text: &Value) {
    to.push_str(text.as_str().unwrap_or_default());
}

/// Replaces a count if there is one.
pub(crate) fn count(to: &mut Option<u64>, number: &Value) {
    let whole = number.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as u64);
    *to = number.as_u64().or(whole).or(*to);
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}
