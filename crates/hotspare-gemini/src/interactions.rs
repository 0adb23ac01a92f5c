//! The Interactions wire of the Gemini API, for replies only.
//!
//! Requests go to `generateContent`, which keeps no state at the provider. Both formats of replies are read: steps, and
//! the `content.*` events that preceded them. A step without a shared equivalent (a search, code that ran) is emitted
//! as [`Event::Other`]. Invariant: an answer is complete once the interaction says so; a stream that ends before that
//! is truncated.

use std::collections::{BTreeMap, VecDeque};

use hotspare_core::{Chunk, Error, Event, FinishReason, Kind, Origin, Usage};
use hotspare_provider::{
    Decoder, Decoding, Describe, Emit, Frame, Head, HttpRequest, Outbound, Sse, Text, Whole, Wire, json_text,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::classify;
use crate::host::Host;

/// Unlike any other wire's name, so its frames are never forwarded to callers of another wire.
const WIRE: &str = "gemini-interactions";

/// The most calls that a stream may have open at once.
const OPEN_LIMIT: usize = 128;

/// Decodes answers of the Interactions wire.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interactions;

impl Describe for Interactions {
    fn wire(&self) -> &'static str {
        WIRE
    }

    fn origin(&self) -> Option<Origin> {
        Some(Origin(Host::GEMINI.origin.to_owned()))
    }
}

impl Wire for Interactions {
    fn encode(&self, _: &Outbound) -> Result<HttpRequest, Error> {
        Err(Error::new(Kind::Unsupported, "this wire is only read; requests go to generateContent"))
    }

    fn decoder(&self, _: &Outbound, head: &Head) -> Result<Decoding, Error> {
        let decoder = Box::new(InteractionDecoder::default());
        match &*head.media_type() {
            "text/event-stream" => Ok(Decoding { framer: Box::new(Sse::default()), decoder }),
            "application/json" | "" => Ok(Decoding { framer: Box::new(Whole::default()), decoder }),
            other => Err(Error::new(Kind::Protocol, format!("the reply has the content type {other}"))),
        }
    }

    fn classify(&self, head: &Head, body: &[u8]) -> Error {
        classify::reply(head, body)
    }
}

/// An event of a stream, or a whole answer, which is the interaction itself.
#[derive(Default, Deserialize)]
#[serde(default)]
struct EventDto<'a> {
    #[serde(borrow)]
    event_type: Option<Text<'a>>,
    #[serde(borrow)]
    interaction: Option<&'a RawValue>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    index: Option<u64>,
    #[serde(borrow, alias = "content")]
    step: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Interaction<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    model: Option<Text<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    usage: Option<UsageDto>,
    #[serde(borrow, alias = "outputs")]
    steps: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// A step, an item of one, or a delta to it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Step<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    signature: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    /// An object, or a piece of its JSON text.
    #[serde(borrow, alias = "partial_arguments")]
    arguments: Option<&'a RawValue>,
    /// A single item in a thought's delta, a list in a whole step.
    #[serde(borrow, alias = "summary")]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    annotations: Option<Vec<&'a RawValue>>,
}

/// Token counts; thoughts, and prompts made by tools, are counted separately.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct UsageDto {
    #[serde(deserialize_with = "hotspare_provider::count")]
    total_input_tokens: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    total_tool_use_tokens: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    total_cached_tokens: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    total_output_tokens: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    total_thought_tokens: Option<u64>,
}

/// A call whose arguments may still arrive.
#[derive(Debug)]
struct OpenCall {
    index: u32,
    /// The arguments that came with its start, unless others follow.
    initial_arguments: Option<String>,
}

/// Decodes one reply.
#[derive(Debug, Default)]
pub(crate) struct InteractionDecoder {
    started: bool,
    finished: bool,
    /// Tool calls so far.
    tool_calls: u32,
    /// Open calls, by their step's index.
    open: BTreeMap<u64, OpenCall>,
}

