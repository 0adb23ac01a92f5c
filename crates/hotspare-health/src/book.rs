//! The health of everything that a client talks to.
//!
//! Invariant: a call is admitted by all of its scopes or touches none of them; an outcome touches only scopes of its own
//! permit.

use std::time::Duration;

use hotspare_core::{BreakerState, Moment, RateLimits};

use crate::breaker::{Breaker, Change};
use crate::config::Config;
use crate::gate::Gate;
use crate::growth::Growth;
use crate::latency::Latency;
use crate::lateness::Lateness;
use crate::permit::{
    Admission, Cause, Entry, Observation, Outcome, Permit, Refusal, ScopeId, Transition, Verdict,
};
use crate::quota::Quota;
use crate::record::Record;
use crate::schedule::Schedule;
use crate::view::View;

/// How long a disabled scope waits between two calls that find out whether it is back.
const RECHECK: Duration = Duration::from_secs(600);

/// All breakers and gates of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Book {
    scopes: Vec<ScopeState>,
    schedule: Schedule,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ScopeState {
    breaker: Breaker,
    gate: Gate,
    growth: Growth,
    quota: Quota,
    /// `None` where calls differ too much for one measure of time.
    pace: Option<Box<Pace>>,
    degrade: bool,
    record: Record,
}

/// How fast a scope is, and whether that is as usual.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Pace {
    latency: Latency,
    lateness: Lateness,
}

impl Book {
    /// A book without scopes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a scope; its breaker is closed.
    pub fn add_scope(&mut self, config: Config) -> ScopeId {
        self.add(config, Some(Box::default()))
    }

    /// Adds a scope that unlike calls share, such as a host with several models: how long they take says nothing about it.
    pub fn add_shared_scope(&mut self, config: Config) -> ScopeId {
        self.add(config, None)
    }

    fn add(&mut self, config: Config, pace: Option<Box<Pace>>) -> ScopeId {
        let id = ScopeId(u32::try_from(self.scopes.len()).unwrap_or(u32::MAX));
        self.scopes.push(ScopeState {
            degrade: config.degrade,
            breaker: Breaker::new(config),
            gate: Gate::default(),
            growth: Growth::default(),
            quota: Quota::default(),
            record: Record::default(),
            pace,
        });
        id
    }

    /// Limits a scope to so many requests and tokens a minute, whatever its provider says.
    pub fn limit(
        &mut self,
        scope: ScopeId,
        requests_per_minute: Option<u64>,
        tokens_per_minute: Option<u64>,
    ) {
        if let Some(state) = self.scopes.get_mut(scope.0 as usize) {
            state.quota = Quota::own(requests_per_minute, tokens_per_minute);
        }
    }

    /// Takes what a reply says of a scope's quota.
    pub fn learn(&mut self, now: Moment, scope: ScopeId, limits: &RateLimits) {
        if let Some(state) = self.scopes.get_mut(scope.0 as usize) {
            state.quota.learn(now, limits);
        }
    }

    /// Asks all of `scopes` for leave to make one call. Cooldowns that are over are seen here, whoever advanced time last.
    pub fn admit(&mut self, now: Moment, scopes: &[ScopeId]) -> Admission {
        self.admit_for(now, scopes, 0)
    }

    /// As [`Book::admit`], for a call of about so many tokens.
    pub fn admit_for(&mut self, now: Moment, scopes: &[ScopeId], tokens: u64) -> Admission {
        if let Some(refusal) = self.obstacle(now, scopes, tokens) {
            return Admission::Refused(refusal);
        }
        self.grant(now, scopes, tokens, false)
    }

    /// As [`Book::admit`], but an open breaker or a quota that only seems spent is no obstacle. For calls that have nowhere
    /// else to go; what came to be disabled, cordoned or asked for a pause stays out of reach.
    pub fn admit_last_resort(&mut self, now: Moment, scopes: &[ScopeId], tokens: u64) -> Admission {
        let obstacle = scopes.iter().find_map(|&scope| {
            let state = self.scopes.get(scope.0 as usize)?;
            let (cause, until) = state.gate.check(now).err()?;
            Some(Refusal { scope, cause, until })
        });
        match obstacle {
            Some(refusal) => Admission::Refused(refusal),
            None => self.grant(now, scopes, tokens, true),
        }
    }

    /// Takes something that became known while a call is under way.
    pub fn observe(&mut self, now: Moment, permit: &Permit, observation: Observation) {
        for entry in &permit.entries {
            let Some(state) = self.scopes.get_mut(entry.scope.0 as usize) else { continue };
            state.observe(now, permit, observation);
        }
    }

