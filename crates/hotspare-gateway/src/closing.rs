//! The end of the grace period for in-flight answers.
//!
//! Not the signal to stop, which only starts that period. Invariant: clients still waiting get an error in their wire's
//! format, inside the stream if it has begun, and no answer that was cut off looks complete.

use std::pin::Pin;
use std::task::{Context, Poll};

use hotspare::{Error, Kind};
use tokio::sync::watch;

use crate::refusal;

/// Observed by everything that produces an answer.
#[derive(Clone, Debug)]
pub(crate) struct Closing(watch::Receiver<bool>);

impl Closing {
    /// Sending `true` on the returned sender begins the closing.
    pub(crate) fn new() -> (watch::Sender<bool>, Self) {
        let (close, closing) = watch::channel(false);
        (close, Self(closing))
    }

    /// Resolves when in-flight answers are to be cut off.
    pub(crate) async fn begun(mut self) {
        if self.0.wait_for(|closing| *closing).await.is_err() {
            // The sender is gone, so this can no longer happen.
            std::future::pending::<()>().await;
        }
    }
}

/// The error with which an answer is cut off or refused.
pub(crate) fn why() -> Error {
    Error::new(Kind::NoTarget, "the gateway is shutting down; retry").with_code(refusal::SHUTTING_DOWN)
}

/// [`Closing::begun`] for polling.
pub(crate) struct Watch(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Watch {
    pub(crate) fn over(closing: Closing) -> Self {
        Self(Box::pin(closing.begun()))
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}
