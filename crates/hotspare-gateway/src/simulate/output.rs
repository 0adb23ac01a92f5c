//! Results for terminals, programs and CI systems.
//!
//! Invariant: each failure comes with the command that repeats it.

use std::fmt::Write as _;
use std::io::Write;

use hotspare_sim::report::grouped;
use hotspare_sim::{DIGEST_MEASURES, MarkResult, Measure, ScenarioRuns, quantile};
use serde_json::{Value, json as object};

use super::SimulateArgs;

/// Prints to standard output; a closed pipe is not a failure.
pub(super) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints to standard error.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

pub(super) fn table(runs: &[ScenarioRuns]) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{:<24}{:>7}{:>11}{:>9}{:>9}{:>9}{:>9}{:>8}  marks",
        "scenario", "seeds", "answered", "lost", "first", "starts", "wait99", "regret"
    );
    for run in runs {
        let several = run.players.len() > 1;
        for (index, (name, digests)) in run.players.iter().enumerate() {
            let cell = |measure: Measure, show: fn(f64) -> String| {
                run.estimate(name, measure).map_or_else(|| "–".to_owned(), |value| show(value.mean))
            };
            let lost: f64 = digests.iter().filter_map(|digest| digest.value(Measure::Lost)).sum();
            let regret = run.regret(name).map_or_else(|| "–".into(), |regret| format!("{:.3}", regret.mean));
            let title = if index == 0 { run.name.clone() } else { format!("  {name}") };
            let marks = if index == 0 { verdict(run) } else { String::new() };
            let _ = writeln!(
                out,
                "{title:<24}{:>7}{:>11}{:>9}{:>9}{:>9}{:>9}{regret:>8}  {marks}",
                digests.len(),
                cell(Measure::Available, |share| format!("{:.3} %", share * 100.0)),
                grouped(lost as u64),
                cell(Measure::FirstTry, |share| format!("{:.2} %", share * 100.0)),
                cell(Measure::Attempts, |starts| format!("{starts:.3}")),
                cell(Measure::TtftP99, |secs| format!("{secs:.2} s")),
            );
        }
        if several {
            out.push('\n');
        }
    }
    out
}

fn verdict(run: &ScenarioRuns) -> String {
    let marks = run.marks();
    let missed: Vec<String> = marks.iter().filter(|mark| mark.failed()).map(missed_mark).collect();
    let breached = run.breached().count();
    let passed = marks.iter().filter(|mark| mark.passed()).count();
    let mut text = match (missed.is_empty(), breached) {
        (true, 0) if marks.is_empty() => "–".into(),
        (true, 0) => format!("{passed} of {}", marks.len()),
        (_, 0) => missed.join("; "),
        (_, count) => format!("INVARIANT BROKEN in {count} runs; {}", missed.join("; ")),
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
pub(super) fn failures(runs: &[ScenarioRuns], args: &SimulateArgs, program: &str) -> Vec<String> {
    let mut failures = Vec::new();
    for run in runs.iter().filter(|run| run.failed()) {
        let breach = run
            .breached()
            .next()
            .and_then(|digest| digest.breaches.first().map(|breach| (digest.seed, breach.what.clone())));
        let mark = run.marks().into_iter().find(MarkResult::failed);
        let (seed, what) = breach.unwrap_or_else(|| match mark {
            Some(mark) => (mark.missed.unwrap_or(1), missed_mark(&mark)),
            None => (1, "nothing ran".into()),
        });
        let which = match args.swarm {
            true => "--swarm --shrink".to_owned(),
            false => match args
                .file
                .iter()
                .find(|path| path.file_stem().is_some_and(|stem| stem.to_string_lossy() == run.name))
            {
                Some(path) => format!("--file {}", path.display()),
                None => format!("--scenario {}", run.name),
            },
        };
        failures.push(format!(
            "{}: {what}\n  repeat: {program} {which} --seed {seed} --hours {}",
            run.name, args.hours
        ));
    }
    failures
}

pub(super) fn json(run: &ScenarioRuns) -> String {
    let figures = |name: &str| -> Value {
        let pairs = DIGEST_MEASURES.iter().filter_map(|measure| {
            let value = run.estimate(name, *measure)?;
            Some((measure.to_string(), object!({"mean": value.mean, "low": value.low, "high": value.high})))
        });
        Value::Object(pairs.collect())
    };
    let players: Vec<Value> = run
        .players
        .iter()
        .map(|(name, digests)| {
            let hashes: Vec<String> = digests.iter().map(|digest| format!("{:016x}", digest.hash)).collect();
            object!({
                "player": name, "runs": digests.len(), "figures": figures(name), "hashes": hashes,
                "regret": run.regret(name).map(|regret| object!({"mean": regret.mean, "low": regret.low, "high": regret.high})),
                "nines_gap": run.nines_gap(name),
            })
        })
        .collect();
    let marks: Vec<Value> = run
        .marks()
        .iter()
        .map(|mark| {
            object!({
                "mark": mark.mark, "held": mark.held, "runs": mark.runs, "passed": mark.passed(),
                "median": (!mark.values.is_empty()).then(|| quantile(&mark.values, 0.5)),
            })
        })
        .collect();
    object!({"scenario": run.name, "passed": run.passed(), "failed": run.failed(), "marks": marks, "players": players, "breaches": run.breached().count()})
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
            let _ = writeln!(out, "><failure message=\"{}\"/></testcase>", escape(&verdict(run)));
        }
    }
    out.push_str("</testsuite>\n");
    out
}
