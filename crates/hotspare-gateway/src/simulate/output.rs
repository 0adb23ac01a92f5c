//! Results for terminals, programs and CI systems.
//!
//! Invariant: each failure comes with the command that repeats it.

use std::fmt::Write as _;

use hotspare_sim::report::grouped;
use hotspare_sim::{DIGEST_MEASURES, Digest, MarkResult, Measure, ScenarioRuns, quantile};
use serde_json::{Value, json as object};

use super::SimulateArgs;
use super::cases::Case;
use super::recorded_run::RecordedRun;

pub(super) fn table(runs: &[ScenarioRuns]) -> String {
    let mut out = String::new();
    let names = runs.iter().flat_map(|run| run.players.iter().map(|(name, _)| name.chars().count() + 2));
    let width = names.chain(runs.iter().map(|run| run.name.chars().count())).max().unwrap_or(0).max(22) + 2;
    let _ = writeln!(
        out,
        "{:<width$}{:>5}{:>11}{:>9}{:>9}{:>9}{:>9}{:>9}{:>8}  marks",
        "scenario", "seeds", "answered", "lost", "first", "starts", "wait99", "$/1000", "regret"
    );
    for run in runs {
        let several = run.players.len() > 1;
        let compared = run.tested().len() > 1;
        if compared {
            let _ = writeln!(out, "{}", run.name);
        }
        for (index, (name, digests)) in run.players.iter().enumerate() {
            let cell = |measure: Measure, show: fn(f64) -> String| {
                run.estimate(name, measure).map_or_else(|| "–".to_owned(), |value| show(value.mean))
            };
            let lost: f64 = digests.iter().filter_map(|digest| digest.value(Measure::Lost)).sum();
            let regret = run.regret(name).map_or_else(|| "–".into(), |regret| format!("{:.3}", regret.mean));
            let title = if index == 0 && !compared { run.name.clone() } else { format!("  {name}") };
            let marks = if index < run.tested().len() { verdict(run, digests) } else { String::new() };
            let _ = writeln!(
                out,
                "{title:<width$}{:>5}{:>11}{:>9}{:>9}{:>9}{:>9}{:>9}{regret:>8}  {marks}",
                digests.len(),
                cell(Measure::Available, |share| format!("{:.3} %", share * 100.0)),
                grouped(lost as u64),
                cell(Measure::FirstTry, |share| format!("{:.2} %", share * 100.0)),
                cell(Measure::Attempts, |starts| format!("{starts:.3}")),
                cell(Measure::TtftP99, |secs| format!("{secs:.2} s")),
                cell(Measure::Cost, |dollars| format!("{dollars:.2}")),
            );
        }
        if several {
            out.push('\n');
        }
    }
    out
}

/// The verdict on one player's runs.
fn verdict(run: &ScenarioRuns, digests: &[Digest]) -> String {
    let marks = ScenarioRuns::marks_in(digests);
    let missed: Vec<String> = marks.iter().filter(|mark| mark.failed()).map(missed_mark).collect();
    let breached = digests.iter().filter(|digest| !digest.breaches.is_empty()).count();
    let passed = marks.iter().filter(|mark| mark.passed()).count();
    let mut text = match (missed.is_empty(), breached) {
        (true, 0) if marks.is_empty() => "–".into(),
        (true, 0) => format!("{passed} of {}", marks.len()),
        (_, 0) => missed.join("; "),
        (_, count) => format!("INVARIANT VIOLATED in {count} runs; {}", missed.join("; ")),
    };
    match marks.iter().filter(|mark| mark.runs == 0).count() {
        0 => {}
        some => {
            let _ = write!(text, ", {some} not judged");
        }
    }
    if let Some(part) = run.shortened() {
        let _ = write!(text, " ({part})");
    }
    text
}

fn missed_mark(mark: &MarkResult) -> String {
    let value = match quantile(&mark.values, 0.5) {
        _ if mark.values.is_empty() => "never".to_owned(),
        median => mark.measure.show(median),
    };
    format!("MISSED {} (median {value}, held in {} of {})", mark.mark, mark.held, mark.runs)
}

