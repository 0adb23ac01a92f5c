//! Replays recorded availability and recorded arrivals.
//!
//! Invariant: every player gets the same record with the same random draws.

use std::path::Path;
use std::time::Instant;

use hotspare_sim::trace::{ModelTrace, arrivals, availability};
use hotspare_sim::{Digest, Estimate, Measure, Player, RivalKind, RunOptions, Scenario, run};

use super::destinations::Document;
use super::files;
use super::{SimulateArgs, work};
use crate::output::Output;

/// Marks for a replay of availability: first try, answered, starts per request.
const MARKS: [(Measure, f64, bool); 3] = [
    (Measure::FirstTry, 0.9985, true),
    (Measure::Available, 0.99985, true),
    (Measure::Attempts, 1.002, false),
];

/// Replays a folder.
pub(super) fn replay(
    args: &SimulateArgs,
    named: &Path,
    program: &str,
    out: &mut Output,
) -> Result<(), String> {
    let folder = files::recording_folder(named)?;
    if folder.join("endpoints.csv").is_file() {
        replay_availability(&args.with_defaults(), &folder, program, out)
    } else {
        replay_arrivals(args, &folder, program, out)
    }
}

/// The error for a folder in which nothing was found to replay.
fn nothing_in(folder: &Path) -> String {
    format!(
        "{}: there is no recording in it; recorded availability is endpoints.csv with *min_polls.csv and *min_uptime.csv, recorded \
         arrivals are CSV files whose first column is t_s or t_ms",
        folder.display()
    )
}

struct ReplayJob {
    model: usize,
    player: usize,
    seed: u64,
}

