//! What an admission hands out and a verdict takes back.
//!
//! Invariant: a permit cannot be cloned and settling consumes it, so that every call settles at most once; it carries
//! the generation that granted it, so that a reply from before a transition cannot change the state after it.

use std::fmt;
use std::time::Duration;

use hotspare_core::{BreakerState, Moment};

use crate::mirror::Grant;

/// Something that can fail as a unit: an endpoint, a model there, a key. Opaque to this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeId(pub(crate) u32);

impl ScopeId {
    /// Its place in the order in which the scopes of its book were added, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Permission to make one call.
///
/// Settle every permit, including that of a call that is dropped before it ends; a guard whose `Drop` settles with
/// [`HealthOutcome::neutral`] does that. A lost permit frees a breaker's probe slot when its lease expires, but keeps
/// counting as a call in flight.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit that is not settled holds its probe until the lease expires"]
pub struct Permit {
    pub(crate) entries: Vec<Entry>,
    pub(crate) last_resort: bool,
    pub(crate) call: CallProfile,
    /// Time without content after which the call is late, by what was known when it was granted.
    pub(crate) late_after: Option<Duration>,
}

/// What an admission needs to know about a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CallProfile {
    /// Estimated tokens of its prompt.
    pub tokens: u64,
    /// Whether its answer is unstreamed, so that its first content is its end. How long that takes depends mostly on
    /// how much the caller asks for, so such times are kept apart from those of streams.
    pub unstreamed: bool,
    /// Whether the model reasons before it answers.
    pub reasons: bool,
    /// Whether its answer has only a few tokens, as that of a probe, so that none are reserved for it in a quota.
    pub answers_briefly: bool,
}

impl CallProfile {
    /// Whether it may be silent for long although the target is healthy, so that as a probe it has ten times the lease.
    pub(crate) const fn may_be_silent(self) -> bool {
        self.unstreamed || self.reasons
    }
}

/// The part of a permit that belongs to one scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) scope: ScopeId,
    pub(crate) pass: Pass,
    /// When it was granted.
    pub(crate) began: Moment,
    /// Number of calls of the scope that began before it.
    pub(crate) number: u64,
    /// Its first content has arrived.
    pub(crate) speaks: bool,
    pub(crate) grant: Grant,
}

/// One breaker's part of a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pass {
    pub(crate) generation: u64,
    /// The lease, if the call is a probe.
    pub(crate) lease: Option<u64>,
    /// It was already counted as late or in time.
    pub(crate) timed: bool,
}

impl Permit {
    /// Whether the call checks if an unhealthy scope has recovered.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.entries.iter().any(|entry| entry.pass.lease.is_some())
    }

    /// Tokens of the prompt, as estimated at admission.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.call.tokens
    }

    /// Time without content after which the call is later than usual, if enough comparable calls were seen: their 95th
    /// percentile or, for an unstreamed answer, twice that. At that point observe [`Observation::Overdue`], once.
    #[must_use]
    pub fn late_after(&self) -> Option<Duration> {
        self.late_after
    }

    /// Whether it was granted as a last resort, although a breaker may be open.
    #[must_use]
    pub fn is_last_resort(&self) -> bool {
        self.last_resort
    }
}

/// The answer to a request for admission.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// Go ahead, and settle the permit at the end of the stream.
    Granted(Permit),
    /// Not now.
    Refused(Refusal),
}

/// Why a call was refused, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The scope that refuses.
    pub scope: ScopeId,
    /// Why.
    pub cause: Cause,
    /// When that may change; `None` only if an operator must act.
    pub until: Option<Moment>,
}

/// Why a call was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// An operator took it out of service.
    Cordoned,
    /// It refuses traffic that grows this fast.
    Growing,
    /// A key, quota or model problem took it out of service.
    Disabled,
    /// All its slots are taken.
    Full,
    /// The operator's limit per minute is used up.
    LimitReached,
    /// Other calls are queued for the operator's limit per minute.
    Queued,
    /// All probe slots are taken.
    HalfOpenBusy,
    /// The breaker is open.
    Open,
    /// The breaker is open or half-open because answers are late, not because they fail.
    Slow,
    /// No host can be reached from here; this one is retried shortly.
    NetworkSuspected,
    /// According to its replies, its quota of requests or tokens is used up for now.
    QuotaSpent,
    /// It asked for a pause.
    RateLimited,
    /// Its pause is over, and the first call since is finding out whether it serves again.
    ResumeProbe,
}

impl Cause {
    /// Whether a call that has no other target is admitted all the same: what is known of the target's health, or only
    /// estimated of its quota, may be out of date. What it has asked for is not, nor are limits of its operator, and
    /// without a network no call gets anywhere.
    #[must_use]
    pub const fn yields_to_last_resort(self) -> bool {
        match self {
            Self::HalfOpenBusy | Self::Open | Self::QuotaSpent | Self::Slow => true,
            Self::Cordoned
            | Self::Disabled
            | Self::Full
            | Self::Growing
            | Self::LimitReached
            | Self::NetworkSuspected
            | Self::Queued
            | Self::RateLimited
            | Self::ResumeProbe => false,
        }
    }
}

/// Something that became known while a call is in flight. Updates statistics; never opens or closes a breaker by
/// itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Observation {
    /// The host has sent response headers, whatever they say.
    Responded,
    /// The call no longer waits for the first content, which would have taken longer than this. Counts as at least that
    /// slow, so that a target whose slow calls are rescued by others does not look fast; among quantiles, as one of the
    /// calls known to have taken longer. Not for a call that hung: its silence is no sample of how long others take.
    Abandoned {
        /// Time since the start.
        after: Duration,
    },
    /// The first content arrived after this time.
    FirstContent {
        /// Time since the start.
        after: Duration,
    },
    /// The first content is later than a caller should have to wait.
    Late,
    /// The first content is later than [`Permit::late_after`].
    Overdue,
    /// The first content has arrived, and how long it took is not known: nobody listened for a part of that time.
    Untimed,
}

