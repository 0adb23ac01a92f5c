//! One attempt at one target, as its call sees it.
//!
//! Not a connection. Invariant: an attempt holds its permit from its start until it is settled, and buffers events only
//! until the call commits.

use std::collections::VecDeque;
use std::time::Duration;

use hotspare_core::{Chunk, Cost, Error, Event, FinishReason, Kind, Moment, Raw, Turn, Usage, UsageSource};
use hotspare_health::Permit;
use hotspare_normalize::{Block, Grammar, ThinkSplitter, ToolAnswer, ToolIds};

use crate::index::KeyIndex;
use crate::judgement::{Gathered, Judgement};
use crate::plan::PlannedTarget;
use crate::rules::Limits;
use crate::splice::Splice;

/// How long a stream may stay open after the answer has finished.
const DRAIN: Duration = Duration::from_millis(250);

/// How long an end that may have come too early is held back for what may follow it. Longer than the pause between two
/// pieces of an answer: believed too early, it would cut the answer off unnoticed.
const HELD_END: Duration = Duration::from_secs(3);

/// Charged for each buffered event in addition to its content, so that a flood of tiny events is bounded too.
const EVENT_COST: usize = 128;

#[derive(Debug)]
pub(crate) struct AttemptState {
    pub(crate) choice: PlannedTarget,
    pub(crate) key: KeyIndex,
    pub(crate) stream: bool,
    /// `None` once settled: the attempt is over.
    pub(crate) permit: Option<Permit>,
    pub(crate) begun: Moment,
    /// From when its limits count: later than it was begun by the time for which its call was not polled.
    pub(crate) started: Moment,
    /// Its call was not polled for a part of the wait for its first content.
    pub(crate) untimed: bool,
    /// Some byte of a reply has arrived.
    pub(crate) heard: bool,
    /// The limit for first content has passed without any.
    pub(crate) late: bool,
    /// It is late, but no other target is expected to be sooner: until then none starts beside it.
    pub(crate) waited_for_until: Option<Moment>,
    /// The book has been told that its first content is later than usual.
    pub(crate) overdue: bool,
    pub(crate) first_content: Option<Moment>,
    /// Its share of the time that was left when it started; the rest is for the targets after it.
    pub(crate) share: Duration,
    /// First content has arrived, but the book has not been told yet.
    pub(crate) unobserved: bool,
    pub(crate) last_event: Moment,
    pub(crate) finished: Option<Moment>,
    /// An end that may not be the end of the answer, and when it arrived, as long as nothing has followed it.
    pub(crate) held_end: Option<(FinishReason, Moment)>,
    pub(crate) contents: u32,
    pub(crate) held: VecDeque<Chunk>,
    pub(crate) held_bytes: usize,
    pub(crate) grammar: Grammar,
    /// What is kept of the answer; `None` once it is being judged.
    pub(crate) gathered: Option<Gathered>,
    /// The raw frame of all events so far, as long as there is only one.
    pub(crate) whole: Option<Raw>,
    pub(crate) usage: Usage,
    /// The tokens of each model, if several worked on it.
    pub(crate) turns: Vec<Turn>,
    /// Of the content, the bytes that the provider has counted so far.
    pub(crate) counted_bytes: u64,
    /// The call has committed to it: the caller has received its content.
    pub(crate) passed_on: bool,
    /// Bytes of content, for an estimate if no usage is reported.
    pub(crate) content_bytes: u64,
    /// Joins a continuation to what the caller already has.
    pub(crate) splice: Option<Splice>,
    /// When its stream ended, if its answer is being judged.
    pub(crate) stream_ended_at: Option<Moment>,
    /// The judgement of its answer, until it is handed out.
    pub(crate) judgement: Option<Box<Judgement>>,
    /// A failure detected in an event, to be processed once the world is at hand.
    pub(crate) failure: Option<Error>,
    /// What is reserved of spending limits: the cost of its prompt and of the room for its answer.
    pub(crate) reserved: Cost,
    /// The model refuses, or a filter withholds its answer.
    pub(crate) refused: bool,
    /// Separates reasoning from text, if the target writes it into its text.
    pub(crate) think: Option<ThinkSplitter>,
    /// Converts a call's arguments to text, if the target was told to answer by tool call.
    pub(crate) tool_answer: Option<ToolAnswer>,
    pub(crate) ids: ToolIds,
    /// The last frame no longer matches its events.
    pub(crate) respelled: bool,
}

