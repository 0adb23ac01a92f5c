//! Chooses which target a call starts next.
//!
//! Not when: failures and timers decide that. Invariant: a target that the call has not tried and that would admit it
//! is never refused for lack of budget; budgets only limit extra attempts.

use std::collections::BTreeSet;
use std::time::Duration;

use hotspare_core::{Attempt, Moment, Skipped, StartKind};
use hotspare_health::{Cause, Permit, Refusal};
use hotspare_normalize::{Assembler, StreamedCalls, ThinkSplitter, Vectors};
use hotspare_routing::Start;

use super::Call;
use super::failover::Retry;
use super::refusals::{passes_soon, why_refused};
use crate::attempt::AttemptState;
use crate::index::{KeyIndex, TargetIndex};
use crate::judgement::{Fold, Gathered};
use crate::plan::PlannedTarget;
use crate::rules::ValidateOutput;
use crate::splice::Splice;
use crate::step::{AttemptId, AttemptStart, Resume};
use crate::world::{Demand, LOOK_AGAIN, World};

/// Shortest pause before a target that refused is asked again.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

impl Call {
    /// The next request to send, if one is due and a target admits it.
    pub(super) fn start(&mut self, now: Moment, world: &mut World) -> Option<AttemptStart> {
        while let Some(due) = self.retries.iter().position(|retry| now >= retry.at) {
            let Some(retry) = self.retries.remove(due) else { break };
            if let Some(begin) = self.start_again(now, world, retry) {
                return Some(begin);
            }
            self.wanted = self.wanted.max(1);
        }
        if self.committed.is_some() || self.stopped {
            self.wanted = 0;
        }
        while self.wanted > 0 {
            if self.waiting.is_empty() && !self.reconsider(now) && !self.recall_loser() {
                break;
            }
            let Some(choice) = self.next_payable() else {
                self.wanted = 0;
                break;
            };
            let choice = self.as_started(now, world, choice);
            let unsuited = self.unsuited(now, world, &choice).or_else(|| self.exceeds_max_cost(&choice));
            let ruled_out = unsuited.or_else(|| {
                let why = self.check_spending(now, world, &choice)?;
                self.overspent.get_or_insert_with(|| (choice.target, why.clone()));
                Some(why)
            });
            if let Some(why) = ruled_out {
                self.skip(choice.target, why);
                continue;
            }
            let draw = self.draws.draw();
            match world.admit(now, choice.target, self.demand(world, draw, &choice, false)) {
                Ok((key, permit)) => {
                    self.wanted -= 1;
                    let blocked = self.passed_over(now, world, choice.target);
                    let kind = self.start_kind(choice.target, blocked.is_some());
                    let why = self.why(now, &choice, blocked);
                    if std::mem::take(&mut self.hedging) {
                        self.extra_starts += 1;
                        world.take_hedge(now, &self.route);
                    }
                    return Some(self.begin(now, world, choice, (key, permit), (kind, why)));
                }
                Err(refusal) => self.refuse(now, world, choice, refusal),
            }
        }
        self.hedging = false;
        if self.wanted == 0 || !self.is_alone() {
            return None;
        }
        // A late attempt may still answer: no breaker is overridden beside it.
        if self.queue(now, world) || self.attempts.iter().any(AttemptState::is_live) {
            self.wanted = 0;
            return None;
        }
        self.last_resort(now, world)
    }

    /// Retries the same target, if it admits that.
    fn start_again(&mut self, now: Moment, world: &mut World, retry: Retry) -> Option<AttemptStart> {
        let Retry { choice, untried, .. } = retry;
        let choice = self.as_started(now, world, choice);
        let exceeded = self.no_room_for_cut(&choice).or_else(|| self.exceeds_max_cost(&choice));
        let exceeded = exceeded.or_else(|| self.check_spending(now, world, &choice));
        if let Some(why) = exceeded {
            self.note_not_retried(choice.target, &why);
            return None;
        }
        let draw = self.draws.draw();
        match world.admit(now, choice.target, self.demand(world, draw, &choice, false)) {
            Ok(admitted) => {
                let why = choice.reason.to_string();
                Some(self.begin(now, world, choice, admitted, (StartKind::Retry, why)))
            }
            // It waits as a call that arrives now would, unless another target serves first.
            Err(refusal) if untried || passes_soon(&refusal) => {
                self.refuse(now, world, choice, refusal);
                None
            }
            Err(refusal) => {
                let why = why_refused(now, &refusal, world.why_disabled(refusal.scope));
                self.note_not_retried(choice.target, &why);
                None
            }
        }
    }

