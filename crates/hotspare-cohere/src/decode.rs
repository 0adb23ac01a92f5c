//! Frames to events, for streams and whole answers of both versions.
//!
//! A plan that the model makes before it calls tools is reasoning. Invariant: an answer is complete once its finish
//! reason was seen; a body that ends without one is truncated, whatever it contained.

use std::collections::VecDeque;

use hotspare_core::{Chunk, Error, Event, FinishReason, Json, Kind, Usage};
use hotspare_provider::{Decoder, Emit, Frame, check_items};
use serde_json::value::RawValue;

use crate::dto::{self, Content, Message, Reply, ToolCall, one_or_many};
use crate::{WIRE, classify};

/// Types of frames that have a piece of the answer. Others say nothing about whether it has begun.
const PIECES: [&str; 9] = [
    "content-start",
    "content-delta",
    "message-end",
    "message-start",
    "stream-end",
    "text-generation",
    "tool-call-delta",
    "tool-call-start",
    "tool-plan-delta",
];

/// Decodes one reply.
#[derive(Debug, Default)]
pub(crate) struct ChatDecoder {
    started: bool,
    finished: bool,
    /// The host's index of each tool call so far.
    tool_calls: Vec<Option<u64>>,
}

impl ChatDecoder {
    fn read(&mut self, reply: Reply<'_>, events: &mut Emit<'_>) -> Result<(), Error> {
        let has_id = reply.id.is_some() || reply.generation_id.is_some();
        let kind = reply.kind.as_deref().or(reply.event_type.as_deref());
        if !self.started && (has_id || kind.is_none_or(|kind| PIECES.contains(&kind))) {
            self.started = true;
            events.push(Event::Started { id: reply.id.or(reply.generation_id), model: None });
        }
        match reply.event_type.as_deref() {
            // A stream's last frame repeats the whole answer; only its usage and tool calls are new.
            Some("stream-end") => {
                let whole: Reply<'_> =
                    one_or_many(reply.response).map_err(malformed)?.pop().unwrap_or_default();
                if self.tool_calls.is_empty() {
                    self.calls(None, whole.tool_calls, events)?;
                }
                push_usage(whole.meta, events);
                return self.end(reply.finish_reason.or(whole.finish_reason), None, None, events);
            }
            // Search queries and results, and pieces that the last frame repeats.
            Some(kind) if kind != "text-generation" => return Ok(()),
            _ => {}
        }
        let delta = reply.delta.unwrap_or_default();
        let starts = !matches!(reply.kind.as_deref(), Some("tool-call-delta"));
        if let Some(message) = delta.message {
            self.message(reply.index, message, starts, events)?;
        }
        if let Some(message) = one_or_many::<Message<'_>>(reply.message).map_err(malformed)?.pop() {
            self.message(None, message, true, events)?;
        }
        events.text(Event::TextDelta, reply.text);
        self.calls(None, reply.tool_calls, events)?;
        push_annotations(reply.citations, events);
        let mut reason = reply.finish_reason.or(delta.finish_reason);
        // Hotspare never requests several answers; if a host sends more than one, only the first is read.
        if let Some(first) = reply.generations.unwrap_or_default().into_iter().next() {
            events.text(Event::TextDelta, first.text);
            reason = reason.or(first.finish_reason);
        }
        if let Some(Ok(logprobs)) =
            reply.logprobs.filter(|raw| raw.get() != "null").map(|raw| Json::parse(raw.get()))
        {
            events.push(Event::LogProbs(logprobs));
        }
        push_usage(reply.usage.or(reply.meta).or(delta.usage), events);
        self.end(reason, delta.error, delta.error_type, events)
    }

    fn message(
        &mut self,
        index: Option<u64>,
        message: Message<'_>,
        starts: bool,
        events: &mut Emit<'_>,
    ) -> Result<(), Error> {
        events.text(Event::ReasoningDelta, message.tool_plan);
        if message.content.is_some_and(|raw| raw.get().starts_with('"')) {
            events.text(Event::TextDelta, one_or_many::<String>(message.content).map_err(malformed)?.pop());
        } else {
            for content in one_or_many::<Content>(message.content).map_err(malformed)? {
                events.text(Event::ReasoningDelta, content.thinking);
                events.text(Event::TextDelta, content.text);
            }
        }
        if starts {
            self.calls(index, message.tool_calls, events)?;
        } else if let Some(call) = one_or_many::<ToolCall<'_>>(message.tool_calls).map_err(malformed)?.pop() {
            let position = self.tool_calls.iter().rposition(|known| *known == index);
            if let Some(position) = position.or(self.tool_calls.len().checked_sub(1)) {
                arguments(position, call.function.and_then(|function| function.arguments), events);
            }
        }
        push_annotations(message.citations, events);
        Ok(())
    }

    fn calls(
        &mut self,
        index: Option<u64>,
        raw: Option<&RawValue>,
        events: &mut Emit<'_>,
    ) -> Result<(), Error> {
        for call in one_or_many::<ToolCall<'_>>(raw).map_err(malformed)? {
            let position = self.tool_calls.len();
            check_items(position + 1)?;
            self.tool_calls.push(index);
            let function = call.function.unwrap_or_default();
            events.push(Event::ToolStarted {
                index: to_u32(position),
                id: call.id.unwrap_or_default(),
                name: function.name.or(call.name).unwrap_or_default(),
            });
            arguments(position, function.arguments.or(call.parameters), events);
        }
        Ok(())
    }

    fn end(
        &mut self,
        reason: Option<String>,
        error: Option<String>,
        error_type: Option<String>,
        events: &mut Emit<'_>,
    ) -> Result<(), Error> {
        let Some(word) = reason.filter(|_| !self.finished) else { return Ok(()) };
        self.finished = true;
        let reason = match word.to_ascii_uppercase().as_str() {
            "COMPLETE" | "STOP_SEQUENCE" if !self.tool_calls.is_empty() => FinishReason::ToolCalls,
            "COMPLETE" | "STOP_SEQUENCE" => FinishReason::Stop,
            "MAX_TOKENS" | "ERROR_LIMIT" => FinishReason::Length,
            "TOOL_CALL" => FinishReason::ToolCalls,
            "ERROR_TOXIC" => FinishReason::ContentFilter,
            "TIMEOUT" => return Err(Error::new(Kind::Timeout, "the host ran out of time").with_code(word)),
            "ERROR" => {
                let error = error.as_deref().unwrap_or("the host ended the answer with an error");
                return Err(classify::message(error, error_type.as_deref().unwrap_or(&word), None));
            }
            _ => FinishReason::Other(word),
        };
        events.push(Event::Finished(reason));
        Ok(())
    }
}

