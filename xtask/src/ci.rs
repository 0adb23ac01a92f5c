//! `cargo xtask ci`: what CI runs, in order.

use std::time::Instant;

use crate::run::{binary, cargo, chaos, root, run, same_in_both_builds, same_memory};
use crate::{new_provider, test, tidy};

type Step = (&'static str, fn() -> Result<(), String>);

const STEPS: [Step; 17] = [
    ("fmt", || run(cargo(&["fmt", "--all", "--check"]))),
    ("tidy", tidy::run),
    ("clippy", || {
        run(cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]))
    }),
    ("docs", docs),
    ("rehearsal", new_provider::check),
    ("test", || test::test(&[])),
    ("examples", examples),
    ("custom", custom),
    // Code that only this feature compiles, compared with the library that it must agree with.
    ("exact", || {
        run(cargo(&[
            "test",
            "--quiet",
            "-p",
            "hotspare-tests",
            "--features",
            "tiktoken",
            "--test",
            "corpus",
            "tokens",
        ]))
    }),
    ("alone", alone),
    ("demo", || run(cargo(&["run", "--release", "--", "demo"]))),
    ("generated", || binary("docs", &["--check".into()])),
    ("sim", || chaos(&[]).and_then(|()| same_memory())),
    ("builds", same_in_both_builds),
    ("swarm", || chaos(&["--swarm".into(), "--seeds".into(), "50".into()])),
    ("chaos", || binary("chaos", &["--seed".into(), "1".into()])),
    // Half a minute for each decoder, classifier, framer and reader of requests: about 12 minutes on two cores.
    ("fuzz", || test::fuzz(&[])),
];

/// Runs every step, or one.
pub(crate) fn ci(args: &[String]) -> Result<(), String> {
    let only = match args {
        [] => None,
        [flag, step] if flag == "--only" => Some(step.as_str()),
        _ => return Err("usage: cargo xtask ci [--only STEP]".into()),
    };
    if let Some(only) = only
        && !STEPS.iter().any(|(name, _)| *name == only)
    {
        let names: Vec<&str> = STEPS.iter().map(|(name, _)| *name).collect();
        return Err(format!("no step `{only}`; steps are {}", names.join(", ")));
    }
    let mut table = Vec::new();
    for (name, step) in STEPS.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        println!("==> {name}");
        let begun = Instant::now();
        let result = step();
        table.push(format!(
            "{name:<10} {:>7.1} s  {}",
            begun.elapsed().as_secs_f64(),
            if result.is_ok() { "ok" } else { "FAILED" }
        ));
        if let Err(error) = result {
            println!("{}", table.join("\n"));
            return Err(format!("{name}: {error}"));
        }
    }
    println!("{}", table.join("\n"));
    Ok(())
}

fn docs() -> Result<(), String> {
    let mut command = cargo(&["doc", "--workspace", "--no-deps", "--all-features", "--quiet"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    run(command)
}

/// Checks each crate by itself, without default features and with each feature alone: feature unification hides missing
/// ones. A feature whose name starts with `_` is internal and checked with those that enable it.
fn alone() -> Result<(), String> {
    let metadata = tidy::metadata()?;
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        if !name.starts_with("hotspare") || name == "hotspare-tests" {
            continue;
        }
        let features =
            package["features"].as_object().into_iter().flatten().map(|(feature, _)| feature.as_str());
        for feature in
            std::iter::once("").chain(features.filter(|name| *name != "default" && !name.starts_with('_')))
        {
            println!("    {name} {feature}");
            let flags = ["--no-default-features", "--features", feature, "--", "-D", "warnings"];
            run(cargo(&[&["clippy", "--quiet", "-p", name], &flags[..]].concat()))?;
        }
    }
    Ok(())
}

/// Checks and tests the crates outside the workspace, with the workspace's lock file and target directory.
fn custom() -> Result<(), String> {
    let root = root();
    let target = root.join("target").to_string_lossy().into_owned();
    for name in ["custom-provider", "async-openai"] {
        println!("    {name}");
        let own = root.join("docs").join(name);
        std::fs::copy(root.join("Cargo.lock"), own.join("Cargo.lock")).map_err(|error| error.to_string())?;
        for arguments in [&["fmt", "--check"][..], &["test", "--quiet", "--target-dir", &target]] {
            let mut command = cargo(arguments);
            command.current_dir(&own);
            run(command)?;
        }
    }
    Ok(())
}

/// Runs every example without a key.
fn examples() -> Result<(), String> {
    let mut names: Vec<String> = std::fs::read_dir(root().join("tests/examples"))
        .map_err(|error| error.to_string())?
        .flatten()
        .filter_map(|entry| entry.path().file_stem().map(|stem| stem.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    for name in names {
        println!("    {name}");
        run(cargo(&["run", "--quiet", "-p", "hotspare-tests", "--example", &name]))?;
    }
    Ok(())
}