impl AttemptState {
    pub(crate) fn new(
        now: Moment,
        choice: PlannedTarget,
        (key, permit): (KeyIndex, Permit),
        stream: bool,
        share: Duration,
        reserved: Cost,
        gathered: Gathered,
    ) -> Self {
        Self {
            choice,
            key,
            stream,
            permit: Some(permit),
            begun: now,
            started: now,
            untimed: false,
            heard: false,
            late: false,
            waited_for_until: None,
            overdue: false,
            first_content: None,
            share,
            unobserved: false,
            last_event: now,
            finished: None,
            held_end: None,
            contents: 0,
            held: VecDeque::new(),
            held_bytes: 0,
            grammar: Grammar::default(),
            gathered: Some(gathered),
            whole: None,
            usage: Usage::default(),
            turns: Vec::new(),
            counted_bytes: 0,
            passed_on: false,
            content_bytes: 0,
            splice: None,
            stream_ended_at: None,
            judgement: None,
            failure: None,
            reserved,
            refused: false,
            think: None,
            tool_answer: None,
            ids: ToolIds::default(),
            respelled: false,
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.permit.is_some()
    }

    /// Whether events may still arrive.
    pub(crate) fn is_open(&self) -> bool {
        self.is_live() && self.stream_ended_at.is_none()
    }

    /// Whether it has an answer that is being judged.
    pub(crate) fn is_being_judged(&self) -> bool {
        self.is_live() && self.stream_ended_at.is_some()
    }

    /// Whether its answer must be judged before the caller may take it for complete.
    pub(crate) fn needs_judgement(&self) -> bool {
        match &self.gathered {
            Some(Gathered::Whole(_)) => true,
            Some(Gathered::Streamed { calls, text }) => text.is_some() || !calls.is_empty(),
            None => false,
        }
    }

    /// Whether its events are withheld because they would tell the caller that an unjudged answer has finished.
    pub(crate) fn is_withheld(&self) -> bool {
        self.finished.is_some() && self.needs_judgement()
    }

    /// Whether it gave no answer and nothing explains why. Reasoning and white space do not count as an answer, unless
    /// a stop sequence of the request may have ended it before its first token.
    pub(crate) fn is_empty(&self, stops: bool) -> bool {
        let explained = self.grammar.finished().is_some_and(FinishReason::explains_silence);
        let answered = if stops { self.grammar.has_content() } else { self.grammar.has_answer() };
        // A continuation may find that nothing was missing.
        self.splice.as_ref().is_none_or(Splice::starts_over) && !explained && !answered
    }

    /// Whether it asks again for an answer that failed validation.
    pub(crate) fn is_reask(&self) -> bool {
        self.choice.reask.is_some()
    }

    /// Whether it sent the request unchanged: a trimmed or extended one says nothing about the original's size.
    pub(crate) fn is_as_asked(&self) -> bool {
        !self.is_reask() && self.choice.trim_to.is_none() && self.splice.is_none()
    }

    /// Alive and in time, late but expected before any other, or complete: worth waiting for before another attempt is
    /// started.
    pub(crate) fn is_hopeful(&self) -> bool {
        let expected = !self.late || self.waited_for_until.is_some() || self.stream_ended_at.is_some();
        self.is_live() && expected && self.failure.is_none()
    }

    /// When its first content is later than usual.
    pub(crate) fn overdue_at(&self) -> Option<Moment> {
        let late_after = self.permit.as_ref()?.late_after()?;
        (!self.overdue && self.first_content.is_none()).then(|| self.started + late_after)
    }

    /// Whether it was late or overdue without content, so that its duration counts as latency although it was
    /// cancelled.
    pub(crate) fn was_slow(&self) -> bool {
        self.first_content.is_none() && (self.late || self.overdue)
    }

    /// Its call was not polled for so long: what the attempt has brought since is not known, so the time counts towards
    /// none of its limits.
    pub(crate) fn leave_out(&mut self, away: Duration) {
        self.last_event = self.last_event + away;
        self.finished = self.finished.map(|finished| finished + away);
        if let Some((_, arrived)) = &mut self.held_end {
            *arrived = *arrived + away;
        }
        if self.first_content.is_none() {
            self.started = self.started + away;
            self.untimed = true;
        }
    }

    /// Buffers an event until the call commits.
    pub(crate) fn hold(&mut self, chunk: Chunk, limit: usize) -> Result<(), Error> {
        if let Some(Gathered::Whole(fold)) = &mut self.gathered {
            match chunk.raw {
                Raw::Covered => {}
                raw if self.whole.is_none() && !self.stream => self.whole = Some(raw),
                _ => self.whole = Some(Raw::Absent),
            }
            return fold.push(chunk.event);
        }
        self.held_bytes = self.held_bytes.saturating_add(weight(&chunk));
        if self.held_bytes > limit {
            return Err(too_long(limit));
        }
        self.held.push_back(chunk);
        Ok(())
    }

    /// Records what an event says about the attempt itself.
    pub(crate) fn note(&mut self, now: Moment, event: &Event, limit: usize) -> Result<(), Error> {
        self.heard = true;
        self.last_event = now;
        self.grammar.check(event)?;
        match event {
            Event::TextDelta(text) => {
                if let Some(Gathered::Streamed { text: Some(gathered), .. }) = &mut self.gathered {
                    gathered.push_str(text);
                    if gathered.len() > limit {
                        return Err(too_long(limit));
                    }
                }
            }
            Event::ToolStarted { .. } | Event::ToolDelta { .. } => {
                if let Some(Gathered::Streamed { calls, .. }) = &mut self.gathered {
                    calls.push(event);
                }
            }
            Event::Usage(usage) => {
                // Some providers repeat a count while the answer grows.
                if usage.output.unwrap_or(0) > self.usage.output.unwrap_or(0) {
                    self.counted_bytes = self.content_bytes;
                }
                self.usage.update(usage);
            }
            Event::Turns(turns) => self.turns.clone_from(turns),
            Event::RefusalDelta(text) => self.refused |= !text.is_empty(),
            Event::Finished(reason) => {
                self.finished = self.finished.or(Some(now));
                self.refused |= matches!(reason, FinishReason::Refusal | FinishReason::ContentFilter);
            }
            _ => {}
        }
        if event.is_content() {
            self.contents = self.contents.saturating_add(1);
            self.content_bytes += size(event);
            self.begin_content(now);
        }
        Ok(())
    }

    fn begin_content(&mut self, now: Moment) {
        if self.first_content.is_none() {
            self.first_content = Some(now);
            self.unobserved = true;
        }
    }

    /// Records an event before it is converted: an answer by tool call starts with the call's name, which yields no
    /// text yet.
    pub(crate) fn hear(&mut self, now: Moment, event: &Event) {
        self.held_end = None;
        if self.tool_answer.is_some() {
            self.heard = true;
            self.last_event = now;
            if event.is_content() {
                self.begin_content(now);
            }
        }
    }

    /// When the attempt's silence exceeds its limit, if this silence has one.
    pub(crate) fn silent_at(&self, limits: &Limits, listening: Moment) -> Option<Moment> {
        let since = self.last_event.max(listening);
        if let Some(finished) = self.finished {
            return Some(finished.max(listening) + DRAIN);
        }
        self.first_content?;
        if let Some((_, arrived)) = self.believable_end() {
            return Some((*arrived).max(listening) + HELD_END.min(limits.gap));
        }
        Some(since + if self.may_be_quiet() { limits.quiet_gap } else { limits.gap })
    }

    /// Holds an end that may not be the end of the answer, until something follows it.
    pub(crate) fn hold_end(&mut self, now: Moment, reason: FinishReason) {
        self.heard = true;
        self.held_end.get_or_insert((reason, now));
    }

    /// The end that is held, if there was an answer before it: one after reasoning alone is not believed.
    pub(crate) fn believable_end(&self) -> Option<&(FinishReason, Moment)> {
        self.held_end.as_ref().filter(|_| self.grammar.has_answer())
    }

    /// Whether it is in the middle of something that providers may buffer.
    pub(crate) fn may_be_quiet(&self) -> bool {
        // An answer by tool call consists of arguments, even though they are delivered as text.
        matches!(self.grammar.block(), Block::Reasoning | Block::Tool) || self.tool_answer.is_some()
    }

    /// Token counts as reported, or estimated from the content; empty for a target that gave no sign of life.
    pub(crate) fn usage_or_estimate(&self) -> Usage {
        if self.heard { self.estimated() } else { self.usage }
    }

    /// The same if the attempt is `cancelled`: providers charge the prompt of a request that is hung up on while they
    /// work on it, silent or not.
    pub(crate) fn usage_billed(&self, cancelled: bool) -> Usage {
        if cancelled { self.estimated() } else { self.usage_or_estimate() }
    }

    /// A count that was reported before content that was then cut off does not include it.
    fn estimated(&self) -> Usage {
        let mut usage = self.usage;
        let uncounted = match (usage.output, self.finished) {
            (Some(_), Some(_)) => 0,
            _ => self.content_bytes - self.counted_bytes,
        };
        if usage.input.is_some() && usage.output.is_some() && uncounted == 0 {
            return usage;
        }
        usage.input = usage.input.or(Some(self.choice.prompt_tokens));
        if usage.output.is_none() || uncounted > 0 {
            // Some providers report an output of 1 before the first token.
            let counted = usage.output.filter(|_| self.counted_bytes > 0).unwrap_or(0);
            usage.output = Some(counted.saturating_add(uncounted.div_ceil(4)));
        }
        usage.source = UsageSource::Estimated;
        usage
    }

    /// The event as it is passed on, with a unique id for every tool call. Drops a frame that no longer matches its
    /// events.
    pub(crate) fn normalize(&mut self, mut chunk: Chunk) -> Chunk {
        let changed = self.ids.fix(&mut chunk.event) || self.converts();
        if changed || (self.respelled && chunk.raw == Raw::Covered) {
            chunk.raw = Raw::Absent;
        }
        self.respelled = chunk.raw == Raw::Absent;
        chunk
    }

    /// Converts the event: separates reasoning from text, and turns an answer by tool call into text. Returns it as an
    /// error if nothing needs converting.
    pub(crate) fn convert(&mut self, chunk: Chunk) -> Result<impl Iterator<Item = Chunk> + use<>, Chunk> {
        if !self.converts() {
            return Err(chunk);
        }
        let parted: Vec<Event> = match self.think.as_mut().filter(|think| !think.is_done()) {
            Some(think) => think.push(chunk.event).collect(),
            None => vec![chunk.event],
        };
        let told: Vec<Event> = match &mut self.tool_answer {
            Some(answer) => parted.into_iter().flat_map(|event| answer.push(event)).collect(),
            None => parted,
        };
        Ok(told.into_iter().map(Chunk::from))
    }

    fn converts(&self) -> bool {
        self.tool_answer.is_some() || self.think.as_ref().is_some_and(|think| !think.is_done())
    }
}

/// The error for an answer that takes more memory than the route allows.
pub(crate) fn too_long(limit: usize) -> Error {
    Error::new(Kind::Protocol, format!("the answer exceeds the buffer limit of {limit} bytes"))
}

/// Bytes of text that a model wrote, for estimating tokens; embeddings have none.
pub(crate) fn size(event: &Event) -> u64 {
    let bytes = match event {
        Event::TextDelta(text) | Event::ReasoningDelta(text) | Event::RefusalDelta(text) => text.len(),
        Event::ToolDelta { arguments, .. } => arguments.len(),
        Event::ToolStarted { id, name, .. } => id.len() + name.len(),
        _ => 0,
    };
    bytes as u64
}

/// Approximate bytes that a buffered event and its frame take.
pub(crate) fn weight(chunk: &Chunk) -> usize {
    let frame = match &chunk.raw {
        Raw::Frame { data, .. } => data.len(),
        _ => 0,
    };
    let event = match &chunk.event {
        Event::Annotation(raw) | Event::LogProbs(raw) | Event::Other { raw, .. } => raw.as_str().len(),
        Event::Fields(native) | Event::Native(native) => native.raw.as_str().len(),
        Event::ReasoningSignature(signature) => signature.data.len(),
        Event::Vector(vector) => size_of_val(vector.values.as_slice()),
        event => usize::try_from(size(event)).unwrap_or(usize::MAX),
    };
    event.saturating_add(frame).saturating_add(EVENT_COST)
}

#[cfg(test)]
mod tests {
    use hotspare_core::Vector;

    use super::*;

    #[test]
    fn vectors_count_as_bytes_but_not_as_tokens() {
        let vector = Event::Vector(Box::new(Vector { index: 0, values: vec![0.5; 256] }));
        assert_eq!(size(&vector), 0);
        assert!(weight(&Chunk::from(vector)) >= 1_024);
    }
}
