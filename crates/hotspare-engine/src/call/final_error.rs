//! The error of a call that ends without an answer: its cause, and whether and when to try again.
//!
//! Not what follows a single failure. Invariant: it rules out a retry only if no target is expected to serve the request
//! later, and then it names no pause.

use std::time::Duration;

use hotspare_core::{Blame, Error, Hold, Kind, Moment, Next, TargetId};

use super::{Call, refusals};
use crate::ending::Ending;
use crate::index::TargetIndex;
use crate::plan::PlannedTarget;
use crate::spend::Estimate;
use crate::world::World;

/// Retry hint for the caller if one target asked for a pause but another may serve at once.
const SOON: Duration = Duration::from_secs(1);

impl Call {
    /// Nothing is left to try or to wait for.
    pub(super) fn give_up(&mut self, now: Moment, world: &mut World) {
        let kind = if self.is_rate_limited() { Kind::RateLimited } else { self.nobody };
        let nobody = Error::new(kind, self.no_target_reason(now));
        let lead = self.lead(now, world, nobody);
        self.end(now, world, Err(lead), Ending::Abandoned, "the call has failed");
    }

    /// One of the call's deadlines has passed.
    pub(super) fn out_of_time(&mut self, now: Moment, world: &mut World, what: &str) {
        // What a call was queued for says more than that its time is over, and the last look at the queue, which ends
        // the call as well, is due just before: which of them comes first must not decide what the caller gets.
        if self.attempts.is_empty() && !self.refused.is_empty() {
            self.give_up(now, world);
            return;
        }
        let error = Error::new(Kind::Deadline, what);
        let lead = self.lead(now, world, error);
        // Whoever reads the record must not take them for calls whose caller left.
        self.end(now, world, Err(lead), Ending::Failed(Kind::Deadline), "the deadline has passed");
    }

    /// How long until the same request may be served, if known: until the first target becomes available.
    fn pause(&mut self, now: Moment, world: &World) -> Option<Duration> {
        // A last resort serves the next call as soon as its budget allows.
        let ill = self.refused.iter().any(|(_, refusal)| refusal.cause.yields_to_last_resort());
        let resort = world.last_resort_at(now).filter(|_| ill);
        let times = self.refused.iter().filter_map(|(_, refusal)| refusal.until).chain(resort);
        let times: Vec<Moment> = times.chain(self.affordable_at(now, world)).collect();
        // Without a hint, a limit that this call met holds its target back for a time of our own.
        let place = |error: &Error| self.fleet.find(error.target()?.as_str());
        let held = |error: &Error| match error.policy().hold {
            Hold::Until | Hold::Ease => world.view(now, place(error)?, self.prompt_tokens).usable_in,
            Hold::Disable | Hold::Floor | Hold::None => None,
        };
        // A provider that rules out a retry serves this request after the pause that it names, or never.
        let may_serve = |error: &&Error| !error.rules_out_retry() || error.retry_after().is_some();
        let errors = || self.errors.iter().filter(may_serve);
        // A host's pause is not longer than the target is held back: then the next call is told less.
        let shorter = |told: Duration, held: Option<Duration>| held.map_or(told, |held| held.min(told));
        let hints = errors().filter_map(|error| match error.retry_after() {
            Some(told) => Some(shorter(told, held(error))),
            None => held(error),
        });
        let soonest = times.iter().map(|at| at.saturating_since(now)).chain(hints).min()?;
        // A pause of one target does not apply to another that failed and is available.
        let free = |error: &Error| {
            error.retry_after().is_none()
                && error.blame() != Blame::Caller
                && place(error).is_some_and(|place| world.view(now, place, self.prompt_tokens).usable)
        };
        let is_usable = |choice: &PlannedTarget| world.view(now, choice.target, self.prompt_tokens).usable;
        let is_free = errors().any(free) || self.unheard().any(is_usable);
        let pause = if is_free { soonest.min(SOON) } else { soonest };
        // Adds up to a quarter at random, because all callers that are turned away get the same hint.
        let quarter = u64::try_from((pause / 4).as_nanos()).unwrap_or(u64::MAX);
        let pause = pause + Duration::from_nanos(self.draws.draw() % quarter.max(1));
        Some(pause.min(Error::LONGEST_PAUSE))
    }

