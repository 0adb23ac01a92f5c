//! Simulated providers: capacity and queues, quotas and how they are reported, limits on growth.
//!
//! Independent of health and routing: it answers every request as a server would. Invariant: the reply to a request
//! depends on the seed, the request, the target, how often it was tried there, and the provider's state; never on the
//! player.

mod lookahead;

use std::collections::VecDeque;
use std::time::Duration;

use hotspare_chaos::Fault;
use hotspare_core::{Allowance, Error, Kind, Moment, RateLimits};

use crate::effect::{self, Effect};
use crate::fault_schedule::{FaultSchedule, FaultWindow};
use crate::reply::{Completion, Reply, StreamEnd};
use crate::rng::{CounterRng, Purpose};
use crate::scenario::{Growth, QuotaDto, QuotaReporting, Scenario, TargetDto};
use crate::units::nanos;
use crate::workload::RequestSpec;

/// Latency of a rejection, in nanoseconds.
const REJECTION_LATENCY: u64 = 20_000_000;
/// Time to notice dropped packets: the default connect timeout.
const CONNECT_TIMEOUT: u64 = 1_000_000_000;
/// Latency of a refused connection: one round trip.
const ROUND_TRIP: u64 = 1_000_000;

/// Identifies an attempt: the call's slot and generation, and the attempt's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
    pub(crate) attempt: u8,
}

/// All providers of a run, in the order of the targets.
#[derive(Debug)]
pub(crate) struct Providers {
    list: Vec<Provider>,
    rng: CounterRng,
}

#[derive(Clone, Debug)]
struct Provider {
    config: TargetDto,
    busy: u32,
    queue: VecDeque<ConnectionId>,
    /// Request and token buckets of each key.
    quotas: Vec<[Option<Bucket>; 2]>,
    growth: Option<GrowthLimiter>,
    /// Limits requests that an `at-most` fault lets through.
    rate_cap: Bucket,
    /// Quota consumed so far.
    pub(crate) consumed: f64,
}

/// How a provider admits a new request.
#[derive(Debug)]
pub(crate) enum Admission {
    /// The reply begins now.
    Served(Reply),
    /// It is queued, without any reply.
    Queued,
}

impl Providers {
    pub(crate) fn new(scenario: &Scenario, rng: CounterRng) -> Self {
        let list = scenario.targets.iter().map(Provider::new).collect();
        Self { list, rng }
    }

    /// A request arrives at a target with one of its keys, for the `nth` time.
    pub(crate) fn admit(
        &mut self,
        now: Moment,
        target: usize,
        conn: ConnectionId,
        request: &InboundRequest<'_>,
    ) -> Admission {
        let rng = self.rng;
        let provider = &mut self.list[target];
        if let Some(reply) = provider.reject(now, target, request, rng) {
            return Admission::Served(reply);
        }
        if let Some(capacity) = provider.config.capacity {
            if provider.busy >= capacity.places {
                if provider.queue.len() >= capacity.queue as usize {
                    return Admission::Served(Reply::rejection(REJECTION_LATENCY, effect::status(503)));
                }
                provider.queue.push_back(conn);
                return Admission::Queued;
            }
            provider.busy += 1;
        }
        Admission::Served(self.serve(now, target, request))
    }

    /// Whether a fault other than a rate cap affects a request that arrives now.
    pub(crate) fn meets_fault(&self, now: Moment, target: usize, request: &InboundRequest<'_>) -> bool {
        let draw_key = [request.spec.number, target as u64, request.nth];
        request.faults.active(target, now).any(|window| {
            !matches!(window.effect, Effect::AtMost(_)) && request.meets(window, self.rng, draw_key)
        })
    }

    /// Whether a fault that begins now resets the connection of this request, which is in flight.
    pub(crate) fn is_cut(&self, target: usize, window: &FaultWindow, request: &InboundRequest<'_>) -> bool {
        request.meets(window, self.rng, [request.spec.number, target as u64, request.nth])
    }

