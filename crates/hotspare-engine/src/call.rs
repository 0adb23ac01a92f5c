//! The state machine of one call, from request to answer.
//!
//! It never blocks, never reads a clock, never sees a byte. Two methods need the world: [`Call::poll`] returns what to do
//! next, and [`Call::handle`] takes what happened. The others do without it, so that the lock around a shared world is
//! not taken for every piece of text: [`Call::on_event`] takes an attempt's event, [`Call::next_delivery`] returns what
//! the caller gets of it, [`Call::resumed`] says that the caller reads on, [`Call::was_away`] that nothing ran for a while,
//! [`Call::needs_world`] and [`Call::poll_timeout`] say when to poll, [`Call::sent`] and [`Call::identify`] add to an
//! attempt what the driver knows of it.
//!
//! Life of a call: it starts the plan's first choice. A failure starts the next one, and so does late content, unless no
//! other target would be sooner; a late attempt stays alive, and the first attempt with content serves. At that point the
//! call *commits*: the other attempts are dropped, and only the events of the chosen one reach the caller. If its stream is
//! cut after that, another target continues it where the text joins exactly; otherwise the caller gets an error. A complete
//! answer is judged by the driver ([`Step::Judge`]), because that may take long. Invariant: a call ends exactly once, never
//! successfully with a truncated answer, and every permit that it was given is settled.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use hotspare_core::{Chunk, Error, Event, Kind, Moment, TargetId, Trail};
use hotspare_health::{Observation, Refusal};
use hotspare_normalize::ToolAnswer;
use hotspare_routing::Start;

use crate::attempt::AttemptState;
use crate::call_spec::CallSpec;
use crate::draw::Draws;
use crate::ending::Ending;
use crate::fleet::{Fleet, Route};
use crate::index::TargetIndex;
use crate::judgement::Reask;
use crate::plan::{Plan, PlannedTarget};
use crate::queue::Ticket;
use crate::spend::Estimate;
use crate::step::{AttemptId, Input, Sent, Step, Summary};
use crate::world::World;

mod commit;
mod continuation;
mod costs;
mod failover;
mod final_error;
mod judging;
mod lateness;
mod reason;
mod refusals;
mod settle;
mod start;
mod timers;

/// The state machine of one call.
#[derive(Debug)]
pub struct Call {
    fleet: Arc<Fleet>,
    route: Arc<Route>,
    spec: CallSpec,
    started: Moment,
    total_at: Moment,
    first_content_at: Moment,
    /// Since when the caller has been reading without interruption.
    listening: Moment,
    draws: Draws,
    prompt_tokens: u64,
    /// Dimensions that each vector must have, if known.
    dimensions: Option<u32>,
    /// Kind of the error if no target can be tried.
    nobody: Kind,
    /// The target that the plan would have put first if it were not blocked.
    passed_over: Option<TargetIndex>,
    /// Targets not tried yet, best first.
    waiting: VecDeque<PlannedTarget>,
    /// Targets that health refused when their turn came.
    refused: Vec<(PlannedTarget, Refusal)>,
    /// When the latest refusal occurred.
    refused_at: Moment,
    /// For the trail: each target's latest refusal and its time, until the target is asked after all.
    refusals: BTreeMap<TargetIndex, (Moment, Refusal)>,
    /// What had disabled the targets among them that are out of service.
    disabled: BTreeMap<TargetIndex, Kind>,
    /// The first target whose turn came and that a spending limit ruled out, and the limit.
    overspent: Option<(TargetIndex, String)>,
    /// What each target that a spending limit ruled out may cost.
    unaffordable: BTreeMap<TargetIndex, Estimate>,
    /// Why the next target is due: the latest attempt that became late, until another one fails.
    late: Option<AttemptId>,
    /// Attempts, in start order; an [`AttemptId`] is an index into this list.
    attempts: Vec<AttemptState>,
    /// Cancelled because another answered first: if that answer is cut, they may carry it on.
    losers: VecDeque<PlannedTarget>,
    extra_starts: u32,
    /// Number of starts that are due.
    wanted: u32,
    retries: VecDeque<failover::Retry>,
    /// What was wrong with the answer that has just failed validation.
    reask: Option<Reask>,
    /// Targets that were asked again after failed validation, once per time.
    reasked: Vec<TargetIndex>,
    /// Targets that rejected a stream which only the route wanted.
    unstreamed_only: BTreeSet<TargetIndex>,
    /// Targets that do not get the start of a cut answer as prefill, because what they made of it was ambiguous.
    no_prefill: BTreeSet<TargetIndex>,
    hedge_at: Option<Moment>,
    /// Whether the next start is a hedge.
    hedging: bool,
    /// When to ask again for room, unless woken before.
    queue_at: Option<Moment>,
    /// Its ticket in the queues of full targets.
    ticket: Option<Ticket>,
    /// Whether its ticket is in any queue, also while it does not wait there: it may be retrying elsewhere.
    queued: bool,
    /// Only targets with larger windows than this, after an overflow.
    min_window: Option<u64>,
    /// Only these targets, after a failure of a kind that the route sends there.
    restricted: Option<Vec<TargetId>>,
    /// Wires on which the request was rejected as malformed.
    objections: BTreeSet<&'static str>,
    /// Targets that this call has already given hard evidence against.
    blamed: BTreeSet<TargetIndex>,
    errors: Vec<Error>,
    /// Whether an error rules out further starts.
    stopped: bool,
    committed: Option<AttemptId>,
    cut: Option<continuation::Cut>,
    /// Text that the caller has received, kept as long as a continuation may need it.
    sent: Option<String>,
    outbox: VecDeque<Chunk>,
    aborts: VecDeque<AttemptId>,
    trail: Trail,
    phase: Phase,
}

