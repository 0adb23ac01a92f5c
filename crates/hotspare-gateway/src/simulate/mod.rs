//! `hotspare simulate`: runs a configuration through outages in virtual time, without a provider or a key.
//!
//! Files, threads and output; the runs themselves are in `hotspare-sim`. Invariant: equal arguments print the same on
//! standard output except for wall times; a breach or a missed mark is an error that includes the command to repeat it.

mod files;
mod output;
mod replay;
mod work;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use hotspare_sim::report::{Provenance, html, regret_table, tables, verdict_text};
use hotspare_sim::{Digest, Player, RivalKind, RunOptions, Scenario, ScenarioRuns, Swarm, run};

use work::Job;

/// Arguments of `hotspare simulate`.
#[derive(Clone, Debug, Args)]
pub struct SimulateArgs {
    /// Run only this scenario; repeatable.
    #[arg(long)]
    pub scenario: Vec<String>,
    /// Run a scenario file of your own; repeatable.
    #[arg(long)]
    pub file: Vec<PathBuf>,
    /// Run only this seed.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Number of seeds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub seeds: u32,
    /// First seed, for seeds that no default was tuned on.
    #[arg(long, default_value_t = 1)]
    pub from: u64,
    /// Maximum virtual hours per scenario; a scenario that must be run whole ignores this unless named with --scenario
    /// or --file.
    #[arg(long, default_value_t = 2.0, value_parser = hours)]
    pub hours: f64,
    /// Simulate this configuration; its targets stand for the scenario's targets, in order. The built-in scenarios'
    /// marks apply only to the built-in routes; marks in your own scenario file always apply.
    #[arg(long, conflicts_with_all = ["policy", "compare"])]
    pub config: Option<PathBuf>,
    /// Compare two configurations on the same seeds.
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with = "policy")]
    pub compare: Option<Vec<PathBuf>>,
    /// Route of the configuration [default: the first].
    #[arg(long)]
    pub route: Option<String>,
    /// Strategy such as health-aware, or a rival such as simple-breaker [default: each scenario's own route].
    #[arg(long)]
    pub policy: Option<String>,
    /// Also run common failover strategies and an oracle on the same seeds.
    #[arg(long)]
    pub versus: bool,
    /// Replay recorded availability or arrivals from this directory, or from one of this name under `HOTSPARE_TRACES`.
    #[arg(long, conflicts_with_all = ["scenario", "file", "config", "compare", "swarm", "twice", "json", "junit", "report"])]
    pub trace: Option<PathBuf>,
    /// Requests per second and model in a replay.
    #[arg(long, default_value_t = 0.2, requires = "trace", conflicts_with_all = ["scenario", "file", "swarm"])]
    pub rate: f64,
    /// Run random scenarios, one per seed.
    #[arg(long, conflicts_with_all = ["scenario", "file"])]
    pub swarm: bool,
    /// Minimize the first failing random scenario and print it.
    #[arg(long, requires = "swarm", conflicts_with_all = ["scenario", "file", "trace"])]
    pub shrink: bool,
    /// Run everything twice and compare hashes of all events.
    #[arg(long, conflicts_with_all = ["json", "junit", "report", "docs"])]
    pub twice: bool,
    /// Print one JSON object per scenario.
    #[arg(long)]
    pub json: bool,
    /// Write JUnit XML to this file.
    #[arg(long)]
    pub junit: Option<PathBuf>,
    /// Write an HTML report with tables and timelines to this file.
    #[arg(long)]
    pub report: Option<PathBuf>,
    /// Update the generated tables in this Markdown file.
    #[arg(long)]
    pub docs: Option<PathBuf>,
    /// List the scenarios; with --scenario, print its text, to edit and pass to --file.
    #[arg(long)]
    pub list: bool,
    /// Number of threads [default: one per core].
    #[arg(long)]
    pub threads: Option<usize>,
}

/// Parses a number of hours within the supported range.
fn hours(text: &str) -> Result<f64, String> {
    let hours = text.parse::<f64>().map_err(|error| error.to_string())?;
    if hours > 0.0 && hours <= 1e6 {
        Ok(hours)
    } else {
        Err("it must be more than 0 and at most a million".into())
    }
}

impl SimulateArgs {
    /// The range of `count` seeds, or the single seed that was given.
    fn seeds_of(&self, count: u32) -> std::ops::Range<u64> {
        self.seed
            .map_or(self.from..self.from.saturating_add(count.into()), |seed| seed..seed.saturating_add(1))
    }
}

