//! No host can be reached from here.

use hotspare_core::BreakerState;

use super::*;

/// Lets every attempt of the call fail to connect.
fn unreachable(rig: &mut Rig) {
    while rig.done.is_empty() {
        let id = *rig.live.first().expect("an attempt is live, or the call has ended");
        rig.fails(id.0, Kind::Connect);
    }
}

#[test]
fn local_network_is_suspected_when_all_hosts_are_unreachable() {
    let setup = Setup::new(&["a", "b", "c"]);
    let mut rig = setup.rig();
    for call in 0..50 {
        unreachable(&mut rig);
        if call == 10 {
            let error = rig.error();
            let told = error.to_string() + &error.trail().to_string();
            assert!(told.contains("no host is reachable from here"), "{told}");
            assert!(error.retry_after().is_some_and(|pause| pause <= Duration::from_secs(1)));
        }
        rig.now = rig.now + Duration::from_millis(100);
        let _ = rig.next_call(&setup);
    }
    for place in 0..3 {
        assert_eq!(rig.world.view(rig.now, TargetIndex(place), 5).breaker, BreakerState::Closed);
        assert!(
            rig.world.counts(TargetIndex(place)).started <= 8,
            "each is tried once a second, not by every call"
        );
    }
    let change = rig.world.take_network_change().unwrap();
    assert!(change.suspected && change.hosts.len() == 2, "reported when the second host was lost");
    assert_eq!(rig.world.take_network_change(), None);
    // One answer restores everything.
    rig.now = rig.now + Duration::from_secs(1);
    let _ = rig.next_call(&setup);
    rig.finishes_with_text(0);
    assert!(rig.done[0].is_ok());
    assert!(!rig.world.take_network_change().unwrap().suspected);
    assert!((0..3).all(|place| rig.world.view(rig.now, TargetIndex(place), 5).usable));
}

#[test]
fn trail_notes_the_network_once_it_is_suspected() {
    let setup = Setup::new(&["a", "b"]);
    let mut rig = setup.rig();
    unreachable(&mut rig);
    assert!(!rig.error().to_string().contains("local network"));
    let _ = rig.next_call(&setup);
    unreachable(&mut rig);
    let trail = rig.error().trail();
    assert!(
        trail.attempts[1].notes.iter().any(|note| note.contains("no other host is reachable")),
        "{trail}"
    );
}

#[test]
fn unreachable_hosts_are_blamed_while_another_answers() {
    let setup = Setup::new(&["a", "b", "c"]);
    let mut rig = setup.rig();
    for _ in 0..6 {
        while rig.begun.last().is_some_and(|begin| begin.target < TargetIndex(2)) {
            let id = rig.begun.len() - 1;
            rig.fails(id, Kind::Connect);
        }
        let id = rig.begun.len() - 1;
        rig.finishes_with_text(id);
        assert!(rig.done[0].is_ok(), "{}", rig.error());
        rig.now = rig.now + Duration::from_millis(100);
        let _ = rig.next_call(&setup);
    }
    let state = |place| rig.world.view(rig.now, place, 5).breaker;
    assert_eq!(
        [state(TargetIndex(0)), state(TargetIndex(1)), state(TargetIndex(2))],
        [BreakerState::Open, BreakerState::Open, BreakerState::Closed]
    );
}

#[test]
fn http_error_status_proves_the_network_works() {
    let setup = Setup::new(&["a", "b", "c"]);
    let mut rig = setup.rig();
    for _ in 0..6 {
        rig.fails(0, Kind::Connect);
        rig.fails(1, Kind::Connect);
        let error = Error::new(Kind::Overloaded, "").with_status(503);
        if rig.live.contains(&AttemptId(2)) {
            rig.tell(Input::Failed(AttemptId(2), error));
        }
        let _ = rig.next_call(&setup);
    }
    assert_eq!(rig.world.take_network_change().map(|change| change.suspected), None);
}
