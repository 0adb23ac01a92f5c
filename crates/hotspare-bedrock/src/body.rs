//! Answers in the model vendors' own formats, inside Bedrock's envelope.
//!
//! For decoding only: requests to such models use Converse, which works for all of them. The body's fields identify the
//! format, not the model's name, which the ARN of a profile does not contain. Of several answers the first is read.
//! Invariant: an answer is complete once a stop reason was seen; a body that ends without one is truncated.

use std::collections::VecDeque;

use bytes::Bytes;
use hotspare_core::{Chunk, Error, Event, FinishReason, Kind, Request, Usage};
use hotspare_provider::{
    Decoder, Decoding, Describe, EmbedDecoder, EmbedReply, Emit, Frame, Head, HttpRequest, Outbound, Sse,
    Text, Whole, Wire, json_text,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::classify;
use crate::decode::ConverseDecoder;
use crate::wire::request_id;

/// Unlike any other wire's name, so its frames are never forwarded to callers of another wire.
const WIRE: &str = "bedrock-body";

/// What one vendor's bodies have in common with the Converse wire: its whole answer in the field `output`, and its
/// events, each as a field.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ConverseFields<'a> {
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    message_start: Option<&'a RawValue>,
    #[serde(borrow)]
    content_block_start: Option<&'a RawValue>,
    #[serde(borrow)]
    content_block_delta: Option<&'a RawValue>,
    #[serde(borrow)]
    content_block_stop: Option<&'a RawValue>,
    #[serde(borrow)]
    message_stop: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

impl<'a> ConverseFields<'a> {
    /// The name and the payload of the event, if it is one.
    fn event(&self) -> Option<(&'static str, &'a RawValue)> {
        let events = [
            ("messageStart", self.message_start),
            ("contentBlockStart", self.content_block_start),
            ("contentBlockDelta", self.content_block_delta),
            ("contentBlockStop", self.content_block_stop),
            ("messageStop", self.message_stop),
            ("metadata", self.metadata),
        ];
        events.into_iter().find_map(|(name, payload)| Some((name, payload?)))
    }
}

/// Decodes bodies in a model's own format; for use inside [`Invoke`](crate::Invoke).
#[derive(Clone, Copy, Debug, Default)]
pub struct ModelBody;

impl Describe for ModelBody {
    fn wire(&self) -> &'static str {
        WIRE
    }
}

impl Wire for ModelBody {
    fn encode(&self, _: &Outbound) -> Result<HttpRequest, Error> {
        Err(Error::new(Kind::Unsupported, "bodies of this kind are only read; requests go over Converse"))
    }

    fn decoder(&self, call: &Outbound, head: &Head) -> Result<Decoding, Error> {
        let decoder: Box<dyn Decoder> = match &call.request {
            Request::Chat(_) => Box::new(BodyDecoder {
                model: call.model.to_string(),
                id: request_id(head),
                ..BodyDecoder::default()
            }),
            Request::Embed(_) => Box::new(EmbedDecoder::new(vectors)),
        };
        if head.media_type() == "text/event-stream" {
            return Ok(Decoding { framer: Box::new(Sse::default()), decoder });
        }
        Ok(Decoding { framer: Box::new(Whole::default()), decoder })
    }

    fn classify(&self, head: &Head, body: &[u8]) -> Error {
        classify::reply(head, body)
    }

    fn request_id(&self, head: &Head) -> Option<String> {
        request_id(head)
    }
}

/// A piece of an answer, or all of it, in any of the formats without events.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Reply<'a> {
    /// Llama.
    #[serde(borrow)]
    generation: Option<Text<'a>>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    prompt_token_count: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    generation_token_count: Option<u64>,
    #[serde(borrow)]
    stop_reason: Option<Text<'a>>,
    /// Titan: a list in a whole answer, top-level fields in a stream.
    #[serde(borrow)]
    results: Option<Vec<AnswerDto<'a>>>,
    #[serde(borrow, rename = "outputText")]
    output_text: Option<Text<'a>>,
    #[serde(borrow, rename = "completionReason")]
    completion_reason: Option<Text<'a>>,
    #[serde(rename = "inputTextTokenCount")]
    #[serde(deserialize_with = "hotspare_provider::count")]
    input_text_token_count: Option<u64>,
    #[serde(rename = "totalOutputTextTokenCount")]
    #[serde(deserialize_with = "hotspare_provider::count")]
    total_output_text_token_count: Option<u64>,
    /// Mistral's completions.
    #[serde(borrow)]
    outputs: Option<Vec<AnswerDto<'a>>>,
    /// Jurassic.
    #[serde(borrow)]
    completions: Option<Vec<Completion<'a>>>,
    /// Mistral's chat, DeepSeek, and Jamba.
    #[serde(borrow)]
    choices: Option<Vec<AnswerDto<'a>>>,
    usage: Option<UsageDto>,
}

