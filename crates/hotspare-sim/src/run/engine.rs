//! The engine as a player: does what the product's driver does, in virtual time.
//!
//! Makes no decisions: it polls a call until it blocks, executes its steps, and reports events back. Invariant: it makes
//! the same calls to the engine as the product's driver, in the same order.

use std::collections::BTreeMap;
use std::sync::Arc;

use hotspare_core::{
    BreakerState, Chunk, Error, Event as StreamEvent, FinishReason, Hold, Kind, Moment, Next, Response,
    Scope, StartKind, TargetView, Usage,
};
use hotspare_engine::{
    AttemptId, AttemptStart, Call, CallSpec, Input, KeyIndex, Plan, PlanSeed, Step, Summary, TargetIndex,
    TargetSpec,
};

use hotspare_normalize::prompt_size;

use super::{
    ActiveCall, CallState, ConnectionId, EngineState, PlayerState, Received, SimulatedAttempt, Simulation,
};
use crate::invariants::{CallEnd, InvariantChecker, ReturnLimits};
use crate::ledger::RequestOutcome;
use crate::reply::Delivery;
use crate::rng::Purpose;
use crate::scenario::Scenario;
use crate::setup::Setup;
use crate::text::WORD;
use crate::workload::RequestSpec;

impl EngineState {
    pub(super) fn new(setup: &Setup, scenario: &Scenario) -> Result<(Self, InvariantChecker), String> {
        let assembled = setup.assemble()?;
        if assembled.route.members.iter().any(|target| target.position() >= scenario.targets.len()) {
            return Err(format!("{}: the scenario has only {} targets", setup.name, scenario.targets.len()));
        }
        let allowed = |spec: &TargetSpec| ReturnLimits {
            max_probes: spec.health.probes,
            lease: spec.health.lease,
            ramp: spec.health.ramp,
            cooldown: spec.health.cooldown_cap,
            window: spec.health.window,
        };
        let limits: Vec<ReturnLimits> = setup.specs.iter().map(allowed).collect();
        let invariants = InvariantChecker::new(&assembled.fleet, &limits);
        let mut targets_by_scope: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (index, target) in assembled.fleet.targets().iter().enumerate() {
            for key in target.key_indices() {
                for scope in target.scopes(key).as_array() {
                    let affected = targets_by_scope.entry(scope).or_default();
                    if !affected.contains(&index) {
                        affected.push(index);
                    }
                }
            }
        }
        let breaker_states = vec![BreakerState::Closed; setup.specs.len()];
        let engine = Self {
            setup: setup.clone(),
            fleet: assembled.fleet,
            route: assembled.route,
            worlds: vec![assembled.world],
            targets_by_scope,
            breaker_states,
            slow: vec![false; setup.specs.len()],
            tickets: BTreeMap::new(),
            woken: Vec::new(),
        };
        Ok((engine, invariants))
    }
}

/// The first target of the route, and the share of first tries that it may get, if it is in its ramp and nothing else
/// moves the first try: the strategy ranks by health, and every other target is healthy.
fn ramp_of(
    invariants: &InvariantChecker,
    now: Moment,
    engine: &EngineState,
    views: &[TargetView],
) -> Option<(usize, f64)> {
    let is_ranked_by_health = engine.setup.strategy.name() == "health-aware";
    let (&first, others) = engine.route.members.split_first().filter(|_| is_ranked_by_health)?;
    let share = |target: TargetIndex| {
        invariants.ramp_share(now, &engine.fleet[target].scopes(KeyIndex::FIRST).as_array())
    };
    let is_healthy = |view: &TargetView| view.usable && !view.degraded && view.failure_rate_bp == 0;
    let all_healthy =
        others.iter().zip(views.get(1..)?).all(|(other, view)| is_healthy(view) && share(*other) >= 1.0);
    let has_one_key = engine.fleet[first].key_count() == 1;
    let share = share(first);
    (share < 1.0 && all_healthy && has_one_key && views.first()?.usable).then_some((first.position(), share))
}

