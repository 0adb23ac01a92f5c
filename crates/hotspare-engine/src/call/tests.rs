//! What a call does, step by step; the exhaustive run is in `explore`.

use std::time::Duration;

use hotspare_core::{
    ChatRequest, ChatResponse, Cost, FinishReason, ModelProfile, Outcome as Ended, TargetId, ThinkTags,
};
use hotspare_health::{Config, Outcome, Permit, Verdict};
use hotspare_normalize::OutputCheck;
use hotspare_routing::{Hedge, Hedged, Race, Sequential, Strategy};

use super::*;
use crate::ending::{End, Ending};
use crate::fleet::TargetSpec;
use crate::plan::PlanSeed;
use crate::rules::{Limits, OnCut, Rules};
use crate::step::AttemptStart;
use crate::world::Wish;

mod cuts;
mod explore;
mod network;
mod pauses;
mod room;
mod rules;
mod spare;
mod time;
mod validate;

/// A call, its world, and everything that came out.
pub(super) struct Rig {
    pub(super) call: Call,
    pub(super) world: World,
    pub(super) now: Moment,
    /// Calls of others that are under way.
    pub(super) others: Vec<(usize, Permit)>,
    pub(super) live: BTreeSet<AttemptId>,
    pub(super) begun: Vec<AttemptStart>,
    pub(super) out: Vec<Event>,
    pub(super) done: Vec<Result<Summary, Error>>,
}

/// A call that is put aside.
pub(super) struct Rest {
    call: Call,
    live: BTreeSet<AttemptId>,
    begun: Vec<AttemptStart>,
    done: Vec<Result<Summary, Error>>,
}

pub(super) struct Setup {
    pub(super) names: &'static [&'static str],
    /// Each target's model; "m" where there is none.
    pub(super) models: &'static [&'static str],
    pub(super) strategy: Arc<dyn Strategy>,
    pub(super) limits: Limits,
    pub(super) rules: Rules,
    pub(super) stream: bool,
    pub(super) keys: usize,
    pub(super) health: Config,
    pub(super) profile: ModelProfile,
    pub(super) max_in_flight: Option<u32>,
    pub(super) requests_per_minute: Option<u64>,
    pub(super) tokens_per_minute: Option<u64>,
    pub(super) form: Option<OutputCheck>,
    pub(super) tools: Vec<(String, OutputCheck)>,
    pub(super) max_cost: Option<Cost>,
    pub(super) prompt_tokens: u64,
    pub(super) seed: u64,
    /// What ails targets before the call begins.
    pub(super) ills: &'static [(usize, Ill)],
}

/// Why a target cannot be had at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ill {
    /// Another call has its place.
    Busy,
    /// It asked for a pause of so many seconds.
    Held(u64),
    /// Its breaker is open for so many seconds.
    Open(u64),
}

