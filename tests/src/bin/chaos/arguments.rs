//! The arguments of the socket tier, and the command that repeats a run.
//!
//! Not the runs themselves. Invariant: an argument that is unknown, malformed or without effect is an error, so that no
//! run seems to cover what was not asked for; every command to repeat names the tier, because the default is another.

/// Printed by `--help`.
pub(crate) const HELP: &str = "\
cargo xtask chaos --tier socket [--scenario NAME] [--seed N] [--seeds N] [--json] [--junit FILE] [--report FILE]
cargo xtask chaos --tier socket --list [--scenario NAME]
cargo xtask chaos --tier both [--scenario NAME] [--rounds N] [--docs FILE]

  --scenario NAME   run only this scenario
  --seed N          seed of the random scenarios (default 1)
  --seeds N         run everything with this many seeds, from --seed on (default 1)
  --junit FILE      write the results to this file as JUnit XML
  --report FILE     write the results to this file as an HTML page
  --json            print one JSON object per scenario
  --list            list the scenarios and their marks
  --rounds N        with --tier both: runs per scenario (default 5)
  --docs FILE       with --tier both: update the generated table in this Markdown file
";

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Help,
    List { scenario: Option<String> },
    Outages(Outages),
    Pairs { scenario: Option<String>, rounds: u64, docs: Option<String> },
}

/// Runs of outages and scenes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outages {
    pub(crate) scenario: Option<String>,
    /// The first seed, and how many there are.
    pub(crate) seed: u64,
    pub(crate) seeds: u64,
    pub(crate) json: bool,
    pub(crate) junit: Option<String>,
    pub(crate) report: Option<String>,
}

/// The scenarios that exist.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) outages: Vec<&'static str>,
    pub(crate) pairs: Vec<&'static str>,
}

#[derive(Default)]
struct Given {
    help: bool,
    pairs: bool,
    list: bool,
    json: bool,
    scenario: Option<String>,
    seed: Option<u64>,
    seeds: Option<u64>,
    junit: Option<String>,
    report: Option<String>,
    rounds: Option<u64>,
    docs: Option<String>,
}

/// Parses the arguments. `--pairs` stands for `--tier both`.
///
/// # Errors
/// What is wrong, and what is possible instead.
pub(crate) fn parse(args: &[String], names: &Names) -> Result<Action, String> {
    let given = Given::read(args)?;
    if given.help {
        return Ok(Action::Help);
    }
    let (tier, known) = if given.pairs { ("both", &names.pairs) } else { ("socket", &names.outages) };
    if let Some(name) = given.scenario.as_deref().filter(|name| !known.contains(name)) {
        return Err(format!("--scenario {name}: --tier {tier} has only {}", known.join(", ")));
    }
    let without_effect = |flags: &[(&str, bool)], why: &str| match flags.iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(format!("{flag} has no effect {why}")),
        None => Ok(()),
    };
    let (seed, seeds) = (("--seed", given.seed.is_some()), ("--seeds", given.seeds.is_some()));
    let (json, junit) = (("--json", given.json), ("--junit", given.junit.is_some()));
    let report = ("--report", given.report.is_some());
    let (rounds, docs) = (("--rounds", given.rounds.is_some()), ("--docs", given.docs.is_some()));
    if given.pairs {
        without_effect(&[seed, seeds, json, junit, report, ("--list", given.list)], "with --tier both")?;
        return Ok(Action::Pairs {
            scenario: given.scenario,
            rounds: given.rounds.unwrap_or(5),
            docs: given.docs,
        });
    }
    without_effect(&[rounds, docs], "with --tier socket; it belongs to --tier both")?;
    if given.list {
        without_effect(&[seed, seeds, json, junit, report], "with --list, which runs nothing")?;
        return Ok(Action::List { scenario: given.scenario });
    }
    Ok(Action::Outages(Outages {
        scenario: given.scenario,
        seed: given.seed.unwrap_or(1),
        seeds: given.seeds.unwrap_or(1),
        json: given.json,
        junit: given.junit,
        report: given.report,
    }))
}

impl Given {
    fn read(args: &[String]) -> Result<Self, String> {
        let mut given = Self::default();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            match arg.as_str() {
                "--help" | "-h" => given.help = true,
                "--pairs" => given.pairs = true,
                "--list" => given.list = true,
                "--json" => given.json = true,
                "--scenario" => set(&mut given.scenario, arg, text(arg, rest.next())?)?,
                "--docs" => set(&mut given.docs, arg, text(arg, rest.next())?)?,
                "--seed" => set(&mut given.seed, arg, number(arg, rest.next(), 0)?)?,
                "--seeds" => set(&mut given.seeds, arg, number(arg, rest.next(), 1)?)?,
                "--junit" => set(&mut given.junit, arg, text(arg, rest.next())?)?,
                "--report" => set(&mut given.report, arg, text(arg, rest.next())?)?,
                "--rounds" => set(&mut given.rounds, arg, number(arg, rest.next(), 1)?)?,
                "--replay" => {
                    return Err("--replay repeats every event of a run, which only virtual time can do: leave --tier out; with sockets, \
                         --scenario NAME --seed N runs the same outage again"
                        .into());
                }
                other => return Err(format!("unknown argument `{other}`\n\n{HELP}")),
            }
        }
        Ok(given)
    }
}

