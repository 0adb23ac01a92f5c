//! What all calls of a client share: health, budgets, counters.
//!
//! Not a lock: the owner puts a shared world behind one and holds it for microseconds. Invariant: every permit that is
//! granted is settled exactly once or frees itself; pending notices are bounded.

mod admission;
mod in_vain;
mod obstacles;
mod probing;
mod service;
mod slowness;
mod spending;
mod views;
mod windows;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hotspare_core::{Kind, Moment, RateLimits, Usage};
use hotspare_health::{Book, NetworkChange, Observation, Permit, Quota, Transition, Used, Verdict};
use hotspare_normalize::Calibration;

use crate::budget::Budget;
use crate::counts::{CostKind, Counts};
use crate::ending::{Ending, Settlement};
use crate::fleet::{Fleet, Route, Target};
use crate::index::{KeyIndex, PerTarget, TargetIndex};
use crate::queue::Queues;
use crate::spend::Spend;
use in_vain::WaitsInVain;
use service::Service;
use slowness::Slowness;

pub(crate) use admission::Demand;
pub(crate) use obstacles::LOOK_AGAIN;
pub use service::{KeyStatus, ServiceChange};
pub use slowness::SlownessChange;

/// Maximum number of pending notices; the oldest are dropped first.
const NOTICE_LIMIT: usize = 256;

/// Shared state.
#[derive(Debug)]
pub struct World {
    fleet: Arc<Fleet>,
    book: Book,
    targets: PerTarget<TargetState>,
    routes: Vec<RouteState>,
    last_resort: Budget,
    queues: Queues,
    notices: VecDeque<Transition>,
    service: Service,
    slowness: Slowness,
    /// Whether anything has changed that may make a probe due.
    stirred: bool,
    /// The last change in the suspicion of the local network, if not reported yet.
    network: Option<NetworkChange>,
}

#[derive(Debug, Default)]
struct TargetState {
    counts: Counts,
    /// Taken out of service by an operator. Per target: another target with the same model stays in service.
    cordoned: bool,
    /// It rejects streams, so the route does not request one unless the caller does.
    unstreamed_only: bool,
    tokens: Calibration,
    /// A request of this many tokens was too long, and when that is forgotten.
    overflow: Option<(u64, Moment)>,
    /// The window that it has named, and when that is forgotten.
    window: Option<(u64, Moment)>,
    spend: Option<Spend>,
    /// The operator's limits per minute. Per target, like its slots.
    own: Quota,
    /// Another target, started before it, was first.
    in_vain: WaitsInVain,
    /// Number of calls' attempts whose end said something about health.
    settled: u64,
}

impl TargetState {
    fn begin(&mut self, now: Moment, tokens: u64) {
        self.own.take(now, tokens);
        self.counts.started += 1;
        self.counts.in_flight += 1;
    }

    fn begin_probe(&mut self, now: Moment) {
        self.own.take(now, 0);
        self.counts.probes += 1;
        self.counts.in_flight += 1;
    }
}

#[derive(Debug)]
struct RouteState {
    turn: u64,
    retries: Budget,
    hedges: Budget,
    spend: Option<Spend>,
}

impl World {
    /// A world in which everything is healthy.
    #[must_use]
    pub fn new(fleet: Arc<Fleet>, book: Book, routes: &[Arc<Route>]) -> Self {
        let own = |target: &Target| Quota::per_minute(target.requests_per_minute, target.tokens_per_minute);
        let state = |target| TargetState { own: own(target), ..TargetState::default() };
        let targets = fleet.targets().iter().map(state).collect();
        let routes = routes
            .iter()
            .map(|route| RouteState {
                turn: 0,
                retries: Budget::retries(),
                hedges: Budget::hedges(route.strategy.hedge_budget_bp().unwrap_or(0)),
                spend: route.limits.spend.map(Spend::new),
            })
            .collect();
        let queues = Queues::new(fleet.targets().len());
        let last_resort = Budget::last_resort();
        Self {
            fleet,
            book,
            targets,
            routes,
            last_resort,
            queues,
            notices: VecDeque::new(),
            service: Service::default(),
            slowness: Slowness::default(),
            stirred: false,
            network: None,
        }
    }

    /// Counts a call of a route; returns the number of calls before it.
    pub fn next_turn(&mut self, route: &Route) -> u64 {
        let state = &mut self.routes[route.index.position()];
        state.hedges.deposit();
        self.last_resort.deposit();
        state.turn += 1;
        state.turn - 1
    }

