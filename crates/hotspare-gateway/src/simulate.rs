//! `hotspare simulate`: runs a configuration through outages in virtual time, without a provider or a key.
//!
//! Files, threads and output; the runs themselves are in `hotspare-sim`. Invariant: equal arguments print the same on
//! standard output except for wall times; a breach or a missed mark is an error that includes the command to repeat it.

mod args;
mod cases;
mod destinations;
mod event_log;
mod files;
mod notes;
mod output;
mod recorded_run;
mod replay;
mod work;

use std::collections::BTreeSet;
use std::time::Instant;

use hotspare_sim::report::{Provenance, regret_table, verdict_text};
use hotspare_sim::{Digest, RivalKind, RunOptions, Scenario, ScenarioRuns, Swarm, run};

use crate::output::Output;
use cases::Case;
use destinations::Destinations;
use recorded_run::Origin;
use work::Job;

pub use args::SimulateArgs;

/// Variable in which a program that starts this one passes the command that its user typed.
pub const PROGRAM_VARIABLE: &str = "HOTSPARE_CALLED_AS";

/// The command for the line that repeats a failure, given the value of [`PROGRAM_VARIABLE`].
#[must_use]
pub fn program(called_as: Option<String>) -> String {
    called_as.filter(|command| !command.is_empty()).unwrap_or_else(|| "hotspare simulate".into())
}

/// Runs the simulation. `program` is the command as called, for the line that repeats a failure.
///
/// # Errors
/// If an argument is wrong, marks were missed, or results cannot be written.
pub fn simulate(args: &SimulateArgs, program: &str) -> Result<(), String> {
    let mut out = Output::stdout();
    let result = simulate_to(args, program, &mut out);
    result.and(out.finish())
}

fn simulate_to(args: &SimulateArgs, program: &str, out: &mut Output) -> Result<(), String> {
    if args.example {
        out.print(Scenario::example());
        return Ok(());
    }
    if args.list {
        return list(args, out);
    }
    if args.route.is_some() && args.config.is_none() && args.compare.is_none() {
        return Err("--route chooses a route of --config or --compare".into());
    }
    if let Some(recorded) = &args.replay {
        return event_log::replay(args, recorded, program, out);
    }
    if let Some(trace) = &args.trace {
        return replay::replay(args, trace, program, out);
    }
    let started = Instant::now();
    let cases = cases::cases(args)?;
    if args.twice {
        return twice(&cases, out);
    }
    let sections: &[&str] = match cases.iter().any(|case| case.players.len() > 1) {
        true => &["scenarios", "versus", "metrics", "regret"],
        false => &["scenarios"],
    };
    let destinations = Destinations::open(args, sections)?;
    let runs = run_all(args, &cases)?;
    let provenance = provenance(args, &runs, started, program);
    print(args, &provenance, &runs, out);
    destinations.write(&provenance, &runs)?;
    finish(args, &cases, &runs, program, out)
}

fn provenance(args: &SimulateArgs, runs: &[ScenarioRuns], started: Instant, program: &str) -> Provenance {
    let all = runs.iter().flat_map(|run| &run.players).flat_map(|(_, digests)| digests);
    Provenance {
        command: args.with_defaults().command(program),
        seeds: args.seeds(),
        requests: runs.iter().flat_map(ScenarioRuns::under_test).map(|digest| digest.requests).sum(),
        total_requests: all.map(|digest| digest.requests).sum(),
        virtual_secs: runs.iter().map(|run| run.length * run.under_test().len() as f64).sum(),
        wall_secs: started.elapsed().as_secs_f64(),
    }
}

/// Runs every case with each of its players and seeds.
fn run_all(args: &SimulateArgs, cases: &[Case]) -> Result<Vec<ScenarioRuns>, String> {
    let mut jobs = Vec::new();
    for (scenario, case) in cases.iter().enumerate() {
        for player in 0..case.players.len() {
            for (index, &seed) in case.seeds.iter().enumerate() {
                let detail = args.report.is_some() && player == 0 && index == 0;
                jobs.push(Job { scenario, player, seed, detail });
            }
        }
    }
    let weigh = |job: &Job| cases[job.scenario].scenario.requests();
    let digests = work::run_all(&jobs, args.threads, &weigh, |job| {
        let case = &cases[job.scenario];
        let options = RunOptions::default().with_detail(job.detail);
        let outcome = run(&case.scenario, &case.players[job.player], job.seed, &options)?;
        Ok(Digest::of(&case.scenario, job.seed, outcome))
    })?;
    let mut runs: Vec<ScenarioRuns> =
        cases.iter().map(|case| ScenarioRuns::new(&case.scenario, &case.players, case.tested)).collect();
    for (job, digest) in jobs.iter().zip(digests) {
        runs[job.scenario].players[job.player].1.push(digest);
    }
    Ok(runs)
}

