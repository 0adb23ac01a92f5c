//! The end of the grace period for in-flight answers.
//!
//! Not the signal to stop, which only starts that period. Invariant: clients still waiting get an error in their wire's
//! format, inside the stream if it has begun, and no answer that was cut off looks complete.

use std::pin::Pin;
use std::task::{Context, Poll};

use hotspare::{Error, Kind};
use tokio::sync::watch;

use crate::refusal;
use crate::socket::{self, Socket};

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

/// What can end an answer early: the closing, or its caller. For polling.
pub(crate) struct Watch(Pin<Box<dyn Future<Output = Error> + Send>>);

impl Watch {
    pub(crate) fn over(closing: Closing, socket: Socket) -> Self {
        Self(Box::pin(async move {
            tokio::select! {
                () = closing.begun() => why(),
                () = socket.hung_up() => socket::hung_up(),
            }
        }))
    }

    /// The error with which the answer ends.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        self.0.as_mut().poll(cx)
    }
}
