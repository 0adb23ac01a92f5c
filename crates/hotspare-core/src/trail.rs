//! The record of a call: which targets were tried, why, and how each attempt went.
//!
//! Not a log and not a metric, though both are derived from it. Invariant: every attempt that was started and every
//! target that was skipped is recorded, without keys or prompts.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cost::Cost;
use crate::kind::Kind;
use crate::target::TargetId;
use crate::usage::{Turn, Usage};

/// Every attempt of one call, in the order they started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Trail {
    /// Attempts that were started.
    pub attempts: Vec<Attempt>,
    /// Targets that were skipped, and why.
    pub skipped: Vec<Skipped>,
}

impl Trail {
    /// The record of a call that did nothing.
    pub const EMPTY: Self = Self { attempts: Vec::new(), skipped: Vec::new() };

    /// The attempt that gave the answer, or the last one started that is still running.
    #[must_use]
    pub fn serving(&self) -> Option<&Attempt> {
        self.attempts.iter().rfind(|attempt| matches!(attempt.outcome, Outcome::Served | Outcome::Running))
    }

    /// The tokens of all attempts together, losers included, as far as they are known.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let mut total = Usage::default();
        for attempt in &self.attempts {
            total += &attempt.usage;
        }
        total
    }

    /// The cost of all attempts together, losers included: of those whose price is known, so at least this much was spent.
    /// `None` if no price is known for any of them.
    #[must_use]
    pub fn cost(&self) -> Option<Cost> {
        let mut known = self.attempts.iter().filter_map(|attempt| attempt.cost).peekable();
        known.peek().is_some().then(|| known.sum())
    }
}

/// One attempt at one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Attempt {
    /// The target.
    pub target: TargetId,
    /// What part it plays in its call; `First` in records made before it was recorded.
    #[serde(default)]
    pub start: StartKind,
    /// Why this target, at this point, for humans.
    pub why: String,
    /// Time from the start of the call to the start of this attempt.
    pub started: Duration,
    /// How it went.
    pub outcome: Outcome,
    /// The provider's id of the request, for support inquiries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Time from the attempt's start to its first content.
    pub first_content: Option<Duration>,
    /// Time from the attempt's start to its end.
    pub duration: Duration,
    /// Tokens, as far as known; losers and failures count too.
    pub usage: Usage,
    /// The tokens of each model, if the provider let several work on the answer; the cost is theirs together, while
    /// `usage` has the tokens of the answer itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Turn>,
    /// What the tokens cost at list price; `None` where no price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// What was changed in the request or the answer for this target: a template, omitted parts, repairs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What was wrong with the form of the answer, without quoting it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<String>,
}

impl Attempt {
    /// An attempt that has just started.
    #[must_use]
    pub fn begun(target: TargetId, start: StartKind, why: String, started: Duration) -> Self {
        Self {
            target,
            start,
            why,
            started,
            outcome: Outcome::Running,
            request_id: None,
            first_content: None,
            duration: Duration::ZERO,
            usage: Usage::default(),
            turns: Vec::new(),
            cost: None,
            notes: Vec::new(),
            violations: Vec::new(),
        }
    }
}

/// What part an attempt plays in its call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StartKind {
    /// The first attempt, at the target that ranks first.
    #[default]
    First,
    /// Another attempt at a target that the call has tried before.
    Retry,
    /// In place of a target that was blocked, failed, was late or cut its answer.
    Failover,
    /// Beside an attempt that takes longer than usual but is not late.
    Hedge,
    /// At a blocked target, because all targets are blocked.
    LastResort,
    /// Beside other attempts from the beginning, as the route's strategy wants it.
    Race,
}

impl StartKind {
    /// Its name in metrics and logs, as it is serialized.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Retry => "retry",
            Self::Failover => "failover",
            Self::Hedge => "hedge",
            Self::LastResort => "last_resort",
            Self::Race => "race",
        }
    }
}

impl fmt::Display for StartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How an attempt went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It was stopped because another attempt or the caller made it unnecessary.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// It failed.
    Failed {
        /// What went wrong.
        kind: Kind,
        /// HTTP status, if there was a reply.
        status: Option<u16>,
        /// Details, without keys or prompts.
        message: String,
    },
    /// It is in flight.
    Running,
    /// It produced the answer, or the last part of it.
    Served,
}

/// A target that was skipped, or not tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Skipped {
    /// The target.
    pub target: TargetId,
    /// Why.
    pub why: String,
    /// How long until it may be tried, if it was only blocked for a time: its breaker is open, or a rate limit applies.
    /// `None` if the request, an operator or a limit of the route ruled it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
}

impl Skipped {
    /// A skipped target and the reason.
    #[must_use]
    pub fn new(target: TargetId, why: String) -> Self {
        Self { target, why, retry_after: None }
    }

    /// Sets how long until it may be tried.
    #[must_use]
    pub fn with_retry_after(mut self, pause: Option<Duration>) -> Self {
        self.retry_after = pause;
        self
    }
}

impl fmt::Display for Trail {
    /// One line per attempt, for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, attempt) in self.attempts.iter().enumerate() {
            write!(f, "{}. {} ({}): ", index + 1, attempt.target, attempt.why)?;
            match &attempt.outcome {
                Outcome::Cancelled { reason } => write!(f, "cancelled, {reason}")?,
                Outcome::Failed { kind, status: Some(status), .. } => write!(f, "{kind} ({status})")?,
                Outcome::Failed { kind, .. } => write!(f, "{kind}")?,
                Outcome::Running => f.write_str("running")?,
                Outcome::Served => f.write_str("served")?,
            }
            if let Some(first) = attempt.first_content {
                write!(f, ", first content after {} ms", first.as_millis())?;
            }
            write!(f, ", {} ms", attempt.duration.as_millis())?;
            if let Some(tokens) = attempt.usage.total() {
                write!(f, ", {tokens} tokens")?;
            }
            if let Some(cost) = attempt.cost {
                write!(f, ", {cost}")?;
            }
            for note in &attempt.notes {
                write!(f, "; {note}")?;
            }
            for violation in &attempt.violations {
                write!(f, "; {violation}")?;
            }
            writeln!(f)?;
        }
        for skipped in &self.skipped {
            writeln!(f, "-  {}: skipped, {}", skipped.target, skipped.why)?;
        }
        Ok(())
    }
}
