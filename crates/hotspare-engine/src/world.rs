//! What all calls of a client share: health, budgets, counters.
//!
//! Not a lock: the owner puts a shared world behind one and holds it for microseconds. Invariant: every permit that is
//! granted is settled exactly once or frees itself; pending notices are bounded.

mod probing;
mod service;
mod slowness;
mod spending;
mod views;
mod windows;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hotspare_core::{Moment, RateLimits};
use hotspare_health::{
    Admission, Book, CallProfile, Cause, NetworkChange, Observation, Permit, Quota, Refusal, Transition,
    Verdict,
};
use hotspare_normalize::Calibration;

use crate::budget::Budget;
use crate::counts::{CostKind, Counts};
use crate::ending::{Ending, Settlement};
use crate::fleet::{Fleet, Route, Target};
use crate::queue::{Queues, Ticket};
use crate::spend::Spend;
use service::Service;
use slowness::Slowness;

pub use service::{KeyStatus, ServiceChange};
pub use slowness::SlownessChange;

/// Maximum number of pending notices; the oldest are dropped first.
const NOTICE_LIMIT: usize = 256;

/// Shared state.
#[derive(Debug)]
pub struct World {
    fleet: Arc<Fleet>,
    book: Book,
    targets: Vec<TargetState>,
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
        let state = &mut self.routes[route.index];
        state.hedges.deposit();
        self.last_resort.deposit();
        state.turn += 1;
        state.turn - 1
    }

    /// The counters of a target.
    #[must_use]
    pub fn counts(&self, place: usize) -> &Counts {
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

    /// Calls for which there may be room now: poll each after [`Input::Woken`](crate::Input::Woken).
    pub fn take_woken(&mut self) -> Vec<Ticket> {
        self.queues.take_woken()
    }

    /// Number of calls that wait for room at a target.
    #[must_use]
    pub fn queued(&self, place: usize) -> usize {
        self.queues.len(place)
    }

    /// Requests admission at a target with the first available key, starting at `draw`.
    pub(crate) fn admit(
        &mut self,
        now: Moment,
        place: usize,
        demand: Demand,
    ) -> Result<(usize, Permit), Refusal> {
        let Demand { draw, tokens, ticket, last_resort, unstreamed, reasons } = demand;
        let call = CallProfile { tokens, unstreamed, reasons };
        self.advance(now);
        let fleet = Arc::clone(&self.fleet);
        let target = &fleet.targets()[place];
        let refuse = |cause, until| Err(Refusal { scope: target.scopes(0).model, cause, until });
        if self.targets[place].cordoned {
            return refuse(Cause::Cordoned, None);
        }
        if !self.queues.is_next(now, place, ticket, self.free_places(place)) {
            return refuse(Cause::Full, Some(now + LOOK_AGAIN));
        }
        if let Some(until) = self.targets[place].own.wait(now, tokens) {
            return refuse(Cause::LimitReached, Some(until));
        }
        // Capacity under the operator's limit belongs to the first in the queue, which is woken or has a timer.
        if target.has_own_limit() && !self.queues.is_next(now, place, ticket, 1) {
            return refuse(Cause::Queued, Some(now + LOOK_AGAIN));
        }
        let keys = target.key_count();
        let first = usize::try_from(draw % keys as u64).unwrap_or(0);
        let mut admit = |key| {
            let scopes = target.scopes(key).as_array();
            let admission = if last_resort {
                self.book.admit_last_resort(now, &scopes, call)
            } else {
                self.book.admit_call(now, &scopes, call)
            };
            match admission {
                Admission::Granted(permit) => Ok((key, permit)),
                Admission::Refused(refusal) => Err(refusal),
            }
        };
        let mut admitted = admit(first);
        for offset in 1..keys {
            let Err(soonest) = &admitted else { break };
            match admit((first + offset) % keys) {
                Err(refusal) if !sooner(&refusal, soonest) => {}
                better => admitted = better,
            }
        }
        if admitted.is_ok() {
            self.targets[place].begin(now, tokens);
            // Reports the transitions that the admission has caused.
            self.advance(now);
            if let Some(ticket) = ticket {
                self.leave(now, ticket);
            }
        }
        admitted
    }

    /// Whether anything has changed that may make a probe due since the last call of this method.
    pub fn take_stirred(&mut self) -> bool {
        std::mem::take(&mut self.stirred)
    }

    /// Takes an observation about an attempt.
    pub(crate) fn observe(
        &mut self,
        now: Moment,
        place: usize,
        permit: &mut Permit,
        observation: Observation,
    ) {
        if let Observation::FirstContent { after } = observation {
            self.targets[place].counts.first_content.record(after);
        }
        self.book.observe(now, permit, observation);
        self.note_slowness(place);
        self.note_network(now);
    }

    fn note_network(&mut self, now: Moment) {
        let change = self.book.take_network_change(now);
        self.network = change.or(self.network.take());
    }

    /// Takes the end of an attempt.
    pub(crate) fn settle(&mut self, now: Moment, place: usize, permit: Permit, end: Settlement, draw: u64) {
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
        let of_route = end.route.and_then(|route| self.routes[route].spend.as_mut());
        let spends = [state.spend.as_mut(), of_route];
        for spend in spends.into_iter().flatten() {
            spend.end(now, end.expected, cost.unwrap_or_default());
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
        let transitions = self.book.settle(now, permit, outcome, draw);
        self.note_slowness(place);
        self.note_back();
        self.note_network(now);
        self.stirred |= !transitions.is_empty();
        self.queue_notices(transitions);
        self.wake(Some(now), place);
    }

    /// A reply reports what is left of the provider's quota.
    pub(crate) fn learn(&mut self, now: Moment, place: usize, key: usize, limits: &RateLimits) {
        let scopes = self.fleet.targets()[place].scopes(key);
        self.book.learn(now, scopes.credential_model, limits);
    }

    /// Queues a call at a target, to ask again at `due`; false if the queue is full.
    pub(crate) fn join(&mut self, place: usize, ticket: &mut Option<Ticket>, due: Moment) -> bool {
        let ticket = *ticket.get_or_insert_with(|| self.queues.ticket());
        self.queues.join(place, ticket, due)
    }

    /// A call no longer waits; the calls behind it may be next.
    pub(crate) fn leave(&mut self, now: Moment, ticket: Ticket) {
        self.queues.leave(ticket);
        self.wake_all(now);
    }

    /// A call no longer waits, except at `places`.
    pub(crate) fn leave_all_but(&mut self, now: Moment, ticket: Ticket, places: &[usize]) {
        if self.queues.leave_all_but(ticket, places) {
            self.wake_all(now);
        }
    }

    fn wake_all(&mut self, now: Moment) {
        (0..self.targets.len()).for_each(|place| self.wake(Some(now), place));
    }

    /// A target rejected a stream and answered the same request without one.
    pub(crate) fn note_unstreamed_only(&mut self, place: usize) {
        self.targets[place].unstreamed_only = true;
    }

    /// Wakes as many waiting calls as there are slots. If they wait for time to pass, wakes only the first: it has a
    /// timer, and the next one is woken when it leaves the queue.
    fn wake(&mut self, now: Option<Moment>, place: usize) {
        let target = &self.fleet.targets()[place];
        let for_places = target.max_in_flight.is_some() && !target.has_own_limit();
        let free = self.free_places(place);
        self.queues.wake(now, place, if for_places { free } else { free.min(1) });
    }

    fn free_places(&self, place: usize) -> usize {
        let Some(most) = self.fleet.targets()[place].max_in_flight else { return usize::MAX };
        let free = most.saturating_sub(self.targets[place].counts.in_flight);
        usize::try_from(free).unwrap_or(usize::MAX)
    }

    /// A call of the route was answered.
    pub(crate) fn earned(&mut self, route: &Route) {
        self.routes[route.index].retries.deposit();
    }

    pub(crate) fn take_retry(&mut self, now: Moment, route: &Route) -> bool {
        self.routes[route.index].retries.try_take(now)
    }

    /// Whether the budgets allow a hedge. Hedges have the lowest priority: once failures have used up the retries, a
    /// second start of what works does not help.
    pub(crate) fn has_hedge(&self, route: &Route) -> bool {
        let state = &self.routes[route.index];
        !state.retries.is_low() && !state.hedges.is_low()
    }

    /// A hedge was started.
    pub(crate) fn take_hedge(&mut self, now: Moment, route: &Route) {
        let _had = self.routes[route.index].hedges.try_take(now);
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
    pub(crate) fn scopes(&self, place: usize) -> crate::fleet::TargetScopes {
        self.fleet.targets()[place].scopes(0)
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

/// How soon a full target is asked again, unless the call is woken before.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What a call needs of a target.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Demand {
    pub(crate) draw: u64,
    pub(crate) tokens: u64,
    pub(crate) ticket: Option<Ticket>,
    pub(crate) last_resort: bool,
    /// Whether the answer is unstreamed.
    pub(crate) unstreamed: bool,
    /// Whether the model reasons before it answers.
    pub(crate) reasons: bool,
}

/// Whether a refusal ends sooner than another; one without a time never does.
fn sooner(a: &Refusal, b: &Refusal) -> bool {
    match (a.until, b.until) {
        (Some(a), Some(b)) => a < b,
        (Some(_), None) => true,
        (None, _) => false,
    }
}
