//! The circuit breaker of one scope.
//!
//! Why a breaker: a target that is down costs every request the time to find out, and everybody's retries keep a
//! struggling target down. A breaker remembers, so that an occasional probe finds out on behalf of all requests.
//!
//! **Closed** lets traffic flow. It opens when any rule is met: a number of failures within the window (quick at any
//! traffic rate), a share of failed or late calls once there are enough calls to judge, or accumulated evidence. A
//! single failure among successes opens nothing.
//!
//! **Open** blocks for a cooldown, which doubles with each opening and shrinks by one step for every five minutes spent
//! closed; half of it is random, so that many clients do not return at once. A failure can extend a pause but never
//! shorten it. A last resort may probe during the pause, and only if that probe succeeds does the pause end early.
//!
//! **HalfOpen** hands out a few leases. A successful probe closes the breaker (once enough have succeeded); a failed
//! one reopens it; one that says nothing about health (the caller left, the request was invalid) returns its lease; one
//! that never reports loses its lease when it expires. A probe whose answer has started, or which may be silent until its
//! end or while its model reasons, may take longer, but once its original lease is over it no longer occupies a probe slot. So no probe can wedge the breaker.
//!
//! Every transition starts a new *generation*. A permit belongs to the generation that granted it: the end of a call
//! that straddles a transition is not counted, so it cannot change the state, not even by influencing the next call.
//!
//! Not aware of requests, status codes or clocks. Invariants: no admission while Open, except for a marked last resort;
//! at most the configured number of probes hold a lease; only a probe leads from HalfOpen to Closed.

use std::time::Duration;

use hotspare_core::{BreakerState, Moment};

use crate::config::Config;
use crate::evidence::Sum;
use crate::gate::{LONGEST_HINT, LONGEST_HOLD};
use crate::permit::{Cause, Pass, Reason};
use crate::window::{Weight, Window};

/// Time in Closed after which one doubling of the cooldown is forgotten.
const FORGET: Duration = Duration::from_secs(300);

/// A probe whose answer has started, or which is silent by nature so that nothing shows whether it has, has this many
/// times its lease to end: a long answer is healthy, and the limits of its call catch one that hangs. Ten times 60 s is the
/// longest that an answer may take by default.
const LONG_ANSWER: u32 = 10;

