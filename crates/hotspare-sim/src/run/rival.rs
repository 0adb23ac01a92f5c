//! A rival as a player: one attempt at a time, at most three, without hedging or continuation.
//!
//! Separate code on purpose, so that a bug of the engine cannot hide in what it is compared with. Invariant: a rival
//! gets the same faults and the same draws as the engine.

use hotspare_core::{Error, Kind, Moment};

use super::{ActiveCall, CallState, ConnectionId, PlayerState, Received, SimulatedAttempt, Simulation};
use crate::ledger::RequestOutcome;
use crate::reply::Delivery;
use crate::rivals::{Decision, Observation};
use crate::rng::Purpose;

/// Maximum number of attempts per call of a rival.
const MAX_ATTEMPTS: usize = 3;

/// A rival's call in progress.
#[derive(Clone, Debug, Default)]
pub(super) struct RivalCall {
    pub(super) timer: Option<Moment>,
    /// Queued: the timer is for the next check.
    waiting: bool,
    tried: Vec<usize>,
    last: Option<Kind>,
}

impl Simulation<'_> {
    /// Starts the next attempt or gives up. Returns true once the call is over.
    pub(super) fn rival_next(&mut self, conn: ConnectionId, call: &mut ActiveCall) -> bool {
        let (PlayerState::Rival(rival), CallState::Rival(rival_call)) = (&mut self.player, &mut call.state)
        else {
            return true;
        };
        let draw = self.rng.draw(Purpose::Call, [call.spec.number, rival_call.tried.len() as u64, 1]);
        let observation = Observation {
            now: self.now,
            scenario: self.scenario,
            faults: &self.faults,
            providers: &self.providers,
            spec: &call.spec,
        };
        let mut excluded = rival_call.tried.clone();
        if self.faults.is_measured() {
            excluded.extend(
                (0..self.scenario.targets.len()).filter(|target| self.faults.is_absent(*target, self.now)),
            );
        }
        let next = match rival_call.tried.len() {
            0..MAX_ATTEMPTS => rival.next(&observation, &excluded, draw),
            _ => Decision::GiveUp,
        };
        let key = match next {
            Decision::Start(target) | Decision::StartUntimed(target) => rival.key(&observation, target, draw),
            Decision::Wait(_) | Decision::GiveUp => 0,
        };
        let deadline = call.arrived + call.spec.deadline.unwrap_or(self.limits.first_content_deadline);
        let (target, untimed) = match next {
            Decision::Start(target) => (Some(target), false),
            Decision::StartUntimed(target) => (Some(target), true),
            Decision::Wait(time) if self.now + time < deadline => {
                (rival_call.timer, rival_call.waiting) = (Some(self.now + time), true);
                return false;
            }
            Decision::Wait(_) | Decision::GiveUp => (None, false),
        };
        let Some(target) = target else {
            let kind = rival_call.last.unwrap_or(Kind::NoTarget);
            let outcome = if call.spec.invalid && kind == Kind::InvalidRequest {
                RequestOutcome::Invalid
            } else {
                RequestOutcome::Lost { kind, cut: call.words > 0 }
            };
            self.finish_request(call, outcome);
            return true;
        };
        rival_call.tried.push(target);
        let limit =
            if call.spec.stream { self.limits.first_content } else { self.limits.unstreamed.initial() };
        let limit =
            if self.scenario.targets[target].reasoning { self.limits.first_content_reasoning } else { limit };
        rival_call.timer = Some(if untimed { call.arrived + self.limits.total } else { self.now + limit });
        let attempt = SimulatedAttempt {
            target,
            key,
            nth: 0,
            stream: call.spec.stream,
            reply: None,
            closed: false,
            admitted: false,
            started: self.now,
            variant: target,
            from: 0,
            scopes: None,
            faulty: false,
            failed: false,
        };
        self.send(conn, call, attempt);
        false
    }

    fn rival_outcome(&mut self, call: &ActiveCall, index: usize, kind: Option<Kind>) {
        let PlayerState::Rival(rival) = &mut self.player else { return };
        let attempt = &call.attempts[index];
        let took = self.now.saturating_since(attempt.started);
        // An invalid request is no evidence about the provider.
        if kind == Some(Kind::InvalidRequest) {
            rival.released(attempt.started, attempt.target);
        } else {
            rival.outcome(self.now, attempt.target, kind, took);
        }
    }

    fn rival_failed(&mut self, conn: ConnectionId, call: &mut ActiveCall, index: usize, kind: Kind) -> bool {
        call.attempts[index].failed = true;
        let error = Error::new(kind, "simulated");
        self.log.failed(self.now, call.spec.number, index + 1, call.attempts[index].target, &error);
        if matches!(kind, Kind::RateLimited | Kind::GrowthLimited) {
            self.ledger.refused(call.attempts[index].started, call.attempts[index].target);
        }
        self.rival_outcome(call, index, Some(kind));
        self.close_attempt(conn, call, index);
        let CallState::Rival(rival_call) = &mut call.state else { return true };
        rival_call.last = Some(kind);
        if call.words > 0 || kind == Kind::InvalidRequest {
            rival_call.tried = vec![usize::MAX; MAX_ATTEMPTS];
        }
        self.rival_next(conn, call)
    }

    pub(super) fn rival_received(
        &mut self,
        conn: ConnectionId,
        call: &mut ActiveCall,
        index: usize,
        received: Received,
    ) -> bool {
        let delivery = match received {
            Received::Ping => return false,
            Received::Failure(error) => {
                let kind = error.map_or(Kind::Server, |error| error.kind());
                return self.rival_failed(conn, call, index, kind);
            }
            Received::Delivery(_, delivery) => delivery,
        };
        match delivery {
            Delivery::Tokens(from, to) | Delivery::Last(from, to) => {
                if from < to {
                    self.deliver(call, to);
                }
                let gap = self.limits.gap;
                let CallState::Rival(rival_call) = &mut call.state else { return true };
                rival_call.timer = (call.words > 0).then(|| self.now + gap).or(rival_call.timer);
            }
            Delivery::Failure(kind) => return self.rival_failed(conn, call, index, kind),
            Delivery::Clean => return self.rival_failed(conn, call, index, Kind::Truncated),
        }
        if !matches!(delivery, Delivery::Last(..)) {
            return false;
        }
        self.rival_outcome(call, index, None);
        call.served = Some(index);
        self.close_attempt(conn, call, index);
        self.finish_request(call, RequestOutcome::Answered);
        true
    }

    pub(super) fn rival_timer(&mut self, conn: ConnectionId, call: &mut ActiveCall) -> bool {
        if let CallState::Rival(rival_call) = &mut call.state
            && std::mem::take(&mut rival_call.waiting)
        {
            return self.rival_next(conn, call);
        }
        let Some(index) = call.attempts.len().checked_sub(1) else { return true };
        let kind = if call.words > 0 { Kind::Stalled } else { Kind::Timeout };
        self.rival_failed(conn, call, index, kind)
    }

    pub(super) fn rival_cancelled(&mut self, conn: ConnectionId, call: &mut ActiveCall) -> bool {
        if let (PlayerState::Rival(rival), Some(attempt)) = (&mut self.player, call.attempts.last()) {
            rival.released(attempt.started, attempt.target);
        }
        for index in 0..call.attempts.len() {
            self.close_attempt(conn, call, index);
        }
        self.finish_request(call, RequestOutcome::Cancelled);
        true
    }
}
