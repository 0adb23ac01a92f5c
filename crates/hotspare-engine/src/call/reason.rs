//! Describes why an attempt starts: for logs and for the trail.
//!
//! Decides nothing. Invariant: it is asked just before the start, while what led to it is still on record.

use hotspare_core::{Error, Moment, StartKind};
use hotspare_routing::Start;

use super::Call;
use super::refusals::why_refused;
use crate::attempt::AttemptState;
use crate::index::TargetIndex;
use crate::plan::PlannedTarget;
use crate::world::World;

impl Call {
    /// What part an attempt at `place` plays that starts now, unless it is a retry in place or a last resort.
    /// `instead` is whether a target before it was passed over.
    pub(super) fn start_kind(&self, place: TargetIndex, instead: bool) -> StartKind {
        let of_place = |attempt: &AttemptState| attempt.choice.target == place;
        let is_live = self.attempts.iter().any(AttemptState::is_live);
        // The loser of a race is asked anew, but for another target's answer.
        let succeeds = self.cut.as_ref().is_some_and(|cut| cut.from != self.fleet[place].id);
        if !succeeds && self.attempts.iter().any(of_place) {
            StartKind::Retry
        } else if succeeds || !self.errors.is_empty() || self.late().is_some() {
            StartKind::Failover
        } else if is_live && self.hedging {
            StartKind::Hedge
        } else if is_live {
            StartKind::Race
        } else if instead {
            StartKind::Failover
        } else {
            StartKind::First
        }
    }

    /// The attempt that became late last, unless another one has failed since.
    fn late(&self) -> Option<&AttemptState> {
        self.late.and_then(|id| self.attempts.get(id.0)).filter(|attempt| attempt.is_live())
    }

    /// A target that would have come before `place` and is blocked, with the reason: its turn came and it was refused
    /// or had spent its limit, or the strategy moved it back because it was not usable.
    pub(super) fn passed_over(&self, now: Moment, world: &World, place: TargetIndex) -> Option<String> {
        let blocked = |place: TargetIndex, why: &str| {
            let target = &self.fleet[place].id;
            format!("{target} is blocked ({why})")
        };
        if let Some((choice, refusal)) = self.refused.iter().find(|(choice, _)| choice.target != place) {
            let disabled_by = self.disabled.get(&choice.target).copied();
            return Some(blocked(choice.target, &why_refused(now, refusal, disabled_by)));
        }
        if let Some((spent, why)) = self.overspent.as_ref().filter(|(spent, _)| *spent != place) {
            return Some(blocked(*spent, why));
        }
        let moved_back = self.passed_over.filter(|blocked| *blocked != place)?;
        let choice = self.waiting.iter().find(|choice| choice.target == moved_back)?;
        let why = self.overspent(now, world, choice).or_else(|| {
            let refusal = world.refusal(now, choice.target, choice.prompt_tokens)?;
            Some(why_refused(now, &refusal, world.why_disabled(refusal.scope)))
        });
        why.map(|why| blocked(choice.target, &why))
    }

    /// Why an attempt starts, for humans; `blocked` describes a target before it that was passed over.
    pub(super) fn why(&self, now: Moment, choice: &PlannedTarget, blocked: Option<String>) -> String {
        let reason = &choice.reason;
        if let Some(cut) = &self.cut {
            return format!(
                "continues for {}, which was cut off ({}); {reason}",
                cut.from,
                failure(&cut.error)
            );
        }
        if let Some(late) = self.late() {
            let target = &self.fleet[late.choice.target].id;
            let silent = now.saturating_since(late.started).as_secs_f64();
            return format!("{target} is late: no content after {silent:.1} s; {reason}");
        }
        match (self.errors.last(), self.attempts.iter().any(AttemptState::is_live)) {
            (Some(error), _) => match error.target() {
                Some(target) => format!("{target} failed ({}); {reason}", failure(error)),
                None => format!("after {}; {reason}", failure(error)),
            },
            (None, true) => match choice.start {
                Start::After(delay) => format!("hedge after {} ms; {reason}", delay.as_millis()),
                _ => reason.to_string(),
            },
            (None, false) => match blocked {
                Some(blocked) => format!("{blocked}; {reason}"),
                None => reason.to_string(),
            },
        }
    }
}

/// The kind of a failure and the status that the target answered with, if any.
fn failure(error: &Error) -> String {
    match error.status() {
        Some(status) => format!("{}, status {status}", error.kind()),
        None => error.kind().to_string(),
    }
}
