//! The health of everything that a client talks to.
//!
//! Invariant: a call is admitted by all of its scopes or touches none of them; an outcome touches only scopes of its own
//! permit.

use std::time::Duration;

use hotspare_core::{BreakerState, Moment, RateLimits};

use crate::breaker::{Breaker, Change};
use crate::config::Config;
use crate::gate::Gate;
use crate::latency::Latency;
use crate::permit::{
    Admission, Cause, Entry, Observation, Outcome, Permit, Refusal, ScopeId, Transition, Verdict,
};
use crate::quota::Quota;
use crate::view::View;

/// How long a disabled scope waits between two calls that find out whether it is back.
const RECHECK: Duration = Duration::from_secs(600);

/// All breakers and gates of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Book {
    scopes: Vec<ScopeState>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ScopeState {
    breaker: Breaker,
    gate: Gate,
    latency: Latency,
    quota: Quota,
}

impl Book {
    /// A book without scopes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a scope; its breaker is closed.
    pub fn add_scope(&mut self, config: Config) -> ScopeId {
        let id = ScopeId(u32::try_from(self.scopes.len()).unwrap_or(u32::MAX));
        self.scopes.push(ScopeState {
            breaker: Breaker::new(config),
            gate: Gate::default(),
            latency: Latency::default(),
            quota: Quota::default(),
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
    pub fn admit_last_resort(&mut self, now: Moment, scopes: &[ScopeId]) -> Admission {
        let obstacle = scopes.iter().find_map(|&scope| {
            let state = self.scopes.get(scope.0 as usize)?;
            let (cause, until) = state.gate.check(now).err()?;
            Some(Refusal { scope, cause, until })
        });
        match obstacle {
            Some(refusal) => Admission::Refused(refusal),
            None => self.grant(now, scopes, 0, true),
        }
    }

    /// Takes something that became known while a call is under way.
    pub fn observe(&mut self, now: Moment, permit: &Permit, observation: Observation) {
        for entry in &permit.entries {
            let Some(state) = self.scopes.get_mut(entry.scope.0 as usize) else { continue };
            match observation {
                Observation::FirstContent { after } => state.latency.first_content(after),
                Observation::Late => state.breaker.late(now),
            }
        }
    }

    /// Takes the end of a call. `draw` is chance for the cooldown, if it opens something.
    pub fn settle(&mut self, now: Moment, permit: Permit, outcome: Outcome, draw: u64) -> Vec<Transition> {
        let mut transitions = self.advance(now);
        for entry in permit.entries {
            let Some(state) = self.scopes.get_mut(entry.scope.0 as usize) else { continue };
            let concerned = outcome.at.is_none_or(|at| at == entry.scope);
            let verdict = if concerned { outcome.verdict } else { Verdict::Neutral };
            if let Some(change) = state.take(now, entry, verdict, draw) {
                transitions.push(transition(entry.scope, now, change));
            }
        }
        transitions
    }

    /// Lets time pass for what needs no traffic: cooldowns that are over, leases that expired.
    pub fn advance(&mut self, now: Moment) -> Vec<Transition> {
        let mut transitions = Vec::new();
        for (index, state) in self.scopes.iter_mut().enumerate() {
            // An expired lease is rare and needs no fresh chance.
            let draw = now.as_nanos().wrapping_mul(0x9E37_79B9_7F4A_7C15);
            if let Some(change) = state.breaker.advance(now, draw) {
                transitions.push(transition(ScopeId(u32::try_from(index).unwrap_or(u32::MAX)), now, change));
            }
        }
        transitions
    }

    /// When [`Book::advance`] has something to do next.
    #[must_use]
    pub fn next_change(&self) -> Option<Moment> {
        self.scopes.iter().filter_map(|state| state.breaker.next_change()).min()
    }

    /// What is known of `scopes`, the worst of each.
    #[must_use]
    pub fn view(&self, now: Moment, scopes: &[ScopeId]) -> View {
        let obstacle = self.obstacle(now, scopes, 0);
        let mut view = View {
            usable: obstacle.is_none(),
            until: obstacle.and_then(|refusal| refusal.until),
            state: BreakerState::Closed,
            failure_rate_bp: 0,
            weight_bp: 10_000,
            latency: None,
            latency_p95: None,
            samples: 0,
            disabled: false,
            cordoned: false,
        };
        for &scope in scopes {
            let Some(state) = self.scopes.get(scope.0 as usize) else { continue };
            let (samples, rate) = state.breaker.failure_rate(now);
            view.state = view.state.max(state.breaker.state());
            view.failure_rate_bp = view.failure_rate_bp.max(rate);
            view.weight_bp = view.weight_bp.min(state.breaker.weight_bp(now));
            view.latency = view.latency.max(state.latency.average());
            view.latency_p95 = view.latency_p95.max(state.latency.p95());
            view.samples = view.samples.max(samples);
            view.disabled |= state.gate.is_disabled(now);
            view.cordoned |= state.gate.cordoned;
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
            for (cause, until) in gate.into_iter().chain(breaker).chain(quota) {
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
        for &scope in scopes {
            let Some(state) = self.scopes.get_mut(scope.0 as usize) else { continue };
            state.gate.pass(now, RECHECK);
            state.quota.take(now, tokens);
            let pass = if last_resort {
                state.breaker.admit_last_resort(now)
            } else {
                state.breaker.advance(now, 0);
                state.breaker.admit(now)
            };
            entries.push(Entry { scope, pass });
        }
        Admission::Granted(Permit { entries, last_resort })
    }
}

impl ScopeState {
    fn take(&mut self, now: Moment, entry: Entry, verdict: Verdict, draw: u64) -> Option<Change> {
        match verdict {
            Verdict::Success => {
                self.gate.success();
                self.breaker.success(now, entry.pass, draw)
            }
            Verdict::Failure { weight_milli, not_before } => {
                self.latency.failure();
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
                self.gate.disable(until);
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
    let soft =
        |refusal: &Refusal| matches!(refusal.cause, Cause::Open | Cause::HalfOpenBusy | Cause::QuotaSpent);
    (!soft(a), a.until.unwrap_or(Moment::MAX)) > (!soft(b), b.until.unwrap_or(Moment::MAX))
}

#[cfg(test)]
mod tests;
