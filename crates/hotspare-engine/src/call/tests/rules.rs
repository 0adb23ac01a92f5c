//! What a route may decide differently.

use super::*;
use crate::rules::{Adaptive, OnKind};

fn with(kind: Kind, on: OnKind) -> Setup {
    let mut setup = Setup::new(&["a", "b", "c"]);
    setup.rules.on.insert(kind, on);
    setup
}

fn targets(rig: &Rig) -> Vec<usize> {
    rig.begun.iter().map(|begin| begin.target).collect()
}

#[test]
fn stop_stops_and_next_moves_on() {
    let mut rig = with(Kind::Overloaded, OnKind::Stop).rig();
    rig.fails(0, Kind::Overloaded);
    assert_eq!(rig.done[0].as_ref().unwrap_err().kind(), Kind::Overloaded);
    let mut rig = with(Kind::ContentPolicy, OnKind::Next).rig();
    rig.fails(0, Kind::ContentPolicy);
    assert_eq!(targets(&rig), [0, 1]);
    let mut rig = with(Kind::Server, OnKind::Next).rig();
    rig.fails(0, Kind::Server);
    assert_eq!(targets(&rig), [0, 1], "where the policy would have tried the same again");
}

#[test]
fn same_tries_once_more_and_then_moves_on() {
    let mut rig = with(Kind::Overloaded, OnKind::Same).rig();
    rig.fails(0, Kind::Overloaded);
    rig.wait(Duration::from_millis(100));
    rig.fails(1, Kind::Overloaded);
    assert_eq!(targets(&rig), [0, 0, 1]);
}

#[test]
fn a_kind_may_have_targets_of_its_own() {
    let mut rig = with(Kind::ContextOverflow, OnKind::To(vec!["c".into()])).rig();
    rig.fails(0, Kind::ContextOverflow);
    assert_eq!(targets(&rig), [0, 2]);
    assert!(rig.call.trail().skipped[0].why.contains("elsewhere"));
}

#[test]
fn a_renewed_key_is_tried_at_once_and_nobody_is_blamed() {
    let mut rig = Setup::new(&["a"]).rig();
    rig.tell(Input::Renewed(AttemptId(0), Error::new(Kind::Auth, "")));
    assert_eq!(targets(&rig), [0, 0]);
    assert!(!rig.world.view(rig.now, 0, 0).disabled);
    rig.tell(Input::Renewed(AttemptId(1), Error::new(Kind::Auth, "")));
    rig.tell(Input::Renewed(AttemptId(2), Error::new(Kind::Auth, "")));
    assert_eq!(targets(&rig).len(), 3, "and not for ever");
    assert_eq!(rig.done[0].as_ref().unwrap_err().kind(), Kind::Auth);
}

#[test]
fn a_limit_follows_what_the_target_usually_needs() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.limits.adaptive = Some(Adaptive::default());
    let mut rig = setup.rig();
    for _ in 0..30 {
        rig.now = rig.now + Duration::from_millis(600);
        rig.finishes_with_text(0);
        rig.now = rig.now + Duration::from_millis(10);
        let _ = rig.next_call(&setup);
    }
    assert_eq!(targets(&rig), [0]);
    let patience = rig.call.poll_timeout().unwrap().saturating_since(rig.now);
    assert!(patience > Duration::from_secs(1) && patience < Duration::from_secs(4), "{patience:?}");
    rig.wait(patience);
    assert_eq!(targets(&rig), [0, 1], "long before the 8 s that are the longest");
}