/// Runs the simulation. `program` is the command as called, for the line that repeats a failure.
///
/// # Errors
/// If an argument is wrong, or marks were missed.
pub fn simulate(args: &SimulateArgs, program: &str) -> Result<(), String> {
    if args.list {
        return list(args);
    }
    if args.route.is_some() && args.config.is_none() && args.compare.is_none() {
        return Err("--route chooses a route of --config or --compare".into());
    }
    if let Some(trace) = &args.trace {
        return replay::replay(args, trace, program);
    }
    let started = Instant::now();
    let scenarios = scenarios(args)?;
    if args.twice {
        return twice(args, &scenarios);
    }
    let mut all = Vec::new();
    let mut jobs = Vec::new();
    for scenario in scenarios {
        let (scenario, players) = players(args, scenario)?;
        let seeds: Vec<u64> = match args.seed {
            Some(seed) => vec![seed],
            None if args.swarm => Vec::from([seed_of(&scenario)]),
            None => args.seeds_of(scenario.seeds(args.seeds)).collect(),
        };
        let at = all.len();
        for player in 0..players.len() {
            for (index, &seed) in seeds.iter().enumerate() {
                let detail = args.report.is_some() && player == 0 && index == 0;
                jobs.push(Job { scenario: at, player, seed, detail });
            }
        }
        all.push((scenario, players));
    }
    let weigh = |job: &Job| all[job.scenario].0.requests();
    let digests = work::run_all(&jobs, args.threads, &weigh, |job| {
        let (scenario, players) = &all[job.scenario];
        let options = RunOptions::default().with_detail(job.detail);
        let outcome = run(scenario, &players[job.player], job.seed, &options)?;
        Ok(Digest::of(scenario, job.seed, outcome))
    })?;
    let mut runs: Vec<ScenarioRuns> =
        all.iter().map(|(scenario, players)| ScenarioRuns::new(scenario, players)).collect();
    for (job, digest) in jobs.iter().zip(digests) {
        runs[job.scenario].players[job.player].1.push(digest);
    }
    let provenance = Provenance {
        command: repeat_command(args, program),
        seeds: args.seed.map_or(args.seeds, |_| 1),
        requests: runs.iter().flat_map(ScenarioRuns::under_test).map(|digest| digest.requests).sum(),
        total_requests: runs
            .iter()
            .flat_map(|run| &run.players)
            .flat_map(|(_, digests)| digests)
            .map(|digest| digest.requests)
            .sum(),
        virtual_secs: runs.iter().map(|run| run.length * run.under_test().len() as f64).sum(),
        wall_secs: started.elapsed().as_secs_f64(),
    };
    finish(args, &provenance, &runs, program)
}

