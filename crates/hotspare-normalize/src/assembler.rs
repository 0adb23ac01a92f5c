//! Assembles the events of a stream into the whole answer.
//!
//! Does not judge content: it checks whether the answer is complete and well-formed, never whether it is good.
//! Invariant: the answer does not depend on how the stream was split into deltas; text is never changed, not even its
//! white space.

use std::ops::Range;

use hotspare_core::{
    ChatResponse, Error, Event, FinishReason, Json, Kind, Native, Part, Reasoning, Signature, ToolCall,
    Usage, UsageSource,
};
use serde_json::{Map, Value};

use crate::grammar::Grammar;
use crate::repair::{Repair, repair_json};
use crate::tool_ids::ToolIds;

/// Default limit on the size of one answer: far above the longest output of any model, far below what strains a host.
const LIMIT: usize = 32 << 20;
/// Counted for each part and annotation in addition to its text, so that a flood of tiny ones is bounded, too.
const PART_COST: usize = 128;
/// Bytes of text per token, the usual rule of thumb, for answers whose provider reports no usage.
const BYTES_PER_TOKEN: u64 = 4;

/// Assembles events into an answer. Its memory is bounded.
#[derive(Clone, Debug)]
pub struct Assembler {
    grammar: Grammar,
    ids: ToolIds,
    id: Option<String>,
    model: Option<String>,
    /// All text; the pieces refer to ranges of it.
    text: String,
    pieces: Vec<Piece>,
    /// For each tool call by index, its position in `pieces`.
    tools: Vec<usize>,
    usage: Option<Usage>,
    service_tier: Option<String>,
    annotations: Vec<Json>,
    logprobs: Vec<Json>,
    content_bytes: u64,
    held: usize,
    limit: usize,
}

#[derive(Clone, Debug)]
enum Piece {
    Fields(Native),
    Native(Native),
    Reasoning(Reasoning),
    Refusal(String),
    Text(Range<usize>),
    Tool(ToolCall),
}

impl Default for Assembler {
    fn default() -> Self {
        Self::with_limit(LIMIT)
    }
}

