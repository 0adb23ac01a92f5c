//! Decides what follows a failed attempt: the same target again, another one, or none.
//!
//! Not a classifier: the kind is given, and the policy table defines what follows from it. Invariant: this is the only
//! place that decides to try again.

use std::borrow::Cow;
use std::time::Duration;

use hotspare_core::{
    Cost, Error, Evidence, Kind, Moment, Next, Outcome, Overflow, Policy, Same, Scope, Usage,
};
use hotspare_health::{HealthOutcome, Observation};
use hotspare_routing::Reason;

use super::Call;
use crate::attempt::AttemptState;
use crate::ending::Ending;
use crate::index::TargetIndex;
use crate::judgement::Reask;
use crate::plan::PlannedTarget;
use crate::rules::{OnKind, OnRefusal};
use crate::splice::Splice;
use crate::step::AttemptId;
use crate::world::World;

/// Pause before the same target is retried after a server error; half of it is random.
const BACKOFF: Duration = Duration::from_millis(100);

/// How young an attempt must be for its connection to have been stale. One that the peer closed earlier is reset by the
/// first packet, so it fails within a round trip; the longest, over satellites, take about 0.6 s.
const STALE: Duration = Duration::from_secs(1);

/// Another attempt at the same target.
#[derive(Debug)]
pub(super) struct Retry {
    pub(super) at: Moment,
    pub(super) choice: PlannedTarget,
    /// Uses a key that this call has not tried, so a refusal is handled like that of any other candidate.
    pub(super) untried: bool,
}

impl Call {
    /// Takes the failure of an attempt.
    pub(super) fn failed(&mut self, now: Moment, world: &mut World, id: AttemptId, error: Error) {
        let (stops, passed_on) = (self.spec.stops, self.committed == Some(id));
        let Some(attempt) = self.live(id) else { return };
        // The answer was complete; what broke afterwards does not matter.
        let judged = matches!(error.kind(), Kind::BadOutput | Kind::ContentPolicy);
        let whole = passed_on || !attempt.is_empty(stops);
        if attempt.finished.is_some() && attempt.is_open() && whole && !judged {
            attempt.failure = None;
            self.ended(now, world, id);
            return;
        }
        let place = attempt.choice.target;
        let measured = attempt.is_as_asked() && !attempt.choice.size.is_opaque();
        if let (Some(_), Some(permit)) = (error.status(), &mut attempt.permit) {
            world.observe(now, place, permit, Observation::Responded);
        }
        // A prompt that cannot be measured, or was changed on the way, says nothing about other requests of this size, and
        // neither does a length that may be quoted from the request.
        if error.kind() == Kind::ContextOverflow && !error.teaches_nothing() {
            let choice = &self.attempts[id.0].choice;
            if let Some(limit) = error.overflow().and_then(|told| told.limit) {
                world.named_window(now, place, limit);
            }
            if measured {
                let counted = error.overflow().and_then(|told| told.prompt);
                world.overflowed(now, place, choice, counted);
            }
        }
        let error = error.with_target(self.fleet[place].id.clone());
        if id == AttemptId(0) {
            // Hedges are for the first attempt only; its failure is handled here instead.
            self.hedge_at = None;
        }
        // From here on the attempt no longer counts as a reason to wait.
        self.attempts[id.0].failure = Some(error.clone());
        let in_another_form = self.committed.is_none()
            && (self.ask_unstreamed(now, world, id, &error) || self.ask_without_prefill(now, world, id));
        let again =
            in_another_form || (self.committed.is_none() && self.retry_same_target(now, world, id, &error));
        // A stale connection says nothing about the target; the retry will tell.
        let stale = again && error.kind() == Kind::Disconnected && self.is_young(now, id);
        // Silence within what a provider may buffer shows that it is slow, not that it is down.
        let buffers = error.kind() == Kind::Stalled && self.attempts[id.0].may_be_quiet();
        let outcome = match in_another_form || stale {
            true => HealthOutcome::neutral(),
            false if buffers => self.slow(id),
            false => self.evidence(now, id, &error),
        };
        let end = failed_by(&error);
        self.settle(now, world, id, outcome, Ending::Failed(error.kind()), end);
        self.attempts[id.0].failure = None;
        if self.attempts[id.0].first_content.is_some() {
            // Content that had arrived is lost, so whichever target starts over or continues gets the first content
            // deadline again.
            self.restart_deadline(now, self.cut.is_some() || self.attempts[id.0].passed_on);
        }
        let error = if error.policy().evidence == Evidence::Path && world.network_is_suspected(now) {
            self.note(id, ["no other host is reachable either: not counted against any target".to_owned()]);
            let message = format!("{}; no host is reachable, the local network may be down", error.message());
            error.with_message(message)
        } else {
            error
        };
        if self.committed == Some(id) {
            self.cut_off(now, world, id, error);
            return;
        }
        if !again {
            self.follow(place, &error);
        }
        self.late = None;
        self.errors.push(error);
    }

