//! The health of everything that a client talks to.
//!
//! Invariant: a call is admitted by all of its scopes or changes none of them; an outcome changes only scopes of its
//! own permit.

use hotspare_core::{BreakerState, Moment, RateLimits};

use crate::breaker::Change;
use crate::config::Config;
use crate::mirror::Used;
use crate::network::{Network, NetworkChange};
use crate::permit::{
    Admission, CallProfile, Cause, Entry, HealthOutcome, Observation, Permit, Reason, Refusal, ScopeId,
    Transition, Verdict,
};
use crate::schedule::Schedule;
use crate::scope::{LatencyState, Like, ScopeState};
use crate::view::{Times, View};

/// An unstreamed answer is late after this many times the 95th percentile: how long it takes depends on the request.
const UNSTREAMED_LATE: u32 = 2;
/// This many open parts, with none that answers, mean that the host itself is down.
const PARTS: usize = 3;

/// All breakers and gates of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Book {
    scopes: Vec<ScopeState>,
    schedule: Schedule,
    network: Network,
    /// Transitions caused by admissions, at most one per scope; [`Book::advance`] reports them.
    unreported: Vec<Transition>,
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

    /// Adds a host. Its calls differ too much for one measure of latency, so it has none; it can be unreachable.
    pub fn add_host(&mut self, config: Config) -> ScopeId {
        let id = self.add(config, None);
        self.scopes[id.0 as usize].is_host = true;
        id
    }

    /// Adds a part of a host, such as a model: three open parts, with none that answers, open the host.
    pub fn add_part(&mut self, config: Config, host: ScopeId) -> ScopeId {
        let id = self.add_scope(config);
        self.scopes[id.0 as usize].host = Some(host);
        id
    }

    /// Adds a scope shared by calls that differ too much for one measure of latency, such as a key.
    pub fn add_shared_scope(&mut self, config: Config) -> ScopeId {
        self.add(config, None)
    }

    fn add(&mut self, config: Config, latencies: Option<Box<LatencyState>>) -> ScopeId {
        let id = ScopeId(u32::try_from(self.scopes.len()).unwrap_or(u32::MAX));
        self.scopes.push(ScopeState::new(config, latencies));
        id
    }

    /// Takes what the reply to a call reports about the quota of one of its scopes.
    pub fn learn(&mut self, now: Moment, permit: &Permit, scope: ScopeId, limits: &RateLimits) {
        let entry = permit.entries.iter().find(|entry| entry.scope == scope);
        if let Some((entry, state)) = entry.zip(self.scopes.get_mut(scope.0 as usize)) {
            state.quota.report(now, entry.grant, limits);
        }
    }

    /// Takes what a call has used by its end, before [`Book::settle`]: replaces what was reserved for it, and teaches how
    /// long answers are. Without it, what was reserved counts as used.
    pub fn used(&mut self, now: Moment, permit: &Permit, used: Used) {
        for entry in &permit.entries {
            if let Some(state) = self.scopes.get_mut(entry.scope.0 as usize) {
                state.quota.end(now, entry.grant, permit.call.tokens, used);
            }
        }
    }

    /// Asks all of `scopes` to admit one streamed call of unknown size. Takes cooldowns that have passed into account,
    /// even if nothing has advanced time since.
    pub fn admit(&mut self, now: Moment, scopes: &[ScopeId]) -> Admission {
        self.admit_call(now, scopes, CallProfile::default())
    }

    /// As [`Book::admit`], for a call of which more is known.
    pub fn admit_call(&mut self, now: Moment, scopes: &[ScopeId], call: CallProfile) -> Admission {
        if let Some(refusal) = self.worst(now, scopes, call, |_| true) {
            return Admission::Refused(refusal);
        }
        self.grant(now, scopes, call, false)
    }

    /// As [`Book::admit_call`], but ignores what [`Cause::yields_to_last_resort`]. For calls that have no other target.
    pub fn admit_last_resort(&mut self, now: Moment, scopes: &[ScopeId], call: CallProfile) -> Admission {
        match self.worst(now, scopes, call, |cause| !cause.yields_to_last_resort()) {
            Some(refusal) => Admission::Refused(refusal),
            None => self.grant(now, scopes, call, true),
        }
    }

    /// Takes an observation made while a call is in flight.
    pub fn observe(&mut self, now: Moment, permit: &mut Permit, observation: Observation) {
        let like = Like { call: permit.call, usual: permit.late_after };
        for entry in &mut permit.entries {
            let Some(state) = self.scopes.get_mut(entry.scope.0 as usize) else { continue };
            let heard = matches!(
                observation,
                Observation::Responded | Observation::FirstContent { .. } | Observation::Untimed
            );
            if state.is_host && heard {
                self.network.heard(now, entry.scope, entry.began);
            }
            let before = state.breaker.next_change();
            state.observe(now, like, entry, observation);
            self.schedule.shift(entry.scope, before, state.breaker.next_change());
        }
    }

    /// Takes the end of a call. `draw` randomizes the cooldown if a breaker opens.
    pub fn settle(
        &mut self,
        now: Moment,
        permit: Permit,
        outcome: HealthOutcome,
        draw: u64,
    ) -> Vec<Transition> {
        let mut transitions = self.advance(now);
        let failed = matches!(
            outcome.verdict,
            Verdict::Failure { .. } | Verdict::Shed { .. } | Verdict::Unreachable { .. }
        );
        let unreachable = matches!(outcome.verdict, Verdict::Unreachable { .. });
        for entry in permit.entries {
            let Some(state) = self.scopes.get_mut(entry.scope.0 as usize) else { continue };
            // Any failure counts as a slow call, unless the request never got past the local network.
            let failed = failed && !(unreachable && self.network.is_suspected(now));
            if let Some(latencies) = state.latencies.as_mut().filter(|_| failed) {
                latencies.failure();
            }
            let concerned = outcome.at.is_none_or(|at| at == entry.scope);
            let verdict = if concerned { outcome.verdict } else { Verdict::Neutral };
            let verdict = match verdict {
                Verdict::Unreachable { .. } if state.is_host && self.network.lost(now, entry.scope) => {
                    Verdict::Neutral
                }
                Verdict::Success if state.is_host => {
                    self.network.heard(now, entry.scope, entry.began);
                    verdict
                }
                _ => verdict,
            };
            let before = state.breaker.next_change();
            let change = state.take(now, entry, verdict, draw);
            state.shedding.ended(entry.number, entry.speaks.then_some(entry.pass.generation));
            self.schedule.shift(entry.scope, before, state.breaker.next_change());
            if let Some(change) = change {
                transitions.push(transition(entry.scope, now, change));
                transitions.extend(self.judge_host(now, entry.scope, change, draw));
            }
        }
        if unreachable && self.network.is_suspected(now) {
            self.absolve(now, &mut transitions);
        }
        transitions
    }

    /// A part has changed its state: opens its host if that leaves enough parts open and none that answers.
    fn judge_host(
        &mut self,
        now: Moment,
        part: ScopeId,
        (from, to, reason): Change,
        draw: u64,
    ) -> Option<Transition> {
        let host = self.scopes.get(part.0 as usize)?.host?;
        // A slow part does answer, and a part that reopens adds no information.
        if (from, to) != (BreakerState::Closed, BreakerState::Open) || reason.is_slowness() {
            return None;
        }
        let parts = self.scopes.iter().filter(|state| state.host == Some(host));
        let ill: Vec<Moment> = parts.filter_map(|state| state.breaker.ill_since()).collect();
        let first = *ill.iter().min()?;
        let state = self.scopes.get_mut(host.0 as usize)?;
        if ill.len() < PARTS || state.answered_began.is_some_and(|began| began >= first) {
            return None;
        }
        let before = state.breaker.next_change();
        let open = u32::try_from(ill.len()).unwrap_or(u32::MAX);
        let change = state.breaker.open_for(now, Reason::Parts { open }, draw)?;
        self.schedule.shift(host, before, state.breaker.next_change());
        Some(transition(host, now, change))
    }

    /// Hosts that opened before the local network came under suspicion are not to blame.
    fn absolve(&mut self, now: Moment, transitions: &mut Vec<Transition>) {
        for (host, since) in self.network.hosts(now) {
            let Some(state) = self.scopes.get_mut(host.0 as usize) else { continue };
            let before = state.breaker.next_change();
            if let Some(change) = state.breaker.absolve(now, since) {
                transitions.push(transition(host, now, change));
            }
            self.schedule.shift(host, before, state.breaker.next_change());
        }
    }

    /// Whether the local network is suspected, rather than each unreachable host.
    #[must_use]
    pub fn network_is_suspected(&self, now: Moment) -> bool {
        self.network.is_suspected(now)
    }

    /// The last change of that suspicion, reported once.
    pub fn take_network_change(&mut self, now: Moment) -> Option<NetworkChange> {
        self.network.take_change(now)
    }

    /// Lets time pass for what needs no traffic: cooldowns that have passed, leases that have expired. Costs nothing
    /// for healthy scopes. Also reports the transitions that admissions have caused since the last call.
    pub fn advance(&mut self, now: Moment) -> Vec<Transition> {
        let mut transitions = std::mem::take(&mut self.unreported);
        while let Some(scope) = self.schedule.due(now) {
            let Some(state) = self.scopes.get_mut(scope.0 as usize) else { break };
            let before = state.breaker.next_change();
            // An expired lease is rare: it does not need real randomness.
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

    /// When a call with these scopes would show whether what is unhealthy or out of service has recovered; `None` if
    /// nothing is, or if only an operator can restore it.
    #[must_use]
    pub fn probe_at(&self, now: Moment, scopes: &[ScopeId]) -> Option<Moment> {
        let ill = scopes
            .iter()
            .filter_map(|scope| self.scopes.get(scope.0 as usize))
            .any(|state| state.breaker.state() != BreakerState::Closed || state.gate.is_out_of_service());
        if !ill {
            return None;
        }
        let call = CallProfile { answers_briefly: true, ..CallProfile::default() };
        match self.worst(now, scopes, call, |_| true) {
            None => Some(now),
            Some(refusal) => refusal.until,
        }
    }

    /// What is known of `scopes`, the worst of each figure, for a call of about this many tokens.
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
            streamed: Times::default(),
            unstreamed: Times::default(),
            samples: 0,
            degraded: false,
            disabled: false,
        };
        for &scope in scopes {
            let Some(state) = self.scopes.get(scope.0 as usize) else { continue };
            let (samples, rate) = state.breaker.failure_rate(now);
            view.state = view.state.max(state.breaker.state());
            view.failure_rate_bp = view.failure_rate_bp.max(rate);
            view.expected_failure_ppm = view.expected_failure_ppm.max(state.record.expected_ppm(now));
            view.weight_bp = view.weight_bp.min(state.breaker.weight_bp(now));
            if let Some(latencies) = &state.latencies {
                view.streamed = view.streamed.max(Times::of(&latencies.streamed, tokens));
                view.unstreamed = view.unstreamed.max(Times::of(&latencies.unstreamed, tokens));
            }
            view.degraded |= state.is_degraded();
            view.samples = view.samples.max(samples);
            view.disabled |= state.gate.is_disabled(now);
        }
        if view.degraded {
            view.weight_bp /= 10;
        }
        view
    }

    /// Puts a disabled scope back into service.
    pub fn enable(&mut self, scope: ScopeId) {
        if let Some(state) = self.scopes.get_mut(scope.0 as usize) {
            state.gate.enable();
        }
    }

    /// Whether a scope is disabled, or was and no call has confirmed yet that it is back.
    #[must_use]
    pub fn is_out_of_service(&self, scope: ScopeId) -> bool {
        self.scopes.get(scope.0 as usize).is_some_and(|state| state.gate.is_out_of_service())
    }

    /// Whether a scope has become slower than usual.
    #[must_use]
    pub fn is_degraded(&self, scope: ScopeId) -> bool {
        self.scopes.get(scope.0 as usize).is_some_and(ScopeState::is_degraded)
    }

    /// What refuses a call, if anything: the obstacle that lasts longest, those that yield to a last resort after all
    /// others. A limit on growth counts as one of them: it does not say when a target that fails is available.
    #[must_use]
    pub fn obstacle(&self, now: Moment, scopes: &[ScopeId], tokens: u64) -> Option<Refusal> {
        self.worst(now, scopes, CallProfile { tokens, ..CallProfile::default() }, |_| true)
    }

    /// The obstacle to report, of those with a cause that counts.
    fn worst(
        &self,
        now: Moment,
        scopes: &[ScopeId],
        call: CallProfile,
        counts: impl Fn(Cause) -> bool,
    ) -> Option<Refusal> {
        let mut worst: Option<Refusal> = None;
        for &scope in scopes {
            let Some(state) = self.scopes.get(scope.0 as usize) else { continue };
            let mut note = |cause, until| {
                let refusal = Refusal { scope, cause, until: Some(until) };
                if counts(cause) && worst.as_ref().is_none_or(|worst| lasts_longer(&refusal, worst)) {
                    worst = Some(refusal);
                }
            };
            if let Err((cause, until)) = state.gate.check(now) {
                note(cause, until);
            }
            if let Err((cause, until)) = state.breaker.check(now) {
                note(cause, until);
            }
            let spent = if call.answers_briefly {
                state.quota.wait_for_prompt(now, call.tokens)
            } else {
                state.quota.wait(now, call.tokens)
            };
            if let Some(until) = spent {
                note(Cause::QuotaSpent, until);
            }
            if let Some(until) = Some(state.growth.ready_at(now)).filter(|at| *at > now) {
                note(Cause::Growing, until);
            }
            if let Some(until) = self.network.held_until(now, scope) {
                note(Cause::NetworkSuspected, until);
            }
        }
        worst
    }

    fn grant(&mut self, now: Moment, scopes: &[ScopeId], call: CallProfile, last_resort: bool) -> Admission {
        let mut entries = Vec::with_capacity(scopes.len());
        let mut late_after = None;
        for &scope in scopes {
            let Some(state) = self.scopes.get_mut(scope.0 as usize) else { continue };
            state.gate.pass(now);
            self.network.asked(now, scope);
            state.growth.start(now);
            let grant = if call.answers_briefly {
                state.quota.take_prompt(now, call.tokens)
            } else {
                state.quota.take(now, call.tokens)
            };
            let before = state.breaker.next_change();
            if let Some(latencies) = &state.latencies {
                late_after = late_after.max(if call.unstreamed {
                    latencies.unstreamed.late_after(call.tokens).map(|usual| usual * UNSTREAMED_LATE)
                } else {
                    latencies.streamed.late_after(call.tokens)
                });
            }
            let change =
                if last_resort { state.breaker.override_pause() } else { state.breaker.advance(now, 0) };
            self.unreported.extend(change.map(|change| transition(scope, now, change)));
            let pass = state.breaker.admit(now, call.may_be_silent());
            self.schedule.shift(scope, before, state.breaker.next_change());
            let number = state.shedding.begin();
            entries.push(Entry { scope, pass, began: now, number, speaks: false, grant });
        }
        Admission::Granted(Permit { entries, last_resort, call, late_after })
    }
}

fn transition(scope: ScopeId, at: Moment, (from, to, reason): Change) -> Transition {
    Transition { scope, from, to, at, reason }
}

fn lasts_longer(a: &Refusal, b: &Refusal) -> bool {
    // Lateness says that the target answers, so whatever says otherwise is reported before it.
    let rank = |refusal: &Refusal| {
        let firm = !refusal.cause.yields_to_last_resort() && refusal.cause != Cause::Growing;
        (firm, refusal.cause != Cause::Slow, refusal.until.unwrap_or(Moment::MAX))
    };
    rank(a) > rank(b)
}

#[cfg(test)]
mod tests;
