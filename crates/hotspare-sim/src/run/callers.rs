//! What callers get: pieces of answers, and the end of each request.
//!
//! Records only; decides nothing. Invariant: a request is recorded as ended once.

use super::{ActiveCall, SimulatedAttempt, Simulation};
use crate::ledger::{FinishedRequest, RequestOutcome};

impl Simulation<'_> {
    /// Records the end of a request.
    pub(super) fn finish_request(&mut self, call: &mut ActiveCall, outcome: RequestOutcome) {
        // No target existed, so no policy can be blamed.
        let absent = call.attempts.is_empty()
            && self.faults.is_measured()
            && (0..self.scenario.targets.len()).all(|target| self.faults.is_absent(target, call.arrived));
        let outcome = if absent { RequestOutcome::Unserved } else { outcome };
        let code = match outcome {
            RequestOutcome::Answered => 10,
            RequestOutcome::Cancelled => 11,
            RequestOutcome::Invalid | RequestOutcome::Unserved => 12,
            RequestOutcome::Lost { kind, .. } => 100 + kind as u64,
        };
        self.hash_event(code, call.spec.number);
        let took = self.now.saturating_since(call.arrived);
        self.log.ended(self.now, call.spec.number, &outcome, took, call.attempts.len());
        if call.words > 0 && outcome != RequestOutcome::Answered {
            call.silence = call.silence.max(self.now.saturating_since(call.last).as_nanos() as u64);
        }
        // A hedge that beats a healthy first target is not a retry; one that replaces an impaired target is.
        let affected =
            call.served != Some(0) && call.attempts.first().is_some_and(SimulatedAttempt::is_impaired);
        let (cost, wasted) = self.bill(call, outcome == RequestOutcome::Answered);
        self.ledger.ended(&FinishedRequest {
            arrived: call.arrived,
            now: self.now,
            outcome,
            attempts: u32::try_from(call.attempts.len()).unwrap_or(u32::MAX),
            first_target: call.attempts.first().map(|one| one.target),
            ttft: call.first.map(|first| first.saturating_since(call.arrived).as_nanos() as u64),
            affected,
            hedged: call.hedged,
            silence: call.silence,
            cost,
            wasted,
        });
    }

    /// Delivers words of an answer to the caller.
    pub(super) fn deliver(&mut self, call: &mut ActiveCall, to: u32) {
        if call.first.is_some() {
            let quiet = self.now.saturating_since(call.last).as_nanos() as u64;
            call.silence = call.silence.max(quiet);
        } else {
            self.log.first_content(self.now, call.spec.number, self.now.saturating_since(call.arrived));
        }
        call.first = call.first.or(Some(self.now));
        call.last = self.now;
        call.words = call.words.max(to);
    }
}
