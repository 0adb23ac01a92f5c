//! What is handed out with an admission and handed back with a verdict.
//!
//! Invariant: a permit cannot be cloned and settling consumes it, so that every call settles at most once; it carries the
//! generation in which it was given, so that a reply from before a transition cannot move the state after it.

use std::fmt;
use std::time::Duration;

use hotspare_core::{BreakerState, Moment};

/// A place that can be ill: an endpoint, a model there, a key. Health never learns its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeId(pub u32);

/// Leave to make one call.
///
/// Settle every permit, also that of a call which is dropped before it ends: a guard whose `Drop` settles with
/// [`Outcome::neutral`] does. A lost permit frees a breaker's probe when its lease expires, but remains counted as a call
/// under way.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit that is not settled holds its probe until the lease expires"]
pub struct Permit {
    pub(crate) entries: Vec<Entry>,
    pub(crate) last_resort: bool,
    /// Tokens of the call's prompt, about.
    pub(crate) tokens: u64,
    /// The time that 95 % of like calls kept, when it was given.
    pub(crate) late_after: Option<Duration>,
    /// Its answer comes whole.
    pub(crate) unstreamed: bool,
}

/// A permit's part for one scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) scope: ScopeId,
    pub(crate) pass: Pass,
    /// When it was given.
    pub(crate) began: Moment,
    /// How many calls of the scope began before it.
    pub(crate) number: u64,
    /// Its first content has come.
    pub(crate) speaks: bool,
}

/// One breaker's leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pass {
    pub(crate) generation: u64,
    /// The lease that a probe holds.
    pub(crate) lease: Option<u64>,
    /// It was counted already as late or in time.
    pub(crate) timed: bool,
}

impl Permit {
    /// Whether the call finds out if an ill scope is well again.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.entries.iter().any(|entry| entry.pass.lease.is_some())
    }

    /// The answer of the call comes whole, so that its first content is its end. How long that takes depends mostly on how much
    /// the caller asks for: such times are kept apart from those of streams, and none is [`Observation::Overdue`].
    pub fn unstreamed(mut self) -> Self {
        (self.unstreamed, self.late_after) = (true, None);
        self
    }

    /// Tokens of its prompt, as they were reckoned.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// After what time without content the call is later than 95 % of the like, if enough of them were seen. It is then
    /// to be observed as [`Observation::Overdue`], once.
    #[must_use]
    pub fn late_after(&self) -> Option<Duration> {
        self.late_after
    }

    /// Whether it was given although a breaker is open.
    #[must_use]
    pub fn is_last_resort(&self) -> bool {
        self.last_resort
    }
}

/// The answer to a wish to call.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// Go ahead, and settle the permit at the end of the stream.
    Granted(Permit),
    /// Not now.
    Refused(Refusal),
}

/// Why not, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is in the way.
    pub scope: ScopeId,
    /// Why.
    pub cause: Cause,
    /// When it may be different; `None` only where an operator must act.
    pub until: Option<Moment>,
}

/// Why a call was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// An operator took it out of service.
    Cordoned,
    /// It refuses traffic that grows faster than this.
    Growing,
    /// A key, quota or model problem took it out of service.
    Disabled,
    /// All its places are taken.
    Full,
    /// What an operator lets it have in a minute is used up.
    LimitReached,
    /// Others are in line for what an operator lets it have in a minute.
    Queued,
    /// All probes are under way.
    HalfOpenBusy,
    /// The breaker is open.
    Open,
    /// Nobody can be reached from here; this one is tried again in a moment.
    NetworkSuspected,
    /// By what its replies reported, its quota of requests or tokens is used up for now.
    QuotaSpent,
    /// It asked to be left alone.
    RateLimited,
}

/// Something that became known while a call is under way. Moves figures, never a breaker's state by hard evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Observation {
    /// Some sign of life came from the host: a head, whatever it says.
    Heard,
    /// Nobody waits for the first content any more, which would have taken longer than this. Counts as at least as slow,
    /// so that a target whose slow calls are rescued by others does not look fast.
    Abandoned {
        /// Time since the start.
        after: Duration,
    },
    /// The first content came so long after the start.
    FirstContent {
        /// Time since the start.
        after: Duration,
    },
    /// The first content is later than callers want to wait.
    Late,
    /// The first content is later than [`Permit::late_after`].
    Overdue,
}

/// How a call ended, as far as health is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How.
    pub verdict: Verdict,
    /// Which scope of the permit it concerns; the others learn nothing. `None`: all of them.
    pub at: Option<ScopeId>,
}