    /// Keeps a target that did not admit the call: it may do so later.
    fn refuse(&mut self, now: Moment, world: &World, choice: PlannedTarget, refusal: Refusal) {
        match world.why_disabled(refusal.scope) {
            Some(kind) => self.disabled.insert(choice.target, kind),
            None => self.disabled.remove(&choice.target),
        };
        self.refused_at = now;
        self.refusals.insert(choice.target, (now, refusal));
        self.refused.push((choice, refusal));
    }

    /// Whether no attempt is in flight that is expected to bring content.
    fn is_alone(&self) -> bool {
        self.retries.is_empty() && !self.has_content() && !self.attempts.iter().any(AttemptState::is_hopeful)
    }

    /// All targets have been asked, and time has passed since some refused: asks those once more before the call gives
    /// up. A breaker may have cooled down, or another call's probe may have closed it.
    fn reconsider(&mut self, now: Moment) -> bool {
        if !self.is_alone() || self.refused.is_empty() || self.refused_at >= now {
            return false;
        }
        self.refused_at = now;
        self.line_up_refused();
        true
    }

    fn demand(&self, world: &World, draw: u64, choice: &PlannedTarget, last_resort: bool) -> Demand {
        let unstreamed = !self.streams(world, choice.target);
        let PlannedTarget { prompt_tokens: tokens, reasons, .. } = *choice;
        Demand { draw, tokens, ticket: self.ticket, last_resort, unstreamed, reasons }
    }

    /// Whether a target is asked for a stream.
    fn streams(&self, world: &World, place: TargetIndex) -> bool {
        let refuses = self.unstreamed_only.contains(&place);
        let words = self.spec.vectors.is_none();
        words && (self.spec.stream || (!refuses && world.streams_upstream(&self.route, place)))
    }

    /// Why a target is skipped although its turn has come.
    fn unsuited(&self, now: Moment, world: &World, choice: &PlannedTarget) -> Option<String> {
        let target = &self.fleet[choice.target];
        if let Some(most) = self.route.limits.max_targets {
            let tried: BTreeSet<TargetIndex> =
                self.attempts.iter().map(|attempt| attempt.choice.target).collect();
            let is_full = tried.len() >= usize::try_from(most).unwrap_or(usize::MAX);
            if is_full && !tried.contains(&choice.target) {
                return Some(format!("the route tries at most {most} targets"));
            }
        }
        if let (Some(least), Some(window)) = (self.min_window, choice.window)
            && window <= least
        {
            return Some(format!("its window of {window} tokens is not larger than the one that overflowed"));
        }
        // The first attempt is made in any case; a further one is pointless if it has no chance to be in time. What the
        // plan knew may be out of date: the call may have waited since.
        let end = self.first_content_at;
        let streams = self.streams(world, choice.target);
        let median = || world.median_to_first_content(now, choice.target, self.prompt_tokens, streams);
        if !self.attempts.is_empty()
            && let Some(median) = median()
            && now + median > end
        {
            let left = end.saturating_since(now).as_millis();
            let median = median.as_millis();
            return Some(format!("its median time to first content is {median} ms, and {left} ms are left"));
        }
        if self.restricted.as_ref().is_some_and(|targets| !targets.contains(&target.id)) {
            return Some("the route sends this kind of failure to other targets".into());
        }
        if let Some(why) = self.no_room_for_cut(choice) {
            return Some(why);
        }
        if self.objections.contains(target.wire) {
            return Some("a target with the same wire rejected the request as malformed".into());
        }
        None
    }

    /// Records why a target is not asked.
    fn skip(&mut self, place: TargetIndex, why: String) {
        let target = self.fleet[place].id.clone();
        self.trail.skipped.push(Skipped::new(target, why));
        self.refusals.remove(&place);
    }

