//! Handles a committed stream that is cut.
//!
//! Not for an answer that has begun a tool call, structured output or anything else that cannot be joined as text: the
//! caller gets the error then. Invariant: text from a second target reaches the caller only after an
//! [`Event::Handover`] and only where it joins exactly.

use std::cmp::Reverse;
use std::sync::Arc;

use hotspare_core::{Chunk, Error, Event, Kind, Message, Moment, Next, PromptSize, TargetId, Usage};
use hotspare_normalize::message_size;
use hotspare_routing::Reason;

use super::Call;
use crate::ending::Ending;
use crate::index::TargetIndex;
use crate::plan::PlannedTarget;
use crate::rules::{OnCut, OnKind};
use crate::splice;
use crate::step::AttemptId;
use crate::world::World;

/// An answer that was cut and may be continued.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    pub(super) from: TargetId,
    pub(super) whole: Beginning,
    /// What a target that accepts prefill is given; `None` if it would be empty.
    pub(super) prefill: Option<Beginning>,
    /// What the caller gets if no target can continue.
    pub(super) error: Error,
}

/// The beginning of an answer, with its size: measured once, because many targets may be considered under the lock.
#[derive(Clone, Debug)]
pub(super) struct Beginning {
    pub(super) text: Arc<str>,
    size: PromptSize,
}

impl Beginning {
    fn new(text: Arc<str>) -> Self {
        Self { size: message_size(&Message::assistant(text.as_ref())), text }
    }
}

impl Cut {
    fn new(from: TargetId, text: Arc<str>, error: Error) -> Self {
        let prefill = splice::prefill(&text).map(Beginning::new);
        Self { from, whole: Beginning::new(text), prefill, error }
    }
}

impl Call {
    /// The committed attempt has failed.
    pub(super) fn cut_off(&mut self, now: Moment, world: &mut World, id: AttemptId, error: Error) {
        let attempt = &self.attempts[id.0];
        let rule = self.route.rules.on.get(&error.kind());
        let may_move = match rule {
            Some(rule) => *rule != OnKind::Stop,
            None => error.policy().next == Next::Move,
        };
        if let Some(OnKind::To(targets)) = rule {
            self.restricted = Some(targets.clone());
        }
        let plain = attempt.grammar.text_only() && may_move;
        let wanted = self.route.rules.on_cut == OnCut::Continue && self.sent.is_some();
        if plain && wanted {
            // Targets that were refused earlier in the call may be available by now.
            self.line_up_refused();
        }
        let attempt = &self.attempts[id.0];
        match &self.sent {
            Some(sent) if plain && wanted && self.has_successor() => {
                let from = self.fleet[attempt.choice.target].id.clone();
                let name = &self.fleet[attempt.choice.target].name;
                let fleet = &self.fleet;
                // Stable sort: equals keep the route's order.
                let order = |choice: &PlannedTarget| {
                    let kin = kinship(name, &fleet[choice.target].name);
                    (choice.trim_to.is_some(), Reverse(kin))
                };
                self.waiting.make_contiguous().sort_by_key(order);
                self.cut = Some(Cut::new(from, sent.as_str().into(), error.clone()));
                self.committed = None;
                self.wanted = 1;
                self.errors.push(error);
            }
            _ => self.end(now, world, Err(error), Ending::Abandoned, "the call has failed"),
        }
    }

    /// A choice as it starts now: of a target that is to continue a cut answer, with what the caller has of it. What was
    /// wrong with an answer of its own no longer matters then.
    pub(super) fn as_started(&self, now: Moment, world: &World, choice: PlannedTarget) -> PlannedTarget {
        let Some(cut) = &self.cut else { return choice };
        let given = self.prefill_for(choice.target, cut);
        let scale = world.token_scale(now, choice.target);
        choice.with_cut(&given.unwrap_or(&cut.whole).size, given.is_some(), &scale)
    }

