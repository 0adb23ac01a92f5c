//! Core answers to the wire's JSON, for a server that offers this wire to its callers.
//!
//! Not a relay: frames that can be forwarded unchanged never come here. Invariant: all JSON written here is complete
//! and valid, and an error never looks like a normal end.

use hotspare_core::{ChatResponse, Error, Event, FinishReason, Kind, Part, Signature, Usage};
use serde::Serialize;
use serde_json::{Value, json};

use crate::WIRE;
use crate::dialect::Dialect;

/// Encodes one answer.
#[derive(Clone, Debug)]
pub struct ChatCompletionsEncoder {
    id: String,
    model: String,
    created: u64,
    service_tier: Option<&'static str>,
    /// The call that the last part of a stream is, if it is one: fields that follow are its own.
    last_call: Option<u32>,
}

impl ChatCompletionsEncoder {
    /// An answer with this id from `model`, created at `created` (Unix time in seconds).
    pub fn new(id: impl Into<String>, model: impl Into<String>, created: u64) -> Self {
        Self { id: id.into(), model: model.into(), created, service_tier: None, last_call: None }
    }

    /// Adopts the upstream's id and model name, if it sent any.
    pub fn rename(&mut self, id: Option<&str>, model: Option<&str>) {
        if let Some(id) = id {
            id.clone_into(&mut self.id);
        }
        if let Some(model) = model {
            model.clone_into(&mut self.model);
        }
    }

    /// Adopts the time of a provider's own frame that is relayed, so that frames written after it have the same.
    pub fn follow(&mut self, frame: &[u8]) {
        #[derive(serde::Deserialize)]
        struct CreatedOnly {
            created: u64,
        }
        if let Ok(CreatedOnly { created }) = serde_json::from_slice(frame) {
            self.created = created;
        }
    }

    /// Takes note of an event whose frame is relayed, for frames written after it.
    pub fn relayed(&mut self, event: &Event) {
        match event {
            Event::ToolStarted { index, .. } => self.last_call = Some(*index),
            Event::TextDelta(_) | Event::ReasoningDelta(_) | Event::RefusalDelta(_) | Event::Native(_) => {
                self.last_call = None
            }
            Event::Handover { .. } => (self.last_call, self.service_tier) = (None, None),
            _ => {}
        }
    }

