//! Tool calls in place of an answer.
//!
//! Invariant: argument pieces are sent verbatim, even if they are not JSON; in whole answers of wires whose arguments
//! are an object, invalid ones become an empty object.

use serde_json::{Value, json};

use super::{ReplyEncoder, WireFormat};

/// Arguments as an object.
pub(super) fn object_input(arguments: &str) -> Value {
    serde_json::from_str(arguments).ok().filter(Value::is_object).unwrap_or_else(|| json!({}))
}

impl ReplyEncoder<'_> {
    /// The frames of a stream: the start of the call, each piece of its arguments, and the end. Wires that do not
    /// stream arguments have everything in one frame.
    pub(crate) fn tool_call_frames(&self, name: &str, pieces: &[String]) -> Vec<String> {
        let (start, end_frames) = match self.wire {
            WireFormat::Gemini => {
                let call = Self::gemini_function_call((name, &pieces.concat()));
                return vec![self.gemini_chunk(&call, Some(("STOP", 9)))];
            }
            WireFormat::Responses => return vec![self.response_call_frames(name, &pieces.concat())],
            WireFormat::OpenAi | WireFormat::DeepSeek => {
                let id = format!("call_{}", self.id);
                let start = json!({"tool_calls": [{"index": 0, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}]});
                let finish = self.chat_chunk(&json!({}), Some("tool_calls"));
                (self.chat_chunk(&start, None), format!("{finish}data: [DONE]\n\n"))
            }
            WireFormat::Bedrock => {
                let call = json!({"name": name, "toolUseId": format!("tooluse_{}", self.id)});
                let block = json!({"contentBlockIndex": 0, "start": {"toolUse": call}});
                (Self::sse_event("contentBlockStart", &block), self.converse_end(0, "tool_use", 9))
            }
            WireFormat::Anthropic => {
                let id = format!("toolu_{}", self.id);
                let block = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": id, "name": name, "input": {}}});
                let stop = json!({"type": "content_block_stop", "index": 0});
                let delta = json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}});
                let end = json!({"type": "message_stop"});
                let end_frames = [stop, delta, end];
                let end_frames = end_frames.iter().map(Self::sse_event_of_type).collect();
                (Self::sse_event_of_type(&block), end_frames)
            }
        };
        let pieces = pieces.iter().map(|piece| self.argument_frame(piece));
        std::iter::once(start).chain(pieces).chain([end_frames]).collect()
    }

    fn argument_frame(&self, piece: &str) -> String {
        match self.wire {
            WireFormat::Bedrock => {
                let delta = json!({"contentBlockIndex": 0, "delta": {"toolUse": {"input": piece}}});
                Self::sse_event("contentBlockDelta", &delta)
            }
            WireFormat::Anthropic => Self::sse_event_of_type(
                &json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": piece}}),
            ),
            _ => self
                .chat_chunk(&json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}), None),
        }
    }

    pub(super) fn gemini_function_call((name, arguments): (&str, &str)) -> Value {
        json!([{"functionCall": {"name": name, "args": object_input(arguments)}}])
    }

    /// An event named after its type.
    fn sse_event_of_type(data: &Value) -> String {
        Self::sse_event(data["type"].as_str().unwrap_or_default(), data)
    }
}