/// Whether a call goes on.
#[derive(Debug)]
enum Phase {
    Running,
    /// It has ended, and everything before the result is still to be handed out.
    Over(Box<Result<Summary, Error>>),
    HandedOut,
}

impl Call {
    /// A call that will start the first choice of `plan`.
    #[must_use]
    pub fn new(now: Moment, fleet: Arc<Fleet>, route: Arc<Route>, spec: CallSpec, plan: Plan) -> Self {
        let limits = &route.limits;
        let total = spec.deadline.map_or(limits.total, |deadline| deadline.min(limits.total));
        let first_content = spec.first_content_deadline.unwrap_or(total).min(total);
        let waiting: VecDeque<PlannedTarget> = plan.choices.into();
        let together =
            1 + waiting.iter().skip(1).take_while(|choice| matches!(choice.start, Start::AtOnce)).count();
        let mut call = Self {
            started: now,
            total_at: now + total,
            first_content_at: now + limits.first_content_deadline.min(first_content),
            listening: now,
            draws: Draws::new(spec.seed),
            prompt_tokens: plan.prompt_tokens,
            dimensions: plan.dimensions,
            nobody: plan.nobody,
            passed_over: plan.passed_over,
            refused: Vec::new(),
            refused_at: now,
            refusals: BTreeMap::new(),
            disabled: BTreeMap::new(),
            overspent: None,
            unaffordable: BTreeMap::new(),
            late: None,
            attempts: Vec::with_capacity(1),
            losers: VecDeque::new(),
            extra_starts: 0,
            wanted: u32::try_from(together).unwrap_or(1),
            retries: VecDeque::new(),
            reask: None,
            unstreamed_only: BTreeSet::new(),
            no_prefill: BTreeSet::new(),
            reasked: Vec::new(),
            hedge_at: None,
            hedging: false,
            queue_at: None,
            ticket: None,
            queued: false,
            min_window: None,
            restricted: None,
            objections: BTreeSet::new(),
            blamed: BTreeSet::new(),
            errors: Vec::new(),
            stopped: false,
            committed: None,
            cut: None,
            sent: (spec.stream && spec.continuable).then(String::new),
            outbox: VecDeque::new(),
            aborts: VecDeque::new(),
            trail: Trail::EMPTY,
            phase: Phase::Running,
            waiting,
            fleet,
            route,
            spec,
        };
        call.trail.skipped = plan.skipped;
        call
    }

    /// What to do next. Call it again until it returns [`Step::Wait`].
    pub fn poll(&mut self, now: Moment, world: &mut World) -> Step {
        loop {
            // Before anything is delivered: the caller may take a long time over it, and until it asks for more, nothing
            // else runs. By then the losers are gone and the trail names who serves.
            if !self.is_over() {
                self.report_observations(now, world);
            }
            if let Some(id) = self.aborts.pop_front() {
                return Step::Abort(id);
            }
            if let Some(chunk) = self.outbox.pop_front() {
                return Step::Deliver(chunk);
            }
            if self.is_over() {
                return self.hand_out_result();
            }
            self.expire(now, world);
            if self.has_output() {
                continue;
            }
            if let Some((id, judgement)) = self.next_judgement() {
                return Step::Judge(id, judgement);
            }
            if let Some(begin) = self.start(now, world) {
                return Step::Start(begin);
            }
            if !self.is_waiting_for_something() {
                self.give_up(now, world);
                continue;
            }
            return Step::Wait;
        }
    }

