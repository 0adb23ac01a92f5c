//! One running attempt: its future or stream, polled.
//!
//! Not what its events mean. Invariant: a panic in a provider's code is that attempt's failure, whether it is polled or
//! dropped: it takes down neither the call nor what the call holds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{BoxStream, StreamExt};
use hotspare_core::{Error, Kind};
use hotspare_engine::Judged;
use hotspare_provider::{Secret, Signal};

use crate::blocking::Blocking;
use crate::key::KeySlot;

pub(super) type SignalStream = BoxStream<'static, Result<Signal, Error>>;

/// One running attempt.
pub(super) struct ActiveAttempt {
    pub(super) stage: Stage,
    /// The key slot it uses, and the secret that was actually sent.
    pub(super) key: Option<(Arc<KeySlot>, Arc<OnceLock<Secret>>)>,
}

/// How far it is.
pub(super) enum Stage {
    Connecting(BoxFuture<'static, Result<SignalStream, Error>>),
    Streaming(SignalStream),
    /// Its answer is complete and is being judged.
    Judging(Blocking<Box<Judged>>),
    /// Resolves to whether its rejected key has been replaced at its source.
    Renewing(BoxFuture<'static, bool>, Error),
}

/// What an attempt has to say.
pub(super) enum Said {
    /// Its reply has begun; there is nothing to report yet.
    Connected,
    /// A signal of its reply, a failure, or the end.
    Signal(Option<Result<Signal, Error>>),
    Judged(Result<Box<Judged>, Error>),
    /// Whether its rejected key has been replaced, and the rejection.
    Renewed(bool, Error),
}

impl ActiveAttempt {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Said> {
        match &mut self.stage {
            Stage::Connecting(future) => match caught(|| future.as_mut().poll(cx)) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(Ok(signals))) => {
                    self.stage = Stage::Streaming(signals);
                    Poll::Ready(Said::Connected)
                }
                Ok(Poll::Ready(Err(error))) | Err(error) => Poll::Ready(Said::Signal(Some(Err(error)))),
            },
            Stage::Streaming(signals) => match caught(|| signals.poll_next_unpin(cx)) {
                Ok(polled) => polled.map(Said::Signal),
                Err(error) => Poll::Ready(Said::Signal(Some(Err(error)))),
            },
            Stage::Judging(judging) => judging.poll_unpin(cx).map(Said::Judged),
            Stage::Renewing(renewing, error) => {
                renewing.as_mut().poll(cx).map(|renewed| Said::Renewed(renewed, error.clone()))
            }
        }
    }

    /// Its next stage after its key was rejected: looks for another one.
    pub(super) fn renew(&mut self, error: Error) {
        let key = self.key.take();
        let renewing = async move {
            let Some((slot, used)) = key else { return false };
            let Some(rejected) = used.get() else { return false };
            slot.renew(rejected).await
        };
        discard(std::mem::replace(&mut self.stage, Stage::Renewing(Box::pin(renewing), error)));
    }
}

/// Drops what an attempt held. Its connection closes, whatever code of the provider runs then.
pub(super) fn discard<T>(held: T) {
    if caught(|| drop(held)).is_err() {
        tracing::error!(target: "hotspare", "a provider's reply panicked when it was dropped");
    }
}

/// Runs code of a provider. What panics is dropped, and never polled again. What the panic says goes to the program's panic
/// hook alone: it may repeat a prompt or a key.
fn caught<T>(run: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(run))
        .map_err(|_| Error::new(Kind::Protocol, "the provider's code panicked"))
}
