//! Runs jobs in parallel, each on one thread from start to end.
//!
//! Invariant: results are returned in the order of the jobs, regardless of which finishes first.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// One run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub(super) scenario: usize,
    pub(super) player: usize,
    pub(super) seed: u64,
    pub(super) detail: bool,
}

/// Runs all jobs. `weigh` estimates how long each takes, in any unit: the longest start first, and progress is measured
/// by it.
pub(super) fn run_all<J: Sync, T: Send>(
    jobs: &[J],
    threads: Option<usize>,
    weigh: &(dyn Fn(&J) -> u64 + Sync),
    run: impl Fn(&J) -> Result<T, String> + Sync,
) -> Result<Vec<T>, String> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = threads.unwrap_or(cores).clamp(1, 256);
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(weigh(&jobs[*index])));
    let results: Vec<Mutex<Option<Result<T, String>>>> = jobs.iter().map(|_| Mutex::new(None)).collect();
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let progress = Progress::new(jobs.iter().map(weigh).sum());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = run(&jobs[index]);
                    if let Ok(mut slot) = results[index].lock() {
                        *slot = Some(result);
                    }
                    let weight = weigh(&jobs[index]);
                    progress.update(done.fetch_add(weight, Ordering::Relaxed) + weight);
                }
            });
        }
    });
    progress.clear();
    let missing = || Err("a run panicked".to_owned());
    results.into_iter().map(|slot| slot.into_inner().ok().flatten().unwrap_or_else(missing)).collect()
}

/// A progress line on standard error, if that is a terminal.
struct Progress {
    total: u64,
    started: Instant,
    last_drawn: Mutex<Option<Instant>>,
}

impl Progress {
    fn new(total: u64) -> Self {
        let last_drawn = std::io::stderr().is_terminal().then(Instant::now);
        Self { total: total.max(1), started: Instant::now(), last_drawn: Mutex::new(last_drawn) }
    }

    fn update(&self, done: u64) {
        let Ok(mut last_drawn) = self.last_drawn.lock() else { return };
        if last_drawn.is_none_or(|at| at.elapsed().as_millis() < 100) {
            return;
        }
        *last_drawn = Some(Instant::now());
        let share = done as f64 / self.total as f64;
        let bar: String =
            (0..30).map(|step| if f64::from(step) < share * 30.0 { '█' } else { '·' }).collect();
        let left = self.started.elapsed().as_secs_f64() * (1.0 - share) / share.max(1e-6);
        // A closed standard error is not a failure.
        let _ = write!(std::io::stderr(), "\r{bar} {:>3.0} %, {left:.0} s left   ", share * 100.0);
    }

    fn clear(&self) {
        if self.last_drawn.lock().is_ok_and(|last_drawn| last_drawn.is_some()) {
            let _ = write!(std::io::stderr(), "\r{:60}\r", "");
        }
    }
}