    /// Records why a target was not asked again.
    pub(super) fn note_not_retried(&mut self, place: TargetIndex, why: &str) {
        let target = self.fleet[place].id.clone();
        self.trail.skipped.push(Skipped::new(target, format!("not asked again: {why}")));
    }

    /// Waits for room if that is all that is missing or the pause is short enough; with a late attempt in flight, waits
    /// for any refusal to end.
    fn queue(&mut self, now: Moment, world: &mut World) -> bool {
        let late = self.attempts.iter().any(AttemptState::is_live);
        let patience = self.route.limits.wait_for_rate_limit;
        let last_look = now + self.first_content_at.saturating_since(now).saturating_sub(SHORTEST_WAIT);
        let mut at: Option<Moment> = None;
        let mut lines = Vec::new();
        for (choice, refusal) in &self.refused {
            let pause = refusal.until.map(|until| until.saturating_since(now));
            let until = match (refusal.cause, refusal.until) {
                // Another call's probe may end, or its last resort close the breaker, at any time.
                (Cause::HalfOpenBusy | Cause::Open | Cause::Slow, Some(until)) if late => {
                    until.min(now + LOOK_AGAIN)
                }
                (_, Some(until)) => until,
                (_, None) => continue,
            };
            // A slot or a place in the queue may open at any time: looks once more just before the deadline.
            let until = match refusal.cause {
                Cause::Full | Cause::Queued if now < last_look => until.min(last_look),
                _ => until,
            };
            // Waiting beyond the call's own deadline is useless.
            if until >= self.first_content_at {
                continue;
            }
            let waits = match refusal.cause {
                Cause::Full | Cause::LimitReached | Cause::Queued | Cause::Growing => {
                    lines.push(choice.target);
                    world.join(choice.target, &mut self.ticket, until)
                }
                // Half a second at most, and by then the target may well serve again.
                Cause::ResumeProbe => true,
                Cause::RateLimited | Cause::QuotaSpent | Cause::NetworkSuspected => {
                    late || pause.is_some_and(|pause| pause <= patience)
                }
                _ => late,
            };
            if waits {
                at = Some(at.map_or(until, |at| at.min(until)));
            }
        }
        // A ticket in any other queue would keep the calls behind it from a target that they could use.
        if let Some(ticket) = self.ticket {
            world.leave_all_but(now, ticket, &lines);
        }
        self.queued = !lines.is_empty();
        self.queue_at = at.map(|at| at.max(now + SHORTEST_WAIT));
        at.is_some()
    }

    /// There may be room again: asks every target that refused once more.
    pub(super) fn unqueue(&mut self) {
        self.queue_at = None;
        self.wanted = self.wanted.max(1);
        self.line_up_refused();
    }

    /// Puts refused targets back in line.
    pub(super) fn line_up_refused(&mut self) {
        self.waiting.extend(self.refused.drain(..).map(|(choice, _)| choice));
    }

    /// All targets are blocked: asks one whose refusal a last resort overrides, starting with those that are only slow
    /// and with the refusal that ends first.
    fn last_resort(&mut self, now: Moment, world: &mut World) -> Option<AttemptStart> {
        self.refused.sort_by_key(|(_, refusal)| (refusal.cause != Cause::Slow, refusal.until));
        let mut kept = Vec::new();
        while let Some(index) =
            self.refused.iter().position(|(_, refusal)| refusal.cause.yields_to_last_resort())
        {
            // Attempts since it refused may have used up what the request allows.
            let choice = self.as_started(now, world, self.refused[index].0.clone());
            let exceeded = self.no_room_for_cut(&choice).or_else(|| self.exceeds_max_cost(&choice));
            let exceeded = exceeded.or_else(|| self.check_spending(now, world, &choice));
            if let Some(why) = exceeded {
                let (choice, _) = self.refused.remove(index);
                self.skip(choice.target, why);
                continue;
            }
            // The budget spares targets that fail; a late answer is better than none.
            let answers = self.refused[index].1.cause == Cause::Slow;
            if !answers && world.last_resort_at(now).is_none_or(|at| at > now) {
                break;
            }
            let refusal = self.refused.remove(index).1;
            let draw = self.draws.draw();
            match world.admit(now, choice.target, self.demand(world, draw, &choice, true)) {
                Ok((key, permit)) => {
                    if !answers {
                        world.take_last_resort(now);
                    }
                    self.refused.append(&mut kept);
                    self.wanted = 0;
                    let disabled_by = self.disabled.get(&choice.target).copied();
                    let why = why_refused(now, &refusal, disabled_by);
                    let why = format!("last resort: every target is blocked, this one because {why}");
                    return Some(self.begin(now, world, choice, (key, permit), (StartKind::LastResort, why)));
                }
                // Not asked again now, but possibly later. Only for a limit on its growth is it worth waiting.
                Err(later) => {
                    let in_time = later.until.is_some_and(|until| until < self.first_content_at);
                    let waits = later.cause == Cause::Growing && in_time;
                    kept.push((choice, if waits { later } else { refusal }));
                }
            }
        }
        let waits = kept.iter().any(|(_, refusal)| refusal.cause == Cause::Growing);
        self.refused.append(&mut kept);
        if waits {
            self.queue(now, world);
        }
        self.wanted = 0;
        None
    }

