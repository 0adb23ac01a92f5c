//! A client's only task: it drives the prober.
//!
//! Mechanism only: the engine decides what to probe and when. Spawned with the first request of a client that has a
//! target to probe, and ended with the client: its last clone and its last open stream. Invariant: it does not keep the
//! client alive, and its probes are greetings of its own, never a caller's prompt.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;

use futures::StreamExt;
use futures::future::BoxFuture;
use hotspare_core::{ChatRequest, EmbedRequest, Error, Event, Kind, Request};
use hotspare_engine::{KeyIndex, ProbeId, Prober, ProberStep, TargetIndex};
use hotspare_provider::{Outbound, Provider, Signal};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::background::{Schedule, SharedProber};
use crate::clock::Clock;
use crate::shared::Shared;

/// Maximum length of a probe's answer in tokens: enough for models that reject a limit of one.
const ANSWER: u64 = 16;

/// Spawns the task if there is a target to probe and no live task, or only one whose runtime nobody drives.
pub(crate) fn spawn(shared: &Arc<Shared>) {
    let now = shared.clock.now();
    if let Some(prober) = shared.prober.abort_overdue(now) {
        shared.with_world(|world| lock(&prober).give_up(now, world));
    }
    shared.prober.start(now, |schedule| {
        let prober = Prober::new(Arc::clone(&shared.fleet));
        if !prober.is_needed() {
            return None;
        }
        let prober = Arc::new(Mutex::new(prober));
        let driven = Driven { shared: Arc::downgrade(shared), prober: Arc::clone(&prober) };
        Some((prober, run(driven, schedule)))
    });
}

fn lock(prober: &Mutex<Prober>) -> MutexGuard<'_, Prober> {
    prober.lock().unwrap_or_else(PoisonError::into_inner)
}

type Probing = BoxFuture<'static, Result<(), Error>>;

/// What ended a wait.
enum Wake {
    Answer(ProbeId, Result<(), Error>),
    Time,
}

/// A prober that releases what its probes hold if the task ends before the client does, as when its runtime shuts down.
struct Driven {
    shared: Weak<Shared>,
    prober: SharedProber,
}

impl Drop for Driven {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            let now = shared.clock.now();
            shared.with_world(|world| lock(&self.prober).give_up(now, world));
        }
    }
}

async fn run(driven: Driven, schedule: Arc<Schedule>) {
    // Dropping a probe cancels it.
    let mut probes: Vec<(ProbeId, Probing)> = Vec::new();
    loop {
        let next = {
            let Some(shared) = driven.shared.upgrade() else { return };
            loop {
                let now = shared.clock.now();
                match shared.with_world(|world| lock(&driven.prober).poll(now, world)) {
                    ProberStep::Abort(id) => probes.retain(|(one, _)| *one != id),
                    ProberStep::Probe { id, target, key } => probes.push((id, probe(&shared, target, key))),
                    ProberStep::Wait => break,
                }
            }
            let now = shared.clock.now();
            let at = shared.with_world(|world| lock(&driven.prober).poll_timeout(now, world));
            schedule.wait_until(at);
            at.map(|at| shared.clock.instant(at))
        };
        if let Wake::Answer(id, result) = wait(next, &schedule.notify, &mut probes).await {
            let Some(shared) = driven.shared.upgrade() else { return };
            let now = shared.clock.now();
            shared.with_world(|world| lock(&driven.prober).handle(now, world, id, result));
        }
    }
}

/// Waits for the given moment, a notification or the end of a probe, whichever comes first.
async fn wait(at: Option<Instant>, notify: &Notify, probes: &mut Vec<(ProbeId, Probing)>) -> Wake {
    let mut sleep = at.map(|at| Box::pin(tokio::time::sleep_until(at)));
    let mut notified = std::pin::pin!(notify.notified());
    std::future::poll_fn(|cx| {
        let answered =
            probes.iter_mut().enumerate().find_map(|(index, (_, probing))| match probing.as_mut().poll(cx) {
                Poll::Ready(result) => Some((index, result)),
                Poll::Pending => None,
            });
        if let Some((index, result)) = answered {
            return Poll::Ready(Wake::Answer(probes.swap_remove(index).0, result));
        }
        // By the clock: a probe that is always ready leaves the timer none of what the runtime allows a task in one turn.
        let over = at.is_some_and(|at| Instant::now() >= at)
            || sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready());
        if over || notified.as_mut().poll(cx).is_ready() { Poll::Ready(Wake::Time) } else { Poll::Pending }
    })
    .await
}

/// Sends a greeting to a target with one of its keys, as a chat or embedding request according to how the target is
/// used.
pub(crate) fn probe(shared: &Shared, target: TargetIndex, key: KeyIndex) -> Probing {
    let connected = &shared.targets[target];
    let request: Request = if connected.embeds.load(Ordering::Relaxed) {
        EmbedRequest::to(connected.model.as_ref()).texts(["hello"]).into()
    } else {
        ChatRequest::to(connected.model.as_ref()).user("Say hello.").max_output(ANSWER).into()
    };
    let slot = connected.keys.get(key.position()).cloned();
    let model = Arc::clone(&connected.model);
    let provider = Arc::clone(&connected.provider);
    tracing::debug!(target: "hotspare", target = %connected.id, "probing");
    Box::pin(async move {
        let secret = match &slot {
            Some(slot) => Some(slot.secret(Clock::wall()).await?),
            None => None,
        };
        let outbound = Outbound::new(request, model, false).with_secret(secret.clone());
        let result = greet(&*provider, outbound.with_sent_at(Clock::wall())).await;
        if let (Err(error), Some(slot), Some(rejected)) = (&result, &slot, &secret)
            && error.rejects_key()
        {
            // Later requests use the newer key, if there is one.
            slot.renew(rejected).await;
        }
        result
    })
}

async fn greet(provider: &dyn Provider, outbound: Outbound) -> Result<(), Error> {
    let mut signals = provider.send(outbound).await?;
    let mut finished = false;
    while let Some(signal) = signals.next().await {
        // An answer that never pauses must not keep other tasks from this thread, nor the prober from its timers.
        tokio::task::coop::consume_budget().await;
        if let Signal::Chunk(chunk) = signal? {
            finished |= matches!(chunk.event, Event::Finished(_));
        }
    }
    if finished { Ok(()) } else { Err(Error::new(Kind::Truncated, "the probe's answer is too long")) }
}
