//! What part each attempt plays in its call.

use super::*;
use hotspare_core::StartKind;

fn kinds(rig: &Rig) -> Vec<StartKind> {
    rig.begun.iter().map(|begin| begin.kind).collect()
}

#[test]
fn second_attempt_at_a_target_is_a_retry_and_the_next_target_a_failover() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.fails(0, Kind::Server);
    rig.wait(Duration::from_millis(100));
    rig.fails(1, Kind::Server);
    assert_eq!(rig.targets(), [0, 0, 1]);
    assert_eq!(kinds(&rig), [StartKind::First, StartKind::Retry, StartKind::Failover]);
}

#[test]
fn next_key_is_a_retry() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.keys = 2;
    let mut rig = setup.rig();
    rig.fails(0, Kind::Auth);
    assert_eq!(kinds(&rig), [StartKind::First, StartKind::Retry]);
}

#[test]
fn racers_do_not_fail_over_but_the_target_after_them_does() {
    let mut setup = Setup::new(&["a", "b", "c", "d"]);
    setup.strategy = Arc::new(Race::new(["a", "b", "c", "d"]).at_once(3));
    let mut rig = setup.rig();
    assert_eq!(kinds(&rig), [StartKind::First, StartKind::Race, StartKind::Race]);
    for racer in 0..3 {
        rig.fails(racer, Kind::Connect);
    }
    assert_eq!(kinds(&rig)[3..], [StartKind::Failover]);
}

#[test]
fn loser_that_continues_a_cut_answer_is_a_failover() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.strategy = Arc::new(Race::new(["a", "b"]));
    let mut rig = setup.rig();
    rig.text(0, "the standby took");
    rig.fails(0, Kind::Truncated);
    assert_eq!(rig.targets(), [0, 1, 1]);
    assert_eq!(kinds(&rig), [StartKind::First, StartKind::Race, StartKind::Failover]);
}

#[test]
fn spare_is_a_hedge_before_the_first_content_is_late_and_a_failover_after() {
    let mut setup = Setup::new(&["a", "b"]);
    let mut rig = setup.rig();
    rig.wait(Duration::from_secs(9));
    assert_eq!(kinds(&rig), [StartKind::First, StartKind::Failover]);
    let inner = Sequential::new(["a", "b"]);
    setup.strategy = Arc::new(Hedged::new(inner, Hedge::after(Duration::from_millis(400))));
    let mut rig = setup.rig();
    rig.wait(Duration::from_secs(9));
    assert_eq!(kinds(&rig), [StartKind::First, StartKind::Hedge]);
}

#[test]
fn spare_of_a_blocked_target_is_a_failover_although_it_starts_first() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.ills = &[(0, Ill::Open(60))];
    let rig = setup.rig();
    assert_eq!((rig.targets(), kinds(&rig)), (vec![1], vec![StartKind::Failover]));
    let why = &rig.call.trail().attempts[0].why;
    assert_eq!(why, "a is blocked (its breaker is open for 60.0 s more); 2 of 2 in order");
}

#[test]
fn target_that_its_call_waited_for_is_no_failover() {
    let mut setup = Setup::new(&["a"]);
    setup.max_in_flight = Some(1);
    setup.ills = &[(0, Ill::Busy)];
    let mut rig = setup.rig();
    rig.makes_room();
    assert_eq!(kinds(&rig), [StartKind::First]);
}

#[test]
fn blocked_target_is_a_last_resort() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.ills = &[(0, Ill::Open(30)), (1, Ill::Open(60))];
    let mut rig = setup.rig();
    rig.fails(0, Kind::Connect);
    assert_eq!((rig.targets(), kinds(&rig)[0]), (vec![0, 1], StartKind::LastResort));
}
