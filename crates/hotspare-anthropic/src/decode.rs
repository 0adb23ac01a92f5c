//! Frames to events: streams and whole answers.
//!
//! Invariant: an answer is complete once its stop reason was seen; a body that ends without one is truncated, whatever
//! it contained. Blocks that only this wire has (server tools and their results) are emitted whole as
//! [`Event::Native`], and every frame is emitted: one without an event of its own as [`Event::Mark`].

use std::collections::{BTreeMap, VecDeque};

use hotspare_core::{Chunk, Error, Event, FinishReason, Json, Kind, Native, Turn, Usage};
use hotspare_provider::fields::Fields;
use hotspare_provider::{Decoder, Emit, Frame, Text, is_blank};
use serde_json::value::RawValue;

use crate::dto;
use crate::{ORIGIN, WIRE, classify};

mod open_blocks;

use open_blocks::{OpenBlock, OpenBlocks};

/// Decodes one reply.
#[derive(Debug, Default)]
pub(crate) struct MessagesDecoder {
    received: bool,
    finished: bool,
    /// Some text, reasoning or a call has been emitted.
    has_content: bool,
    usage: Usage,
    /// The service tier that was emitted last, as JSON.
    service_tier: String,
    prompt: PromptTokens,
    /// Tool calls so far.
    tool_calls: u32,
    /// The blocks that have begun and not ended.
    open: OpenBlocks,
    /// The stop reason that came with the head of a stream.
    early_stop: Option<String>,
}

/// The parts of the prompt's token count, as last reported: a later report omits what has not changed.
#[derive(Debug, Default)]
struct PromptTokens {
    fresh: Option<u64>,
    read: Option<u64>,
    written: Option<u64>,
}

impl MessagesDecoder {
    fn answer(&mut self, data: &[u8], events: &mut Emit<'_>) -> Result<(), Error> {
        let message: dto::Message<'_> = parse(data)?;
        if let Some(error) = message.error {
            return Err(classify::in_reply(error.get()));
        }
        if message.content.is_none() && message.completion.is_none() && message.stop_reason.is_none() {
            return Err(classify::top_level_error(data).unwrap_or_else(|| {
                Error::new(Kind::Protocol, "the body is neither an answer nor an error")
            }));
        }
        let blocks = message.content.clone().unwrap_or_default();
        let (stop, completion) = (message.stop_reason.clone(), message.completion.clone());
        self.start(message, events);
        self.complete(completion, events);
        for block in blocks {
            self.block(None, block, events);
        }
        match stop {
            Some(word) => {
                self.end(&word.0, events);
                Ok(())
            }
            None => Err(Error::new(Kind::Truncated, "the answer has no stop reason")),
        }
    }

    fn end(&mut self, word: &str, events: &mut Emit<'_>) {
        // Some hosts leave out the ends of blocks.
        while let Some(block) = self.open.first() {
            Self::close(block, events);
        }
        self.finished = true;
        let reason = match finish_reason(word, self.has_content) {
            FinishReason::Stop if self.tool_calls > 0 => {
                events.replace_word(word, "tool_use");
                FinishReason::ToolCalls
            }
            reason => reason,
        };
        events.push(Event::Finished(reason));
    }

