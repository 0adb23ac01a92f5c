//! Starting processes.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The workspace root.
pub(crate) fn root() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map_or_else(|| manifest.clone(), PathBuf::from)
}

/// A cargo command in the workspace root.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(args);
    command
}

/// Runs a command; an error names it.
pub(crate) fn run(mut command: Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}")) }
}

/// Runs a binary of the tests crate, optimized because it measures.
pub(crate) fn binary(name: &str, args: &[String]) -> Result<(), String> {
    binary_with(&[], name, args)
}

/// As [`binary`], built with these features.
fn binary_with(features: &[&str], name: &str, args: &[String]) -> Result<(), String> {
    let mut command = cargo(&["run", "--quiet", "--release", "-p", "hotspare-tests", "--bin", name]);
    command.args(features.iter().flat_map(|feature| ["--features", feature])).arg("--").args(args);
    run(command)
}

/// Runs a bench; allocations are counted by a separate program, and exact token counts need a feature.
pub(crate) fn bench(args: &[String]) -> Result<(), String> {
    let features: &[&str] = if args == ["parity"] { &["tiktoken"] } else { &[] };
    binary_with(features, "bench", args)?;
    if args == ["decode"] { binary("allocs", &[]) } else { Ok(()) }
}

const CHAOS_HELP: &str = "\
cargo xtask chaos [--tier TIER] [ARGS]
cargo xtask chaos --write-docs [ARGS]

  --tier sim      in virtual time (default); ARGS are those of `hotspare simulate`, below
  --tier socket   through real sockets against the shipped client; --tier socket --help lists ARGS
  --tier both     the same outages in virtual time and through sockets, side by side
  --write-docs    rewrite every table of docs/chaos.md; ARGS go to the run of all scenarios
";

/// `hotspare simulate`, which prints `cargo xtask chaos` in the line that repeats a failure: who builds from source has
/// no `hotspare` on the path.
fn simulate(args: &[String]) -> Command {
    let mut command = cargo(&["run", "--quiet", "--release", "--", "simulate"]);
    command.args(args).env("HOTSPARE_CALLED_AS", "cargo xtask chaos");
    command
}

/// Fault-injection runs: in virtual time by default, or through sockets.
pub(crate) fn chaos(args: &[String]) -> Result<(), String> {
    if matches!(args, [flag] if flag == "--help" || flag == "-h") {
        println!("{CHAOS_HELP}");
        return run(simulate(args));
    }
    let mut rest = args.to_vec();
    if let Some(at) = rest.iter().position(|arg| arg == "--write-docs") {
        rest.remove(at);
        return write_docs(&rest);
    }
    let tier = match rest.iter().position(|arg| arg == "--tier") {
        Some(at) if at + 1 < rest.len() => {
            rest.remove(at);
            rest.remove(at)
        }
        Some(_) => return Err("--tier is sim, socket or both".into()),
        None => "sim".into(),
    };
    match tier.as_str() {
        "sim" => run(simulate(&rest)),
        "socket" => binary("chaos", &rest),
        "both" => {
            rest.insert(0, "--pairs".into());
            binary("chaos", &rest)
        }
        other => Err(format!("unknown tier `{other}`; valid values are sim, socket and both")),
    }
}

/// Scenarios that cover most of the engine: refusals and queues, hedges and continued answers, unstreamed calls, and
/// everything breaking in turn.
const HASHED_SCENARIOS: [&str; 4] = ["one-left-and-small", "stall", "unstreamed-stall", "swizzle"];

/// Runs six minutes of a few scenarios with and without optimization: the hashes of all events must be equal.
pub(crate) fn same_in_both_builds() -> Result<(), String> {
    let hashes = |profile: &str| {
        let args =
            ["run", "--quiet", "--profile", profile, "-p", "hotspare-sim", "--example", "hashes", "--"];
        let mut command = cargo(&[&args[..], &HASHED_SCENARIOS].concat());
        let output =
            command.stderr(Stdio::inherit()).output().map_err(|error| format!("{command:?}: {error}"))?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(format!("{command:?} ended with {}", output.status)),
        }
    };
    let (debug, release) = (hashes("dev")?, hashes("release")?);
    let differs = debug.lines().zip(release.lines()).find(|(debug, release)| debug != release);
    match differs {
        Some((debug, release)) => Err(format!("builds differ:\n  dev:     {debug}\n  release: {release}")),
        None if debug.lines().count() != release.lines().count() => Err("builds differ in their runs".into()),
        None => {
            println!("{} runs give the same hash in both builds", debug.lines().count());
            Ok(())
        }
    }
}

/// Runs 200,000 and two million simulated requests in one process, which may take no more memory for the latter. Linux
/// only.
pub(crate) fn same_memory() -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        println!("memory is measured on Linux only");
        return Ok(());
    }
    let example =
        ["run", "--quiet", "--release", "-p", "hotspare-sim", "--example", "memory", "--", "2000000"];
    run(cargo(&example))
}

/// Rewrites every table in docs/chaos.md; `rest` applies to the run of all scenarios. A missed mark is reported at the
/// end and does not stop the other runs.
fn write_docs(rest: &[String]) -> Result<(), String> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let docs = words("--docs docs/chaos.md");
    let mut missed = Vec::new();
    for run in [
        [&words("--versus"), rest, &docs].concat(),
        [&words("--trace openrouter --rate 0.05 --seeds 1 --hours 300 --versus"), &docs[..]].concat(),
        [&words("--trace azure"), &docs[..]].concat(),
        [&words("--trace mooncake"), &docs[..]].concat(),
        [&words("--tier both"), &docs[..]].concat(),
    ] {
        missed.extend(chaos(&run).err());
    }
    if missed.is_empty() { Ok(()) } else { Err(missed.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simulator_is_told_which_command_was_typed() {
        let command = simulate(&["--seed".into(), "7".into()]);
        let called_as = command.get_envs().find(|(name, _)| *name == "HOTSPARE_CALLED_AS");
        assert_eq!(called_as.and_then(|(_, value)| value), Some("cargo xtask chaos".as_ref()));
    }
}
