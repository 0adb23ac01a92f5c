//! Why an attempt starts, in the words of the log and the trail.

use hotspare_core::Price;
use hotspare_routing::{Cheapest, Fastest, HealthAware, MostReliable, RoundRobin, Tiered, Weighted};

use super::*;
use crate::counts::CostKind;
use crate::spend::SpendLimit;
use hotspare_core::StartKind;

fn started(rig: &Rig) -> Vec<(StartKind, &str)> {
    let whys = rig.call.trail().attempts.iter().map(|attempt| attempt.why.as_str());
    rig.begun.iter().map(|begin| begin.kind).zip(whys).collect()
}

/// Makes the first target of a world in which nothing was asked yet spend more than it may.
fn overspend(rig: &mut Rig) {
    let day = Duration::from_secs(86_400);
    rig.world.limit_spending(TargetIndex(0), SpendLimit::new(Cost::from_micros(5), day));
    let (_, permit) = rig.world.admit(rig.now, TargetIndex(0), Demand::default()).unwrap();
    let served = HealthOutcome { verdict: Verdict::Success, at: None };
    let end =
        Settlement { cost: Some(Cost::from_micros(5)), ..Settlement::of_attempt(served, Ending::Served) };
    rig.world.settle(rig.now, TargetIndex(0), permit, end, 0);
}

#[test]
fn target_that_spent_its_limit_is_unusable_and_its_spare_a_failover() {
    let strategies: [Arc<dyn Strategy>; 2] =
        [Arc::new(Sequential::new(["a", "b"])), Arc::new(HealthAware::new(["a", "b"]))];
    for strategy in strategies {
        let mut setup = Setup::new(&["a", "b"]);
        setup.strategy = strategy;
        setup.profile.price = Some(Price::micros_per_million(1_000_000, 0));
        let mut rig = setup.rig();
        assert!(rig.world.view(rig.now, TargetIndex(0), 0).usable);
        overspend(&mut rig);
        let view = rig.world.view(rig.now, TargetIndex(0), 0);
        assert!(!view.usable && view.usable_in > Some(Duration::from_secs(80_000)), "{view:?}");
        let _ = rig.next_call(&setup);
        let [(StartKind::Failover, why)] = started(&rig)[..] else { panic!("{:?}", started(&rig)) };
        assert!(why.starts_with("a is blocked (0.000005 USD of 0.000005 USD in 24.0 h are spent"), "{why}");
    }
}

/// A strategy that ranks by health never asks the blocked target.
#[test]
fn spare_of_a_target_that_the_strategy_moved_back_is_a_failover() {
    let cases: [(&'static [(usize, Ill)], &str); 2] = [
        (&[(0, Ill::Open(60))], "a is blocked (its breaker is open for 60.0 s more); moved back"),
        (&[(0, Ill::Held(9))], "a is blocked (it is rate limited for 9.0 s more); moved back"),
    ];
    for (ills, expected) in cases {
        let mut setup = Setup::new(&["a", "b"]);
        (setup.strategy, setup.ills) = (Arc::new(HealthAware::new(["a", "b"])), ills);
        let rig = setup.rig();
        let [(StartKind::Failover, why)] = started(&rig)[..] else { panic!("{:?}", started(&rig)) };
        assert!(why.starts_with(expected.split("; ").next().unwrap()), "{why}");
    }
    let mut setup = Setup::new(&["a", "b"]);
    (setup.strategy, setup.ills) = (Arc::new(HealthAware::new(["a", "b"])), &[(1, Ill::Open(60))]);
    assert_eq!(setup.rig().begun[0].kind, StartKind::First, "the blocked one ranks after it");
}

/// Strategies move blocked targets back in their own ways. With this draw, weights choose the first; it is its turn in the
/// rotation, and it is the cheapest and fastest as long as they are equal.
#[test]
fn spare_of_a_blocked_first_choice_is_a_failover_under_every_strategy() {
    let names = ["a", "b"];
    let strategies: [Arc<dyn Strategy>; 7] = [
        Arc::new(Weighted::new(names.map(|name| (name, 1)))),
        Arc::new(RoundRobin::new(names)),
        Arc::new(Cheapest::new(names)),
        Arc::new(Fastest::new(names)),
        Arc::new(MostReliable::new(names)),
        Arc::new(Tiered::new(vec![Box::new(Weighted::new([("a", 1)])), Box::new(Sequential::new(["b"]))])),
        Arc::new(Hedged::new(Weighted::new([("a", 3), ("b", 1)]), Hedge::after(Duration::from_secs(1)))),
    ];
    for strategy in strategies {
        let name = strategy.name();
        let mut setup = Setup::new(&["a", "b"]);
        (setup.strategy, setup.ills) = (Arc::clone(&strategy), &[(0, Ill::Held(9))]);
        let rig = setup.rig();
        let [(StartKind::Failover, why)] = started(&rig)[..] else { panic!("{name}: {:?}", started(&rig)) };
        assert!(why.starts_with("a is blocked (it is rate limited for 9.0 s more); "), "{name}: {why}");
        setup.ills = &[(1, Ill::Held(9))];
        assert_eq!(setup.rig().begun[0].kind, StartKind::First, "{name}: the blocked one would come second");
    }
}

/// It would not be first if it were not blocked: half of its calls fail. The call that follows is no failover.
#[test]
fn spare_of_a_blocked_target_that_fails_too_often_to_be_first_is_the_first_choice() {
    let strategies: [Arc<dyn Strategy>; 2] =
        [Arc::new(HealthAware::new(["a", "b"])), Arc::new(MostReliable::new(["a", "b"]))];
    for strategy in strategies {
        let name = strategy.name();
        let mut setup = Setup::new(&["a", "b"]);
        (setup.strategy, setup.health) = (strategy, Config::never());
        let mut rig = setup.rig();
        let failed = Verdict::Failure { weight_milli: 1_000, not_before: None };
        for place in [0, 1] {
            for call in 0..200 {
                let (_, permit) = rig.world.admit(rig.now, TargetIndex(place), Demand::default()).unwrap();
                let verdict = if place == 0 && call % 2 == 0 { failed } else { Verdict::Success };
                let outcome = HealthOutcome::at(rig.world.scopes(TargetIndex(place)).model, verdict);
                rig.world.settle(
                    rig.now,
                    TargetIndex(place),
                    permit,
                    Settlement::of_attempt(outcome, Ending::Cancelled),
                    0,
                );
            }
        }
        let _ = rig.next_call(&setup);
        assert_eq!((rig.targets(), rig.begun[0].kind), (vec![1], StartKind::First), "{name}");
        let _ = Ill::Held(9).befall(rig.now, &mut rig.world, TargetIndex(0));
        let _ = rig.next_call(&setup);
        assert_eq!((rig.targets(), rig.begun[0].kind), (vec![1], StartKind::First), "{name}, blocked");
    }
}

#[test]
fn blocked_target_is_shown_with_what_disabled_it() {
    let setup = Setup::new(&["a", "b"]);
    let mut rig = setup.rig();
    rig.fails(0, Kind::Auth);
    let _ = rig.next_call(&setup);
    let [(StartKind::Failover, why)] = started(&rig)[..] else { panic!("{:?}", started(&rig)) };
    assert!(
        why.starts_with("a is blocked (it is disabled (auth: the provider rejected the key) for"),
        "{why}"
    );
}

#[test]
fn failure_after_a_late_attempt_is_the_reason_for_the_next_start() {
    let mut rig = Setup::new(&["a", "b", "c"]).rig();
    rig.wait(Duration::from_secs(8));
    rig.tell(Input::Failed(AttemptId(1), Error::new(Kind::RateLimited, "").with_status(429)));
    assert_eq!(
        started(&rig)[1..],
        [
            (StartKind::Failover, "a is late: no content after 8.0 s; 2 of 3 in order"),
            (StartKind::Failover, "b failed (rate_limited, status 429); 3 of 3 in order"),
        ]
    );
}

#[test]
fn late_attempt_after_another_late_one_is_the_reason_for_the_next_start() {
    let mut rig = Setup::new(&["a", "b", "c"]).rig();
    rig.wait(Duration::from_secs(17));
    assert_eq!(rig.targets(), [0, 1, 2]);
    assert!(started(&rig)[2].1.starts_with("b is late"), "{:?}", started(&rig));
}

#[test]
fn continuation_says_what_cut_the_answer() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.text(0, "the standby");
    rig.fails(0, Kind::Truncated);
    let expected = "continues for a, which was cut off (truncated); 2 of 2 in order";
    assert_eq!(started(&rig)[1], (StartKind::Failover, expected));
}

