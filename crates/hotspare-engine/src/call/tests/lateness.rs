//! When another target starts beside a late attempt.

use super::*;

/// Targets that usually need so many seconds; the limit for the first content is 8 s.
fn known(usual: &'static [(usize, u64)]) -> (Rig, Setup) {
    let mut setup = Setup::new(&["a", "b"]);
    setup.usual = usual;
    (setup.rig(), setup)
}

const SECOND: Duration = Duration::from_secs(1);

/// The second start would cost as much as the first and bring nothing.
#[test]
fn late_target_that_always_needs_longer_is_waited_for_if_no_other_would_be_sooner() {
    let (mut rig, _) = known(&[(0, 10), (1, 10)]);
    rig.wait(10 * SECOND);
    assert_eq!(rig.targets(), [0]);
    let notes = &rig.call.trail().attempts[0].notes;
    assert!(notes[0].starts_with("late after 8.0 s, but waited for until 1"), "{notes:?}");
    rig.text(0, "x");
    rig.finishes(0);
    assert!(rig.done[0].is_ok());
}

/// Its record explains no longer silence: it may be dead.
#[test]
fn another_target_starts_once_the_late_one_has_had_its_usual_time() {
    let (mut rig, _) = known(&[(0, 10), (1, 10)]);
    rig.wait(12 * SECOND);
    assert_eq!(rig.targets(), [0, 1]);
    let trail = rig.call.trail();
    assert!(trail.attempts[1].why.starts_with("a is late: no content after 1"), "{trail}");
    assert_eq!(trail.attempts[1].start, hotspare_core::StartKind::Failover);
}

#[test]
fn target_that_is_expected_sooner_starts_at_the_limit() {
    let records: [&[(usize, u64)]; 3] = [&[(0, 10), (1, 1)], &[(0, 10)], &[(0, 1), (1, 10)]];
    for usual in records {
        let (mut rig, _) = known(usual);
        rig.wait(8 * SECOND);
        assert_eq!(rig.targets(), [0, 1], "{usual:?}");
    }
}

#[test]
fn late_target_without_a_record_is_not_waited_for() {
    let mut rig = Setup::new(&["a", "b"]).rig();
    rig.wait(8 * SECOND);
    assert_eq!(rig.targets(), [0, 1]);
}

/// Nothing is known of the spare's own times, since it has lost every race; but how often it lost is.
#[test]
fn spare_that_has_always_been_waited_for_in_vain_is_taken_for_as_slow() {
    let (mut rig, setup) = known(&[(0, 10)]);
    let mut starts = Vec::new();
    for _ in 0..8 {
        rig.wait(10 * SECOND);
        starts.push(rig.begun.len());
        rig.text(0, "x");
        rig.finishes(0);
        let _ = rig.next_call(&setup);
    }
    assert_eq!((starts[0], starts[7]), (2, 1), "{starts:?}");
    // Its first content ends that.
    rig.wait(12 * SECOND);
    rig.text(1, "x");
    rig.finishes(1);
    let _ = rig.next_call(&setup);
    rig.wait(8 * SECOND);
    assert_eq!(rig.targets(), [0, 1]);
}

/// Beside hedges that the first target wins, a spare is never waited for as long as it needs.
#[test]
fn many_short_waits_are_no_evidence_that_a_spare_is_slow() {
    let (mut rig, _) = known(&[(0, 10)]);
    for _ in 0..1_000 {
        rig.world.note_waited_in_vain(TargetIndex(1), SECOND / 5);
    }
    rig.wait(8 * SECOND);
    assert_eq!(rig.targets(), [0, 1]);
}

#[test]
fn long_waits_count_however_many_short_ones_there_were() {
    let (mut rig, _) = known(&[(0, 10)]);
    for seconds in [1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2] {
        rig.world.note_waited_in_vain(TargetIndex(1), seconds * SECOND);
        rig.world.note_waited_in_vain(TargetIndex(1), SECOND / 5);
    }
    rig.wait(8 * SECOND);
    assert_eq!(rig.targets(), [0]);
}

/// If the late target brings nothing at all, the other one must still have its time.
#[test]
fn another_target_starts_while_it_can_still_be_in_time() {
    let (mut rig, _) = known(&[(0, 18), (1, 11)]);
    rig.call.first_content_at = rig.now + 22 * SECOND;
    rig.wait(9 * SECOND);
    assert_eq!(rig.targets(), [0]);
    rig.wait(2 * SECOND);
    assert_eq!(rig.targets(), [0, 1], "11 s are left");
}

#[test]
fn late_target_that_usually_exceeds_the_deadline_is_not_waited_for() {
    for (within, starts) in [(60, 1), (24, 2)] {
        let (mut rig, _) = known(&[(0, 25)]);
        rig.world.note_waited_in_vain(TargetIndex(1), 1_000 * SECOND);
        rig.call.first_content_at = rig.now + within * SECOND;
        rig.wait(8 * SECOND);
        assert_eq!(rig.begun.len(), starts, "{within} s");
    }
}

#[test]
fn failure_of_a_late_target_that_is_waited_for_starts_the_next_at_once() {
    let (mut rig, _) = known(&[(0, 10), (1, 10)]);
    rig.wait(9 * SECOND);
    rig.fails(0, Kind::Connect);
    assert_eq!(rig.targets(), [0, 1]);
    rig.finishes_with_text(1);
    assert!(rig.done[0].is_ok());
}

/// How long an unstreamed answer takes depends on the request; a limit for the headers is for hosts that respond at once.
#[test]
fn limits_of_whole_answers_and_of_headers_apply_as_written() {
    let (_, mut setup) = known(&[(0, 10), (1, 10)]);
    setup.limits.headers = Some(SECOND);
    let mut rig = setup.rig();
    rig.wait(SECOND);
    assert_eq!(rig.targets(), [0, 1]);
    (setup.stream, setup.limits.unstreamed) = (false, crate::rules::AnswerLimit::Fixed(8 * SECOND));
    let mut rig = setup.rig();
    rig.wait(8 * SECOND);
    assert_eq!(rig.targets(), [0, 1]);
}