    /// Applies the route's rules, then the policy table.
    fn follow(&mut self, place: TargetIndex, error: &Error) {
        let policy = error.policy();
        match self.route.rules.on.get(&error.kind()) {
            Some(OnKind::Stop) => self.stopped = true,
            Some(OnKind::Next | OnKind::Same) => self.advance(),
            Some(OnKind::To(targets)) => {
                self.restricted = Some(targets.clone());
                self.advance();
            }
            None if error.kind() == Kind::ContentPolicy && self.route.rules.on_refusal == OnRefusal::Next => {
                self.advance();
            }
            None => self.follow_policy(policy, place, error.overflow()),
        }
    }

    fn follow_policy(&mut self, policy: Policy, place: TargetIndex, told: Option<Overflow>) {
        let target = &self.fleet[place];
        let wire = target.wire;
        let window = target.profile.context_window.into_iter().chain(told.and_then(|told| told.limit)).min();
        match policy.next {
            Next::Stop | Next::OptIn => self.stopped = true,
            Next::Larger => {
                self.min_window = self.min_window.max(window);
                self.advance();
            }
            Next::Confirm => {
                self.objections.insert(wire);
                let native = self.spec.native_wire.is_none_or(|native| native == wire);
                if self.objections.len() > 1 || (native && !self.stands_in(place)) {
                    self.stopped = true;
                } else {
                    self.advance();
                }
            }
            Next::Move => self.advance(),
        }
    }

    /// Whether the target, on the caller's own wire, stands in for another that never judged the request, while a
    /// target of a different wire is untried. Hosts on one wire differ in what they accept, so its objection is not yet
    /// the caller's mistake.
    fn stands_in(&self, place: TargetIndex) -> bool {
        let fleet = &self.fleet;
        let another = self.errors.iter().any(|error| error.target() != Some(&fleet[place].id));
        let untried = self.waiting.iter().chain(self.refused.iter().map(|(choice, _)| choice));
        another && untried.into_iter().any(|choice| fleet[choice.target].wire != fleet[place].wire)
    }