    /// The counters of a target.
    #[must_use]
    pub fn counts(&self, place: TargetIndex) -> &Counts {
        &self.targets[place].counts
    }

    /// Lets time pass for what needs no traffic: leases, cooldowns.
    pub fn advance(&mut self, now: Moment) {
        let transitions = self.book.advance(now);
        self.queue_notices(transitions);
    }

    /// When [`World::advance`] has something to do next.
    #[must_use]
    pub fn next_change(&self) -> Option<Moment> {
        self.book.next_change()
    }

    /// Whether every `take_*` method would return nothing.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.notices.is_empty()
            && self.service.is_quiet()
            && self.slowness.is_quiet()
            && self.network.is_none()
            && self.queues.is_quiet()
            && !self.stirred
    }

    /// Breaker transitions since the last call of this method.
    pub fn take_notices(&mut self) -> Vec<Transition> {
        self.notices.drain(..).collect()
    }

    /// The last change in the suspicion of the local network since the last call of this method, if any.
    pub fn take_network_change(&mut self) -> Option<NetworkChange> {
        self.network.take()
    }

    /// Whether the local network is suspected, rather than each unreachable host.
    #[must_use]
    pub fn network_is_suspected(&self, now: Moment) -> bool {
        self.book.network_is_suspected(now)
    }

    /// Whether anything has changed that may make a probe due since the last call of this method.
    pub fn take_stirred(&mut self) -> bool {
        std::mem::take(&mut self.stirred)
    }

    /// Takes an observation about an attempt.
    pub(crate) fn observe(
        &mut self,
        now: Moment,
        place: TargetIndex,
        permit: &mut Permit,
        observation: Observation,
    ) {
        if let Observation::FirstContent { after } = observation {
            let state = &mut self.targets[place];
            state.counts.first_content.record(after);
        }
        if matches!(observation, Observation::FirstContent { .. } | Observation::Untimed) {
            self.targets[place].in_vain = WaitsInVain::default();
        }
        self.book.observe(now, permit, observation);
        self.note_slowness(place);
        self.note_network(now);
    }

    /// A call has waited this long for the first content of a stream when another target, which it had started before,
    /// was first.
    pub(crate) fn note_waited_in_vain(&mut self, place: TargetIndex, waited: Duration) {
        self.targets[place].in_vain.note(waited);
    }

    /// Whether calls have waited for a target's first content in vain, since it last sent any, for so long that its median is
    /// hardly shorter than this.
    pub(crate) fn waited_in_vain(&self, place: TargetIndex, within: Duration) -> bool {
        self.targets[place].in_vain.exclude(within)
    }

    fn note_network(&mut self, now: Moment) {
        let change = self.book.take_network_change(now);
        self.network = change.or(self.network.take());
    }

    /// Takes the end of an attempt.
    pub(crate) fn settle(
        &mut self,
        now: Moment,
        place: TargetIndex,
        permit: Permit,
        end: Settlement,
        draw: u64,
    ) {
        let Settlement { outcome, ending, usage, cost, .. } = end;
        self.note_out(now, &outcome, ending);
        let kind = match ending {
            _ if end.reask => CostKind::Reask,
            Ending::Served => CostKind::Useful,
            _ if permit.is_probe() || permit.is_last_resort() => CostKind::Probe,
            Ending::Abandoned => CostKind::Abandoned,
            Ending::Cancelled => CostKind::Loser,
            Ending::Failed(_) => CostKind::Failed,
        };
        let state = &mut self.targets[place];
        if let Some((size, counted)) = end.counted {
            state.tokens.learn(&size, counted);
            // It accepts more than it seemed to.
            state.overflow = state.overflow.filter(|(tokens, _)| counted < *tokens);
            state.window = state.window.filter(|(tokens, _)| counted < *tokens);
        }
        let of_route = end.route.and_then(|route| self.routes[route.position()].spend.as_mut());
        let spends = [state.spend.as_mut(), of_route];
        for spend in spends.into_iter().flatten() {
            spend.end(now, end.reserved, cost.unwrap_or_default());
        }
        let counts = &mut state.counts;
        counts.refused += u64::from(end.refused);
        counts.in_flight = counts.in_flight.saturating_sub(1);
        counts.usage += &usage;
        if let Some(cost) = cost {
            counts.cost += cost;
            *counts.costs.entry(kind).or_default() += cost;
        }
        if end.route.is_some() {
            match ending {
                Ending::Abandoned | Ending::Cancelled => counts.cancelled += 1,
                Ending::Failed(kind) => *counts.failed.entry(kind).or_default() += 1,
                Ending::Served => counts.served += 1,
            }
            if outcome.verdict != Verdict::Neutral {
                state.settled += 1;
                self.stirred |= permit.is_probe();
            }
        }
        self.stirred |= matches!(outcome.verdict, Verdict::Disable { .. });
        if let Some(tokens) = usage.total().filter(|_| usage.input.is_some()) {
            state.own.correct(now, permit.tokens(), tokens);
        }
        if let Some(used) = used(ending, &usage) {
            self.book.used(now, &permit, used);
        }
        let transitions = self.book.settle(now, permit, outcome, draw);
        self.note_slowness(place);
        self.note_back();
        self.note_network(now);
        self.stirred |= !transitions.is_empty();
        self.queue_notices(transitions);
        self.wake(Some(now), place);
    }

    /// The reply to an attempt reports what is left of the provider's quota.
    pub(crate) fn learn(
        &mut self,
        now: Moment,
        place: TargetIndex,
        key: KeyIndex,
        permit: &Permit,
        limits: &RateLimits,
    ) {
        let scopes = self.fleet[place].scopes(key);
        self.book.learn(now, permit, scopes.credential_model, limits);
    }

    /// A target rejected a stream and answered the same request without one.
    pub(crate) fn note_unstreamed_only(&mut self, place: TargetIndex) {
        self.targets[place].unstreamed_only = true;
    }

    /// A call of the route was answered.
    pub(crate) fn earned(&mut self, route: &Route) {
        self.routes[route.index.position()].retries.deposit();
    }

    pub(crate) fn take_retry(&mut self, now: Moment, route: &Route) -> bool {
        self.routes[route.index.position()].retries.try_take(now)
    }

    /// Whether the budgets allow a hedge. Hedges have the lowest priority: once failures have used up the retries, a
    /// second start of what works does not help.
    pub(crate) fn has_hedge(&self, route: &Route) -> bool {
        let state = &self.routes[route.index.position()];
        !state.retries.is_low() && !state.hedges.is_low()
    }

    /// A hedge was started.
    pub(crate) fn take_hedge(&mut self, now: Moment, route: &Route) {
        let _had = self.routes[route.index.position()].hedges.try_take(now);
    }

    /// When a call whose targets are all unhealthy may use a last resort.
    pub(crate) fn last_resort_at(&self, now: Moment) -> Option<Moment> {
        self.last_resort.ready_at(now)
    }

    pub(crate) fn take_last_resort(&mut self, now: Moment) -> bool {
        self.last_resort.try_take(now)
    }

    /// Hashes everything that distinguishes two states, for explorations.
    #[cfg(test)]
    pub(crate) fn fingerprint(&self, hasher: &mut impl std::hash::Hasher) {
        use std::hash::Hash;
        let Self {
            fleet: _,
            book,
            targets,
            routes,
            last_resort,
            queues,
            notices,
            service,
            slowness,
            stirred,
            network,
        } = self;
        book.hash(hasher);
        (last_resort, queues, stirred).hash(hasher);
        format!("{targets:?} {routes:?} {notices:?} {service:?} {slowness:?} {network:?}").hash(hasher);
    }

    #[cfg(test)]
    pub(crate) fn scopes(&self, place: TargetIndex) -> crate::fleet::TargetScopes {
        self.fleet[place].scopes(KeyIndex::FIRST)
    }

    fn queue_notices(&mut self, transitions: Vec<Transition>) {
        for transition in transitions {
            if self.notices.len() == NOTICE_LIMIT {
                self.notices.pop_front();
            }
            self.notices.push_back(transition);
        }
    }
}

/// What an attempt took of its provider's quota, if that is known. Of an attempt that was dropped it is not, nor of one that
/// took too long: the provider may have counted it and reserved its answer.
fn used(ending: Ending, usage: &Usage) -> Option<Used> {
    match ending {
        Ending::Abandoned
        | Ending::Cancelled
        | Ending::Failed(Kind::Cancelled | Kind::Deadline | Kind::Stalled | Kind::Timeout) => None,
        Ending::Failed(_) => usage.total().is_none().then(Used::default),
        Ending::Served => {
            let mut used = Used::default();
            (used.prompt, used.answer) = (usage.input?, usage.output);
            Some(used)
        }
    }
}
