//! The loop that drives a call, and the only one that knows a clock.
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
use hotspare_core::{Chunk, Error, Kind, Moment, Request, Trail};
use hotspare_engine::{AttemptId, AttemptStart, Call, Input, Judged, Judgement, Step, Summary, Ticket};
use hotspare_provider::{Outbound, Secret, Signal};
use tokio::time::Sleep;
use tracing::Span;

use crate::blocking::{self, Blocking};
use crate::clock::Clock;
use crate::key::KeySlot;
use crate::observe;
use crate::prepare::prepare;
use crate::report::{CallEnd, CallReport};
use crate::shared::Shared;
use crate::wake::WakeSignal;

type Signals = BoxStream<'static, Result<Signal, Error>>;

/// One running attempt.
struct Running {
    stage: Stage,
    /// The key slot it uses, and the secret that was actually sent.
    key: Option<(Arc<KeySlot>, Arc<OnceLock<Secret>>)>,
}

impl Running {
    /// Its next stage after its key was rejected: looks for another one.
    fn renew(&mut self, error: Error) {
        let key = self.key.take();
        let renewing = async move {
            let Some((slot, used)) = key else { return false };
            let Some(rejected) = used.get() else { return false };
            slot.renew(rejected).await
        };
        self.stage = Stage::Renewing(Box::pin(renewing), error);
    }
}

enum Stage {
    Connecting(BoxFuture<'static, Result<Signals, Error>>),
    Streaming(Signals),
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
    attempts: Vec<Option<Running>>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Set once the call had to wait for room; signalled when there may be some.
    wake: Option<(Ticket, Arc<WakeSignal>)>,
    /// The machine must be polled: it may have a new step.
    due: bool,
    /// Output was returned to the caller, which has not polled again yet.
    away: bool,
    over: bool,
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
            due: true,
            away: false,
            over: false,
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
        if std::mem::take(&mut self.away) {
            self.call.resumed(now);
        }
        loop {
            if (std::mem::take(&mut self.due) || self.call.needs_world())
                && let Some(output) = self.turn(now)
            {
                self.away = true;
                return Poll::Ready(output);
            }
            if let Some(chunk) = self.call.next_delivery() {
                self.away = true;
                return Poll::Ready(Output::Chunk(chunk));
            }
            if self.listen(cx, now) || self.is_woken(cx, now) {
                continue;
            }
            if self.poll_timer(cx).is_pending() {
                return Poll::Pending;
            }
            // The timer may have gone off since.
            now = self.shared.clock.now();
            self.due = true;
        }
    }