    /// The reply of a provider that has accepted the request.
    pub(crate) fn serve(&mut self, now: Moment, target: usize, request: &InboundRequest<'_>) -> Reply {
        self.list[target].reply(now, target, request, self.rng)
    }

    /// An attempt is over and frees its slot, which goes to the attempt that has been queued the longest.
    pub(crate) fn release(
        &mut self,
        target: usize,
        conn: ConnectionId,
        was_waiting: bool,
    ) -> Option<ConnectionId> {
        let provider = &mut self.list[target];
        provider.config.capacity?;
        if was_waiting {
            provider.queue.retain(|waiting| *waiting != conn);
            return None;
        }
        match provider.queue.pop_front() {
            Some(next) => Some(next),
            None => {
                provider.busy = provider.busy.saturating_sub(1);
                None
            }
        }
    }

    /// The number of attempts being served.
    pub(crate) fn busy(&self, target: usize) -> u32 {
        self.list[target].busy
    }

    /// The share of a target's quota of requests (or tokens) that was used within a time. What there is to use: a full
    /// bucket at the start, which holds the quota of a minute, and what it is refilled with.
    pub(crate) fn quota_used(&self, target: usize, time: Duration) -> Option<f64> {
        let provider = &self.list[target];
        let quota = provider.config.quota?;
        let keys = f64::from(provider.config.keys);
        let per_minute = quota.tokens_per_minute.or(quota.requests_per_minute)? as f64 * keys;
        Some(provider.consumed / (per_minute * (1.0 + time.as_secs_f64() / 60.0)))
    }
}

/// A request as received by a provider.
#[derive(Debug)]
pub(crate) struct InboundRequest<'a> {
    pub(crate) spec: &'a RequestSpec,
    pub(crate) faults: &'a FaultSchedule,
    pub(crate) key: usize,
    /// Number of earlier attempts at this target.
    pub(crate) nth: u64,
}

impl InboundRequest<'_> {
    fn meets(&self, window: &FaultWindow, rng: CounterRng, [number, target, nth]: [u64; 3]) -> bool {
        let key_fits = window.key.is_none_or(|key| key as usize == self.key + 1);
        let draw_key = [number, target, nth | window.number << 32];
        key_fits && (window.share >= 1.0 || rng.unit(Purpose::Fault, draw_key) < window.share)
    }
}

impl Provider {
    fn new(target: &TargetDto) -> Self {
        let quota = |quota: QuotaDto| {
            [quota.requests_per_minute, quota.tokens_per_minute].map(|limit| limit.map(Bucket::per_minute))
        };
        let one = target.quota.map_or([None, None], quota);
        Self {
            config: target.clone(),
            busy: 0,
            queue: VecDeque::new(),
            quotas: vec![one; target.keys as usize],
            growth: target.growth.map(GrowthLimiter::new),
            rate_cap: Bucket { limit: 1.0, level: 1.0, per_nano: 0.0, at: Moment::ZERO },
            consumed: 0.0,
        }
    }

    /// Rejections before admission to a slot.
    fn reject(
        &mut self,
        now: Moment,
        target: usize,
        request: &InboundRequest<'_>,
        rng: CounterRng,
    ) -> Option<Reply> {
        let draw_key = [request.spec.number, target as u64, request.nth];
        for window in request.faults.active(target, now) {
            if !request.meets(window, rng, draw_key) {
                continue;
            }
            let rejection = match window.effect {
                Effect::AtMost(rate) => {
                    let error = effect::status(503);
                    let allowed = self.rate_cap.take_at_rate(now, rate);
                    (!allowed).then(|| Reply::rejection(window.after, error))
                }
                Effect::RateLimitedGarbage => {
                    let pauses = [None, Some(Duration::ZERO), Some(Duration::from_secs(1_000_000_000))];
                    let which = rng.draw(Purpose::Incident, draw_key) % 3;
                    Some(Reply::rejection(window.after, effect::rate_limited(pauses[which as usize])))
                }
                Effect::Unreachable => {
                    Some(Reply::rejection(CONNECT_TIMEOUT, Error::new(Kind::Connect, "simulated")))
                }
                Effect::Wire(fault) => rejection(fault, window.after),
                Effect::TtftTimes(_) | Effect::GapTimes(_) => None,
            };
            if rejection.is_some() {
                return rejection;
            }
        }
        if let Some(measured) = request.faults.measured(target, now)
            && rng.unit(Purpose::Fault, draw_key) >= f64::from(measured)
        {
            return Some(Reply::rejection(80_000_000, effect::status(503)));
        }
        if request.spec.invalid {
            return Some(Reply::rejection(REJECTION_LATENCY, effect::status(400)));
        }
        if let Some(growth) = &mut self.growth
            && !growth.admits(now)
        {
            return Some(Reply::rejection(
                REJECTION_LATENCY,
                Error::new(Kind::GrowthLimited, "simulated").with_status(429),
            ));
        }
        self.over_quota(now, request)
    }