fn replay_availability(
    args: &SimulateArgs,
    folder: &Path,
    program: &str,
    out: &mut Output,
) -> Result<(), String> {
    let started = Instant::now();
    let docs = Transcript::document(args, &["replay"])?;
    let endpoints = files::text(&folder.join("endpoints.csv"))?;
    let polls = files::with_suffix(folder, &["min_polls.csv.gz", "min_polls.csv"])?;
    let mut models = Vec::new();
    for polls in polls {
        let name = polls
            .file_name()
            .map(|name| name.to_string_lossy().replace("_polls", "_uptime"))
            .unwrap_or_default();
        let (polls, figures) = (files::text(&polls)?, files::text(&folder.join(name))?);
        models.extend(availability(&endpoints, &[(&polls, &figures)])?);
    }
    if models.is_empty() {
        return Err(nothing_in(folder));
    }
    let strategy = args.policy.as_deref().unwrap_or("most-reliable");
    let most = args.length();
    let scenarios: Vec<(Scenario, Vec<Player>, RunOptions)> = models
        .iter()
        .map(|model: &ModelTrace| {
            let mut scenario = model.scenario(
                args.rate(),
                if RivalKind::find(strategy).is_some() { "health-aware" } else { strategy },
            )?;
            scenario.set_length(scenario.length().min(most));
            let mut players: Vec<Player> = match RivalKind::find(strategy) {
                Some(kind) => vec![kind.into()],
                None => vec![scenario.setup()?.into()],
            };
            if args.versus {
                // The replayed route does not hedge, so there is no variant without hedges.
                players.push(scenario.setup_defaults()?.into());
                let rivals = RivalKind::ALL.into_iter().filter(|kind| kind.name() != players[0].name());
                players.extend(rivals.map(Player::from).collect::<Vec<_>>());
            }
            Ok((scenario, players, model.options()))
        })
        .collect::<Result<_, String>>()?;
    let seeds = args.seeds_of(args.seeds());
    let mut jobs = Vec::new();
    for (model, (_, players, _)) in scenarios.iter().enumerate() {
        for player in 0..players.len() {
            jobs.extend(seeds.clone().map(|seed| ReplayJob { model, player, seed }));
        }
    }
    let digests = work::run_all(&jobs, args.threads, &|job| scenarios[job.model].0.requests(), |job| {
        let (scenario, players, options) = &scenarios[job.model];
        let outcome = run(scenario, &players[job.player], job.seed, options)?;
        Ok(Digest::of(scenario, job.seed, outcome))
    })?;
    let requests: u64 = digests.iter().map(|digest| digest.requests).sum();
    let mut transcript = Transcript::new(out);
    transcript.say(&format!(
        "{} models, {} endpoints, {} requests a second each",
        models.len(),
        models.iter().map(ModelTrace::endpoints).sum::<usize>(),
        args.rate()
    ));
    transcript.say(&format!(
        "{:<20}{:>12}{:>26}{:>12}{:>10}",
        "policy", "first try", "95 % interval", "answered", "starts"
    ));
    let own = |player: usize| jobs.iter().zip(&digests).filter(move |(job, _)| job.player == player);
    // Means over seeds, by model.
    let by_model = |player: usize, measure: Measure| -> Vec<Option<f64>> {
        let mean = |model: usize| {
            let values: Vec<f64> = own(player)
                .filter(|(job, _)| job.model == model)
                .filter_map(|(_, digest)| digest.value(measure))
                .collect();
            Estimate::of(&values).map(|value| value.mean)
        };
        (0..scenarios.len()).map(mean).collect()
    };
    let (mut failures, mut marks) = (Vec::new(), Vec::new());
    for player in 0..scenarios.first().map_or(0, |one| one.1.len()) {
        let of = |measure: Measure| {
            let values: Vec<f64> = by_model(player, measure).into_iter().flatten().collect();
            Estimate::of(&values).unwrap_or_default()
        };
        let (first, answered, starts) =
            (of(Measure::FirstTry), of(Measure::Available), of(Measure::Attempts));
        transcript.say(&format!(
            "{:<20}{:>10.3} %{:>11.3} % to {:>7.3} %{:>10.4} %{:>10.4}",
            scenarios[0].1[player].name(),
            first.mean * 100.0,
            first.low * 100.0,
            first.high * 100.0,
            answered.mean * 100.0,
            starts.mean
        ));
        if player == 0 {
            for (measure, bound, least) in MARKS {
                let value = of(measure).mean;
                let missed = (value < bound) == least && (value - bound).abs() > 1e-9;
                let sign = if least { '≥' } else { '≤' };
                let mark = format!("{measure} {sign} {}", measure.show(bound));
                if missed {
                    failures.push(format!("MISSED {mark}: it is {}", measure.show(value)));
                }
                marks.push((mark, missed));
            }
            for (job, digest) in own(player).filter(|(_, digest)| !digest.breaches.is_empty()).take(3) {
                failures.push(format!(
                    "{}, seed {}: {}",
                    scenarios[job.model].0.name(),
                    job.seed,
                    digest.breaches[0].what
                ));
            }
        }
    }
    let place = |kind: RivalKind| scenarios.first()?.1.iter().position(|one| one.name() == kind.name());
    if let (Some(random), Some(oracle)) = (place(RivalKind::Random), place(RivalKind::Oracle)) {
        let first = |player: usize| by_model(player, Measure::FirstTry);
        let (mut won, mut all) = (Vec::new(), Vec::new());
        for ((own, random), best) in first(0).into_iter().zip(first(random)).zip(first(oracle)) {
            if let (Some(own), Some(random), Some(best)) = (own, random, best) {
                won.push(own - random);
                all.push(best - random);
            }
        }
        if let Some(value) = Estimate::ratio(&won, &all) {
            transcript.say(&format!(
                "M2: {} achieves {:.3} of the oracle's gain over a random order (95 %: {:.3} to {:.3}; goal 0.97)",
                scenarios[0].1[0].name(), value.mean, value.low, value.high
            ));
        }
    }
    for (mark, missed) in marks {
        transcript.say(&format!("mark {mark}: {}", if missed { "MISSED" } else { "reached" }));
    }
    if let Some(docs) = docs {
        docs.update(&[("replay", transcript.section(args, program))])?;
    }
    let took = started.elapsed().as_secs_f64();
    out.line(&format!(
        "{requests} requests, {took:.1} s, {:.1} million a minute",
        requests as f64 / took * 60.0 / 1e6
    ));
    if failures.is_empty() {
        return Ok(());
    }
    Err(format!("{}\n  repeat: {}", failures.join("\n"), args.command(program)))
}

/// Replays recorded arrivals against healthy targets: no breaker may open, no request may wait.
fn replay_arrivals(
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
    if failures.is_empty() {
        return Ok(());
    }
    Err(format!("{}\n  repeat: {}", failures.join("\n"), args.command(program)))
}

/// The last part of the folder's path as given.
fn folder_name(args: &SimulateArgs) -> String {
    let name = args.trace.as_deref().and_then(Path::file_name);
    name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The lines printed, for a document.
struct Transcript<'a> {
    out: &'a mut Output,
    lines: Vec<String>,
}

impl<'a> Transcript<'a> {
    fn new(out: &'a mut Output) -> Self {
        Self { out, lines: Vec::new() }
    }

    fn say(&mut self, line: &str) {
        self.out.line(line);
        self.lines.push(line.trim_end().to_owned());
    }

    /// The document that the arguments name, which must have these sections.
    fn document(args: &SimulateArgs, sections: &[&str]) -> Result<Option<Document>, String> {
        args.docs.as_deref().map(|path| Document::open(path, sections)).transpose()
    }

    /// The text of the document's section.
    fn section(&self, args: &SimulateArgs, program: &str) -> String {
        // Paths differ between machines.
        let args = SimulateArgs { trace: Some(folder_name(args).into()), ..args.clone() };
        format!("`{}`\n\n```text\n{}\n```", args.command(program), self.lines.join("\n"))
    }
}
