//! The arguments of `hotspare simulate`, and the command that repeats a run.
//!
//! Invariant: an argument that would have no effect is an error, and every argument that affects results is part of the
//! command that repeats them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use hotspare_sim::Scenario;

use super::recorded_run::{Origin, RecordedRun};

/// Arguments of `hotspare simulate`.
#[derive(Clone, Debug, Args)]
pub struct SimulateArgs {
    /// Run only this scenario; repeatable. --list shows them.
    #[arg(long, value_parser = PossibleValuesParser::new(Scenario::names()), hide_possible_values = true)]
    pub scenario: Vec<String>,
    /// Run a scenario file of your own; repeatable. --example prints one to start from.
    #[arg(long)]
    pub file: Vec<PathBuf>,
    /// Run only this seed.
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    pub seed: Option<u64>,
    /// Number of seeds [default: 10].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub seeds: Option<u32>,
    /// First seed; use 1001 or higher for seeds not used to tune defaults [default: 1].
    #[arg(long)]
    pub from: Option<u64>,
    /// Maximum virtual hours per scenario; ignored by scenarios that need their full length, unless they are named with
    /// --scenario or --file [default: 2].
    #[arg(long, value_parser = hours)]
    pub hours: Option<f64>,
    /// Simulate this configuration. In a scenario of your own (--file), its targets stand for the targets of the same
    /// names; other targets, and all targets in built-in scenarios, take the scenario's places in order. The marks of
    /// built-in scenarios then do not apply.
    #[arg(long, conflicts_with_all = ["policy", "compare"])]
    pub config: Option<PathBuf>,
    /// Compare two configurations on the same seeds.
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with = "policy")]
    pub compare: Option<Vec<PathBuf>>,
    /// Route of the configuration [default: the first].
    #[arg(long)]
    pub route: Option<String>,
    /// Strategy such as health-aware, or a baseline such as simple-breaker [default: each scenario's own route].
    #[arg(long)]
    pub policy: Option<String>,
    /// Also run common failover strategies and an oracle on the same seeds.
    #[arg(long)]
    pub versus: bool,
    /// Replay recorded availability or arrivals from this directory, or from one of this name under `HOTSPARE_TRACES`.
    #[arg(long, conflicts_with_all = ["scenario", "file", "config", "compare", "swarm", "twice", "json", "junit", "report"])]
    pub trace: Option<PathBuf>,
    /// Requests per second and model in a replay of recorded availability [default: 0.2].
    #[arg(long, requires = "trace", value_parser = rate, conflicts_with_all = ["scenario", "file", "swarm"])]
    pub rate: Option<f64>,
    /// Repeat one run and print its event log, then its results: SCENARIO:SEED, or the SCENARIO:SEED:HASH of a failure.
    /// SCENARIO is a built-in name, a scenario file, or swarm. With a hash, other events than the recorded ones are an
    /// error.
    #[arg(long, value_name = "SCENARIO:SEED", conflicts_with_all = [
        "scenario", "file", "seed", "seeds", "from", "compare", "versus", "trace", "rate", "swarm", "shrink", "twice", "json",
        "junit", "docs", "threads",
    ])]
    pub replay: Option<RecordedRun>,
    /// Run random scenarios, one per seed.
    #[arg(long, conflicts_with_all = ["scenario", "file", "hours"])]
    pub swarm: bool,
    /// Minimize the first failing random scenario and print it.
    #[arg(long, requires = "swarm", conflicts_with_all = ["scenario", "file", "trace"])]
    pub shrink: bool,
    /// Run everything twice and compare hashes of all events.
    #[arg(long, conflicts_with_all = ["json", "junit", "report", "docs", "shrink", "threads"])]
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
    /// Update the generated tables in this Markdown file. For `cargo xtask chaos --write-docs`.
    #[arg(long, hide = true)]
    pub docs: Option<PathBuf>,
    /// List the scenarios; with --scenario, print its text, to edit and pass to --file.
    #[arg(long, conflicts_with_all = [
        "file", "seed", "seeds", "from", "hours", "config", "compare", "route", "policy", "versus", "trace", "rate", "replay",
        "swarm", "shrink", "twice", "json", "junit", "report", "docs", "threads",
    ])]
    pub list: bool,
    /// Print a commented scenario with every setting, to edit and pass to --file.
    #[arg(long, exclusive = true)]
    pub example: bool,
    /// Number of threads [default: one per core].
    #[arg(long)]
    pub threads: Option<usize>,
}

/// Parses a number of hours within the supported range.
fn hours(text: &str) -> Result<f64, String> {
    within(text, 1e6, "a million")
}

