//! A client's background task: its handle.
//!
//! Not what the task does. Invariant: at most one task runs, it is aborted when its handle is dropped, and one whose runtime is
//! no longer driven is replaced.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hotspare_core::Moment;
use hotspare_engine::Prober;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// When a task is that late, nobody drives its runtime: a thread that called `block_on` may have gone on to other work for good.
/// Replacing one that is only busy costs the probes under way.
const OVERDUE: Duration = Duration::from_secs(1);

/// The task, once it has been started.
#[derive(Debug, Default)]
pub(crate) struct BackgroundTask {
    task: Mutex<Option<Running>>,
}

/// A task that has been started.
#[derive(Debug)]
struct Running {
    handle: AbortHandle,
    schedule: Arc<Schedule>,
    prober: SharedProber,
}

/// The prober that a task drives. Locked only while the world is, so never around application code.
pub(crate) type SharedProber = Arc<Mutex<Prober>>;

/// When a task must run again.
#[derive(Debug)]
pub(crate) struct Schedule {
    due: Mutex<Option<Moment>>,
    /// Notified when something has changed that concerns the task.
    pub(crate) notify: Notify,
}

impl Schedule {
    /// Of a task that is due at once.
    fn new(now: Moment) -> Self {
        Self { due: Mutex::new(Some(now)), notify: Notify::new() }
    }

    /// The task waits until `due`.
    pub(crate) fn wait_until(&self, due: Option<Moment>) {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = due;
    }

    fn wake(&self, now: Moment) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        *due = Some(due.map_or(now, |due| due.min(now)));
        self.notify.notify_one();
    }

    fn is_overdue(&self, now: Moment) -> bool {
        let due = *self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.is_some_and(|due| now.saturating_since(due) > OVERDUE)
    }
}

impl BackgroundTask {
    /// Wakes the task.
    pub(crate) fn wake(&self, now: Moment) {
        if let Some(task) = &*self.lock() {
            task.schedule.wake(now);
        }
    }

    /// Aborts the task if it is overdue and returns its prober, which must give up: the task itself is dropped only when its
    /// runtime is driven again.
    pub(crate) fn abort_overdue(&self, now: Moment) -> Option<SharedProber> {
        let is_overdue = |task: &mut Running| !task.handle.is_finished() && task.schedule.is_overdue(now);
        let overdue = self.lock().take_if(is_overdue)?;
        // Outside the lock: if its runtime has just ended, the task may be dropped here.
        overdue.handle.abort();
        Some(overdue.prober)
    }

    /// Starts the task unless one is running (the runtime of an earlier one may have shut down). `make` returns `None` if
    /// there is nothing to do.
    pub(crate) fn start<F: Future<Output = ()> + Send + 'static>(
        &self,
        now: Moment,
        make: impl FnOnce(Arc<Schedule>) -> Option<(SharedProber, F)>,
    ) {
        let mut task = self.lock();
        if task.as_ref().is_some_and(|task| !task.handle.is_finished()) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let schedule = Arc::new(Schedule::new(now));
        *task = make(Arc::clone(&schedule)).map(|(prober, future)| {
            let handle = runtime.spawn(future).abort_handle();
            Running { handle, schedule, prober }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Dropping the last client aborts the task, and with it all connections that it holds.
impl Drop for BackgroundTask {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.handle.abort();
        }
    }
}