impl InteractionDecoder {
    fn read(&mut self, data: &[u8], out: &mut Emit<'_>) -> Result<(), Error> {
        let event: EventDto<'_> = parse(data)?;
        if event.error.is_some_and(|error| error.get() != "null") {
            return Err(classify::in_reply(&String::from_utf8_lossy(data)));
        }
        let at = event.index.unwrap_or(0);
        match event.event_type.as_ref().map(|kind| &*kind.0) {
            None => {
                if event.status.is_none() {
                    return Err(Error::new(Kind::Protocol, "the body is neither an answer nor an error"));
                }
                self.whole(parse(data)?, true, out)
            }
            Some("interaction.created" | "interaction.start") => {
                self.start(&event.interaction.map_or(Ok(Interaction::default()), read)?, out);
                Ok(())
            }
            Some("interaction.completed" | "interaction.complete") => {
                self.whole(event.interaction.map_or(Ok(Interaction::default()), read)?, false, out)
            }
            Some("step.start" | "content.start") => event.step.map_or(Ok(()), |raw| self.step(at, raw, out)),
            Some("step.delta" | "content.delta") => {
                event.delta.map_or(Ok(()), |raw| self.delta(at, raw, out))
            }
            Some("step.stop" | "content.stop") => {
                self.close(at, out);
                Ok(())
            }
            Some("interaction.status_update") => Ok(()),
            Some(other) => {
                let kind = other.to_owned();
                out.other_frame(kind);
                Ok(())
            }
        }
    }

    fn start(&mut self, interaction: &Interaction<'_>, out: &mut Emit<'_>) {
        if !self.started {
            self.started = true;
            let name = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.0.clone().into_owned());
            out.push(Event::Started { id: name(&interaction.id), model: name(&interaction.model) });
        }
    }

    /// Reads a whole answer, or the end of a stream, which repeats no steps.
    fn whole(&mut self, interaction: Interaction<'_>, steps: bool, out: &mut Emit<'_>) -> Result<(), Error> {
        self.start(&interaction, out);
        if interaction.error.is_some_and(|error| error.get() != "null") {
            let error = interaction.error.map(RawValue::get).unwrap_or_default();
            return Err(classify::in_reply(&format!("{{\"error\":{error}}}")));
        }
        for (at, raw) in (0..).zip(interaction.steps.filter(|_| steps).unwrap_or_default()) {
            self.step(at, raw, out)?;
            self.close(at, out);
        }
        let open: Vec<u64> = self.open.keys().copied().collect();
        open.into_iter().for_each(|at| self.close(at, out));
        if let Some(counts) = interaction.usage {
            push_usage(counts, out);
        }
        self.end(interaction.status.as_ref().map_or("", |status| &status.0), out)
    }

    fn step(&mut self, at: u64, raw: &RawValue, out: &mut Emit<'_>) -> Result<(), Error> {
        let step: Step<'_> = read(raw)?;
        match step.kind.as_ref().map_or("", |kind| &*kind.0) {
            "model_output" => {
                for item in items(step.content)? {
                    self.item(item, out)?;
                }
            }
            "text" => self.item(raw, out)?,
            "thought" => {
                for item in items(step.content)? {
                    let thought: Step<'_> = read(item)?;
                    out.text(Event::ReasoningDelta, thought.text);
                }
                out.signature(Host::GEMINI.origin, step.signature, true);
            }
            "function_call" => self.call(at, step, out)?,
            // The input is repeated if the request asked for that.
            "user_input" => {}
            other => out.other(other, raw.get()),
        }
        Ok(())
    }

    /// Emits an item of the model's output.
    fn item(&mut self, raw: &RawValue, out: &mut Emit<'_>) -> Result<(), Error> {
        let item: Step<'_> = read(raw)?;
        match item.kind.as_ref().map_or("", |kind| &*kind.0) {
            "text" => {
                out.text(Event::TextDelta, item.text);
                item.annotations.unwrap_or_default().into_iter().for_each(|note| out.note(note));
            }
            other => out.other(other, raw.get()),
        }
        Ok(())
    }

    fn call(&mut self, at: u64, step: Step<'_>, out: &mut Emit<'_>) -> Result<(), Error> {
        if self.open.len() >= OPEN_LIMIT {
            return Err(Error::new(Kind::Protocol, format!("more than {OPEN_LIMIT} calls are open")));
        }
        let index = self.tool_calls;
        self.tool_calls = self.tool_calls.saturating_add(1);
        let text = |text: Option<Text<'_>>| text.map(String::from).unwrap_or_default();
        out.push(Event::ToolStarted { index, id: text(step.id), name: text(step.name) });
        self.open.insert(
            at,
            OpenCall { index, initial_arguments: step.arguments.map(|raw| json_text(raw).into_owned()) },
        );
        Ok(())
    }

    fn delta(&mut self, at: u64, raw: &RawValue, out: &mut Emit<'_>) -> Result<(), Error> {
        let delta: Step<'_> = read(raw)?;
        match delta.kind.as_ref().map_or("", |kind| &*kind.0) {
            "arguments_delta" => {
                let Some(call) = self.open.get_mut(&at) else {
                    return Err(Error::new(Kind::Protocol, "arguments of a call that never began"));
                };
                call.initial_arguments = None;
                let arguments = delta.arguments.map(json_text).unwrap_or_default().into_owned();
                out.push(Event::ToolDelta { index: call.index, arguments });
                Ok(())
            }
            "function_call" => self.call(at, delta, out),
            "thought_signature" => {
                out.signature(Host::GEMINI.origin, delta.signature, true);
                Ok(())
            }
            "thought_summary" => {
                for item in items(delta.content)? {
                    let thought: Step<'_> = read(item)?;
                    out.text(Event::ReasoningDelta, thought.text);
                }
                Ok(())
            }
            _ => self.item(raw, out),
        }
    }

    /// Ends a step: a call without further arguments has those that came with its start.
    fn close(&mut self, at: u64, out: &mut Emit<'_>) {
        if let Some(OpenCall { index, initial_arguments: Some(arguments) }) = self.open.remove(&at) {
            out.push(Event::ToolDelta { index, arguments });
        }
    }

    fn end(&mut self, status: &str, out: &mut Emit<'_>) -> Result<(), Error> {
        let reason = match status {
            "completed" if self.tool_calls > 0 => FinishReason::ToolCalls,
            "completed" => FinishReason::Stop,
            "requires_action" => FinishReason::ToolCalls,
            "incomplete" => FinishReason::Length,
            "failed" | "cancelled" => {
                return Err(
                    Error::new(Kind::Server, "the interaction ended without an answer").with_code(status)
                );
            }
            "in_progress" | "" => {
                return Err(Error::new(Kind::Truncated, "the interaction has not ended").with_code(status));
            }
            other => FinishReason::Other(other.to_owned()),
        };
        self.finished = true;
        out.push(Event::Finished(reason));
        Ok(())
    }
}

