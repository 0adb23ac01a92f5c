//! Timers: when a call must act although nothing happened.
//!
//! Not a clock: moments are compared with `now`. Invariant: every limit that a call waits for is among the timers that
//! `poll_timeout` covers, and acting on one changes the state, so that no timer fires twice.

use std::time::Duration;

use hotspare_core::{Chunk, Error, Event, Kind, Moment};
use hotspare_health::{Observation, Permit};

use super::Call;
use crate::attempt::AttemptState;
use crate::rules::AnswerLimit;
use crate::step::AttemptId;
use crate::world::World;

/// An unstreamed answer that takes this many times the target's 95th percentile is considered hung.
const HANGS: u32 = 2;
/// Shortest learned limit for unstreamed answers: a lost packet or a new connection may take a second.
const SHORTEST: Duration = Duration::from_secs(2);
/// The same relative to the answer that arrived instead, if the target has no known latency.
const HANGS_BESIDE_WINNER: u32 = 8;

impl Call {
    /// Acts on every timer that is due.
    pub(super) fn expire(&mut self, now: Moment, world: &mut World) {
        if self.is_over() {
            return;
        }
        if now >= self.total_at {
            self.out_of_time(now, world, "the total deadline has passed");
            return;
        }
        if self.committed.is_none() && now >= self.first_content_at && !self.has_content() {
            self.out_of_time(now, world, "the first-content deadline has passed");
            return;
        }
        for index in 0..self.attempts.len() {
            if !self.is_over() {
                self.expire_attempt(now, world, AttemptId(index));
            }
        }
        if self.is_over() {
            return;
        }
        let due = |attempt: &AttemptState| self.commit_at(attempt).is_some_and(|at| now >= at);
        if let Some(index) = self.attempts.iter().position(due) {
            self.commit(AttemptId(index));
            self.report_observations(now, world);
        }
        if self.queue_at.is_some_and(|at| now >= at) {
            if self.stopped {
                self.stop_waiting(now, world);
            } else {
                self.unqueue();
            }
        }
        if self.hedge_at.is_some_and(|at| now >= at) {
            self.hedge_at = None;
            let useful = self.committed.is_none() && !self.has_content() && !self.waiting.is_empty();
            let allowed = self.extra_starts < self.route.limits.max_extra_starts;
            if useful && allowed && world.has_hedge(&self.route) {
                self.hedging = true;
                self.wanted += 1;
            }
        }
    }

    fn expire_attempt(&mut self, now: Moment, world: &mut World, id: AttemptId) {
        let attempt = &self.attempts[id.0];
        // Its answer has arrived, so none of its own limits applies.
        if !attempt.is_open() {
            return;
        }
        if attempt.silent_at(&self.route.limits, self.listening).is_some_and(|at| now >= at) {
            if let Some((reason, arrived)) = attempt.believable_end().cloned() {
                let silent = now.saturating_since(arrived).as_secs_f64();
                let why = "it may have come too early, but nothing followed";
                self.note(
                    id,
                    [format!("its end was taken for the end of the answer after {silent:.1} s: {why}")],
                );
                self.on_event(now, id, Chunk::from(Event::Finished(reason)));
            }
            let attempt = &self.attempts[id.0];
            if attempt.failure.is_some() {
                self.report_observations(now, world);
                return;
            }
            if attempt.finished.is_some() {
                self.aborts.push_back(id);
                self.ended(now, world, id);
            } else {
                let gap = now.saturating_since(attempt.last_event).as_secs_f64();
                self.aborts.push_back(id);
                self.failed(now, world, id, Error::new(Kind::Stalled, format!("silent for {gap:.1} s")));
            }
            return;
        }
        if self.attempt_over_at(attempt).is_some_and(|at| now >= at) {
            self.aborts.push_back(id);
            self.failed(now, world, id, Error::new(Kind::Timeout, "the attempt timed out"));
            return;
        }
        if attempt.overdue_at().is_some_and(|at| now >= at) {
            let attempt = &mut self.attempts[id.0];
            attempt.overdue = true;
            if let Some(permit) = &mut attempt.permit {
                world.observe(now, attempt.choice.target, permit, Observation::Overdue);
            }
        }
        let attempt = &self.attempts[id.0];
        if self.late_at(attempt).is_some_and(|at| now >= at) {
            // If only the call's own deadline presses, the target is not to blame. If all other targets have refused,
            // it is to blame only if it has shown no sign of life at all: the attempt goes on, but other calls learn of
            // it.
            let limit = self.first_content_limit(attempt);
            let pressed = attempt.share < limit && now < attempt.started + limit;
            // An unstreamed answer is silent until it is complete: the caller may have asked for a long one.
            let blamed = attempt.stream && !pressed && (!attempt.heard || !self.waiting.is_empty());
            let attempt = &mut self.attempts[id.0];
            attempt.late = true;
            if let Some(permit) = attempt.permit.as_mut().filter(|_| blamed) {
                world.observe(now, attempt.choice.target, permit, Observation::Late);
            }
            self.became_late(now, world, id);
        } else if self.waited_for_until(attempt).is_some_and(|at| now >= at) {
            self.no_longer_waited_for(id);
        }
    }

