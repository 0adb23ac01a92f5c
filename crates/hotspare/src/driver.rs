//! The loop that drives a call: it reads the clock for the state machine, and does its IO.
//!
//! It carries out the machine's steps and reports events back; it decides nothing. It runs while the caller polls,
//! without a task of its own: dropping it drops the connections, which cancels the call. Invariant: the world's lock is
//! held only inside [`Shared::with_world`], never across an await and never around application code.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError};
use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{BoxStream, StreamExt};
use hotspare_core::{Chunk, Error, Moment, Request, Trail};
use hotspare_engine::{AttemptId, AttemptStart, Call, Input, Judged, Judgement, Sent, Step, Summary, Ticket};
use hotspare_provider::{Outbound, Secret, Signal};
use tokio::time::Sleep;
use tracing::Span;

use crate::blocking::{self, Blocking};
use crate::clock::Clock;
use crate::key::KeySlot;
use crate::observe;
use crate::observer::notify;
use crate::prepare::prepare;
use crate::report::{CallEnd, CallReport};
use crate::shared::Shared;
use crate::wake::WakeSignal;

type SignalStream = BoxStream<'static, Result<Signal, Error>>;

/// One running attempt.
struct ActiveAttempt {
    state: AttemptState,
    /// The key slot it uses, and the secret that was actually sent.
    key: Option<(Arc<KeySlot>, Arc<OnceLock<Secret>>)>,
}

impl ActiveAttempt {
    /// Its next stage after its key was rejected: looks for another one.
    fn renew(&mut self, error: Error) {
        let key = self.key.take();
        let renewing = async move {
            let Some((slot, used)) = key else { return false };
            let Some(rejected) = used.get() else { return false };
            slot.renew(rejected).await
        };
        self.state = AttemptState::Renewing(Box::pin(renewing), error);
    }
}

enum AttemptState {
    Connecting(BoxFuture<'static, Result<SignalStream, Error>>),
    Streaming(SignalStream),
    /// Its answer is complete and is being judged.
    Judging(Blocking<Box<Judged>>),
    /// Resolves to whether its rejected key has been replaced at its source.
    Renewing(BoxFuture<'static, bool>, Error),
}

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
    timer: Option<Pin<Box<Sleep>>>,
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
            timer: None,
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
        loop {
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
            if self.poll_timer(cx).is_pending() {
                return Poll::Pending;
            }
            // The timer may have gone off since.
            now = self.shared.clock.now();
            self.needs_poll = true;
        }
    }

    /// Polls the machine until it waits or has output for the caller.
    fn advance(&mut self, now: Moment) -> Option<Output> {
        loop {
            match self.shared.with_world(|world| self.call.poll(now, world)) {
                Step::Abort(id) => self.attempts[id.0] = None,
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
            self.attempts[id.0] = Some(ActiveAttempt { state: AttemptState::Judging(judging), key: None });
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
        let profile = &self.shared.fleet.targets()[start.target].profile;
        let prompt = self.shared.prompt(start.route, start.target);
        let key = target.keys.get(start.key).map(|slot| (Arc::clone(slot), Arc::new(OnceLock::new())));
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
        let state = AttemptState::Connecting(Box::pin(connecting));
        self.attempts.push(Some(ActiveAttempt { state, key }));
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
            let polled = match &mut active.state {
                AttemptState::Connecting(future) => match future.as_mut().poll(cx) {
                    Poll::Pending => continue,
                    Poll::Ready(Ok(signals)) => {
                        active.state = AttemptState::Streaming(signals);
                        progressed = true;
                        continue;
                    }
                    Poll::Ready(Err(error)) => Some(Err(error)),
                },
                AttemptState::Streaming(signals) => match signals.poll_next_unpin(cx) {
                    Poll::Pending => continue,
                    Poll::Ready(item) => item,
                },
                AttemptState::Judging(judging) => {
                    let Poll::Ready(judged) = judging.poll_unpin(cx) else { continue };
                    self.attempts[index] = None;
                    let input = match judged {
                        Ok(judged) => Input::Judged(id, judged),
                        Err(error) => Input::Failed(id, error),
                    };
                    self.dispatch(now, input);
                    progressed = true;
                    continue;
                }
                AttemptState::Renewing(renewing, error) => {
                    let Poll::Ready(renewed) = renewing.as_mut().poll(cx) else { continue };
                    let error = error.clone();
                    self.attempts[index] = None;
                    let input = if renewed { Input::Renewed(id, error) } else { Input::Failed(id, error) };
                    self.dispatch(now, input);
                    progressed = true;
                    continue;
                }
            };
            progressed = true;
            match polled {
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
                        attempt => {
                            *attempt = None;
                            self.dispatch(now, Input::Failed(id, error));
                        }
                    }
                }
                None => {
                    self.attempts[index] = None;
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

    /// Waits for the machine's next timer. If the deadline has moved later, the timer is reset only once it fires: most
    /// timers are overtaken by events.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.call.poll_timeout() else { return Poll::Pending };
        let at = self.shared.clock.instant(at);
        loop {
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            if timer.deadline() > at {
                timer.as_mut().reset(at);
            }
            std::task::ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= at {
                self.timer = None;
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
    }
}

/// Dropping a call cancels it.
impl Drop for Driver {
    fn drop(&mut self) {
        if !self.finished {
            self.attempts.clear();
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
