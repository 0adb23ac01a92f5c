//! What follows when a committed stream is cut.
//!
//! Not for tool calls, schemas or anything else that text cannot be joined to: there the caller gets the error. Invariant:
//! text from a second target reaches the caller only after a [`Event::Handover`] and only where it joins exactly.

use std::sync::Arc;

use hotspare_core::{Chunk, Error, Event, Moment, Next, TargetId};

use super::Call;
use crate::rules::OnCut;
use crate::step::AttemptId;
use crate::world::World;

/// An answer that was cut and may be carried on.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    pub(super) from: TargetId,
    pub(super) text: Arc<str>,
    /// What the caller gets if nobody can carry on.
    pub(super) error: Error,
}

impl Call {
    /// The committed attempt has failed.
    pub(super) fn cut_off(&mut self, now: Moment, world: &mut World, id: AttemptId, error: Error) {
        let attempt = &self.attempts[id.0];
        let plain = attempt.grammar.text_only() && error.policy().next == Next::Move;
        let wanted = self.route.rules.on_cut == OnCut::Continue && !self.waiting.is_empty();
        match &self.sent {
            Some(sent) if plain && wanted => {
                let from = self.fleet.targets()[attempt.target].id.clone();
                self.cut = Some(Cut { from, text: sent.as_str().into(), error: error.clone() });
                self.committed = None;
                self.wanted = 1;
                self.errors.push(error);
            }
            _ => self.end(now, world, Err(error), "the call has failed"),
        }
    }

    /// Marks the seam, if `id` carries on what another began.
    pub(super) fn hand_over(&mut self, id: AttemptId) {
        if let Some(cut) = self.cut.take() {
            let to = self.fleet.targets()[self.attempts[id.0].target].id.clone();
            self.outbox.push_back(Chunk::from(Event::Handover { from: cut.from, to }));
        }
    }
}
