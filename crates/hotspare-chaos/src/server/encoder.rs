//! The replies of a server, in the format of its wire.
//!
//! Shaped like recorded traffic: a first frame with only the role, a separate frame with token counts, pings and
//! comments. Invariant: a prompt gets the same answer from every server, regardless of its wire.

mod responses;
mod tool_calls;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Settings;
use tool_calls::PlannedCall;

/// A provider's wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireFormat {
    /// The Messages wire.
    Anthropic,
    /// The Converse wire in binary event streams.
    Bedrock,
    /// Chat completions with reasoning and keep-alive comments before the answer.
    DeepSeek,
    /// `generateContent`.
    Gemini,
    /// Chat completions.
    OpenAi,
    /// Responses.
    Responses,
}

impl WireFormat {
    /// The host that a server of this wire imitates.
    #[must_use]
    pub const fn host(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Bedrock => "bedrock",
            Self::DeepSeek => "deepseek",
            Self::Gemini => "gemini",
            Self::OpenAi | Self::Responses => "openai",
        }
    }

    /// The media type of its streams.
    pub(crate) const fn stream_content_type(self) -> &'static str {
        match self {
            Self::Bedrock => "application/vnd.amazon.eventstream",
            _ => "text/event-stream",
        }
    }

    /// The model name that a server of this wire reports.
    #[must_use]
    pub const fn model(self) -> &'static str {
        match self {
            Self::Anthropic => "claude-demo",
            Self::Bedrock => "eu.anthropic.claude-demo-v1:0",
            Self::DeepSeek => "deepseek-demo",
            Self::Gemini => "gemini-demo",
            Self::OpenAi | Self::Responses => "gpt-demo",
        }
    }
}

/// The words of all answers, repeated as needed.
const WORDS: [&str; 24] = [
    "The", "pump", "failed", "at", "nine", "twelve", "and", "the", "standby", "took", "over", "within", "a",
    "moment;", "nobody", "noticed,", "because", "a", "hot", "spare", "was", "ready", "all", "along.",
];

/// This many words, each but the first preceded by a space, like tokens.
pub(crate) fn words(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{}{}", if at == 0 { "" } else { " " }, WORDS[at % WORDS.len()])).collect()
}

/// The parts of a request that affect its answer.
#[derive(Debug, Default)]
pub(crate) struct ParsedRequest {
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    /// The text of a final assistant turn, to be continued.
    pub(crate) prefill: String,
    /// The tools of which one must be called.
    pub(crate) tools: Vec<String>,
}

impl ParsedRequest {
    pub(crate) fn parse(wire: WireFormat, path: &str, body: &Value) -> Self {
        if wire == WireFormat::Gemini {
            return Self::parse_gemini(path, body);
        }
        let last = body["messages"].as_array().and_then(|turns| turns.last());
        let prefill = last
            .filter(|turn| turn["role"] == "assistant")
            .and_then(|turn| turn["content"].as_str().or(turn["content"][0]["text"].as_str()))
            .unwrap_or_default()
            .to_owned();
        let config = &body["toolConfig"];
        let choice = if config.is_object() { &config["toolChoice"] } else { &body["tool_choice"] };
        let offered = if config.is_object() { &config["tools"] } else { &body["tools"] };
        let named = choice["type"] == "tool" || choice["type"] == "function" || choice["tool"].is_object();
        let any = choice == "required" || choice["type"] == "any" || choice["any"].is_object();
        let names = offered.as_array().into_iter().flatten().filter_map(|tool| {
            let name = tool["function"]["name"].as_str().or(tool["name"].as_str());
            name.or(tool["toolSpec"]["name"].as_str()).map(str::to_owned)
        });
        Self {
            stream: body["stream"] == true || path.ends_with("/converse-stream"),
            include_usage: body["stream_options"]["include_usage"] == true,
            prefill,
            tools: names.take(if any { usize::MAX } else { usize::from(named) }).collect(),
        }
    }

    /// Reads a Gemini request, whose path says whether to stream.
    fn parse_gemini(path: &str, body: &Value) -> Self {
        let last = body["contents"].as_array().and_then(|turns| turns.last());
        let parts = last.filter(|turn| turn["role"] == "model").and_then(|turn| turn["parts"].as_array());
        let forced = body["toolConfig"]["functionCallingConfig"]["mode"] == "ANY";
        let named = body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"].is_array();
        let declared = body["tools"][0]["functionDeclarations"].as_array().into_iter().flatten();
        let names = declared.filter_map(|function| function["name"].as_str().map(str::to_owned));
        Self {
            stream: path.contains(":streamGenerateContent"),
            include_usage: true,
            prefill: parts.into_iter().flatten().filter_map(|part| part["text"].as_str()).collect(),
            tools: names.take(if forced && !named { usize::MAX } else { usize::from(forced) }).collect(),
        }
    }

