//! The invariants, checked after every event of every run.
//!
//! Not a second state machine: it keeps only what it needs to detect violations. It checks that: no attempt starts at
//! an open breaker except a marked last resort; there are at most the configured probes within a lease; only a probe
//! moves half-open to closed, and no state is skipped; started = served + failed + cancelled + in flight; a call's
//! starts stay within its limit; a call ends once and leaves nothing running; first content and end meet their
//! deadlines; what was delivered is one answer with no word lost or repeated; a truncated answer is no success; a
//! caller's mistake is not retried; no request is lost while an untried target would have admitted the call.

use std::time::Duration;

use hotspare_core::{BreakerState, Kind, Moment};
use hotspare_engine::{Fleet, Route, World};
use hotspare_health::{Reason, ScopeId, Transition};

/// Tolerance for deadlines.
const TOLERANCE: Duration = Duration::from_millis(1);
/// Maximum number of breaches recorded.
const MAX_BREACHES: usize = 20;

/// An invariant that was violated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Time since the start of the run.
    pub at: Duration,
    /// What happened.
    pub what: String,
}

/// Checks the invariants of a run, from its own copy of the breaker states.
#[derive(Debug)]
pub(crate) struct InvariantChecker {
    scopes: Vec<Scope>,
    pub(crate) breaches: Vec<Breach>,
}

#[derive(Clone, Debug)]
struct Scope {
    state: BreakerState,
    generation: u32,
    /// When the current probes began. A probe that is streaming may outlast its lease, and then no longer blocks
    /// others.
    probes: Vec<Moment>,
    limits: ProbeLimits,
}

/// The probes that a breaker allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProbeLimits {
    pub(crate) max_concurrent: u32,
    pub(crate) lease: Duration,
}

/// The scopes of an attempt, each with its generation at the start and, for a probe, its start time.
pub(crate) type AttemptScopes = [(ScopeId, u32, Option<Moment>); 4];

impl InvariantChecker {
    pub(crate) fn new(fleet: &Fleet, probes: &[ProbeLimits]) -> Self {
        let mut scopes = Vec::new();
        for (target, limits) in fleet.targets().iter().zip(probes) {
            for key in 0..target.key_count() {
                for scope in target.scopes(key) {
                    let at = scope.0 as usize;
                    let new = Scope {
                        state: BreakerState::Closed,
                        generation: 0,
                        probes: Vec::new(),
                        limits: *limits,
                    };
                    scopes.resize(scopes.len().max(at + 1), new);
                }
            }
        }
        Self { scopes, breaches: Vec::new() }
    }

    /// Resets all states: another process has taken over.
    pub(crate) fn restart(&mut self) {
        for scope in &mut self.scopes {
            scope.state = BreakerState::Closed;
            scope.generation += 1;
            scope.probes.clear();
        }
    }

    pub(crate) fn record(&mut self, now: Moment, what: impl FnOnce() -> String) {
        if self.breaches.len() < MAX_BREACHES {
            self.breaches.push(Breach { at: now.saturating_since(Moment::ZERO), what: what() });
        }
    }

    /// The worst breaker state among these scopes.
    pub(crate) fn state(&self, scopes: &[ScopeId]) -> BreakerState {
        scopes.iter().map(|scope| self.scopes[scope.0 as usize].state).max().unwrap_or_default()
    }

    pub(crate) fn transition(&mut self, change: &Transition) {
        let scope = &mut self.scopes[change.scope.0 as usize];
        let known = scope.state;
        let legal = match (change.from, change.to) {
            (BreakerState::Closed, BreakerState::Open) | (BreakerState::Open, BreakerState::HalfOpen) => true,
            (BreakerState::HalfOpen, BreakerState::Open) => {
                matches!(change.reason, Reason::ProbeFailed | Reason::LeaseExpired)
            }
            (BreakerState::HalfOpen, BreakerState::Closed) => change.reason == Reason::ProbeSucceeded,
            _ => false,
        };
        scope.state = change.to;
        scope.generation += 1;
        scope.probes.clear();
        if !legal || known != change.from {
            let (from, to, reason) = (change.from, change.to, change.reason);
            self.record(change.at, || format!("a breaker went from {from} (was {known}) to {to}: {reason}"));
        }
    }

