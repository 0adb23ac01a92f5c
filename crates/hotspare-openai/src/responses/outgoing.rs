//! Core answers to the wire's JSON, for a server that offers this wire to its callers.
//!
//! Not a relay: frames that can be forwarded unchanged are only tracked here, so that another target can carry on after
//! them. Invariant: every item that begins also ends; the pieces, the finished item and the whole answer agree; and an
//! error never looks like a normal end.

use hotspare_core::{ChatResponse, Error, Event, FinishReason, Part, Usage};
use hotspare_provider::write_event;
use serde_json::{Value, json};

use super::RESPONSES_WIRE;
use crate::ChatCompletionsEncoder;
use crate::outgoing::service_tier_name;

/// Encodes one answer.
#[derive(Clone, Debug)]
pub struct ResponsesEncoder {
    id: String,
    model: String,
    created: u64,
    started: bool,
    frames: u64,
    /// Finished items.
    items: Vec<Value>,
    open: Option<OpenItem>,
    finish: Option<FinishReason>,
    usage: Usage,
    service_tier: Option<&'static str>,
    /// The latest handover to another target.
    handover: Option<Value>,
    /// The next frame has to mark it.
    mark_due: bool,
}

/// The item in progress.
#[derive(Clone, Debug)]
struct OpenItem {
    kind: ItemKind,
    text: String,
    annotations: Vec<Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ItemKind {
    Call { id: String, name: String },
    Reasoning,
    Refusal,
    Text,
}

impl ResponsesEncoder {
    /// An answer with this id from `model`, created at `created` (Unix time in seconds).
    pub fn new(id: impl Into<String>, model: impl Into<String>, created: u64) -> Self {
        Self {
            id: id.into(),
            model: model.into(),
            created,
            started: false,
            frames: 0,
            items: Vec::new(),
            open: None,
            finish: None,
            usage: Usage::default(),
            service_tier: None,
            handover: None,
            mark_due: false,
        }
    }

    /// Appends the frames for an event of a streamed answer.
    pub fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        if let Event::Started { id, model } = event {
            if let Some(id) = id {
                self.id.clone_from(id);
            }
            if let Some(model) = model {
                self.model.clone_from(model);
            }
        }
        self.start(out);
        match event {
            Event::TextDelta(text) => self.delta(ItemKind::Text, "response.output_text.delta", text, out),
            Event::RefusalDelta(text) => self.delta(ItemKind::Refusal, "response.refusal.delta", text, out),
            Event::ReasoningDelta(text) => {
                self.delta(ItemKind::Reasoning, "response.reasoning_summary_text.delta", text, out);
            }
            Event::ToolStarted { id, name, .. } => {
                self.open(ItemKind::Call { id: id.clone(), name: name.clone() }, out);
            }
            Event::ToolDelta { arguments, .. } => {
                if let Some(OpenItem { kind: kind @ ItemKind::Call { .. }, .. }) = self.open.clone() {
                    self.delta(kind, "response.function_call_arguments.delta", arguments, out);
                }
            }
            Event::Annotation(note) => {
                if let Some(open) = self.open.as_mut().filter(|open| open.kind == ItemKind::Text) {
                    let index = open.annotations.len();
                    open.annotations.push(note.to_value());
                    let mut data = self.at();
                    data["content_index"] = 0.into();
                    data["annotation_index"] = index.into();
                    data["annotation"] = note.to_value();
                    self.frame("response.output_text.annotation.added", data, out);
                }
            }
            Event::Native(native) if native.wire == RESPONSES_WIRE => {
                self.close(out);
                let item = native.raw.to_value();
                let index = self.items.len();
                self.frame("response.output_item.added", json!({"output_index": index, "item": item}), out);
                self.frame("response.output_item.done", json!({"output_index": index, "item": item}), out);
                self.items.push(item);
            }
            // The wire has no frame that clients ignore, so the next one carries the mark.
            Event::Handover { from, to } => {
                self.handover = Some(json!({"handover": {"from": from, "to": to}}));
                self.service_tier = None;
                self.mark_due = true;
            }
            Event::Usage(usage) => self.usage.update(usage),
            Event::ServiceTier(word) => self.service_tier = service_tier_name(word),
            Event::Finished(reason) => {
                self.close(out);
                self.finish = Some(reason.clone());
            }
            _ => {}
        }
    }

