//! What is run: scenarios, each with its seeds and its players.
//!
//! Invariant: names are unique within a run, because results are found by them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hotspare_sim::{Player, RivalKind, Scenario, Setup, Swarm, rival_or_strategy};

use super::args::SimulateArgs;
use super::recorded_run::Origin;
use super::{files, notes};

/// Names of the variants of a scenario's own route.
const VARIANTS: [&str; 2] = ["unhedged", "defaults"];

/// A scenario and the players that go through it.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) scenario: Scenario,
    pub(super) origin: Origin,
    pub(super) seeds: Vec<u64>,
    /// Those under test first.
    pub(super) players: Vec<Player>,
    /// Number of players under test.
    pub(super) tested: usize,
}

/// All cases that the arguments ask for.
pub(super) fn cases(args: &SimulateArgs) -> Result<Vec<Case>, String> {
    let setups = setups(args)?;
    let mut notes = BTreeSet::new();
    let cases = scenarios(args)?
        .into_iter()
        .map(|(scenario, origin)| case(args, &setups, scenario, origin, &mut notes))
        .collect::<Result<_, _>>()?;
    notes.iter().for_each(|note| notes::note(&format!("note: {note}")));
    Ok(cases)
}

/// The configurations under test.
pub(super) fn setups(args: &SimulateArgs) -> Result<Vec<Setup>, String> {
    let paths: Vec<PathBuf> = args.compare.clone().unwrap_or_else(|| args.config.iter().cloned().collect());
    if matches!(&paths[..], [a, b] if a == b) {
        return Err(format!("--compare: both files are {}", paths[0].display()));
    }
    let is_taken =
        |name: &str| name == "hotspare" || RivalKind::find(name).is_some() || VARIANTS.contains(&name);
    let names = unique_names(&paths, is_taken);
    let setup = |(path, name): (&PathBuf, String)| files::setup(path, name, args.route.as_deref());
    paths.iter().zip(names).map(setup).collect()
}

/// A case of one scenario. Adds to `notes` what the reader of the results should know.
pub(super) fn case(
    args: &SimulateArgs,
    setups: &[Setup],
    mut scenario: Scenario,
    origin: Origin,
    notes: &mut BTreeSet<String>,
) -> Result<Case, String> {
    let mut players: Vec<Player> = Vec::new();
    // The marks of a built-in scenario are for its own route, and its targets have no names to match.
    if !setups.is_empty() && origin == Origin::Library {
        scenario.clear_marks();
    }
    // Each meets the scenario as it is written, without the targets that another one adds.
    let written = scenario.target_count();
    for setup in setups {
        let assigned = scenario.assign(setup.clone(), matches!(origin, Origin::File(_)), written)?;
        if !assigned.notes.is_empty() {
            notes.insert(format!("{}: {}", setup.name, assigned.notes.join(", ")));
        }
        players.push(assigned.setup.into());
    }
    if players.is_empty() {
        players.push(match args.policy.as_deref() {
            None => scenario.setup()?.into(),
            Some(name) => match rival_or_strategy(name)? {
                Some(kind) => kind.into(),
                None => scenario.setup_with(name)?.into(),
            },
        });
    }
    let tested = players.len();
    if args.versus {
        let compared = [scenario.setup_unhedged()?, scenario.setup_defaults()?].map(Player::from);
        let all = compared.into_iter().chain(RivalKind::ALL.map(Player::from));
        // A rival under test is not run again.
        players.extend(all.filter(|player| player.name() != players[0].name()).collect::<Vec<_>>());
    }
    let seeds = match (args.seed, &origin) {
        (Some(seed), _) => vec![seed],
        (None, Origin::Swarm) => vec![seed_of(&scenario)],
        (None, _) => args.seeds_of(scenario.seeds(args.seeds())).collect(),
    };
    Ok(Case { scenario, origin, seeds, players, tested })
}

fn scenarios(args: &SimulateArgs) -> Result<Vec<(Scenario, Origin)>, String> {
    if args.swarm {
        let scenario = |seed| Ok((Swarm::new(seed).scenario()?, Origin::Swarm));
        return args.seeds_of(args.seeds()).map(scenario).collect();
    }
    if let Some(twice) = first_repeated(&args.scenario) {
        return Err(format!("--scenario {twice} is given twice"));
    }
    if let Some(twice) = first_repeated(&args.file) {
        return Err(format!("--file {} is given twice", twice.display()));
    }
    let mut scenarios = Vec::new();
    let names = unique_names(&args.file, |name| args.scenario.iter().any(|other| other == name));
    for (path, name) in args.file.iter().zip(names) {
        scenarios.push((files::scenario(path, &name)?, Origin::File(path.clone())));
    }
    for name in &args.scenario {
        scenarios.push((Scenario::find(name)?, Origin::Library));
    }
    let named = !scenarios.is_empty();
    if !named {
        let all = Scenario::names().map(|name| Ok((Scenario::find(name)?, Origin::Library)));
        scenarios = all.collect::<Result<_, String>>()?;
    }
    let most = args.length();
    for (scenario, _) in scenarios.iter_mut().filter(|(scenario, _)| named || !scenario.is_whole()) {
        scenario.set_length(scenario.length().min(most));
    }
    Ok(scenarios)
}

/// The seed in the name of a random scenario.
fn seed_of(scenario: &Scenario) -> u64 {
    scenario.name().rsplit('-').next().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

fn first_repeated<T: PartialEq>(values: &[T]) -> Option<&T> {
    values.iter().enumerate().find(|(at, value)| values[..*at].contains(value)).map(|(_, value)| value)
}

/// A name for each file: its stem or, if that is taken or shared, its path as given.
fn unique_names(paths: &[PathBuf], is_taken: impl Fn(&str) -> bool) -> Vec<String> {
    let stem =
        |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut names: Vec<String> = Vec::new();
    for path in paths {
        let mut name = stem(path);
        let shared = paths.iter().filter(|other| stem(other) == name).count() > 1;
        if shared || is_taken(&name) {
            name = path.to_string_lossy().into_owned();
        }
        while is_taken(&name) || names.contains(&name) {
            name.insert_str(0, "./");
        }
        names.push(name);
    }
    names
}
