//! Runs work that would hold up other tasks of its thread on a thread of the runtime's blocking pool.
//!
//! Not for IO, which is async. Invariants: two pieces of work per core run at once, and others wait in order, so that
//! costly schemas leave the serving threads their share of the processor; a panic of the work panics its caller, as if it
//! had run in place; work whose caller has gone is not started.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::thread::available_parallelism;

use futures::future::BoxFuture;
use hotspare_core::{Error, Kind};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinHandle};

/// Permits for work that runs now.
static SLOTS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let cores = available_parallelism().map_or(1, usize::from);
    Arc::new(Semaphore::new(2 * cores))
});

/// Runs `work` on the blocking pool, within the current span.
///
/// # Errors
/// [`Kind::Cancelled`] if the runtime is shutting down.
pub(crate) fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Blocking<T> {
    run_in(Arc::clone(&SLOTS), work)
}

fn run_in<T: Send + 'static>(
    slots: Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Blocking<T> {
    let span = tracing::Span::current();
    let gone = || Error::new(Kind::Cancelled, "the runtime is shutting down");
    Blocking(Box::pin(async move {
        let slot = slots.acquire_owned().await.map_err(|_| gone())?;
        let work = move || {
            let _slot = slot;
            span.in_scope(work)
        };
        let task = AbortOnDrop(tokio::task::spawn_blocking(work));
        task.await.map_err(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => gone(),
        })
    }))
}
/// Work on the blocking pool, or waiting for its turn; a future of its result.
pub(crate) struct Blocking<T>(BoxFuture<'static, Result<T, Error>>);

impl<T> Future for Blocking<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for Blocking<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking").finish_non_exhaustive()
    }
}

/// Aborts its task when dropped, unless it has started.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for AbortOnDrop<T> {
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

    #[tokio::test]
    async fn work_beyond_the_limit_waits_and_is_dropped_with_its_caller() {
        let slots = Arc::new(Semaphore::new(1));
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let mut first = run_in(Arc::clone(&slots), move || wait.recv().unwrap());
        assert!((&mut first).now_or_never().is_none());
        let mut second = run_in(Arc::clone(&slots), || "second");
        let mut third = run_in(Arc::clone(&slots), || "third");
        assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
        assert_eq!(slots.available_permits(), 0);
        drop(second);
        release.send(()).unwrap();
        first.await.unwrap();
        assert_eq!(third.await.unwrap(), "third");
        assert_eq!(slots.available_permits(), 1);
    }
}
