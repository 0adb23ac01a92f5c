//! `--replay`: repeats one recorded run and prints its event log.
//!
//! Not the replay of recorded availability or arrivals, which is `--trace`. Invariant: a run that is said to be the
//! recorded one has the same hash over all events.

use std::time::Instant;

use hotspare_sim::{Digest, RunOptions, ScenarioRuns, run_with_log};

use super::args::SimulateArgs;
use super::cases::{self, Case};
use super::destinations::Destinations;
use super::notes;
use super::recorded_run::{Origin, RecordedRun, SWARM};
use crate::output::Output;

/// Events are written in pieces of this size.
const PIECE_BYTES: usize = 1 << 16;

/// Repeats a run: prints its events, then its results.
pub(super) fn replay(
    args: &SimulateArgs,
    recorded: &RecordedRun,
    program: &str,
    out: &mut Output,
) -> Result<(), String> {
    if recorded.origin == Origin::Swarm && args.hours.is_some() {
        return Err(format!(
            "--hours has no effect with --replay {SWARM}: a random scenario has its own length"
        ));
    }
    let mut args = args.clone();
    (args.replay, args.seed) = (None, Some(recorded.seed));
    match &recorded.origin {
        Origin::Library => args.scenario.push(recorded.name.clone()),
        Origin::File(path) => args.file.push(path.clone()),
        Origin::Swarm => args.swarm = true,
    }
    let started = Instant::now();
    let cases = cases::cases(&args)?;
    let destinations = Destinations::open(&args, &[])?;
    let [Case { scenario, players, tested, .. }] = &cases[..] else {
        return Err("there is not exactly one scenario to replay".into());
    };
    let player = players.first().ok_or("there is no player to replay")?;
    let mut piece = String::new();
    let mut sink = |entry: &hotspare_sim::LogEntry| {
        piece.push_str(&entry.to_string());
        piece.push('\n');
        if piece.len() >= PIECE_BYTES {
            out.print(&piece);
            piece.clear();
        }
    };
    let options = RunOptions::default().with_detail(args.report.is_some());
    let outcome = run_with_log(scenario, player, recorded.seed, &options, &mut sink)?;
    piece.push('\n');
    out.print(&piece);
    let hash = outcome.hash;
    let mut runs = ScenarioRuns::new(scenario, players, *tested);
    runs.players[0].1.push(Digest::of(scenario, recorded.seed, outcome));
    let runs = [runs];
    let provenance = super::provenance(&args, &runs, started, program);
    super::print(&args, &provenance, &runs, out);
    destinations.write(&provenance, &runs)?;
    match recorded.hash {
        Some(expected) if expected != hash => Err(format!(
            "these are not the recorded events: their hash is {hash:016x}, recorded was {expected:016x}. Repeat with the version of the \
             program, the scenario and the other arguments (such as --hours and --config) of the recorded run"
        )),
        Some(_) => {
            notes::note(&format!("the events are those that were recorded (hash {hash:016x})"));
            super::finish(&args, &cases, &runs, program, out)
        }
        None => {
            notes::note(&format!("hash of all events: {hash:016x}"));
            super::finish(&args, &cases, &runs, program, out)
        }
    }
}
