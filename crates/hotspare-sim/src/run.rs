//! One run: targets, their weather, callers, and a player that answers them.
//!
//! The loop does for the engine what the product's driver does, and nothing else: it polls a call until it waits,
//! carries out its steps, and reports events back. Invariant: what happens depends only on scenario, player and seed;
//! the hash over all events proves it.

mod bill;
mod connections;
mod course;
mod engine;
mod rival;

use std::collections::BTreeMap;
use std::sync::Arc;

use hotspare_core::{BreakerState, Moment};
use hotspare_engine::{Call, Fleet, Route, Ticket, World};
use hotspare_health::ScopeId;

use crate::chance::{Chance, mix};
use crate::ledger::{Ended, Fate, Ledger};
use crate::provider::{Providers, Seat};
use crate::reply::{Reply, Speech, Told};
use crate::rivals::Rival;
use crate::scenario::Scenario;
use crate::setup::Setup;
use crate::text::Text;
use crate::timeline::Timeline;
use crate::watch::{Stakes, Watch};
use crate::weather::Weather;
use crate::workload::{Wanted, Workload};

pub use course::{Course, Outcome, Player};

#[derive(Clone, Copy, Debug)]
enum Event {
    Arrive,
    Leave { call: u32, generation: u32 },
    Restart,
    Signal(Seat),
    Timer { call: u32, generation: u32 },
}

/// A running attempt, seen from outside.
#[derive(Debug)]
struct Going {
    place: usize,
    key: usize,
    nth: u64,
    stream: bool,
    /// `None` while it is queued.
    reply: Option<Reply>,
    over: bool,
    /// It holds or waits for a slot at its provider.
    seated: bool,
    began: Moment,
    /// Which target's text it produces, and from which word on.
    voice: usize,
    from: u32,
    stakes: Option<Stakes>,
    /// It met a fault that is not visible as a failure, such as silence.
    ill: bool,
    failed: bool,
}

impl Going {
    /// Whether its target served it worse than a healthy one: it met a fault, failed, or was still queued.
    const fn suffered(&self) -> bool {
        self.ill || self.failed || self.reply.is_none()
    }
}

/// A call in progress.
struct Live {
    wanted: Wanted,
    arrived: Moment,
    body: Body,
    going: Vec<Going>,
    /// When its timer fires; [`Moment::MAX`] if none is set.
    timer: Moment,
    /// Words that the caller has received, whose they are, and when the first and the last arrived.
    words: u32,
    voice: Option<usize>,
    first: Option<Moment>,
    last: Moment,
    silence: u64,
    hedged: bool,
    /// The attempt that gave the answer, or the last part of it.
    served: Option<usize>,
    world: usize,
    ticket: Option<Ticket>,
}

enum Body {
    Engine(Box<Call>),
    Rival(rival::RivalCall),
}

struct Slot {
    generation: u32,
    live: Option<Box<Live>>,
}

/// Who answers, with its state.
enum Cast {
    Engine(Box<EngineCast>),
    Rival(Box<dyn Rival>),
}

struct EngineCast {
    setup: Setup,
    fleet: Arc<Fleet>,
    route: Arc<Route>,
    /// The last world is the running process; earlier ones finish what they have begun.
    worlds: Vec<World>,
    /// Targets that a scope affects.
    concerned: BTreeMap<ScopeId, Vec<usize>>,
    /// Each target's state as last reported.
    shown: Vec<BreakerState>,
    /// Whether a target was marked slow when last checked.
    slow: Vec<bool>,
    tickets: BTreeMap<(usize, Ticket), (u32, u32)>,
    woken: Vec<(u32, u32)>,
}

struct Stage<'a> {
    scenario: &'a Scenario,
    now: Moment,
    timeline: Timeline<Event>,
    chance: Chance,
    weather: Weather,
    providers: Providers,
    workload: Workload<'a>,
    text: Text,
    cast: Cast,
    slots: Vec<Slot>,
    free: Vec<u32>,
    ledger: Ledger,
    watch: Watch,
    hash: u64,
    events: u64,
    requests: u64,
    /// Longest time between two pieces of a stream, in nanoseconds.
    span: u64,
    limits: hotspare_engine::Limits,
}

