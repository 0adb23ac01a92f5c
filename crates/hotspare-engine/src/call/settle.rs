//! How attempts and calls end, and what is reported to the world.
//!
//! Not a decision on what follows: that is made in `failover`. Invariant: every permit that a call was given is settled
//! exactly once, and a call that is over has nothing in flight.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hotspare_core::{
    Chunk, Cost, Error, Event, Kind, Moment, Outcome, Response, Scope, Skipped, Trail, Turn, Usage,
    UsageSource,
};
use hotspare_health::{HealthOutcome, Observation, Verdict};

use super::continuation::empty_answer;
use super::timers::exceeds_norm;
use super::{Call, Phase, refusals};
use crate::attempt::AttemptState;
use crate::ending::{Ending, Settlement};
use crate::fleet::Target;
use crate::rules::OnRefusal;
use crate::splice::Splice;
use crate::step::{AttemptId, Step, Summary};
use crate::verdict;
use crate::world::World;

impl Call {
    /// Reports to the world what events have brought to light.
    pub(super) fn report_observations(&mut self, now: Moment, world: &mut World) {
        for index in 0..self.attempts.len() {
            let attempt = &mut self.attempts[index];
            if std::mem::take(&mut attempt.unobserved)
                && let (Some(permit), Some(first)) = (&mut attempt.permit, attempt.first_content)
            {
                let after = first.saturating_since(attempt.started);
                if let Some(entry) = self.trail.attempts.get_mut(index) {
                    entry.first_content = Some(first.saturating_since(attempt.begun));
                }
                // The first content may arrive when the timer is already due but has not been handled.
                let late = permit.late_after().is_some_and(|usual| after > usual);
                if late && !attempt.overdue && !attempt.untimed {
                    attempt.overdue = true;
                    world.observe(now, attempt.choice.target, permit, Observation::Overdue);
                }
                let content = match attempt.untimed {
                    true => Observation::Untimed,
                    false => Observation::FirstContent { after },
                };
                world.observe(now, attempt.choice.target, permit, content);
            }
            if let Some(error) = attempt.failure.take() {
                self.aborts.push_back(AttemptId(index));
                self.failed(now, world, AttemptId(index), error);
            }
        }
        if (self.queue_at.is_some() || self.queued) && (self.has_content() || self.stopped) {
            self.stop_waiting(now, world);
        }
        if let Some(winner) = self.committed {
            self.drop_others(now, world, Some(winner), Ending::Cancelled, "another target answered first");
        }
    }

    /// Ends every live attempt except `winner`, as `ending` says.
    pub(super) fn drop_others(
        &mut self,
        now: Moment,
        world: &mut World,
        winner: Option<AttemptId>,
        ending: Ending,
        reason: &str,
    ) {
        for index in 0..self.attempts.len() {
            let id = AttemptId(index);
            let attempt = &self.attempts[index];
            if Some(id) == winner || !attempt.is_live() {
                continue;
            }
            // No byte within the time limit is a failure, whichever target answered meanwhile. Signs of life without
            // content count as slowness, and so does silence that is no sign of ill health. A target that still had
            // time is not judged by a race that it lost.
            let had_its_time = attempt.first_content.is_none() && self.had_its_time(now, attempt);
            let hung = self.has_hung(now, attempt);
            // The deadline that ships leaves a reasoning model two thirds of its time, beside one spare. If it was silent for
            // that long, and one that started afterwards was quicker, callers are better served there.
            let most = attempt.started + self.first_content_limit(attempt).saturating_mul(2) / 3;
            let began = |winner: AttemptId| self.attempts[winner.0].started;
            let later = winner.is_some_and(|winner| began(winner) > attempt.started);
            let joined = winner.is_some_and(|winner| began(winner) < attempt.started);
            let reasons = attempt.stream && attempt.choice.reasons;
            let outrun = reasons && attempt.late && hung && now >= most && later;
            let unanswered = winner.is_none() && self.outlasted(now, attempt);
            let outcome = match (had_its_time && self.is_comparable(attempt), hung) {
                (true, true) => self.evidence(now, id, &Error::new(Kind::Timeout, "no response")),
                (judged, _) if judged || outrun || unanswered => self.slow(id),
                _ => HealthOutcome::neutral(),
            };
            // A stream that was in time says nothing, while an unstreamed answer would have arrived later than now. What
            // will never arrive is no sample of how long others take.
            let attempt = &self.attempts[index];
            let sample = match attempt.stream {
                true => attempt.was_slow() && !((had_its_time || outrun) && hung),
                false => {
                    let never = exceeds_norm(now, attempt) == Some(true);
                    winner.is_some() && attempt.first_content.is_none() && !never
                }
            };
            let attempt = &mut self.attempts[index];
            if let (true, Some(permit)) = (sample && !attempt.untimed, &mut attempt.permit) {
                let after = now.saturating_since(attempt.started);
                world.observe(now, attempt.choice.target, permit, Observation::Abandoned { after });
            }
            if attempt.stream && attempt.first_content.is_none() && joined {
                let waited = now.saturating_since(attempt.started);
                world.note_waited_in_vain(attempt.choice.target, waited);
            }
            let ended = match ending {
                Ending::Failed(kind) => Outcome::Failed { kind, status: None, message: reason.into() },
                _ => Outcome::Cancelled { reason: reason.into() },
            };
            self.settle(now, world, id, outcome, ending, ended);
            if winner.is_some() {
                self.losers.push_back(self.attempts[index].choice.clone());
            }
            self.aborts.push_back(id);
        }
    }