    /// The data of the stream frame for an event; `None` for events that have no frame on this wire.
    #[must_use]
    pub fn frame(&mut self, event: &Event) -> Option<Vec<u8>> {
        self.relayed(event);
        let delta = match event {
            Event::Started { .. } => json!({"role": "assistant", "content": ""}),
            Event::TextDelta(text) => return Some(self.text_frame("content", text)),
            Event::ReasoningDelta(text) => return Some(self.text_frame("reasoning_content", text)),
            Event::RefusalDelta(text) => return Some(self.text_frame("refusal", text)),
            Event::ToolStarted { index, id, name } => json!({"tool_calls": [
                {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}
            ]}),
            Event::ToolDelta { index, arguments } => {
                json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})
            }
            Event::ReasoningSignature(signature) => json!({"reasoning_details": [detail(signature, "")?]}),
            Event::Annotation(note) => json!({"annotations": [note]}),
            Event::Native(native) if native.wire == WIRE => json!({"images": [native.raw]}),
            Event::Fields(fields) if fields.wire == WIRE => {
                let mut own = fields.raw.to_value();
                match self.last_call {
                    Some(index) => {
                        own.as_object_mut()?.insert("index".into(), index.into());
                        json!({"tool_calls": [own]})
                    }
                    None => own,
                }
            }
            Event::Finished(reason) => {
                return Some(
                    self.chunk(
                        json!([{"index": 0, "delta": {}, "finish_reason": finish_reason_name(reason)}]),
                    ),
                );
            }
            Event::Handover { from, to } => {
                // Clients rely on a first choice in every chunk without usage.
                let mut chunk = self.head(json!([{"index": 0, "delta": {}, "finish_reason": null}]));
                chunk["hotspare"] = json!({"handover": {"from": from, "to": to}});
                return Some(chunk.to_string().into_bytes());
            }
            _ => return None,
        };
        Some(self.chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}])))
    }

    /// Sets the service tier that the frames to come report.
    pub fn set_service_tier(&mut self, word: &str) {
        self.service_tier = service_tier_name(word);
    }

    /// The data of the frame that ends a stream with usage.
    #[must_use]
    pub fn usage_frame(&self, usage: &Usage) -> Vec<u8> {
        let mut chunk = self.head(json!([]));
        chunk["usage"] = usage_json(usage);
        chunk.to_string().into_bytes()
    }

    /// The body of a whole answer.
    #[must_use]
    pub fn body(&self, answer: &ChatResponse) -> Vec<u8> {
        let mut message = json!({"role": "assistant", "content": null});
        let text = answer.text();
        if !text.is_empty() {
            message["content"] = text.into();
        }
        let (mut calls, mut images, mut details) = (Vec::new(), Vec::new(), Vec::new());
        let (mut reasoning, mut refusal) = (String::new(), String::new());
        for part in &answer.content {
            match part {
                Part::Reasoning(part) => {
                    reasoning.push_str(&part.text);
                    details.extend(part.signature.as_ref().and_then(|signature| detail(signature, &part.text)));
                }
                Part::Refusal(part) => refusal.push_str(part),
                Part::ToolCall(call) => calls.push(json!({
                    "id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}
                })),
                // The caller sends them back with the call.
                Part::Fields(fields) if fields.wire == WIRE => {
                    if let (Some(Value::Object(call)), Value::Object(own)) = (calls.last_mut(), fields.raw.to_value()) {
                        call.extend(own);
                    }
                }
                Part::Native(native) if native.wire == WIRE => images.push(&native.raw),
                _ => {}
            }
        }
        if !images.is_empty() {
            message["images"] = json!(images);
        }
        if !reasoning.is_empty() {
            message["reasoning_content"] = reasoning.into();
        }
        if !details.is_empty() {
            message["reasoning_details"] = details.into();
        }
        message["refusal"] = if refusal.is_empty() { Value::Null } else { refusal.into() };
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        if !answer.annotations.is_empty() {
            message["annotations"] = json!(answer.annotations);
        }
        let mut body = json!({
            "id": answer.id.as_deref().unwrap_or(&self.id),
            "object": "chat.completion",
            "created": self.created,
            "model": answer.model.as_deref().unwrap_or(&self.model),
            "choices": [{"index": 0, "message": message, "logprobs": answer.logprobs.first(), "finish_reason": finish_reason_name(&answer.finish)}],
            "usage": usage_json(&answer.usage),
        });
        if let Some(name) = answer.service_tier.as_deref().and_then(service_tier_name) {
            body["service_tier"] = name.into();
        }
        body.to_string().into_bytes()
    }

    /// The body of an error, and the data of the frame that reports it inside a stream.
    #[must_use]
    pub fn error_body(error: &Error) -> Vec<u8> {
        let (kind, code) = error_type_and_code(error);
        let mut body = json!({"error": {
            "message": error.public_message(), "type": kind, "param": null, "code": code,
        }});
        if let Some(attempts) = hotspare_provider::attempts(error) {
            body["error"]["attempts"] = attempts;
        }
        body.to_string().into_bytes()
    }

    /// The status that tells a caller what to do: [`Error::http_status`].
    #[must_use]
    pub fn status(error: &Error) -> u16 {
        error.http_status()
    }

    /// Appends a frame: a provider's own, one of [`frame`](Self::frame) or [`usage_frame`](Self::usage_frame), or `[DONE]`.
    pub fn relay(data: &[u8], out: &mut Vec<u8>) {
        hotspare_provider::write_event(None, data, out);
    }

    fn text_frame(&self, field: &str, text: &str) -> Vec<u8> {
        // By far the most frequent frame, so it is written without building a tree.
        let mut out = Vec::with_capacity(160 + text.len());
        out.extend_from_slice(b"{\"id\":");
        append(&mut out, &self.id);
        out.extend_from_slice(b",\"object\":\"chat.completion.chunk\",\"created\":");
        append(&mut out, &self.created);
        out.extend_from_slice(b",\"model\":");
        append(&mut out, &self.model);
        out.extend_from_slice(b",\"choices\":[{\"index\":0,\"delta\":{\"");
        out.extend_from_slice(field.as_bytes());
        out.extend_from_slice(b"\":");
        append(&mut out, text);
        out.extend_from_slice(b"},\"finish_reason\":null}]}");
        out
    }

    fn chunk(&self, choices: Value) -> Vec<u8> {
        self.head(choices).to_string().into_bytes()
    }

    fn head(&self, choices: Value) -> Value {
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
            "choices": choices,
        });
        if let Some(name) = self.service_tier {
            chunk["service_tier"] = name.into();
        }
        chunk
    }
}

