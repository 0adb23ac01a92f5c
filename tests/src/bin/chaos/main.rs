//! `cargo xtask chaos --tier socket`: outages against the real engine, through sockets.
//!
//! Each scenario breaks the main target of a route while requests arrive, half of them streamed, and is judged by
//! marks: requests lost, attempts per request, calls that still reach the broken target. A breach prints the command to
//! reproduce it and ends with exit code 1.
#![expect(clippy::print_stdout, clippy::print_stderr, clippy::expect_used, reason = "a command-line program")]

mod arguments;
mod junit;
mod pairs;
mod report;
mod runs;
mod scenes;
mod stalls;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use hotspare_chaos::Fault;
use serde_json::json;

use arguments::{Action, HELP, Names, Outages, repeat_all, repeat_outage, repeat_pairs};
use runs::{OutageOutcome, run};

/// One outage and its marks.
struct Scenario {
    name: &'static str,
    what: &'static str,
    outage: Outage,
    requests: u64,
    marks: Marks,
}

enum Outage {
    Main(Fault),
    /// A share of calls to the main target, in hundredths of a per cent.
    Share(Fault, u32),
    /// The main target dies with this many calls in flight.
    InFlight,
    All(Fault),
}

#[derive(Clone, Copy)]
struct Marks {
    lost: u64,
    /// Attempts per request, in hundredths.
    attempts: u64,
    /// Calls to the broken target, as the client counts them.
    calls: u64,
}

const fn marks(attempts: u64, calls: u64) -> Marks {
    Marks { lost: 0, attempts, calls }
}

fn scenarios() -> Vec<Scenario> {
    // With a call every 5 ms and 300 ms until silence is detected, 60 calls are in flight by then. With the five that
    // open the breaker and a few probes, that makes 75; pings need ten calls before a rate can be judged. Refused
    // connections are detected at once: three calls and two probes.
    let main =
        |name, what, fault, marks| Scenario { name, what, outage: Outage::Main(fault), requests: 150, marks };
    vec![
        main("refused", "connections are refused", Fault::Refuse, marks(120, 5)),
        main("reset", "connections are reset before a byte", Fault::ResetBeforeHead, marks(130, 40)),
        main("closed", "connections are closed before a byte", Fault::CloseBeforeHead, marks(130, 40)),
        main("status-500", "every reply is 500", Fault::Status(500), marks(120, 30)),
        main("status-503", "every reply is 503", Fault::Status(503), marks(115, 15)),
        main("silence", "requests are accepted and never answered", Fault::Silence, marks(150, 75)),
        main(
            "slow-first-token",
            "the first token takes 5 s",
            Fault::SlowFirstToken(Duration::from_secs(5)),
            marks(150, 75),
        ),
        main("only-pings", "pings but no tokens", Fault::OnlyPings, marks(160, 85)),
        main("stall", "streams go silent after 5 tokens", Fault::StallAfter(5), marks(150, 75)),
        main("cut", "streams are cut after 5 tokens", Fault::CutAfter(5), marks(120, 30)),
        main(
            "clean-end",
            "streams end cleanly after 5 tokens, without a finish reason",
            Fault::CleanEndAfter(5),
            marks(120, 30),
        ),
        main("error-event", "an error event inside a 200 stream", Fault::ErrorEventAfter(0), marks(120, 30)),
        main("malformed", "a frame that is not JSON", Fault::MalformedAfter(0), marks(120, 30)),
        main("empty-200", "200 and nothing", Fault::Empty200, marks(120, 30)),
        main("html-200", "200 and an HTML page", Fault::Html200, marks(120, 30)),
        main("rate-limited", "429 with a pause of 60 s", Fault::RateLimited(60), marks(110, 10)),
        main("no-money", "the account has no credit", Fault::QuotaExhausted, marks(110, 10)),
        main("dead-key", "the key is rejected", Fault::Status(401), marks(110, 10)),
        Scenario {
            name: "half-errors",
            what: "half of the replies are 500",
            outage: Outage::Share(Fault::Status(500), 5_000),
            requests: 300,
            marks: marks(115, 60),
        },
        Scenario {
            name: "tenth-errors",
            what: "a tenth of the replies are 503",
            outage: Outage::Share(Fault::Status(503), 1_000),
            requests: 300,
            marks: marks(112, 300),
        },
        Scenario {
            name: "in-flight",
            what: "the main target dies with 200 calls in flight",
            outage: Outage::InFlight,
            requests: 200,
            // A connection that dies is tried once more: the eleven retries that the budget has, and what successes add.
            marks: marks(300, 215),
        },
        Scenario {
            name: "all-down",
            what: "every target answers 503: callers get the error at once",
            outage: Outage::All(Fault::Status(503)),
            requests: 100,
            marks: Marks { lost: 100, attempts: 320, calls: 40 },
        },
    ]
}

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outages =
        scenarios().iter().map(|one| one.name).chain(scenes::all().iter().map(|one| one.name)).collect();
    let result = match arguments::parse(&args, &Names { outages, pairs: pairs::names() }) {
        Err(what) => Err(what),
        Ok(Action::Help) => {
            println!("{HELP}");
            Ok(())
        }
        Ok(Action::List { scenario }) => {
            list(scenario.as_deref());
            Ok(())
        }
        Ok(Action::Pairs { scenario, rounds, docs }) => {
            match pairs(rounds, scenario.as_deref(), docs).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(format!(
                    "the tiers are apart\n  repeat: {}",
                    repeat_pairs(scenario.as_deref(), rounds)
                )),
                Err(what) => Err(what),
            }
        }
        Ok(Action::Outages(outages)) => run_all(&outages).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("chaos: {what}");
            ExitCode::FAILURE
        }
    }
}

