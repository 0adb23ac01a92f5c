//! The timer of a call: when it is polled although nothing has happened.
//!
//! Not what is due then. Invariant: a timer that goes off late, because the process was stopped or its threads were busy,
//! gives what has arrived meanwhile time to be read before the call acts on it, once in a row.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hotspare_core::Moment;
use tokio::time::Sleep;

use crate::clock::Clock;

/// Later than this after its moment, a timer says that nothing ran meanwhile: a busy runtime is late by less.
const LATE: Duration = Duration::from_millis(500);

/// How long after that the tasks that read the connections have to deliver what the operating system holds. They and the
/// call wake up together; this is many of their turns, and little beside the pause.
const CATCH_UP: Duration = Duration::from_millis(50);

/// The timer of one call.
#[derive(Debug, Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// Since when the call has been waiting to be woken.
    waiting: Option<Moment>,
    /// Nothing is due before this moment.
    not_before: Moment,
    /// It has been late and in time never since, so it is not excused again: it may be late whenever it goes off.
    was_late: bool,
}

impl Timer {
    /// The call waits from now on.
    pub(super) fn wait(&mut self, now: Moment) {
        self.waiting = Some(now);
    }

    /// The call runs again, with its timer set to `at`. If that was long ago, returns since when it may not have run.
    pub(super) fn resume(&mut self, now: Moment, at: Option<Moment>) -> Option<Moment> {
        let since = self.waiting.take()?;
        let at = at?.max(self.not_before);
        if now < at {
            return None;
        }
        let late = now.saturating_since(at) > LATE;
        let excused = late && !self.was_late;
        self.was_late = late;
        if excused {
            self.not_before = now + CATCH_UP;
        }
        excused.then_some(since)
    }

    /// Whether what was to happen at `at` is due.
    pub(super) fn is_due(&self, now: Moment, at: Option<Moment>) -> bool {
        at.is_some_and(|at| now >= at.max(self.not_before))
    }

    /// Goes off at `at`. If that has moved later since, the timer is reset only once it fires: most timers are overtaken by
    /// events.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, clock: &Clock, at: Option<Moment>) -> Poll<()> {
        let Some(at) = at else { return Poll::Pending };
        let at = clock.instant(at.max(self.not_before));
        loop {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            if sleep.deadline() > at {
                sleep.as_mut().reset(at);
            }
            std::task::ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= at {
                self.sleep = None;
                return Poll::Ready(());
            }
            sleep.as_mut().reset(at);
        }
    }
}