    /// When an attempt's first content is late; `None` unless there is another target to ask, now or later.
    fn late_at(&self, attempt: &AttemptState) -> Option<Moment> {
        if attempt.late || attempt.first_content.is_some() || self.committed.is_some() || self.stopped {
            return None;
        }
        if self.waiting.is_empty() && self.refused.is_empty() {
            return None;
        }
        let limit = self.first_content_limit(attempt).min(attempt.share);
        let limit = match self.route.limits.headers {
            // An unstreamed reply sends its headers with the complete answer.
            Some(headers) if attempt.stream && !attempt.heard => headers.min(limit),
            _ => limit,
        };
        Some(attempt.started.max(self.listening) + limit)
    }

    /// When an attempt that does not serve yet has used up the time limit of one attempt.
    fn attempt_over_at(&self, attempt: &AttemptState) -> Option<Moment> {
        let serves = self.committed.is_some() || attempt.failure.is_some();
        self.route.limits.attempt.filter(|_| !serves).map(|limit| attempt.started + limit)
    }

    pub(super) fn first_content_limit(&self, attempt: &AttemptState) -> Duration {
        let limits = &self.route.limits;
        let base = match (attempt.stream, attempt.choice.reasons) {
            (true, true) => limits.first_content_reasoning,
            (true, false) => limits.first_content,
            (false, reasons) => match (limits.unstreamed, attempt.choice.usual) {
                // What is usual already depends on the prompt's size.
                (AnswerLimit::Learned(_), Some(usual)) => {
                    return usual.p95.saturating_mul(HANGS).max(SHORTEST);
                }
                (AnswerLimit::Learned(initial), None) if reasons => {
                    initial.max(limits.first_content_reasoning)
                }
                (limit, _) => limit.initial(),
            },
        };
        let base = match (limits.adaptive, attempt.choice.usual) {
            (Some(adaptive), Some(usual)) if attempt.stream => {
                let times = usual.p95.saturating_mul(adaptive.multiplier_percent) / 100;
                times.max(adaptive.min).min(base)
            }
            _ => base,
        };
        // Processing a long prompt takes time: adds the base limit once more for every 32k tokens.
        let kilotokens = u32::try_from(self.prompt_tokens / 1_024).unwrap_or(u32::MAX);
        base.saturating_add(base.saturating_mul(kilotokens) / 32)
    }

    /// Whether its silence is significant: the limit has passed, and silence is not how the target works (an unstreamed
    /// answer with reasoning, by a target that is not known to be quicker).
    pub(super) fn had_its_time(&self, now: Moment, attempt: &AttemptState) -> bool {
        let quiet_by_nature = !attempt.stream && attempt.choice.reasons && attempt.choice.usual.is_none();
        !quiet_by_nature && now >= attempt.started + self.first_content_limit(attempt)
    }

