//! Runs as a whole: repeatable, without a breach, and able to tell a good player from a bad one.

use super::*;
use crate::marks::Measure;
use crate::rivals::RivalKind;

fn play(name: &str, seed: u64) -> (Scenario, Outcome) {
    let scenario = Scenario::find(name).unwrap();
    let player = Player::from(scenario.setup().unwrap());
    let outcome = run(&scenario, &player, seed, &Course::default()).unwrap();
    (scenario, outcome)
}

#[test]
fn the_same_seed_gives_the_same_run_on_every_machine() {
    let (_, first) = play("status-503", 1);
    let (_, again) = play("status-503", 1);
    let (_, other) = play("status-503", 2);
    assert_eq!((first.hash, first.requests), (again.hash, again.requests));
    assert_ne!(first.hash, other.hash);
}

#[test]
fn no_invariant_breaks_whatever_is_broken() {
    for name in [
        "stall",
        "swizzle",
        "cut-continue",
        "all-down",
        "keys-in-turn",
        "leaving-callers",
        "silent-queue",
        "weak-return",
    ] {
        let (_, outcome) = play(name, 3);
        assert_eq!(outcome.breaches, [], "{name}");
        assert!(outcome.requests > 1_000, "{name}");
    }
}

#[test]
fn everybody_meets_the_same_world() {
    let scenario = Scenario::find("status-503").unwrap();
    let play = |player: Player| run(&scenario, &player, 5, &Course::default()).unwrap();
    let ours = play(Player::from(scenario.setup().unwrap()));
    let rivals = RivalKind::ALL.map(|kind| (kind, play(Player::Rival(kind))));
    for (kind, theirs) in &rivals {
        assert_eq!(theirs.requests, ours.requests, "{}", kind.name());
        assert_eq!(theirs.breaches, [], "{}", kind.name());
    }
    let lost = |kind| {
        rivals.iter().find(|(known, _)| *known == kind).and_then(|(_, run)| run.in_window(Measure::Lost))
    };
    assert_eq!(ours.in_window(Measure::Lost), Some(0.0));
    assert_eq!(lost(RivalKind::Oracle), Some(0.0));
    assert!(lost(RivalKind::RetrySame) > Some(3_000.0), "whoever asks the dead one only, loses all");
}

/// Nobody's luck depends on what others do: the oracle's first tries are as good with a rival before it.
#[test]
fn a_request_without_a_fault_is_answered_at_the_first_try() {
    let scenario =
        Scenario::parse("none", "what = \"nothing\"\nlength = \"60s\"\nwindow = [\"1s\", \"60s\"]").unwrap();
    for kind in RivalKind::ALL {
        let outcome = run(&scenario, &Player::Rival(kind), 1, &Course::default()).unwrap();
        assert_eq!(outcome.in_window(Measure::Available), Some(1.0), "{}", kind.name());
    }
}

#[test]
fn marks_are_reached() {
    for name in
        ["status-503", "rate-limited-hint", "no-money", "common-overload", "tenth-errors", "cut-terminate"]
    {
        let (scenario, outcome) = play(name, 1);
        for judged in outcome.judge(&scenario) {
            assert!(judged.holds, "{name}: {} is {:?}", judged.mark, judged.value);
        }
    }
}
