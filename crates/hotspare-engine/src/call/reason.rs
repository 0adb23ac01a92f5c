//! Describes why an attempt starts: for logs and for the trail.
//!
//! Decides nothing. Invariant: it is asked just before the start, while what led to it is still on record.

use hotspare_core::Moment;
use hotspare_health::Refusal;
use hotspare_routing::Start;

use super::Call;
use super::refusals::why_refused;
use crate::attempt::Attempt;
use crate::plan::PlannedTarget;
use crate::step::StartKind;

impl Call {
    /// What part an attempt at `place` plays that starts now, unless it is a retry in place or a last resort.
    pub(super) fn start_kind(&self, place: usize) -> StartKind {
        let of_place = |attempt: &Attempt| attempt.choice.target == place;
        let is_live = self.attempts.iter().any(Attempt::is_live);
        // The loser of a race is asked anew, but for another target's answer.
        let succeeds = self.cut.as_ref().is_some_and(|cut| cut.from != self.fleet.targets()[place].id);
        if !succeeds && self.attempts.iter().any(of_place) {
            StartKind::Retry
        } else if succeeds || !self.errors.is_empty() || self.late().is_some() {
            StartKind::Failover
        } else if is_live && self.hedging {
            StartKind::Hedge
        } else if is_live {
            StartKind::Race
        } else if self.passed_over(place).is_some() {
            StartKind::Failover
        } else {
            StartKind::First
        }
    }

    /// An attempt that is late but may still answer.
    fn late(&self) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.is_live() && attempt.late)
    }

    /// A target that ranked before `place` and was blocked when its turn came.
    fn passed_over(&self, place: usize) -> Option<&(PlannedTarget, Refusal)> {
        self.refused.iter().find(|(choice, _)| choice.target != place)
    }

    /// Why an attempt starts, for humans.
    pub(super) fn why(&self, now: Moment, choice: &PlannedTarget) -> String {
        let reason = &choice.reason;
        if let Some(cut) = &self.cut {
            return format!("continues for {}; {reason}", cut.from);
        }
        if let Some(late) = self.late() {
            return format!("{} is late; {reason}", self.fleet.targets()[late.choice.target].id);
        }
        match (self.errors.last(), self.attempts.iter().any(Attempt::is_live)) {
            (Some(error), _) => match error.target() {
                Some(target) => format!("{target} failed ({}); {reason}", error.kind()),
                None => format!("after {}; {reason}", error.kind()),
            },
            (None, true) => match choice.start {
                Start::After(delay) => format!("hedge after {} ms; {reason}", delay.as_millis()),
                _ => reason.to_string(),
            },
            (None, false) => match self.passed_over(choice.target) {
                Some((blocked, refusal)) => {
                    let blocked = &self.fleet.targets()[blocked.target].id;
                    format!("{blocked} is blocked ({}); {reason}", why_refused(now, refusal))
                }
                None => reason.to_string(),
            },
        }
    }
}
