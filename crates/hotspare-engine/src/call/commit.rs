//! Commits a call to one attempt, and passes its events on.
//!
//! Not the choice among attempts: the first whose content is due serves. Invariant: before the call commits, nothing of an
//! attempt reaches the caller; afterwards only what this attempt says does, in its order.

use hotspare_core::{Chunk, Event, Moment};

use super::Call;
use crate::attempt::AttemptState;
use crate::rules::{Commit, OnRefusal};
use crate::splice::Splice;
use crate::step::AttemptId;

impl Call {
    pub(super) fn commit_if_due(&mut self, now: Moment, id: AttemptId) {
        let attempt = &self.attempts[id.0];
        let due = match self.route.rules.commit {
            Commit::FirstContent => attempt.first_content.is_some(),
            Commit::Events(count) => attempt.first_content.is_some() && attempt.contents >= count,
            Commit::After(_) | Commit::Whole => false,
        };
        let due = due || self.commit_at(attempt).is_some_and(|at| now >= at);
        if due && self.may_commit(attempt) {
            self.commit(id);
        }
    }

    /// Whether the attempt's events may be passed on to the caller.
    pub(super) fn may_commit(&self, attempt: &AttemptState) -> bool {
        let refused = attempt.refused && self.route.rules.on_refusal == OnRefusal::Next;
        // A continuation commits only once it has joined what the caller already has.
        let joined = attempt.splice.as_ref().is_none_or(Splice::is_joined);
        let free = !refused && joined && !attempt.is_withheld();
        !self.holds_whole() && self.committed.is_none() && free
    }

    /// When the call commits to an attempt because its content has been held back long enough, or because its caller
    /// waits no longer.
    pub(super) fn commit_at(&self, attempt: &AttemptState) -> Option<Moment> {
        let first = attempt.first_content.filter(|_| attempt.is_open() && self.may_commit(attempt))?;
        let held_until = match self.route.rules.commit {
            Commit::After(time) => first + time,
            Commit::Events(_) => Moment::MAX,
            Commit::FirstContent | Commit::Whole => return None,
        };
        Some(held_until.min(self.callers_first_content_at())).filter(|at| *at < Moment::MAX)
    }

    pub(super) fn commit(&mut self, id: AttemptId) {
        self.committed = Some(id);
        self.attempts[id.0].passed_on = true;
        self.hedge_at = None;
        self.retries.clear();
        self.wanted = 0;
        // Whatever another target objected to: this one answers the request, so if its answer is cut, others may too.
        (self.stopped, self.restricted) = (false, None);
        self.objections.remove(self.fleet[self.attempts[id.0].choice.target].wire);
        self.hand_over(id);
        self.release(id);
    }

    /// Passes on what an attempt's buffer holds.
    pub(super) fn release(&mut self, id: AttemptId) {
        let attempt = &mut self.attempts[id.0];
        attempt.held_bytes = 0;
        for chunk in std::mem::take(&mut attempt.held) {
            self.pass_on(id, chunk);
        }
    }

    pub(super) fn pass_on(&mut self, id: AttemptId, chunk: Chunk) {
        let chunk = self.count_earlier(id, chunk);
        if let (Some(sent), Event::TextDelta(text)) = (&mut self.sent, &chunk.event) {
            sent.push_str(text);
            // An answer longer than the buffer limit is not continued if it is cut.
            if sent.len() > self.route.limits.max_buffered_bytes {
                self.sent = None;
            }
        }
        self.outbox.push_back(chunk);
    }
}
