//! Starting processes.

use std::path::PathBuf;
use std::process::Command;

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map_or_else(|| manifest.clone(), PathBuf::from)
}

/// Cargo, in the project's folder.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(args);
    command
}

/// Runs a command and says what failed.
pub(crate) fn run(mut command: Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}")) }
}

/// Runs a binary of the tests, optimized: it measures.
pub(crate) fn binary(name: &str, args: &[String]) -> Result<(), String> {
    let mut command = cargo(&["run", "--quiet", "--release", "-p", "hotspare-tests", "--bin", name, "--"]);
    command.args(args);
    run(command)
}

/// Runs a bench; what counts allocations is a program of its own.
pub(crate) fn bench(args: &[String]) -> Result<(), String> {
    binary("bench", args)?;
    if args == ["decode"] { binary("allocs", &[]) } else { Ok(()) }
}