/// Tells the checker about a call that the first target of the route would get if nothing were wrong with it.
fn note_first_choice(
    invariants: &mut InvariantChecker,
    now: Moment,
    engine: &EngineState,
    views: &[TargetView],
) {
    let is_in_order = matches!(engine.setup.strategy.name(), "health-aware" | "sequential");
    if let (true, Some(&first), Some(view)) = (is_in_order, engine.route.members.first(), views.first())
        && engine.fleet[first].key_count() == 1
    {
        invariants.call_arrived(
            now,
            first.position(),
            &engine.fleet[first].scopes(KeyIndex::FIRST).as_array(),
            view,
        );
    }
}

impl Simulation<'_> {
    /// Like the client: takes views and turn from the world, plans outside it, and creates a call from the plan.
    /// Also returns the target in its ramp whose share of first tries this call is counted in.
    pub(super) fn begin_call(&mut self, spec: &RequestSpec) -> (CallState, Option<(usize, f64)>) {
        let now = self.now;
        let seed = self.rng.draw(Purpose::Call, [spec.number, 0, 0]);
        let absent = (0..self.scenario.targets.len()).filter(|target| self.faults.is_absent(*target, now));
        let absent = absent.map(|target| self.scenario.targets[target].name.as_str());
        let request = self.workload.request(spec, absent);
        let request = request.as_ref();
        let PlayerState::Engine(engine) = &mut self.player else {
            return (CallState::Rival(super::rival::RivalCall::default()), None);
        };
        let route = Arc::clone(&engine.route);
        let current = engine.worlds.len() - 1;
        let world = &mut engine.worlds[current];
        let size = prompt_size(request);
        let views = world.views(now, &route, size.tokens(), spec.stream);
        let turn = world.next_turn(&route);
        for (target, view) in route.members.iter().zip(&views) {
            let target = target.position();
            if view.degraded && !engine.slow[target] {
                self.ledger.degraded(now, target);
            }
            if view.degraded != engine.slow[target] {
                self.log.slow_changed(now, target, view.degraded);
            }
            engine.slow[target] = view.degraded;
        }
        note_first_choice(&mut self.invariants, now, engine, &views);
        let ramp = ramp_of(&self.invariants, now, engine, &views);
        let plan_seed = PlanSeed { draw: Some(seed.rotate_left(32)), turn };
        let plan = Plan::new(&engine.fleet, &route, request, size, &views, plan_seed);
        let mut call_spec = CallSpec::of(request, spec.stream, seed);
        call_spec.deadline = spec.deadline;
        let call = Call::new(now, Arc::clone(&engine.fleet), route, call_spec, plan);
        (CallState::Engine(Box::new(call)), ramp)
    }

    pub(super) fn restart(&mut self) {
        let PlayerState::Engine(engine) = &mut self.player else { return };
        if let Ok(fresh) = engine.setup.assemble() {
            engine.worlds.push(fresh.world);
            engine.breaker_states.fill(BreakerState::Closed);
            self.invariants.restart();
            self.log.restarted(self.now);
        }
    }

    /// Polls the machine until it blocks. Returns true once the call is over.
    pub(super) fn drive(&mut self, conn: ConnectionId, call: &mut ActiveCall) -> bool {
        loop {
            let now = self.now;
            let step = {
                let (PlayerState::Engine(engine), CallState::Engine(machine)) =
                    (&mut self.player, &mut call.state)
                else {
                    return true;
                };
                machine.poll(now, &mut engine.worlds[call.world])
            };
            self.apply_notices(call);
            match step {
                Step::Abort(id) => {
                    if let Some(attempt) = call.attempts.get(id.0).filter(|attempt| !attempt.closed) {
                        self.log.dropped(now, call.spec.number, id.0 + 1, attempt.target);
                    }
                    self.close_attempt(conn, call, id.0);
                }
                Step::Deliver(chunk) => self.accept_chunk(call, &chunk),
                Step::Done(result) => {
                    self.finish_call(conn, call, *result);
                    return true;
                }
                // Judging takes no virtual time.
                Step::Judge(id, judgement) => self.feed(call, Input::Judged(id, judgement.run())),
                Step::Start(begin) => self.start_attempt(conn, call, &begin),
                Step::Wait => {
                    // A call that has just started to wait polls once more: capacity may have been freed in between.
                    let (PlayerState::Engine(engine), CallState::Engine(machine)) =
                        (&mut self.player, &mut call.state)
                    else {
                        return true;
                    };
                    match machine.ticket() {
                        Some(ticket) if call.ticket.is_none() => {
                            call.ticket = Some(ticket);
                            engine.tickets.insert((call.world, ticket), (conn.slot, conn.generation));
                            machine.handle(now, &mut engine.worlds[call.world], Input::Woken);
                        }
                        _ => return false,
                    }
                }
            }
        }
    }

    fn start_attempt(&mut self, conn: ConnectionId, call: &mut ActiveCall, begin: &AttemptStart) {
        let PlayerState::Engine(engine) = &mut self.player else { return };
        let target = begin.target.position();
        let last_resort = begin.kind == StartKind::LastResort;
        self.log.decided(self.now, call.spec.number, begin);
        if let Some((ramping, share)) = call.ramp.take() {
            self.invariants.tried_in_ramp(ramping, share, ramping == target);
        }
        self.invariants.target_tried(target);
        call.hedged |= begin.kind == StartKind::Hedge;
        let scopes = engine.fleet[begin.target].scopes(begin.key).as_array();
        // Worlds from before the restart are not watched: their breaker states are separate.
        let current = call.world + 1 == engine.worlds.len();
        let scopes = current.then(|| self.invariants.attempt_started(self.now, scopes, last_resort));
        let (from, variant) = match &begin.resume {
            Some(resume) if resume.prefill => {
                (u32::try_from(resume.text.len() / WORD).unwrap_or(u32::MAX), call.variant.unwrap_or(target))
            }
            _ => (0, target),
        };
        let attempt = SimulatedAttempt {
            target,
            key: begin.key.position(),
            nth: 0,
            stream: begin.stream,
            reply: None,
            closed: false,
            admitted: false,
            started: self.now,
            variant,
            from,
            scopes,
            faulty: false,
            failed: false,
        };
        self.send(conn, call, attempt);
    }

    pub(super) fn handle_received(
        &mut self,
        conn: ConnectionId,
        call: &mut ActiveCall,
        index: usize,
        received: Received,
    ) -> bool {
        let id = AttemptId(index);
        match received {
            Received::Ping => self.feed(call, Input::Alive(id)),
            Received::Failure(error) => {
                let error = error.unwrap_or_else(|| Error::new(Kind::Server, "simulated"));
                self.attempt_failed(conn, call, index, error);
            }
            Received::Delivery(rate_limits, delivery) => {
                if let Some(limits) = rate_limits {
                    self.feed(call, Input::Opened(id, limits));
                }
                match delivery {
                    Delivery::Tokens(from, to) => self.push_text(call, index, from, to),
                    Delivery::Last(from, to) => {
                        self.ledger.outcome(call.attempts[index].started, call.attempts[index].target);
                        self.push_text(call, index, from, to);
                        let tokens = Usage::reported(
                            Some(call.spec.prompt_tokens),
                            Some(u64::from(to.saturating_sub(call.attempts[index].from))),
                        );
                        self.push_event(call, id, StreamEvent::Usage(Box::new(tokens)));
                        self.push_event(call, id, StreamEvent::Finished(FinishReason::Stop));
                        self.close_attempt(conn, call, index);
                        self.feed(call, Input::Ended(id));
                    }
                    Delivery::Clean => {
                        let error = Error::new(Kind::Truncated, "simulated");
                        let target = call.attempts[index].target;
                        self.log.failed(self.now, call.spec.number, index + 1, target, &error);
                        self.ledger.outcome(call.attempts[index].started, call.attempts[index].target);
                        self.close_attempt(conn, call, index);
                        self.feed(call, Input::Ended(id));
                    }
                    Delivery::Failure(kind) => {
                        self.attempt_failed(conn, call, index, Error::new(kind, "simulated"));
                    }
                }
            }
        }
        self.drive(conn, call)
    }

    fn attempt_failed(&mut self, conn: ConnectionId, call: &mut ActiveCall, index: usize, error: Error) {
        call.attempts[index].failed = true;
        self.log.failed(self.now, call.spec.number, index + 1, call.attempts[index].target, &error);
        self.invariants.target_failed(self.now, call.attempts[index].target, &error);
        self.ledger.outcome(call.attempts[index].started, call.attempts[index].target);
        if matches!(error.kind(), Kind::RateLimited | Kind::GrowthLimited) {
            self.ledger.refused(call.attempts[index].started, call.attempts[index].target);
        }
        self.close_attempt(conn, call, index);
        let (hold, level) = (error.policy().hold, error.policy().scope);
        self.feed(call, Input::Failed(AttemptId(index), error));
        if matches!(hold, Hold::Until | Hold::Ease | Hold::Disable) {
            self.note_pause(call, index, level);
        }
    }

    /// Tells the checker how long the failure of an attempt holds calls back.
    fn note_pause(&mut self, call: &ActiveCall, index: usize, level: Scope) {
        let PlayerState::Engine(engine) = &self.player else { return };
        let SimulatedAttempt { target, key, .. } = call.attempts[index];
        let Some(target) = engine.fleet.target_index(target) else { return };
        let Some(key) = engine.fleet[target].key_index(key) else { return };
        let scope = engine.fleet[target].scope(key, level);
        let is_watched = call.world + 1 == engine.worlds.len();
        if let Some(scope) = scope.filter(|_| is_watched)
            && let Some(pause) = engine.worlds[call.world].key_status(self.now, target, key).usable_in
        {
            self.invariants.paused(scope, self.now + pause);
        }
    }

    fn push_text(&mut self, call: &mut ActiveCall, index: usize, from: u32, to: u32) {
        if from < to {
            let text = self.text.words(call.attempts[index].variant, from, to).to_owned();
            self.push_event(call, AttemptId(index), StreamEvent::TextDelta(text));
        }
    }

    fn push_event(&mut self, call: &mut ActiveCall, id: AttemptId, event: StreamEvent) {
        let CallState::Engine(machine) = &mut call.state else { return };
        machine.on_event(self.now, id, Chunk::from(event));
        if !machine.needs_world() {
            while let CallState::Engine(machine) = &mut call.state
                && let Some(chunk) = machine.next_delivery()
            {
                self.accept_chunk(call, &chunk);
            }
        }
    }

    pub(super) fn feed(&mut self, call: &mut ActiveCall, input: Input) {
        let (PlayerState::Engine(engine), CallState::Engine(machine)) = (&mut self.player, &mut call.state)
        else {
            return;
        };
        machine.handle(self.now, &mut engine.worlds[call.world], input);
        self.apply_notices(call);
    }

    /// The caller receives a piece of the answer and checks that it is the next one.
    fn accept_chunk(&mut self, call: &mut ActiveCall, chunk: &Chunk) {
        match &chunk.event {
            StreamEvent::TextDelta(text) => {
                let variant = *call.variant.get_or_insert_with(|| {
                    call.attempts
                        .iter()
                        .rev()
                        .find(|attempt| !attempt.closed)
                        .map_or(0, |attempt| attempt.variant)
                });
                let to = call.words + u32::try_from(text.len() / WORD).unwrap_or(0);
                let right = (0..self.scenario.targets.len()).find(|other| {
                    self.text.words(*other, call.words, to) == text && (*other == variant || call.words == 0)
                });
                match right {
                    Some(right) if call.words == 0 => call.variant = Some(right),
                    Some(_) => {}
                    None => self.invariants.record(self.now, || {
                        format!("the caller got other words than the next ones after {}", call.words)
                    }),
                }
                self.deliver(call, to);
            }
            StreamEvent::Handover { .. } => self.hash_event(4, call.spec.number),
            _ => {}
        }
        if let CallState::Engine(machine) = &mut call.state {
            machine.resumed(self.now, self.now);
        }
    }

    fn finish_call(&mut self, conn: ConnectionId, call: &mut ActiveCall, result: Result<Summary, Error>) {
        let in_flight = call.attempts.iter().filter(|attempt| !attempt.closed).count();
        for index in 0..call.attempts.len() {
            self.close_attempt(conn, call, index);
        }
        let trail = match &result {
            Ok(summary) => &summary.trail,
            Err(error) => error.trail(),
        };
        if let (Ok(summary), false) = (&result, call.spec.stream) {
            let text = match summary.response.as_deref() {
                Some(Response::Chat(answer)) => answer.text(),
                _ => String::new(),
            };
            call.words = u32::try_from(text.len() / WORD).unwrap_or(0);
            self.deliver(call, call.words);
        }
        let useful = |attempt: &hotspare_core::Attempt| attempt.outcome == hotspare_core::Outcome::Served;
        call.served = trail.attempts.iter().position(useful);
        if let (PlayerState::Engine(engine), Some(ticket)) = (&mut self.player, call.ticket.take()) {
            engine.tickets.remove(&(call.world, ticket));
        }
        self.check_bill(call, trail);
        self.record_call(call, result, in_flight);
    }

    fn record_call(&mut self, call: &mut ActiveCall, result: Result<Summary, Error>, in_flight: usize) {
        let PlayerState::Engine(engine) = &self.player else { return };
        let world = &engine.worlds[call.world];
        let mut tried: Vec<usize> = call.attempts.iter().map(|attempt| attempt.target).collect();
        tried.dedup();
        let excluded: Vec<usize> = match self.faults.is_measured() {
            true => (0..self.scenario.targets.len())
                .filter(|target| self.faults.is_absent(*target, call.arrived))
                .collect(),
            false => Vec::new(),
        };
        let error = result.as_ref().err();
        let cut = error.is_some() && call.words > 0;
        let caller_error = error.is_some_and(|error| {
            matches!(error.policy().next, Next::Stop | Next::Confirm | Next::OptIn)
                && error.kind() != Kind::NoTarget
        });
        self.invariants.call_ended(
            self.now,
            &CallEnd {
                fleet: &engine.fleet,
                route: &engine.route,
                world,
                arrived: call.arrived,
                stream: call.spec.stream,
                deadline: call.spec.deadline,
                first: call.first,
                failed: error.map(Error::kind),
                retry_after: error.and_then(Error::retry_after),
                prompt_tokens: call.spec.prompt_tokens,
                only_invalid: error.is_some_and(|error| {
                    error.trail().attempts.iter().all(|attempt| {
                        matches!(
                            &attempt.outcome,
                            hotspare_core::Outcome::Failed { kind: Kind::InvalidRequest, .. }
                        )
                    })
                }),
                may_fail_over: !cut && !caller_error,
                starts: call.attempts.len(),
                last_start: call.attempts.last().map(|attempt| attempt.started),
                is_watched: call.world + 1 == engine.worlds.len(),
                in_flight,
                tried: &tried,
                excluded: &excluded,
                words: call.words,
                expected_words: call.spec.output_tokens,
            },
        );
        for target in tried.into_iter().filter_map(|target| engine.fleet.target_index(target)) {
            self.invariants.check_counts(self.now, world, target);
        }
        let outcome = match &result {
            Ok(_) => RequestOutcome::Answered,
            Err(error) if error.kind() == Kind::Cancelled => RequestOutcome::Cancelled,
            Err(error) if call.spec.invalid && error.kind() == Kind::InvalidRequest => {
                RequestOutcome::Invalid
            }
            Err(error) => RequestOutcome::Lost { kind: error.kind(), cut },
        };
        self.finish_request(call, outcome);
    }

    /// The caller hangs up: the driver is dropped, and with it every connection.
    pub(super) fn cancel(&mut self, conn: ConnectionId, call: &mut ActiveCall) -> bool {
        if let CallState::Rival(_) = call.state {
            return self.rival_cancelled(conn, call);
        }
        for index in 0..call.attempts.len() {
            self.close_attempt(conn, call, index);
        }
        self.feed(call, Input::CallerGone);
        self.drive(conn, call)
    }
}