/// The wire's word for a service tier; `None` for one that the wire does not have, which strict clients would refuse.
pub(crate) fn service_tier_name(word: &str) -> Option<&'static str> {
    Some(match word {
        "default" | "on_demand" | "standard" => "default",
        "auto" => "auto",
        "flex" => "flex",
        "priority" => "priority",
        "scale" => "scale",
        _ => return None,
    })
}

/// The entry of `reasoning_details` that a signature of this wire is; signatures of other origins have no place on it. In a
/// stream the text arrives before it, and the host expects both in one entry.
fn detail(signature: &Signature, text: &str) -> Option<Value> {
    let own = Dialect::ALL.iter().filter_map(Dialect::signature_origin).any(|own| own == signature.origin);
    let mut entry: Value = own.then(|| serde_json::from_str(&signature.data).ok()).flatten()?;
    if entry["type"] == "reasoning.text" && entry.get("text").is_none() && !text.is_empty() {
        entry["text"] = text.into();
    }
    Some(entry)
}

fn append<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let before = out.len();
    // Strings and numbers can always be serialized; `null` only keeps this function total.
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(before);
        out.extend_from_slice(b"null");
    }
}

/// The wire's word for a finish reason.
pub(crate) fn finish_reason_name(reason: &FinishReason) -> &str {
    match reason {
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::Other(word) => word,
        _ => "stop",
    }
}

fn usage_json(usage: &Usage) -> Value {
    let mut out = json!({
        "prompt_tokens": usage.input.unwrap_or(0),
        "completion_tokens": usage.output.unwrap_or(0),
        "total_tokens": usage.total().unwrap_or(0),
    });
    if let Some(cached) = usage.cached {
        out["prompt_tokens_details"] = json!({"cached_tokens": cached});
    }
    if let Some(reasoning) = usage.reasoning {
        out["completion_tokens_details"] = json!({"reasoning_tokens": reasoning});
    }
    out
}

/// The wire's type and code for an error.
fn error_type_and_code(error: &Error) -> (&'static str, &str) {
    let kind = match error.http_status() {
        429 => "rate_limit_error",
        400 | 404 | 422 => "invalid_request_error",
        _ => "upstream_error",
    };
    let code = match error.kind() {
        Kind::ContextOverflow => "context_length_exceeded",
        Kind::ContentPolicy => "content_filter",
        Kind::RateLimited => "rate_limit_exceeded",
        Kind::InvalidRequest => error.code().unwrap_or("invalid_request"),
        // Of the gateway itself: no upstream was asked that could have given a code.
        Kind::NoTarget => error.code().unwrap_or(Kind::NoTarget.as_str()),
        kind => kind.as_str(),
    };
    (kind, code)
}

#[cfg(test)]
mod tests {
    use hotspare_core::{ChatRequest, Json, Native, ToolCall};

    use super::*;