impl Decoder for InteractionDecoder {
    fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let data = frame.data.trim_ascii();
        if data.is_empty() || data == b"[DONE]" || self.finished {
            return Ok(());
        }
        self.read(data, &mut Emit::framed(out, WIRE, frame.data.clone()))
    }

    fn finish(&mut self, _: &mut VecDeque<Chunk>) -> Result<(), Error> {
        match (self.finished, self.started) {
            (true, _) => Ok(()),
            (false, true) => Err(Error::new(Kind::Truncated, "the stream ended before the interaction")),
            (false, false) => Err(Error::new(Kind::Protocol, "the reply is empty")),
        }
    }
}

fn push_usage(counts: UsageDto, out: &mut Emit<'_>) {
    let sum = |one: Option<u64>, other: Option<u64>| match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    };
    let mut usage = Usage::reported(
        sum(counts.total_input_tokens, counts.total_tool_use_tokens),
        sum(counts.total_output_tokens, counts.total_thought_tokens),
    );
    usage.cached = counts.total_cached_tokens;
    usage.reasoning = counts.total_thought_tokens;
    out.push(Event::Usage(Box::new(usage)));
}

/// A single item, or a list of them.
fn items(raw: Option<&RawValue>) -> Result<Vec<&RawValue>, Error> {
    match raw {
        Some(list) if list.get().starts_with('[') => read(list),
        Some(one) if one.get().starts_with('{') => Ok(vec![one]),
        _ => Ok(Vec::new()),
    }
}

fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, Error> {
    parse(raw.get().as_bytes())
}

fn parse<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(data)
        .map_err(|_| Error::new(Kind::Protocol, "a frame is not the JSON of this wire"))
}

#[cfg(test)]
mod tests;