/// The usage reported by the host behind Bedrock, in the format of chat completions.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct UsageDto {
    #[serde(deserialize_with = "hotspare_provider::count")]
    prompt_tokens: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    completion_tokens: Option<u64>,
}

/// One answer in a list.
#[derive(Default, Deserialize)]
#[serde(default)]
struct AnswerDto<'a> {
    #[serde(borrow, alias = "outputText")]
    text: Option<Text<'a>>,
    #[serde(borrow, alias = "completionReason")]
    stop_reason: Option<Text<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Text<'a>>,
    #[serde(rename = "tokenCount")]
    #[serde(deserialize_with = "hotspare_provider::count")]
    token_count: Option<u64>,
    #[serde(borrow, alias = "delta")]
    message: Option<MessageDto<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MessageDto<'a> {
    #[serde(borrow)]
    content: Option<Text<'a>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<ToolCallDto<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ToolCallDto<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    function: Option<FunctionDto<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FunctionDto<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    /// A string of JSON, or the object itself.
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Completion<'a> {
    #[serde(borrow)]
    data: Option<AnswerDto<'a>>,
    #[serde(borrow, rename = "finishReason")]
    finish_reason: Option<FinishReasonDto<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FinishReasonDto<'a> {
    #[serde(borrow)]
    reason: Option<Text<'a>>,
}

/// Decodes one reply.
#[derive(Debug, Default)]
struct BodyDecoder {
    model: String,
    id: Option<String>,
    /// Decodes the format of the vendor whose events are the Converse wire's.
    converse: Option<ConverseDecoder>,
    started: bool,
    finished: bool,
    /// Tool calls so far.
    tool_calls: u32,
}

impl BodyDecoder {
    fn read(&mut self, reply: Reply<'_>, out: &mut Emit<'_>) -> Result<(), Error> {
        let known = reply.generation.is_some()
            || reply.results.is_some()
            || reply.output_text.is_some()
            || reply.outputs.is_some()
            || reply.completions.is_some()
            || reply.choices.is_some();
        if !known {
            return Err(Error::new(Kind::Protocol, "the body has no known format"));
        }
        if !self.started {
            self.started = true;
            out.push(Event::Started { id: self.id.take(), model: None });
        }
        out.text(Event::TextDelta, reply.generation);
        out.text(Event::TextDelta, reply.output_text);
        let mut end = reply.stop_reason.or(reply.completion_reason);
        let mut output = reply.generation_token_count.or(reply.total_output_text_token_count);
        let lists = [reply.results, reply.outputs, reply.choices];
        if let Some(answer) = lists.into_iter().flatten().flatten().next() {
            out.text(Event::TextDelta, answer.text);
            let message = answer.message.unwrap_or_default();
            out.text(Event::TextDelta, message.content);
            message.tool_calls.unwrap_or_default().into_iter().for_each(|call| self.call(call, out));
            end = end.or(answer.stop_reason).or(answer.finish_reason);
            output = output.or(answer.token_count);
        }
        if let Some(answer) = reply.completions.and_then(|list| list.into_iter().next()) {
            out.text(Event::TextDelta, answer.data.and_then(|data| data.text));
            end = end.or(answer.finish_reason.and_then(|end| end.reason));
        }
        let counts = reply.usage.unwrap_or_default();
        let input = reply.prompt_token_count.or(reply.input_text_token_count).or(counts.prompt_tokens);
        let output = output.or(counts.completion_tokens);
        if input.is_some() || output.is_some() {
            out.push(Event::Usage(Box::new(Usage::reported(input, output))));
        }
        if let Some(word) = end {
            self.finished = true;
            out.push(Event::Finished(self.reason(&word.0)));
        }
        Ok(())
    }