    /// Takes the end of a call. `draw` is chance for the cooldown, if it opens something.
    pub fn settle(&mut self, now: Moment, permit: Permit, outcome: Outcome, draw: u64) -> Vec<Transition> {
        let mut transitions = self.advance(now);
        let failed = matches!(outcome.verdict, Verdict::Failure { .. });
        for entry in permit.entries {
            let Some(state) = self.scopes.get_mut(entry.scope.0 as usize) else { continue };
            // Whatever failed, the call was as good as slow.
            if let Some(pace) = state.pace.as_mut().filter(|_| failed) {
                pace.latency.failure();
            }
            let concerned = outcome.at.is_none_or(|at| at == entry.scope);
            let verdict = if concerned { outcome.verdict } else { Verdict::Neutral };
            let before = state.breaker.next_change();
            if let Some(change) = state.take(now, entry, verdict, draw) {
                transitions.push(transition(entry.scope, now, change));
            }
            self.schedule.shift(entry.scope, before, state.breaker.next_change());
        }
        transitions
    }

    /// Lets time pass for what needs no traffic: cooldowns that are over, leases that expired. Costs nothing for scopes
    /// that are well.
    pub fn advance(&mut self, now: Moment) -> Vec<Transition> {
        let mut transitions = Vec::new();
        while let Some(scope) = self.schedule.due(now) {
            let Some(state) = self.scopes.get_mut(scope.0 as usize) else { break };
            let before = state.breaker.next_change();
            // An expired lease is rare and needs no fresh chance.
            let draw = now.as_nanos().wrapping_mul(0x9E37_79B9_7F4A_7C15);
            if let Some(change) = state.breaker.advance(now, draw) {
                transitions.push(transition(scope, now, change));
            }
            let after = state.breaker.next_change();
            self.schedule.shift(scope, before, after);
            if before == after {
                break;
            }
        }
        transitions
    }

    /// When [`Book::advance`] has something to do next.
    #[must_use]
    pub fn next_change(&self) -> Option<Moment> {
        self.schedule.next()
    }

    /// When a call with these scopes would find out whether what is ill or out of service is back; `None` if nothing is, or
    /// if only an operator can bring it back.
    #[must_use]
    pub fn probe_at(&self, now: Moment, scopes: &[ScopeId]) -> Option<Moment> {
        let ill = scopes
            .iter()
            .filter_map(|scope| self.scopes.get(scope.0 as usize))
            .any(|state| state.breaker.state() != BreakerState::Closed || state.gate.is_out_of_service());
        if !ill {
            return None;
        }
        match self.obstacle(now, scopes, 0) {
            None => Some(now),
            Some(refusal) => refusal.until,
        }
    }

    /// What is known of `scopes`, the worst of each, for a call of about so many tokens.
    #[must_use]
    pub fn view(&self, now: Moment, scopes: &[ScopeId], tokens: u64) -> View {
        let obstacle = self.obstacle(now, scopes, tokens);
        let mut view = View {
            usable: obstacle.is_none(),
            until: obstacle.and_then(|refusal| refusal.until),
            state: BreakerState::Closed,
            failure_rate_bp: 0,
            expected_failure_ppm: 0,
            weight_bp: 10_000,
            latency: None,
            latency_p50: None,
            latency_p95: None,
            samples: 0,
            degraded: false,
            disabled: false,
            cordoned: false,
        };
        for &scope in scopes {
            let Some(state) = self.scopes.get(scope.0 as usize) else { continue };
            let (samples, rate) = state.breaker.failure_rate(now);
            view.state = view.state.max(state.breaker.state());
            view.failure_rate_bp = view.failure_rate_bp.max(rate);
            view.expected_failure_ppm = view.expected_failure_ppm.max(state.record.expected_ppm(now));
            view.weight_bp = view.weight_bp.min(state.breaker.weight_bp(now));
            if let Some(pace) = &state.pace {
                view.latency = view.latency.max(pace.latency.average());
                view.latency_p50 = view.latency_p50.max(pace.latency.p50(tokens));
                view.latency_p95 = view.latency_p95.max(pace.latency.p95(tokens));
            }
            view.degraded |= state.is_degraded();
            view.samples = view.samples.max(samples);
            view.disabled |= state.gate.is_disabled(now);
            view.cordoned |= state.gate.cordoned;
        }
        if view.degraded {
            view.weight_bp /= 10;
        }
        view
    }

    /// Takes a scope out of service by an operator's will, or puts it back.
    pub fn cordon(&mut self, scope: ScopeId, on: bool) {
        if let Some(state) = self.scopes.get_mut(scope.0 as usize) {
            state.gate.cordoned = on;
        }
    }

    /// Puts a disabled scope back into service.
    pub fn enable(&mut self, scope: ScopeId) {
        if let Some(state) = self.scopes.get_mut(scope.0 as usize) {
            state.gate.enable();
        }
    }

