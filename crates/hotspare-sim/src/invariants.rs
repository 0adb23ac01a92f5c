//! The invariants, checked after every event of every run.
//!
//! Not a second state machine: it keeps only what it needs to detect violations. It checks that: no attempt starts at
//! an open breaker except a marked last resort; there are at most the configured probes within a lease; only a probe
//! moves half-open to closed, and no state is skipped; the outcome of a call of an older generation moves no breaker; a
//! target that returns gets no more first tries than its ramp allows; the first choice is tried again soon after its
//! cooldown; a call that no target was tried for ends with the time at which one admits calls; each attempt's token
//! counts in the trail are what the provider charges; started = served + failed + cancelled + in flight; a call's
//! starts stay within its limit; a call ends once and leaves nothing running; first content and end meet their
//! deadlines; what was delivered is one answer with no word lost or repeated; a truncated answer is no success; a
//! caller's mistake is not retried; no request is lost while an untried target would have admitted the call.

mod lost;
mod probing;
mod ramp;
mod refusal;

use std::time::Duration;

use hotspare_core::{BreakerState, Error, Kind, Moment, TargetView};
use hotspare_engine::{Fleet, KeyIndex, Route, TargetIndex, World};
use hotspare_health::{Reason, ScopeId, Transition};

use probing::ProbeWait;
use ramp::RampCount;

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
    /// By target.
    ramps: Vec<RampCount>,
    waits: Vec<ProbeWait>,
    pub(crate) breaches: Vec<Breach>,
}

#[derive(Clone, Debug)]
struct Scope {
    state: BreakerState,
    generation: u32,
    /// When the current probes began. A probe that is streaming may outlast its lease, and then no longer blocks
    /// others.
    probes: Vec<Moment>,
    /// When a probe last closed it.
    closed_at: Option<Moment>,
    /// When its state last changed or a probe last ended: it has not begun to admit calls since then.
    stirred_at: Moment,
    /// When the last pause that a failure has put it into ends, or its last re-check is due.
    paused_until: Moment,
    limits: ReturnLimits,
}

/// How a breaker lets traffic return.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReturnLimits {
    /// The number of probes at a time.
    pub(crate) max_probes: u32,
    pub(crate) lease: Duration,
    pub(crate) ramp: Duration,
    /// The longest cooldown, and how long failures count.
    pub(crate) cooldown: Duration,
    pub(crate) window: Duration,
}

/// The scopes of an attempt, each with its generation at the start and, for a probe, its start time.
pub(crate) type AttemptScopes = [(ScopeId, u32, Option<Moment>); 4];

impl InvariantChecker {
    pub(crate) fn new(fleet: &Fleet, limits: &[ReturnLimits]) -> Self {
        let mut scopes = Vec::new();
        for (target, limits) in fleet.targets().iter().zip(limits) {
            for key in target.key_indices() {
                for scope in target.scopes(key).as_array() {
                    let at = scope.index();
                    let new = Scope {
                        state: BreakerState::Closed,
                        generation: 0,
                        probes: Vec::new(),
                        closed_at: None,
                        stirred_at: Moment::ZERO,
                        paused_until: Moment::ZERO,
                        limits: *limits,
                    };
                    scopes.resize(scopes.len().max(at + 1), new);
                }
            }
        }
        let targets = fleet.targets().len();
        Self {
            scopes,
            ramps: vec![RampCount::default(); targets],
            waits: vec![ProbeWait::default(); targets],
            breaches: Vec::new(),
        }
    }

    /// Resets all states: another process has taken over.
    pub(crate) fn restart(&mut self) {
        for scope in &mut self.scopes {
            scope.state = BreakerState::Closed;
            scope.generation += 1;
            scope.probes.clear();
            scope.closed_at = None;
            scope.paused_until = Moment::ZERO;
        }
        self.waits.fill(ProbeWait::default());
    }

    pub(crate) fn record(&mut self, now: Moment, what: impl FnOnce() -> String) {
        if self.breaches.len() < MAX_BREACHES {
            self.breaches.push(Breach { at: now.saturating_since(Moment::ZERO), what: what() });
        }
    }

