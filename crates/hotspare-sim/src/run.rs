//! One run: providers and their faults, the callers, and the player that serves them.
//!
//! The event loop stands in for the product's driver and does nothing else: it polls a call until it blocks, executes
//! its steps, and reports events back. Targets and keys are numbered by their place in the scenario, which is the same for
//! every player; the engine's own indices are used only towards the engine. Invariant: what happens depends only on
//! scenario, player and seed; the hash over all events proves it.

mod bill;
mod callers;
mod connections;
mod engine;
mod notices;
mod options;
mod rival;

use std::collections::BTreeMap;
use std::sync::Arc;

use hotspare_core::{BreakerState, Moment};
use hotspare_engine::{Call, Fleet, Route, Ticket, World};
use hotspare_health::ScopeId;

use crate::event_log::{EventLog, LogEntry};
use crate::event_queue::EventQueue;
use crate::fault_schedule::FaultSchedule;
use crate::invariants::{AttemptScopes, InvariantChecker};
use crate::ledger::Ledger;
use crate::provider::{ConnectionId, Providers};
use crate::reply::{Completion, Delivery, Reply};
use crate::rivals::Rival;
use crate::rng::{CounterRng, mix};
use crate::scenario::Scenario;
use crate::setup::Setup;
use crate::text::ModelText;
use crate::workload::{RequestSpec, Workload};

pub use options::{Player, RunOptions, RunOutcome};

#[derive(Clone, Copy, Debug)]
enum Event {
    Arrive,
    Leave {
        slot: u32,
        generation: u32,
    },
    Restart,
    /// The target's fault of this index begins, and resets connections.
    Cut {
        target: usize,
        window: usize,
    },
    Receive(ConnectionId),
    Timer {
        slot: u32,
        generation: u32,
    },
}

/// An attempt and its connection to the provider.
#[derive(Debug)]
struct SimulatedAttempt {
    target: usize,
    key: usize,
    nth: u64,
    stream: bool,
    /// `None` while queued at the provider.
    reply: Option<Reply>,
    closed: bool,
    /// Holds or waits for a slot at its provider.
    admitted: bool,
    started: Moment,
    /// Which target's text it produces, and the index of its first word.
    variant: usize,
    from: u32,
    scopes: Option<AttemptScopes>,
    /// Affected by a fault that does not surface as a failure, such as silence.
    faulty: bool,
    failed: bool,
}

impl SimulatedAttempt {
    /// Whether its target served it worse than a healthy one would: a fault, a failure, or a queue.
    const fn is_impaired(&self) -> bool {
        self.faulty || self.failed || self.reply.is_none()
    }
}

/// A call in progress.
struct ActiveCall {
    spec: RequestSpec,
    arrived: Moment,
    state: CallState,
    attempts: Vec<SimulatedAttempt>,
    /// When its timer fires; [`Moment::MAX`] if none is set.
    timer: Moment,
    /// Words that the caller has received, the target whose text they are, and when the first and the last arrived.
    words: u32,
    variant: Option<usize>,
    first: Option<Moment>,
    last: Moment,
    silence: u64,
    hedged: bool,
    /// The attempt that delivered the answer, or its last part.
    served: Option<usize>,
    world: usize,
    ticket: Option<Ticket>,
    /// A target in its ramp, and the share of first tries that it may get, if nothing else moves the first try.
    ramp: Option<(usize, f64)>,
}

enum CallState {
    Engine(Box<Call>),
    Rival(rival::RivalCall),
}

struct Slot {
    generation: u32,
    call: Option<Box<ActiveCall>>,
}

/// The player and its state.
enum PlayerState {
    Engine(Box<EngineState>),
    Rival(Box<dyn Rival>),
}

struct EngineState {
    setup: Setup,
    fleet: Arc<Fleet>,
    route: Arc<Route>,
    /// The last world is the running process; earlier ones drain their calls after a restart.
    worlds: Vec<World>,
    /// The targets that share a breaker scope.
    targets_by_scope: BTreeMap<ScopeId, Vec<usize>>,
    /// Each target's breaker state as last reported.
    breaker_states: Vec<BreakerState>,
    /// Whether a target was marked slow when last checked.
    slow: Vec<bool>,
    tickets: BTreeMap<(usize, Ticket), (u32, u32)>,
    woken: Vec<(u32, u32)>,
}

struct Simulation<'a> {
    scenario: &'a Scenario,
    now: Moment,
    queue: EventQueue<Event>,
    rng: CounterRng,
    faults: FaultSchedule,
    providers: Providers,
    workload: Workload<'a>,
    text: ModelText,
    player: PlayerState,
    slots: Vec<Slot>,
    free: Vec<u32>,
    ledger: Ledger,
    invariants: InvariantChecker,
    log: EventLog<'a>,
    hash: u64,
    events: u64,
    requests: u64,
    /// Maximum time between two deliveries of a healthy stream, in nanoseconds.
    max_gap: u64,
    limits: hotspare_engine::Limits,
}

