//! The engine as a player: does what the product's driver does, in virtual time.
//!
//! Decides nothing: polls until the call waits, carries out its steps, and reports events back. Invariant: whatever
//! this asks of the engine, the product's driver asks too, in the same order.

use std::collections::BTreeMap;
use std::sync::Arc;

use hotspare_core::{BreakerState, Chunk, Error, Event as Said, FinishReason, Kind, Next, Response, Usage};
use hotspare_engine::{
    AttemptId, AttemptStart, Call, CallSpec, Input, Plan, PlanSeed, Step, Summary, TargetSpec,
};

use hotspare_normalize::prompt_size;

use super::{Body, Cast, EngineCast, Going, Heard, Live, Seat, Stage};
use crate::chance::Purpose;
use crate::ledger::Fate;
use crate::reply::Told;
use crate::scenario::Scenario;
use crate::setup::Setup;
use crate::text::WORD;
use crate::watch::{CallEnd, Probes, Watch};
use crate::workload::Wanted;

impl EngineCast {
    pub(super) fn new(setup: &Setup, scenario: &Scenario) -> Result<(Self, Watch), String> {
        let assembled = setup.assemble()?;
        if assembled.route.members.iter().any(|place| *place >= scenario.targets.len()) {
            return Err(format!("{}: the scenario has only {} targets", setup.name, scenario.targets.len()));
        }
        let allowed = |spec: &TargetSpec| Probes { at_once: spec.health.probes, lease: spec.health.lease };
        let probes: Vec<Probes> = setup.specs.iter().map(allowed).collect();
        let watch = Watch::new(&assembled.fleet, &probes);
        let mut concerned: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (place, target) in assembled.fleet.targets().iter().enumerate() {
            for key in 0..target.key_count() {
                for scope in target.scopes(key) {
                    let places = concerned.entry(scope).or_default();
                    if !places.contains(&place) {
                        places.push(place);
                    }
                }
            }
        }
        let shown = vec![BreakerState::Closed; setup.specs.len()];
        let cast = Self {
            setup: setup.clone(),
            fleet: assembled.fleet,
            route: assembled.route,
            worlds: vec![assembled.world],
            concerned,
            shown,
            slow: vec![false; setup.specs.len()],
            tickets: BTreeMap::new(),
            woken: Vec::new(),
        };
        Ok((cast, watch))
    }
}

