//! The loop that drives a call: it reads the clock for the state machine, and does its IO.
//!
//! It carries out the machine's steps and reports events back; it decides nothing. It runs while the caller polls,
//! without a task of its own: dropping it drops the connections, which cancels the call. Invariant: the world's lock is
//! held only inside [`Shared::with_world`], never across an await and never around application code.

mod active;
mod timer;

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError};
use std::task::{Context, Poll};

use hotspare_core::{Chunk, Error, Moment, Request, Trail};
use hotspare_engine::{AttemptId, AttemptStart, Call, Input, Judgement, Sent, Step, Summary, Ticket};
use hotspare_provider::{Outbound, Signal};
use tracing::Span;

use self::active::{ActiveAttempt, Said, Stage, discard};
use self::timer::Timer;
use crate::blocking;
use crate::clock::Clock;
use crate::observe;
use crate::observer::notify;
use crate::prepare::prepare;
use crate::report::{CallEnd, CallReport};
use crate::shared::Shared;
use crate::wake::WakeSignal;

/// How many rounds without output a call takes in one turn of its task. A provider that is always ready must not keep
/// other tasks from this thread, nor timers from this call.
const MOST_ROUNDS: usize = 64;

/// What a driver returns to its caller.
#[derive(Debug)]
pub(crate) enum Output {
    Chunk(Chunk),
    Done(Box<Result<Summary, Error>>),
}

