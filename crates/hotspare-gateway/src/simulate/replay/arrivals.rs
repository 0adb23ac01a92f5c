//! Replays recorded arrivals.
//!
//! Invariant: each record is replayed once and in full, against healthy targets.

use std::path::Path;

use hotspare_sim::trace::arrivals;
use hotspare_sim::{Measure, RunOptions, Scenario, run};

use super::super::{SimulateArgs, files};
use super::transcript::{Transcript, folder_name};
use super::{nothing_in, verdict};
use crate::output::Output;

/// Replays recorded arrivals against healthy targets: no breaker may open, no request may wait.
pub(super) fn replay(
    args: &SimulateArgs,
    folder: &Path,
    program: &str,
    out: &mut Output,
) -> Result<(), String> {
    let unused = [
        ("policy", args.policy.is_some()),
        ("versus", args.versus),
        ("hours", args.hours.is_some()),
        ("rate", args.rate.is_some()),
        ("seeds", args.seeds.is_some()),
        ("from", args.from.is_some()),
    ];
    if let Some((name, _)) = unused.iter().find(|(_, given)| *given) {
        return Err(format!(
            "--{name} has no effect: {} holds recorded arrivals, which are replayed once, in full, against healthy targets",
            folder.display()
        ));
    }
    let section = format!("arrivals-{}", folder_name(args));
    let docs = Transcript::document(args, &[&section])?;
    let mut failures = Vec::new();
    let mut replayed = 0;
    let mut transcript = Transcript::new(out);
    transcript.say(&format!(
        "{:<36}{:>10}{:>12}{:>8}{:>9}{:>10}",
        "arrivals", "requests", "answered", "opens", "starts", "wait99"
    ));
    for path in files::with_suffix(folder, &[".csv.gz", ".csv"])? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let record = arrivals(&files::text(&path)?).unwrap_or_default();
        if record.is_empty() {
            transcript.say(&format!("{name:<36} has no arrivals"));
            continue;
        }
        replayed += 1;
        let mut scenario = Scenario::find("healthy")?;
        scenario
            .set_length(std::time::Duration::from_secs_f64(record.last().map_or(1.0, |last| last.at + 1.0)));
        let options = RunOptions::default().with_arrivals(record);
        let outcome = run(&scenario, &scenario.setup()?.into(), args.seed.unwrap_or(1), &options)?;
        let value = |measure: Measure| outcome.whole(measure).unwrap_or(0.0);
        transcript.say(&format!(
            "{name:<36}{:>10}{:>10.3} %{:>8.0}{:>9.4}{:>8.2} s",
            outcome.requests,
            value(Measure::Available) * 100.0,
            value(Measure::OpensOfTheWell),
            value(Measure::Attempts),
            value(Measure::TtftP99)
        ));
        let suspected = value(Measure::OpensOfTheWell) > 0.0;
        if suspected || value(Measure::Available) < 1.0 || !outcome.breaches.is_empty() {
            failures.push(format!("{name}: the breaker of a healthy target opened, or a request was lost"));
        }
    }
    if replayed == 0 {
        return Err(nothing_in(folder));
    }
    if let Some(docs) = docs {
        docs.update(&[(&section, transcript.section(args, program))])?;
    }
    verdict(&failures, args, program)
}
