//! Reports of calls that have ended, for the application's metrics.
//!
//! Not a log. Invariant: one report per call, also if its future or stream was dropped; made only if someone listens.

use std::time::Duration;

use hotspare_core::{Error, Outcome, TargetId, Trail};

/// A call that has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallReport {
    /// The route.
    pub route: String,
    /// The request's end user, if it named one.
    pub end_user: Option<String>,
    /// Whether the answer was requested as a stream.
    pub stream: bool,
    /// How it ended.
    pub end: CallEnd,
    /// Its attempts, with their times, tokens and cost. If the call was dropped, those under way are
    /// [`Cancelled`](hotspare_core::Outcome::Cancelled).
    pub trail: Trail,
    /// Time from its start to its end.
    pub duration: Duration,
}

impl CallReport {
    /// Time from the call's start to the first content of the attempt that served, or of the last one under way when the
    /// call was dropped, whether that content had been passed on or was still held; `None` if there is none.
    #[must_use]
    pub fn first_content(&self) -> Option<Duration> {
        let serving = match self.end {
            CallEnd::Dropped => self.trail.attempts.iter().rfind(|attempt| {
                attempt.first_content.is_some()
                    && matches!(attempt.outcome, Outcome::Served | Outcome::Cancelled { .. })
            }),
            CallEnd::Failed(_) | CallEnd::Served(_) => self.trail.serving(),
        }?;
        Some(serving.started + serving.first_content?)
    }
}

/// How a call ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CallEnd {
    /// The caller dropped it: its future, or a stream that had not ended.
    Dropped,
    /// It gave no answer, or only a part of one.
    Failed(Error),
    /// It was answered by this target, which in a continued answer wrote the last part.
    Served(TargetId),
}