/// The failures, each with the command that repeats it.
pub(super) fn failures(
    cases: &[Case],
    runs: &[ScenarioRuns],
    args: &SimulateArgs,
    program: &str,
) -> Vec<String> {
    let mut failures = Vec::new();
    for (case, run) in cases.iter().zip(runs) {
        for (index, (name, digests)) in run.tested().iter().enumerate() {
            let Some((failed, what)) = first_failure(digests) else { continue };
            let player = if run.tested().len() > 1 { format!(", {name}") } else { String::new() };
            let (seed, length) = (failed.seed, case.scenario.length());
            let repeat = args.for_run(&run.name, &case.origin, seed, length).command(program);
            let recorded = RecordedRun::new(&run.name, &case.origin, seed, failed.hash);
            let events = args.for_replay(recorded, index, length).command(program);
            failures.push(format!("{}{player}: {what}\n  events: {events}\n  repeat: {repeat}", run.name));
        }
    }
    failures
}

/// The first run of a player that failed, and how.
fn first_failure(digests: &[Digest]) -> Option<(&Digest, String)> {
    let breach = digests.iter().find_map(|digest| Some((digest, digest.breaches.first()?.what.clone())));
    breach.or_else(|| {
        let mark = ScenarioRuns::marks_in(digests).into_iter().find(MarkResult::failed)?;
        let missed = mark.missed?;
        Some((digests.iter().find(|digest| digest.seed == missed)?, missed_mark(&mark)))
    })
}

pub(super) fn json(run: &ScenarioRuns) -> String {
    let figures = |name: &str| -> Value {
        let pairs = DIGEST_MEASURES.iter().filter_map(|measure| {
            let value = run.estimate(name, *measure)?;
            Some((measure.to_string(), object!({"mean": value.mean, "low": value.low, "high": value.high})))
        });
        Value::Object(pairs.collect())
    };
    let marks = |digests: &[Digest]| -> Vec<Value> {
        let value = |mark: &MarkResult| {
            object!({
                "mark": mark.mark, "held": mark.held, "runs": mark.runs, "passed": mark.passed(),
                "median": (!mark.values.is_empty()).then(|| quantile(&mark.values, 0.5)),
            })
        };
        ScenarioRuns::marks_in(digests).iter().map(value).collect()
    };
    let player = |(index, (name, digests)): (usize, &(String, Vec<Digest>))| {
        let hashes: Vec<String> = digests.iter().map(|digest| format!("{:016x}", digest.hash)).collect();
        // Marks are for the players under test.
        let marks = (index < run.tested().len()).then(|| marks(digests));
        object!({
            "player": name, "runs": digests.len(), "figures": figures(name), "marks": marks, "hashes": hashes,
            "regret": run.regret(name).map(|regret| object!({"mean": regret.mean, "low": regret.low, "high": regret.high})),
            "nines_gap": run.nines_gap(name),
        })
    };
    let players: Vec<Value> = run.players.iter().enumerate().map(player).collect();
    object!({"scenario": run.name, "passed": run.passed(), "failed": run.failed(), "players": players, "breaches": run.breached().count()})
        .to_string()
}

pub(super) fn junit(runs: &[ScenarioRuns], took: f64) -> String {
    let escape = |text: &str| {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
    };
    let failed = runs.iter().filter(|run| run.failed()).count();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"chaos\" tests=\"{}\" failures=\"{failed}\" time=\"{took:.3}\">\n",
        runs.len()
    );
    for run in runs {
        let _ = write!(out, "  <testcase classname=\"chaos\" name=\"{}\"", escape(&run.name));
        if !run.failed() {
            out.push_str("/>\n");
        } else {
            let verdicts = run.tested().iter().map(|(name, digests)| match run.tested() {
                [_] => verdict(run, digests),
                _ => format!("{name}: {}", verdict(run, digests)),
            });
            let message = verdicts.collect::<Vec<_>>().join("; ");
            let _ = writeln!(out, "><failure message=\"{}\"/></testcase>", escape(&message));
        }
    }
    out.push_str("</testsuite>\n");
    out
}