    /// Retries the same target if that is promising and the budget allows.
    fn retry_same_target(&mut self, now: Moment, world: &mut World, id: AttemptId, error: &Error) -> bool {
        let policy = error.policy();
        if let Some(reask) = self.reask.take() {
            return self.ask_again(now, world, id, reask);
        }
        let rule = self.route.rules.on.get(&error.kind());
        let asked_for = rule == Some(&OnKind::Same);
        if (policy.next != Next::Move || rule.is_some()) && !asked_for {
            return false;
        }
        let AttemptState { choice, key, .. } = &self.attempts[id.0];
        let (place, key, clean) = (choice.target, *key, choice.clean);
        let target = &self.fleet[place];
        let starts = self.attempts.iter().filter(|attempt| attempt.choice.target == place).count();
        // Another key counts as an untried candidate, so it needs no budget.
        let key_is_ill = matches!(policy.scope, Scope::Credential | Scope::CredentialModel);
        if key_is_ill && starts < target.key_count() {
            let why = format!("key {} failed ({}); next key", key.position() + 1, error.kind());
            self.retries.push_back(Retry { untried: true, ..self.once_more(now, id, why) });
            return true;
        }
        // A rule of the route concerns every request that fails this way, the provider's wish only this one.
        if error.rules_out_retry() {
            return false;
        }
        let pause = match policy.same {
            _ if asked_for && starts > 1 => return false,
            _ if asked_for => match error.retry_after() {
                Some(pause) if self.is_too_long(now, world, pause) => return false,
                Some(pause) => pause,
                None => self.backoff(),
            },
            Same::Never => return false,
            Same::Once | Same::OnceIfClean if starts > 1 => return false,
            // The target had been working on the request, and closed the connection all the same.
            Same::Once if !self.is_young(now, id) && !self.waiting.is_empty() => return false,
            // No reply had started, so nothing needs time to recover: the connection was stale or the process has
            // restarted.
            Same::Once => Duration::ZERO,
            Same::OnceIfClean if !clean => return false,
            Same::OnceIfClean if matches!(error.status(), Some(500 | 502) | None) => {
                let limits = &self.route.limits;
                // The last target is worth as long a wait as a silent one.
                let shortest = if self.has_successor() { BACKOFF } else { limits.first_content };
                match error.retry_after() {
                    Some(pause) if pause > limits.wait_for_rate_limit.max(shortest) => return false,
                    Some(pause) => pause.max(self.backoff()),
                    None => self.backoff(),
                }
            }
            Same::OnceIfClean => return false,
            Same::AfterHint => match error.retry_after() {
                Some(pause) if pause <= self.route.limits.wait_for_rate_limit => pause,
                _ => return false,
            },
        };
        let in_time = now + pause < self.first_content_at;
        let allowed = self.extra_starts < self.route.limits.max_extra_starts;
        if !in_time || !allowed || self.is_hopeful() {
            return false;
        }
        // A provider that names a pause expects a retry: waiting it out adds no load that it did not ask for.
        let expected = !pause.is_zero() && error.retry_after() == Some(pause);
        if !expected && !world.take_retry(now, &self.route) {
            return false;
        }
        self.extra_starts += 1;
        let why = format!("retry after {}", error.kind());
        self.retries.push_back(self.once_more(now + pause, id, why));
        true
    }

    /// Whether another target should serve rather than that the call waits this long at the same one, although the route
    /// prefers the same one: it does not wait longer for a silent target either.
    fn is_too_long(&self, now: Moment, world: &World, pause: Duration) -> bool {
        let limits = &self.route.limits;
        let usable = |choice: &PlannedTarget| world.view(now, choice.target, choice.prompt_tokens).usable;
        pause > limits.wait_for_rate_limit.max(limits.first_content) && self.waiting.iter().any(usable)
    }

    /// Whether an attempt is so young that its connection may have been stale.
    fn is_young(&self, now: Moment, id: AttemptId) -> bool {
        now.saturating_since(self.attempts[id.0].started) <= STALE
    }

    /// A host may reject a stream that the route wanted and the caller did not: it is asked once more for the whole
    /// answer, and if that works, the world remembers it.
    fn ask_unstreamed(&mut self, now: Moment, world: &mut World, id: AttemptId, error: &Error) -> bool {
        let attempt = &self.attempts[id.0];
        let place = attempt.choice.target;
        let refused = attempt.stream
            && !self.spec.stream
            && matches!(error.kind(), Kind::InvalidRequest | Kind::Unsupported)
            && !self.unstreamed_only.contains(&place);
        let allowed = self.extra_starts < self.route.limits.max_extra_starts;
        if !refused || !allowed || !world.take_retry(now, &self.route) {
            return false;
        }
        self.unstreamed_only.insert(place);
        self.extra_starts += 1;
        self.retries.push_back(self.once_more(now, id, "retry without streaming"));
        true
    }

    /// A target got a prefill of a few characters and returned exactly those, which may be an echo or a repetition. It
    /// is asked once more without prefill, so that its answer contains all of the text.
    fn ask_without_prefill(&mut self, now: Moment, world: &mut World, id: AttemptId) -> bool {
        let attempt = &self.attempts[id.0];
        let doubtful = attempt.splice.as_ref().is_some_and(Splice::is_doubtful);
        let allowed = self.extra_starts < self.route.limits.max_extra_starts;
        if !doubtful || !allowed || !world.take_retry(now, &self.route) {
            return false;
        }
        self.no_prefill.insert(attempt.choice.target);
        self.extra_starts += 1;
        let why = "retry without prefill";
        self.retries.push_back(self.once_more(now, id, why));
        true
    }