    /// What stands in the way of a call, if anything: the obstacle that lasts longest.
    fn obstacle(&self, now: Moment, scopes: &[ScopeId], tokens: u64) -> Option<Refusal> {
        let mut worst: Option<Refusal> = None;
        for &scope in scopes {
            let Some(state) = self.scopes.get(scope.0 as usize) else { continue };
            let gate = state.gate.check(now).err();
            let breaker = state.breaker.check(now).err().map(|(cause, until)| (cause, Some(until)));
            let quota = state.quota.check(now, tokens).err().map(|(cause, until)| (cause, Some(until)));
            let eased = Some(state.growth.ready_at(now)).filter(|at| *at > now);
            let eased = eased.map(|until| (Cause::Growing, Some(until)));
            for (cause, until) in gate.into_iter().chain(breaker).chain(quota).chain(eased) {
                let refusal = Refusal { scope, cause, until };
                if worst.as_ref().is_none_or(|worst| lasts_longer(&refusal, worst)) {
                    worst = Some(refusal);
                }
            }
        }
        worst
    }

    fn grant(&mut self, now: Moment, scopes: &[ScopeId], tokens: u64, last_resort: bool) -> Admission {
        let mut entries = Vec::with_capacity(scopes.len());
        let mut late_after = None;
        for &scope in scopes {
            let Some(state) = self.scopes.get_mut(scope.0 as usize) else { continue };
            state.gate.pass(now, RECHECK);
            state.growth.start(now);
            state.quota.take(now, tokens);
            let before = state.breaker.next_change();
            late_after = late_after.max(state.pace.as_ref().and_then(|pace| pace.latency.late_after(tokens)));
            let pass = if last_resort {
                state.breaker.admit_last_resort(now)
            } else {
                state.breaker.advance(now, 0);
                state.breaker.admit(now)
            };
            self.schedule.shift(scope, before, state.breaker.next_change());
            entries.push(Entry { scope, pass, began: now });
        }
        Admission::Granted(Permit { entries, last_resort, tokens, late_after })
    }
}

impl ScopeState {
    fn is_degraded(&self) -> bool {
        self.degrade && self.pace.as_ref().is_some_and(|pace| pace.lateness.is_degraded())
    }

    fn observe(&mut self, now: Moment, permit: &Permit, observation: Observation) {
        let Some(pace) = &mut self.pace else { return };
        let steady = self.breaker.state() == BreakerState::Closed && !pace.lateness.is_suspect();
        match observation {
            Observation::FirstContent { after } => {
                if permit.late_after.is_some_and(|usual| after <= usual) {
                    pace.lateness.in_time(now);
                }
                pace.latency.sample(now, permit.tokens, after, steady);
            }
            Observation::Abandoned { after } => pace.latency.sample(now, permit.tokens, after, steady),
            Observation::Overdue => pace.lateness.late(now),
            Observation::Late => self.breaker.late(now),
        }
    }

    fn take(&mut self, now: Moment, entry: Entry, verdict: Verdict, draw: u64) -> Option<Change> {
        match verdict {
            Verdict::Success => {
                self.gate.success(entry.began);
                self.record.outcome(now, false);
                self.breaker.success(now, entry.pass, draw)
            }
            Verdict::Ease { until } => {
                self.growth.ease(now);
                if let Some(until) = until {
                    self.gate.hold(now, until);
                }
                self.breaker.neutral(entry.pass);
                None
            }
            Verdict::Failure { weight_milli, not_before } => {
                self.record.outcome(now, weight_milli > 0);
                self.breaker.failure(now, entry.pass, weight_milli, not_before, draw)
            }
            Verdict::Neutral => {
                self.breaker.neutral(entry.pass);
                None
            }
            Verdict::Slow => self.breaker.slow(now, entry.pass, draw),
            Verdict::Hold { until } => {
                self.gate.hold(now, until);
                self.breaker.neutral(entry.pass);
                None
            }
            Verdict::HoldUnknown => {
                self.gate.hold_unknown(now);
                self.breaker.neutral(entry.pass);
                None
            }
            Verdict::Disable { until } => {
                self.gate.disable(now, until);
                self.breaker.neutral(entry.pass);
                None
            }
        }
    }
}

fn transition(scope: ScopeId, at: Moment, (from, to, reason): Change) -> Transition {
    Transition { scope, from, to, at, reason }
}

fn lasts_longer(a: &Refusal, b: &Refusal) -> bool {
    // An open breaker can be overridden by a last resort, the rest cannot: those are named first.
    let soft = |refusal: &Refusal| {
        matches!(refusal.cause, Cause::Open | Cause::HalfOpenBusy | Cause::QuotaSpent | Cause::Growing)
    };
    (!soft(a), a.until.unwrap_or(Moment::MAX)) > (!soft(b), b.until.unwrap_or(Moment::MAX))
}

#[cfg(test)]
mod tests;