/// How a call ended, as far as health is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthOutcome {
    /// The verdict.
    pub verdict: Verdict,
    /// The scope of the permit that it concerns; the others learn nothing. `None` means all of them.
    pub at: Option<ScopeId>,
}

impl HealthOutcome {
    /// The call succeeded.
    #[must_use]
    pub const fn success() -> Self {
        Self { verdict: Verdict::Success, at: None }
    }

    /// It failed; every scope of the permit counts a full failure.
    #[must_use]
    pub const fn failure() -> Self {
        Self { verdict: Verdict::Failure { weight_milli: 1_000, not_before: None }, at: None }
    }

    /// It says nothing about health.
    #[must_use]
    pub const fn neutral() -> Self {
        Self { verdict: Verdict::Neutral, at: None }
    }

    /// It concerns one scope only.
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
        /// When one call may check whether it is back; at most an hour is honoured.
        until: Moment,
    },
    /// It refuses traffic that grows this fast: halves the traffic, then lets it rise slowly. Not ill health.
    Ease {
        /// Earliest time of the next call, if a pause was requested.
        until: Option<Moment>,
    },
    /// It failed.
    Failure {
        /// Share of a full failure, in thousandths.
        weight_milli: u32,
        /// If this opens the breaker, it stays open at least until then.
        not_before: Option<Moment>,
    },
    /// It asks for a pause until this time. Not ill health.
    Hold {
        /// End of the pause; at most an hour is honoured.
        until: Moment,
    },
    /// It asks for a pause without saying how long: 5 s, doubling up to a minute while it is repeated.
    HoldUnknown,
    /// Says nothing about health.
    Neutral,
    /// It shed load. Counts as at most a quarter of a failure while other calls are answered, and as a full failure
    /// while none is.
    Shed {
        /// If this opens the breaker, it stays open at least until then.
        not_before: Option<Moment>,
    },
    /// It was so late that another target served: counts as a call, not as a failure.
    Slow,
    /// It is healthy.
    Success,
    /// It could not be reached. A failure, unless no other host can be reached either.
    Unreachable {
        /// Share of a full failure, in thousandths.
        weight_milli: u32,
    },
}

/// A breaker's change of state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transition {
    /// The scope.
    pub scope: ScopeId,
    /// State before.
    pub from: BreakerState,
    /// State after.
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
    /// The cooldown has passed.
    CooledDown,
    /// Evidence of failure has accumulated.
    Evidence {
        /// The sum, in thousandths of a nat.
        milli_nats: u64,
    },
    /// This many failures occurred within the window.
    Failures {
        /// How many.
        count: u32,
        /// The length of the window.
        within: Duration,
    },
    /// The share of failed calls is too high.
    FailureRate {
        /// Hundredths of a per cent.
        rate_bp: u32,
        /// Number of calls.
        calls: u32,
    },
    /// No target was available, so a call was let through during the pause.
    LastResort,
    /// A probe's lease expired.
    LeaseExpired,
    /// A probe failed.
    ProbeFailed,
    /// It opened because the local network was down, which was recognized afterwards.
    NetworkSuspected,
    /// This many of its parts are open, and none has answered since the first of them opened.
    Parts {
        /// How many.
        open: u32,
    },
    /// Enough probes succeeded.
    ProbeSucceeded,
    /// The share of late calls is too high.
    SlowRate {
        /// Hundredths of a per cent.
        rate_bp: u32,
        /// Number of calls.
        calls: u32,
    },
    /// Too many calls in a row were late, where there are too few within the window for a share.
    SlowRun {
        /// Number of calls, however long ago.
        calls: u32,
    },
}

impl Reason {
    /// Whether answers are late, which says nothing about whether calls fail.
    #[must_use]
    pub const fn is_slowness(self) -> bool {
        matches!(self, Self::SlowRate { .. } | Self::SlowRun { .. })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |bp: u32| f64::from(bp) / 100.0;
        match *self {
            Self::CooledDown => f.write_str("the cooldown is over"),
            Self::Evidence { milli_nats } => {
                write!(
                    f,
                    "its calls failed too often to be chance (evidence {}.{:01})",
                    milli_nats / 1_000,
                    milli_nats % 1_000 / 100
                )
            }
            Self::Failures { count, within } => write!(f, "{count} failures within {} s", within.as_secs()),
            Self::FailureRate { rate_bp, calls } => {
                write!(f, "{:.0} % of {calls} calls failed", percent(rate_bp))
            }
            Self::LastResort => f.write_str("no target was available, so one call was let through"),
            Self::LeaseExpired => f.write_str("a call that tested it did not end in time"),
            Self::NetworkSuspected => f.write_str("the local network was down, not the host"),
            Self::Parts { open } => write!(f, "{open} of its models are open, and none of them answers"),
            Self::ProbeFailed => f.write_str("a call that tested it failed"),
            Self::ProbeSucceeded => f.write_str("a call that tested it succeeded"),
            Self::SlowRate { rate_bp, calls } => {
                write!(f, "{:.0} % of {calls} calls were late", percent(rate_bp))
            }
            Self::SlowRun { calls } => write!(f, "the last {calls} calls were late"),
        }
    }
}
