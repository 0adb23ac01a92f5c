//! Times in which the process did not run.

use super::*;

/// The process does not run for so long.
fn sleep(rig: &mut Rig, secs: u64) {
    let since = rig.now;
    rig.now = rig.now + Duration::from_secs(secs);
    rig.call.was_away(since, rig.now);
    rig.run();
}

#[test]
fn time_in_which_the_process_did_not_run_counts_towards_no_limit_on_a_target() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.wait(Duration::from_secs(7));
    sleep(&mut rig, 60);
    assert_eq!(rig.targets(), [0], "it may have answered meanwhile");
    rig.text(0, "x");
    assert_eq!(rig.world.view(rig.now, TargetIndex(0), 0).latency, None, "how long it took is unknown");
    sleep(&mut rig, 500);
    rig.finishes(0);
    let trail = &rig.done[0].as_ref().unwrap().trail;
    assert_eq!(trail.attempts[0].duration, Duration::from_secs(567), "the trail has the caller's time");
    assert!(trail.attempts[0].notes[0].contains("60.0 s are not counted against the target"), "{trail}");
}

#[test]
fn target_that_stays_silent_after_the_process_stood_still_is_left() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.wait(Duration::from_secs(7));
    sleep(&mut rig, 60);
    rig.wait(Duration::from_secs(2));
    assert_eq!(rig.targets(), [0, 1]);
}

/// Which of the two is read first afterwards says nothing about the other.
#[test]
fn race_lost_because_the_process_did_not_run_is_no_timeout() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.strategy = Arc::new(Race::new(["a", "b"]));
    let mut rig = setup.rig();
    sleep(&mut rig, 60);
    rig.text(1, "x");
    let view = rig.world.view(rig.now, TargetIndex(0), 0);
    assert_eq!((view.failure_rate_bp, view.samples), (0, 0));
}

#[test]
fn callers_deadlines_pass_although_the_process_did_not_run() {
    for streamed in [true, false] {
        let mut setup = Setup::new(&["a", "b"]);
        setup.stream = streamed;
        let limit = Some(Duration::from_secs(30));
        *if streamed { &mut setup.first_content_deadline } else { &mut setup.deadline } = limit;
        let mut rig = setup.rig();
        sleep(&mut rig, 60);
        assert_eq!(rig.error().kind(), Kind::Deadline);
        assert_eq!(rig.world.view(rig.now, TargetIndex(0), 0).samples, 0);
    }
}

/// The first target may have answered meanwhile; and a piece that comes after a pause of the caller has its whole gap.
#[test]
fn hedges_and_gaps_wait_for_what_was_sent_while_the_process_did_not_run() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.strategy = Arc::new(Hedged::new(Sequential::new(["a", "b"]), Hedge::after(Duration::from_secs(2))));
    let mut rig = setup.rig();
    rig.wait(Duration::from_secs(1));
    sleep(&mut rig, 60);
    assert_eq!(rig.targets(), [0]);
    rig.text(0, "x");
    let since = rig.now;
    rig.now = rig.now + Duration::from_secs(40);
    rig.call.resumed(since, rig.now);
    sleep(&mut rig, 60);
    assert!(rig.done.is_empty(), "{}", rig.call.trail());
}
