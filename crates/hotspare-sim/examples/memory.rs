//! Shows that a run of ten million requests takes no more memory than one of a million. Linux only.
//!
//! `cargo run --release -p hotspare-sim --example memory`
#![expect(clippy::print_stdout, reason = "examples print their results")]

use hotspare_sim::{Measure, Player, RunOptions, Scenario, run};

fn main() -> Result<(), String> {
    for millions in [1, 10] {
        // Twenty requests per second; the first target fails for ten seconds of every minute.
        let secs = millions * 50_000;
        let text = format!(
            "what = \"memory\"\nlength = \"{secs}s\"\nwindow = [\"0s\", \"{secs}s\"]\nroute = {{ hedge = \"p95\", adaptive = 3.0 }}\n\
             faults = [{{ on = [\"a\"], effect = \"status:503\", flap = {{ on = \"10s\", off = \"50s\" }} }}]"
        );
        let scenario = Scenario::parse("memory", &text)?;
        let outcome = run(&scenario, &Player::from(scenario.setup()?), 1, &RunOptions::default())?;
        println!(
            "{:>9} requests, {} events, {:.0} openings, {} broken invariants, peak memory {}",
            outcome.requests,
            outcome.events,
            outcome.whole(Measure::Opens).unwrap_or_default(),
            outcome.breaches.len(),
            peak().unwrap_or_else(|| "unknown".into())
        );
    }
    Ok(())
}

/// The process's largest resident size so far.
fn peak() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_owned())
}
