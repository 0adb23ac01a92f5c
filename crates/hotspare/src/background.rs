//! A client's background task: its handle.
//!
//! Not what the task does. Invariant: at most one task runs, and it is aborted when its handle is dropped.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// The task, once it has been started.
#[derive(Debug, Default)]
pub(crate) struct BackgroundTask {
    task: Mutex<Option<AbortHandle>>,
    /// Notified when something has changed that concerns the task.
    notify: Arc<Notify>,
}

impl BackgroundTask {
    /// Wakes the task.
    pub(crate) fn wake(&self) {
        self.notify.notify_one();
    }

    /// Starts the task unless one is running (the runtime of an earlier one may have shut down). `make` returns `None` if
    /// there is nothing to do.
    pub(crate) fn start<F: Future<Output = ()> + Send + 'static>(
        &self,
        make: impl FnOnce(Arc<Notify>) -> Option<F>,
    ) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        *task = make(Arc::clone(&self.notify)).map(|future| runtime.spawn(future).abort_handle());
    }
}

/// Dropping the last client aborts the task, and with it all connections that it holds.
impl Drop for BackgroundTask {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
    }
}