impl Stage<'_> {
    /// Like the client: takes views and turn from the world, plans outside it, and creates a call from the plan.
    pub(super) fn begin_call(&mut self, wanted: &Wanted) -> Body {
        let now = self.now;
        let seed = self.chance.draw(Purpose::Call, [wanted.number, 0, 0]);
        let absent = (0..self.scenario.targets.len()).filter(|place| self.weather.is_absent(*place, now));
        let absent = absent.map(|place| self.scenario.targets[place].name.as_str());
        let request = self.workload.request(wanted, absent);
        let request = request.as_ref();
        let Cast::Engine(cast) = &mut self.cast else {
            return Body::Rival(super::rival::RivalCall::default());
        };
        let route = Arc::clone(&cast.route);
        let current = cast.worlds.len() - 1;
        let world = &mut cast.worlds[current];
        let size = prompt_size(request);
        let views = world.views(now, &route, size.tokens(), wanted.stream);
        let turn = world.next_turn(&route);
        for (&place, view) in route.members.iter().zip(&views) {
            if view.degraded && !cast.slow[place] {
                self.ledger.degraded(now, place);
            }
            cast.slow[place] = view.degraded;
        }
        let plan_seed = PlanSeed { draw: seed.rotate_left(32), turn };
        let plan = Plan::new(&cast.fleet, &route, request, size, &views, plan_seed);
        let mut spec = CallSpec::of(request, wanted.stream, seed);
        spec.deadline = wanted.deadline;
        Body::Engine(Box::new(Call::new(now, Arc::clone(&cast.fleet), route, spec, plan)))
    }

    pub(super) fn restart(&mut self) {
        let Cast::Engine(cast) = &mut self.cast else { return };
        if let Ok(fresh) = cast.setup.assemble() {
            cast.worlds.push(fresh.world);
            cast.shown.fill(BreakerState::Closed);
            self.watch.restart();
        }
    }

    /// Polls the machine until it waits. Returns true once the call is over.
    pub(super) fn turn(&mut self, seat: Seat, live: &mut Live) -> bool {
        loop {
            let now = self.now;
            let step = {
                let (Cast::Engine(cast), Body::Engine(machine)) = (&mut self.cast, &mut live.body) else {
                    return true;
                };
                machine.poll(now, &mut cast.worlds[live.world])
            };
            self.tell_changes(live.world);
            match step {
                Step::Abort(id) => self.hang_up(seat, live, id.0),
                Step::Deliver(chunk) => self.take(live, &chunk),
                Step::Done(result) => {
                    self.done(seat, live, *result);
                    return true;
                }
                // Judging takes no virtual time.
                Step::Judge(id, judgement) => self.tell(live, Input::Judged(id, judgement.run())),
                Step::Start(begin) => self.begin(seat, live, &begin),
                _ => {
                    // A call that has just begun to wait polls once more: room may have been freed in between.
                    let (Cast::Engine(cast), Body::Engine(machine)) = (&mut self.cast, &mut live.body) else {
                        return true;
                    };
                    match machine.ticket() {
                        Some(ticket) if live.ticket.is_none() => {
                            live.ticket = Some(ticket);
                            cast.tickets.insert((live.world, ticket), (seat.call, seat.generation));
                            machine.handle(now, &mut cast.worlds[live.world], Input::Woken);
                        }
                        _ => return false,
                    }
                }
            }
        }
    }

    fn begin(&mut self, seat: Seat, live: &mut Live, begin: &AttemptStart) {
        let (Cast::Engine(cast), Body::Engine(machine)) = (&mut self.cast, &mut live.body) else { return };
        let why = machine.trail().attempts.get(begin.id.0).map_or("", |attempt| attempt.why.as_str());
        let last_resort = why.starts_with("last resort");
        live.hedged |= why.starts_with("hedge");
        let scopes = cast.fleet.targets()[begin.target].scopes(begin.key);
        // Worlds from before the restart are not watched: their breaker states are separate.
        let current = live.world + 1 == cast.worlds.len();
        let stakes = current.then(|| self.watch.started(self.now, scopes, last_resort));
        let (from, voice) = match &begin.resume {
            Some(resume) if resume.prefill => (
                u32::try_from(resume.text.len() / WORD).unwrap_or(u32::MAX),
                live.voice.unwrap_or(begin.target),
            ),
            _ => (0, begin.target),
        };
        let going = Going {
            place: begin.target,
            key: begin.key,
            nth: 0,
            stream: begin.stream,
            reply: None,
            over: false,
            seated: false,
            began: self.now,
            voice,
            from,
            stakes,
            ill: false,
            failed: false,
        };
        self.send(seat, live, going);
    }

    pub(super) fn hear(&mut self, seat: Seat, live: &mut Live, index: usize, heard: Heard) -> bool {
        let id = AttemptId(index);
        match heard {
            Heard::Ping => self.tell(live, Input::Alive(id)),
            Heard::Failure(error) => {
                let error = error.unwrap_or_else(|| Error::new(Kind::Server, "simulated"));
                self.failed(seat, live, index, error);
            }
            Heard::Speech(opened, told) => {
                if let Some(limits) = opened {
                    self.tell(live, Input::Opened(id, limits));
                }
                match told {
                    Told::Tokens(from, to) => self.say(live, index, from, to),
                    Told::Last(from, to) => {
                        self.ledger.outcome(live.going[index].began, live.going[index].place);
                        self.say(live, index, from, to);
                        let tokens = Usage::reported(Some(live.wanted.prompt_tokens), Some(u64::from(to)));
                        self.event(live, id, Said::Usage(Box::new(tokens)));
                        self.event(live, id, Said::Finished(FinishReason::Stop));
                        self.hang_up(seat, live, index);
                        self.tell(live, Input::Ended(id));
                    }
                    Told::Clean => {
                        self.ledger.outcome(live.going[index].began, live.going[index].place);
                        self.hang_up(seat, live, index);
                        self.tell(live, Input::Ended(id));
                    }
                    Told::Failure(kind) => {
                        self.failed(seat, live, index, Error::new(kind, "simulated"));
                    }
                }
            }
        }
        self.turn(seat, live)
    }

    fn failed(&mut self, seat: Seat, live: &mut Live, index: usize, error: Error) {
        live.going[index].failed = true;
        self.ledger.outcome(live.going[index].began, live.going[index].place);
        if matches!(error.kind(), Kind::RateLimited | Kind::GrowthLimited) {
            self.ledger.refused(live.going[index].began, live.going[index].place);
        }
        self.hang_up(seat, live, index);
        self.tell(live, Input::Failed(AttemptId(index), error));
    }

    fn say(&mut self, live: &mut Live, index: usize, from: u32, to: u32) {
        if from < to {
            let text = self.text.words(live.going[index].voice, from, to).to_owned();
            self.event(live, AttemptId(index), Said::TextDelta(text));
        }
    }

    fn event(&mut self, live: &mut Live, id: AttemptId, event: Said) {
        let Body::Engine(machine) = &mut live.body else { return };
        machine.on_event(self.now, id, Chunk::from(event));
        if !machine.needs_world() {
            while let Body::Engine(machine) = &mut live.body
                && let Some(chunk) = machine.next_delivery()
            {
                self.take(live, &chunk);
            }
        }
    }

    fn tell(&mut self, live: &mut Live, input: Input) {
        let (Cast::Engine(cast), Body::Engine(machine)) = (&mut self.cast, &mut live.body) else { return };
        machine.handle(self.now, &mut cast.worlds[live.world], input);
        self.tell_changes(live.world);
    }

    /// The caller receives a piece of the answer and checks that it is the next one.
    fn take(&mut self, live: &mut Live, chunk: &Chunk) {
        match &chunk.event {
            Said::TextDelta(text) => {
                let voice = *live.voice.get_or_insert_with(|| {
                    live.going.iter().rev().find(|going| !going.over).map_or(0, |going| going.voice)
                });
                let to = live.words + u32::try_from(text.len() / WORD).unwrap_or(0);
                let right = (0..self.scenario.targets.len()).find(|other| {
                    self.text.words(*other, live.words, to) == text && (*other == voice || live.words == 0)
                });
                match right {
                    Some(right) if live.words == 0 => live.voice = Some(right),
                    Some(_) => {}
                    None => self.watch.say(self.now, || {
                        format!("the caller got other words than the next ones after {}", live.words)
                    }),
                }
                self.deliver(live, to);
            }
            Said::Handover { .. } => self.note(4, live.wanted.number),
            _ => {}
        }
        if let Body::Engine(machine) = &mut live.body {
            machine.resumed(self.now);
        }
    }

    fn done(&mut self, seat: Seat, live: &mut Live, result: Result<Summary, Error>) {
        let under_way = live.going.iter().filter(|going| !going.over).count();
        for index in 0..live.going.len() {
            self.hang_up(seat, live, index);
        }
        let trail = match &result {
            Ok(summary) => &summary.trail,
            Err(error) => error.trail(),
        };
        if let (Ok(summary), false) = (&result, live.wanted.stream) {
            let text = match &summary.response {
                Some(Response::Chat(answer)) => answer.text(),
                _ => String::new(),
            };
            live.words = u32::try_from(text.len() / WORD).unwrap_or(0);
            self.deliver(live, live.words);
        }
        let useful = |attempt: &hotspare_core::Attempt| attempt.outcome == hotspare_core::Outcome::Served;
        live.served = trail.attempts.iter().position(useful);
        if let (Cast::Engine(cast), Some(ticket)) = (&mut self.cast, live.ticket.take()) {
            cast.tickets.remove(&(live.world, ticket));
        }
        self.close_call(live, result, under_way);
    }

    fn close_call(&mut self, live: &mut Live, result: Result<Summary, Error>, under_way: usize) {
        let Cast::Engine(cast) = &self.cast else { return };
        let world = &cast.worlds[live.world];
        let mut tried: Vec<usize> = live.going.iter().map(|going| going.place).collect();
        tried.dedup();
        let left_out: Vec<usize> = match self.weather.is_measured() {
            true => (0..self.scenario.targets.len())
                .filter(|place| self.weather.is_absent(*place, live.arrived))
                .collect(),
            false => Vec::new(),
        };
        let error = result.as_ref().err();
        let cut = error.is_some() && live.words > 0;
        let blamed = error.is_some_and(|error| {
            matches!(error.policy().next, Next::Stop | Next::Confirm | Next::OptIn)
                && error.kind() != Kind::NoTarget
        });
        self.watch.call_ended(
            self.now,
            &CallEnd {
                fleet: &cast.fleet,
                route: &cast.route,
                world,
                arrived: live.arrived,
                stream: live.wanted.stream,
                first: live.first,
                failed: error.map(Error::kind),
                only_invalid: error.is_some_and(|error| {
                    error.trail().attempts.iter().all(|attempt| {
                        matches!(
                            &attempt.outcome,
                            hotspare_core::Outcome::Failed { kind: Kind::InvalidRequest, .. }
                        )
                    })
                }),
                may_be_missed: !cut && !blamed,
                starts: live.going.len(),
                under_way,
                tried: &tried,
                left_out: &left_out,
                words: live.words,
                wanted: live.wanted.output_tokens,
            },
        );
        for place in tried {
            self.watch.balance(self.now, world, place);
        }
        let fate = match &result {
            Ok(_) => Fate::Answered,
            Err(error) if error.kind() == Kind::Cancelled => Fate::Left,
            Err(error) if live.wanted.invalid && error.kind() == Kind::InvalidRequest => Fate::Mistaken,
            Err(error) => Fate::Lost { kind: error.kind(), cut },
        };
        self.end(live, fate);
    }

    /// The caller hangs up: the driver is dropped, and with it every connection.
    pub(super) fn caller_leaves(&mut self, seat: Seat, live: &mut Live) -> bool {
        if let Body::Rival(_) = live.body {
            return self.rival_left(seat, live);
        }
        for index in 0..live.going.len() {
            self.hang_up(seat, live, index);
        }
        self.tell(live, Input::CallerGone);
        self.turn(seat, live)
    }

    /// Collects breaker changes and calls to wake.
    fn tell_changes(&mut self, world: usize) {
        let Cast::Engine(cast) = &mut self.cast else { return };
        let current = world + 1 == cast.worlds.len();
        for change in cast.worlds[world].take_notices() {
            if !current {
                continue;
            }
            self.watch.changed(&change);
            self.hash = crate::chance::mix(self.hash ^ u64::from(change.scope.0) ^ (change.to as u64) << 40);
            for &place in cast.concerned.get(&change.scope).into_iter().flatten() {
                let target = &cast.fleet.targets()[place];
                let state = (0..target.key_count()).map(|key| self.watch.state(&target.scopes(key))).min();
                let state = state.unwrap_or_default();
                if state != cast.shown[place] {
                    cast.shown[place] = state;
                    self.ledger.changed(change.at, place, state);
                }
            }
        }
        for ticket in cast.worlds[world].take_woken() {
            cast.woken.extend(cast.tickets.get(&(world, ticket)));
        }
    }

    /// Wakes calls for which there may be room.
    pub(super) fn wake(&mut self) {
        loop {
            let Cast::Engine(cast) = &mut self.cast else { return };
            let Some((call, generation)) = cast.woken.pop() else { return };
            self.with_live(call, generation, |stage, seat, live| {
                stage.tell(live, Input::Woken);
                stage.turn(seat, live)
            });
        }
    }
}