impl Assembler {
    /// Creates an assembler that refuses answers above `limit` bytes, including small overheads. The default is 32 MiB.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self {
            grammar: Grammar::default(),
            ids: ToolIds::default(),
            id: None,
            model: None,
            text: String::new(),
            pieces: Vec::new(),
            tools: Vec::new(),
            usage: None,
            service_tier: None,
            annotations: Vec::new(),
            logprobs: Vec::new(),
            content_bytes: 0,
            held: 0,
            limit,
        }
    }

    /// Adds the next event.
    ///
    /// # Errors
    /// [`Kind::Protocol`] if it is out of order (see [`Grammar`]) or the answer grows beyond the limit.
    pub fn push(&mut self, mut event: Event) -> Result<(), Error> {
        self.grammar.check(&event)?;
        self.ids.fix(&mut event);
        match event {
            Event::Started { id, model } => {
                replace(&mut self.id, id);
                replace(&mut self.model, model);
            }
            Event::Usage(usage) => match &mut self.usage {
                Some(known) => known.update(&usage),
                None => self.usage = Some(*usage),
            },
            Event::ServiceTier(word) => replace(&mut self.service_tier, Some(word)),
            // Another target goes on, and has yet to say its own.
            Event::Handover { .. } => self.service_tier = None,
            Event::TextDelta(delta) if !delta.is_empty() => self.push_text(delta)?,
            Event::ReasoningDelta(delta) if !delta.is_empty() => self.push_reasoning(delta)?,
            Event::ReasoningSignature(signature) => self.push_signature(signature)?,
            Event::RefusalDelta(delta) if !delta.is_empty() => self.push_refusal(delta)?,
            Event::ToolStarted { id, name, .. } => {
                self.grow(id.len() + name.len() + PART_COST)?;
                self.tools.push(self.pieces.len());
                self.pieces.push(Piece::Tool(ToolCall::new(id, name, "")));
            }
            Event::ToolDelta { index, arguments } => self.push_arguments(index, &arguments)?,
            Event::Native(native) => {
                self.grow(native.raw.as_str().len() + PART_COST)?;
                self.pieces.push(Piece::Native(*native));
            }
            Event::Fields(fields) => {
                self.grow(fields.raw.as_str().len() + PART_COST)?;
                self.pieces.push(Piece::Fields(*fields));
            }
            Event::Annotation(note) => {
                self.grow(note.as_str().len() + PART_COST)?;
                self.annotations.push(note);
            }
            Event::LogProbs(note) => {
                self.grow(note.as_str().len() + PART_COST)?;
                self.logprobs.push(note);
            }
            // The grammar keeps the finish reason; a handover joins text to text; the rest is not part of an answer.
            _ => {}
        }
        Ok(())
    }

    /// All text so far, without reasoning or refusals.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Usage as reported by the provider so far; empty if it reported none.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage.unwrap_or_default()
    }

    /// The whole answer.
    ///
    /// Adjacent text is one part; every tool call has a unique id and a JSON object as arguments (`{}` if there are
    /// none), unless the answer was cut off by the output limit or a filter, which leaves its calls as they are. A
    /// plain stop with tool calls becomes [`FinishReason::ToolCalls`]. If the provider did not report output tokens,
    /// they are estimated at four bytes each, and the usage is marked as an estimate.
    ///
    /// # Errors
    /// [`Kind::Truncated`] if there was no finish reason, [`Kind::Protocol`] if the answer is empty for no stated
    /// reason, [`Kind::BadOutput`] if a tool call is unusable.
    pub fn finish(self) -> Result<ChatResponse, Error> {
        self.finish_noting().map(|(response, _)| response)
    }

    /// Like [`Assembler::finish`], and also returns the repairs made to arguments of tool calls, one for each place.
    ///
    /// # Errors
    /// Those of [`Assembler::finish`].
    pub fn finish_noting(self) -> Result<(ChatResponse, Vec<Repair>), Error> {
        let mut repairs = Vec::new();
        let Some(mut finish) = self.grammar.finished().cloned() else {
            return Err(Error::new(Kind::Truncated, "the answer ended without a finish reason"));
        };
        if !self.grammar.has_content() && !finish.explains_silence() {
            return Err(Error::new(Kind::Protocol, "empty answer"));
        }
        let cut = finish.is_cut();
        let usage = self.usage_or_estimate();
        let mut content = Vec::with_capacity(self.pieces.len());
        let mut text = self.text;
        for piece in self.pieces {
            content.push(match piece {
                Piece::Fields(fields) => Part::Fields(fields),
                Piece::Native(native) => Part::Native(native),
                Piece::Reasoning(reasoning) => Part::Reasoning(reasoning),
                Piece::Refusal(refusal) => Part::Refusal(refusal),
                // Most answers have a single text, which need not be copied.
                Piece::Text(range) if range.len() == text.len() => Part::Text(std::mem::take(&mut text)),
                Piece::Text(range) => Part::Text(text.get(range).unwrap_or_default().to_owned()),
                Piece::Tool(call) if cut => Part::ToolCall(call),
                Piece::Tool(call) => {
                    let (call, more) = repaired_call(call)?;
                    repairs.extend(more);
                    Part::ToolCall(call)
                }
            });
        }
        if finish == FinishReason::Stop && !self.tools.is_empty() {
            finish = FinishReason::ToolCalls;
        }
        let mut response = ChatResponse::new(content, finish);
        response.id = self.id;
        response.model = self.model;
        response.usage = usage;
        response.service_tier = self.service_tier;
        response.annotations = self.annotations;
        response.logprobs = self.logprobs;
        Ok((response, repairs))
    }

    fn push_text(&mut self, delta: String) -> Result<(), Error> {
        self.grow_content(delta.len())?;
        let start = self.text.len();
        // An answer that comes whole is one text, which need not be copied.
        if start == 0 {
            self.text = delta;
        } else {
            self.text.push_str(&delta);
        }
        match self.pieces.last_mut() {
            Some(Piece::Text(range)) => range.end = self.text.len(),
            _ => {
                self.grow(PART_COST)?;
                self.pieces.push(Piece::Text(start..self.text.len()));
            }
        }
        Ok(())
    }

    fn push_reasoning(&mut self, delta: String) -> Result<(), Error> {
        self.grow_content(delta.len())?;
        match self.pieces.last_mut() {
            // A signature ends the reasoning it signs: more text would invalidate it.
            Some(Piece::Reasoning(reasoning)) if reasoning.signature.is_none() => {
                reasoning.text.push_str(&delta)
            }
            _ => {
                self.grow(PART_COST)?;
                self.pieces.push(Piece::Reasoning(Reasoning::new(delta)));
            }
        }
        Ok(())
    }

    fn push_signature(&mut self, signature: Signature) -> Result<(), Error> {
        self.grow(signature.data.len() + signature.origin.0.len() + PART_COST)?;
        match self.pieces.last_mut() {
            Some(Piece::Reasoning(reasoning)) if reasoning.signature.is_none() && !signature.redacted => {
                reasoning.signature = Some(signature);
            }
            // Hidden reasoning, or a signature without text: a part of its own, in its place.
            _ => self.pieces.push(Piece::Reasoning(Reasoning::default().with_signature(signature))),
        }
        Ok(())
    }

    fn push_refusal(&mut self, delta: String) -> Result<(), Error> {
        self.grow_content(delta.len())?;
        match self.pieces.last_mut() {
            Some(Piece::Refusal(refusal)) => refusal.push_str(&delta),
            _ => {
                self.grow(PART_COST)?;
                self.pieces.push(Piece::Refusal(delta));
            }
        }
        Ok(())
    }

    fn push_arguments(&mut self, index: u32, delta: &str) -> Result<(), Error> {
        self.grow_content(delta.len())?;
        let position = usize::try_from(index).ok().and_then(|index| self.tools.get(index));
        // The grammar has refused unknown indexes, so this always matches.
        if let Some(Piece::Tool(call)) = position.and_then(|&position| self.pieces.get_mut(position)) {
            call.arguments.push_str(delta);
        }
        Ok(())
    }

    fn grow_content(&mut self, bytes: usize) -> Result<(), Error> {
        self.content_bytes = self.content_bytes.saturating_add(bytes as u64);
        self.grow(bytes)
    }

    fn grow(&mut self, bytes: usize) -> Result<(), Error> {
        self.held = self.held.saturating_add(bytes);
        if self.held > self.limit {
            return Err(Error::new(
                Kind::Protocol,
                format!("the answer is longer than {} bytes", self.limit),
            ));
        }
        Ok(())
    }

    fn usage_or_estimate(&self) -> Usage {
        let mut usage = self.usage();
        if usage.output.is_none() {
            usage.output = Some(self.content_bytes.div_ceil(BYTES_PER_TOKEN));
            usage.source = UsageSource::Estimated;
        }
        usage
    }
}

/// Later values replace earlier ones, except empty or missing ones: some servers begin with a nameless frame.
fn replace(known: &mut Option<String>, later: Option<String>) {
    if let Some(later) = later.filter(|later| !later.is_empty()) {
        *known = Some(later);
    }
}

fn repaired_call(mut call: ToolCall) -> Result<(ToolCall, Vec<Repair>), Error> {
    if call.name.is_empty() {
        return Err(Error::new(Kind::BadOutput, "a tool call without a name"));
    }
    if call.arguments.trim().is_empty() {
        call.arguments = "{}".to_owned();
        return Ok((call, Vec::new()));
    }
    // The error gives the position only: the arguments may contain the caller's text.
    let (json, repairs) = repair_json(&call.arguments, &FinishReason::ToolCalls).map_err(|bad| {
        Error::new(Kind::BadOutput, format!("the arguments of a tool call are not valid JSON: {bad}"))
    })?;
    if serde_json::from_str::<Map<String, Value>>(&json).is_err() {
        return Err(Error::new(Kind::BadOutput, "the arguments of a tool call are not a JSON object"));
    }
    if !repairs.is_empty() {
        call.arguments = json.into_owned();
    }
    Ok((call, repairs))
}

#[cfg(test)]
mod tests;