impl Ill {
    /// Makes a target ill; a call that holds its place goes on until somebody settles it.
    fn befall(self, now: Moment, world: &mut World, place: usize) -> Option<(usize, Permit)> {
        let scopes = world.scopes(place);
        let (calls, outcome) = match self {
            Self::Busy => {
                return world.admit(now, place, Wish::default()).ok().map(|(_, permit)| (place, permit));
            }
            Self::Held(secs) => {
                (1, Outcome::at(scopes[3], Verdict::Hold { until: now + Duration::from_secs(secs) }))
            }
            Self::Open(secs) => {
                let not_before = Some(now + Duration::from_secs(secs));
                (5, Outcome::at(scopes[1], Verdict::Failure { weight_milli: 1_000, not_before }))
            }
        };
        for _ in 0..calls {
            let (_, permit) = world.admit(now, place, Wish::default()).unwrap();
            world.settle(now, place, permit, End::of_probe(outcome, Ending::Cancelled), 0);
        }
        None
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
            max_in_flight: None,
            requests_per_minute: None,
            tokens_per_minute: None,
            form: None,
            tools: Vec::new(),
            max_cost: None,
            prompt_tokens: 5,
            seed: 7,
            ills: &[],
        }
    }

    pub(super) fn rig(&self) -> Rig {
        let specs = self.names.iter().enumerate().map(|(index, name)| TargetSpec {
            id: TargetId::from(*name),
            endpoint: (*name).to_owned(),
            address: (*name).to_owned(),
            model: (*self.models.get(index).unwrap_or(&"m")).to_owned(),
            profile: self.profile.clone(),
            wire: if index % 2 == 0 { "even" } else { "odd" },
            keys: (0..self.keys as u64).collect(),
            max_in_flight: self.max_in_flight,
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            health: self.health.clone(),
            probe: false,
        });
        let (fleet, book) = Fleet::assemble(specs.collect());
        let route = Route::new("r", 0, Arc::clone(&self.strategy), &fleet)
            .unwrap()
            .with_limits(self.limits.clone())
            .with_rules(self.rules.clone());
        let route = Arc::new(route);
        let mut world = World::new(Arc::clone(&fleet), book, &[Arc::clone(&route)]);
        world.next_turn(&route);
        let now = Moment::ZERO + Duration::from_secs(1_000);
        let others =
            self.ills.iter().filter_map(|(place, ill)| ill.befall(now, &mut world, *place)).collect();
        let call = self.call(now, fleet, route, &world);
        let mut rig = Rig {
            call,
            world,
            now,
            others,
            live: BTreeSet::new(),
            begun: Vec::new(),
            out: Vec::new(),
            done: Vec::new(),
        };
        rig.run();
        rig
    }

    pub(super) fn call(&self, now: Moment, fleet: Arc<Fleet>, route: Arc<Route>, world: &World) -> Call {
        let request = ChatRequest::to("r").user("hi").into();
        let plan = Plan::new(
            &fleet,
            &route,
            &request,
            PromptSize::of_text(self.prompt_tokens),
            &world.views(now, &route, self.prompt_tokens, self.stream),
            PlanSeed::default(),
        );
        let mut ask = Ask::new(self.stream, self.seed);
        ask.continuable = self.form.is_none();
        ask.output_check.clone_from(&self.form);
        ask.tool_checks.clone_from(&self.tools);
        ask.max_cost = self.max_cost;
        Call::new(now, fleet, route, ask, plan)
    }
}

impl Rig {
    /// Puts another call into the same world; gives the one that was there, with what came out of it.
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

    /// Brings a call back.
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
                }
                Step::Deliver(chunk) => self.out.push(chunk.event),
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

    pub(super) fn tell(&mut self, input: Input) {
        if let Input::Ended(id) | Input::Failed(id, _) = &input {
            self.live.remove(id);
        }
        self.call.handle(self.now, &mut self.world, input);
        self.run();
    }

    /// Another call ends, and this one is woken if there is room for it.
    pub(super) fn makes_room(&mut self) {
        let (place, permit) = self.others.remove(0);
        self.world.settle(self.now, place, permit, End::of_probe(Outcome::neutral(), Ending::Cancelled), 0);
        if self.world.take_woken().into_iter().any(|ticket| Some(ticket) == self.call.ticket()) {
            self.tell(Input::Woken);
        }
    }

    pub(super) fn says(&mut self, attempt: usize, event: Event) {
        self.call.on_event(self.now, AttemptId(attempt), Chunk::from(event));
        self.run();
    }

    fn text(&mut self, attempt: usize, text: &str) {
        self.says(attempt, Event::TextDelta(text.into()));
    }

    fn fails(&mut self, attempt: usize, kind: Kind) {
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

    /// Lets time pass up to the next timer that is due within `limit`.
    fn wait(&mut self, limit: Duration) {
        let until = self.now + limit;
        while let Some(at) = self.call.poll_timeout().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.run();
        }
        self.now = until;
        self.run();
    }

    fn targets(&self) -> Vec<usize> {
        self.begun.iter().map(|begin| begin.target).collect()
    }

    fn said(&self) -> String {
        let text = |event: &Event| match event {
            Event::TextDelta(text) => text.clone(),
            Event::Handover { from, to } => format!("[{from}>{to}]"),
            _ => String::new(),
        };
        self.out.iter().map(text).collect()
    }

    fn error(&self) -> &Error {
        self.done[0].as_ref().unwrap_err()
    }
}