    /// Polls the machine until it waits or has output for the caller.
    fn turn(&mut self, now: Moment) -> Option<Output> {
        loop {
            match self.shared.with_world(|world| self.call.poll(now, world)) {
                Step::Abort(id) => self.attempts[id.0] = None,
                Step::Deliver(chunk) => {
                    self.due = true;
                    return Some(Output::Chunk(chunk));
                }
                Step::Done(result) => {
                    self.over = true;
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
                Step::Start(begin) => self.start(&begin),
                _ => return None,
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
        observe::call(&listeners, &CallReport { route: self.call.route().to_owned(), end, trail, duration });
    }

    /// Judges an answer: at once, or on the blocking pool if that might hold up other tasks of this thread.
    fn judge(&mut self, now: Moment, id: AttemptId, judgement: Box<Judgement>) {
        if judgement.is_heavy() {
            let judging = blocking::run(move || judgement.run());
            self.attempts[id.0] = Some(Running { stage: Stage::Judging(judging), key: None });
        } else {
            let judged = judgement.run();
            self.note(now, Input::Judged(id, judged));
        }
    }

    fn start(&mut self, begin: &AttemptStart) {
        let target = &self.shared.targets[begin.target];
        let attempt = self.call.trail().attempts.get(begin.id.0);
        if begin.id.0 > 0 {
            tracing::info!(
                target: "hotspare",
                target = %target.id,
                reason = attempt.map_or("", |attempt| attempt.why.as_str()),
                "failing over",
            );
        }
        target.embeds.store(matches!(self.request, Request::Embed(_)), Ordering::Relaxed);
        let span = tracing::info_span!(target: "hotspare", "hotspare.attempt", attempt = begin.id.0, target = %target.id);
        let profile = &self.shared.fleet.targets()[begin.target].profile;
        let prompt = self.shared.prompt(begin.route, begin.target);
        let key = target.keys.get(begin.key).map(|slot| (Arc::clone(slot), Arc::new(OnceLock::new())));
        let prepared = prepare(&self.request, begin, target, prompt, profile).map(|prepared| {
            self.call.note(begin.id, prepared.notes);
            if prepared.by_tool {
                self.call.answers_by_tool(begin.id);
            }
            Outbound::new(prepared.request, Arc::clone(&target.model), begin.stream)
                .with_remaining(Some(begin.remaining))
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
        self.attempts.resize_with(begin.id.0, || None);
        let stage = Stage::Connecting(Box::pin(connecting));
        self.attempts.push(Some(Running { stage, key }));
    }

    /// Whether the call was woken. A call that has just begun to wait registers its signal and polls once more, because
    /// room may have been freed in between.
    fn is_woken(&mut self, cx: &Context<'_>, now: Moment) -> bool {
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
            self.tell(now, Input::Woken);
        }
        woken
    }

    /// Polls all attempts. Returns whether any made progress.
    fn listen(&mut self, cx: &mut Context<'_>, now: Moment) -> bool {
        let mut happened = false;
        for index in 0..self.attempts.len() {
            let id = AttemptId(index);
            let Some(running) = &mut self.attempts[index] else { continue };
            let polled = match &mut running.stage {
                Stage::Connecting(future) => match future.as_mut().poll(cx) {
                    Poll::Pending => continue,
                    Poll::Ready(Ok(signals)) => {
                        running.stage = Stage::Streaming(signals);
                        happened = true;
                        continue;
                    }
                    Poll::Ready(Err(error)) => Some(Err(error)),
                },
                Stage::Streaming(signals) => match signals.poll_next_unpin(cx) {
                    Poll::Pending => continue,
                    Poll::Ready(item) => item,
                },
                Stage::Judging(judging) => {
                    let Poll::Ready(judged) = judging.poll_unpin(cx) else { continue };
                    self.attempts[index] = None;
                    let input = match judged {
                        Ok(judged) => Input::Judged(id, judged),
                        Err(error) => Input::Failed(id, error),
                    };
                    self.tell(now, input);
                    happened = true;
                    continue;
                }
                Stage::Renewing(renewing, error) => {
                    let Poll::Ready(renewed) = renewing.as_mut().poll(cx) else { continue };
                    let error = error.clone();
                    self.attempts[index] = None;
                    let input = if renewed { Input::Renewed(id, error) } else { Input::Failed(id, error) };
                    self.tell(now, input);
                    happened = true;
                    continue;
                }
            };
            happened = true;
            match polled {
                Some(Ok(Signal::Chunk(chunk))) => self.call.on_event(now, id, chunk),
                Some(Ok(Signal::Opened(opened))) => {
                    self.identify(id, opened.request_id);
                    self.note(now, Input::Opened(id, opened.limits));
                }
                Some(Ok(_)) => self.note(now, Input::Alive(id)),
                Some(Err(error)) => {
                    self.identify(id, error.request_id().map(str::to_owned));
                    if let Some(attempt) = self.call.trail().attempts.get(index) {
                        observe::log_attempt_failure(index, attempt, &error);
                    }
                    match &mut self.attempts[index] {
                        Some(running) if error.kind() == Kind::Auth => running.renew(error),
                        attempt => {
                            *attempt = None;
                            self.tell(now, Input::Failed(id, error));
                        }
                    }
                }
                None => {
                    self.attempts[index] = None;
                    self.tell(now, Input::Ended(id));
                }
            }
        }
        happened
    }

    fn identify(&mut self, id: AttemptId, request_id: Option<String>) {
        let is_name = |id: &String| observe::token(Some(id), observe::LONGEST_ID).is_some();
        if let Some(request_id) = request_id.filter(is_name) {
            self.call.identify(id, request_id);
        }
    }

    fn tell(&mut self, now: Moment, input: Input) {
        self.note(now, input);
        self.due = true;
    }

    /// As [`Driver::tell`], for events that need no new step: at most they move a timer.
    fn note(&mut self, now: Moment, input: Input) {
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
        if !self.over {
            self.attempts.clear();
            let now = self.shared.clock.now();
            self.report(now, || (CallEnd::Dropped, self.trail().clone()));
            self.tell(now, Input::CallerGone);
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
