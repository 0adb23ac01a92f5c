//! `cargo xtask mutants`: breaks the code on purpose and expects tests to fail.
//!
//! Works on a copy. Most mutations must fail a test of their own crate, others a scenario of the simulator. Invariant:
//! a mutation whose text is no longer in the code is an error, which `tidy` reports, so that the list stays current.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::run::root;

mod simulated;
mod tested;

use simulated::SIMULATED;
use tested::mutants;

/// The names of all mutations.
pub(crate) fn names() -> BTreeSet<&'static str> {
    mutants().map(|mutant| mutant.name).chain(SIMULATED.iter().map(|mutant| mutant.name)).collect()
}

/// Applies each mutation to a copy and runs its package's tests or its scenario, which must fail. `only` selects
/// mutations by name or package; those of the simulator belong to the package `simulated`.
pub(crate) fn run(only: &[String]) -> Result<(), String> {
    let copy = root().join("target/mutants/tree");
    let mut survivors = Vec::new();
    let chosen = |name: &str, package: &str| {
        only.is_empty() || only.iter().any(|word| name.contains(word) || package.contains(word))
    };
    let mut told = |name: &'static str, survived: bool| {
        println!("{name:<48} {}", if survived { "SURVIVED" } else { "caught" });
        survivors.extend(survived.then_some(name));
    };
    refresh(&copy)?;
    for mutant in mutants().filter(|mutant| chosen(mutant.name, mutant.package)) {
        let whole = mutate(&copy, mutant.name, mutant.file, (mutant.from, mutant.to))?;
        // A mutation that does not compile would look caught without any test.
        if !cargo_passes(&copy, mutant.package, &["--no-run"])? {
            return Err(format!("`{}` does not compile", mutant.name));
        }
        // Most are caught by an example; explorations take minutes, so they run last.
        let survived = cargo_passes(&copy, mutant.package, &["--", "--skip", "explore"])?
            && cargo_passes(&copy, mutant.package, &["explore"])?;
        write(&copy, mutant.file, &whole)?;
        told(mutant.name, survived);
    }
    let simulated: Vec<_> = SIMULATED.iter().filter(|mutant| chosen(mutant.name, "simulated")).collect();
    if !simulated.is_empty() {
        let scenarios: BTreeSet<&str> = simulated.iter().map(|mutant| mutant.scenario).collect();
        if !scenarios_pass(&copy, &scenarios.into_iter().collect::<Vec<_>>())? {
            return Err("a scenario fails without any mutation, so it would catch everything".into());
        }
    }
    for mutant in simulated {
        let whole = mutate(&copy, mutant.name, mutant.file, (mutant.from, mutant.to))?;
        if !cargo(&copy, &["build", "--quiet", "-p", "hotspare-sim", "--example", "scenario"])? {
            return Err(format!("`{}` does not compile", mutant.name));
        }
        let survived = scenarios_pass(&copy, &[mutant.scenario])?;
        write(&copy, mutant.file, &whole)?;
        told(mutant.name, survived);
    }
    if survivors.is_empty() { Ok(()) } else { Err(format!("survived: {}", survivors.join(", "))) }
}

/// Mutations that no longer apply to the code.
pub(crate) fn stale(root: &Path) -> Vec<String> {
    let tested = mutants().map(|mutant| (mutant.name, mutant.file, mutant.from));
    let simulated = SIMULATED.iter().map(|mutant| (mutant.name, mutant.file, mutant.from));
    let check = |(name, file, from)| mutated(root, name, file, (from, "")).err();
    tested.chain(simulated).filter_map(check).collect()
}

/// A file before and after a mutation.
fn mutated(
    root: &Path,
    name: &str,
    file: &str,
    (from, to): (&str, &str),
) -> Result<(String, String), String> {
    let whole = std::fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"))?;
    if whole.matches(from).count() != 1 {
        return Err(format!("{file}: the text that the mutant `{name}` replaces must occur exactly once"));
    }
    let broken = whole.replacen(from, to, 1);
    Ok((whole, broken))
}

/// Replaces one text in the copy and returns the original file. Restoring that file keeps everything else built.
fn mutate(copy: &Path, name: &str, file: &str, change: (&str, &str)) -> Result<String, String> {
    let (whole, broken) = mutated(copy, name, file, change)?;
    write(copy, file, &broken)?;
    Ok(whole)
}

fn write(copy: &Path, file: &str, text: &str) -> Result<(), String> {
    std::fs::write(copy.join(file), text).map_err(|error| format!("{file}: {error}"))
}

/// Whether the tests of a package pass in the copy.
fn cargo_passes(copy: &Path, package: &str, rest: &[&str]) -> Result<bool, String> {
    cargo(copy, &[&["test", "--quiet", "-p", package, "--lib"], rest].concat())
}

/// Whether these scenarios reach their marks in the copy.
fn scenarios_pass(copy: &Path, names: &[&str]) -> Result<bool, String> {
    cargo(copy, &[&["run", "--quiet", "-p", "hotspare-sim", "--example", "scenario", "--"], names].concat())
}

fn cargo(copy: &Path, args: &[&str]) -> Result<bool, String> {
    let status = Command::new("cargo")
        .current_dir(copy)
        .args(args)
        .env("CARGO_TARGET_DIR", root().join("target/mutants/target"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| error.to_string())?;
    Ok(status.success())
}

fn refresh(copy: &Path) -> Result<(), String> {
    let script =
        format!("mkdir -p '{0}' && git ls-files -z | xargs -0 cp --parents -t '{0}'", copy.display());
    let status = Command::new("sh").current_dir(root()).args(["-c", &script]).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => Err("the working tree could not be copied".into()),
    }
}