#[test]
fn a_failure_moves_on_and_the_trail_says_why() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.fails(0, Kind::Connect);
    rig.text(1, "hi");
    rig.finishes(1);
    let summary = rig.done[0].as_ref().unwrap();
    assert_eq!(summary.served_by.as_str(), "b");
    assert_eq!(summary.trail.attempts[1].why, "a failed (connect); 2 of 2 in order");
    assert_eq!(rig.said(), "hi");
}

#[test]
fn role_frames_and_usage_commit_to_nobody() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.says(0, Event::Started { id: None, model: None });
    rig.text(0, "");
    rig.fails(0, Kind::Truncated);
    assert_eq!(rig.targets(), [0, 1]);
    assert_eq!(rig.out, vec![]);
}

#[test]
fn late_content_starts_the_spare_and_the_late_one_may_still_win() {
    let mut rig = Setup::new(&["a", "b", "c"]).rig();
    rig.wait(Duration::from_secs(9));
    assert_eq!(rig.targets(), [0, 1]);
    rig.text(0, "slow but first");
    assert_eq!(rig.live, BTreeSet::from([AttemptId(0)]), "the spare was dropped");
    rig.finishes(0);
    assert_eq!(rig.done[0].as_ref().unwrap().served_by.as_str(), "a");
    assert_eq!(rig.world.counts(1).cancelled, 1);
}

#[test]
fn a_caller_mistake_returns_at_once_and_hurts_nobody() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.fails(0, Kind::InvalidRequest);
    assert_eq!(rig.error().kind(), Kind::InvalidRequest);
    assert_eq!(rig.targets(), [0]);
    assert_eq!(rig.world.view(rig.now, 0, 0).failure_rate_bp, 0);
}

#[test]
fn a_single_server_error_is_tried_once_more_where_it_happened() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.fails(0, Kind::Server);
    rig.wait(Duration::from_millis(100));
    assert_eq!(rig.targets(), [0, 0]);
    rig.fails(1, Kind::Server);
    assert_eq!(rig.targets(), [0, 0, 1]);
    let failures = rig.world.view(rig.now, 0, 0).failure_rate_bp;
    rig.text(2, "x");
    rig.finishes(2);
    assert!(failures > 0);
    assert_eq!(rig.world.counts(0).failed[&Kind::Server], 2);
}

#[test]
fn another_key_of_the_same_target_comes_before_another_target() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.keys = 2;
    let mut rig = setup.rig();
    rig.fails(0, Kind::Auth);
    assert_eq!(rig.targets(), [0, 0]);
    assert_ne!(rig.begun[0].key, rig.begun[1].key);
    rig.fails(1, Kind::QuotaExhausted);
    assert_eq!(rig.targets(), [0, 0, 1]);
}

#[test]
fn a_fast_error_never_wins_a_race() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.strategy = Arc::new(Race::new(["a", "b"]));
    let mut rig = setup.rig();
    assert_eq!(rig.targets(), [0, 1]);
    rig.fails(0, Kind::InvalidRequest);
    assert!(rig.done.is_empty());
    rig.text(1, "good");
    rig.finishes(1);
    assert!(rig.done[0].is_ok());
}

#[test]
fn race_losers_are_dropped_and_counted() {
    let mut setup = Setup::new(&["a", "b", "c"]);
    setup.strategy = Arc::new(Race::new(["a", "b", "c"]).width(3));
    let mut rig = setup.rig();
    rig.says(2, Event::Started { id: None, model: None });
    rig.text(1, "first");
    assert_eq!(rig.live, BTreeSet::from([AttemptId(1)]));
    rig.finishes(1);
    let trail = &rig.done[0].as_ref().unwrap().trail;
    assert!(matches!(trail.attempts[2].outcome, Ended::Cancelled { .. }));
    assert!(trail.attempts[2].usage.input.is_some(), "the loser had begun and is paid for");
    assert_eq!(rig.world.view(rig.now, 0, 0).failure_rate_bp, 0, "losing is not failing");
}

