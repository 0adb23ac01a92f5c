//! Makes any provider unreliable.
//!
//! Works on events, so it fits any provider; for bytes, see `ChaosTransport`. Invariant: a call without a planned fault
//! passes through untouched.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use hotspare_core::{Error, Kind};
use hotspare_provider::{Outbound, Provider, Signal, Wrapper};

use crate::fault::Fault;
use crate::plan::FaultPlan;
use crate::scripted::failure;

/// Wraps a provider and injects the faults of a plan.
#[derive(Debug)]
pub struct ChaosProvider<P> {
    inner: P,
    plan: FaultPlan,
    calls: Arc<AtomicU64>,
}

impl<P: Provider> ChaosProvider<P> {
    /// Wraps `inner`.
    pub fn new(inner: P, plan: FaultPlan) -> Self {
        Self { inner, plan, calls: Arc::default() }
    }
}

impl<P: Provider> Wrapper for ChaosProvider<P> {
    type Inner = P;

    fn inner(&self) -> &P {
        &self.inner
    }
}

#[async_trait]
impl<P: Provider> Provider for ChaosProvider<P> {
    async fn send(&self, call: Outbound) -> Result<BoxStream<'static, Result<Signal, Error>>, Error> {
        let Some(fault) = self.plan.at(self.calls.fetch_add(1, Ordering::Relaxed)) else {
            return self.inner.send(call).await;
        };
        let fail = |kind| Err(Error::new(kind, format!("injected: {fault}")));
        match fault {
            Fault::Refuse => fail(Kind::Connect),
            Fault::ResetBeforeHead | Fault::CloseBeforeHead => fail(Kind::Disconnected),
            Fault::Silence => std::future::pending().await,
            Fault::OnlyPings => {
                let pings = futures::stream::unfold(opened(), |next| async {
                    if matches!(next, Signal::Alive) {
                        tokio::time::sleep(PING_INTERVAL).await;
                    }
                    Some((Ok(next), Signal::Alive))
                });
                Ok(Box::pin(pings))
            }
            Fault::Status(status) => Err(failure(status, format!("injected: {fault}"))),
            Fault::RateLimited(seconds) => {
                let pause = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
                Err(failure(429, format!("injected: {fault}")).with_retry_after(pause))
            }
            Fault::QuotaExhausted => {
                Err(Error::new(Kind::QuotaExhausted, format!("injected: {fault}")).with_status(429))
            }
            Fault::SlowFirstToken(time) => {
                tokio::time::sleep(time).await;
                self.inner.send(call).await
            }
            Fault::SlowDrip(time) => {
                let signals = self.inner.send(call).await?;
                Ok(Box::pin(signals.then(move |signal| async move {
                    tokio::time::sleep(time).await;
                    signal
                })))
            }
            Fault::CutAfter(n)
            | Fault::CleanEndAfter(n)
            | Fault::ErrorEventAfter(n)
            | Fault::MalformedAfter(n) => {
                let kind = match fault {
                    Fault::ErrorEventAfter(_) => Kind::Overloaded,
                    Fault::MalformedAfter(_) => Kind::Protocol,
                    _ => Kind::Truncated,
                };
                let error = Error::new(kind, format!("injected: {fault}"));
                let end = futures::stream::iter([Err(error)]);
                Ok(Box::pin(first_content(n, self.inner.send(call).await?).chain(end)))
            }
            Fault::StallAfter(n) => {
                Ok(Box::pin(first_content(n, self.inner.send(call).await?).chain(futures::stream::pending())))
            }
            // There are no bytes at this level: the reply begins and is then cut.
            Fault::ResetAfterBytes(_) => {
                let cut = Err(Error::new(Kind::Truncated, format!("injected: {fault}")));
                Ok(Box::pin(futures::stream::iter([Ok(opened()), cut])))
            }
            Fault::Empty200
            | Fault::Html200
            | Fault::OnlyDone
            | Fault::HeaderBomb
            | Fault::HugeBody
            | Fault::HugeLine => fail(Kind::Protocol),
        }
    }
}

/// Interval between pings of a server that sends nothing else.
const PING_INTERVAL: Duration = Duration::from_millis(500);

fn opened() -> Signal {
    Signal::Opened(Box::default())
}

/// The signals up to and including the first `n` pieces of content.
fn first_content(
    n: u32,
    signals: BoxStream<'static, Result<Signal, Error>>,
) -> BoxStream<'static, Result<Signal, Error>> {
    let mut left = n;
    Box::pin(signals.take_while(move |signal| {
        let content = matches!(signal, Ok(Signal::Chunk(chunk)) if chunk.event.is_content());
        let keep = !content || left > 0;
        left = left.saturating_sub(u32::from(content));
        std::future::ready(keep)
    }))
}