/// A circuit breaker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Breaker {
    config: Config,
    state: State,
    generation: u64,
    /// Number of doublings of the cooldown, less those forgotten up to the last opening. Stops at the cap, so that a
    /// long outage is not remembered for days.
    openings: u32,
    /// The same before it last left Closed.
    openings_before: u32,
    window: Window,
    sum: Sum,
    next_lease: u64,
    /// When it closed after having been open; the ramp and the forgetting start here.
    closed_at: Option<Moment>,
    /// Until when only a last resort is admitted. Only a successful probe shortens it.
    until: Moment,
    /// When it last left Closed.
    opened_at: Moment,
    /// Whether it last opened because the target shed load.
    busy: bool,
    /// Whether it left Closed because calls were late, and every probe since has been answered.
    slow: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum State {
    Closed,
    Open,
    HalfOpen { leases: Vec<Lease>, good: u32 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Lease {
    id: u64,
    /// Until when it occupies a probe slot.
    holds: Moment,
    /// When the probe is given up; later than `holds` once its answer has started or if it may be silent, so that a slow
    /// answer neither fails nor blocks the next probe.
    expires: Moment,
}

/// If all probe slots are occupied, until when.
fn taken(leases: &[Lease], places: usize, now: Moment) -> Option<Moment> {
    let held = || leases.iter().map(|lease| lease.holds).filter(|holds| *holds > now);
    if held().count() < places { None } else { held().min() }
}

/// A transition, before its scope is known.
pub(crate) type Change = (BreakerState, BreakerState, Reason);

impl Breaker {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            window: Window::new(config.window),
            config,
            state: State::Closed,
            generation: 0,
            openings: 0,
            openings_before: 0,
            sum: Sum::default(),
            next_lease: 0,
            closed_at: None,
            until: Moment::ZERO,
            opened_at: Moment::ZERO,
            busy: false,
            slow: false,
        }
    }

    pub(crate) fn state(&self) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Open => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Whether a call would be admitted, without admitting it.
    pub(crate) fn check(&self, now: Moment) -> Result<(), (Cause, Moment)> {
        match &self.state {
            State::Closed => Ok(()),
            // Open and cooled down is as good as half-open: the first call becomes the probe.
            State::Open if now >= self.until => Ok(()),
            State::Open => Err((self.cause(Cause::Open), self.until)),
            // A last resort was admitted during the pause, which continues for all other calls.
            State::HalfOpen { .. } if now < self.until => Err((self.cause(Cause::Open), self.until)),
            State::HalfOpen { leases, .. } => match taken(leases, self.probes(), now) {
                None => Ok(()),
                Some(until) => Err((self.cause(Cause::HalfOpenBusy), until)),
            },
        }
    }

    fn cause(&self, cause: Cause) -> Cause {
        if self.slow { Cause::Slow } else { cause }
    }

    /// Admits a call that [`Breaker::check`] allowed.
    pub(crate) fn admit(&mut self, now: Moment, may_be_silent: bool) -> Pass {
        let holds = now + self.config.lease;
        let expires = if may_be_silent { now + self.long_answer() } else { holds };
        let lease = match &mut self.state {
            State::HalfOpen { leases, .. } => {
                self.next_lease += 1;
                leases.push(Lease { id: self.next_lease, holds, expires });
                Some(self.next_lease)
            }
            _ => None,
        };
        Pass { generation: self.generation, lease, timed: false }
    }

    /// Makes an open breaker half-open during its pause, so that the next call gets a lease.
    pub(crate) fn override_pause(&mut self) -> Option<Change> {
        (self.state == State::Open).then(|| self.half_open(Reason::LastResort))
    }

    pub(crate) fn success(&mut self, now: Moment, pass: Pass, draw: u64) -> Option<Change> {
        if pass.generation != self.generation {
            return None;
        }
        self.window.success(now, pass.timed);
        if let Some(rule) = &self.config.evidence {
            self.sum.success(now, rule);
        }
        let needed = self.config.probes_to_close;
        let State::HalfOpen { leases, good } = &mut self.state else {
            // Calls that succeed but are late can open it too.
            let reason = self.judge(now)?;
            return (self.state == State::Closed).then(|| self.open(now, reason, None, draw));
        };
        if !take(leases, pass) {
            return None;
        }
        *good += 1;
        if *good < needed {
            return None;
        }
        let from = self.state();
        self.state = State::Closed;
        self.generation += 1;
        self.window.clear();
        // One good probe does not prove the target healthy: it stays one failure short of opening until successes have
        // reduced the sum. Not after load shedding, since a busy target will go on refusing what exceeds its capacity.
        if let Some(rule) = self.config.evidence.as_ref().filter(|_| !self.busy) {
            self.sum = Sum::one_short_of(now, rule);
        }
        self.closed_at = Some(now);
        self.until = now;
        Some((from, BreakerState::Closed, Reason::ProbeSucceeded))
    }

    pub(crate) fn failure(
        &mut self,
        now: Moment,
        pass: Pass,
        weight: Weight,
        not_before: Option<Moment>,
        draw: u64,
    ) -> Option<Change> {
        let full = self.config.evidence.map_or(0, |rule| rule.failure);
        self.fail(now, pass, weight, full, not_before, draw)
    }

    /// The host could not be reached: a failure that is rarer where it is healthy.
    pub(crate) fn unreachable(
        &mut self,
        now: Moment,
        pass: Pass,
        weight: Weight,
        draw: u64,
    ) -> Option<Change> {
        let full = self.config.evidence.map_or(0, |rule| rule.unreachable);
        self.fail(now, pass, weight, full, None, draw)
    }

    fn fail(
        &mut self,
        now: Moment,
        pass: Pass,
        weight: Weight,
        full: u32,
        not_before: Option<Moment>,
        draw: u64,
    ) -> Option<Change> {
        if pass.generation != self.generation {
            // Moves nothing, but shows that the target is not merely slow.
            self.slow &= self.state == State::Closed;
            return None;
        }
        self.window.failure(now, weight, pass.timed);
        match &mut self.state {
            State::Closed => {
                if let Some(rule) = &self.config.evidence {
                    self.sum.failure(now, rule, full, weight.evidence);
                }
                let reason = self.judge(now)?;
                Some(self.open(now, reason, not_before, draw))
            }
            State::HalfOpen { leases, .. } => {
                let failed = take(leases, pass);
                self.slow &= !failed;
                failed.then(|| self.open(now, Reason::ProbeFailed, not_before, draw))
            }
            State::Open => None,
        }
    }

    /// The call was so late that another target served: counts as a call without a failure. A late probe has not shown
    /// that the target is healthy.
    pub(crate) fn slow(&mut self, now: Moment, pass: Pass, draw: u64) -> Option<Change> {
        if pass.generation != self.generation {
            return None;
        }
        if !pass.timed {
            self.window.late(now);
        }
        self.window.success(now, true);
        match &mut self.state {
            State::Closed => {
                let reason = self.judge(now)?;
                Some(self.open(now, reason, None, draw))
            }
            State::HalfOpen { leases, .. } => {
                take(leases, pass).then(|| self.open(now, Reason::ProbeFailed, None, draw))
            }
            State::Open => None,
        }
    }

    /// Records that it has just opened because the target shed load.
    pub(crate) fn opened_for_load(&mut self) {
        self.busy = true;
    }

    /// Whether it last opened because the target shed load.
    pub(crate) fn was_busy(&self) -> bool {
        self.busy
    }

    /// When it left Closed, if it has not returned.
    pub(crate) fn ill_since(&self) -> Option<Moment> {
        (self.state != State::Closed).then_some(self.opened_at)
    }

    /// Opens a closed breaker for a reason found outside of it.
    pub(crate) fn open_for(&mut self, now: Moment, reason: Reason, draw: u64) -> Option<Change> {
        (self.state == State::Closed).then(|| self.open(now, reason, None, draw))
    }

    /// If it has left Closed at or after `since`, it was not to blame: lets the next call probe, and does not count any
    /// opening from then on. A pause that the provider asked for stands.
    pub(crate) fn absolve(&mut self, now: Moment, since: Moment) -> Option<Change> {
        let promised = self.until > now + self.config.cooldown_cap;
        if self.state != State::Open || self.opened_at < since || promised {
            return None;
        }
        self.openings = self.openings_before;
        self.until = now;
        Some(self.half_open(Reason::NetworkSuspected))
    }

    /// The call said nothing about health: returns its lease, if it holds one.
    pub(crate) fn neutral(&mut self, pass: Pass) {
        if pass.generation == self.generation
            && let State::HalfOpen { leases, .. } = &mut self.state
        {
            take(leases, pass);
        }
    }

    /// A call's first content is late.
    pub(crate) fn late(&mut self, now: Moment, pass: &mut Pass) {
        if pass.generation == self.generation && !std::mem::replace(&mut pass.timed, true) {
            self.window.late(now);
        }
    }

    /// A call's first content has arrived: in time, unless it was late before. Extends the lease of a probe.
    pub(crate) fn first_content(&mut self, now: Moment, pass: &mut Pass) {
        if pass.generation != self.generation {
            return;
        }
        if !std::mem::replace(&mut pass.timed, true) {
            self.window.in_time(now);
        }
        let long = now + self.long_answer();
        if let State::HalfOpen { leases, .. } = &mut self.state {
            for lease in leases.iter_mut().filter(|lease| Some(lease.id) == pass.lease) {
                lease.expires = lease.expires.max(long);
            }
        }
    }

    fn long_answer(&self) -> Duration {
        self.config.lease.saturating_mul(LONG_ANSWER)
    }

    /// Lets time pass: cooldowns that have passed, leases that have expired.
    pub(crate) fn advance(&mut self, now: Moment, draw: u64) -> Option<Change> {
        match &mut self.state {
            State::Closed => None,
            State::Open => (now >= self.until).then(|| self.half_open(Reason::CooledDown)),
            State::HalfOpen { leases, .. } => {
                let before = leases.len();
                leases.retain(|lease| lease.expires > now);
                let expired = leases.len() < before;
                self.slow &= !expired;
                expired.then(|| self.open(now, Reason::LeaseExpired, None, draw))
            }
        }
    }

    pub(crate) fn next_change(&self) -> Option<Moment> {
        match &self.state {
            State::Closed => None,
            State::Open => Some(self.until),
            State::HalfOpen { leases, .. } => leases.iter().map(|lease| lease.expires).min(),
        }
    }

    /// Number of calls, and the share that failed from the caller's point of view, in hundredths of a per cent.
    pub(crate) fn failure_rate(&self, now: Moment) -> (u32, u32) {
        let total = self.window.total(now);
        (total.calls, rate_bp(total.felt_milli, total.calls))
    }

    /// Share of its normal traffic that it should get: a tenth right after it closed, all of it once the ramp is over.
    pub(crate) fn weight_bp(&self, now: Moment) -> u32 {
        match (&self.state, self.closed_at) {
            (State::Open, _) => 0,
            (State::HalfOpen { .. }, _) => 1_000,
            (State::Closed, None) => 10_000,
            (State::Closed, Some(at)) => {
                let ramp = self.config.ramp.as_nanos().max(1);
                let passed = now.saturating_since(at).as_nanos().min(ramp);
                u32::try_from((passed * 10_000 / ramp).max(1_000)).unwrap_or(10_000)
            }
        }
    }

    fn probes(&self) -> usize {
        usize::try_from(self.config.probes).unwrap_or(usize::MAX)
    }

    /// Which rule is met, if any.
    fn judge(&self, now: Moment) -> Option<Reason> {
        if self.config.evidence.as_ref().is_some_and(|rule| self.sum.trips(rule)) {
            return Some(Reason::Evidence { milli_nats: self.sum.milli_nats });
        }
        let total = self.window.total(now);
        let count = u32::try_from(total.failures_milli / 1_000).unwrap_or(u32::MAX);
        if self.config.failures.is_some_and(|limit| count >= limit) {
            return Some(Reason::Failures { count, within: self.config.window });
        }
        let share = |part_milli, calls: u32, limit: Option<u32>| {
            let rate = rate_bp(part_milli, calls);
            (calls >= self.config.min_calls && limit.is_some_and(|limit| rate >= limit))
                .then_some((rate, calls))
        };
        if let Some((rate_bp, calls)) = share(total.failures_milli, total.calls, self.config.failure_rate_bp)
        {
            return Some(Reason::FailureRate { rate_bp, calls });
        }
        // Lateness is known long before a call ends, so late calls are counted apart from outcomes.
        // Where there is too little traffic for a rate, as many calls in a row say the same. Not where there is enough:
        // the late calls of a burst come in a row, because those in time came before them.
        let timed = total.late + total.in_time;
        if timed < self.config.min_calls {
            let calls = self.window.late_in_a_row();
            let opens = calls >= self.config.min_calls && self.config.slow_rate_bp.is_some();
            return opens.then_some(Reason::SlowRun { calls });
        }
        let (rate_bp, calls) = share(u64::from(total.late) * 1_000, timed, self.config.slow_rate_bp)?;
        Some(Reason::SlowRate { rate_bp, calls })
    }

    fn open(&mut self, now: Moment, reason: Reason, not_before: Option<Moment>, draw: u64) -> Change {
        let from = self.state();
        if self.state == State::Closed {
            self.slow = reason.is_slowness();
            self.opened_at = now;
            let closed_for = self.closed_at.map_or(Duration::ZERO, |at| now.saturating_since(at));
            let steps = u32::try_from(closed_for.as_secs() / FORGET.as_secs()).unwrap_or(u32::MAX);
            self.openings = self.openings.saturating_sub(steps);
            self.openings_before = self.openings;
        }
        let growth = 1u32.checked_shl(self.openings.min(16)).unwrap_or(u32::MAX);
        let whole = self.config.cooldown.saturating_mul(growth).min(self.config.cooldown_cap);
        if whole < self.config.cooldown_cap {
            self.openings += 1;
        }
        // Equal jitter: half is fixed, half is random.
        let half = u64::try_from(whole.as_nanos() / 2).unwrap_or(u64::MAX);
        let pause = Duration::from_nanos(half.saturating_add(draw % half.max(1)));
        // A hint is trusted for at most an hour, and not at all if it makes no sense, as in a gate.
        let not_before = not_before.filter(|at| *at <= now + LONGEST_HINT);
        let promised = not_before.map_or(Moment::ZERO, |at| at.min(now + LONGEST_HOLD));
        self.until = self.until.max(now + pause).max(promised);
        self.sum = Sum::default();
        self.busy = false;
        self.state = State::Open;
        self.generation += 1;
        (from, BreakerState::Open, reason)
    }

    fn half_open(&mut self, reason: Reason) -> Change {
        let from = self.state();
        self.state = State::HalfOpen { leases: Vec::new(), good: 0 };
        self.generation += 1;
        (from, BreakerState::HalfOpen, reason)
    }
}

/// Returns a probe's lease; false if the pass holds none that is still valid.
fn take(leases: &mut Vec<Lease>, pass: Pass) -> bool {
    let before = leases.len();
    leases.retain(|lease| Some(lease.id) != pass.lease);
    leases.len() < before
}

fn rate_bp(part_milli: u64, calls: u32) -> u32 {
    let calls = u64::from(calls.max(1));
    u32::try_from(part_milli.saturating_mul(10) / calls).unwrap_or(u32::MAX).min(10_000)
}

#[cfg(test)]
mod explore;
#[cfg(test)]
mod tests;
