//! Frames to events: streams and whole answers.
//!
//! Invariant: an answer is complete once its stop reason was seen; a body that ends without one is truncated, whatever
//! it contained. Blocks that only this wire has (the host's own tools and their results, images) are emitted whole as
//! [`Event::Native`], whether they came in one piece or in several; a guardrail's trace is emitted as [`Event::Other`].

use std::collections::{BTreeMap, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hotspare_core::{Chunk, Error, Event, FinishReason, Json, Kind, Native, Usage};
use hotspare_provider::{Decoder, Emit, EventStream, Frame, Text};
use serde_json::value::RawValue;

use crate::family::Family;
use crate::native_block::BlockAssembler;
use crate::{WIRE, classify, dto};

/// The most blocks open at once; a server opens one after the other.
const OPEN_LIMIT: usize = 64;

/// Decodes one reply.
#[derive(Debug)]
pub(crate) struct ConverseDecoder {
    /// Whether the body is a whole answer.
    whole: bool,
    family: Family,
    /// The reply's id, from its head.
    id: Option<String>,
    received: bool,
    finished: bool,
    /// Some text, reasoning or a call has been emitted.
    has_content: bool,
    usage: Usage,
    /// Tool calls so far.
    tool_calls: u32,
    /// Blocks that began with a start event, by their index.
    open: BTreeMap<u64, OpenBlock>,
}

/// A block that began with a start event.
#[derive(Debug)]
enum OpenBlock {
    /// A block that only this wire has.
    Native(BlockAssembler),
    /// A tool call.
    Tool { index: u32, empty: bool },
}

impl ConverseDecoder {
    pub(crate) fn streamed(model: &str, id: Option<String>) -> Self {
        Self {
            whole: false,
            family: Family::of(model),
            id,
            received: false,
            finished: false,
            has_content: false,
            usage: Usage::default(),
            tool_calls: 0,
            open: BTreeMap::new(),
        }
    }

    pub(crate) fn whole(model: &str, id: Option<String>) -> Self {
        Self { whole: true, ..Self::streamed(model, id) }
    }

    fn answer(&mut self, data: &[u8], out: &mut Emit<'_>) -> Result<(), Error> {
        let answer: dto::Answer<'_> = parse(data)?;
        let Some(message) = answer.output.and_then(|output| output.message) else {
            return Err(classify::in_reply("", data).unwrap_or_else(|| {
                Error::new(Kind::Protocol, "the body is neither an answer nor an error")
            }));
        };
        self.start(out);
        for raw in message.content.unwrap_or_default() {
            self.block(raw, out)?;
        }
        self.count(answer.usage, out);
        out.service_tier(&mut String::new(), tier_word(answer.service_tier));
        push_trace(answer.trace, out);
        match answer.stop_reason {
            Some(word) => self.stop(&word.0, out),
            None => Err(Error::new(Kind::Truncated, "the answer has no stop reason")),
        }
    }

    fn event(&mut self, name: &str, data: &[u8], out: &mut Emit<'_>) -> Result<(), Error> {
        let event: dto::Event<'_> = parse(data)?;
        let block = event.content_block_index.unwrap_or(0);
        match name {
            "messageStart" => self.start(out),
            "contentBlockStart" => return self.start_block(block, event.start, out),
            "contentBlockDelta" => return self.delta(block, event.delta, out),
            "contentBlockStop" => self.close(block, out),
            "messageStop" => {
                let word = event
                    .stop_reason
                    .ok_or_else(|| Error::new(Kind::Protocol, "the message stops without a reason"))?;
                return self.stop(&word.0, out);
            }
            "metadata" => {
                self.count(event.usage, out);
                out.service_tier(&mut String::new(), tier_word(event.service_tier));
                push_trace(event.trace, out);
            }
            other => out.other(other, &String::from_utf8_lossy(data)),
        }
        Ok(())
    }

    fn start(&mut self, out: &mut Emit<'_>) {
        self.received = true;
        out.push(Event::Started { id: self.id.take(), model: None });
    }

    /// Emits a block of a whole answer.
    fn block(&mut self, raw: &RawValue, out: &mut Emit<'_>) -> Result<(), Error> {
        self.has_content = true;
        let block: dto::Block<'_> = parse(raw.get().as_bytes())?;
        match block.tool_use {
            Some(call) if is_client_tool(&call) => {
                let input = call.input.map_or("{}", RawValue::get).to_owned();
                let index = self.call(call, out);
                out.push(Event::ToolDelta { index, arguments: input });
            }
            Some(_) => push_native(raw.get(), out),
            None => self.content(block, raw, out),
        }
        Ok(())
    }

    fn start_block(&mut self, at: u64, start: Option<&RawValue>, out: &mut Emit<'_>) -> Result<(), Error> {
        let Some(raw) = start else { return Ok(()) };
        if self.open.len() >= OPEN_LIMIT {
            return Err(Error::new(
                Kind::Protocol,
                format!("more than {OPEN_LIMIT} blocks are open at once"),
            ));
        }
        let block: dto::Block<'_> = parse(raw.get().as_bytes())?;
        let opened = match block.tool_use {
            Some(call) if is_client_tool(&call) => {
                self.has_content = true;
                OpenBlock::Tool { index: self.call(call, out), empty: true }
            }
            _ => OpenBlock::Native(BlockAssembler::start(raw.get())),
        };
        self.open.insert(at, opened);
        Ok(())
    }

    fn delta(&mut self, at: u64, delta: Option<&RawValue>, out: &mut Emit<'_>) -> Result<(), Error> {
        let Some(raw) = delta else { return Ok(()) };
        if let Some(OpenBlock::Native(block)) = self.open.get_mut(&at) {
            return block.add(raw.get());
        }
        let block: dto::Block<'_> = parse(raw.get().as_bytes())?;
        let Some(call) = block.tool_use else {
            self.content(block, raw, out);
            return Ok(());
        };
        let Some(OpenBlock::Tool { index, empty }) = self.open.get_mut(&at) else {
            return Err(Error::new(Kind::Protocol, "arguments for a tool call that never began"));
        };
        let Some(input) = call.input else { return Ok(()) };
        // A piece of text; some hosts in front of this one have been seen sending the object itself.
        let piece = match serde_json::from_str::<Text<'_>>(input.get()) {
            Ok(text) => text.0.into_owned(),
            Err(_) => input.get().to_owned(),
        };
        if !piece.is_empty() {
            *empty = false;
            out.push(Event::ToolDelta { index: *index, arguments: piece });
        }
        Ok(())
    }

    /// Closes a block; a call without arguments gets an empty object.
    fn close(&mut self, at: u64, out: &mut Emit<'_>) {
        match self.open.remove(&at) {
            Some(OpenBlock::Tool { index, empty: true }) => {
                out.push(Event::ToolDelta { index, arguments: "{}".into() });
            }
            Some(OpenBlock::Native(block)) => {
                self.has_content = true;
                push_native(&block.whole(), out);
            }
            _ => {}
        }
    }

    fn call(&mut self, call: dto::ToolUse<'_>, out: &mut Emit<'_>) -> u32 {
        let text = |text: Option<Text<'_>>| text.map(|text| text.0.into_owned()).unwrap_or_default();
        let index = self.tool_calls;
        self.tool_calls = self.tool_calls.saturating_add(1);
        out.push(Event::ToolStarted { index, id: text(call.tool_use_id), name: text(call.name) });
        index
    }

    /// Emits text, reasoning and citations, which have the same form in a block and in a delta.
    fn content(&mut self, block: dto::Block<'_>, raw: &RawValue, out: &mut Emit<'_>) {
        self.has_content = true;
        if let Some(text) = block.text {
            out.text(Event::TextDelta, Some(text));
        } else if let Some(cited) = block.citations_content {
            for text in cited.content.unwrap_or_default().into_iter().filter_map(|piece| piece.text) {
                out.text(Event::TextDelta, Some(text));
            }
            for citation in cited.citations.unwrap_or_default() {
                out.note(citation);
            }
        } else if let Some(citation) = block.citation {
            out.note(citation);
        } else if let Some(reasoning) = block.reasoning_content {
            let whole = reasoning.reasoning_text.unwrap_or_default();
            if let Some(text) = reasoning.text.or(whole.text) {
                out.text(Event::ReasoningDelta, Some(text));
            }
            if let Some(data) = reasoning.signature.or(whole.signature) {
                out.signature(self.family.origin, Some(data), false);
            }
            if let Some(blob) = reasoning.redacted_content {
                out.signature(self.family.origin, Some(self.redacted(&blob.0)), true);
            }
        } else {
            push_native(raw.get(), out);
        }
    }

    /// Hidden reasoning in the format of its origin.
    fn redacted(&self, blob: &str) -> String {
        let text = self.family.redacts_text.then(|| STANDARD.decode(blob).ok()).flatten();
        text.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| blob.to_owned())
    }

    /// The prompt's count has to be added up from its parts.
    fn count(&mut self, usage: Option<dto::UsageDto>, out: &mut Emit<'_>) {
        let Some(usage) = usage else { return };
        let read = usage.cache_read_input_tokens.or(usage.cache_read_input_token_count);
        let written = usage.cache_write_input_tokens.or(usage.cache_write_input_token_count);
        let cache = read.unwrap_or(0).saturating_add(written.unwrap_or(0));
        let input = usage.input_tokens.map(|tokens| tokens.saturating_add(cache));
        let mut counted = Usage::reported(input, usage.output_tokens);
        counted.cached = read;
        counted.cache_write = written;
        self.usage.update(&counted);
        out.push(Event::Usage(Box::new(self.usage)));
    }

    fn stop(&mut self, word: &str, out: &mut Emit<'_>) -> Result<(), Error> {
        let open: Vec<u64> = self.open.keys().copied().collect();
        for at in open {
            self.close(at, out);
        }
        let reason = match word {
            // The stop sequence came first, so there is no text, and the reason has to explain why.
            "stop_sequence" if !self.has_content => FinishReason::Other(word.to_owned()),
            "end_turn" | "stop_sequence" => FinishReason::Stop,
            "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
            "tool_use" => FinishReason::ToolCalls,
            "guardrail_intervened" | "content_filtered" => FinishReason::ContentFilter,
            "malformed_model_output" | "malformed_tool_use" => {
                return Err(
                    Error::new(Kind::BadOutput, "the model's output had no readable form").with_code(word)
                );
            }
            other => FinishReason::Other(other.to_owned()),
        };
        self.finished = true;
        out.push(Event::Finished(reason));
        Ok(())
    }
}