    #[test]
    fn every_chunk_but_usage_has_a_choice() {
        let mut outgoing = ChatCompletionsEncoder::new("c", "m", 1);
        let mut read = |event: &Event| {
            let frame = outgoing.frame(event).unwrap();
            serde_json::from_slice::<Value>(&frame).unwrap()
        };
        let handover = Event::Handover { from: "main".into(), to: "spare".into() };
        let image = Event::Native(Box::new(Native::new(WIRE, Json::from(json!({"type": "image_url"})))));
        for event in [
            handover.clone(),
            image.clone(),
            Event::Started { id: None, model: None },
            Event::TextDelta("a".into()),
            Event::ToolDelta { index: 0, arguments: "{}".into() },
            Event::Finished(FinishReason::Stop),
        ] {
            let chunk = read(&event);
            assert!(chunk["choices"][0]["delta"].is_object(), "{chunk}");
        }
        assert_eq!(read(&handover)["hotspare"]["handover"], json!({"from": "main", "to": "spare"}));
        assert_eq!(read(&image)["choices"][0]["delta"]["images"], json!([{"type": "image_url"}]));
        let counts: Value = serde_json::from_slice(&outgoing.usage_frame(&Usage::default())).unwrap();
        assert_eq!(counts["choices"], json!([]));
    }

    #[test]
    fn fields_in_a_stream_name_the_call_that_they_belong_to() {
        let mut outgoing = ChatCompletionsEncoder::new("c", "m", 1);
        let own = json!({"extra_content": {"google": {"thought_signature": "s"}}});
        let fields = |wire: &str| Event::Fields(Box::new(Native::new(wire, own.clone().into())));
        let started = |index| Event::ToolStarted { index, id: "c".into(), name: "f".into() };
        let mut delta = |event: &Event| {
            let frame: Value = serde_json::from_slice(&outgoing.frame(event)?).unwrap();
            Some(frame["choices"][0]["delta"].clone())
        };
        assert_eq!(delta(&fields(WIRE)), Some(own.clone()), "the message's own");
        delta(&started(0));
        delta(&started(1));
        delta(&Event::ToolDelta { index: 0, arguments: "{}".into() });
        let mut expected = own.clone();
        expected["index"] = json!(1);
        assert_eq!(delta(&fields(WIRE)), Some(json!({"tool_calls": [expected]})));
        assert_eq!(delta(&fields("x")), None);
        delta(&Event::TextDelta("a".into()));
        assert_eq!(delta(&fields(WIRE)), Some(own.clone()));
        outgoing.relayed(&started(2));
        let frame: Value = serde_json::from_slice(&outgoing.frame(&fields(WIRE)).unwrap()).unwrap();
        assert_eq!(frame["choices"][0]["delta"]["tool_calls"][0]["index"], 2, "the call was relayed");
    }

    /// The host refuses the next turn without them: callers of this wire get them, and so does the host again.
    #[test]
    fn fields_of_a_call_go_to_the_caller_and_back_to_the_host() {
        let own = json!({"extra_content": {"google": {"thought_signature": "s"}}});
        let content = vec![
            Part::ToolCall(ToolCall::new("c", "f", "{}")),
            Part::Fields(Native::new(WIRE, own.clone().into())),
        ];
        let answer = ChatResponse::new(content, FinishReason::ToolCalls);
        let body = ChatCompletionsEncoder::new("a", "m", 1).body(&answer);
        let body: Value = serde_json::from_slice(&body).unwrap();
        let call = &body["choices"][0]["message"]["tool_calls"][0];
        assert_eq!((&call["id"], &call["extra_content"]), (&json!("c"), &own["extra_content"]));
        let next = ChatRequest::to("r").user("hi").message(answer.to_message());
        let sent = crate::encode::body(&next, "m", false, &Dialect::COMPATIBLE).unwrap();
        let sent: Value = serde_json::from_slice(&sent).unwrap();
        assert_eq!(sent["messages"][1]["tool_calls"][0]["extra_content"], own["extra_content"]);
    }
}
