//! Replays recorded availability: each model's endpoints as targets of one route.
//!
//! Not the record's format: see [`hotspare_sim::trace`]. Invariant: figures are means over models, each the mean over its
//! seeds.

use std::path::Path;
use std::time::Instant;

use hotspare_sim::trace::{ModelTrace, availability};
use hotspare_sim::{
    Digest, Estimate, Measure, Player, RivalKind, RunOptions, Scenario, rival_or_strategy, run,
};

use super::super::{SimulateArgs, files, work};
use super::transcript::Transcript;
use super::{nothing_in, verdict};
use crate::output::Output;

/// Marks for a replay: first try, answered, starts per request; a bound, and whether it is the least.
const MARKS: [(Measure, f64, bool); 3] = [
    (Measure::FirstTry, 0.9985, true),
    (Measure::Available, 0.99985, true),
    (Measure::Attempts, 1.002, false),
];

/// Replays a folder.
pub(super) fn replay(
    args: &SimulateArgs,
    folder: &Path,
    program: &str,
    out: &mut Output,
) -> Result<(), String> {
    let started = Instant::now();
    let docs = Transcript::document(args, &["replay"])?;
    let models = read(folder)?;
    let replays = models.iter().map(|model| Replay::of(model, args)).collect::<Result<Vec<_>, _>>()?;
    let results = Results::of(&replays, args)?;
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
    for player in 0..results.players().len() {
        transcript.say(&results.row(player));
    }
    if let Some(gain) = results.gain() {
        transcript.say(&gain);
    }
    let mut failures = Vec::new();
    for (measure, bound, least) in MARKS {
        let value = results.mean(0, measure).mean;
        let missed = (value < bound) == least && (value - bound).abs() > 1e-9;
        let mark = format!("{measure} {} {}", if least { '≥' } else { '≤' }, measure.show(bound));
        transcript.say(&format!("mark {mark}: {}", if missed { "MISSED" } else { "reached" }));
        if missed {
            failures.push(format!("MISSED {mark}: it is {}", measure.show(value)));
        }
    }
    failures.extend(results.breaches().take(3));
    if let Some(docs) = docs {
        docs.update(&[("replay", transcript.section(args, program))])?;
    }
    let (requests, took) = (results.requests(), started.elapsed().as_secs_f64());
    out.line(&format!(
        "{requests} requests, {took:.1} s, {:.1} million a minute",
        requests as f64 / took * 60.0 / 1e6
    ));
    verdict(&failures, args, program)
}

/// The models of a folder.
fn read(folder: &Path) -> Result<Vec<ModelTrace>, String> {
    let endpoints = files::text(&folder.join("endpoints.csv"))?;
    let mut models = Vec::new();
    for polls in files::with_suffix(folder, &["min_polls.csv.gz", "min_polls.csv"])? {
        let name = polls
            .file_name()
            .map(|name| name.to_string_lossy().replace("_polls", "_uptime"))
            .unwrap_or_default();
        let (polls, figures) = (files::text(&polls)?, files::text(&folder.join(name))?);
        models.extend(availability(&endpoints, &[(&polls, &figures)])?);
    }
    if models.is_empty() { Err(nothing_in(folder)) } else { Ok(models) }
}

/// What is run for one model.
struct Replay {
    scenario: Scenario,
    /// The policy under test first; the same for every model.
    players: Vec<Player>,
    options: RunOptions,
}

impl Replay {
    fn of(model: &ModelTrace, args: &SimulateArgs) -> Result<Self, String> {
        let policy = args.policy.as_deref().unwrap_or("most-reliable");
        let rival = rival_or_strategy(policy)?;
        let strategy = if rival.is_some() { "health-aware" } else { policy };
        let mut scenario = model.scenario(args.rate(), strategy)?;
        scenario.set_length(scenario.length().min(args.length()));
        let mut players: Vec<Player> = match rival {
            Some(kind) => vec![kind.into()],
            None => vec![scenario.setup()?.into()],
        };
        if args.versus {
            // The replayed route does not hedge, so there is no variant without hedges.
            players.push(scenario.setup_defaults()?.into());
            let rivals = RivalKind::ALL.into_iter().filter(|kind| kind.name() != players[0].name());
            players.extend(rivals.map(Player::from).collect::<Vec<_>>());
        }
        Ok(Self { scenario, players, options: model.options() })
    }
}

