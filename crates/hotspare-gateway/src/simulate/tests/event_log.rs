//! `--replay`: a failure is repeated event by event.

use super::*;
use crate::simulate::recorded_run::RecordedRun;

/// The arguments of the `events:` line of a failure.
fn events_line(failure: &str) -> &str {
    let line = failure.lines().find_map(|line| line.trim().strip_prefix("events: hotspare simulate "));
    line.unwrap_or_else(|| panic!("{failure}"))
}

#[test]
fn the_events_line_of_a_failure_repeats_the_recorded_run() {
    let folder = folder("replay", r#"{ measure = "affected", at_most = 0 }"#);
    let never = CONFIG.replace("[targets.spare]", "breaker = \"never\"\n[targets.spare]");
    std::fs::write(folder.join("b.toml"), never).unwrap();
    for words in [
        "--file @/scenario.toml --seeds 2 --from 7",
        "--file @/scenario.toml --seeds 1 --hours 0.004 --policy static",
        "--file @/scenario.toml --seeds 1 --config @/b.toml",
        "--file @/scenario.toml --seeds 1 --compare @/a.toml @/b.toml",
        "--file @/scenario.toml --seeds 1 --versus",
    ] {
        let failure = play(&folder, words).unwrap_err();
        for line in failure.lines().filter(|line| line.contains("events: ")) {
            let command = events_line(line);
            let again = play(&folder, command).unwrap_err();
            // The same mark is missed: the hash was that of the recorded run.
            assert!(again.contains("MISSED affected") && events_line(&again) == command, "{again}");
        }
    }
}

#[test]
fn other_events_than_the_recorded_ones_are_an_error_that_says_so() {
    let folder = folder("other-events", KEPT);
    let recorded = "--replay @/scenario.toml:7:0123456789abcdef";
    let error = play(&folder, recorded).unwrap_err();
    assert!(error.contains("not the recorded events") && error.contains("0123456789abcdef"), "{error}");
    play(&folder, "--replay @/scenario.toml:7").unwrap();
}

#[test]
fn built_in_random_and_own_scenarios_can_be_replayed() {
    let folder = folder("replayed", KEPT);
    play(&folder, "--replay dead-key:2 --hours 0.002").unwrap();
    // Whether this one meets its marks does not matter here.
    let outcome = play(&folder, "--replay swarm:3");
    assert!(outcome.is_ok() || outcome.unwrap_err().contains("--replay swarm:3:"));
    play(&folder, "--replay @/scenario.toml:2 --config @/a.toml --report @/out.html").unwrap();
    assert!(std::fs::read_to_string(folder.join("out.html")).unwrap().contains("<svg"));
}

#[test]
fn a_recorded_run_is_read_as_it_is_printed() {
    let folder = folder("tokens", KEPT);
    let file = format!("{}/scenario.toml", folder.display());
    for text in ["silence:7", "silence:7:00000000000000ff", "swarm:18446744073709551615"] {
        assert_eq!(text.parse::<RecordedRun>().unwrap().to_string(), text);
    }
    let colons = folder.join("a:1.toml");
    std::fs::copy(&file, &colons).unwrap();
    let text = format!("{}:3", colons.display());
    assert_eq!(text.parse::<RecordedRun>().unwrap().to_string(), text);
    let named_like_one = RecordedRun::new("silence", &Origin::File("silence".into()), 1, 0);
    assert_eq!(named_like_one.to_string(), "./silence:1:0000000000000000");
    for (text, says) in [
        ("silence", "SCENARIO:SEED"),
        ("silence:x", "SCENARIO:SEED"),
        ("silense:7", "`silense` is neither a built-in scenario"),
        ("silence:7:ff", "SCENARIO:SEED:HASH"),
        ("no:such:7", "`no:such` is neither"),
    ] {
        let error = text.parse::<RecordedRun>().unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn arguments_that_a_replay_does_not_use_are_errors() {
    let folder = folder("replay-flags", KEPT);
    for words in [
        "--replay silence:7 --seed 3",
        "--replay silence:7 --seeds 3",
        "--replay silence:7 --scenario stall",
        "--replay silence:7 --json",
        "--replay silence:7 --compare @/a.toml @/b.toml",
        "--replay silence:7 --versus",
        "--replay silence:7 --twice",
        "--replay swarm:7 --hours 1",
    ] {
        assert!(play(&folder, words).is_err(), "{words}");
    }
}
