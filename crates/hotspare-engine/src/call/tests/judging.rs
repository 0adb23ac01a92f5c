//! Answers that are judged while time passes and other things happen.

use hotspare_core::Vector;

use super::*;

const LONG: Duration = Duration::from_secs(40);

fn setup(stream: bool) -> Setup {
    let mut setup = Setup::new(&["a", "b"]);
    setup.stream = stream;
    setup.judges_later = true;
    setup.form = Some(OutputCheck::json_object());
    setup
}

fn racing() -> Setup {
    let mut setup = setup(false);
    setup.strategy = Arc::new(Race::new(["a", "b"]));
    setup
}

#[test]
fn call_waits_for_a_judgement_without_failing_over() {
    for stream in [true, false] {
        let mut rig = setup(stream).rig();
        rig.text(0, "{}");
        rig.finishes(0);
        assert!(rig.done.is_empty() && rig.live.is_empty() && rig.judging.len() == 1);
        rig.wait(LONG);
        rig.judges(0);
        let trail = &rig.done[0].as_ref().unwrap().trail;
        assert_eq!(
            (rig.targets(), trail.attempts[0].duration),
            (vec![0], Duration::ZERO),
            "judging is not its work"
        );
        assert_eq!(rig.world.counts(TargetIndex(0)).in_flight, 0);
    }
}

#[test]
fn unfit_answer_is_reasked_after_its_judgement() {
    let mut rig = setup(false).rig();
    rig.text(0, "no");
    rig.finishes(0);
    assert_eq!(rig.targets(), [0]);
    rig.judges(0);
    assert_eq!((rig.begun[1].target, rig.begun[1].reask.is_some()), (TargetIndex(0), true));
}

#[test]
fn answer_on_an_open_connection_is_judged_after_a_moment() {
    let mut rig = setup(false).rig();
    rig.text(0, "{}");
    rig.says(0, Event::Finished(FinishReason::Stop));
    assert!(rig.judging.is_empty() && !rig.live.is_empty(), "token counts may follow");
    rig.wait(Duration::from_secs(1));
    assert!(!rig.judging.is_empty() && rig.live.is_empty(), "and the connection is dropped");
    rig.wait(LONG);
    rig.judges(0);
    assert!(rig.done[0].is_ok());
}

#[test]
fn caller_may_leave_during_a_judgement() {
    let mut rig = setup(false).rig();
    rig.text(0, "{}");
    rig.finishes(0);
    let judged = rig.judging.remove(&AttemptId(0)).unwrap().run();
    rig.tell(Input::CallerGone);
    assert_eq!(
        (rig.world.counts(TargetIndex(0)).in_flight, rig.world.counts(TargetIndex(0)).cancelled),
        (0, 1)
    );
    rig.tell(Input::Judged(AttemptId(0), judged));
    assert_eq!((rig.done.len(), rig.error().kind()), (1, Kind::Cancelled));
}

#[test]
fn call_ends_at_its_deadline_during_a_judgement() {
    let mut rig = setup(false).rig();
    rig.text(0, "{}");
    rig.finishes(0);
    rig.wait(Duration::from_secs(601));
    assert_eq!(rig.error().kind(), Kind::Deadline);
    assert!(rig.judging.is_empty(), "its result is no longer needed");
    assert_eq!(rig.world.view(rig.now, TargetIndex(0), 0).failure_rate_bp, 0);
}

#[test]
fn first_answer_judged_fit_wins_and_the_other_judgement_is_dropped() {
    let mut rig = racing().rig();
    for attempt in [0, 1] {
        rig.text(attempt, "{}");
        rig.finishes(attempt);
    }
    rig.judges(1);
    assert_eq!(rig.done[0].as_ref().unwrap().served_by.as_str(), "b");
    assert!(rig.judging.is_empty());
    assert_eq!(
        (
            rig.world.counts(TargetIndex(0)).cancelled,
            rig.world.view(rig.now, TargetIndex(0), 0).failure_rate_bp
        ),
        (1, 0)
    );
}

#[test]
fn race_goes_on_while_an_answer_is_judged() {
    let mut rig = racing().rig();
    rig.text(0, "no");
    rig.finishes(0);
    rig.text(1, "{}");
    rig.judges(0);
    assert_eq!(rig.targets(), [0, 1], "the other may still bring it");
    rig.finishes(1);
    rig.judges(1);
    assert_eq!(rig.done[0].as_ref().unwrap().served_by.as_str(), "b");
}

#[test]
fn finish_is_withheld_until_the_answer_is_judged() {
    for (text, fits) in [("{}", true), ("no", false)] {
        let mut setup = setup(true);
        setup.rules.validate_output = ValidateOutput::AtEnd;
        let mut rig = setup.rig();
        rig.text(0, text);
        rig.finishes(0);
        assert_eq!(rig.out.len(), 1, "passed on as it comes, but for its end");
        rig.judges(0);
        assert_eq!((rig.done[0].is_ok(), rig.out.len()), (fits, 1 + usize::from(fits)));
    }
}

#[test]
fn tool_calls_are_judged_before_the_finish_is_passed_on() {
    let mut setup = setup(true);
    setup.form = None;
    let mut rig = setup.rig();
    rig.says(0, Event::ToolStarted { index: 0, id: "1".into(), name: "f".into() });
    rig.says(0, Event::ToolDelta { index: 0, arguments: "{}".into() });
    rig.says(0, Event::Finished(FinishReason::ToolCalls));
    rig.says(0, Event::Usage(Box::default()));
    assert_eq!(rig.out.len(), 2);
    rig.tell(Input::Ended(AttemptId(0)));
    rig.judges(0);
    assert_eq!(rig.out.len(), 4, "in their order: {:?}", rig.out);
    assert!(rig.done[0].is_ok());
}

#[test]
fn call_fails_if_its_answer_cannot_be_judged() {
    let mut rig = setup(false).rig();
    rig.text(0, "{}");
    rig.finishes(0);
    rig.fails(0, Kind::Cancelled);
    assert_eq!(rig.error().kind(), Kind::Cancelled);
}

#[test]
fn missing_vectors_are_a_failure() {
    let mut setup = setup(false);
    setup.vectors = Some(2);
    let mut rig = setup.rig();
    for attempt in [0, 1] {
        rig.says(attempt, Event::Vector(Box::new(Vector { index: 0, values: vec![0.5] })));
        rig.finishes(attempt);
        rig.judges(attempt);
    }
    assert_eq!((rig.targets(), rig.error().kind()), (vec![0, 1], Kind::Protocol));
}