    /// Appends the frames that end a complete streamed answer.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        self.close(out);
        let finish = self.finish.clone().unwrap_or(FinishReason::Stop);
        let mut response = self.response(&self.items, &finish, &self.usage);
        if let Some(handover) = &self.handover {
            response["hotspare"] = handover.clone();
        }
        let name =
            if response["status"] == "completed" { "response.completed" } else { "response.incomplete" };
        self.frame(name, json!({"response": response}), out);
    }

    /// The body of a whole answer.
    #[must_use]
    pub fn body(&self, answer: &ChatResponse) -> Vec<u8> {
        let mut encoder = self.clone();
        let mut sink = Vec::new();
        let names = Event::Started { id: answer.id.clone(), model: answer.model.clone() };
        encoder.event(&names, &mut sink);
        encoder.service_tier = answer.service_tier.as_deref().and_then(service_tier_name);
        let mut calls = 0;
        for part in &answer.content {
            let event = match part {
                Part::Text(text) => Event::TextDelta(text.clone()),
                Part::Refusal(text) => Event::RefusalDelta(text.clone()),
                Part::Reasoning(reasoning) => Event::ReasoningDelta(reasoning.text.clone()),
                Part::Native(native) => Event::Native(Box::new(native.clone())),
                Part::ToolCall(call) => {
                    let (id, name) = (call.id.clone(), call.name.clone());
                    encoder.event(&Event::ToolStarted { index: calls, id, name }, &mut sink);
                    calls += 1;
                    Event::ToolDelta { index: calls - 1, arguments: call.arguments.clone() }
                }
                _ => continue,
            };
            encoder.event(&event, &mut sink);
            if matches!(part, Part::Text(_)) {
                let annotations = answer.annotations.iter().cloned().map(Event::Annotation);
                annotations.for_each(|note| encoder.event(&note, &mut sink));
            }
            sink.clear();
        }
        encoder.close(&mut sink);
        encoder.response(&encoder.items, &answer.finish, &answer.usage).to_string().into_bytes()
    }

    /// Appends the frame that reports a failure.
    pub fn failure(error: &Error, out: &mut Vec<u8>) {
        let body: Value =
            serde_json::from_slice(&ChatCompletionsEncoder::error_body(error)).unwrap_or_default();
        let (code, message) = (&body["error"]["code"], &body["error"]["message"]);
        let mut data = json!({"type": "error", "code": code, "message": message, "param": null});
        if let Some(attempts) = body["error"].get("attempts") {
            data["attempts"] = attempts.clone();
        }
        write_event(Some("error"), data.to_string().as_bytes(), out);
    }

    /// Forwards a provider's own frame of this wire.
    pub fn relay(data: &[u8], out: &mut Vec<u8>) {
        #[derive(serde::Deserialize)]
        struct TypeOnly<'a> {
            #[serde(rename = "type", borrow, default)]
            kind: std::borrow::Cow<'a, str>,
        }
        let frame = serde_json::from_slice::<TypeOnly<'_>>(data).ok();
        write_event(frame.as_ref().map(|frame| &*frame.kind), data, out);
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let mut response = self.response(&[], &FinishReason::Stop, &Usage::default());
        response["status"] = "in_progress".into();
        response["usage"] = Value::Null;
        self.frame("response.created", json!({"response": response}), out);
        self.frame("response.in_progress", json!({"response": response}), out);
    }

    fn delta(&mut self, kind: ItemKind, name: &str, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if self.open.as_ref().is_none_or(|open| open.kind != kind) {
            self.open(kind, out);
        }
        if let Some(open) = &mut self.open {
            open.text.push_str(text);
        }
        let mut data = self.at();
        data["delta"] = text.into();
        self.frame(name, data, out);
    }

    fn open(&mut self, kind: ItemKind, out: &mut Vec<u8>) {
        self.close(out);
        let open = OpenItem { kind, text: String::new(), annotations: Vec::new() };
        let index = self.items.len();
        let mut item = self.item(&open);
        item["status"] = "in_progress".into();
        if item["type"] == "message" {
            item["content"] = json!([]);
        }
        if item["type"] == "reasoning" {
            item["summary"] = json!([]);
        }
        self.frame("response.output_item.added", json!({"output_index": index, "item": item}), out);
        let part = match open.kind {
            ItemKind::Text => {
                ("response.content_part.added", json!({"type": "output_text", "text": "", "annotations": []}))
            }
            ItemKind::Refusal => ("response.content_part.added", json!({"type": "refusal", "refusal": ""})),
            ItemKind::Reasoning => {
                ("response.reasoning_summary_part.added", json!({"type": "summary_text", "text": ""}))
            }
            ItemKind::Call { .. } => ("", Value::Null),
        };
        self.open = Some(open);
        if !part.0.is_empty() {
            let mut data = self.at();
            data["part"] = part.1;
            self.frame(part.0, data, out);
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        let Some(open) = &self.open else { return };
        let (item, text) = (self.item(open), open.text.clone());
        let (name, field) = match open.kind {
            ItemKind::Text => ("response.output_text.done", "text"),
            ItemKind::Refusal => ("response.refusal.done", "refusal"),
            ItemKind::Reasoning => ("response.reasoning_summary_text.done", "text"),
            ItemKind::Call { .. } => ("response.function_call_arguments.done", "arguments"),
        };
        let part = match open.kind {
            ItemKind::Text | ItemKind::Refusal => {
                Some(("response.content_part.done", item["content"][0].clone()))
            }
            ItemKind::Reasoning => Some(("response.reasoning_summary_part.done", item["summary"][0].clone())),
            ItemKind::Call { .. } => None,
        };
        let mut data = self.at();
        data[field] = text.into();
        self.frame(name, data, out);
        if let Some((name, part)) = part {
            let mut data = self.at();
            data["part"] = part;
            self.frame(name, data, out);
        }
        let index = self.items.len();
        self.frame("response.output_item.done", json!({"output_index": index, "item": item}), out);
        self.items.push(item);
        self.open = None;
    }

    /// The position of the item in progress.
    fn at(&self) -> Value {
        let mut at = json!({"item_id": self.name(), "output_index": self.items.len()});
        match self.open.as_ref().map(|open| &open.kind) {
            Some(ItemKind::Text | ItemKind::Refusal) => at["content_index"] = 0.into(),
            Some(ItemKind::Reasoning) => at["summary_index"] = 0.into(),
            _ => {}
        }
        at
    }

    fn name(&self) -> String {
        format!("item_{}_{}", self.id, self.items.len())
    }

    fn item(&self, open: &OpenItem) -> Value {
        let (id, text) = (self.name(), &open.text);
        let message = |part: Value| json!({"id": id, "type": "message", "role": "assistant", "status": "completed", "content": [part]});
        match &open.kind {
            ItemKind::Text => message(
                json!({"type": "output_text", "text": text, "annotations": open.annotations, "logprobs": []}),
            ),
            ItemKind::Refusal => message(json!({"type": "refusal", "refusal": text})),
            ItemKind::Reasoning => {
                json!({"id": id, "type": "reasoning", "summary": [{"type": "summary_text", "text": text}]})
            }
            ItemKind::Call { id: call, name } => json!({
                "id": id, "type": "function_call", "status": "completed", "call_id": call, "name": name, "arguments": text,
            }),
        }
    }

    fn response(&self, items: &[Value], finish: &FinishReason, usage: &Usage) -> Value {
        let reason = match finish {
            FinishReason::Length => Some("max_output_tokens"),
            FinishReason::ContentFilter => Some("content_filter"),
            _ => None,
        };
        json!({
            "id": self.id, "object": "response", "created_at": self.created, "model": self.model,
            "status": if reason.is_some() { "incomplete" } else { "completed" },
            "error": null, "incomplete_details": reason.map(|reason| json!({"reason": reason})),
            "instructions": null, "metadata": {}, "parallel_tool_calls": true, "temperature": null, "top_p": null,
            "tool_choice": "auto", "tools": [], "output": items, "service_tier": self.service_tier,
            "usage": {
                "input_tokens": usage.input.unwrap_or(0),
                "input_tokens_details": {"cached_tokens": usage.cached.unwrap_or(0)},
                "output_tokens": usage.output.unwrap_or(0),
                "output_tokens_details": {"reasoning_tokens": usage.reasoning.unwrap_or(0)},
                "total_tokens": usage.total().unwrap_or(0),
            },
        })
    }

    fn frame(&mut self, name: &str, mut data: Value, out: &mut Vec<u8>) {
        data["type"] = name.into();
        data["sequence_number"] = self.frames.into();
        self.frames += 1;
        if let Some(handover) = self.handover.as_ref().filter(|_| std::mem::take(&mut self.mark_due)) {
            data["hotspare"] = handover.clone();
        }
        write_event(Some(name), data.to_string().as_bytes(), out);
    }
}

#[cfg(test)]
mod tests;