    /// Takes what happened.
    pub fn handle(&mut self, now: Moment, world: &mut World, input: Input) {
        if self.is_over() {
            return;
        }
        // Failures found in events come first: the end of a stream must not precede a failure that is still pending.
        self.report_observations(now, world);
        if self.is_over() {
            return;
        }
        match input {
            Input::Alive(id) => {
                if let Some(attempt) = self.live(id) {
                    attempt.heard = true;
                }
            }
            Input::CallerGone => {
                let error = Error::new(Kind::Cancelled, "the caller disconnected");
                self.end(now, world, Err(error), Ending::Abandoned, "the caller disconnected");
            }
            Input::Ended(id) => self.ended(now, world, id),
            Input::HeldEnd(id, reason) => {
                if let Some(attempt) = self.live(id) {
                    attempt.hold_end(now, reason);
                }
            }
            Input::Failed(id, error) => self.failed(now, world, id, error),
            Input::Judged(id, judged) => self.judged(now, world, id, *judged),
            Input::Opened(id, limits) => {
                if let Some(attempt) = self.live(id) {
                    attempt.heard = true;
                    if let Some(permit) = &mut attempt.permit {
                        world.observe(now, attempt.choice.target, permit, Observation::Responded);
                        world.learn(now, attempt.choice.target, attempt.key, permit, &limits);
                    }
                }
            }
            Input::Renewed(id, error) => self.renewed(now, world, id, error),
            Input::Woken => {
                if self.queue_at.is_some() {
                    self.unqueue();
                }
            }
        }
    }

    /// Takes an event of an attempt. Needs no world, so that a shared one is not locked for every piece of text; if
    /// [`Call::needs_world`] returns true afterwards, [`Call::poll`] is due.
    pub fn on_event(&mut self, now: Moment, id: AttemptId, chunk: Chunk) {
        if self.is_over() || self.committed.is_some_and(|winner| winner != id) {
            return;
        }
        let Some(attempt) = self.live(id).filter(|attempt| attempt.is_open()) else { return };
        attempt.hear(now, &chunk.event);
        let chunk = attempt.normalize(chunk);
        match attempt.convert(chunk) {
            Ok(pieces) => pieces.for_each(|piece| self.take(now, id, piece)),
            Err(chunk) => self.take(now, id, chunk),
        }
    }

    fn take(&mut self, now: Moment, id: AttemptId, chunk: Chunk) {
        let limit = self.route.limits.max_buffered_bytes;
        let serves = self.committed == Some(id);
        let Some(attempt) = self.live(id) else { return };
        if attempt.failure.is_some() {
            return;
        }
        if let Err(error) = attempt.note(now, &chunk.event, limit) {
            attempt.failure = Some(error);
            return;
        }
        let silence = match &chunk.event {
            Event::Finished(_) => self.judge_silence(id),
            _ => Ok(()),
        };
        let Some(attempt) = self.live(id) else { return };
        if let Err(error) = silence {
            // The caller must not be told that the answer has finished.
            attempt.finished = None;
            attempt.failure = Some(error);
            return;
        }
        let chunk = match &mut attempt.splice {
            None => chunk,
            // The frame contains the whole event; what is left of the event has no frame of its own.
            Some(splice) => match splice.fit(chunk.event) {
                Ok(Some(event)) => Chunk::from(event),
                Ok(None) => return,
                Err(error) => {
                    attempt.failure = Some(error);
                    return;
                }
            },
        };
        if serves && !attempt.is_withheld() {
            self.pass_on(id, chunk);
            return;
        }
        if let Err(error) = attempt.hold(chunk, limit) {
            attempt.failure = Some(error);
            return;
        }
        self.commit_if_due(now, id);
    }

    /// The caller, who got something at `since`, reads again: the time in between is neither the provider's silence nor
    /// counts towards the route's total; a deadline of the caller's own stays. Needs no world, because it is called for
    /// every piece of an answer.
    pub fn resumed(&mut self, since: Moment, now: Moment) {
        self.listening = now;
        let latest = self.spec.deadline.map_or(Moment::MAX, |deadline| self.started + deadline);
        self.total_at = (self.total_at + now.saturating_since(since)).min(latest);
        // Nor could another target continue before the rest of the cut answer had been read.
        if self.cut.is_some() && self.wanted > 0 {
            self.restart_deadline(now, true);
        }
    }