    /// The outcome of an attempt that callers should not have had to wait for.
    pub(super) fn slow(&self, id: AttemptId) -> HealthOutcome {
        let attempt = &self.attempts[id.0];
        let scope = self.fleet[attempt.choice.target].scope(attempt.key, Scope::Model);
        scope.map_or_else(HealthOutcome::neutral, |scope| HealthOutcome::at(scope, Verdict::Slow))
    }

    /// Whether the answer that arrived shows how long this one should have taken. How long an unstreamed answer takes
    /// depends on the request: one that was requested later than the winner's may still have been quicker. If no target
    /// answered, the silence shows when the caller stopped waiting, which [`Call::outlasted`] judges.
    fn is_comparable(&self, attempt: &AttemptState) -> bool {
        let winner = self.committed.and_then(|winner| self.attempts.get(winner.0));
        attempt.stream || winner.is_some_and(|winner| attempt.started <= winner.started)
    }

    pub(super) fn settle(
        &mut self,
        now: Moment,
        world: &mut World,
        id: AttemptId,
        outcome: HealthOutcome,
        ending: Ending,
        end: Outcome,
    ) {
        let attempt = &mut self.attempts[id.0];
        let Some(permit) = attempt.permit.take() else { return };
        let hung_up =
            matches!(ending, Ending::Abandoned | Ending::Cancelled | Ending::Failed(Kind::Deadline));
        let usage = attempt.usage_billed(hung_up);
        let turns = std::mem::take(&mut attempt.turns);
        let (cost, unpriced) = cost(&self.fleet[attempt.choice.target], &usage, &turns);
        if let Some(entry) = self.trail.attempts.get_mut(id.0) {
            entry.cost = cost;
            entry.turns = turns;
            entry.notes.extend(unpriced);
            entry.outcome = end;
            entry.duration = attempt.stream_ended_at.unwrap_or(now).saturating_since(attempt.begun);
            entry.usage = usage;
            entry.first_content = attempt.first_content.map(|first| first.saturating_since(attempt.begun));
        }
        attempt.held = VecDeque::new();
        attempt.judgement = None;
        // The target's token count for the unchanged request.
        let reported = attempt.is_as_asked() && attempt.usage.source == UsageSource::Reported;
        let counted = attempt.usage.input.filter(|_| reported);
        let end = Settlement {
            outcome,
            ending,
            usage,
            cost,
            reserved: attempt.reserved,
            route: Some(self.route.index),
            reask: attempt.is_reask(),
            refused: attempt.refused && ending == Ending::Served,
            counted: counted.map(|counted| (attempt.choice.size, counted)),
        };
        world.settle(now, attempt.choice.target, permit, end, self.draws.draw());
    }

    /// An attempt's stream has ended cleanly: an answer if it is complete, a failure if not.
    pub(super) fn ended(&mut self, now: Moment, world: &mut World, id: AttemptId) {
        let (stops, passed_on) = (self.spec.stops, self.committed == Some(id));
        let Some(attempt) = self.attempts.get(id.0).filter(|attempt| attempt.is_open()) else { return };
        if attempt.finished.is_none() {
            let error = Error::new(Kind::Truncated, "the stream ended without a finish reason");
            self.failed(now, world, id, error);
            return;
        }
        let empty = attempt.is_empty(stops);
        let joined = attempt.splice.as_ref().is_none_or(Splice::is_joined);
        if !joined || (empty && !passed_on) {
            self.failed(now, world, id, empty_answer());
            return;
        }
        let refused = attempt.refused && self.committed.is_none();
        if refused && self.route.rules.on_refusal == OnRefusal::Next && !self.waiting.is_empty() {
            let error = Error::new(Kind::ContentPolicy, "the model refused to answer");
            self.failed(now, world, id, error);
            return;
        }
        if attempt.needs_judgement() {
            self.submit(now, id);
        } else {
            self.serve(now, world, id, None);
        }
    }