    fn frame(&mut self, data: &[u8], frame: dto::Frame<'_>, events: &mut Emit<'_>) -> Result<(), Error> {
        match frame.kind.as_ref().map(|kind| kind.0.as_ref()) {
            Some("message_start") => {
                // Calls by code that the provider runs arrive whole, with the head.
                let message = frame.message.unwrap_or_default();
                let blocks = message.content.clone().unwrap_or_default();
                self.early_stop = message.stop_reason.as_ref().map(|word| word.0.clone().into_owned());
                self.start(message, events);
                for block in blocks {
                    self.block(None, block, events);
                    if let Some(block) = self.open.close(None) {
                        Self::close(block, events);
                    }
                }
            }
            Some("content_block_start") => {
                if let Some(block) = frame.content_block {
                    self.block(frame.index, block, events);
                    self.open.check()?;
                }
            }
            Some("content_block_delta") => {
                if !self.extend_native(frame.index, data, frame.delta.as_ref())? {
                    self.delta(frame.index, frame.delta.unwrap_or_default(), events)?;
                }
            }
            Some("content_block_stop") => {
                if let Some(block) = self.open.close(frame.index) {
                    Self::close(block, events);
                }
            }
            Some("message_delta") => {
                self.count(frame.usage, events);
                if let Some(word) = frame.delta.and_then(|delta| delta.stop_reason)
                    && !self.finished
                {
                    self.end(&word.0, events);
                }
            }
            // Some hosts omit the type.
            Some("completion") | None if frame.completion.is_some() => {
                if !self.received {
                    self.start(dto::Message::default(), events);
                }
                self.complete(frame.completion, events);
                if let Some(word) = frame.stop_reason {
                    self.end(&word.0, events);
                }
            }
            Some("message_stop") => {
                if let Some(word) = self.early_stop.take().filter(|_| !self.finished) {
                    self.end(&word, events);
                    // The frame has no stop reason.
                    events.detach();
                }
            }
            Some("ping") => {}
            Some("error") => {
                let raw = frame.error.map_or("", RawValue::get);
                return Err(classify::in_reply(raw));
            }
            // Some servers send errors in another wire's format.
            _ if frame.error.is_some() => {
                return Err(classify::in_reply(frame.error.map_or("", RawValue::get)));
            }
            Some(other) => {
                let kind = other.to_owned();
                events.other_frame(kind);
            }
            None => {
                return Err(classify::top_level_error(data)
                    .unwrap_or_else(|| Error::new(Kind::Protocol, "a frame has no type")));
            }
        }
        Ok(())
    }

    fn start(&mut self, message: dto::Message<'_>, events: &mut Emit<'_>) {
        self.received = true;
        let name = |text: Option<Text<'_>>| text.map(|text| text.0.into_owned());
        events.push(Event::Started { id: name(message.id), model: name(message.model) });
        self.count(message.usage, events);
    }

    /// Emits the text of a completion, the wire's first format, which some hosts' oldest models still use.
    fn complete(&mut self, text: Option<Text<'_>>, events: &mut Emit<'_>) {
        self.has_content |= text.as_ref().is_some_and(|text| !text.0.is_empty());
        events.text(Event::TextDelta, text);
    }

