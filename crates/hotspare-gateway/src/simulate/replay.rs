//! Replays recorded availability and recorded arrivals.
//!
//! Not what is printed of either: see its modules. Invariant: every player gets the same record with the same random
//! draws.

mod arrivals;
mod availability;
mod transcript;

use std::path::Path;

use super::SimulateArgs;
use super::files;
use crate::output::Output;

/// Replays a folder.
pub(super) fn replay(
    args: &SimulateArgs,
    named: &Path,
    program: &str,
    out: &mut Output,
) -> Result<(), String> {
    let folder = files::recording_folder(named)?;
    if folder.join("endpoints.csv").is_file() {
        availability::replay(&args.with_defaults(), &folder, program, out)
    } else {
        arrivals::replay(args, &folder, program, out)
    }
}

/// The error for a folder in which nothing was found to replay.
fn nothing_in(folder: &Path) -> String {
    format!(
        "{}: there is no recording in it; recorded availability is endpoints.csv with *min_polls.csv and *min_uptime.csv, recorded \
         arrivals are CSV files whose first column is t_s or t_ms",
        folder.display()
    )
}

/// The outcome of a replay with these failures, if any.
fn verdict(failures: &[String], args: &SimulateArgs, program: &str) -> Result<(), String> {
    if failures.is_empty() {
        return Ok(());
    }
    Err(format!("{}\n  repeat: {}", failures.join("\n"), args.command(program)))
}