/// Runs a scenario.
///
/// # Errors
/// If the player's setup cannot be assembled.
pub fn run(
    scenario: &Scenario,
    player: &Player,
    seed: u64,
    options: &RunOptions,
) -> Result<RunOutcome, String> {
    simulate(scenario, player, seed, options, None)
}

/// As [`run`], and passes every entry of the run's event log to `sink`. The outcome is the same.
///
/// # Errors
/// If the player's setup cannot be assembled.
pub fn run_with_log(
    scenario: &Scenario,
    player: &Player,
    seed: u64,
    options: &RunOptions,
    sink: &mut dyn FnMut(&LogEntry),
) -> Result<RunOutcome, String> {
    simulate(scenario, player, seed, options, Some(sink))
}

fn simulate<'a>(
    scenario: &'a Scenario,
    player: &Player,
    seed: u64,
    options: &'a RunOptions,
    sink: Option<&'a mut dyn FnMut(&LogEntry)>,
) -> Result<RunOutcome, String> {
    let rng = CounterRng::new(seed);
    let mut faults = FaultSchedule::new(scenario, rng);
    if let Some(series) = &options.series {
        faults = faults.with_series(series.to_vec());
    }
    let healthy = (0..scenario.targets.len()).map(|target| !faults.has_faults(target)).collect();
    let (state, invariants, limits) = match player {
        Player::Hotspare(setup) => {
            let (engine, invariants) = EngineState::new(setup, scenario)?;
            (PlayerState::Engine(Box::new(engine)), invariants, setup.limits.clone())
        }
        Player::Rival(kind) => {
            let (fleet, _) = Fleet::assemble(Vec::new());
            (
                PlayerState::Rival(kind.rival(scenario)),
                InvariantChecker::new(&fleet, &[]),
                scenario.setup()?.limits,
            )
        }
    };
    let names: Vec<&str> = match player {
        Player::Hotspare(setup) => setup.specs.iter().map(|spec| spec.id.as_str()).collect(),
        Player::Rival(_) => Vec::new(),
    };
    let log = EventLog::new(sink, scenario, &faults, &names);
    let mut simulation = Simulation {
        now: Moment::ZERO,
        queue: EventQueue::new(),
        rng,
        faults,
        providers: Providers::new(scenario, rng),
        workload: Workload::new(scenario, rng, options.arrivals.as_deref()),
        text: ModelText::new(scenario.targets.len()),
        player: state,
        slots: Vec::new(),
        free: Vec::new(),
        ledger: Ledger::new(scenario, healthy, options.detail),
        invariants,
        log,
        hash: seed,
        events: 0,
        requests: 0,
        max_gap: u64::try_from(limits.gap.as_nanos() / 4).unwrap_or(u64::MAX).max(1),
        limits,
        scenario,
    };
    simulation.process_events();
    Ok(simulation.finish())
}