    /// What a target is given as the beginning of its answer; `None` if it has to write that again.
    pub(super) fn prefill_for<'a>(&self, place: TargetIndex, cut: &'a Cut) -> Option<&'a Beginning> {
        let accepts = self.fleet[place].profile.capabilities.assistant_prefill == Some(true);
        cut.prefill.as_ref().filter(|_| accepts && !self.no_prefill.contains(&place))
    }

    /// Why a target has no room for the answer that it is to continue, if so.
    pub(super) fn no_room_for_cut(&self, choice: &PlannedTarget) -> Option<String> {
        self.cut.as_ref()?;
        choice.too_long().map(|why| format!("{why}, with the answer so far"))
    }

    /// Whether any target is left that may take over.
    pub(super) fn has_successor(&self) -> bool {
        !self.waiting.is_empty() || !self.refused.is_empty() || !self.losers.is_empty()
    }

    /// Lines up a target that was cancelled because another answered first, to continue the answer that was cut. It has
    /// failed at nothing, so it needs no budget: without it the answer is lost.
    pub(super) fn recall_loser(&mut self) -> bool {
        let allowed = self.cut.is_some()
            && !self.losers.is_empty()
            && self.extra_starts < self.route.limits.max_extra_starts;
        if allowed && let Some(choice) = self.losers.pop_front() {
            self.extra_starts += 1;
            self.waiting.push_back(choice.once_more(Reason::Retry));
        }
        allowed
    }

    /// Fails a finished stream that has delivered nothing but reasoning, if another target can start over. Without a
    /// successor the stream ends as its target ended it.
    pub(super) fn judge_silence(&self, id: AttemptId) -> Result<(), Error> {
        let attempt = &self.attempts[id.0];
        let passed_on = self.committed == Some(id) && attempt.is_empty(self.spec.stops);
        let wanted = self.route.rules.on_cut == OnCut::Continue && self.sent.is_some();
        if passed_on && self.has_successor() && wanted && attempt.grammar.text_only() {
            return Err(empty_answer());
        }
        Ok(())
    }

    /// The tokens of an answer: `last`, those of the attempt that ends it, and those of the attempts whose parts the
    /// caller had received before.
    pub(super) fn usage_of_all(&self, id: AttemptId, last: Usage) -> Usage {
        let mut total = last;
        for earlier in self.attempts[..id.0].iter().filter(|attempt| attempt.passed_on) {
            total += &earlier.usage_or_estimate();
        }
        total
    }

    /// Whether other attempts delivered the beginning of the answer that `id` ends.
    pub(super) fn is_continued(&self, id: AttemptId) -> bool {
        self.attempts[..id.0].iter().any(|attempt| attempt.passed_on)
    }

    /// Counts the earlier parts of the answer as well, if `chunk` reports tokens. Its frame has only the last part's.
    pub(super) fn count_earlier(&self, id: AttemptId, chunk: Chunk) -> Chunk {
        match &chunk.event {
            Event::Usage(_) if self.is_continued(id) => {
                let total = self.usage_of_all(id, self.attempts[id.0].usage);
                Chunk::from(Event::Usage(Box::new(total)))
            }
            _ => chunk,
        }
    }

    /// Emits the handover, if `id` continues another target's answer.
    pub(super) fn hand_over(&mut self, id: AttemptId) {
        if let Some(cut) = self.cut.take() {
            let to = self.fleet[self.attempts[id.0].choice.target].id.clone();
            self.outbox.push_back(Chunk::from(Event::Handover { from: cut.from, to }));
        }
    }
}

/// The error for an empty answer.
pub(super) fn empty_answer() -> Error {
    Error::new(Kind::Protocol, "the answer is empty")
}

/// Similarity of two models by name: the number of leading words that they share. A related model is likelier to
/// continue in the same words.
fn kinship(a: &str, b: &str) -> usize {
    let words = |name: &str| -> Vec<String> {
        // Hosts prefix names with an author or a region.
        let own = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
        own.split(|letter: char| !letter.is_ascii_alphanumeric()).map(str::to_owned).collect()
    };
    words(a).iter().zip(words(b)).take_while(|(a, b)| **a == *b).count()
}

#[cfg(test)]
mod tests {
    use super::kinship;

    #[test]
    fn kinship_is_higher_within_a_model_family() {
        assert_eq!(kinship("meta-llama/Llama-3.1-70B-Instruct", "llama-3.1-70b"), 4);
        assert!(kinship("gpt-4o", "openai/gpt-4o-mini") > kinship("gpt-4o", "gpt-5"));
        assert_eq!(kinship("gpt-4o", "claude-sonnet-4-5"), 0);
    }
}
