//! Whole runs: repeatable, without a breach, and able to tell a good player from a bad one.

use super::*;
use crate::marks::Measure;
use crate::rivals::RivalKind;
use crate::verdict::Verdict;

fn play(name: &str, seed: u64) -> (Scenario, RunOutcome) {
    let scenario = Scenario::find(name).unwrap();
    let player = Player::from(scenario.setup().unwrap());
    let outcome = run(&scenario, &player, seed, &RunOptions::default()).unwrap();
    (scenario, outcome)
}

#[test]
fn same_seed_gives_the_same_run() {
    let (_, first) = play("status-503", 1);
    let (_, again) = play("status-503", 1);
    let (_, other) = play("status-503", 2);
    assert_eq!((first.hash, first.requests), (again.hash, again.requests));
    assert_ne!(first.hash, other.hash);
}

#[test]
fn no_scenario_breaks_an_invariant() {
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
fn every_player_meets_the_same_faults() {
    let scenario = Scenario::find("status-503").unwrap();
    let play = |player: Player| run(&scenario, &player, 5, &RunOptions::default()).unwrap();
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
    assert!(lost(RivalKind::RetrySame) > Some(3_000.0), "retrying only the dead target loses every call");
}

/// Draws do not depend on the player: without faults every rival answers at the first try.
#[test]
fn requests_succeed_at_the_first_try_without_faults() {
    let scenario =
        Scenario::parse("none", "what = \"nothing\"\nlength = \"60s\"\nwindow = [\"1s\", \"60s\"]").unwrap();
    for kind in RivalKind::ALL {
        let outcome = run(&scenario, &Player::Rival(kind), 1, &RunOptions::default()).unwrap();
        assert_eq!(outcome.in_window(Measure::Available), Some(1.0), "{}", kind.name());
    }
}

#[test]
fn scenarios_meet_their_marks() {
    for name in
        ["status-503", "rate-limited-hint", "no-money", "common-overload", "tenth-errors", "cut-terminate"]
    {
        let (scenario, outcome) = play(name, 1);
        for judged in outcome.judge(&scenario) {
            assert_eq!(judged.verdict, Verdict::Reached, "{name}: {} is {:?}", judged.mark, judged.value);
        }
    }
}

/// The other targets are as fast as the first one, so that hedges win often.
fn hedged(faults: &str) -> RunOutcome {
    let text = format!(
        "what = \"x\"\nlength = \"100s\"\nwindow = [\"40s\", \"100s\"]\nroute = {{ hedge = \"p95\", adaptive = 3.0 }}\n\
         faults = [{faults}]"
    );
    let scenario = Scenario::parse("hedged", &text).unwrap();
    run(&scenario, &scenario.setup().unwrap().into(), 1, &RunOptions::default()).unwrap()
}

#[test]
fn hedge_counts_as_a_retry_only_if_the_first_target_failed() {
    let healthy = hedged("");
    assert_eq!(healthy.in_window(Measure::FirstTry), Some(1.0));
    assert!(healthy.in_window(Measure::Hedged) > Some(0.01));
    let silent = hedged("{ on = [\"a\"], effect = \"silence\", share = \"4%\" }");
    let (available, first) = (silent.in_window(Measure::Available), silent.in_window(Measure::FirstTry));
    assert_eq!(available, Some(1.0));
    let first = first.unwrap();
    assert!((0.90..0.99).contains(&first), "4 % of the requests never hear from the first target: {first}");
}

#[test]
fn prompts_of_losing_attempts_count_as_waste() {
    let waste = hedged("").in_window(Measure::Waste).unwrap();
    let hedged = hedged("").in_window(Measure::Hedged).unwrap();
    // A prompt costs 500 micro-dollars, an answer 600 more.
    let prompts = hedged * 500.0 / (1_100.0 + hedged * 500.0);
    assert!((waste / prompts - 1.0).abs() < 0.25, "{waste} of {prompts}");
}

#[test]
fn shortened_run_is_judged_only_on_completed_windows() {
    let judge = |name: &str, secs: u64| {
        let mut scenario = Scenario::find(name).unwrap();
        scenario.set_length(std::time::Duration::from_secs(secs));
        let player = Player::from(scenario.setup().unwrap());
        let outcome = run(&scenario, &player, 1, &RunOptions::default()).unwrap();
        let judged = outcome.judge(&scenario).into_iter();
        judged.map(|one| (one.measure, one.verdict)).collect::<Vec<_>>()
    };
    let mut cut = judge("status-503", 122);
    assert_eq!(cut.len(), Scenario::find("status-503").unwrap().marks.len());
    assert!(cut.iter().all(|(_, verdict)| *verdict == Verdict::NotJudged), "{cut:?}");
    cut = judge("probes-hang", 320);
    assert!(cut.contains(&(Measure::Available, Verdict::Reached)), "its window was completed: {cut:?}");
    assert!(
        !cut.contains(&(Measure::RecoveredAfter, Verdict::Missed)),
        "its window was not completed: {cut:?}"
    );
    // A mark that lasts until the end is judged by the part that was run.
    assert!(judge("healthy", 90).contains(&(Measure::Available, Verdict::Reached)));
}

#[test]
fn overlapping_faults_are_drawn_independently() {
    let half = "{ on = [\"all\"], effect = \"status:500\", share = \"50%\" }";
    let text = format!(
        "what = \"x\"\nlength = \"60s\"\nwindow = [\"1s\", \"60s\"]\nfaults = [{half}, {half}]\ntargets = [{{ name = \"a\" }}]"
    );
    let scenario = Scenario::parse("twice", &text).unwrap();
    let outcome = run(&scenario, &Player::Rival(RivalKind::Static), 1, &RunOptions::default()).unwrap();
    let answered = outcome.in_window(Measure::Available).unwrap();
    assert!((0.20..0.30).contains(&answered), "a half of a half: {answered}");
}

#[test]
fn a_return_is_measured_only_if_enough_traffic_left() {
    let recovered = |name: &str, player: fn(&Scenario) -> Player| {
        let scenario = Scenario::find(name).unwrap();
        let outcome = run(&scenario, &player(&scenario), 1, &RunOptions::default()).unwrap();
        outcome.in_window(Measure::RecoveredAfter)
    };
    let own = |scenario: &Scenario| Player::from(scenario.setup().unwrap());
    assert!(recovered("status-503", own) > Some(1.0));
    assert_eq!(recovered("status-503", |_| RivalKind::RetrySame.into()), Some(0.0), "it never left");
    for name in ["flapping", "swizzle", "quiet-503"] {
        assert_eq!(recovered(name, own), None, "{name}: there are too few requests before the window");
    }
}

#[test]
fn amplification_in_ten_seconds_is_not_measured_in_bins_of_more_than_one() {
    let amplification = |hours: u64| {
        let text = format!("what = \"x\"\nlength = \"{hours}h\"\nload = {{ rate = 10.0 }}");
        let scenario = Scenario::parse("long", &text).unwrap();
        let outcome = run(&scenario, &RivalKind::Static.into(), 1, &RunOptions::default()).unwrap();
        outcome.in_window(Measure::Amplification)
    };
    assert_eq!(amplification(2), Some(1.0));
    assert_eq!(amplification(3), None);
}

#[test]
fn an_exhausted_quota_is_used_in_full_and_not_beyond() {
    let text = "what = \"x\"\ntargets = [{ name = \"a\", quota = { requests_per_minute = 600, says = \"nothing\" } }]";
    let scenario = Scenario::parse("quota", text).unwrap();
    let outcome = run(&scenario, &RivalKind::Static.into(), 1, &RunOptions::default()).unwrap();
    let used = outcome.in_window(Measure::Used).unwrap();
    assert!((0.99..=1.0).contains(&used), "a full bucket and ten minutes of refills: {used}");
}

/// A hundred requests come two seconds before the fault, and are half answered when it begins.
#[test]
fn a_fault_can_cut_what_is_in_flight() {
    let lost = |fault: &str| {
        let text = format!(
            "what = \"x\"\nload = {{ rate = 0.01, crowd = 100, crowd_at = \"117s\" }}\n\
             faults = [{{ on = [\"a\"], effect = \"refuse\", until = \"121s\"{fault} }}]\n\
             marks = [{{ measure = \"lost\", from = \"117s\", at_most = 0 }}]"
        );
        let scenario = Scenario::parse("cut", &text).unwrap();
        let play = |player: Player| {
            let outcome = run(&scenario, &player, 1, &RunOptions::default()).unwrap();
            assert_eq!(outcome.breaches, []);
            outcome.judge(&scenario)[0].value.unwrap()
        };
        // The engine continues every answer, while an answer that has begun is lost for a rival.
        assert_eq!(play(scenario.setup().unwrap().into()), 0.0);
        play(RivalKind::Static.into())
    };
    assert_eq!(lost(""), 0.0);
    let (all, half) = (lost(", cuts_in_flight = true"), lost(", cuts_in_flight = true, share = \"50%\""));
    assert!(all > 40.0, "{all} of 100 were in the middle of their answer");
    assert!((0.3..0.7).contains(&(half / all)), "{half} of {all}");
}