    pub(crate) fn attempt_started(
        &mut self,
        now: Moment,
        scopes: [ScopeId; 4],
        last_resort: bool,
    ) -> AttemptScopes {
        let mut scopes = scopes.map(|scope| (scope, 0, None));
        for entry in &mut scopes {
            let scope = &mut self.scopes[entry.0.0 as usize];
            if last_resort && scope.state == BreakerState::Open {
                // The last resort acts as the probe, regardless of the cooldown.
                scope.state = BreakerState::HalfOpen;
                scope.generation += 1;
                scope.probes.clear();
            }
            entry.1 = scope.generation;
            match scope.state {
                BreakerState::Closed => {}
                BreakerState::HalfOpen => {
                    scope.probes.push(now);
                    entry.2 = Some(now);
                    let ProbeLimits { max_concurrent: most, lease } = scope.limits;
                    let probes = scope.probes.iter().filter(|began| now < **began + lease).count();
                    if probes > most as usize && !last_resort {
                        self.record(now, || format!("{probes} probes at once, at most {most} are allowed"));
                    }
                }
                BreakerState::Open => self.record(now, || "a call was admitted by an open breaker".into()),
            }
        }
        scopes
    }

    pub(crate) fn attempt_ended(&mut self, scopes: &AttemptScopes) {
        for (scope, generation, probe) in scopes {
            let scope = &mut self.scopes[scope.0 as usize];
            if let Some(began) = probe
                && scope.generation == *generation
                && let Some(at) = scope.probes.iter().position(|other| other == began)
            {
                scope.probes.swap_remove(at);
            }
        }
    }

    /// Checks that started = served + failed + cancelled + in flight.
    pub(crate) fn check_counts(&mut self, now: Moment, world: &World, target: usize) {
        let counts = world.counts(target);
        let ended = counts.served + counts.cancelled + counts.failed.values().sum::<u64>();
        if counts.started != ended + u64::from(counts.in_flight) {
            self.record(now, || {
                format!(
                    "target {target}: {} started, {ended} ended, {} in flight",
                    counts.started, counts.in_flight
                )
            });
        }
    }

    /// Checks what must hold when a call ends.
    pub(crate) fn call_ended(&mut self, now: Moment, end: &CallEnd<'_>) {
        let limits = &end.route.limits;
        let starts = end.starts;
        let keys: usize =
            end.route.members.iter().map(|target| end.fleet.targets()[*target].key_count()).sum();
        let most = keys + limits.max_extra_starts as usize;
        if starts > most {
            self.record(now, || format!("a call made {starts} starts, at most {most} are allowed"));
        }
        if end.in_flight > 0 {
            self.record(now, || format!("a call ended with {} attempts in flight", end.in_flight));
        }
        if now > end.arrived + limits.total + TOLERANCE {
            self.record(now, || "a call lasted longer than its total".into());
        }
        // For a whole answer, the first content arrives with its end.
        let begins = if end.stream { limits.first_content_deadline } else { limits.total };
        if end.first.is_some_and(|first| first > end.arrived + begins + TOLERANCE) {
            self.record(now, || "first content came after its deadline".into());
        }
        match end.failed {
            None if end.words != end.expected_words => {
                self.record(now, || {
                    format!("an answer of {} words passed as one of {}", end.words, end.expected_words)
                });
            }
            Some(Kind::InvalidRequest) if end.only_invalid && starts > 1 => {
                self.record(now, || format!("a malformed request was sent {starts} times"));
            }
            Some(kind) if end.may_fail_over && !matches!(kind, Kind::Cancelled | Kind::Deadline) => {
                // Targets that cannot answer in time are rightly skipped.
                let left = (end.arrived + begins).saturating_since(now);
                let would = |target: usize| {
                    let view = end.world.view(now, target, 0);
                    view.usable && view.latency_p50.is_none_or(|usual| usual <= left)
                };
                let missed = end.route.members.iter().find(|target| {
                    !end.tried.contains(target) && !end.excluded.contains(target) && would(**target)
                });
                if let Some(target) = missed {
                    let name = &end.fleet.targets()[*target].id;
                    self.record(now, || {
                        format!(
                            "a call was lost ({kind}) although {name} was untried and would have admitted it"
                        )
                    });
                }
            }
            _ => {}
        }
    }
}

/// A call that has ended, as far as the invariants need to know.
#[derive(Debug)]
pub(crate) struct CallEnd<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) route: &'a Route,
    pub(crate) world: &'a World,
    pub(crate) arrived: Moment,
    pub(crate) stream: bool,
    pub(crate) first: Option<Moment>,
    pub(crate) failed: Option<Kind>,
    /// Whether an invalid request was the only problem.
    pub(crate) only_invalid: bool,
    /// Whether another target could still have answered: not after a cut, nor after a caller's mistake.
    pub(crate) may_fail_over: bool,
    pub(crate) starts: usize,
    pub(crate) in_flight: usize,
    pub(crate) tried: &'a [usize],
    /// Targets that the caller excluded.
    pub(crate) excluded: &'a [usize],
    /// Words that the caller received, and words in the answer.
    pub(crate) words: u32,
    pub(crate) expected_words: u32,
}