    fn call(&mut self, call: ToolCallDto<'_>, out: &mut Emit<'_>) {
        let index = self.tool_calls;
        self.tool_calls = self.tool_calls.saturating_add(1);
        let text = |text: Option<Text<'_>>| text.map(String::from).unwrap_or_default();
        let function = call.function.unwrap_or_default();
        out.push(Event::ToolStarted { index, id: text(call.id), name: text(function.name) });
        let arguments = function.arguments.map_or("{}".into(), json_text).into_owned();
        out.push(Event::ToolDelta { index, arguments });
    }

    fn reason(&self, word: &str) -> FinishReason {
        match word.to_ascii_lowercase().as_str() {
            "tool_calls" | "tool_use" => FinishReason::ToolCalls,
            "end_turn" | "endoftext" | "finish" | "finished" | "stop" | "stop_criteria_met"
            | "stop_sequence" => {
                if self.tool_calls > 0 {
                    FinishReason::ToolCalls
                } else {
                    FinishReason::Stop
                }
            }
            "length" | "max_tokens" | "model_length" => FinishReason::Length,
            "content_filter" | "content_filtered" => FinishReason::ContentFilter,
            _ => FinishReason::Other(word.to_owned()),
        }
    }
}

impl Decoder for BodyDecoder {
    fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let data = frame.data.trim_ascii();
        if data.is_empty() {
            return Ok(());
        }
        // To the parser, an array could be an object without its names.
        if !data.starts_with(b"{") {
            return Err(unreadable());
        }
        let fields: ConverseFields<'_> = parse(data)?;
        if fields.output.is_some() {
            let converse = ConverseDecoder::whole(&self.model, self.id.take());
            return self.converse.insert(converse).push(Frame::piece(frame.data.clone()), out);
        }
        if let Some((event, payload)) = fields.event() {
            let id = self.id.take();
            let converse = self.converse.get_or_insert_with(|| ConverseDecoder::streamed(&self.model, id));
            let name = Some(Bytes::from_static(event.as_bytes()));
            let data = frame.data.slice_ref(payload.get().as_bytes());
            return converse.push(Frame { name, data, whole: false }, out);
        }
        let reply: Reply<'_> = parse(data)?;
        // Frames after the end cannot change it.
        if self.finished { Ok(()) } else { self.read(reply, &mut Emit::bare(out)) }
    }

    fn finish(&mut self, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        match (&mut self.converse, self.finished, self.started) {
            (Some(converse), ..) => converse.finish(out),
            (None, true, _) => Ok(()),
            (None, false, true) => Err(Error::new(Kind::Truncated, "the answer ended without a reason")),
            (None, false, false) => Err(Error::new(Kind::Protocol, "the reply is empty")),
        }
    }
}

/// Vectors in the formats of Titan and Nova.
#[derive(Default, Deserialize)]
#[serde(default)]
struct VectorReply {
    embedding: Option<Vec<f32>>,
    embeddings: Option<Vec<Embedding>>,
    #[serde(rename = "embeddingsByType")]
    by_type: Option<ByType>,
    #[serde(rename = "inputTextTokenCount", alias = "inputTokenCount")]
    #[serde(deserialize_with = "hotspare_provider::count")]
    input: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Embedding {
    embedding: Vec<f32>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ByType {
    float: Option<Vec<f32>>,
}

/// Reads a reply with vectors.
fn vectors(data: &[u8]) -> Result<EmbedReply, Error> {
    let reply: VectorReply = parse(data)?;
    let several = reply.embeddings.map(|list| list.into_iter().map(|one| one.embedding).collect());
    let one = reply.embedding.or_else(|| reply.by_type?.float).map(|one| vec![one]);
    let vectors: Option<Vec<Vec<f32>>> = several.or(one);
    let missing = || classify::in_reply("", data).unwrap_or_else(EmbedReply::missing);
    Ok(EmbedReply::in_order(vectors.ok_or_else(missing)?).with_input_tokens(reply.input))
}

fn parse<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(data).map_err(|_| unreadable())
}

fn unreadable() -> Error {
    Error::new(Kind::Protocol, "the body is not the JSON of a model")
}

#[cfg(test)]
mod tests;
