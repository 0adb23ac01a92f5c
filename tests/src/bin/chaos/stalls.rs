//! Repeats runs that missed a mark because the machine stopped this process for a while.
//!
//! Does not judge marks. Invariant: a run is repeated only if it missed a mark and this process was stopped for at least
//! [`SPOILED`] in the meantime, at most twice, and standard error says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often the watching thread wakes up.
const TICK: Duration = Duration::from_millis(5);

/// The stall that spoils a run: a third of the limits of most scenarios. After it, timers are due before the reply that
/// arrived in time is read.
const SPOILED: Duration = Duration::from_millis(100);

/// The most that one scenario is run.
const RUNS: u32 = 3;

/// A thread that notices how long this process was stopped.
#[derive(Clone, Debug, Default)]
pub(crate) struct StallWatch {
    /// The longest stall so far, in milliseconds.
    longest: Arc<AtomicU64>,
}

impl StallWatch {
    /// Starts the thread, which ends with the process.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(crate) fn start() -> Result<Self, String> {
        let watch = Self::default();
        let thread = std::thread::Builder::new().name("stalls".into());
        let watching = watch.clone();
        thread
            .spawn(move || watching.run())
            .map_err(|error| format!("no thread to watch for stalls: {error}"))?;
        Ok(watch)
    }

    fn run(&self) {
        loop {
            let begun = Instant::now();
            std::thread::sleep(TICK);
            self.record(begun.elapsed().saturating_sub(TICK));
        }
    }

    fn record(&self, stall: Duration) {
        self.longest.fetch_max(u64::try_from(stall.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The longest stall since this was last called, including one that has just ended.
    async fn take(&self) -> Duration {
        // The thread may not have woken up yet.
        tokio::time::sleep(2 * TICK).await;
        Duration::from_millis(self.longest.swap(0, Ordering::Relaxed))
    }

    /// Runs a scenario, again if a stall spoiled it.
    pub(crate) async fn repeat_spoiled<T>(
        &self,
        name: &str,
        run: impl AsyncFn() -> T,
        has_passed: impl Fn(&T) -> bool,
    ) -> T {
        self.take().await;
        let mut result = run().await;
        for _ in 1..RUNS {
            if has_passed(&result) {
                break;
            }
            let stall = self.take().await;
            if stall < SPOILED {
                break;
            }
            eprintln!(
                "{name} missed a mark while the machine stopped this process for {stall:?}: it runs again"
            );
            result = run().await;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a scenario runs that passes in the run of this number, with this stall in each.
    async fn runs(passes_in: u64, stall: Duration) -> u64 {
        let (watch, runs) = (StallWatch::default(), AtomicU64::new(0));
        let run = async || {
            watch.record(stall);
            runs.fetch_add(1, Ordering::Relaxed) + 1
        };
        watch.repeat_spoiled("x", run, |number| *number >= passes_in).await;
        runs.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_spoiled_run_is_repeated_and_at_most_twice() {
        let (short, long) = (SPOILED - Duration::from_millis(1), SPOILED);
        assert_eq!(runs(1, long).await, 1, "it passed");
        assert_eq!(runs(2, long).await, 2);
        assert_eq!(runs(9, long).await, 3, "its breach is reported");
        assert_eq!(runs(9, short).await, 1, "the machine is not to blame");
    }

    #[tokio::test(start_paused = true)]
    async fn stall_before_a_run_is_no_excuse() {
        let (watch, runs) = (StallWatch::default(), AtomicU64::new(0));
        watch.record(SPOILED);
        watch.repeat_spoiled("x", async || runs.fetch_add(1, Ordering::Relaxed), |_| false).await;
        assert_eq!(runs.into_inner(), 1);
    }
}
