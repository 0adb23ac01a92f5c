//! Has complete answers judged, and acts on the results.
//!
//! Not the judging itself, which is a [`Judgement`]'s: it may take long, and here the world is at hand. Invariant: an
//! attempt whose answer is being judged keeps its permit, no event or limit of its own ends it, and the caller learns
//! that its answer has finished only if the answer is fit.

use std::sync::Arc;

use hotspare_core::{Chunk, Event, Moment, Response};

use super::Call;
use crate::attempt::AttemptState;
use crate::judgement::{Accepted, Judged, Judgement, Rejected};
use crate::rules::{Commit, ValidateOutput, ValidateToolCalls};
use crate::step::AttemptId;
use crate::world::World;

impl Call {
    /// Whether answers are held until they are complete.
    pub(super) fn holds_whole(&self) -> bool {
        let rules = &self.route.rules;
        let judged =
            self.spec.output_check.is_some() && rules.validate_output == ValidateOutput::BeforeDelivery;
        let tools = !self.spec.tool_checks.is_empty()
            && rules.validate_tool_calls == ValidateToolCalls::BeforeDelivery;
        !self.spec.stream || rules.commit == Commit::Whole || judged || tools
    }

    /// Has the complete answer of an attempt judged.
    pub(super) fn submit(&mut self, now: Moment, id: AttemptId) {
        let check = self.spec.output_check.clone();
        let check = check.filter(|_| self.route.rules.validate_output != ValidateOutput::Never);
        let delivered = self.committed == Some(id);
        let attempt = &mut self.attempts[id.0];
        let tools = if attempt.grammar.has_tool_calls() {
            Arc::clone(&self.spec.tool_checks)
        } else {
            Arc::default()
        };
        attempt.stream_ended_at = Some(now);
        attempt.judgement = Some(Box::new(Judgement {
            gathered: attempt.gathered.take(),
            has_tool_calls: attempt.grammar.has_tool_calls(),
            text_only: attempt.grammar.text_only(),
            finish: attempt.grammar.finished().cloned(),
            check,
            tools,
            delivered,
            bytes: usize::try_from(attempt.content_bytes).unwrap_or(usize::MAX),
        }));
    }

    /// The next judgement to run.
    pub(super) fn next_judgement(&mut self) -> Option<(AttemptId, Box<Judgement>)> {
        let mut attempts = self.attempts.iter_mut().enumerate();
        attempts.find_map(|(index, attempt)| Some((AttemptId(index), attempt.judgement.take()?)))
    }

    /// The answer of an attempt has been judged.
    pub(super) fn judged(&mut self, now: Moment, world: &mut World, id: AttemptId, judged: Judged) {
        if !self.attempts.get(id.0).is_some_and(AttemptState::is_being_judged) {
            return;
        }
        let repaired = !judged.notes.is_empty();
        self.note(id, judged.notes);
        match judged.result {
            Ok(Accepted { mut response, text }) => {
                let native = self.spec.native_wire;
                let whole = self.attempts[id.0].whole.take();
                if let Some(Response::Chat(chat)) = response.as_deref_mut() {
                    // The frame of a repaired answer no longer matches it.
                    let whole = whole.filter(|raw| !repaired && raw.wire() == native && native.is_some());
                    chat.raw = whole.unwrap_or_default();
                }
                if let Some(text) = text {
                    self.replace_held(id, text);
                }
                self.serve(now, world, id, response);
            }
            Err(Rejected { error, violations, reask }) => {
                if let Some(entry) = self.trail.attempts.get_mut(id.0) {
                    entry.violations = violations;
                }
                self.reask = reask;
                self.failed(now, world, id, error);
            }
        }
    }

    /// Replaces the buffered text with the repaired text; its frames no longer match and are dropped.
    fn replace_held(&mut self, id: AttemptId, text: String) {
        let attempt = &mut self.attempts[id.0];
        let mut text = Some(text);
        let held = std::mem::take(&mut attempt.held);
        attempt.held = held
            .into_iter()
            .filter_map(|chunk| match chunk.event {
                Event::TextDelta(_) => text.take().map(|text| Chunk::from(Event::TextDelta(text))),
                event => Some(Chunk::from(event)),
            })
            .collect();
    }
}