    /// The reply to an admitted request.
    fn reply(&mut self, now: Moment, target: usize, request: &InboundRequest<'_>, rng: CounterRng) -> Reply {
        let draw_key = [request.spec.number, target as u64, request.nth];
        let config = &self.config;
        let mut first = config.ttft.at(rng.unit(Purpose::FirstContent, draw_key)) * request.spec.ttft_times;
        let mut gap = config.token_gap.at(rng.unit(Purpose::Pace, draw_key));
        let mut end = StreamEnd::Finish;
        for window in request.faults.active(target, now) {
            if !request.meets(window, rng, draw_key) {
                continue;
            }
            match window.effect {
                Effect::TtftTimes(times) => first *= times,
                Effect::GapTimes(times) => gap *= times,
                Effect::Wire(Fault::SlowFirstToken(time)) => first += time.as_secs_f64(),
                Effect::Wire(Fault::SlowDrip(time)) => gap = time.as_secs_f64(),
                Effect::Wire(fault) => end = StreamEnd::from_fault(fault).unwrap_or(end),
                // Instead of an answer.
                Effect::AtMost(_) | Effect::RateLimitedGarbage | Effect::Unreachable => {}
            }
        }
        let limits = self.limits(now, request.key);
        Reply::Completion(Completion::new(nanos(first), nanos(gap), request.spec.output_tokens, end, limits))
    }

    fn over_quota(&mut self, now: Moment, request: &InboundRequest<'_>) -> Option<Reply> {
        let says = self.config.quota?.says;
        let tokens = (request.spec.prompt_tokens + u64::from(request.spec.output_tokens)) as f64;
        let key = request.key.min(self.quotas.len().saturating_sub(1));
        let needs = [1.0, tokens];
        let buckets = &mut self.quotas[key];
        let wait =
            buckets.iter_mut().zip(needs).filter_map(|(bucket, need)| bucket.as_mut()?.wait(now, need)).max();
        let Some(wait) = wait else {
            for (bucket, need) in buckets.iter_mut().zip(needs) {
                if let Some(bucket) = bucket {
                    bucket.level -= need;
                }
            }
            self.consumed += if self.config.quota?.tokens_per_minute.is_some() { tokens } else { 1.0 };
            return None;
        };
        let pause = match says {
            QuotaReporting::Everything | QuotaReporting::RetryAfter => Some(wait),
            QuotaReporting::Nothing => None,
            QuotaReporting::Garbage => Some(Duration::from_secs(if request.spec.number.is_multiple_of(2) {
                0
            } else {
                1_000_000_000
            })),
        };
        Some(Reply::rejection(REJECTION_LATENCY, effect::rate_limited(pause)))
    }

    /// What a successful reply reports of the quota.
    fn limits(&mut self, now: Moment, key: usize) -> RateLimits {
        let mut limits = RateLimits::default();
        if self.config.quota.is_some_and(|quota| quota.says == QuotaReporting::Everything)
            && let Some([requests, tokens]) = self.quotas.get_mut(key)
        {
            limits.requests = requests.as_mut().and_then(|bucket| bucket.allowance(now));
            limits.tokens = tokens.as_mut().and_then(|bucket| bucket.allowance(now));
        }
        limits
    }
}