    /// What an attempt gathers of its answer.
    fn gathered(&self) -> Gathered {
        if let Some(inputs) = self.spec.vectors {
            Gathered::Whole(Fold::Embed(Vectors::new(inputs, self.dimensions)))
        } else if self.spec.stream {
            let judged =
                self.spec.output_check.is_some() && self.route.rules.validate_output != ValidateOutput::Never;
            Gathered::Streamed { calls: StreamedCalls::default(), text: judged.then(String::new) }
        } else {
            let assembler = Assembler::with_limit(self.route.limits.max_buffered_bytes);
            Gathered::Whole(Fold::Chat(Box::new(assembler)))
        }
    }

    fn begin(
        &mut self,
        now: Moment,
        world: &mut World,
        choice: PlannedTarget,
        admitted: (KeyIndex, Permit),
        (kind, why): (StartKind, String),
    ) -> AttemptStart {
        let id = AttemptId(self.attempts.len());
        let reask = choice.reask.clone();
        let most_output = self.affordable_answer(&choice);
        let PlannedTarget { target: place, most_prompt_tokens, window, trim_to, .. } = choice;
        self.refusals.remove(&place);
        let target = &self.fleet[place];
        let stream = self.streams(world, place);
        if !stream {
            // Its first content is the whole answer.
            self.first_content_at = self.total_at.min(self.callers_first_content_at());
        }
        // Leaves time for the targets after it, but for at most two of them.
        let others = u32::try_from(self.waiting.len().min(2)).unwrap_or(2);
        let share = self.first_content_at.saturating_since(now) / (others + 1);
        let reserved = choice.most_cost(&self.fleet).unwrap_or_default();
        world.begin_spending(self.route.index, place, reserved);
        let key = admitted.0;
        let mut attempt = AttemptState::new(now, choice, admitted, stream, share, reserved, self.gathered());
        let resume = self.cut.as_ref().map(|cut| {
            let given = self.prefill_for(place, cut);
            attempt.splice = Some(Splice::new(cut.whole.text.clone(), given.is_some()));
            Resume { prefill: given.is_some(), text: given.unwrap_or(&cut.whole).text.clone() }
        });
        // A turn continued by prefill is past its reasoning tags: everything that arrives is text.
        if resume.as_ref().is_none_or(|resume| !resume.prefill) {
            attempt.think = target.profile.think_tags.as_ref().map(ThinkSplitter::of);
        }
        let since = now.saturating_since(self.started);
        self.trail.attempts.push(Attempt::begun(target.id.clone(), kind, why, since));
        self.attempts.push(attempt);
        self.queue_at = None;
        if id == AttemptId(0) {
            // Choices before the marked one were not usable when the plan was made.
            let delay = self.waiting.iter().find_map(|choice| match choice.start {
                Start::After(delay) => Some(delay),
                _ => None,
            });
            self.hedge_at = delay.map(|delay| now + delay);
        }
        AttemptStart {
            id,
            kind,
            target: place,
            key,
            stream,
            remaining: self.total_at.saturating_since(now),
            resume,
            reask,
            trim_to,
            most_prompt_tokens,
            window,
            most_output,
            route: self.route.index,
        }
    }
}