/// Parses a rate per second within the supported range.
fn rate(text: &str) -> Result<f64, String> {
    within(text, 1e5, "100000")
}

fn within(text: &str, most: f64, shown: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().map_err(|error| error.to_string())?;
    if number > 0.0 && number <= most {
        Ok(number)
    } else {
        Err(format!("it must be more than 0 and at most {shown}"))
    }
}

impl SimulateArgs {
    pub(super) fn seeds(&self) -> u32 {
        self.seed.map_or(self.seeds.unwrap_or(10), |_| 1)
    }

    pub(super) fn hours(&self) -> f64 {
        self.hours.unwrap_or(2.0)
    }

    /// The maximum length of a run.
    pub(super) fn length(&self) -> Duration {
        Duration::from_secs_f64(self.hours() * 3_600.0)
    }

    pub(super) fn rate(&self) -> f64 {
        self.rate.unwrap_or(0.2)
    }

    /// The range of `count` seeds, or the single seed that was given.
    pub(super) fn seeds_of(&self, count: u32) -> std::ops::Range<u64> {
        let from = self.seed.or(self.from).unwrap_or(1);
        from..from.saturating_add(self.seed.map_or(count.into(), |_| 1))
    }

    /// The same with the defaults of numbers written out, so that a command still means the same when a default changes.
    pub(super) fn with_defaults(&self) -> Self {
        let mut args = self.clone();
        args.seeds = self.seed.is_none().then(|| self.seeds());
        args.hours = (!self.swarm).then(|| self.hours());
        args.rate = self.trace.is_some().then(|| self.rate());
        args
    }

    /// The same for one run of one scenario, without the policies it is compared with. `length` is the run's.
    pub(super) fn for_run(&self, name: &str, origin: &Origin, seed: u64, length: Duration) -> Self {
        let mut args = self.clone();
        (args.seed, args.seeds, args.from) = (Some(seed), None, None);
        (args.scenario, args.file, args.versus) = (Vec::new(), Vec::new(), false);
        // A scenario that was run whole is shortened once it is named.
        args.hours = Some(self.hours().max(length.as_secs_f64() / 3_600.0));
        match origin {
            Origin::Library => args.scenario.push(name.to_owned()),
            Origin::File(path) => args.file.push(path.clone()),
            Origin::Swarm => (args.shrink, args.hours) = (true, None),
        }
        args
    }

    /// The same as the repetition of a run with its event log. `player` is its index among those under test.
    pub(super) fn for_replay(&self, run: RecordedRun, player: usize, length: Duration) -> Self {
        let mut args = self.for_run("", &Origin::Library, 0, length);
        (args.scenario, args.seed) = (Vec::new(), None);
        if std::mem::take(&mut args.swarm) {
            (args.shrink, args.hours) = (false, None);
        }
        if let Some(files) = args.compare.take() {
            args.config = files.get(player).cloned();
        }
        args.replay = Some(run);
        args
    }

    /// The command with these arguments, except for those that only choose where output goes.
    pub(super) fn command(&self, program: &str) -> String {
        let mut words = vec![program.to_owned()];
        let mut add = |name: &str, value: String| words.push(format!("--{name} {value}"));
        if let Some(run) = &self.replay {
            add("replay", quoted(&run.to_string()));
        }
        if let Some(path) = &self.trace {
            add("trace", quoted(&path.to_string_lossy()));
        }
        if let Some(rate) = self.rate {
            add("rate", rate.to_string());
        }
        for (name, on) in [("swarm", self.swarm), ("shrink", self.shrink), ("versus", self.versus)] {
            if on {
                words.push(format!("--{name}"));
            }
        }
        let path = |path: &Path| quoted(&path.to_string_lossy());
        let mut add = |name: &str, value: String| words.push(format!("--{name} {value}"));
        for name in &self.scenario {
            add("scenario", quoted(name));
        }
        for file in &self.file {
            add("file", path(file));
        }
        if let Some(file) = &self.config {
            add("config", path(file));
        }
        if let Some(files) = &self.compare {
            add("compare", files.iter().map(|file| path(file)).collect::<Vec<_>>().join(" "));
        }
        for (name, text) in [("route", &self.route), ("policy", &self.policy)] {
            if let Some(text) = text {
                add(name, quoted(text));
            }
        }
        if let Some(seed) = self.seed {
            add("seed", seed.to_string());
        }
        if let Some(seeds) = self.seeds {
            add("seeds", seeds.to_string());
        }
        if let Some(from) = self.from.filter(|from| *from != 1) {
            add("from", from.to_string());
        }
        if let Some(hours) = self.hours {
            add("hours", hours.to_string());
        }
        words.join(" ")
    }
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