    /// Whether callers who stopped waiting without an answer waited for longer than a healthy target needs. Without this
    /// a silent target would be tried for ever if all callers gave up before its limit.
    pub(super) fn outlasted(&self, now: Moment, attempt: &AttemptState) -> bool {
        let limit = self.first_content_limit(attempt);
        // Other calls do not show how long this one may reason, nor how fast a target is that has just recovered.
        let unlike_others = attempt.choice.reasons || attempt.permit.as_ref().is_some_and(Permit::is_probe);
        let needed = match attempt.choice.usual.map(|usual| usual.p95) {
            // How long an unstreamed answer takes depends on the request.
            Some(_) if !attempt.stream => limit,
            Some(p95) if !unlike_others => p95,
            p95 => p95.unwrap_or_default().max(limit / 2),
        };
        attempt.first_content.is_none() && now >= attempt.started + needed
    }

    /// Whether an attempt without any sign of life has failed rather than being slow. An unstreamed answer shows none
    /// until it is complete, so its silence is judged by the target's known latency.
    pub(super) fn has_hung(&self, now: Moment, attempt: &AttemptState) -> bool {
        // Without a known latency, compare with the winner's, which is significant once it is far shorter.
        let compared = || {
            let winner = self.attempts.get(self.committed?.0)?;
            let longest = now.saturating_since(winner.started).saturating_mul(HANGS_BESIDE_WINNER);
            Some(now >= attempt.started + longest)
        };
        let silent = || exceeds_norm(now, attempt).or_else(compared) == Some(true);
        !attempt.heard && (attempt.stream || silent())
    }

    pub(super) fn has_content(&self) -> bool {
        let has_content =
            |attempt: &AttemptState| attempt.first_content.is_some() || attempt.stream_ended_at.is_some();
        self.attempts.iter().any(|attempt| attempt.is_live() && has_content(attempt))
    }

    /// Gives a target that starts now as much time for its first content as the first one had; if the caller has
    /// received nothing yet (not `begun`), within its own deadline. One that has passed while content was held back
    /// until its answer was complete no longer applies: it would end the call before another target is heard.
    pub(super) fn restart_deadline(&mut self, now: Moment, begun: bool) {
        let within = self.route.limits.first_content_deadline;
        let callers_at = self.callers_first_content_at();
        let until = match self.spec.first_content_deadline {
            Some(callers) if begun || now >= callers_at => now + within.min(callers),
            _ => (now + within).min(callers_at),
        };
        self.first_content_at = self.first_content_at.max(until).min(self.total_at);
    }

    /// When the caller no longer waits for the first content.
    pub(super) fn callers_first_content_at(&self) -> Moment {
        self.spec.first_content_deadline.map_or(Moment::MAX, |within| self.started + within)
    }

    /// The earliest moment at which [`Call::expire`] has something to do.
    pub(super) fn next_timer(&self) -> Option<Moment> {
        let mut next = self.total_at;
        if self.committed.is_none() && !self.has_content() {
            next = next.min(self.first_content_at);
        }
        for attempt in self.attempts.iter().filter(|attempt| attempt.is_open()) {
            let overdue = attempt.overdue_at().filter(|_| self.committed.is_none());
            for at in [
                attempt.silent_at(&self.route.limits, self.listening),
                self.late_at(attempt),
                self.waited_for_until(attempt),
                self.attempt_over_at(attempt),
                self.commit_at(attempt),
                overdue,
            ] {
                next = next.min(at.unwrap_or(next));
            }
        }
        let retries = self.retries.iter().map(|retry| retry.at);
        let others = [self.hedge_at, self.queue_at].into_iter().flatten();
        Some(others.chain(retries).fold(next, Moment::min))
    }
}

/// Whether an unstreamed answer has taken so long, by the target's known latency, that it will not arrive; `None` if
/// the latency is unknown.
pub(super) fn exceeds_norm(now: Moment, attempt: &AttemptState) -> Option<bool> {
    let usual = attempt.choice.usual?;
    Some(now >= attempt.started + usual.p95.saturating_mul(HANGS))
}
