//! The end of the grace period for in-flight answers.
//!
//! Not the signal to stop, which only starts that period. Invariant: clients still waiting get an error in their wire's
//! format, inside the stream if it has begun, and no answer that was cut off looks complete.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hotspare::{Error, Kind};
use tokio::sync::watch;

use crate::refusal;
use crate::socket::{self, Socket};

/// Signals the end of the grace period to everything that produces an answer.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Sending `true` on the returned sender ends the grace period.
    pub(crate) fn new() -> (watch::Sender<bool>, Self) {
        let (cut_off, shutdown) = watch::channel(false);
        (cut_off, Self(shutdown))
    }

    /// Resolves when in-flight answers are to be cut off.
    pub(crate) async fn grace_period_over(mut self) {
        if self.0.wait_for(|shutdown| *shutdown).await.is_err() {
            // The sender is gone, so the grace period never ends.
            std::future::pending::<()>().await;
        }
    }
}

/// How long clients should wait before they retry: by then, load balancers send their connections to another instance.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The error with which an answer is cut off or refused.
pub(crate) fn error() -> Error {
    Error::new(Kind::NoTarget, "the gateway is shutting down; retry")
        .with_code(refusal::SHUTTING_DOWN)
        .with_retry_after(RETRY_AFTER)
}

/// What can end an answer early: the shutdown, or its caller.
pub(crate) struct Interruption(Pin<Box<dyn Future<Output = Error> + Send>>);

impl Interruption {
    pub(crate) fn new(shutdown: Shutdown, socket: Socket) -> Self {
        Self(Box::pin(async move {
            tokio::select! {
                () = shutdown.grace_period_over() => error(),
                () = socket.hung_up() => socket::hung_up(),
            }
        }))
    }

    /// The error with which the answer ends.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        self.0.as_mut().poll(cx)
    }
}
