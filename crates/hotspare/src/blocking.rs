//! Runs work that would hold up other tasks of its thread on a thread of the runtime's blocking pool.
//!
//! Not for IO, which is async. Invariant: a panic of the work panics its caller, as if it had run in place, and work
//! whose caller has gone is not started.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hotspare_core::{Error, Kind};
use tokio::task::JoinHandle;

/// Runs `work` on the blocking pool, within the current span.
///
/// # Errors
/// [`Kind::Cancelled`] if the runtime is shutting down.
pub(crate) fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Blocking<T> {
    let span = tracing::Span::current();
    Blocking(tokio::task::spawn_blocking(move || span.in_scope(work)))
}

/// Work on the blocking pool; a future of its result.
#[derive(Debug)]
pub(crate) struct Blocking<T>(JoinHandle<T>);

impl<T> Future for Blocking<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let joined = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(joined.map_err(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Error::new(Kind::Cancelled, "the runtime is shutting down"),
        }))
    }
}

/// Work that has started runs to its end.
impl<T> Drop for Blocking<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn panics_reach_the_caller() {
        let panic = AssertUnwindSafe(run(|| panic!("a bug"))).catch_unwind().await;
        let panic = panic.map(drop).expect_err("the work panicked");
        assert_eq!(panic.downcast_ref(), Some(&"a bug"));
    }
}
