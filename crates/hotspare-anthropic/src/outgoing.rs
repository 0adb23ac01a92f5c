//! Core answers to the wire's JSON, for a server that offers this wire to its callers.
//!
//! Writes whole server-sent events, because this wire names them. Frames from a provider of this wire are forwarded
//! unchanged, and the blocks that they begin and end are tracked so that frames of our own fit between them. Invariant:
//! blocks are numbered in order and every one that begins ends; an error never looks like a normal end.

mod whole;

use hotspare_core::{Error, Event, FinishReason, Json, Kind, Native, Signature, Usage};
use hotspare_provider::write_event;
use serde_json::{Value, json};

use crate::{ORIGIN, WIRE, dto};

/// Encodes one answer.
#[derive(Clone, Debug)]
pub struct MessagesEncoder {
    id: String,
    model: String,
    started: bool,
    /// Blocks begun so far.
    blocks: u64,
    open: BlockKind,
    /// The index of each tool call's block.
    tools: Vec<u64>,
    usage: Usage,
    service_tier: Option<&'static str>,
    finish: Option<FinishReason>,
    /// The provider's own frame has already reported the end.
    end_relayed: bool,
}

/// The open block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BlockKind {
    None,
    /// Begun by a provider's own frame; its kind is not known before its first delta.
    Unknown,
    Text,
    Thinking,
    Tool,
}

impl MessagesEncoder {
    /// An answer with this id from `model`.
    pub fn new(id: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            model: model.into(),
            started: false,
            blocks: 0,
            open: BlockKind::None,
            tools: Vec::new(),
            usage: Usage::default(),
            service_tier: None,
            finish: None,
            end_relayed: false,
        }
    }

    /// Forwards a provider's own frame, and tracks it and its first event.
    pub fn relay(&mut self, data: &[u8], event: &Event, out: &mut Vec<u8>) {
        let name = frame_name(data);
        match name {
            "message_start" => self.started = true,
            "content_block_start" => {
                self.blocks += 1;
                self.open = BlockKind::Unknown;
            }
            "content_block_stop" => self.open = BlockKind::None,
            "message_delta" => self.end_relayed = true,
            _ => {}
        }
        self.covered(event);
        write_event(Some(name), data, out);
    }

    /// Tracks an event whose frame has already been forwarded.
    pub fn covered(&mut self, event: &Event) {
        match event {
            Event::TextDelta(_) if self.open == BlockKind::Unknown => self.open = BlockKind::Text,
            Event::ReasoningDelta(_) if self.open == BlockKind::Unknown => self.open = BlockKind::Thinking,
            Event::ToolStarted { .. } => {
                self.open = BlockKind::Tool;
                self.tools.push(self.blocks.saturating_sub(1));
            }
            Event::Usage(usage) => self.usage = **usage,
            Event::Finished(reason) => self.finish = Some(reason.clone()),
            _ => {}
        }
    }

    /// Appends the frames for an event that has no frame of this wire.
    pub fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Started { id, model } => {
                if let (Some(id), false) = (id, self.started) {
                    id.clone_into(&mut self.id);
                }
                if let Some(model) = model {
                    model.clone_into(&mut self.model);
                }
            }
            Event::TextDelta(text) | Event::RefusalDelta(text) if !text.is_empty() => {
                self.open(BlockKind::Text, &json!({"type": "text", "text": ""}), out);
                self.delta(json!({"type": "text_delta", "text": text}), out);
            }
            Event::ReasoningDelta(text) if !text.is_empty() => {
                self.open(
                    BlockKind::Thinking,
                    &json!({"type": "thinking", "thinking": "", "signature": ""}),
                    out,
                );
                self.delta(json!({"type": "thinking_delta", "thinking": text}), out);
            }
            Event::ReasoningSignature(signature) => self.sign(signature, out),
            Event::ToolStarted { id, name, .. } => {
                self.close(out);
                self.tools.push(self.blocks);
                self.open(
                    BlockKind::Tool,
                    &json!({"type": "tool_use", "id": id, "name": name, "input": {}}),
                    out,
                );
            }
            Event::ToolDelta { index, arguments } => {
                let block = usize::try_from(*index).ok().and_then(|index| self.tools.get(index)).copied();
                if let Some(block) = block {
                    let delta = json!({"type": "input_json_delta", "partial_json": arguments});
                    frame(
                        out,
                        "content_block_delta",
                        &json!({"type": "content_block_delta", "index": block, "delta": delta}),
                    );
                }
            }
            Event::Annotation(note) if is_citation(note) => {
                self.open(BlockKind::Text, &json!({"type": "text", "text": ""}), out);
                self.delta(json!({"type": "citations_delta", "citation": note}), out);
            }
            Event::Native(native) if native.wire == WIRE => self.native(native, out),
            Event::Handover { from, to } => {
                self.service_tier = None;
                let ping = json!({"type": "ping", "hotspare": {"handover": {"from": from, "to": to}}});
                frame(out, "ping", &ping);
            }
            Event::Usage(usage) => self.usage = **usage,
            Event::ServiceTier(word) => self.service_tier = whole::service_tier_name(word),
            Event::Finished(reason) => {
                self.start(out);
                self.close(out);
                self.finish = Some(reason.clone());
            }
            _ => {}
        }
    }

    /// Appends the frames that end a complete answer.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        self.close(out);
        if !self.end_relayed {
            let reason = self.finish.as_ref().map_or("end_turn", finish_reason_name);
            let delta = json!({"stop_reason": reason, "stop_sequence": null});
            let usage = whole::usage_json(&self.usage, self.service_tier);
            frame(out, "message_delta", &json!({"type": "message_delta", "delta": delta, "usage": usage}));
        }
        write_event(Some("message_stop"), br#"{"type":"message_stop"}"#, out);
    }

    /// Appends the frame that reports a failure; nothing may follow it.
    pub fn failure(error: &Error, out: &mut Vec<u8>) {
        write_event(Some("error"), &Self::error_body(error, None), out);
    }

    /// A ping, as a whole frame.
    pub const PING: &'static [u8] = b"event: ping\ndata: {\"type\": \"ping\"}\n\n";

    /// The body of an error.
    #[must_use]
    pub fn error_body(error: &Error, request_id: Option<&str>) -> Vec<u8> {
        let mut body = json!({
            "type": "error", "error": {"type": error_type(error), "message": error.public_message()},
        });
        if let Some(attempts) = hotspare_provider::attempts(error) {
            body["error"]["attempts"] = attempts;
        }
        if let Some(id) = request_id {
            body["request_id"] = id.into();
        }
        body.to_string().into_bytes()
    }

    /// The status that tells a caller what to do: [`Error::http_status`] in the numbers of this wire.
    #[must_use]
    pub fn status(error: &Error) -> u16 {
        match (error_type(error), error.http_status()) {
            ("authentication_error", _) => 401,
            ("not_found_error", _) => 404,
            ("request_too_large", _) => 413,
            ("invalid_request_error", _) => 400,
            ("overloaded_error", _) => 529,
            (_, status) => status,
        }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let message = json!({
            "id": self.id, "type": "message", "role": "assistant", "model": self.model, "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": whole::usage_json(&self.usage, self.service_tier),
        });
        frame(out, "message_start", &json!({"type": "message_start", "message": message}));
        out.extend_from_slice(Self::PING);
    }

    /// Opens a block, unless one of its kind is already open.
    fn open(&mut self, kind: BlockKind, block: &Value, out: &mut Vec<u8>) {
        if self.open == kind {
            return;
        }
        self.start(out);
        self.close(out);
        let index = self.blocks;
        self.blocks += 1;
        self.open = kind;
        let start = json!({"type": "content_block_start", "index": index, "content_block": block});
        frame(out, "content_block_start", &start);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.open, BlockKind::None) != BlockKind::None {
            let index = self.blocks.saturating_sub(1);
            frame(out, "content_block_stop", &json!({"type": "content_block_stop", "index": index}));
        }
    }

    fn delta(&self, delta: Value, out: &mut Vec<u8>) {
        let index = self.blocks.saturating_sub(1);
        frame(
            out,
            "content_block_delta",
            &json!({"type": "content_block_delta", "index": index, "delta": delta}),
        );
    }

    /// A signature of another origin is omitted: if it came back, it would be taken for this wire's own.
    fn sign(&mut self, signature: &Signature, out: &mut Vec<u8>) {
        if signature.origin.0 != ORIGIN {
            return;
        }
        if signature.redacted {
            self.close(out);
            self.open(BlockKind::Unknown, &json!({"type": "redacted_thinking", "data": signature.data}), out);
            self.close(out);
        } else {
            self.open(
                BlockKind::Thinking,
                &json!({"type": "thinking", "thinking": "", "signature": ""}),
                out,
            );
            self.delta(json!({"type": "signature_delta", "signature": signature.data}), out);
        }
    }

    fn native(&mut self, native: &Native, out: &mut Vec<u8>) {
        self.close(out);
        self.open(BlockKind::Unknown, &native.raw.to_value(), out);
        self.close(out);
    }
}