impl Simulation<'_> {
    fn process_events(&mut self) {
        if let Some(at) = self.workload.next(self.now) {
            self.queue.push(at, Event::Arrive);
        }
        if let Some(at) = self.scenario.restart {
            self.queue.push(Moment::ZERO + at.0, Event::Restart);
        }
        for (at, target, window) in self.faults.cuts().collect::<Vec<_>>() {
            self.queue.push(at, Event::Cut { target, window });
        }
        while let Some((at, event)) = self.queue.pop() {
            self.now = at;
            self.events += 1;
            self.log.advanced(at);
            match event {
                Event::Arrive => self.on_arrival(),
                Event::Leave { slot, generation } => self.with_call(slot, generation, Self::cancel),
                Event::Restart => self.restart(),
                Event::Cut { target, window } => self.cut_in_flight(target, window),
                Event::Receive(conn) => self.receive(conn),
                Event::Timer { slot, generation } => self.with_call(slot, generation, Self::on_timer),
            }
            self.wake_waiting();
            self.log.breached(&self.invariants.breaches);
        }
    }

    fn finish(mut self) -> RunOutcome {
        self.invariants.run_ended(self.now);
        // Timers of ended calls may expire later.
        let length = self.scenario.length.0;
        for target in 0..self.scenario.targets.len() {
            self.ledger.quota_used[target] = self.providers.quota_used(target, length);
            // The route under test may have fewer targets than the scenario.
            if let PlayerState::Engine(engine) = &self.player
                && let Some(index) = engine.fleet.target_index(target)
            {
                let left: u32 = engine.worlds.iter().map(|world| world.counts(index).in_flight).sum();
                if left > 0 || self.providers.busy(target) > 0 {
                    self.invariants.record(self.now, || {
                        format!("the run ended with {left} attempts in flight at target {target}")
                    });
                }
            }
        }
        self.log.breached(&self.invariants.breaches);
        RunOutcome {
            hash: self.hash,
            requests: self.requests,
            events: self.events,
            breaches: self.invariants.breaches,
            ledger: self.ledger,
        }
    }

    fn hash_event(&mut self, code: u64, subject: u64) {
        self.hash = mix(self.hash ^ self.now.as_nanos() ^ code.rotate_left(56) ^ subject.rotate_left(32));
    }

    fn on_arrival(&mut self) {
        let spec = self.workload.take();
        if let Some(next) = self.workload.next(self.now)
            && next.as_nanos() < self.scenario.length.nanos()
        {
            self.queue.push(next, Event::Arrive);
        }
        self.requests += 1;
        self.hash_event(1, spec.number);
        self.ledger.arrived(self.now);
        self.log.arrived(self.now, &spec);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, call: None });
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let generation = self.slots[slot as usize].generation;
        if let Some(after) = spec.cancels_after {
            self.queue.push(self.now + after, Event::Leave { slot, generation });
        }
        let (state, ramp) = match &self.player {
            PlayerState::Engine(_) => self.begin_call(&spec),
            PlayerState::Rival(_) => (CallState::Rival(rival::RivalCall::default()), None),
        };
        let world = match &self.player {
            PlayerState::Engine(engine) => engine.worlds.len() - 1,
            PlayerState::Rival(_) => 0,
        };
        let call = ActiveCall {
            spec,
            arrived: self.now,
            state,
            attempts: Vec::with_capacity(2),
            timer: Moment::MAX,
            words: 0,
            variant: None,
            first: None,
            last: self.now,
            silence: 0,
            hedged: false,
            served: None,
            world,
            ticket: None,
            ramp,
        };
        self.slots[slot as usize].call = Some(Box::new(call));
        self.with_call(slot, generation, |simulation, conn, call| match call.state {
            CallState::Engine(_) => simulation.drive(conn, call),
            CallState::Rival(_) => simulation.rival_next(conn, call),
        });
    }

    /// Runs `act` on a call if it still exists, then rearms its timer.
    fn with_call(
        &mut self,
        slot: u32,
        generation: u32,
        act: impl FnOnce(&mut Self, ConnectionId, &mut ActiveCall) -> bool,
    ) {
        let entry = &mut self.slots[slot as usize];
        if entry.generation != generation {
            return;
        }
        let Some(mut call) = entry.call.take() else { return };
        let conn = ConnectionId { slot, generation, attempt: 0 };
        if act(self, conn, &mut call) {
            self.slots[slot as usize].generation += 1;
            self.free.push(slot);
            return;
        }
        let at = match &call.state {
            CallState::Engine(machine) => machine.poll_timeout(),
            CallState::Rival(rival_call) => rival_call.timer,
        };
        // Like the driver: if the deadline has moved later, the timer is reset only once it fires.
        if let Some(at) = at.filter(|at| *at < call.timer) {
            call.timer = at.max(self.now);
            self.queue.push(call.timer, Event::Timer { slot, generation });
        }
        self.slots[slot as usize].call = Some(call);
    }

    fn on_timer(&mut self, conn: ConnectionId, call: &mut ActiveCall) -> bool {
        if self.now < call.timer {
            return false;
        }
        call.timer = Moment::MAX;
        match &call.state {
            CallState::Engine(machine) => {
                machine.poll_timeout().is_some_and(|at| at <= self.now) && self.drive(conn, call)
            }
            CallState::Rival(rival_call) => {
                rival_call.timer.is_some_and(|at| at <= self.now) && self.rival_timer(conn, call)
            }
        }
    }

    fn receive(&mut self, conn: ConnectionId) {
        let index = usize::from(conn.attempt);
        self.with_call(conn.slot, conn.generation, |simulation, _, call| {
            let unstreamed = call.attempts.get(index).is_some_and(|attempt| !attempt.stream);
            let Some(attempt) = call.attempts.get_mut(index).filter(|attempt| !attempt.closed) else {
                return false;
            };
            let received = match attempt.reply.as_mut() {
                Some(Reply::Rejection(_, error)) => Received::Failure(error.take()),
                Some(Reply::Silence { .. }) => Received::Ping,
                Some(Reply::Completion(completion)) => simulation.next_delivery(conn, completion, unstreamed),
                None => return false,
            };
            simulation.hash_event(3, conn.attempt.into());
            match call.state {
                CallState::Engine(_) => simulation.handle_received(conn, call, index, received),
                CallState::Rival(_) => simulation.rival_received(conn, call, index, received),
            }
        });
    }

    fn next_delivery(
        &mut self,
        conn: ConnectionId,
        completion: &mut Completion,
        unstreamed: bool,
    ) -> Received {
        let rate_limits = (!completion.started).then_some(completion.limits);
        let delivery = completion.deliver(self.max_gap, unstreamed);
        if matches!(delivery, Delivery::Tokens(..))
            && let Some(wait) = completion.next_delay(self.max_gap, unstreamed)
        {
            self.queue.push(Moment::from_nanos(self.now.as_nanos() + wait), Event::Receive(conn));
        }
        Received::Delivery(rate_limits, delivery)
    }
}

/// What was received from an attempt.
#[derive(Debug)]
enum Received {
    Failure(Option<hotspare_core::Error>),
    Ping,
    Delivery(Option<hotspare_core::RateLimits>, Delivery),
}

#[cfg(test)]
mod tests;