    /// Ends the call with the complete answer of an attempt.
    pub(super) fn serve(
        &mut self,
        now: Moment,
        world: &mut World,
        id: AttemptId,
        response: Option<Box<Response>>,
    ) {
        match self.committed {
            Some(_) => self.release(id),
            None if self.spec.stream => self.commit(id),
            None => self.committed = Some(id),
        }
        self.report_observations(now, world);
        let success = HealthOutcome { verdict: Verdict::Success, at: None };
        self.settle(now, world, id, success, Ending::Served, Outcome::Served);
        world.earned(&self.route);
        let served = &self.attempts[id.0];
        if !served.stream && self.unstreamed_only.contains(&served.choice.target) {
            world.note_unstreamed_only(served.choice.target);
        }
        self.drop_others(now, world, None, Ending::Cancelled, "another target answered first");
        self.stop_waiting(now, world);
        let attempt = &self.attempts[id.0];
        let served_by = self.fleet[attempt.choice.target].id.clone();
        let own = attempt.usage_or_estimate();
        let usage = self.usage_of_all(id, own);
        if self.is_continued(id) && own != attempt.usage {
            // Whatever the caller has been told leaves out tokens that were not reported.
            self.outbox.push_back(Chunk::from(Event::Usage(Box::new(usage))));
        }
        self.finish(now, Ok(Summary { served_by, trail: Trail::EMPTY, usage, response }));
    }

    /// Ends the call without an answer.
    pub(super) fn end(
        &mut self,
        now: Moment,
        world: &mut World,
        result: Result<Summary, Error>,
        ending: Ending,
        reason: &str,
    ) {
        self.drop_others(now, world, None, ending, reason);
        self.stop_waiting(now, world);
        self.finish(now, result);
    }

    pub(super) fn stop_waiting(&mut self, now: Moment, world: &mut World) {
        (self.queue_at, self.queued) = (None, false);
        if let Some(ticket) = self.ticket {
            world.leave(now, ticket);
        }
    }

    fn finish(&mut self, now: Moment, result: Result<Summary, Error>) {
        for (place, (at, refusal)) in std::mem::take(&mut self.refusals) {
            let why = refusals::why_refused(at, &refusal, self.disabled.get(&place).copied());
            let again = self.attempts.iter().any(|attempt| attempt.choice.target == place);
            let why = if again { format!("not asked again: {why}") } else { why };
            let skipped = Skipped::new(self.fleet[place].id.clone(), why);
            self.trail.skipped.push(skipped.with_retry_after(refusals::usable_in(now, &refusal)));
        }
        self.refused.clear();
        self.waiting.clear();
        self.retries.clear();
        self.phase = Phase::Over(Box::new(result));
    }

    /// Hands out the result, and the trail with it. Not before everything else has been handed out: until then the trail
    /// is what says who serves.
    pub(super) fn hand_out_result(&mut self) -> Step {
        let Phase::Over(mut result) = std::mem::replace(&mut self.phase, Phase::HandedOut) else {
            return Step::Wait;
        };
        let trail = std::mem::take(&mut self.trail);
        *result = match *result {
            Ok(summary) => Ok(Summary { trail, ..summary }),
            Err(error) => Err(error.with_trail(Arc::new(trail))),
        };
        Step::Done(result)
    }

    /// The outcome that is reported for a failed attempt. One call gives at most one piece of hard evidence per target.
    /// A request that causes server errors at two targets may itself be the cause, so the second counts a third.
    pub(super) fn evidence(&mut self, now: Moment, id: AttemptId, error: &Error) -> HealthOutcome {
        let attempt = &self.attempts[id.0];
        let target = &self.fleet[attempt.choice.target];
        let poison =
            error.kind() == Kind::Server && self.errors.iter().any(|before| before.kind() == Kind::Server);
        let outcome = verdict::outcome(now, error, target, attempt.key, if poison { 333 } else { 1_000 });
        let hard = matches!(
            outcome.verdict,
            Verdict::Failure { .. } | Verdict::Shed { .. } | Verdict::Unreachable { .. }
        );
        if hard && !self.blamed.insert(attempt.choice.target) { HealthOutcome::neutral() } else { outcome }
    }
}

/// What an attempt cost, and notes on what that leaves out. If several models worked on it, each turn has the price of
/// its own.
fn cost(target: &Target, usage: &Usage, turns: &[Turn]) -> (Option<Cost>, Vec<String>) {
    if turns.is_empty() {
        let price = target.profile.price.filter(|_| usage.total().is_some());
        return (price.map(|price| price.cost(usage)), Vec::new());
    }
    let (mut known, mut unpriced) = (None, BTreeMap::new());
    for turn in turns {
        match target.price_of(turn.model.as_deref()) {
            Some(price) => *known.get_or_insert(Cost::ZERO) += price.cost(&turn.usage),
            None => *unpriced.entry(&turn.model).or_insert(0) += turn.usage.total().unwrap_or(0),
        }
    }
    let note = |(model, tokens): (&Option<String>, u64)| {
        let model = model.as_deref().unwrap_or(&target.name);
        format!("the cost leaves out {tokens} tokens of {model}, whose price is unknown")
    };
    let unpriced = if known.is_some() { unpriced } else { BTreeMap::new() };
    (known, unpriced.into_iter().map(note).collect())
}