    fn block(&mut self, at: Option<u64>, raw: &RawValue, events: &mut Emit<'_>) {
        self.has_content = true;
        if let Some(before) = self.open.replaced(at) {
            Self::close(before, events);
        }
        let native = || OpenBlock::Native { block: raw.get().to_owned(), input: String::new() };
        let Ok(block) = serde_json::from_str::<dto::Block<'_>>(raw.get()) else {
            self.open.open(at, native());
            return;
        };
        let mut open = OpenBlock::Plain;
        match block.kind.as_ref().map(|kind| kind.0.as_ref()) {
            Some("text") => {
                events.text(Event::TextDelta, block.text);
                let citations = block.citations.map_or("[]", RawValue::get);
                for citation in serde_json::from_str::<Vec<&RawValue>>(citations).unwrap_or_default() {
                    events.note(citation);
                }
            }
            Some("thinking") => {
                events.text(Event::ReasoningDelta, block.thinking);
                events.signature(ORIGIN, block.signature, false);
            }
            Some("redacted_thinking") => events.signature(ORIGIN, block.data, true),
            Some("tool_use") => {
                let name = |text: Option<Text<'_>>| text.map(|text| text.0.into_owned()).unwrap_or_default();
                let index = self.tool_calls;
                self.tool_calls += 1;
                events.push(Event::ToolStarted { index, id: name(block.id), name: name(block.name) });
                // Empty where pieces follow.
                let input = block.input.filter(|input| !is_blank(input));
                if let Some(input) = input {
                    events.push(Event::ToolDelta { index, arguments: input.get().to_owned() });
                }
                open = OpenBlock::Tool { index, empty: input.is_none() };
            }
            Some(other) => {
                // The provider's own failover: another model continues the answer.
                if let ("fallback", Some(to)) = (other, block.to) {
                    events.push(Event::Started { id: None, model: to.model.map(|name| name.0.into_owned()) });
                }
                open = native();
            }
            None => {}
        }
        self.open.open(at, open);
    }

    /// Adds a delta that only this wire has to its block, if that is one that only this wire has.
    fn extend_native(
        &mut self,
        at: Option<u64>,
        data: &[u8],
        delta: Option<&dto::Delta<'_>>,
    ) -> Result<bool, Error> {
        const KNOWN: [&str; 5] =
            ["citations_delta", "input_json_delta", "signature_delta", "text_delta", "thinking_delta"];
        let Some(OpenBlock::Native { block, .. }) = self.open.get_mut(at) else { return Ok(false) };
        let known = |kind: &Text<'_>| KNOWN.contains(&&*kind.0);
        if delta.and_then(|delta| delta.kind.as_ref()).is_none_or(known) {
            return Ok(false);
        }
        if let Some(merged) = merge_delta(block, data) {
            *block = merged;
            self.open.check()?;
        }
        Ok(true)
    }

    fn delta(&mut self, at: Option<u64>, delta: dto::Delta<'_>, events: &mut Emit<'_>) -> Result<(), Error> {
        events.text(Event::TextDelta, delta.text);
        events.text(Event::ReasoningDelta, delta.thinking);
        events.signature(ORIGIN, delta.signature, false);
        if let Some(citation) = delta.citation {
            events.note(citation);
        }
        let Some(json) = delta.partial_json.filter(|json| !json.0.is_empty()) else { return Ok(()) };
        match self.open.get_mut(at) {
            Some(OpenBlock::Tool { index, empty }) => {
                *empty = false;
                events.push(Event::ToolDelta { index: *index, arguments: json.0.into_owned() });
            }
            Some(OpenBlock::Native { input, .. }) => {
                input.push_str(&json.0);
                self.open.check()?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Ends a block; a call without arguments gets an empty object.
    fn close(block: OpenBlock, events: &mut Emit<'_>) {
        match block {
            OpenBlock::Tool { index, empty: true } => {
                events.push(Event::ToolDelta { index, arguments: "{}".into() });
            }
            OpenBlock::Native { block, input } => {
                if let Ok(raw) = Json::parse(with_input(block, &input)) {
                    events.push(Event::Native(Box::new(Native::new(WIRE, raw))));
                }
            }
            _ => {}
        }
    }

    /// Counts are cumulative; the prompt's parts have to be added up.
    fn count(&mut self, usage: Option<dto::UsageDto<'_>>, events: &mut Emit<'_>) {
        let Some(usage) = usage else { return };
        self.usage.update(&self.prompt.count(&usage));
        // One that cannot be read leaves only the sum for all of them.
        let turns: Option<Vec<Turn>> = usage.iterations.iter().flatten().map(|raw| turn(raw)).collect();
        if let Some(turns) = turns.filter(|turns| turns.iter().any(|turn| turn.model.is_some())) {
            events.push(Event::Turns(turns));
        }
        events.push(Event::Usage(Box::new(self.usage)));
        events.service_tier(&mut self.service_tier, usage.service_tier);
    }
}

impl PromptTokens {
    fn count(&mut self, usage: &dto::UsageDto<'_>) -> Usage {
        for (part, reported) in [
            (&mut self.fresh, usage.input_tokens),
            (&mut self.read, usage.cache_read_input_tokens),
            (&mut self.written, usage.cache_creation_input_tokens),
        ] {
            *part = reported.or(*part);
        }
        let cache = self.written.unwrap_or(0).saturating_add(self.read.unwrap_or(0));
        let input = self.fresh.map(|tokens| tokens.saturating_add(cache));
        let mut counted = Usage::reported(input, usage.output_tokens);
        (counted.cached, counted.cache_write) = (self.read, self.written);
        counted.reasoning = usage.output_tokens_details.and_then(|details| details.thinking_tokens);
        counted
    }
}

/// The tokens of one turn at the provider: of the requested model, of one that advised it, or, after the provider's own
/// failover, of one that was replaced or replaced it. Each has its own price.
fn turn(raw: &RawValue) -> Option<Turn> {
    let usage: dto::UsageDto<'_> = serde_json::from_str(raw.get()).ok()?;
    let dto::Iteration { model } = serde_json::from_str(raw.get()).ok()?;
    Some(Turn::new(model.map(|name| name.0.into_owned()), PromptTokens::default().count(&usage)))
}

impl Decoder for MessagesDecoder {
    fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let data = frame.object();
        if data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let mut events = Emit::framed(out, WIRE, frame.data.clone());
        if frame.whole {
            return self.answer(data, &mut events);
        }
        let name = frame.name.as_deref().and_then(|name| std::str::from_utf8(name).ok());
        if name == Some("error") {
            return Err(classify::in_reply(&String::from_utf8_lossy(data)));
        }
        match parse::<dto::Frame<'_>>(data) {
            Ok(mut parsed) => {
                if let (None, Some(name)) = (&parsed.kind, name.filter(|name| is_event(name))) {
                    parsed.kind = Some(Text(name.into()));
                    // Clients of this wire expect the type in the frame.
                    events.detach();
                }
                let is_ping = parsed.kind.as_ref().is_some_and(|kind| kind.0 == "ping");
                self.frame(data, parsed, &mut events)?;
                // Frames after the end, and pings, are for the relay itself to send.
                if !self.finished && !is_ping {
                    events.mark();
                }
                Ok(())
            }
            Err(_) if self.finished => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn finish(&mut self, _: &mut VecDeque<Chunk>) -> Result<(), Error> {
        if self.finished {
            Ok(())
        } else if self.received {
            Err(Error::new(Kind::Truncated, "the answer ended without a stop reason"))
        } else {
            Err(Error::new(Kind::Protocol, "the reply is empty"))
        }
    }
}

fn parse<'a, T: serde::Deserialize<'a>>(data: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(data)
        .map_err(|_| Error::new(Kind::Protocol, "a frame is not the JSON of this wire"))
}

/// Inserts an input that arrived in pieces into its block.
fn with_input(block: String, input: &str) -> String {
    let merged = || {
        let input: &RawValue = serde_json::from_str(input).ok()?;
        let mut fields: Fields<'_> = serde_json::from_str(&block).ok()?;
        fields.insert("input".into(), input);
        serde_json::to_string(&fields).ok()
    };
    merged().unwrap_or(block)
}

/// Adds a frame's delta to a block: text is appended, anything else is replaced.
fn merge_delta(block: &str, data: &[u8]) -> Option<String> {
    type OwnedFields = BTreeMap<String, Box<RawValue>>;
    #[derive(serde::Deserialize)]
    struct DeltaFrame {
        delta: OwnedFields,
    }
    let mut fields: OwnedFields = serde_json::from_str(block).ok()?;
    let frame: DeltaFrame = serde_json::from_slice(data).ok()?;
    let text = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok();
    for (name, value) in frame.delta.into_iter().filter(|(name, _)| name != "type") {
        let before = fields.get(&name).and_then(|raw| text(raw));
        let value = match (before, text(&value)) {
            (Some(before), Some(more)) => serde_json::value::to_raw_value(&(before + &more)).ok()?,
            _ => value,
        };
        fields.insert(name, value);
    }
    serde_json::to_string(&fields).ok()
}

fn finish_reason(word: &str, has_content: bool) -> FinishReason {
    match word {
        // The stop sequence came first, so there is no text, and the reason has to explain why.
        "stop_sequence" if !has_content => FinishReason::Other(word.to_owned()),
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::Refusal,
        other => FinishReason::Other(other.to_owned()),
    }
}

/// Whether this names an event, as some hosts do in place of a type. The older API has one of its own.
fn is_event(name: &str) -> bool {
    name == "completion" || dto::EVENTS.contains(&name)
}

#[cfg(test)]
mod tests;
