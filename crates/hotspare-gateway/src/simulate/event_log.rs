//! `--replay`: repeats one recorded run and prints its event log.
//!
//! Not the replay of recorded availability or arrivals, which is `--trace`. Invariant: a run that is said to be the
//! recorded one has the same hash over all events.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use hotspare_sim::{Digest, RunOptions, Scenario, ScenarioRuns, run_with_log};

use super::args::{Origin, SimulateArgs};
use super::cases::{self, Case};
use super::destinations::Destinations;
use super::notes;
use crate::output::Output;

/// Name of a random scenario in a [`RecordedRun`].
const SWARM: &str = "swarm";
/// Events are written in pieces of this size.
const PIECE_BYTES: usize = 1 << 16;

/// A run to repeat: `SCENARIO:SEED`, or `SCENARIO:SEED:HASH` as a failure prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRun {
    origin: Origin,
    name: String,
    seed: u64,
    /// Hash over all events.
    hash: Option<u64>,
}

impl RecordedRun {
    pub(super) fn new(name: &str, origin: &Origin, seed: u64, hash: u64) -> Self {
        Self { origin: origin.clone(), name: name.to_owned(), seed, hash: Some(hash) }
    }
}

impl fmt::Display for RecordedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Library => write!(f, "{}", self.name)?,
            Origin::Swarm => f.write_str(SWARM)?,
            Origin::File(path) => {
                let is_taken = path.to_str().is_some_and(|path| path == SWARM || is_built_in(path));
                write!(f, "{}{}", if is_taken { "./" } else { "" }, path.display())?;
            }
        }
        write!(f, ":{}", self.seed)?;
        self.hash.map_or(Ok(()), |hash| write!(f, ":{hash:016x}"))
    }
}

impl FromStr for RecordedRun {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let with_hash = text.rsplit_once(':').and_then(|(rest, hash)| {
            let hash = (hash.len() == 16).then(|| u64::from_str_radix(hash, 16).ok())??;
            let (name, seed) = rest.rsplit_once(':')?;
            Some((name, seed.parse().ok()?, Some(hash)))
        });
        let plain = || {
            let (name, seed) = text.rsplit_once(':')?;
            Some((name, seed.parse().ok()?, None))
        };
        let (name, seed, hash): (&str, u64, _) = with_hash.or_else(plain).ok_or(
            "it is SCENARIO:SEED, such as silence:7, or the SCENARIO:SEED:HASH that a failure has printed",
        )?;
        let origin = match name {
            SWARM => Origin::Swarm,
            name if is_built_in(name) => Origin::Library,
            name if Path::new(name).is_file() => Origin::File(PathBuf::from(name)),
            name => {
                return Err(format!(
                    "`{name}` is neither a built-in scenario (--list shows them) nor a scenario file nor {SWARM}"
                ));
            }
        };
        Ok(Self { origin, name: name.to_owned(), seed, hash })
    }
}

fn is_built_in(name: &str) -> bool {
    Scenario::names().any(|built_in| built_in == name)
}

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
