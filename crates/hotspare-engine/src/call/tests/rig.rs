//! A test rig: a call with the world around it, driven step by step.
//!
//! Contains no tests. Invariant: after each step the call has been polled until it waits, or if its caller pauses, until it
//! has delivered a piece; at each delivery nothing but the attempt that serves is in flight.

use hotspare_core::Price;

use super::*;
use crate::index::{RouteIndex, TargetIndex};

/// A call, its world, and everything it returned.
pub(super) struct Rig {
    pub(super) call: Call,
    pub(super) world: World,
    pub(super) now: Moment,
    /// Permits of other calls in flight.
    pub(super) others: Vec<(TargetIndex, Permit)>,
    pub(super) live: BTreeSet<AttemptId>,
    /// Judgements to run later, if the setup says so.
    pub(super) judging: BTreeMap<AttemptId, Box<Judgement>>,
    pub(super) judges_later: bool,
    pub(super) pauses: bool,
    /// Since when the caller has had a piece without asking for the next one, if it pauses.
    pub(super) paused: Option<Moment>,
    pub(super) begun: Vec<AttemptStart>,
    pub(super) out: Vec<Event>,
    pub(super) done: Vec<Result<Summary, Error>>,
}

/// A call that is set aside.
pub(super) struct Rest {
    pub(super) call: Call,
    pub(super) live: BTreeSet<AttemptId>,
    pub(super) begun: Vec<AttemptStart>,
    pub(super) done: Vec<Result<Summary, Error>>,
}

pub(super) struct Setup {
    pub(super) names: &'static [&'static str],
    /// Each target's model; "m" by default.
    pub(super) models: &'static [&'static str],
    pub(super) strategy: Arc<dyn Strategy>,
    pub(super) limits: Limits,
    pub(super) rules: Rules,
    pub(super) stream: bool,
    pub(super) keys: usize,
    pub(super) health: Config,
    pub(super) profile: ModelProfile,
    /// Prices that differ from the profile's.
    pub(super) prices: &'static [Price],
    pub(super) max_in_flight: Option<u32>,
    pub(super) requests_per_minute: Option<u64>,
    pub(super) tokens_per_minute: Option<u64>,
    pub(super) form: Option<OutputCheck>,
    pub(super) tools: Vec<(String, OutputCheck)>,
    /// For embeddings, the number of inputs.
    pub(super) vectors: Option<usize>,
    /// Whether judgements wait for [`Rig::judges`]; otherwise they run at once.
    pub(super) judges_later: bool,
    /// Whether the caller pauses after each piece until [`Rig::reads_on`].
    pub(super) pauses: bool,
    /// The caller's own deadlines.
    pub(super) deadline: Option<Duration>,
    pub(super) first_content_deadline: Option<Duration>,
    pub(super) effort: Option<&'static str>,
    pub(super) max_cost: Option<Cost>,
    pub(super) no_hedge: bool,
    pub(super) prompt_tokens: u64,
    pub(super) seed: u64,
    /// What makes targets unavailable before the call starts.
    pub(super) ills: &'static [(usize, Ill)],
    /// Targets whose first content is known to take this many seconds.
    pub(super) usual: &'static [(usize, u64)],
}

/// Why a target is unavailable at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ill {
    /// Another call occupies its only slot.
    Busy,
    /// It asked for a pause of this many seconds.
    Held(u64),
    /// Its breaker is open for this many seconds.
    Open(u64),
    /// Its breaker is open because its answers are late.
    Slow,
}

impl Ill {
    /// Makes a target unavailable; returns the permit of a call that occupies its slot, which the caller must settle.
    pub(super) fn befall(
        self,
        now: Moment,
        world: &mut World,
        place: TargetIndex,
    ) -> Option<(TargetIndex, Permit)> {
        let scopes = world.scopes(place);
        let (calls, outcome) = match self {
            Self::Busy => {
                return world.admit(now, place, Demand::default()).ok().map(|(_, permit)| (place, permit));
            }
            Self::Slow => {
                for _ in 0..10 {
                    let (_, mut permit) = world.admit(now, place, Demand::default()).unwrap();
                    world.observe(now, place, &mut permit, Observation::Late);
                    let served = HealthOutcome { verdict: Verdict::Success, at: None };
                    world.settle(now, place, permit, Settlement::of_attempt(served, Ending::Served), 0);
                }
                return None;
            }
            Self::Held(secs) => (
                1,
                HealthOutcome::at(
                    scopes.credential_model,
                    Verdict::Hold { until: now + Duration::from_secs(secs) },
                ),
            ),
            Self::Open(secs) => {
                let not_before = Some(now + Duration::from_secs(secs));
                (5, HealthOutcome::at(scopes.model, Verdict::Failure { weight_milli: 1_000, not_before }))
            }
        };
        for _ in 0..calls {
            let (_, permit) = world.admit(now, place, Demand::default()).unwrap();
            world.settle(now, place, permit, Settlement::of_attempt(outcome, Ending::Cancelled), 0);
        }
        None
    }
}