    /// The call, which waited for events from `since` on, was not polled when it should have been: the process was stopped, its
    /// threads were busy, or the application did something else. What the targets have sent meanwhile is still unread, so this time counts towards no limit of
    /// theirs, nor towards the route's own; deadlines of the caller stay.
    pub fn was_away(&mut self, since: Moment, now: Moment) {
        let away = now.saturating_since(since);
        let said = format!(
            "this call was not polled when it should have been: {:.1} s are not counted against the target",
            away.as_secs_f64()
        );
        for (attempt, entry) in self.attempts.iter_mut().zip(&mut self.trail.attempts) {
            if attempt.is_live() {
                attempt.leave_out(away);
                entry.notes.push(said.clone());
            }
        }
        self.listening = self.listening + away;
        self.hedge_at = self.hedge_at.map(|at| at + away);
        let latest = self.spec.deadline.map_or(Moment::MAX, |deadline| self.started + deadline);
        self.total_at = (self.total_at + away).min(latest);
        let extended = (self.first_content_at + away).min(self.callers_first_content_at());
        self.first_content_at = self.first_content_at.max(extended).min(self.total_at);
    }

    /// The next piece for the caller, if available without the world.
    pub fn next_delivery(&mut self) -> Option<Chunk> {
        self.outbox.pop_front()
    }

    /// Whether anything is pending that only [`Call::poll`] can do.
    #[must_use]
    pub fn needs_world(&self) -> bool {
        let waits = |(index, attempt): (usize, &AttemptState)| {
            let loser = self.committed.is_some_and(|winner| winner.0 != index);
            let told = attempt.unobserved || attempt.failure.is_some() || attempt.judgement.is_some();
            attempt.is_live() && (loser || told)
        };
        self.is_over() || !self.aborts.is_empty() || self.attempts.iter().enumerate().any(waits)
    }

    /// When to poll again if nothing happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Moment> {
        (!self.is_over()).then(|| self.next_timer()).flatten()
    }

    /// Whether the whole call has had its time, which no event changes.
    #[must_use]
    pub fn is_overdue(&self, now: Moment) -> bool {
        now >= self.total_at
    }

    /// Its ticket in the queues, once it had to wait for room.
    #[must_use]
    pub fn ticket(&self) -> Option<Ticket> {
        self.ticket
    }

    /// Records how the request of an attempt was sent.
    pub fn sent(&mut self, id: AttemptId, sent: Sent) {
        self.note(id, sent.notes);
        if let Some(attempt) = self.live(id).filter(|_| sent.by_tool) {
            attempt.tool_answer = Some(ToolAnswer::default());
        }
    }

    /// Records the provider's id of an attempt's request.
    pub fn identify(&mut self, id: AttemptId, request_id: String) {
        if let Some(attempt) = self.trail.attempts.get_mut(id.0) {
            attempt.request_id = Some(request_id);
        }
    }

    /// The name of its route.
    #[must_use]
    pub fn route(&self) -> &str {
        &self.route.name
    }

    /// Whether the caller asked for a stream.
    #[must_use]
    pub fn is_streamed(&self) -> bool {
        self.spec.stream
    }

    /// When it started.
    #[must_use]
    pub fn started(&self) -> Moment {
        self.started
    }

    /// The record of the call so far.
    #[must_use]
    pub fn trail(&self) -> &Trail {
        &self.trail
    }

    /// Adds to what the trail says of an attempt.
    fn note(&mut self, id: AttemptId, notes: impl IntoIterator<Item = String>) {
        if let Some(attempt) = self.trail.attempts.get_mut(id.0) {
            attempt.notes.extend(notes);
        }
    }

    fn is_over(&self) -> bool {
        !matches!(self.phase, Phase::Running)
    }

    fn live(&mut self, id: AttemptId) -> Option<&mut AttemptState> {
        self.attempts.get_mut(id.0).filter(|attempt| attempt.is_live())
    }

    fn has_output(&self) -> bool {
        self.is_over() || !self.aborts.is_empty() || !self.outbox.is_empty()
    }

    fn is_waiting_for_something(&self) -> bool {
        !self.retries.is_empty() || self.queue_at.is_some() || self.attempts.iter().any(AttemptState::is_live)
    }
}

#[cfg(test)]
mod tests;