    /// The calls of a turn in which one is forced: one, unless any tool may be called.
    pub(crate) fn calls(&self, settings: &Settings) -> Vec<PlannedCall> {
        if settings.arguments.is_empty() {
            return Vec::new();
        }
        let further = if self.tools.len() > 1 { settings.further_calls.as_slice() } else { &[] };
        let arguments = std::iter::once(&settings.arguments).chain(further);
        let names = self.tools.iter().cycle();
        names
            .zip(arguments)
            .map(|(name, pieces)| PlannedCall { name: name.clone(), pieces: pieces.clone() })
            .collect()
    }

    /// The words that remain after the prefill.
    pub(crate) fn remaining_words(&self, answer: &[String]) -> Vec<String> {
        let mut unmatched = self.prefill.as_str();
        let mut rest = answer.iter();
        let mut out = Vec::new();
        for word in rest.by_ref() {
            match unmatched.strip_prefix(word.as_str()) {
                Some(after) => unmatched = after,
                None => {
                    // The prefill may end inside a word.
                    out.push(word.strip_prefix(unmatched).unwrap_or(word).to_owned());
                    break;
                }
            }
        }
        out.extend(rest.cloned());
        out
    }
}

/// Encodes one answer.
#[derive(Debug)]
pub(crate) struct ReplyEncoder<'a> {
    pub(crate) wire: WireFormat,
    pub(crate) model: &'a str,
    pub(crate) id: u64,
    pub(crate) prompt_tokens: u64,
}