/// Teaches the world how long a target's first content usually takes, by as many calls as that needs.
fn needs(now: Moment, world: &mut World, place: TargetIndex, after: Duration) {
    for _ in 0..20 {
        let (_, mut permit) = world.admit(now, place, Demand::default()).unwrap();
        world.observe(now, place, &mut permit, Observation::FirstContent { after });
        let served = HealthOutcome { verdict: Verdict::Success, at: None };
        world.settle(now, place, permit, Settlement::of_attempt(served, Ending::Served), 0);
    }
}

impl Setup {
    pub(super) fn new(names: &'static [&'static str]) -> Self {
        Self {
            names,
            models: &[],
            strategy: Arc::new(Sequential::new(names.iter().copied())),
            limits: Limits::default(),
            rules: Rules::default(),
            stream: true,
            keys: 1,
            health: Config::window(),
            profile: ModelProfile::default(),
            prices: &[],
            max_in_flight: None,
            requests_per_minute: None,
            tokens_per_minute: None,
            form: None,
            tools: Vec::new(),
            vectors: None,
            judges_later: false,
            pauses: false,
            max_cost: None,
            deadline: None,
            first_content_deadline: None,
            effort: None,
            no_hedge: false,
            prompt_tokens: 5,
            seed: 7,
            ills: &[],
            usual: &[],
        }
    }

    fn profile_of(&self, index: usize) -> ModelProfile {
        let mut profile = self.profile.clone();
        profile.price = self.prices.get(index).copied().or(profile.price);
        profile
    }

    pub(super) fn rig(&self) -> Rig {
        let specs = self.names.iter().enumerate().map(|(index, name)| TargetSpec {
            id: TargetId::from(*name),
            host: (*name).to_owned(),
            address: (*name).to_owned(),
            model: (*self.models.get(index).unwrap_or(&"m")).to_owned(),
            profile: self.profile_of(index),
            price_list: Some("anthropic".into()),
            wire: if index % 2 == 0 { "even" } else { "odd" },
            keys: (0..self.keys as u64).collect(),
            max_in_flight: self.max_in_flight,
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            health: self.health.clone(),
            probe: false,
        });
        let (fleet, book) = Fleet::assemble(specs.collect());
        let route = Route::new("r", RouteIndex::new(0), Arc::clone(&self.strategy), &fleet)
            .unwrap()
            .with_limits(self.limits.clone())
            .with_rules(self.rules.clone());
        let route = Arc::new(route);
        let mut world = World::new(Arc::clone(&fleet), book, &[Arc::clone(&route)]);
        world.next_turn(&route);
        let now = Moment::ZERO + Duration::from_secs(1_000);
        for (place, seconds) in self.usual {
            needs(now, &mut world, TargetIndex(*place), Duration::from_secs(*seconds));
        }
        let others = self
            .ills
            .iter()
            .filter_map(|(place, ill)| ill.befall(now, &mut world, TargetIndex(*place)))
            .collect();
        let call = self.call(now, fleet, route, &world);
        let mut rig = Rig {
            call,
            world,
            now,
            others,
            live: BTreeSet::new(),
            judging: BTreeMap::new(),
            judges_later: self.judges_later,
            pauses: self.pauses,
            paused: None,
            begun: Vec::new(),
            out: Vec::new(),
            done: Vec::new(),
        };
        rig.run();
        rig
    }

    pub(super) fn call(&self, now: Moment, fleet: Arc<Fleet>, route: Arc<Route>, world: &World) -> Call {
        let mut request = ChatRequest::to("r").user("hi");
        request.options.no_hedge = self.no_hedge;
        request.reasoning_effort = self.effort.map(str::to_owned);
        let request = request.into();
        let plan = Plan::new(
            &fleet,
            &route,
            &request,
            PromptSize::of_text(self.prompt_tokens),
            &world.views(now, &route, self.prompt_tokens, self.stream),
            PlanSeed::default(),
        );
        let mut spec = CallSpec::new(self.stream, self.seed);
        spec.continuable = self.form.is_none();
        spec.output_check.clone_from(&self.form);
        spec.tool_checks = self.tools.clone().into();
        spec.vectors = self.vectors;
        spec.max_cost = self.max_cost;
        spec.deadline = self.deadline;
        spec.first_content_deadline = self.first_content_deadline;
        Call::new(now, fleet, route, spec, plan)
    }
}

impl Rig {
    /// Starts another call in the same world; returns the previous one and what it returned.
    pub(super) fn next_call(&mut self, setup: &Setup) -> Rest {
        let (fleet, route) = (Arc::clone(&self.call.fleet), Arc::clone(&self.call.route));
        let call = setup.call(self.now, fleet, route, &self.world);
        let rest = Rest {
            call: std::mem::replace(&mut self.call, call),
            live: std::mem::take(&mut self.live),
            begun: std::mem::take(&mut self.begun),
            done: std::mem::take(&mut self.done),
        };
        self.out.clear();
        self.run();
        rest
    }