#[test]
fn a_hedge_starts_once_and_only_within_its_budget() {
    let mut setup = Setup::new(&["a", "b", "c"]);
    setup.strategy =
        Arc::new(Hedged::new(Sequential::new(["a", "b", "c"]), Hedge::after(Duration::from_millis(400))));
    let mut rig = setup.rig();
    rig.wait(Duration::from_secs(2));
    assert_eq!(rig.targets(), [0, 1]);
    assert_eq!(rig.call.trail().attempts[1].why, "hedge after 400 ms; 2 of 3 in order");
}

#[test]
fn a_stall_is_seen_and_a_slow_reader_is_not_one() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.text(0, "x");
    rig.now = rig.now + Duration::from_secs(60);
    rig.call.resumed(rig.now);
    rig.run();
    assert_eq!(rig.targets(), [0], "the reader was away, not the provider");
    rig.wait(Duration::from_secs(9));
    assert_eq!(rig.targets(), [0, 1]);
}

#[test]
fn an_unstreamed_answer_is_held_until_it_is_whole() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.stream = false;
    let mut rig = setup.rig();
    rig.text(0, "half an ans");
    rig.fails(0, Kind::Truncated);
    rig.text(1, "whole");
    rig.finishes(1);
    assert_eq!(rig.done[0].as_ref().unwrap().response.as_ref().unwrap().as_chat().unwrap().text(), "whole");
    assert_eq!(rig.out, vec![]);
}

#[test]
fn an_empty_answer_is_a_failure() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.finishes(0);
    assert_eq!(rig.targets(), [0, 1]);
}

#[test]
fn an_end_without_a_finish_reason_is_a_cut() {
    let mut rig = Setup::new(&["a"]).rig();
    rig.text(0, "half an ans");
    rig.tell(Input::Ended(AttemptId(0)));
    assert_eq!(rig.error().kind(), Kind::Truncated);
}

#[test]
fn what_breaks_after_the_answer_concerns_nobody() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.text(0, "x");
    rig.says(0, Event::Finished(FinishReason::Stop));
    rig.fails(0, Kind::Truncated);
    assert!(rig.done[0].is_ok());
}

#[test]
fn when_all_are_blocked_one_is_asked_all_the_same() {
    fn ask_again(rig: &mut Rig) {
        let (fleet, route) = (Arc::clone(&rig.call.fleet), Arc::clone(&rig.call.route));
        let request = ChatRequest::to("r").user("hi").into();
        let (size, views) = (PromptSize::of_text(1), rig.world.views(rig.now, &route, 1, true));
        let plan = Plan::new(&fleet, &route, &request, size, &views, PlanSeed::default());
        rig.call = Call::new(rig.now, fleet, route, Ask::new(true, 1), plan);
        rig.run();
    }
    let mut rig = Setup::new(&["a"]).rig();
    rig.fails(0, Kind::Connect);
    for _ in 0..4 {
        ask_again(&mut rig);
        rig.fails(0, Kind::Connect);
    }
    assert!(!rig.world.view(rig.now, 0, 0).usable);
    ask_again(&mut rig);
    assert!(rig.call.trail().attempts[0].why.starts_with("last resort"));
    rig.text(0, "back again");
    rig.finishes(0);
    assert!(rig.done.last().unwrap().is_ok());
    assert!(rig.world.view(rig.now, 0, 0).usable);
}

#[test]
fn nobody_is_waited_for_beyond_the_deadline() {
    let mut rig = Setup::new(&["a"]).rig();
    rig.wait(Duration::from_secs(121));
    assert_eq!(rig.error().kind(), Kind::Deadline);
    assert!(rig.live.is_empty());
}

#[test]
fn a_caller_who_leaves_hurts_nobody() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.tell(Input::CallerGone);
    assert_eq!(rig.world.counts(0).in_flight, 0);
    assert_eq!(rig.world.view(rig.now, 0, 0).samples, 0);
}