/// A silent target must not look like a caller who left.
#[test]
fn attempts_in_flight_at_the_deadline_have_failed_by_it() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.profile.price = Some(Price::micros_per_million(1_000_000, 0));
    let mut rig = setup.rig();
    rig.wait(Duration::from_secs(121));
    assert_eq!(rig.error().kind(), Kind::Deadline);
    for (place, attempt) in rig.error().trail().attempts.iter().enumerate() {
        assert!(matches!(attempt.outcome, Outcome::Failed { kind: Kind::Deadline, .. }), "{attempt:?}");
        let counts = rig.world.counts(TargetIndex(place));
        assert_eq!((counts.failed.get(&Kind::Deadline), counts.cancelled), (Some(&1), 0));
        assert_eq!(counts.costs.keys().collect::<Vec<_>>(), [&CostKind::Failed]);
    }
}

#[test]
fn attempt_whose_caller_left_is_abandoned_and_no_loser() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.profile.price = Some(Price::micros_per_million(1_000_000, 0));
    let mut rig = setup.rig();
    rig.tell(Input::CallerGone);
    let counts = rig.world.counts(TargetIndex(0));
    assert_eq!((counts.cancelled, counts.costs.keys().collect::<Vec<_>>()), (1, vec![&CostKind::Abandoned]));
}

#[test]
fn slowness_is_reported_once_in_either_direction() {
    let mut rig = Setup::new(&["a"]).rig();
    let serve = |rig: &mut Rig, after: u64| {
        rig.now = rig.now + Duration::from_secs(1);
        let (_, mut permit) = rig.world.admit(rig.now, TargetIndex(0), Demand::default()).unwrap();
        let late = permit.late_after().is_some_and(|usual| Duration::from_millis(after) > usual);
        if late {
            rig.world.observe(rig.now, TargetIndex(0), &mut permit, Observation::Overdue);
        }
        let after = Duration::from_millis(after);
        rig.world.observe(rig.now, TargetIndex(0), &mut permit, Observation::FirstContent { after });
        let served = HealthOutcome { verdict: Verdict::Success, at: None };
        rig.world.settle(rig.now, TargetIndex(0), permit, Settlement::of_attempt(served, Ending::Served), 0);
        let changes = rig.world.take_slowness_changes();
        changes.into_iter().map(|change| change.degraded).collect::<Vec<_>>()
    };
    let mut told = Vec::new();
    (0..60).for_each(|_| told.extend(serve(&mut rig, 100)));
    assert!(told.is_empty(), "{told:?}");
    (0..20).for_each(|_| told.extend(serve(&mut rig, 3_000)));
    assert_eq!(told, [true]);
    (0..200).for_each(|_| told.extend(serve(&mut rig, 100)));
    assert_eq!(told, [true, false]);
}