    /// The worst breaker state among these scopes.
    pub(crate) fn state(&self, scopes: &[ScopeId]) -> BreakerState {
        scopes.iter().map(|scope| self.scopes[scope.index()].state).max().unwrap_or_default()
    }

    /// A breaker changed its state when a call with these attempts was advanced.
    pub(crate) fn transition(&mut self, change: &Transition, attempts: impl Iterator<Item = AttemptScopes>) {
        self.check_generation(change, attempts);
        let scope = &mut self.scopes[change.scope.index()];
        scope.stirred_at = change.at;
        scope.closed_at = (change.to == BreakerState::Closed).then_some(change.at);
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

    /// Checks that a change which the end of a call causes is caused by a call of the breaker's current generation.
    fn check_generation(&mut self, change: &Transition, attempts: impl Iterator<Item = AttemptScopes>) {
        let is_caused_by_an_end = matches!(
            change.reason,
            Reason::Evidence { .. }
                | Reason::Failures { .. }
                | Reason::FailureRate { .. }
                | Reason::SlowRate { .. }
                | Reason::SlowRun { .. }
                | Reason::ProbeFailed
                | Reason::ProbeSucceeded
        );
        if !is_caused_by_an_end {
            return;
        }
        let current = self.scopes[change.scope.index()].generation;
        let known: Vec<u32> = attempts
            .flatten()
            .filter(|(scope, ..)| *scope == change.scope)
            .map(|(_, generation, _)| generation)
            .collect();
        if !known.contains(&current) {
            let (from, to, reason) = (change.from, change.to, change.reason);
            self.record(change.at, || {
                format!(
                    "the outcome of a call of an older generation ({known:?}, not {current}) moved a breaker from {from} to {to}: \
                     {reason}"
                )
            });
        }
    }

    /// The share of first tries that a target may get now; 1 if it is in no ramp.
    pub(crate) fn ramp_share(&self, now: Moment, scopes: &[ScopeId]) -> f64 {
        let share = |scope: &ScopeId| {
            let scope = &self.scopes[scope.index()];
            ramp::share(now, scope.closed_at?, scope.limits.ramp)
        };
        scopes.iter().filter_map(share).fold(1.0, f64::min)
    }

    /// A call made its first try, at this target or another, while the target might get this share.
    pub(crate) fn tried_in_ramp(&mut self, target: usize, share: f64, is_tried: bool) {
        self.ramps[target].add(share, is_tried);
    }

    /// A call arrives whose first choice is this target, unless health says otherwise.
    pub(crate) fn call_arrived(&mut self, now: Moment, target: usize, scopes: &[ScopeId], view: &TargetView) {
        let is_ill = self.state(scopes) != BreakerState::Closed;
        let is_probed = scopes.iter().any(|scope| {
            let scope = &self.scopes[scope.index()];
            scope.probes.iter().any(|began| now < *began + scope.limits.lease)
        });
        // All slots in use: nothing that time alone changes.
        let is_full = !view.usable && view.usable_in.is_none();
        if !is_ill || is_probed || is_full {
            self.waits[target].reset();
            return;
        }
        let limits = self.scopes[scopes[0].index()].limits;
        if let Some(what) = self.waits[target].call(now, limits.cooldown + limits.window) {
            self.record(now, || format!("target {target} {what}"));
        }
    }

    /// An attempt at this target was started.
    pub(crate) fn target_tried(&mut self, target: usize) {
        self.waits[target].reset();
    }

    /// An attempt at this target has failed.
    pub(crate) fn target_failed(&mut self, now: Moment, target: usize, error: &Error) {
        self.waits[target].failed(now, error);
    }

    /// A failure has put a scope into a pause that ends then.
    pub(crate) fn paused(&mut self, scope: ScopeId, until: Moment) {
        let scope = &mut self.scopes[scope.index()];
        scope.paused_until = scope.paused_until.max(until);
    }

    /// The latest moment at which these scopes may have begun to admit calls.
    fn admits_since(&self, scopes: &[ScopeId]) -> Moment {
        let since = |scope: &ScopeId| {
            let scope = &self.scopes[scope.index()];
            scope.stirred_at.max(scope.paused_until)
        };
        scopes.iter().map(since).max().unwrap_or_default()
    }

    /// Checks what only the whole run can show.
    pub(crate) fn run_ended(&mut self, now: Moment) {
        for target in 0..self.ramps.len() {
            if let Some(what) = self.ramps[target].breach() {
                self.record(now, || format!("target {target}: {what}"));
            }
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
            let scope = &mut self.scopes[entry.0.index()];
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
                    let ReturnLimits { max_probes: most, lease, .. } = scope.limits;
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

    pub(crate) fn attempt_ended(&mut self, now: Moment, scopes: &AttemptScopes) {
        for (scope, generation, probe) in scopes {
            let scope = &mut self.scopes[scope.index()];
            if let Some(began) = probe
                && scope.generation == *generation
                && let Some(at) = scope.probes.iter().position(|other| other == began)
            {
                scope.probes.swap_remove(at);
                scope.stirred_at = now;
            }
        }
    }

    /// Checks that started = served + failed + cancelled + in flight.
    pub(crate) fn check_counts(&mut self, now: Moment, world: &World, target: TargetIndex) {
        let counts = world.counts(target);
        let ended = counts.served + counts.cancelled + counts.failed.values().sum::<u64>();
        if counts.started != ended + u64::from(counts.in_flight) {
            self.record(now, || {
                format!(
                    "target {}: {} started, {ended} ended, {} in flight",
                    target.position(),
                    counts.started,
                    counts.in_flight
                )
            });
        }
    }

    /// Checks what must hold when a call ends.
    pub(crate) fn call_ended(&mut self, now: Moment, end: &CallEnd<'_>) {
        let limits = &end.route.limits;
        let starts = end.starts;
        let keys: usize = end.route.members.iter().map(|target| end.fleet[*target].key_count()).sum();
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
        if let Some(kind @ (Kind::NoTarget | Kind::RateLimited)) = end.failed
            && starts == 0
        {
            let is_allowed = |target: &TargetIndex| !end.excluded.contains(&target.position());
            let members: Vec<_> = end.route.members.iter().copied().filter(is_allowed).collect();
            let view = |at: Moment, index: usize| end.world.view(at, members[index], end.prompt_tokens);
            if let Some(what) = refusal::breach(now, end.retry_after, members.len(), view) {
                self.record(now, || format!("the error of a call ({kind}) {what}"));
            }
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
            Some(kind) if end.may_fail_over && kind != Kind::Cancelled => {
                let admits_since = |place: TargetIndex| {
                    let target = &end.fleet[place];
                    let usable = |key: &KeyIndex| end.world.key_status(now, place, *key).usable;
                    let keys = target.key_indices().filter(usable);
                    keys.map(|key| self.admits_since(&target.scopes(key).as_array())).min()
                };
                if let Some(target) = lost::missed(now, end, admits_since) {
                    let name = &end.fleet[target].id;
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
    /// The caller's own deadline.
    pub(crate) deadline: Option<Duration>,
    pub(crate) first: Option<Moment>,
    pub(crate) failed: Option<Kind>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) prompt_tokens: u64,
    /// Whether an invalid request was the only problem.
    pub(crate) only_invalid: bool,
    /// Whether another target could still have answered: not after a cut, nor after a caller's mistake.
    pub(crate) may_fail_over: bool,
    pub(crate) starts: usize,
    /// When the last attempt started.
    pub(crate) last_start: Option<Moment>,
    /// Whether the breakers that it met are those that the checker watches: not after a restart.
    pub(crate) is_watched: bool,
    pub(crate) in_flight: usize,
    pub(crate) tried: &'a [usize],
    /// Targets that the caller excluded.
    pub(crate) excluded: &'a [usize],
    /// Words that the caller received, and words in the answer.
    pub(crate) words: u32,
    pub(crate) expected_words: u32,
}

#[cfg(test)]
mod tests;