impl Outcome {
    /// It worked.
    #[must_use]
    pub const fn success() -> Self {
        Self { verdict: Verdict::Success, at: None }
    }

    /// It failed, and every scope of the permit counts a full failure.
    #[must_use]
    pub const fn failure() -> Self {
        Self { verdict: Verdict::Failure { weight_milli: 1_000, not_before: None }, at: None }
    }

    /// It says nothing about health.
    #[must_use]
    pub const fn neutral() -> Self {
        Self { verdict: Verdict::Neutral, at: None }
    }

    /// It concerns one scope.
    #[must_use]
    pub const fn at(scope: ScopeId, verdict: Verdict) -> Self {
        Self { verdict, at: Some(scope) }
    }
}

/// What an outcome says about a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It is out of service.
    Disable {
        /// When one call may find out whether it is back.
        until: Moment,
    },
    /// It refuses traffic that grows this fast: half of it from now on, and slowly more. Not ill health.
    Ease {
        /// Nothing before then, if it said so.
        until: Option<Moment>,
    },
    /// It failed.
    Failure {
        /// Share of a full failure, in thousandths.
        weight_milli: u32,
        /// If this opens the breaker, it stays open at least until then.
        not_before: Option<Moment>,
    },
    /// It wants to be left alone until the moment. Not ill health.
    Hold {
        /// Until when; at most an hour counts.
        until: Moment,
    },
    /// It wants to be left alone and does not say for how long: 5 s, doubling while it goes on.
    HoldUnknown,
    /// Nothing.
    Neutral,
    /// It refused for load. At most a quarter of a failure while it answers others, a whole one while it answers nobody.
    Shed {
        /// If this opens the breaker, it stays open at least until then.
        not_before: Option<Moment>,
    },
    /// It was so late that another served: a call, and no failure.
    Slow,
    /// It is well.
    Success,
    /// There was no way to it. A failure, unless nobody else can be reached from here either.
    Unreachable {
        /// Share of a full failure, in thousandths.
        weight_milli: u32,
    },
}

/// A breaker changed its state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transition {
    /// Which.
    pub scope: ScopeId,
    /// Before.
    pub from: BreakerState,
    /// After.
    pub to: BreakerState,
    /// When.
    pub at: Moment,
    /// Why.
    pub reason: Reason,
}

/// Why a breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The cooldown is over.
    CooledDown,
    /// Evidence of failure has added up.
    Evidence {
        /// To this sum, in thousandths of a nat.
        milli_nats: u64,
    },
    /// So many failures in the window.
    Failures {
        /// How many.
        count: u32,
        /// Within which time.
        within: Duration,
    },
    /// A share of calls failed.
    FailureRate {
        /// Hundredths of a per cent.
        rate_bp: u32,
        /// Of how many.
        calls: u32,
    },
    /// No target was available, so a call was let through during the pause.
    LastResort,
    /// A probe's lease ran out.
    LeaseExpired,
    /// A probe failed.
    ProbeFailed,
    /// It opened because the local network was down, as became known afterwards.
    NetworkSuspected,
    /// So many of its parts are open, and none has answered since the first of them opened.
    Parts {
        /// How many.
        open: u32,
    },
    /// Enough probes succeeded.
    ProbeSucceeded,
    /// A share of calls was late.
    SlowRate {
        /// Hundredths of a per cent.
        rate_bp: u32,
        /// Of how many.
        calls: u32,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |bp: u32| f64::from(bp) / 100.0;
        match *self {
            Self::CooledDown => f.write_str("the cooldown is over"),
            Self::Evidence { milli_nats } => {
                write!(
                    f,
                    "evidence of failure added up to {}.{:01}",
                    milli_nats / 1_000,
                    milli_nats % 1_000 / 100
                )
            }
            Self::Failures { count, within } => write!(f, "{count} failures within {} s", within.as_secs()),
            Self::FailureRate { rate_bp, calls } => {
                write!(f, "{:.0} % of {calls} calls failed", percent(rate_bp))
            }
            Self::LastResort => f.write_str("no target was available, so one call was let through"),
            Self::LeaseExpired => f.write_str("a probe never reported"),
            Self::NetworkSuspected => f.write_str("the local network was down, not the host"),
            Self::Parts { open } => write!(f, "{open} of its models are open, and none of them answers"),
            Self::ProbeFailed => f.write_str("a probe failed"),
            Self::ProbeSucceeded => f.write_str("a probe succeeded"),
            Self::SlowRate { rate_bp, calls } => {
                write!(f, "{:.0} % of {calls} calls were late", percent(rate_bp))
            }
        }
    }
}