/// Runs a scenario.
///
/// # Errors
/// If the player's setup cannot be assembled.
pub fn run(scenario: &Scenario, player: &Player, seed: u64, course: &Course) -> Result<Outcome, String> {
    let chance = Chance::new(seed);
    let mut weather = Weather::new(scenario, chance);
    if let Some(series) = &course.series {
        weather = weather.with_series(series.to_vec());
    }
    let well = (0..scenario.targets.len()).map(|place| !weather.is_ever_ill(place)).collect();
    let (cast, watch, limits) = match player {
        Player::Hotspare(setup) => {
            let (cast, watch) = EngineCast::new(setup, scenario)?;
            (Cast::Engine(Box::new(cast)), watch, setup.limits.clone())
        }
        Player::Rival(kind) => {
            let (fleet, _) = Fleet::assemble(Vec::new());
            (Cast::Rival(kind.rival(scenario)), Watch::new(&fleet, &[]), scenario.setup()?.limits)
        }
    };
    let mut stage = Stage {
        now: Moment::ZERO,
        timeline: Timeline::new(),
        chance,
        weather,
        providers: Providers::new(scenario, chance),
        workload: Workload::new(scenario, chance, course.arrivals.as_deref()),
        text: Text::new(scenario.targets.len()),
        cast,
        slots: Vec::new(),
        free: Vec::new(),
        ledger: Ledger::new(scenario, well, course.detail),
        watch,
        hash: seed,
        events: 0,
        requests: 0,
        span: u64::try_from(limits.gap.as_nanos() / 4).unwrap_or(u64::MAX).max(1),
        limits,
        scenario,
    };
    stage.play();
    Ok(stage.close())
}