/// A frame's name: its `type`, which nearly always comes first.
fn frame_name(data: &[u8]) -> &'static str {
    #[derive(serde::Deserialize)]
    struct TypeOnly<'a> {
        #[serde(rename = "type", borrow)]
        kind: std::borrow::Cow<'a, str>,
    }
    let first = data.strip_prefix(br#"{"type":""#).map(|rest| {
        let end = rest.iter().position(|&byte| byte == b'"').unwrap_or(rest.len());
        &rest[..end]
    });
    let known = |name: &[u8]| dto::EVENTS.into_iter().find(|known| known.as_bytes() == name);
    first
        .and_then(known)
        .or_else(|| known(serde_json::from_slice::<TypeOnly<'_>>(data).ok()?.kind.as_bytes()))
        .unwrap_or("message")
}

fn is_citation(note: &Json) -> bool {
    note.to_value()["type"].as_str().is_some_and(|kind| kind.ends_with("_location"))
}

fn finish_reason_name(reason: &FinishReason) -> &str {
    match reason {
        FinishReason::ContentFilter | FinishReason::Refusal => "refusal",
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::Other(word) => word,
        _ => "end_turn",
    }
}

/// The wire's type for an error.
fn error_type(error: &Error) -> &'static str {
    match (error.kind(), error.status()) {
        (Kind::InvalidRequest, Some(401)) => "authentication_error",
        (Kind::InvalidRequest, Some(403)) => "permission_error",
        (Kind::InvalidRequest, Some(404)) => "not_found_error",
        (Kind::InvalidRequest, Some(413)) => "request_too_large",
        _ => match error.http_status() {
            400 | 404 | 422 => "invalid_request_error",
            429 => "rate_limit_error",
            503 => "overloaded_error",
            504 => "timeout_error",
            _ => "api_error",
        },
    }
}

fn frame(out: &mut Vec<u8>, name: &str, data: &Value) {
    write_event(Some(name), data.to_string().as_bytes(), out);
}

#[cfg(test)]
mod tests;
