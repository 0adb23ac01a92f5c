//! The connections between a call and the providers: sending requests, starting replies, closing.
//!
//! Invariant: an attempt that holds or waits for a slot at a provider releases it exactly once.

use hotspare_core::{Error, Kind, Moment};

use super::{ActiveCall, CallState, Event, Received, SimulatedAttempt, Simulation};
use crate::provider::{Admission, ConnectionId, InboundRequest};
use crate::reply::Reply;

impl Simulation<'_> {
    /// Sends a request to a provider.
    pub(super) fn send(&mut self, conn: ConnectionId, call: &mut ActiveCall, mut attempt: SimulatedAttempt) {
        self.hash_event(2, attempt.target as u64);
        self.ledger.started(self.now, attempt.target, call.attempts.is_empty());
        let number = call.attempts.len() + 1;
        self.log.sent(self.now, call.spec.number, number, attempt.target, attempt.key);
        attempt.nth = call.attempts.iter().filter(|one| one.target == attempt.target).count() as u64;
        let conn = ConnectionId { attempt: u8::try_from(call.attempts.len()).unwrap_or(u8::MAX), ..conn };
        let request =
            InboundRequest { spec: &call.spec, faults: &self.faults, key: attempt.key, nth: attempt.nth };
        attempt.faulty = self.providers.meets_fault(self.now, attempt.target, &request);
        match self.providers.admit(self.now, attempt.target, conn, &request) {
            Admission::Queued => attempt.admitted = true,
            Admission::Served(reply) => {
                attempt.admitted = matches!(reply, Reply::Completion(_));
                self.start_reply(conn, &mut attempt, reply);
            }
        }
        call.attempts.push(attempt);
    }

    fn start_reply(&mut self, conn: ConnectionId, attempt: &mut SimulatedAttempt, mut reply: Reply) {
        let wait = match &mut reply {
            Reply::Rejection(after, _) => Some(*after),
            Reply::Silence { pings } => pings.then_some(100_000_000),
            Reply::Completion(completion) => {
                completion.resume_from(attempt.from);
                completion.next_delay(self.max_gap, !attempt.stream)
            }
        };
        attempt.reply = Some(reply);
        if let Some(wait) = wait {
            self.queue.push(Moment::from_nanos(self.now.as_nanos() + wait), Event::Receive(conn));
        }
    }

    /// Resets the connections of a target that are open when one of its faults begins.
    pub(super) fn cut_in_flight(&mut self, target: usize, window: usize) {
        let window = self.faults.all(target)[window];
        let mut open = Vec::new();
        for (slot, entry) in (0..).zip(&self.slots) {
            let Some(call) = &entry.call else { continue };
            for (index, attempt) in call.attempts.iter().enumerate() {
                let request = InboundRequest {
                    spec: &call.spec,
                    faults: &self.faults,
                    key: attempt.key,
                    nth: attempt.nth,
                };
                let is_open = attempt.target == target && !attempt.closed;
                if is_open && self.providers.is_cut(target, &window, &request) {
                    open.push((slot, entry.generation, index));
                }
            }
        }
        for (slot, generation, index) in open {
            self.with_call(slot, generation, |simulation, conn, call| {
                // The failure of another one may have ended it.
                let Some(attempt) = call.attempts.get(index).filter(|attempt| !attempt.closed) else {
                    return false;
                };
                let has_head = matches!(&attempt.reply, Some(Reply::Completion(reply)) if reply.started);
                let kind = if has_head { Kind::Truncated } else { Kind::Disconnected };
                simulation.hash_event(5, target as u64);
                let reset = Received::Failure(Some(Error::new(kind, "simulated")));
                match call.state {
                    CallState::Engine(_) => simulation.handle_received(conn, call, index, reset),
                    CallState::Rival(_) => simulation.rival_received(conn, call, index, reset),
                }
            });
        }
    }

    /// Closes an attempt's connection and frees its slot.
    pub(super) fn close_attempt(&mut self, conn: ConnectionId, call: &mut ActiveCall, index: usize) {
        let Some(attempt) = call.attempts.get_mut(index).filter(|attempt| !attempt.closed) else { return };
        attempt.closed = true;
        // Its scopes are kept: its outcome is reported once it is closed.
        if let Some(scopes) = &attempt.scopes {
            self.invariants.attempt_ended(self.now, scopes);
        }
        let conn = ConnectionId { attempt: u8::try_from(index).unwrap_or(u8::MAX), ..conn };
        let waiting = attempt.reply.is_none();
        if attempt.admitted
            && let Some(next) = self.providers.release(attempt.target, conn, waiting)
        {
            self.serve_queued(next, attempt.target);
        }
    }

    /// Gives a free slot to the next queued attempt that is still open.
    fn serve_queued(&mut self, mut next: ConnectionId, target: usize) {
        loop {
            let entry = &mut self.slots[next.slot as usize];
            let call = if entry.generation == next.generation { entry.call.take() } else { None };
            if let Some(mut call) = call {
                let index = usize::from(next.attempt);
                let attempt = &call.attempts[index];
                if !attempt.closed {
                    let request = InboundRequest {
                        spec: &call.spec,
                        faults: &self.faults,
                        key: attempt.key,
                        nth: attempt.nth,
                    };
                    let reply = self.providers.serve(self.now, target, &request);
                    let attempt = &mut call.attempts[index];
                    self.start_reply(next, attempt, reply);
                    self.slots[next.slot as usize].call = Some(call);
                    return;
                }
                self.slots[next.slot as usize].call = Some(call);
            }
            match self.providers.release(target, next, false) {
                Some(another) => next = another,
                None => return,
            }
        }
    }
}
