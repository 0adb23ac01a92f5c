//! Simulated providers: capacity and queues, quotas and how they are reported, limits on growth.
//!
//! Knows nothing of health or routing: it answers every request as a server would. Invariant: what a request meets
//! depends on the seed, the request, the target, how often it was tried there, and the provider's state; never on the
//! player.

mod foresight;

use std::collections::VecDeque;
use std::time::Duration;

use hotspare_chaos::Fault;
use hotspare_core::{Allowance, Error, Kind, Moment, RateLimits};

use crate::chance::{Chance, Purpose};
use crate::effect::{self, Effect};
use crate::reply::{End, Reply, Speech};
use crate::scenario::{Growth, QuotaDto, Says, Scenario, TargetDto};
use crate::weather::{Spell, Weather};
use crate::words::nanos;
use crate::workload::Wanted;

/// How long a server takes to refuse a request, in nanoseconds.
const REFUSAL: u64 = 20_000_000;
/// How long it takes to notice dropped packets: the shipped connect timeout.
const CONNECT: u64 = 1_000_000_000;
/// How long a refused connection takes: one round trip.
const ROUND_TRIP: u64 = 1_000_000;

/// Identifies an attempt: the call's slot and generation, and the attempt's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) call: u32,
    pub(crate) generation: u32,
    pub(crate) attempt: u8,
}

/// All providers of a run, in the order of the targets.
#[derive(Debug)]
pub(crate) struct Providers {
    list: Vec<Provider>,
    chance: Chance,
}

#[derive(Clone, Debug)]
struct Provider {
    target: TargetDto,
    busy: u32,
    line: VecDeque<Seat>,
    /// Request and token buckets of each key.
    quotas: Vec<[Option<Bucket>; 2]>,
    growth: Option<Grown>,
    /// Limits requests that an `at-most` fault lets through.
    let_through: Bucket,
    /// Quota consumed so far, for the measure of how much was used.
    pub(crate) taken: f64,
}

/// How a provider receives a new request.
#[derive(Debug)]
pub(crate) enum Welcome {
    /// The reply begins now.
    Now(Reply),
    /// It is queued, without any reply.
    Later,
}

impl Providers {
    pub(crate) fn new(scenario: &Scenario, chance: Chance) -> Self {
        let list = scenario.targets.iter().map(Provider::new).collect();
        Self { list, chance }
    }

    /// A request arrives at a target with one of its keys, for the `nth` time.
    pub(crate) fn welcome(&mut self, now: Moment, place: usize, seat: Seat, ask: &Ask<'_>) -> Welcome {
        let chance = self.chance;
        let provider = &mut self.list[place];
        if let Some(reply) = provider.turned_away(now, place, ask, chance) {
            return Welcome::Now(reply);
        }
        if let Some(capacity) = provider.target.capacity {
            if provider.busy >= capacity.places {
                if provider.line.len() >= capacity.queue as usize {
                    return Welcome::Now(Reply::refusal(REFUSAL, effect::status(503)));
                }
                provider.line.push_back(seat);
                return Welcome::Later;
            }
            provider.busy += 1;
        }
        Welcome::Now(self.serve(now, place, ask))
    }

    /// Whether a request that arrives now meets a fault other than a rate cap.
    pub(crate) fn is_ill(&self, now: Moment, place: usize, ask: &Ask<'_>) -> bool {
        let of = [ask.wanted.number, place as u64, ask.nth];
        ask.weather
            .at(place, now)
            .any(|spell| !matches!(spell.effect, Effect::AtMost(_)) && ask.meets(spell, self.chance, of))
    }

    /// The reply of a provider that has accepted the request.
    pub(crate) fn serve(&mut self, now: Moment, place: usize, ask: &Ask<'_>) -> Reply {
        self.list[place].reply(now, place, ask, self.chance)
    }

    /// An attempt is over and frees its slot, which goes to the attempt that has been queued the longest.
    pub(crate) fn leave(&mut self, place: usize, seat: Seat, was_waiting: bool) -> Option<Seat> {
        let provider = &mut self.list[place];
        provider.target.capacity?;
        if was_waiting {
            provider.line.retain(|waiting| *waiting != seat);
            return None;
        }
        match provider.line.pop_front() {
            Some(next) => Some(next),
            None => {
                provider.busy = provider.busy.saturating_sub(1);
                None
            }
        }
    }