fn print(args: &SimulateArgs, provenance: &Provenance, runs: &[ScenarioRuns], out: &mut Output) {
    if args.json {
        runs.iter().for_each(|run| out.line(&output::json(run)));
        return;
    }
    out.line(&output::table(runs));
    out.line(&verdict_text(runs));
    if args.versus {
        out.line(&format!("\nWhere the regret comes from:\n\n{}", regret_table(runs)));
    }
    let speed = provenance.total_requests as f64 / provenance.wall_secs.max(1e-9) * 60.0 / 1e6;
    out.line(&format!(
        "{} requests in {:.1} virtual days; {:.1} s for all policies, {speed:.1} million requests a minute",
        hotspare_sim::report::grouped(provenance.requests),
        provenance.virtual_secs / 86_400.0,
        provenance.wall_secs
    ));
}

/// Reports how many scenarios passed, and each failure.
fn finish(
    args: &SimulateArgs,
    cases: &[Case],
    runs: &[ScenarioRuns],
    program: &str,
    out: &mut Output,
) -> Result<(), String> {
    let passed = runs.iter().filter(|run| run.passed()).count();
    let failed = runs.iter().filter(|run| run.failed()).count();
    let rest = match runs.len() - passed - failed {
        0 => String::new(),
        some => format!(", {some} not fully judged"),
    };
    notes::note(&format!("{passed} passed, {failed} failed{rest}"));
    if args.shrink
        && let Some((case, _)) = cases.iter().zip(runs).find(|(_, run)| run.failed())
    {
        out.line(&shrink(args, case.seeds[0])?);
    }
    let failures = output::failures(cases, runs, args, program);
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

fn list(args: &SimulateArgs, out: &mut Output) -> Result<(), String> {
    for name in &args.scenario {
        out.line(Scenario::text(name).unwrap_or_default().trim_end());
    }
    if args.scenario.is_empty() {
        for name in Scenario::names() {
            out.line(&format!("{name:<24} {}", Scenario::find(name)?.what()));
        }
        let rivals: Vec<&str> = RivalKind::ALL.iter().map(|kind| kind.name()).collect();
        out.line(&format!("\nbaselines: {}", rivals.join(", ")));
    }
    Ok(())
}

fn twice(cases: &[Case], out: &mut Output) -> Result<(), String> {
    for Case { scenario, players, seeds, .. } in cases {
        for (player, &seed) in players.iter().flat_map(|player| seeds.iter().map(move |seed| (player, seed)))
        {
            let hash = || run(scenario, player, seed, &RunOptions::default()).map(|outcome| outcome.hash);
            let (first, again) = (hash()?, hash()?);
            let (name, player) = (scenario.name(), player.name());
            out.line(&format!("{name:<24} {player:<18} seed {seed}  {first:016x}"));
            if first != again {
                return Err(format!("{name}, {player}, seed {seed}: the second run gave {again:016x}"));
            }
        }
    }
    Ok(())
}

/// The smallest scenario that fails like the random one of this seed.
fn shrink(args: &SimulateArgs, seed: u64) -> Result<String, String> {
    let setups = cases::setups(args)?;
    let fails = |scenario: &Scenario| {
        let case = cases::case(args, &setups, scenario.clone(), Origin::Swarm, &mut BTreeSet::new());
        case.is_ok_and(|Case { scenario, players, tested, .. }| {
            players[..tested].iter().any(|player| {
                run(&scenario, player, seed, &RunOptions::default())
                    .is_ok_and(|outcome| !Digest::of(&scenario, seed, outcome).passed())
            })
        })
    };
    let small = Swarm::new(seed).shrink(fails);
    Ok(format!(
        "# The smallest scenario that still fails; run it with --file and --seed {seed}.\n{}",
        small.text()
    ))
}

#[cfg(test)]
mod tests;
