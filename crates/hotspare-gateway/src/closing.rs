//! The end of the time in which answers under way may be finished.
//!
//! Not the signal to stop, which only begins that time. Invariant: whoever still waits is told in the words of their wire,
//! inside the stream if it has begun, and no answer that was cut off looks like one that has ended.

use std::pin::Pin;
use std::task::{Context, Poll};

use hotspare::{Error, Kind};
use tokio::sync::watch;

use crate::refusal;

/// What everybody who answers listens to.
#[derive(Clone, Debug)]
pub(crate) struct Closing(watch::Receiver<bool>);

impl Closing {
    /// Whoever closes says `true`.
    pub(crate) fn new() -> (watch::Sender<bool>, Self) {
        let (close, closing) = watch::channel(false);
        (close, Self(closing))
    }

    /// Resolves when answers under way are to be cut off.
    pub(crate) async fn begun(mut self) {
        if self.0.wait_for(|closing| *closing).await.is_err() {
            // Whoever would close has gone, and nobody else will.
            std::future::pending::<()>().await;
        }
    }
}

/// Why an answer is cut off, or not begun.
pub(crate) fn why() -> Error {
    Error::new(Kind::NoTarget, "the gateway is shutting down; ask again").with_code(refusal::SHUTTING_DOWN)
}

/// [`Closing::begun`] for those who poll.
pub(crate) struct Watch(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Watch {
    pub(crate) fn over(closing: Closing) -> Self {
        Self(Box::pin(closing.begun()))
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}