/// The scenarios and scenes of this name, or all.
fn chosen(only: Option<&str>) -> (Vec<Scenario>, Vec<scenes::Scene>) {
    let is_chosen = |name: &str| only.is_none_or(|only| only == name);
    let scenarios = scenarios().into_iter().filter(|one| is_chosen(one.name)).collect();
    (scenarios, scenes::all().into_iter().filter(|one| is_chosen(one.name)).collect())
}

fn list(only: Option<&str>) {
    let (scenarios, scenes) = chosen(only);
    for one in &scenarios {
        let Marks { lost, attempts, calls } = one.marks;
        println!(
            "{:<18} {}; lost ≤ {lost}, attempts/request ≤ {:.2}, calls ≤ {calls}",
            one.name,
            one.what,
            attempts as f64 / 100.0
        );
    }
    for scene in &scenes {
        println!("{:<18} {}", scene.name, scene.what);
    }
}

/// Runs outages and scenes. Standard output has only their results, so that a program can read it.
async fn run_all(outages: &Outages) -> Result<(), String> {
    if !outages.json {
        println!(
            "{:<18}{:>9}{:>6}{:>12}{:>12}{:>10}{:>8}  breakers",
            "scenario", "requests", "lost", "added p50", "added p99", "attempts", "calls"
        );
    }
    let begun = Instant::now();
    let mut entries = Vec::new();
    for seed in outages.seed..outages.seed.saturating_add(outages.seeds) {
        run_seed(outages, seed, &mut entries).await?;
    }
    if let Some(path) = &outages.report {
        let page = report::html(&repeat_all(outages), begun.elapsed(), &entries);
        std::fs::write(path, page).map_err(|error| format!("--report {path}: {error}"))?;
    }
    let case = |entry: &report::Entry| junit::Case {
        name: entry.title_in(outages.seeds > 1),
        missed: entry.missed.clone(),
    };
    let cases: Vec<junit::Case> = entries.iter().map(case).collect();
    if let Some(path) = &outages.junit {
        std::fs::write(path, junit::document(&cases)).map_err(|error| format!("--junit {path}: {error}"))?;
    }
    let failed = cases.iter().filter(|case| !case.missed.is_empty()).count();
    eprintln!("{} passed, {failed} failed", cases.len() - failed);
    if failed == 0 { Ok(()) } else { Err(format!("{failed} of {} missed a mark", cases.len())) }
}

