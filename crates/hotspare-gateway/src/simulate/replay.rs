//! Replays recorded availability and recorded arrivals.
//!
//! Invariant: every player gets the same record with the same random draws.

use std::path::Path;
use std::time::Instant;

use hotspare_sim::trace::{ModelTrace, arrivals, availability};
use hotspare_sim::{Digest, Estimate, Measure, Player, RivalKind, RunOptions, Scenario, run};

use super::{SimulateArgs, files, output, work};

/// Marks for a replay of availability: first try, answered, starts per request.
const MARKS: [(Measure, f64, bool); 3] = [
    (Measure::FirstTry, 0.9985, true),
    (Measure::Available, 0.99985, true),
    (Measure::Attempts, 1.002, false),
];

/// Replays a folder.
pub(super) fn replay(args: &SimulateArgs, named: &Path, program: &str) -> Result<(), String> {
    let folder = files::recording_folder(named)?;
    if folder.join("endpoints.csv").is_file() {
        replay_availability(args, &folder, program)
    } else {
        replay_arrivals(args, &folder, program)
    }
}

struct ReplayJob {
    model: usize,
    player: usize,
    seed: u64,
}

fn replay_availability(args: &SimulateArgs, folder: &Path, program: &str) -> Result<(), String> {
    let started = Instant::now();
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
    let strategy = args.policy.as_deref().unwrap_or("most-reliable");
    let most = std::time::Duration::from_secs_f64(args.hours * 3_600.0);
    let scenarios: Vec<(Scenario, Vec<Player>, RunOptions)> = models
        .iter()
        .map(|model: &ModelTrace| {
            let mut scenario = model.scenario(
                args.rate,
                if RivalKind::find(strategy).is_some() { "health-aware" } else { strategy },
            );
            scenario.set_length(scenario.length().min(most));
            let mut players: Vec<Player> = match RivalKind::find(strategy) {
                Some(kind) => vec![kind.into()],
                None => vec![scenario.setup()?.into()],
            };
            if args.versus {
                players.extend(RivalKind::ALL.map(Player::from));
            }
            Ok((scenario, players, model.options()))
        })
        .collect::<Result<_, String>>()?;
    let seeds = args.seeds_of(args.seeds);
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
    let mut transcript = Transcript::default();
    transcript.say(&format!(
        "{} models, {} endpoints, {} requests a second each",
        models.len(),
        models.iter().map(ModelTrace::endpoints).sum::<usize>(),
        args.rate
    ));
    transcript.say(&format!(
        "{:<20}{:>12}{:>26}{:>12}{:>10}",
        "who", "first try", "95 % interval", "answered", "starts"
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
                "M2: of the way from a random order to the oracle, {} went {:.3} (95 %: {:.3} to {:.3}; goal 0.97)",
                scenarios[0].1[0].name(), value.mean, value.low, value.high
            ));
        }
    }
    for (mark, missed) in marks {
        transcript.say(&format!("mark {mark}: {}", if missed { "MISSED" } else { "reached" }));
    }
    transcript.write_to_docs(args, folder, "replay", program)?;
    let took = started.elapsed().as_secs_f64();
    output::say(&format!(
        "{requests} requests, {took:.1} s, {:.1} million a minute",
        requests as f64 / took * 60.0 / 1e6
    ));
    if failures.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}\n  repeat: {program} --trace {} --rate {} --hours {}",
        failures.join("\n"),
        folder.display(),
        args.rate,
        args.hours
    ))
}

/// Replays recorded arrivals against healthy targets: no breaker may open, no request may wait.
fn replay_arrivals(args: &SimulateArgs, folder: &Path, program: &str) -> Result<(), String> {
    let mut failures = Vec::new();
    let mut transcript = Transcript::default();
    transcript.say(&format!(
        "{:<36}{:>10}{:>12}{:>8}{:>9}{:>10}",
        "arrivals", "requests", "answered", "opens", "starts", "wait99"
    ));
    for path in files::with_suffix(folder, &[".csv.gz", ".csv"])? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Ok(record) = arrivals(&files::text(&path)?) else {
            transcript.say(&format!("{name:<36} has no arrivals"));
            continue;
        };
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
            failures.push(format!("{name}: a healthy target was suspected, or a request was lost\n  repeat: {program} --trace {}", folder.display()));
        }
    }
    transcript.write_to_docs(args, folder, "arrivals", program)?;
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

/// The lines printed, for a document.
#[derive(Default)]
struct Transcript(Vec<String>);

impl Transcript {
    fn say(&mut self, line: &str) {
        output::say(line);
        self.0.push(line.trim_end().to_owned());
    }

    /// Writes the lines to the section of the document that is named after the folder replayed.
    fn write_to_docs(
        &self,
        args: &SimulateArgs,
        folder: &Path,
        what: &str,
        program: &str,
    ) -> Result<(), String> {
        let Some(document) = &args.docs else { return Ok(()) };
        let name = args.trace.as_deref().unwrap_or(folder).file_name();
        let name = name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut command = format!("{program} --trace {name}");
        if what == "replay" {
            let versus = if args.versus { " --versus" } else { "" };
            command +=
                &format!(" --rate {} --seeds {} --hours {}{versus}", args.rate, args.seeds, args.hours);
        }
        let text = format!("`{command}`\n\n```text\n{}\n```", self.0.join("\n"));
        let place = if what == "replay" { what.to_owned() } else { format!("{what}-{name}") };
        files::update_tables(document, &[(&place, text)])
    }
}