/// The rejection that a fault produces in place of an answer.
fn rejection(fault: Fault, after: u64) -> Option<Reply> {
    let kind = |kind| Some(Reply::rejection(after, Error::new(kind, "simulated")));
    match fault {
        Fault::Refuse => Some(Reply::rejection(ROUND_TRIP, Error::new(Kind::Connect, "simulated"))),
        Fault::ResetBeforeHead | Fault::CloseBeforeHead => kind(Kind::Disconnected),
        Fault::Status(status) => Some(Reply::rejection(after, effect::status(status))),
        Fault::RateLimited(secs) => {
            let pause = (secs > 0).then(|| Duration::from_secs(secs.into()));
            Some(Reply::rejection(after, effect::rate_limited(pause)))
        }
        Fault::QuotaExhausted => kind(Kind::QuotaExhausted),
        Fault::Silence => Some(Reply::Silence { pings: false }),
        Fault::OnlyPings => Some(Reply::Silence { pings: true }),
        Fault::Empty200
        | Fault::Html200
        | Fault::OnlyDone
        | Fault::HeaderBomb
        | Fault::HugeBody
        | Fault::HugeLine => kind(Kind::Protocol),
        Fault::ResetAfterBytes(bytes) if bytes < 400 => kind(Kind::Truncated),
        // Inside the answer.
        Fault::CleanEndAfter(_)
        | Fault::CutAfter(_)
        | Fault::ErrorEventAfter(_)
        | Fault::MalformedAfter(_)
        | Fault::ResetAfterBytes(_)
        | Fault::SlowDrip(_)
        | Fault::SlowFirstToken(_)
        | Fault::StallAfter(_) => None,
    }
}

/// A bucket that refills at a constant rate.
#[derive(Clone, Debug)]
struct Bucket {
    limit: f64,
    level: f64,
    per_nano: f64,
    at: Moment,
}

impl Bucket {
    fn per_minute(limit: u64) -> Self {
        let per_nano = limit as f64 / 60e9;
        Self { limit: limit as f64, level: limit as f64, per_nano, at: Moment::ZERO }
    }

    fn fill(&mut self, now: Moment) {
        let passed = now.saturating_since(self.at).as_nanos() as f64;
        self.level = (self.level + passed * self.per_nano).min(self.limit);
        self.at = now;
    }

    /// The time until there is enough; `None` if there is.
    fn wait(&mut self, now: Moment, need: f64) -> Option<Duration> {
        self.fill(now);
        let missing = need.min(self.limit) - self.level;
        (missing > 0.0).then(|| Duration::from_nanos((missing / self.per_nano) as u64 + 1))
    }

    fn allowance(&mut self, now: Moment) -> Option<Allowance> {
        self.fill(now);
        let missing = self.limit - self.level;
        Allowance::new(
            self.limit as u64,
            self.level.max(0.0) as u64,
            Some(Duration::from_nanos((missing / self.per_nano) as u64)),
        )
    }

    /// Takes one token at this rate per second, if available.
    fn take_at_rate(&mut self, now: Moment, rate: f64) -> bool {
        self.per_nano = rate / 1e9;
        self.limit = rate.max(1.0);
        let available = self.wait(now, 1.0).is_none();
        self.level -= if available { 1.0 } else { 0.0 };
        available
    }
}

/// Requests of the current window and of the one before.
#[derive(Clone, Debug)]
struct GrowthLimiter {
    limit: Growth,
    window: u64,
    previous: f64,
    current: f64,
}

impl GrowthLimiter {
    fn new(limit: Growth) -> Self {
        Self { limit, window: 0, previous: 0.0, current: 0.0 }
    }

    fn admits(&mut self, now: Moment) -> bool {
        let window = now.as_nanos() / self.limit.window.nanos().max(1);
        if window != self.window {
            self.previous = if window == self.window + 1 { self.current } else { 0.0 };
            self.window = window;
            self.current = 0.0;
        }
        let allowed = (self.previous * self.limit.factor).max(f64::from(self.limit.floor));
        let admitted = self.current < allowed;
        self.current += if admitted { 1.0 } else { 0.0 };
        admitted
    }
}