    /// When the first of the targets that were skipped, or not asked again, for their cost becomes affordable again.
    fn affordable_at(&self, now: Moment, world: &World) -> Option<Moment> {
        let asked = |place: TargetIndex| {
            self.attempts.iter().any(|attempt| attempt.choice.target == place)
                || self.refused.iter().any(|(choice, _)| choice.target == place)
        };
        let members = self.route.members.iter().copied();
        members
            .filter_map(|place| {
                let of_prompt = || {
                    let prompt = self.fleet[place].prompt_cost(self.prompt_tokens)?;
                    (!asked(place)).then_some(Estimate::of_prompt(prompt))
                };
                let estimate = self.unaffordable.get(&place).copied().or_else(of_prompt)?;
                world.overspent(now, self.route.index, place, estimate)?.until
            })
            .min()
    }

    /// The most useful error for the caller: what cut the answer, what the caller must correct, or the first cause. It
    /// says whether and when any target may serve the request.
    fn lead(&mut self, now: Moment, world: &World, otherwise: Error) -> Error {
        let pause = self.pause(now, world);
        if let Some(cut) = self.cut.take() {
            return cut.error.with_retry_after(pause);
        }
        let stops = |error: &Error| matches!(error.policy().next, Next::Stop | Next::Confirm | Next::OptIn);
        let corrected = if self.stopped { self.errors.iter().rposition(stops) } else { None };
        let lead = match (corrected, self.errors.is_empty()) {
            (Some(index), _) => self.errors.swap_remove(index),
            (None, false) => self.errors.swap_remove(0),
            (None, true) => otherwise,
        };
        // Waiting does not help with what the caller must correct.
        let lead = if lead.blame() == Blame::Caller { lead } else { lead.with_retry_after(pause) };
        let may_be_served = lead.retry_after().is_some()
            || self.unheard().next().is_some()
            || self.refused.iter().any(|(_, refusal)| refusals::is_in_service(refusal))
            || self.errors.iter().any(Error::is_retryable);
        if may_be_served { lead.without_retry_ruling() } else { lead }
    }

    /// Targets that might have served if the call had gone on: their answers were awaited, or their turn had not come.
    fn unheard(&self) -> impl Iterator<Item = &PlannedTarget> {
        let live = self.attempts.iter().filter(|attempt| attempt.is_live()).map(|attempt| &attempt.choice);
        let next = self.retries.iter().map(|retry| &retry.choice).chain(&self.waiting);
        live.chain(next.filter(|_| !self.stopped))
    }

    /// Whether the only remedy is to wait: every target in service is rate limited.
    fn is_rate_limited(&self) -> bool {
        let refusals = self.refused.iter().map(|(_, refusal)| refusal);
        let mut in_service = refusals.filter(|refusal| refusals::is_in_service(refusal)).peekable();
        in_service.peek().is_some() && in_service.all(refusals::is_rate_limit)
    }

    /// Why no target was asked, in the route's order.
    fn no_target_reason(&self, now: Moment) -> String {
        let place = |target: &TargetId| {
            let members = &self.route.members;
            members.iter().position(|&member| self.fleet[member].id == *target)
        };
        let refused = self.refused.iter().map(|(choice, refusal)| {
            let disabled_by = self.disabled.get(&choice.target).copied();
            let why = refusals::why_refused(now, refusal, disabled_by);
            (&self.fleet[choice.target].id, why)
        });
        let skipped = self.trail.skipped.iter().map(|skipped| (&skipped.target, skipped.why.clone()));
        let mut reasons: Vec<_> = refused.chain(skipped).collect();
        reasons.sort_by_key(|(target, _)| place(target));
        reasons.dedup();
        if reasons.is_empty() {
            return "the route has no targets for this request".into();
        }
        let reasons: Vec<String> = reasons.iter().map(|(target, why)| format!("{target}: {why}")).collect();
        reasons.join("; ")
    }
}