impl ReplyEncoder<'_> {
    fn chat_chunk(&self, delta: &Value, finish: Option<&str>) -> String {
        format!(
            "data: {{\"id\":\"chatcmpl-{}\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"{}\",\
             \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{}}}]}}\n\n",
            self.id,
            self.model,
            finish.map_or_else(|| "null".to_owned(), |word| format!("\"{word}\"")),
        )
    }

    /// A Gemini frame, which is a partial answer, with CRLF line ends like Google's.
    fn gemini_chunk(&self, parts: &Value, finish: Option<(&str, usize)>) -> String {
        format!("data: {}\r\n\r\n", self.candidate(parts, finish))
    }

    fn candidate(&self, parts: &Value, finish: Option<(&str, usize)>) -> Value {
        let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
        let mut usage =
            json!({"promptTokenCount": self.prompt_tokens, "totalTokenCount": self.prompt_tokens});
        if let Some((word, tokens)) = finish {
            candidate["finishReason"] = word.into();
            usage["candidatesTokenCount"] = tokens.into();
            usage["totalTokenCount"] = (self.prompt_tokens + tokens as u64).into();
        }
        json!({
            "candidates": [candidate], "usageMetadata": usage, "modelVersion": self.model,
            "responseId": format!("resp-{}", self.id),
        })
    }

    fn sse_event(name: &str, data: &Value) -> String {
        format!("event: {name}\ndata: {data}\n\n")
    }

    /// The frames before the first token.
    pub(crate) fn start_frames(&self) -> String {
        match self.wire {
            WireFormat::Gemini => self.gemini_chunk(&json!([{"text": ""}]), None),
            WireFormat::Bedrock => {
                Self::sse_event("messageStart", &json!({"role": "assistant", "p": "abcd"}))
            }
            WireFormat::OpenAi => self.chat_chunk(&json!({"role": "assistant", "content": ""}), None),
            WireFormat::Responses => self.response_start_frames(),
            WireFormat::DeepSeek => {
                let role = self.chat_chunk(
                    &json!({"role": "assistant", "content": null, "reasoning_content": ""}),
                    None,
                );
                format!(": keep-alive\n\n{role}")
            }
            WireFormat::Anthropic => {
                let message = json!({
                    "id": format!("msg_{}", self.id), "type": "message", "role": "assistant", "model": self.model,
                    "content": [], "stop_reason": null,
                    "usage": {"input_tokens": self.prompt_tokens, "output_tokens": 1},
                });
                let start =
                    Self::sse_event("message_start", &json!({"type": "message_start", "message": message}));
                format!("{start}{}", Self::sse_event("ping", &json!({"type": "ping"})))
            }
        }
    }

    /// A ping or keep-alive without content.
    pub(crate) fn ping_frame(&self) -> String {
        match self.wire {
            WireFormat::Anthropic => Self::sse_event("ping", &json!({"type": "ping"})),
            WireFormat::Bedrock => Self::sse_event("ping", &json!({"p": "abcd"})),
            _ => ": keep-alive\n\n".to_owned(),
        }
    }

    /// The frame of a token. The first token opens the block that the others continue.
    pub(crate) fn token_frames(&self, at: usize, text: &str) -> String {
        match self.wire {
            WireFormat::Gemini => self.gemini_chunk(&json!([{"text": text}]), None),
            WireFormat::OpenAi | WireFormat::DeepSeek => self.chat_chunk(&json!({"content": text}), None),
            WireFormat::Responses => self.response_token_frames(at, text),
            WireFormat::Bedrock => {
                let delta = json!({"contentBlockIndex": 0, "delta": {"text": text}, "p": "abcdefgh"});
                Self::sse_event("contentBlockDelta", &delta)
            }
            WireFormat::Anthropic => {
                let delta = Self::sse_event(
                    "content_block_delta",
                    &json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
                );
                if at > 0 {
                    return delta;
                }
                let block = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
                format!("{}{delta}", Self::sse_event("content_block_start", &block))
            }
        }
    }

    /// The frames after the last token.
    pub(crate) fn end_frames(&self, words: &[String], include_usage: bool) -> String {
        let tokens = words.len();
        match self.wire {
            WireFormat::Responses => self.response_end_frames(words),
            WireFormat::Gemini => self.gemini_chunk(&json!([{"text": ""}]), Some(("STOP", tokens))),
            WireFormat::OpenAi | WireFormat::DeepSeek => {
                let finish = self.chat_chunk(&json!({}), Some("stop"));
                format!(
                    "{finish}{}data: [DONE]\n\n",
                    if include_usage { self.usage_chunk(tokens) } else { String::new() }
                )
            }
            WireFormat::Bedrock => {
                let stop = Self::sse_event("contentBlockStop", &json!({"contentBlockIndex": 0}));
                format!("{stop}{}", self.converse_end("end_turn", tokens))
            }
            WireFormat::Anthropic => {
                let stop = json!({"type": "content_block_stop", "index": 0});
                let delta = json!({
                    "type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
                    "usage": {"output_tokens": tokens},
                });
                let end = json!({"type": "message_stop"});
                [("content_block_stop", stop), ("message_delta", delta), ("message_stop", end)]
                    .iter()
                    .map(|(name, data)| Self::sse_event(name, data))
                    .collect()
            }
        }
    }

    /// The end of a Converse message, after its blocks.
    fn converse_end(&self, reason: &str, tokens: usize) -> String {
        let reason = Self::sse_event("messageStop", &json!({"stopReason": reason}));
        let counts = json!({"usage": self.converse_usage(tokens), "metrics": {"latencyMs": 1}});
        format!("{reason}{}", Self::sse_event("metadata", &counts))
    }

    fn converse_usage(&self, tokens: usize) -> Value {
        let total = self.prompt_tokens + tokens as u64;
        json!({"inputTokens": self.prompt_tokens, "outputTokens": tokens, "totalTokens": total})
    }

    fn usage_chunk(&self, tokens: usize) -> String {
        let data = json!({
            "id": format!("chatcmpl-{}", self.id), "object": "chat.completion.chunk", "created": 1_760_000_000, "model": self.model,
            "choices": [], "usage": self.chat_usage(tokens),
        });
        format!("data: {data}\n\n")
    }

    fn chat_usage(&self, tokens: usize) -> Value {
        json!({"prompt_tokens": self.prompt_tokens, "completion_tokens": tokens, "total_tokens": self.prompt_tokens + tokens as u64})
    }

    /// A whole answer.
    pub(crate) fn body(&self, text: &str, calls: &[PlannedCall], tokens: usize) -> String {
        let body = match self.wire {
            WireFormat::Responses => self.response(&self.response_items(text, calls), tokens),
            WireFormat::Gemini => {
                let parts =
                    if calls.is_empty() { json!([{"text": text}]) } else { Self::gemini_parts(calls) };
                self.candidate(&parts, Some(("STOP", tokens)))
            }
            WireFormat::OpenAi | WireFormat::DeepSeek => {
                let mut message = json!({"role": "assistant", "content": text});
                if !calls.is_empty() {
                    message =
                        json!({"role": "assistant", "content": null, "tool_calls": self.call_blocks(calls)});
                }
                let finish = if calls.is_empty() { "stop" } else { "tool_calls" };
                json!({
                    "id": format!("chatcmpl-{}", self.id), "object": "chat.completion", "created": 1_760_000_000, "model": self.model,
                    "choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": self.chat_usage(tokens),
                })
            }
            WireFormat::Bedrock => {
                let content =
                    if calls.is_empty() { vec![json!({"text": text})] } else { self.call_blocks(calls) };
                json!({
                    "output": {"message": {"role": "assistant", "content": content}},
                    "stopReason": if calls.is_empty() { "end_turn" } else { "tool_use" },
                    "usage": self.converse_usage(tokens), "metrics": {"latencyMs": 1},
                })
            }
            WireFormat::Anthropic => {
                let text = || vec![json!({"type": "text", "text": text})];
                let content = if calls.is_empty() { text() } else { self.call_blocks(calls) };
                json!({
                    "id": format!("msg_{}", self.id), "type": "message", "role": "assistant", "model": self.model, "content": content,
                    "stop_reason": if calls.is_empty() { "end_turn" } else { "tool_use" },
                    "usage": {"input_tokens": self.prompt_tokens, "output_tokens": tokens},
                })
            }
        };
        body.to_string()
    }

    /// One vector per input, the same from every server, as if all hosted the same model.
    pub(crate) fn embeddings_body(&self, request: &Value) -> String {
        let inputs = match (&request["input"], &request["requests"]) {
            (Value::Array(list), _) if !list.iter().all(Value::is_number) => list.clone(),
            (_, Value::Array(list)) => {
                list.iter().map(|one| one["content"]["parts"][0]["text"].clone()).collect()
            }
            (one, _) => vec![one.clone()],
        };
        let dimensions =
            request["dimensions"].as_u64().or(request["requests"][0]["outputDimensionality"].as_u64());
        let dimensions = dimensions.and_then(|wanted| usize::try_from(wanted).ok());
        let vector = |input: &Value| {
            let bytes = input.to_string().into_bytes();
            let values =
                bytes.iter().cycle().zip(1u8..=255).map(|(byte, at)| f32::from(*byte) / f32::from(at));
            values.take(dimensions.unwrap_or(8).min(255)).collect::<Vec<f32>>()
        };
        let encoded = |values: Vec<f32>| {
            if request["encoding_format"] == "base64" {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                json!(STANDARD.encode(bytes))
            } else {
                json!(values)
            }
        };
        if self.wire == WireFormat::Gemini {
            let embeddings: Vec<Value> =
                inputs.iter().map(|input| json!({"values": vector(input)})).collect();
            let usage = json!({"promptTokenCount": self.prompt_tokens});
            return json!({"embeddings": embeddings, "usageMetadata": usage}).to_string();
        }
        let data: Vec<Value> = inputs
            .iter()
            .enumerate()
            .map(|(index, input)| json!({"object": "embedding", "index": index, "embedding": encoded(vector(input))}))
            .collect();
        let usage = json!({"prompt_tokens": self.prompt_tokens, "total_tokens": self.prompt_tokens});
        json!({"object": "list", "data": data, "model": self.model, "usage": usage}).to_string()
    }

    /// An error's body.
    pub(crate) fn error_body(&self, kind: &str, code: &str, message: &str) -> String {
        match self.wire {
            WireFormat::Anthropic => {
                json!({"type": "error", "error": {"type": kind, "message": message}}).to_string()
            }
            WireFormat::Gemini => {
                let (status, word) = match kind {
                    "authentication_error" => (400, "INVALID_ARGUMENT"),
                    "billing_error" => (402, "RESOURCE_EXHAUSTED"),
                    "invalid_request_error" => (400, "INVALID_ARGUMENT"),
                    "insufficient_quota" | "rate_limit_error" => (429, "RESOURCE_EXHAUSTED"),
                    "not_found_error" => (404, "NOT_FOUND"),
                    "overloaded_error" => (503, "UNAVAILABLE"),
                    _ => (500, "INTERNAL"),
                };
                let mut error = json!({"code": status, "message": message, "status": word});
                match kind {
                    "authentication_error" => error["details"] = json!([{"reason": "API_KEY_INVALID"}]),
                    "insufficient_quota" => {
                        let violation = json!({"quotaId": "GenerateRequestsPerDayPerProjectPerModel", "quotaValue": "50"});
                        error["details"] = json!([{"violations": [violation]}]);
                    }
                    _ => {}
                }
                json!({"error": error}).to_string()
            }
            WireFormat::Bedrock => {
                // Bedrock has its own name for each kind of error; `kind` uses the names of the other wires.
                let name = match kind {
                    "authentication_error" => "UnrecognizedClientException",
                    "rate_limit_error" => "ThrottlingException",
                    "insufficient_quota" | "billing_error" => "ServiceQuotaExceededException",
                    "overloaded_error" => "ServiceUnavailableException",
                    "not_found_error" => "ResourceNotFoundException",
                    "invalid_request_error" => "ValidationException",
                    _ => "InternalServerException",
                };
                json!({"__type": name, "message": message}).to_string()
            }
            _ => {
                json!({"error": {"message": message, "type": kind, "param": null, "code": code}}).to_string()
            }
        }
    }

    /// An error inside a stream.
    pub(crate) fn error_event(&self) -> String {
        let body = self.error_body("overloaded_error", "server_is_overloaded", "Overloaded");
        match self.wire {
            WireFormat::Anthropic => format!("event: error\ndata: {body}\n\n"),
            WireFormat::Responses => self.response_error_frame(),
            WireFormat::Bedrock => format!("exception: serviceUnavailableException\ndata: {body}\n\n"),
            _ => format!("data: {body}\n\n"),
        }
    }
}