    /// The number of attempts being served.
    pub(crate) fn busy(&self, place: usize) -> u32 {
        self.list[place].busy
    }

    /// The share of a target's quota of requests (or tokens) that was used within a time.
    pub(crate) fn used(&self, place: usize, time: Duration) -> Option<f64> {
        let provider = &self.list[place];
        let quota = provider.target.quota?;
        let keys = f64::from(provider.target.keys);
        let per_minute = quota.tokens_per_minute.or(quota.requests_per_minute)? as f64 * keys;
        Some(provider.taken / (per_minute * time.as_secs_f64() / 60.0))
    }
}

/// A request as a provider sees it.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) wanted: &'a Wanted,
    pub(crate) weather: &'a Weather,
    pub(crate) key: usize,
    /// How often it was tried here before.
    pub(crate) nth: u64,
}

impl Ask<'_> {
    fn meets(&self, spell: &Spell, chance: Chance, [request, place, nth]: [u64; 3]) -> bool {
        let key_fits = spell.key.is_none_or(|key| key as usize == self.key + 1);
        let of = [request, place, nth | spell.number << 32];
        key_fits && (spell.share >= 1.0 || chance.unit(Purpose::Fault, of) < spell.share)
    }
}

impl Provider {
    fn new(target: &TargetDto) -> Self {
        let quota = |quota: QuotaDto| {
            [quota.requests_per_minute, quota.tokens_per_minute].map(|limit| limit.map(Bucket::per_minute))
        };
        let one = target.quota.map_or([None, None], quota);
        Self {
            target: target.clone(),
            busy: 0,
            line: VecDeque::new(),
            quotas: vec![one; target.keys as usize],
            growth: target.growth.map(Grown::new),
            let_through: Bucket { limit: 1.0, level: 1.0, per_nano: 0.0, at: Moment::ZERO },
            taken: 0.0,
        }
    }

    /// Refusals that precede admission to a slot.
    fn turned_away(&mut self, now: Moment, place: usize, ask: &Ask<'_>, chance: Chance) -> Option<Reply> {
        let of = [ask.wanted.number, place as u64, ask.nth];
        for spell in ask.weather.at(place, now) {
            if !ask.meets(spell, chance, of) {
                continue;
            }
            let refusal = match spell.effect {
                Effect::AtMost(rate) => {
                    let error = effect::status(503);
                    let room = self.let_through.with_rate(now, rate);
                    (!room).then(|| Reply::refusal(spell.after, error))
                }
                Effect::RateLimitedGarbage => {
                    let pauses = [None, Some(Duration::ZERO), Some(Duration::from_secs(1_000_000_000))];
                    let which = chance.draw(Purpose::Incident, of) % 3;
                    Some(Reply::refusal(spell.after, effect::rate_limited(pauses[which as usize])))
                }
                Effect::Unreachable => Some(Reply::refusal(CONNECT, Error::new(Kind::Connect, "simulated"))),
                Effect::Wire(fault) => refusal(fault, spell.after),
                Effect::TtftTimes(_) | Effect::GapTimes(_) => None,
            };
            if refusal.is_some() {
                return refusal;
            }
        }
        if let Some(measured) = ask.weather.measured(place, now)
            && chance.unit(Purpose::Fault, of) >= f64::from(measured)
        {
            return Some(Reply::refusal(80_000_000, effect::status(503)));
        }
        if ask.wanted.invalid {
            return Some(Reply::refusal(REFUSAL, effect::status(400)));
        }
        if let Some(growth) = &mut self.growth
            && !growth.admits(now)
        {
            return Some(Reply::refusal(
                REFUSAL,
                Error::new(Kind::GrowthLimited, "simulated").with_status(429),
            ));
        }
        self.over_quota(now, ask)
    }