impl Stage<'_> {
    fn play(&mut self) {
        if let Some(at) = self.workload.next(self.now) {
            self.timeline.push(at, Event::Arrive);
        }
        if let Some(at) = self.scenario.restart {
            self.timeline.push(Moment::ZERO + at.0, Event::Restart);
        }
        while let Some((at, event)) = self.timeline.pop() {
            self.now = at;
            self.events += 1;
            match event {
                Event::Arrive => self.arrive(),
                Event::Leave { call, generation } => self.with_live(call, generation, Self::caller_leaves),
                Event::Restart => self.restart(),
                Event::Signal(seat) => self.signal(seat),
                Event::Timer { call, generation } => self.with_live(call, generation, Self::timer),
            }
            self.wake();
        }
    }

    fn close(mut self) -> Outcome {
        // Timers of ended calls may expire later.
        let length = self.scenario.length.0;
        for place in 0..self.scenario.targets.len() {
            self.ledger.used[place] = self.providers.used(place, length);
            // The route under test may have fewer targets than the scenario.
            if let Cast::Engine(cast) = &self.cast
                && place < cast.fleet.targets().len()
            {
                let left: u32 = cast.worlds.iter().map(|world| world.counts(place).in_flight).sum();
                if left > 0 || self.providers.busy(place) > 0 {
                    self.watch.say(self.now, || {
                        format!("the run ended with {left} attempts in flight at target {place}")
                    });
                }
            }
        }
        Outcome {
            hash: self.hash,
            requests: self.requests,
            events: self.events,
            breaches: self.watch.breaches,
            ledger: self.ledger,
        }
    }

    fn note(&mut self, what: u64, of: u64) {
        self.hash = mix(self.hash ^ self.now.as_nanos() ^ what.rotate_left(56) ^ of.rotate_left(32));
    }

    fn arrive(&mut self) {
        let wanted = self.workload.take();
        if let Some(next) = self.workload.next(self.now)
            && next.as_nanos() < self.scenario.length.nanos()
        {
            self.timeline.push(next, Event::Arrive);
        }
        self.requests += 1;
        self.note(1, wanted.number);
        self.ledger.arrived(self.now);
        let call = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, live: None });
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let generation = self.slots[call as usize].generation;
        if let Some(after) = wanted.leaves_after {
            self.timeline.push(self.now + after, Event::Leave { call, generation });
        }
        let body = match &self.cast {
            Cast::Engine(_) => self.begin_call(&wanted),
            Cast::Rival(_) => Body::Rival(rival::RivalCall::default()),
        };
        let world = match &self.cast {
            Cast::Engine(cast) => cast.worlds.len() - 1,
            Cast::Rival(_) => 0,
        };
        let live = Live {
            wanted,
            arrived: self.now,
            body,
            going: Vec::with_capacity(2),
            timer: Moment::MAX,
            words: 0,
            voice: None,
            first: None,
            last: self.now,
            silence: 0,
            hedged: false,
            served: None,
            world,
            ticket: None,
        };
        self.slots[call as usize].live = Some(Box::new(live));
        self.with_live(call, generation, |stage, seat, live| match live.body {
            Body::Engine(_) => stage.turn(seat, live),
            Body::Rival(_) => stage.rival_next(seat, live),
        });
    }

    /// Acts on a call if it still exists, then sets its timer.
    fn with_live(
        &mut self,
        call: u32,
        generation: u32,
        act: impl FnOnce(&mut Self, Seat, &mut Live) -> bool,
    ) {
        let slot = &mut self.slots[call as usize];
        if slot.generation != generation {
            return;
        }
        let Some(mut live) = slot.live.take() else { return };
        let seat = Seat { call, generation, attempt: 0 };
        if act(self, seat, &mut live) {
            self.slots[call as usize].generation += 1;
            self.free.push(call);
            return;
        }
        let at = match &live.body {
            Body::Engine(machine) => machine.poll_timeout(),
            Body::Rival(own) => own.timer,
        };
        // Like the driver: if the deadline has moved later, the timer is reset only once it fires.
        if let Some(at) = at.filter(|at| *at < live.timer) {
            live.timer = at.max(self.now);
            self.timeline.push(live.timer, Event::Timer { call, generation });
        }
        self.slots[call as usize].live = Some(live);
    }

    fn timer(&mut self, seat: Seat, live: &mut Live) -> bool {
        if self.now < live.timer {
            return false;
        }
        live.timer = Moment::MAX;
        match &live.body {
            Body::Engine(machine) => {
                machine.poll_timeout().is_some_and(|at| at <= self.now) && self.turn(seat, live)
            }
            Body::Rival(own) => own.timer.is_some_and(|at| at <= self.now) && self.rival_timer(seat, live),
        }
    }

    fn signal(&mut self, seat: Seat) {
        let index = usize::from(seat.attempt);
        self.with_live(seat.call, seat.generation, |stage, _, live| {
            let whole = live.going.get(index).is_some_and(|going| !going.stream);
            let Some(going) = live.going.get_mut(index).filter(|going| !going.over) else { return false };
            let heard = match going.reply.as_mut() {
                Some(Reply::Refusal(_, error)) => Heard::Failure(error.take()),
                Some(Reply::Silence { .. }) => Heard::Ping,
                Some(Reply::Speech(speech)) => stage.listen(seat, speech, whole),
                None => return false,
            };
            stage.note(3, seat.attempt.into());
            match live.body {
                Body::Engine(_) => stage.hear(seat, live, index, heard),
                Body::Rival(_) => stage.rival_hear(seat, live, index, heard),
            }
        });
    }

    fn listen(&mut self, seat: Seat, speech: &mut Speech, whole: bool) -> Heard {
        let opened = (!speech.began).then_some(speech.limits);
        let told = speech.tell(self.span, whole);
        if matches!(told, Told::Tokens(..))
            && let Some(wait) = speech.wait(self.span, whole)
        {
            self.timeline.push(Moment::from_nanos(self.now.as_nanos() + wait), Event::Signal(seat));
        }
        Heard::Speech(opened, told)
    }

    /// Records the end of a request.
    fn end(&mut self, live: &mut Live, fate: Fate) {
        // No target existed, so no policy can be blamed.
        let absent = live.going.is_empty()
            && self.weather.is_measured()
            && (0..self.scenario.targets.len()).all(|place| self.weather.is_absent(place, live.arrived));
        let fate = if absent { Fate::Unserved } else { fate };
        let code = match fate {
            Fate::Answered => 10,
            Fate::Left => 11,
            Fate::Mistaken | Fate::Unserved => 12,
            Fate::Lost { kind, .. } => 100 + kind as u64,
        };
        self.note(code, live.wanted.number);
        if live.words > 0 && fate != Fate::Answered {
            live.silence = live.silence.max(self.now.saturating_since(live.last).as_nanos() as u64);
        }
        // A hedge that beats a healthy first target is no effect of failure; one that replaces an unhealthy target is.
        let affected = live.served != Some(0) && live.going.first().is_some_and(Going::suffered);
        let (cost, wasted) = self.bill(live, fate == Fate::Answered);
        self.ledger.ended(&Ended {
            arrived: live.arrived,
            now: self.now,
            fate,
            attempts: u32::try_from(live.going.len()).unwrap_or(u32::MAX),
            first_target: live.going.first().map(|one| one.place),
            ttft: live.first.map(|first| first.saturating_since(live.arrived).as_nanos() as u64),
            affected,
            hedged: live.hedged,
            silence: live.silence,
            cost,
            wasted,
        });
    }

    /// Delivers words of an answer to the caller.
    fn deliver(&self, live: &mut Live, to: u32) {
        if live.first.is_some() {
            let quiet = self.now.saturating_since(live.last).as_nanos() as u64;
            live.silence = live.silence.max(quiet);
        }
        live.first = live.first.or(Some(self.now));
        live.last = self.now;
        live.words = live.words.max(to);
    }
}

/// What was received from an attempt.
#[derive(Debug)]
enum Heard {
    Failure(Option<hotspare_core::Error>),
    Ping,
    Speech(Option<hotspare_core::RateLimits>, Told),
}

#[cfg(test)]
mod tests;