    /// A key was rejected and its source has a newer one. That says nothing about health: the same target is retried at
    /// once or, if the call has no extra start left, the next one is due.
    pub(super) fn renewed(&mut self, now: Moment, world: &mut World, id: AttemptId, error: Error) {
        if self.committed.is_some() {
            self.failed(now, world, id, error);
            return;
        }
        let again = self.extra_starts < self.route.limits.max_extra_starts;
        let Some(attempt) = self.live(id) else { return };
        let place = attempt.choice.target;
        let error = error.with_target(self.fleet[place].id.clone());
        let end = failed_by(&error);
        self.settle(now, world, id, HealthOutcome::neutral(), Ending::Failed(error.kind()), end);
        if !again {
            self.follow(place, &error);
            self.late = None;
            self.errors.push(error);
            return;
        }
        self.errors.push(error);
        self.extra_starts += 1;
        let why = "its key was rejected and has been renewed";
        self.retries.push_back(Retry { untried: true, ..self.once_more(now, id, why) });
    }

    /// Asks the same target again and tells it what was wrong with its answer, since it knows best what it meant.
    fn ask_again(&mut self, now: Moment, world: &mut World, id: AttemptId, reask: Reask) -> bool {
        let place = self.attempts[id.0].choice.target;
        let limits = &self.route.limits;
        let asked = self.reasked.iter().filter(|asked| **asked == place).count();
        let allowed = asked < usize::try_from(limits.max_reasks).unwrap_or(usize::MAX)
            && self.extra_starts < limits.max_extra_starts;
        if !allowed || self.is_hopeful() {
            return false;
        }
        if let Some(why) = self.reask_exceeds_cost_limit(id, limits.max_reask_cost) {
            self.note_not_retried(place, &why);
            return false;
        }
        let why = "asked again with the validation errors";
        let mut retry = self.once_more(now, id, why);
        retry.choice = retry.choice.with_reask(reask, &world.token_scale(now, place));
        if let Some(why) = retry.choice.too_long() {
            self.note_not_retried(place, &why);
            return false;
        }
        if !world.take_retry(now, &self.route) {
            self.note_not_retried(place, "the route's retry budget is exhausted");
            return false;
        }
        self.reasked.push(place);
        self.extra_starts += 1;
        self.retries.push_back(retry);
        true
    }

    /// Why asking again would exceed its cost limit, if it would: the prompt grows by the answer and the feedback, and
    /// another answer is expected to be as long.
    fn reask_exceeds_cost_limit(&self, id: AttemptId, most: Option<Cost>) -> Option<String> {
        let most = most?;
        let last = &self.attempts[id.0];
        let Some(price) = self.fleet[last.choice.target].profile.price else {
            return Some(
                "its price is not known, and the route limits this cost: set `price` in its `profile`".into(),
            );
        };
        let spent: Cost = self
            .attempts
            .iter()
            .zip(&self.trail.attempts)
            .filter(|(attempt, _)| attempt.is_reask())
            .filter_map(|(_, entry)| entry.cost)
            .sum();
        let usage = last.usage_or_estimate();
        let again = price.cost(&Usage::estimated(usage.total(), usage.output));
        (spent + again > most)
            .then(|| format!("it would cost {again} on top of {spent}, the route allows {most} for it"))
    }

    /// The target of a failed attempt once more.
    fn once_more(&self, at: Moment, id: AttemptId, why: impl Into<Cow<'static, str>>) -> Retry {
        let choice = self.attempts[id.0].choice.once_more(Reason::Own(why.into()));
        Retry { at, choice, untried: false }
    }

    /// Equal jitter: half of the pause is fixed, half is random.
    fn backoff(&mut self) -> Duration {
        let half = BACKOFF / 2;
        let nanos = u64::try_from(half.as_nanos()).unwrap_or(1).max(1);
        half + Duration::from_nanos(self.draws.draw() % nanos)
    }

    /// Whether an answer may still come without retrying the same target.
    fn is_hopeful(&self) -> bool {
        !self.retries.is_empty() || self.attempts.iter().any(AttemptState::is_hopeful)
    }

    /// The next target is due, unless an attempt is still within its time.
    pub(super) fn advance(&mut self) {
        if !self.attempts.iter().any(AttemptState::is_hopeful) {
            self.wanted = self.wanted.max(1);
        }
    }
}

/// How an attempt that fails with this error ends in the trail.
fn failed_by(error: &Error) -> Outcome {
    Outcome::Failed { kind: error.kind(), status: error.status(), message: error.message().to_owned() }
}