/// One run: places of its model and player, and its seed.
struct Job {
    model: usize,
    player: usize,
    seed: u64,
}

/// What came out of all runs.
struct Results<'a> {
    replays: &'a [Replay],
    runs: Vec<(Job, Digest)>,
}

impl<'a> Results<'a> {
    /// Runs everything.
    fn of(replays: &'a [Replay], args: &SimulateArgs) -> Result<Self, String> {
        let seeds = args.seeds_of(args.seeds());
        let mut jobs = Vec::new();
        for (model, replay) in replays.iter().enumerate() {
            for player in 0..replay.players.len() {
                jobs.extend(seeds.clone().map(|seed| Job { model, player, seed }));
            }
        }
        let digests =
            work::run_all(&jobs, args.threads, &|job| replays[job.model].scenario.requests(), |job| {
                let Replay { scenario, players, options } = &replays[job.model];
                let outcome = run(scenario, &players[job.player], job.seed, options)?;
                Ok(Digest::of(scenario, job.seed, outcome))
            })?;
        Ok(Self { replays, runs: jobs.into_iter().zip(digests).collect() })
    }

    fn players(&self) -> &[Player] {
        self.replays.first().map_or(&[], |replay| &replay.players)
    }

    fn requests(&self) -> u64 {
        self.runs.iter().map(|(_, digest)| digest.requests).sum()
    }

    /// Means over seeds, by model.
    fn by_model(&self, player: usize, measure: Measure) -> Vec<Option<f64>> {
        let mut values = vec![Vec::new(); self.replays.len()];
        for (job, digest) in self.runs.iter().filter(|(job, _)| job.player == player) {
            values[job.model].extend(digest.value(measure));
        }
        values.iter().map(|values| Some(Estimate::of(values)?.mean)).collect()
    }

    /// The mean over models.
    fn mean(&self, player: usize, measure: Measure) -> Estimate {
        let values: Vec<f64> = self.by_model(player, measure).into_iter().flatten().collect();
        Estimate::of(&values).unwrap_or_default()
    }

    /// A player's line of the table.
    fn row(&self, player: usize) -> String {
        let first = self.mean(player, Measure::FirstTry);
        format!(
            "{:<20}{:>10.3} %{:>11.3} % to {:>7.3} %{:>10.4} %{:>10.4}",
            self.players()[player].name(),
            first.mean * 100.0,
            first.low * 100.0,
            first.high * 100.0,
            self.mean(player, Measure::Available).mean * 100.0,
            self.mean(player, Measure::Attempts).mean
        )
    }

    /// How much of the oracle's gain the policy under test achieves, if the oracle plays.
    fn gain(&self) -> Option<String> {
        let place = |kind: RivalKind| self.players().iter().position(|one| one.name() == kind.name());
        let first = |player: usize| self.by_model(player, Measure::FirstTry);
        let (random, oracle) = (place(RivalKind::Random)?, place(RivalKind::Oracle)?);
        let (mut won, mut all) = (Vec::new(), Vec::new());
        for ((own, random), best) in first(0).into_iter().zip(first(random)).zip(first(oracle)) {
            if let (Some(own), Some(random), Some(best)) = (own, random, best) {
                won.push(own - random);
                all.push(best - random);
            }
        }
        let value = Estimate::ratio(&won, &all)?;
        Some(format!(
            "M2: {} achieves {:.3} of the oracle's gain over a random order (95 %: {:.3} to {:.3}; goal 0.97)",
            self.players()[0].name(),
            value.mean,
            value.low,
            value.high
        ))
    }

    /// Broken invariants of the policy under test.
    fn breaches(&self) -> impl Iterator<Item = String> {
        self.runs.iter().filter(|(job, _)| job.player == 0).filter_map(|(job, digest)| {
            let breach = digest.breaches.first()?;
            let model = self.replays[job.model].scenario.name();
            Some(format!("{model}, seed {}: {}", job.seed, breach.what))
        })
    }
}