    /// The reply to a request that it has taken.
    fn reply(&mut self, now: Moment, place: usize, ask: &Ask<'_>, chance: Chance) -> Reply {
        let of = [ask.wanted.number, place as u64, ask.nth];
        let target = &self.target;
        let mut first = target.ttft.at(chance.unit(Purpose::FirstContent, of)) * ask.wanted.ttft_times;
        let mut gap = target.token_gap.at(chance.unit(Purpose::Pace, of));
        let mut end = End::Finish;
        for spell in ask.weather.at(place, now) {
            if !ask.meets(spell, chance, of) {
                continue;
            }
            match spell.effect {
                Effect::TtftTimes(times) => first *= times,
                Effect::GapTimes(times) => gap *= times,
                Effect::Wire(Fault::SlowFirstToken(time)) => first += time.as_secs_f64(),
                Effect::Wire(Fault::SlowDrip(time)) => gap = time.as_secs_f64(),
                Effect::Wire(fault) => end = End::of(fault).unwrap_or(end),
                _ => {}
            }
        }
        let limits = self.limits(now, ask.key);
        Reply::Speech(Speech::new(nanos(first), nanos(gap), ask.wanted.output_tokens, end, limits))
    }

    fn over_quota(&mut self, now: Moment, ask: &Ask<'_>) -> Option<Reply> {
        let says = self.target.quota?.says;
        let tokens = (ask.wanted.prompt_tokens + u64::from(ask.wanted.output_tokens)) as f64;
        let key = ask.key.min(self.quotas.len().saturating_sub(1));
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
            self.taken += if self.target.quota?.tokens_per_minute.is_some() { tokens } else { 1.0 };
            return None;
        };
        let pause = match says {
            Says::Everything | Says::RetryAfter => Some(wait),
            Says::Nothing => None,
            Says::Garbage => {
                Some(Duration::from_secs(if ask.wanted.number.is_multiple_of(2) { 0 } else { 1_000_000_000 }))
            }
        };
        Some(Reply::refusal(REFUSAL, effect::rate_limited(pause)))
    }

    /// What a successful reply reports of the quota.
    fn limits(&mut self, now: Moment, key: usize) -> RateLimits {
        let mut limits = RateLimits::default();
        if self.target.quota.is_some_and(|quota| quota.says == Says::Everything)
            && let Some([requests, tokens]) = self.quotas.get_mut(key)
        {
            limits.requests = requests.as_mut().and_then(|bucket| bucket.allowance(now));
            limits.tokens = tokens.as_mut().and_then(|bucket| bucket.allowance(now));
        }
        limits
    }
}

/// The failure that a fault produces instead of an answer.
fn refusal(fault: Fault, after: u64) -> Option<Reply> {
    let kind = |kind| Some(Reply::refusal(after, Error::new(kind, "simulated")));
    match fault {
        Fault::Refuse => Some(Reply::refusal(ROUND_TRIP, Error::new(Kind::Connect, "simulated"))),
        Fault::ResetBeforeHead | Fault::CloseBeforeHead => kind(Kind::Disconnected),
        Fault::Status(status) => Some(Reply::refusal(after, effect::status(status))),
        Fault::RateLimited(secs) => {
            let pause = (secs > 0).then(|| Duration::from_secs(secs.into()));
            Some(Reply::refusal(after, effect::rate_limited(pause)))
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
        _ => None,
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
    fn with_rate(&mut self, now: Moment, rate: f64) -> bool {
        self.per_nano = rate / 1e9;
        self.limit = rate.max(1.0);
        let room = self.wait(now, 1.0).is_none();
        self.level -= if room { 1.0 } else { 0.0 };
        room
    }
}

/// Requests of the current window and of the one before.
#[derive(Clone, Debug)]
struct Grown {
    limit: Growth,
    window: u64,
    before: f64,
    here: f64,
}

impl Grown {
    fn new(limit: Growth) -> Self {
        Self { limit, window: 0, before: 0.0, here: 0.0 }
    }

    fn admits(&mut self, now: Moment) -> bool {
        let window = now.as_nanos() / self.limit.window.nanos().max(1);
        if window != self.window {
            self.before = if window == self.window + 1 { self.here } else { 0.0 };
            self.window = window;
            self.here = 0.0;
        }
        let allowed = (self.before * self.limit.factor).max(f64::from(self.limit.floor));
        let admitted = self.here < allowed;
        self.here += if admitted { 1.0 } else { 0.0 };
        admitted
    }
}
