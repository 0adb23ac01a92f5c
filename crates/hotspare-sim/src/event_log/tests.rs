//! The log of whole runs.

use crate::{Player, RivalKind, RunOptions, Scenario, Subject, run, run_with_log};

const OUTAGE: &str = r#"
    what = "the first choice refuses every request for a minute"
    length = "80s"
    window = ["5s", "65s"]
    faults = [{ on = ["a"], effect = "status:503" }]
"#;

fn log_of(player: &Player, scenario: &Scenario) -> (u64, Vec<String>) {
    let mut lines = Vec::new();
    let mut sink = |entry: &crate::LogEntry| lines.push(entry.to_string());
    let outcome = run_with_log(scenario, player, 3, &RunOptions::default(), &mut sink).unwrap();
    (outcome.hash, lines)
}

#[test]
fn a_log_tells_what_happened_and_changes_nothing() {
    let scenario = Scenario::parse("outage", OUTAGE).unwrap();
    let player = Player::from(scenario.setup().unwrap());
    let (hash, lines) = log_of(&player, &scenario);
    let plain = run(&scenario, &player, 3, &RunOptions::default()).unwrap();
    assert_eq!(hash, plain.hash);
    assert_eq!(log_of(&player, &scenario).1, lines);
    let count = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    assert_eq!(count(" arrives: ") as u64, plain.requests);
    assert_eq!(count(" is answered, after ") as u64, plain.requests);
    assert_eq!(count("target a         a fault begins: status:503"), 1);
    assert_eq!(count("target a         a fault ends: "), 1);
    assert!(count("attempt 1 at a fails: overloaded") >= 3);
    assert!(count("moves on to another target") >= 3);
    assert!(count("target a         breaker is open: ") > 0);
    let begins = lines.iter().position(|line| line.contains("a fault begins")).unwrap();
    let fails = lines.iter().position(|line| line.contains(" fails: ")).unwrap();
    assert!(lines[begins].starts_with("    5.000000 s") && begins < fails);
}

#[test]
fn entries_are_in_order_of_time() {
    let scenario = Scenario::parse("outage", OUTAGE).unwrap();
    let player = Player::from(scenario.setup().unwrap());
    let mut last = std::time::Duration::ZERO;
    let mut sink = |entry: &crate::LogEntry| {
        assert!(entry.at >= last, "{entry} comes after {last:?}");
        last = entry.at;
    };
    run_with_log(&scenario, &player, 3, &RunOptions::default(), &mut sink).unwrap();
}

/// A fault that follows another at once is not reported as over as soon as it begins.
#[test]
fn a_fault_ends_before_the_next_one_begins() {
    let faults = r#"faults = [
        { on = ["a"], effect = "status:503", until = "30s" },
        { on = ["a"], effect = "status:500", from = "30s", share = "0.2%" },
        { on = ["b"], effect = "status:500", flap = { on = "40ms", off = "2s" } },
    ]"#;
    let text = OUTAGE.lines().filter(|line| !line.contains("faults")).collect::<Vec<_>>().join("\n");
    let scenario = Scenario::parse("outage", &format!("{text}\n{faults}")).unwrap();
    let (_, lines) = log_of(&Player::from(scenario.setup().unwrap()), &scenario);
    let place = |part: &str| lines.iter().position(|line| line.contains(part)).unwrap();
    assert!(place("a fault ends: status:503") < place("a fault begins: status:500, 0.2 % of requests"));
    assert!(lines.iter().any(|line| line.ends_with("begins: status:500, 0.04 s on and 2.0 s off")));
}

#[test]
fn a_rival_has_a_log_too() {
    let scenario = Scenario::parse("outage", OUTAGE).unwrap();
    let (_, lines) = log_of(&RivalKind::Static.into(), &scenario);
    let count = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    assert!(count("attempt 1 at a fails: overloaded") >= 3 && count("attempt 2 starts at b") > 3);
}

#[test]
fn targets_have_the_names_of_the_configuration() {
    let scenario = Scenario::parse("outage", OUTAGE).unwrap();
    let mut setup = scenario.setup().unwrap();
    setup.specs[0].id = "main".into();
    setup.specs.truncate(1);
    setup.strategy = std::sync::Arc::from(crate::strategy("sequential", &["main"]).unwrap());
    let mut about = Vec::new();
    let mut sink = |entry: &crate::LogEntry| about.push(entry.subject.clone());
    run_with_log(&scenario, &setup.into(), 3, &RunOptions::default(), &mut sink).unwrap();
    assert!(about.contains(&Subject::Target("main".into())), "the fault is that of `main`");
}
