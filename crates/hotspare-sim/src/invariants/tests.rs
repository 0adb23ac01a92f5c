//! What the checker reports, from transitions made by hand.

use super::*;
use crate::scenario::Scenario;

const LIMITS: ReturnLimits = ReturnLimits {
    max_probes: 1,
    lease: Duration::from_secs(60),
    ramp: Duration::from_secs(10),
    cooldown: Duration::from_secs(15),
    window: Duration::from_secs(30),
};

/// A checker for one target, its breaker half-open after an outage; and the scopes of a call that began before.
fn after_an_outage() -> (InvariantChecker, [ScopeId; 4], AttemptScopes) {
    let scenario = Scenario::parse("x", "what = \"x\"\ntargets = [{ name = \"a\" }]").unwrap();
    let fleet = scenario.setup().unwrap().assemble().unwrap().fleet;
    let mut checker = InvariantChecker::new(&fleet, &[LIMITS]);
    let scopes = fleet.targets()[0].scopes(KeyIndex::FIRST).as_array();
    let before = checker.attempt_started(Moment::ZERO, scopes, false);
    let failed = change(
        scopes[1],
        BreakerState::Closed,
        BreakerState::Open,
        Reason::FailureRate { rate_bp: 1, calls: 1 },
    );
    checker.transition(&failed, [before].into_iter());
    let cooled = change(scopes[1], BreakerState::Open, BreakerState::HalfOpen, Reason::CooledDown);
    checker.transition(&cooled, std::iter::empty());
    assert_eq!(checker.breaches, []);
    (checker, scopes, before)
}

fn change(scope: ScopeId, from: BreakerState, to: BreakerState, reason: Reason) -> Transition {
    Transition { scope, from, to, at: Moment::ZERO, reason }
}

#[test]
fn an_outcome_of_an_older_generation_that_moves_a_breaker_is_a_breach() {
    let (mut checker, scopes, before) = after_an_outage();
    let closed = change(scopes[1], BreakerState::HalfOpen, BreakerState::Closed, Reason::ProbeSucceeded);
    checker.transition(&closed, [before].into_iter());
    assert!(checker.breaches[0].what.contains("older generation ([0], not 2)"), "{:?}", checker.breaches);

    let (mut checker, scopes, before) = after_an_outage();
    let probe = checker.attempt_started(Moment::ZERO, scopes, false);
    let closed = change(scopes[1], BreakerState::HalfOpen, BreakerState::Closed, Reason::ProbeSucceeded);
    checker.transition(&closed, [before, probe].into_iter());
    assert_eq!(checker.breaches, [], "a call may have an older attempt beside the one that counts");
    assert_eq!(checker.ramp_share(Moment::from_nanos(5_000_000_000), &scopes), 0.5);
}

/// What is reported of a call that was lost at its deadline of 30 s after an attempt at the first of two targets that was late
/// all the time. The second target asked for a pause that ended after so many milliseconds.
fn lost_at_its_deadline(paused_for: u64) -> Vec<Breach> {
    let at = |millis: u64| Moment::ZERO + Duration::from_millis(millis);
    let scenario = "what = \"x\"\ntargets = [{ name = \"a\" }, { name = \"b\" }]";
    let made = Scenario::parse("x", scenario).unwrap().setup().unwrap().assemble().unwrap();
    let mut checker = InvariantChecker::new(&made.fleet, &[LIMITS, LIMITS]);
    let pair = made.fleet.targets()[1].scopes(KeyIndex::FIRST).credential_model;
    checker.paused(pair, at(paused_for));
    assert_eq!(made.route.limits.first_content_deadline, Duration::from_secs(30));
    let end = CallEnd {
        fleet: &made.fleet,
        route: &made.route,
        world: &made.world,
        arrived: Moment::ZERO,
        stream: true,
        deadline: None,
        first: None,
        failed: Some(Kind::Deadline),
        retry_after: None,
        prompt_tokens: 500,
        only_invalid: false,
        may_fail_over: true,
        starts: 1,
        last_start: Some(Moment::ZERO),
        is_watched: true,
        in_flight: 0,
        tried: &[0],
        excluded: &[],
        words: 0,
        expected_words: 0,
    };
    checker.call_ended(at(30_000), &end);
    checker.breaches
}

#[test]
fn a_call_that_waited_beside_a_target_that_admits_calls_is_a_breach() {
    for paused_for in [0, 20_000, 28_900] {
        let breaches = lost_at_its_deadline(paused_for);
        assert!(breaches[0].what.contains("although b was untried"), "{paused_for}: {breaches:?}");
    }
    assert_eq!(
        lost_at_its_deadline(29_900),
        [],
        "too short a time after the pause to be asked and to answer"
    );
}