impl Decoder for ChatDecoder {
    fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let data = frame.data.trim_ascii();
        if data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let reply: Reply<'_> = match serde_json::from_slice(data) {
            Ok(reply) => reply,
            // A damaged frame after the end of the answer loses nothing.
            Err(_) if self.finished => return Ok(()),
            Err(error) => return Err(malformed(error)),
        };
        let untyped = reply.kind.is_none() && reply.event_type.is_none();
        // Hotspare never requests several answers; if a host sends more than one, only the first is read.
        if untyped && reply.is_finished.is_some() && reply.index.unwrap_or(0) > 0 {
            return Ok(());
        }
        let known = !untyped || reply.is_finished.is_some() || reply.generations.is_some();
        if !known && reply.finish_reason.is_none() {
            // An error with a successful status has a string where an answer has its message object.
            return match reply.message.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok()) {
                Some(message) => Err(classify::message(&message, "", None)),
                None => Err(Error::new(Kind::Protocol, "a frame is neither an answer nor an error")),
            };
        }
        self.read(reply, &mut Emit::framed(out, WIRE, frame.data.clone()))
    }

    fn finish(&mut self, _: &mut VecDeque<Chunk>) -> Result<(), Error> {
        match (self.finished, self.started) {
            (true, _) => Ok(()),
            (false, true) => Err(Error::new(Kind::Truncated, "the answer ended without a finish reason")),
            (false, false) => Err(Error::new(Kind::Protocol, "the reply is empty")),
        }
    }
}

/// Arguments are a string of JSON, or the object itself.
fn arguments(position: usize, raw: Option<&RawValue>, events: &mut Emit<'_>) {
    let Some(json) = raw.map(RawValue::get).filter(|json| *json != "null") else { return };
    let text = match serde_json::from_str::<String>(json) {
        Ok(text) => text,
        Err(_) => json.to_owned(),
    };
    if !text.is_empty() {
        events.push(Event::ToolDelta { index: to_u32(position), arguments: text });
    }
}

fn push_annotations(raw: Option<&RawValue>, events: &mut Emit<'_>) {
    for note in one_or_many::<&RawValue>(raw).unwrap_or_default() {
        if let Ok(note) = Json::parse(note.get()) {
            events.push(Event::Annotation(note));
        }
    }
}

/// Billed tokens differ from processed ones; the processed are reported, and the billed only if there is nothing else.
fn push_usage(usage: Option<dto::UsageDto>, events: &mut Emit<'_>) {
    let Some(usage) = usage else { return };
    let Some(tokens) = usage.tokens.or(usage.billed_units) else { return };
    let mut counted = Usage::reported(tokens.input_tokens.0, tokens.output_tokens.0);
    counted.cached = usage.cached_tokens;
    counted.reasoning = tokens.reasoning_tokens.0;
    events.push(Event::Usage(Box::new(counted)));
}

fn malformed(_: serde_json::Error) -> Error {
    Error::new(Kind::Protocol, "a frame is not the JSON of this wire")
}

fn to_u32(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