/// Runs each outage and scene once.
async fn run_seed(outages: &Outages, seed: u64, entries: &mut Vec<report::Entry>) -> Result<(), String> {
    let (scenarios, scenes) = chosen(outages.scenario.as_deref());
    let json = outages.json;
    let healthy = run(
        &Scenario {
            name: "",
            what: "",
            outage: Outage::Share(Fault::Refuse, 0),
            requests: 150,
            marks: marks(100, 150),
        },
        seed,
    )
    .await;
    let watch = stalls::StallWatch::start()?;
    for one in &scenarios {
        let has_passed = |outcome: &OutageOutcome| one.breaches(outcome).is_empty();
        let mut outcome = watch.repeat_spoiled(one.name, async || run(one, seed).await, has_passed).await;
        let added = |share: f64, outcome: &mut OutageOutcome| {
            let base = percentile(&mut healthy.latencies.clone(), share);
            percentile(&mut outcome.latencies, share).saturating_sub(base)
        };
        let added = [added(0.5, &mut outcome), added(0.99, &mut outcome)];
        let breaches = one.breaches(&outcome);
        if json {
            println!("{}", one.json(seed, &outcome, added, breaches.is_empty()));
        } else {
            println!(
                "{:<18}{:>9}{:>6}{:>9.1} ms{:>9.1} ms{:>10.2}{:>8}  {}",
                one.name,
                one.requests,
                outcome.lost,
                millis(added[0]),
                millis(added[1]),
                one.attempts_per_request(&outcome),
                outcome.calls,
                outcome.breakers
            );
        }
        if !breaches.is_empty() {
            eprintln!(
                "BREACH in {}: {}\n  repeat: {}",
                one.name,
                breaches.join("; "),
                repeat_outage(one.name, seed)
            );
        }
        entries.push(report::Entry::outage(one, seed, outcome, added, breaches));
    }
    for scene in &scenes {
        let has_passed = |marks: &Vec<scenes::Mark>| marks.iter().all(scenes::Mark::is_met);
        let marks = watch.repeat_spoiled(scene.name, async || (scene.run)().await, has_passed).await;
        if json {
            println!("{}", scene.json(&marks));
        } else {
            println!("{:<18}{}", scene.name, scenes::show(&marks));
        }
        let broken = marks.iter().filter(|mark| !mark.is_met());
        let missed: Vec<String> = broken
            .map(|mark| format!("{} is {}, not {} to {}", mark.what, mark.got, mark.least, mark.most))
            .collect();
        for what in &missed {
            eprintln!("BREACH in {}: {what}\n  repeat: {}", scene.name, repeat_outage(scene.name, seed));
        }
        entries.push(report::Entry::scene(scene, seed, &marks, missed));
    }
    Ok(())
}

impl Scenario {
    fn attempts_per_request(&self, outcome: &OutageOutcome) -> f64 {
        outcome.attempts as f64 / self.requests as f64
    }

    /// The marks that it missed.
    fn breaches(&self, outcome: &OutageOutcome) -> Vec<String> {
        let (marks, attempts) = (self.marks, self.attempts_per_request(outcome));
        let mut breaches = Vec::new();
        if outcome.lost > marks.lost {
            breaches.push(format!("lost {} > {} ({})", outcome.lost, marks.lost, outcome.reasons.join(", ")));
        }
        if attempts * 100.0 > marks.attempts as f64 {
            breaches
                .push(format!("attempts per request {attempts:.2} > {:.2}", marks.attempts as f64 / 100.0));
        }
        if outcome.calls > marks.calls {
            breaches.push(format!("calls to the broken target {} > {}", outcome.calls, marks.calls));
        }
        breaches
    }

    /// One line for a program. `added` is the time added to the median and to the 99th percentile.
    fn json(
        &self,
        seed: u64,
        outcome: &OutageOutcome,
        added: [Duration; 2],
        passed: bool,
    ) -> serde_json::Value {
        let rounded = |value: f64, unit: f64| (value * unit).round() / unit;
        let [p50, p99] = added.map(|added| rounded(millis(added), 10.0));
        json!({
            "scenario": self.name,
            "seed": seed,
            "passed": passed,
            "requests": self.requests,
            "lost": outcome.lost,
            "added_p50_ms": p50,
            "added_p99_ms": p99,
            "attempts_per_request": rounded(self.attempts_per_request(outcome), 1_000.0),
            "calls_to_main": outcome.calls,
        })
    }
}

/// Compares both tiers, on the screen and in a document.
async fn pairs(rounds: u64, only: Option<&str>, docs: Option<String>) -> Result<bool, String> {
    let (table, agree) = pairs::compare(rounds, only).await?;
    println!("{table}");
    if let Some(path) = docs {
        let wrong = |error: std::io::Error| format!("{path}: {error}");
        let document = std::fs::read_to_string(&path).map_err(wrong)?;
        let text = format!("`cargo xtask chaos --tier both --rounds {rounds}`\n\n{table}");
        std::fs::write(&path, hotspare_sim::report::replace_section(&document, "both", &text)?)
            .map_err(wrong)?;
    }
    Ok(agree)
}

fn percentile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    let at = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
    times.get(at).copied().unwrap_or_default()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_object_says_whether_its_scenario_passed() {
        let (scenarios, scenes) = chosen(None);
        let (scenario, scene) = (&scenarios[0], &scenes[0]);
        for lost in [0, 1] {
            let outcome = OutageOutcome { lost, ..OutageOutcome::default() };
            let passed = scenario.breaches(&outcome).is_empty();
            let object = scenario.json(1, &outcome, [Duration::ZERO; 2], passed);
            assert_eq!((&object["passed"], &object["lost"]), (&json!(lost == 0), &json!(lost)));
            let object = scene.json(&[scenes::Mark { what: "lost", got: lost, least: 0, most: 0 }]);
            assert_eq!(
                (&object["passed"], &object["figures"]),
                (&json!(lost == 0), &json!({ "lost": lost }))
            );
        }
    }
}