/// A call in progress.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    request: Request,
    call: Call,
    /// Indexed by attempt; `None` once the attempt is over.
    attempts: Vec<Option<ActiveAttempt>>,
    timer: Timer,
    /// What was due when the attempts were last read before that.
    read_before: Option<Moment>,
    /// Set once the call had to wait for room; signalled when there may be some.
    wake: Option<(Ticket, Arc<WakeSignal>)>,
    /// The machine must be polled: it may have a new step.
    needs_poll: bool,
    /// When output was returned to the caller, if it has not polled again yet.
    yielded: Option<Moment>,
    finished: bool,
    span: Span,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, request: Request, call: Call, span: Span) -> Self {
        Self {
            shared,
            request,
            call,
            attempts: Vec::with_capacity(2),
            timer: Timer::default(),
            read_before: None,
            wake: None,
            needs_poll: true,
            yielded: None,
            finished: false,
            span,
        }
    }

    pub(crate) fn trail(&self) -> &Trail {
        self.call.trail()
    }

    /// The next piece of the answer, or its end.
    pub(crate) fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Output> {
        let span = self.span.clone();
        let _entered = span.enter();
        // One reading of the clock serves everything that is ready by now.
        let mut now = self.shared.clock.now();
        if let Some(since) = self.yielded.take() {
            self.call.resumed(since, now);
        }
        let timeout = self.call.poll_timeout();
        if let Some(since) = self.timer.resume(now, timeout) {
            self.call.was_away(since, now);
        }
        if self.timer.is_due(now, timeout) {
            // No target is judged for what it has already sent. But an answer that never pauses must not outlast its limits:
            // it has one turn before what is due, and none before the caller's deadline.
            if self.read_before != timeout && !self.call.is_overdue(now) {
                self.read_before = timeout;
                self.poll_attempts(cx, now);
            }
            self.needs_poll = true;
        }
        for _ in 0..MOST_ROUNDS {
            if (std::mem::take(&mut self.needs_poll) || self.call.needs_world())
                && let Some(output) = self.advance(now)
            {
                self.yielded = Some(now);
                return Poll::Ready(output);
            }
            if let Some(chunk) = self.call.next_delivery() {
                self.yielded = Some(now);
                return Poll::Ready(Output::Chunk(chunk));
            }
            if self.poll_attempts(cx, now) || self.check_wake(cx, now) {
                continue;
            }
            if self.timer.poll(cx, &self.shared.clock, self.call.poll_timeout()).is_pending() {
                self.timer.wait(now);
                return Poll::Pending;
            }
            // The timer may have gone off since.
            now = self.shared.clock.now();
            self.needs_poll = true;
        }
        self.timer.wait(now);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Polls the machine until it waits or has output for the caller.
    fn advance(&mut self, now: Moment) -> Option<Output> {
        loop {
            match self.shared.with_world(|world| self.call.poll(now, world)) {
                Step::Abort(id) => self.drop_attempt(id),
                Step::Deliver(chunk) => {
                    self.needs_poll = true;
                    return Some(Output::Chunk(chunk));
                }
                Step::Done(result) => {
                    self.finished = true;
                    match &*result {
                        Ok(summary) => observe::log_answer(summary),
                        Err(error) => observe::log_failure(error),
                    }
                    self.report(now, || match &*result {
                        Ok(summary) => (CallEnd::Served(summary.served_by.clone()), summary.trail.clone()),
                        Err(error) => (CallEnd::Failed(error.clone()), error.trail().clone()),
                    });
                    return Some(Output::Done(result));
                }
                Step::Judge(id, judgement) => self.judge(now, id, judgement),
                Step::Start(start) => self.start(&start),
                Step::Wait => return None,
            }
        }
    }

    /// Reports the call's end to the application, if it listens.
    fn report(&self, now: Moment, end: impl FnOnce() -> (CallEnd, Trail)) {
        let listeners = {
            let observer = self.shared.observer.read().unwrap_or_else(PoisonError::into_inner);
            observer.on_call.clone()
        };
        if listeners.is_empty() {
            return;
        }
        let (end, trail) = end();
        let duration = now.saturating_since(self.call.started());
        let report = CallReport {
            route: self.call.route().to_owned(),
            end_user: self.request.end_user().map(str::to_owned),
            stream: self.call.is_streamed(),
            end,
            trail,
            duration,
        };
        notify(&listeners, &report);
    }

    /// Judges an answer: at once, or on the blocking pool if that might hold up other tasks of this thread.
    fn judge(&mut self, now: Moment, id: AttemptId, judgement: Box<Judgement>) {
        if judgement.is_heavy() {
            let judging = blocking::run(move || judgement.run());
            self.attempts[id.0] = Some(ActiveAttempt { stage: Stage::Judging(judging), key: None });
        } else {
            let judged = judgement.run();
            self.record(now, Input::Judged(id, judged));
        }
    }

    fn start(&mut self, start: &AttemptStart) {
        let target = &self.shared.targets[start.target];
        if let Some(attempt) = self.call.trail().attempts.get(start.id.0) {
            observe::log_start(attempt);
        }
        target.embeds.store(matches!(self.request, Request::Embed(_)), Ordering::Relaxed);
        let span = tracing::info_span!(target: "hotspare", "hotspare.attempt", attempt = start.id.0, target = %target.id);
        let profile = &self.shared.fleet[start.target].profile;
        let prompt = self.shared.prompt(start.route, start.target);
        let key =
            target.keys.get(start.key.position()).map(|slot| (Arc::clone(slot), Arc::new(OnceLock::new())));
        let prepared = prepare(&self.request, start, target, prompt, profile).map(|prepared| {
            self.call.sent(start.id, Sent { notes: prepared.notes, by_tool: prepared.by_tool });
            Outbound::new(prepared.request, Arc::clone(&target.model), start.stream)
                .with_remaining(Some(start.remaining))
        });
        let provider = Arc::clone(&target.provider);
        let used = key.clone();
        let connecting = async move {
            let mut outbound: Outbound = prepared?;
            if let Some((slot, secret)) = used {
                let fresh = slot.secret(Clock::wall()).await?;
                outbound = outbound.with_secret(Some(secret.get_or_init(|| fresh).clone()));
            }
            provider.send(outbound.with_sent_at(Clock::wall())).await
        };
        let connecting = tracing::Instrument::instrument(connecting, span);
        self.attempts.resize_with(start.id.0, || None);
        let stage = Stage::Connecting(Box::pin(connecting));
        self.attempts.push(Some(ActiveAttempt { stage, key }));
    }

    /// Whether the call was woken. A call that has just begun to wait registers its signal and polls once more, because
    /// room may have been freed in between.
    fn check_wake(&mut self, cx: &Context<'_>, now: Moment) -> bool {
        let Some(ticket) = self.call.ticket() else { return false };
        let woken = match &self.wake {
            Some((_, signal)) => signal.take(cx),
            None => {
                let signal = self.shared.wake_signals.register(ticket);
                signal.take(cx);
                self.wake = Some((ticket, signal));
                true
            }
        };
        if woken {
            self.dispatch(now, Input::Woken);
        }
        woken
    }

    /// Polls all attempts. Returns whether any made progress.
    fn poll_attempts(&mut self, cx: &mut Context<'_>, now: Moment) -> bool {
        let mut progressed = false;
        for index in 0..self.attempts.len() {
            let id = AttemptId(index);
            let Some(active) = &mut self.attempts[index] else { continue };
            let Poll::Ready(said) = active.poll(cx) else { continue };
            progressed = true;
            let signal = match said {
                Said::Connected => continue,
                Said::Signal(signal) => signal,
                Said::Judged(judged) => {
                    self.drop_attempt(id);
                    let input = match judged {
                        Ok(judged) => Input::Judged(id, judged),
                        Err(error) => Input::Failed(id, error),
                    };
                    self.dispatch(now, input);
                    continue;
                }
                Said::Renewed(renewed, error) => {
                    self.drop_attempt(id);
                    let input = if renewed { Input::Renewed(id, error) } else { Input::Failed(id, error) };
                    self.dispatch(now, input);
                    continue;
                }
            };
            match signal {
                Some(Ok(Signal::Chunk(chunk))) => self.call.on_event(now, id, chunk),
                Some(Ok(Signal::Opened(opened))) => {
                    self.record_request_id(id, opened.request_id);
                    self.record(now, Input::Opened(id, opened.limits));
                }
                Some(Ok(Signal::HeldEnd(reason))) => self.record(now, Input::HeldEnd(id, reason)),
                Some(Ok(_)) => self.record(now, Input::Alive(id)),
                Some(Err(error)) => {
                    self.record_request_id(id, error.request_id().map(str::to_owned));
                    if let Some(attempt) = self.call.trail().attempts.get(index) {
                        observe::log_attempt_failure(index, attempt, &error);
                    }
                    match &mut self.attempts[index] {
                        Some(active) if error.rejects_key() => active.renew(error),
                        _ => {
                            self.drop_attempt(id);
                            self.dispatch(now, Input::Failed(id, error));
                        }
                    }
                }
                None => {
                    self.drop_attempt(id);
                    self.dispatch(now, Input::Ended(id));
                }
            }
        }
        progressed
    }

    fn record_request_id(&mut self, id: AttemptId, request_id: Option<String>) {
        let is_name = |id: &String| observe::plain_token(Some(id), observe::LONGEST_ID).is_some();
        if let Some(request_id) = request_id.filter(is_name) {
            self.call.identify(id, request_id);
        }
    }

    fn dispatch(&mut self, now: Moment, input: Input) {
        self.record(now, input);
        self.needs_poll = true;
    }

    /// As [`Driver::dispatch`], for events that need no new step: at most they move a timer.
    fn record(&mut self, now: Moment, input: Input) {
        self.shared.with_world(|world| self.call.handle(now, world, input));
    }

    /// Ends an attempt's IO.
    fn drop_attempt(&mut self, id: AttemptId) {
        if let Some(active) = self.attempts[id.0].take() {
            discard(active);
        }
    }
}

/// Dropping a call cancels it.
impl Drop for Driver {
    fn drop(&mut self) {
        if !self.finished {
            // One at a time: another panic while one unwinds would abort the process.
            std::mem::take(&mut self.attempts).into_iter().for_each(discard);
            let now = self.shared.clock.now();
            // Settled first: the report has what the attempts under way have cost, and a slow listener holds nothing up.
            self.dispatch(now, Input::CallerGone);
            self.report(now, || (CallEnd::Dropped, self.trail().clone()));
        }
        if let Some((ticket, _)) = self.wake.take() {
            self.shared.wake_signals.remove(ticket);
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("call", &self.call).finish_non_exhaustive()
    }
}