fn set<T>(field: &mut Option<T>, flag: &str, value: T) -> Result<(), String> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{flag} is given twice")),
    }
}

fn text(flag: &str, value: Option<&String>) -> Result<String, String> {
    let value = value.filter(|value| !value.starts_with("--"));
    value.cloned().ok_or_else(|| format!("{flag} needs a value"))
}

fn number(flag: &str, value: Option<&String>, least: u64) -> Result<u64, String> {
    let value = text(flag, value)?;
    let number = value.parse().ok().filter(|number| *number >= least);
    number.ok_or_else(|| format!("{flag} {value}: it must be a whole number of at least {least}"))
}

/// The command that repeats an outage.
pub(crate) fn repeat_outage(name: &str, seed: u64) -> String {
    format!("cargo xtask chaos --tier socket --scenario {name} --seed {seed}")
}

/// The command that repeats everything that was asked for, without its outputs.
pub(crate) fn repeat_all(outages: &Outages) -> String {
    let scenario = outages.scenario.as_ref().map(|name| format!(" --scenario {name}")).unwrap_or_default();
    let seeds = if outages.seeds > 1 { format!(" --seeds {}", outages.seeds) } else { String::new() };
    format!("cargo xtask chaos --tier socket{scenario} --seed {}{seeds}", outages.seed)
}

/// The command that repeats a comparison of both tiers.
pub(crate) fn repeat_pairs(scenario: Option<&str>, rounds: u64) -> String {
    let scenario = scenario.map(|name| format!(" --scenario {name}")).unwrap_or_default();
    format!("cargo xtask chaos --tier both{scenario} --rounds {rounds}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Action, String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&args, &Names { outages: vec!["refused", "stall"], pairs: vec!["refused"] })
    }

    #[test]
    fn arguments_choose_scenario_seed_and_output() {
        let scenario = || Some("stall".to_owned());
        let one = || Outages { seed: 1, seeds: 1, ..Outages::default() };
        assert_eq!(parsed(""), Ok(Action::Outages(one())));
        assert_eq!(
            parsed("--scenario stall --seed 7 --json"),
            Ok(Action::Outages(Outages { scenario: scenario(), seed: 7, json: true, ..one() }))
        );
        assert_eq!(
            parsed("--seeds 3 --junit out.xml"),
            Ok(Action::Outages(Outages { seeds: 3, junit: Some("out.xml".into()), ..one() }))
        );
        assert_eq!(
            parsed("--report out.html"),
            Ok(Action::Outages(Outages { report: Some("out.html".into()), ..one() }))
        );
        assert_eq!(parsed("--list --scenario stall"), Ok(Action::List { scenario: scenario() }));
        let docs = Some("chaos.md".to_owned());
        assert_eq!(
            parsed("--pairs --rounds 3 --docs chaos.md"),
            Ok(Action::Pairs { scenario: None, rounds: 3, docs })
        );
        assert_eq!(parsed("--help"), Ok(Action::Help));
    }

    #[test]
    fn arguments_that_would_be_ignored_are_errors_that_say_why() {
        for (line, says) in [
            ("--scenaro refused", "unknown argument `--scenaro`"),
            ("refused", "unknown argument `refused`"),
            ("--seeds 0", "at least 1"),
            ("--junit", "--junit needs a value"),
            ("--pairs --junit file", "--junit has no effect with --tier both"),
            ("--list --seeds 2", "--seeds has no effect with --list"),
            ("--report", "--report needs a value"),
            ("--pairs --report file", "--report has no effect with --tier both"),
            ("--list --report file", "--report has no effect with --list"),
            ("--replay refused:1", "only virtual time can do"),
            ("--seed abc", "--seed abc: it must be a whole number"),
            ("--seed", "--seed needs a value"),
            ("--seed --json", "--seed needs a value"),
            ("--seed 1 --seed 2", "--seed is given twice"),
            ("--scenario x", "--scenario x: --tier socket has only refused, stall"),
            ("--pairs --scenario stall", "--scenario stall: --tier both has only refused"),
            ("--pairs --rounds 0", "at least 1"),
            ("--pairs --seed 2", "--seed has no effect with --tier both"),
            ("--rounds 3", "it belongs to --tier both"),
            ("--list --seed 2", "--seed has no effect with --list"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(says), "{line}: {error}");
        }
    }

    #[test]
    fn a_command_to_repeat_runs_the_same_tier_and_scenario() {
        let arguments = |command: String, tier: &str, flag: &str| {
            parsed(&command.replace(&format!("cargo xtask chaos --tier {tier}"), flag))
        };
        assert_eq!(
            arguments(repeat_outage("stall", 7), "socket", ""),
            Ok(Action::Outages(Outages {
                scenario: Some("stall".into()),
                seed: 7,
                seeds: 1,
                ..Outages::default()
            }))
        );
        let all = Outages { seed: 3, seeds: 2, ..Outages::default() };
        assert_eq!(arguments(repeat_all(&all), "socket", ""), Ok(Action::Outages(all)));
        assert_eq!(
            arguments(repeat_pairs(Some("refused"), 3), "both", "--pairs"),
            Ok(Action::Pairs { scenario: Some("refused".into()), rounds: 3, docs: None })
        );
    }
}