    /// Switches back to a call that was set aside; returns the current one.
    pub(super) fn back_to(&mut self, rest: Rest) -> Rest {
        Rest {
            call: std::mem::replace(&mut self.call, rest.call),
            live: std::mem::replace(&mut self.live, rest.live),
            begun: std::mem::replace(&mut self.begun, rest.begun),
            done: std::mem::replace(&mut self.done, rest.done),
        }
    }

    pub(super) fn run(&mut self) {
        for _ in 0..1_000 {
            match self.call.poll(self.now, &mut self.world) {
                Step::Abort(id) => {
                    self.live.remove(&id);
                    self.judging.remove(&id);
                }
                Step::Judge(id, judgement) => {
                    self.judging.insert(id, judgement);
                    if !self.judges_later {
                        self.hand_in(id);
                    }
                }
                Step::Deliver(chunk) => {
                    assert!(self.only_one_serves(), "a loser is in flight: {:?}", self.call);
                    self.out.push(chunk.event);
                    if self.pauses {
                        self.paused = Some(self.now);
                        return;
                    }
                }
                Step::Done(result) => self.done.push(*result),
                Step::Start(begin) => {
                    self.live.insert(begin.id);
                    self.begun.push(begin);
                }
                Step::Wait => return,
            }
        }
        panic!("the call never waits");
    }

    /// Whether nothing is in flight but the attempt that serves, and nothing is left to abort.
    fn only_one_serves(&self) -> bool {
        let live = |(_, attempt): &(usize, &AttemptState)| attempt.is_live();
        let mut live = self.call.attempts.iter().enumerate().filter(live).map(|(index, _)| AttemptId(index));
        self.call.aborts.is_empty() && live.all(|id| Some(id) == self.call.committed)
    }

    /// The caller asks for the next piece after this pause.
    pub(super) fn reads_on(&mut self, pause: Duration) {
        let Some(since) = self.paused.take() else { return };
        self.now = since + pause;
        self.call.resumed(since, self.now);
        self.run();
    }

    fn hand_in(&mut self, id: AttemptId) {
        let judged = self.judging.remove(&id).unwrap().run();
        self.call.handle(self.now, &mut self.world, Input::Judged(id, judged));
    }

    /// Runs a judgement.
    pub(super) fn judges(&mut self, attempt: usize) {
        self.hand_in(AttemptId(attempt));
        self.run();
    }

    pub(super) fn tell(&mut self, input: Input) {
        if let Input::Ended(id) | Input::Failed(id, _) = &input {
            self.live.remove(id);
            self.judging.remove(id);
        }
        self.call.handle(self.now, &mut self.world, input);
        self.run();
    }

    /// Another call ends; this one is woken if that makes room for it.
    pub(super) fn makes_room(&mut self) {
        let (place, permit) = self.others.remove(0);
        self.world.settle(
            self.now,
            place,
            permit,
            Settlement::of_attempt(HealthOutcome::neutral(), Ending::Cancelled),
            0,
        );
        if self.world.take_woken().into_iter().any(|ticket| Some(ticket) == self.call.ticket()) {
            self.tell(Input::Woken);
        }
    }

    pub(super) fn says(&mut self, attempt: usize, event: Event) {
        self.call.on_event(self.now, AttemptId(attempt), Chunk::from(event));
        self.run();
    }

    pub(super) fn text(&mut self, attempt: usize, text: &str) {
        self.says(attempt, Event::TextDelta(text.into()));
    }

    pub(super) fn fails(&mut self, attempt: usize, kind: Kind) {
        self.tell(Input::Failed(AttemptId(attempt), Error::new(kind, "")));
    }

    pub(super) fn finishes(&mut self, attempt: usize) {
        self.says(attempt, Event::Finished(FinishReason::Stop));
        self.tell(Input::Ended(AttemptId(attempt)));
    }

    pub(super) fn finishes_with_text(&mut self, attempt: usize) {
        self.text(attempt, "x");
        self.finishes(attempt);
    }

    /// Lets time pass up to `limit`, stopping at each timer.
    pub(super) fn wait(&mut self, limit: Duration) {
        let until = self.now + limit;
        while let Some(at) = self.call.poll_timeout().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.run();
        }
        self.now = until;
        self.run();
    }

    pub(super) fn targets(&self) -> Vec<usize> {
        self.begun.iter().map(|begin| begin.target.position()).collect()
    }

    pub(super) fn said(&self) -> String {
        let text = |event: &Event| match event {
            Event::TextDelta(text) => text.clone(),
            Event::Handover { from, to } => format!("[{from}>{to}]"),
            _ => String::new(),
        };
        self.out.iter().map(text).collect()
    }

    pub(super) fn error(&self) -> &Error {
        self.done[0].as_ref().unwrap_err()
    }
}