impl Decoder for ConverseDecoder {
    fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let out = &mut Emit::bare(out);
        if self.whole {
            return self.answer(frame.data.trim_ascii(), out);
        }
        let name = frame.name.as_deref().unwrap_or_default();
        let name =
            std::str::from_utf8(name).map_err(|_| Error::new(Kind::Protocol, "an event has no name"))?;
        for prefix in [EventStream::EXCEPTION, EventStream::ERROR] {
            if let Some(code) = name.strip_prefix(prefix) {
                return Err(classify::in_stream(code, &frame.data));
            }
        }
        self.event(name, &frame.data, out)
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

/// Whether the caller runs the tool; others run at the host.
fn is_client_tool(call: &dto::ToolUse<'_>) -> bool {
    call.kind.as_ref().is_none_or(|kind| kind.0 != "server_tool_use")
}

/// The word for the class of service; imitations of the wire may send something else.
fn tier_word(raw: Option<&RawValue>) -> Option<&RawValue> {
    serde_json::from_str::<dto::ServiceTier<'_>>(raw?.get()).ok()?.kind
}

/// Emits the trace of a guardrail or a router.
fn push_trace(raw: Option<&RawValue>, out: &mut Emit<'_>) {
    if let Some(raw) = raw {
        out.other("trace", raw.get());
    }
}

fn parse<'a, T: serde::Deserialize<'a>>(data: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(data)
        .map_err(|_| Error::new(Kind::Protocol, "a frame is not the JSON of this wire"))
}

fn push_native(raw: &str, out: &mut Emit<'_>) {
    if let Ok(raw) = Json::parse(raw) {
        out.push(Event::Native(Box::new(Native::new(WIRE, raw))));
    }
}

#[cfg(test)]
mod tests;
