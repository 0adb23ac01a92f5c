//! Whether another target starts beside a late attempt at once, or only once the late one has had its usual time.
//!
//! Not when an attempt is late, nor what that says about its health: limits define the former, and the latter does not depend
//! on this. Invariant: a late attempt is waited for no longer than its target's own record explains, and not beyond the
//! moment at which another target could still be in time.

use std::time::Duration;

use hotspare_core::Moment;

use super::Call;
use crate::attempt::AttemptState;
use crate::index::TargetIndex;
use crate::plan::TypicalLatency;
use crate::step::AttemptId;
use crate::world::World;

impl Call {
    /// An attempt is late. It stays alive, since it may still be the first with content, and the next target is due unless
    /// that would hardly be sooner.
    pub(super) fn became_late(&mut self, now: Moment, world: &World, id: AttemptId) {
        match self.worth_waiting_until(now, world, &self.attempts[id.0]) {
            Some(until) => {
                let attempt = &mut self.attempts[id.0];
                attempt.waited_for_until = Some(until);
                let late = now.saturating_since(attempt.started).as_secs_f64();
                let until = until.saturating_since(attempt.started).as_secs_f64();
                let why = "no other target is expected to be sooner";
                self.note(id, [format!("late after {late:.1} s, but waited for until {until:.1} s: {why}")]);
            }
            None => self.no_longer_waited_for(id),
        }
    }

    /// The next target is due, unless another attempt is worth waiting for.
    pub(super) fn no_longer_waited_for(&mut self, id: AttemptId) {
        self.attempts[id.0].waited_for_until = None;
        self.late = Some(id);
        self.advance();
    }

    /// Until when a late attempt is waited for; `None` if it is not, or if that no longer matters.
    pub(super) fn waited_for_until(&self, attempt: &AttemptState) -> Option<Moment> {
        let matters = attempt.first_content.is_none() && self.committed.is_none() && !self.stopped;
        attempt.waited_for_until.filter(|_| matters)
    }

    /// Until when no other target should start beside an attempt that has just become late: until its own 95th percentile
    /// if that is still to come, and the median of every other target would come later. `None` if another target may help
    /// now, or if nothing is known.
    fn worth_waiting_until(&self, now: Moment, world: &World, attempt: &AttemptState) -> Option<Moment> {
        // How long an unstreamed answer takes depends on the request more than on the target.
        if !attempt.stream {
            return None;
        }
        let since = attempt.started.max(self.listening);
        // A limit for the headers is for hosts that are known to respond at once.
        if now < since + self.first_content_limit(attempt).min(attempt.share) {
            return None;
        }
        let usual = world.usual_first_content(now, attempt.choice.target, self.prompt_tokens)?;
        let usually_by = since + usual.p95;
        let left = usually_by.saturating_since(now);
        let remaining = self.first_content_at.saturating_since(now);
        // The call might end before any other target has been asked.
        if left >= remaining {
            return None;
        }
        let mut until = usually_by;
        for choice in self.waiting.iter().chain(self.refused.iter().map(|(choice, _)| choice)) {
            let other = self.expected_beside(now, world, choice.target, left, usual)?;
            if other.p50 <= left {
                return None;
            }
            // It must have its time if the late one brings nothing at all; one that is not expected to be in time even
            // now loses nothing.
            if other.p50 <= remaining {
                until = until.min(now + remaining.saturating_sub(other.p95));
            }
        }
        (until > now).then_some(until)
    }

    /// How long another target is expected to need. One whose own times are not known is taken for as slow as the late one
    /// once calls have waited in vain for long enough beside it.
    fn expected_beside(
        &self,
        now: Moment,
        world: &World,
        place: TargetIndex,
        left: Duration,
        usual: TypicalLatency,
    ) -> Option<TypicalLatency> {
        let known = world.usual_first_content(now, place, self.prompt_tokens);
        known.or_else(|| world.waited_in_vain(place, left).then_some(usual))
    }
}
