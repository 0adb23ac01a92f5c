//! Tool calls in place of an answer.
//!
//! Invariant: argument pieces are sent verbatim, even if they are not JSON; in whole answers of wires whose arguments
//! are an object, invalid ones become an empty object.

use serde_json::{Value, json};

use super::{ReplyEncoder, WireFormat};

/// A call that an answer consists of.
#[derive(Debug)]
pub(crate) struct PlannedCall {
    pub(crate) name: String,
    /// The pieces of its arguments.
    pub(crate) pieces: Vec<String>,
}

impl PlannedCall {
    /// Arguments as an object.
    fn input(&self) -> Value {
        let arguments = serde_json::from_str(&self.pieces.concat()).ok();
        arguments.filter(Value::is_object).unwrap_or_else(|| json!({}))
    }
}

impl ReplyEncoder<'_> {
    /// The frames of a stream: the start of each call, each piece of its arguments, and the end, one call after the other
    /// or piece by piece in turn. Google's wire has everything in one frame.
    pub(crate) fn tool_call_frames(&self, calls: &[PlannedCall], interleaved: bool) -> Vec<String> {
        if self.wire == WireFormat::Gemini {
            return vec![self.gemini_chunk(&Self::gemini_parts(calls), Some(("STOP", 9)))];
        }
        let (mut frames, mut stops) = (Vec::new(), String::new());
        if interleaved {
            frames.extend(calls.iter().enumerate().map(|(at, call)| self.call_start(at, call)));
            let longest = calls.iter().map(|call| call.pieces.len()).max().unwrap_or_default();
            for round in 0..longest {
                let pieces = calls.iter().enumerate();
                let pieces = pieces.filter_map(|(at, call)| Some((at, call.pieces.get(round)?)));
                frames.extend(pieces.map(|(at, piece)| self.argument_frame(at, piece)));
            }
            stops.extend(calls.iter().enumerate().map(|(at, call)| self.call_stop(at, call)));
        } else {
            for (at, call) in calls.iter().enumerate() {
                frames.push(format!("{}{}", std::mem::take(&mut stops), self.call_start(at, call)));
                frames.extend(call.pieces.iter().map(|piece| self.argument_frame(at, piece)));
                stops = self.call_stop(at, call);
            }
        }
        frames.push(format!("{stops}{}", self.calls_end(calls)));
        frames
    }

    /// The id of the call at this position.
    pub(super) fn call_id(&self, prefix: &str, at: usize) -> String {
        let suffix = if at == 0 { String::new() } else { format!("_{at}") };
        format!("{prefix}_{}{suffix}", self.id)
    }

    fn call_start(&self, at: usize, call: &PlannedCall) -> String {
        let name = &call.name;
        match self.wire {
            WireFormat::Responses => self.response_call_start(at, name),
            WireFormat::Bedrock => {
                let call = json!({"name": name, "toolUseId": self.call_id("tooluse", at)});
                let block = json!({"contentBlockIndex": at, "start": {"toolUse": call}});
                Self::sse_event("contentBlockStart", &block)
            }
            WireFormat::Anthropic => {
                let block =
                    json!({"type": "tool_use", "id": self.call_id("toolu", at), "name": name, "input": {}});
                Self::sse_event_of_type(
                    &json!({"type": "content_block_start", "index": at, "content_block": block}),
                )
            }
            WireFormat::Gemini | WireFormat::OpenAi | WireFormat::DeepSeek => {
                let start = json!({"tool_calls": [{
                    "index": at, "id": self.call_id("call", at), "type": "function", "function": {"name": name, "arguments": ""},
                }]});
                self.chat_chunk(&start, None)
            }
        }
    }

    fn argument_frame(&self, at: usize, piece: &str) -> String {
        match self.wire {
            WireFormat::Responses => self.response_call_piece(at, piece),
            WireFormat::Bedrock => {
                let delta = json!({"contentBlockIndex": at, "delta": {"toolUse": {"input": piece}}});
                Self::sse_event("contentBlockDelta", &delta)
            }
            WireFormat::Anthropic => Self::sse_event_of_type(
                &json!({"type": "content_block_delta", "index": at, "delta": {"type": "input_json_delta", "partial_json": piece}}),
            ),
            _ => self
                .chat_chunk(&json!({"tool_calls": [{"index": at, "function": {"arguments": piece}}]}), None),
        }
    }

    /// The end of a call, where the wire has one.
    fn call_stop(&self, at: usize, call: &PlannedCall) -> String {
        match self.wire {
            WireFormat::Responses => self.response_call_stop(at, call),
            WireFormat::Bedrock => Self::sse_event("contentBlockStop", &json!({"contentBlockIndex": at})),
            WireFormat::Anthropic => {
                Self::sse_event_of_type(&json!({"type": "content_block_stop", "index": at}))
            }
            _ => String::new(),
        }
    }

    /// The end of the answer.
    fn calls_end(&self, calls: &[PlannedCall]) -> String {
        match self.wire {
            WireFormat::Responses => self.response_calls_end(calls),
            WireFormat::Bedrock => self.converse_end("tool_use", 9),
            WireFormat::Anthropic => {
                let delta = json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}});
                let end = json!({"type": "message_stop"});
                [delta, end].iter().map(Self::sse_event_of_type).collect()
            }
            _ => {
                let finish = self.chat_chunk(&json!({}), Some("tool_calls"));
                format!("{finish}data: [DONE]\n\n")
            }
        }
    }

    /// The calls in a whole answer, each as a part of its own.
    pub(super) fn call_blocks(&self, calls: &[PlannedCall]) -> Vec<Value> {
        let block = |(at, call): (usize, &PlannedCall)| {
            let name = &call.name;
            match self.wire {
                WireFormat::Bedrock => {
                    let id = self.call_id("tooluse", at);
                    json!({"toolUse": {"toolUseId": id, "name": name, "input": call.input()}})
                }
                WireFormat::Anthropic => {
                    json!({"type": "tool_use", "id": self.call_id("toolu", at), "name": name, "input": call.input()})
                }
                _ => {
                    let function = json!({"name": name, "arguments": call.pieces.concat()});
                    json!({"id": self.call_id("call", at), "type": "function", "function": function})
                }
            }
        };
        calls.iter().enumerate().map(block).collect()
    }

    pub(super) fn gemini_parts(calls: &[PlannedCall]) -> Value {
        calls.iter().map(|call| json!({"functionCall": {"name": call.name, "args": call.input()}})).collect()
    }

    /// An event named after its type.
    fn sse_event_of_type(data: &Value) -> String {
        Self::sse_event(data["type"].as_str().unwrap_or_default(), data)
    }
}