/// Prints and writes the results.
fn finish(
    args: &SimulateArgs,
    provenance: &Provenance,
    runs: &[ScenarioRuns],
    program: &str,
) -> Result<(), String> {
    if args.json {
        runs.iter().for_each(|run| output::say(&output::json(run)));
    } else {
        output::say(&output::table(runs));
        output::say(&verdict_text(runs));
        if args.versus {
            output::say(&format!("\nWhere the regret comes from:\n\n{}", regret_table(runs)));
        }
        let speed = provenance.total_requests as f64 / provenance.wall_secs.max(1e-9) * 60.0 / 1e6;
        output::say(&format!(
            "{} requests in {:.1} virtual days; {:.1} s for all players, {speed:.1} million requests a minute",
            hotspare_sim::report::grouped(provenance.requests),
            provenance.virtual_secs / 86_400.0,
            provenance.wall_secs
        ));
    }
    if let Some(path) = &args.report {
        write(path, &html(provenance, runs))?;
    }
    if let Some(path) = &args.docs {
        files::update_tables(path, &tables(provenance, runs))?;
    }
    if let Some(path) = &args.junit {
        write(path, &output::junit(runs, provenance.wall_secs))?;
    }
    let failures = output::failures(runs, args, program);
    let passed = runs.iter().filter(|run| run.passed()).count();
    let failed = runs.iter().filter(|run| run.failed()).count();
    let rest = match runs.len() - passed - failed {
        0 => String::new(),
        some => format!(", {some} not fully judged"),
    };
    output::note(&format!("{passed} passed, {failed} failed{rest}"));
    if args.shrink
        && let Some(seed) = runs
            .iter()
            .find(|run| run.failed())
            .and_then(|run| run.under_test().first())
            .map(|digest| digest.seed)
    {
        output::say(&shrink(args, seed));
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

fn write(path: &std::path::Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn list(args: &SimulateArgs) -> Result<(), String> {
    for name in &args.scenario {
        let text = Scenario::text(name).ok_or_else(|| unknown(name))?;
        output::say(text.trim_end());
    }
    if args.scenario.is_empty() {
        for name in Scenario::names() {
            output::say(&format!("{name:<24} {}", Scenario::find(name)?.what()));
        }
        let rivals: Vec<&str> = RivalKind::ALL.iter().map(|kind| kind.name()).collect();
        output::say(&format!("\nrivals: {}", rivals.join(", ")));
    }
    Ok(())
}

fn unknown(name: &str) -> String {
    format!("unknown scenario `{name}`; --list shows them")
}

fn scenarios(args: &SimulateArgs) -> Result<Vec<Scenario>, String> {
    let mut scenarios = Vec::new();
    if args.swarm {
        scenarios.extend(
            args.seeds_of(args.seeds)
                .map(|seed| Swarm::new(seed).scenario())
                .collect::<Result<Vec<_>, _>>()?,
        );
        return Ok(scenarios);
    }
    for path in &args.file {
        scenarios.push(files::scenario(path)?);
    }
    for name in &args.scenario {
        scenarios.push(Scenario::find(name).map_err(|_| unknown(name))?);
    }
    if scenarios.is_empty() {
        scenarios = Scenario::names().map(Scenario::find).collect::<Result<_, _>>()?;
    }
    let most = std::time::Duration::from_secs_f64(args.hours * 3_600.0);
    let named = !args.file.is_empty() || !args.scenario.is_empty();
    for scenario in scenarios.iter_mut().filter(|scenario| named || !scenario.is_whole()) {
        scenario.set_length(scenario.length().min(most));
    }
    Ok(scenarios)
}

/// The seed in the name of a random scenario.
fn seed_of(scenario: &Scenario) -> u64 {
    scenario.name().rsplit('-').next().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

/// The players: the one under test first.
fn players(args: &SimulateArgs, mut scenario: Scenario) -> Result<(Scenario, Vec<Player>), String> {
    let configs: Vec<PathBuf> = args.compare.clone().unwrap_or_else(|| args.config.iter().cloned().collect());
    let mut players: Vec<Player> = Vec::new();
    if !configs.is_empty() && args.file.is_empty() && !args.swarm {
        scenario.clear_marks();
    }
    for path in &configs {
        let setup = files::setup(path, args.route.as_deref())?;
        let names: Vec<&str> = setup.specs.iter().map(|spec| spec.id.as_str()).collect();
        scenario.pad_targets(&names);
        players.push(setup.into());
    }
    if players.is_empty() {
        players.push(match args.policy.as_deref() {
            None => scenario.setup()?.into(),
            Some(name) => match RivalKind::find(name) {
                Some(kind) => kind.into(),
                None => scenario.setup_with(name)?.into(),
            },
        });
    }
    if args.versus {
        players.push(scenario.setup_unhedged()?.into());
        players.push(scenario.setup_defaults()?.into());
        players.extend(RivalKind::ALL.map(Player::from));
    }
    Ok((scenario, players))
}

fn twice(args: &SimulateArgs, scenarios: &[Scenario]) -> Result<(), String> {
    for scenario in scenarios {
        let (scenario, players) = players(args, scenario.clone())?;
        let seed = args.seed.unwrap_or(1);
        for player in &players {
            let hash = || run(&scenario, player, seed, &RunOptions::default()).map(|outcome| outcome.hash);
            let (first, again) = (hash()?, hash()?);
            output::say(&format!("{:<24} {:<18} seed {seed}  {first:016x}", scenario.name(), player.name()));
            if first != again {
                return Err(format!("{}: the second run gave {again:016x}", scenario.name()));
            }
        }
    }
    Ok(())
}

/// The smallest scenario that fails like the random one of this seed.
fn shrink(args: &SimulateArgs, seed: u64) -> String {
    let fails = |scenario: &Scenario| {
        let Ok((scenario, players)) = players(args, scenario.clone()) else { return false };
        let Some(player) = players.first() else { return false };
        run(&scenario, player, seed, &RunOptions::default())
            .is_ok_and(|outcome| !Digest::of(&scenario, seed, outcome).passed())
    };
    let small = Swarm::new(seed).shrink(fails);
    format!("# The smallest world that still fails; give it with --file and --seed {seed}.\n{}", small.text())
}

/// The command that repeats this run.
fn repeat_command(args: &SimulateArgs, program: &str) -> String {
    let mut words = vec![program.to_owned()];
    let mut flag = |on: bool, word: &str| on.then(|| words.push(word.to_owned()));
    flag(args.swarm, "--swarm");
    flag(args.versus, "--versus");
    for name in &args.scenario {
        words.push(format!("--scenario {name}"));
    }
    for path in &args.file {
        words.push(format!("--file {}", path.display()));
    }
    if let Some(path) = &args.config {
        words.push(format!("--config {}", path.display()));
    }
    if let Some(policy) = &args.policy {
        words.push(format!("--policy {policy}"));
    }
    words.push(args.seed.map_or_else(|| format!("--seeds {}", args.seeds), |seed| format!("--seed {seed}")));
    if args.seed.is_none() && args.from != 1 {
        words.push(format!("--from {}", args.from));
    }
    words.push(format!("--hours {}", args.hours));
    words.join(" ")
}

#[cfg(test)]
mod tests;
