//! Checks that a run of many requests takes no more memory than one of a tenth. Linux only.
//!
//! `cargo run --release -p hotspare-sim --example memory [REQUESTS]`. Without a number: a million and ten million.
#![expect(clippy::print_stdout, reason = "examples print their results")]

use hotspare_sim::{Measure, Player, RunOptions, Scenario, run};

/// Requests per second.
const RATE: u64 = 20;
/// The most that the larger run may add, in per cent: a byte kept per request would add a quarter or more at the size that CI runs.
const MOST_PERCENT: u64 = 10;

fn main() -> Result<(), String> {
    let least = 10 * RATE * 60;
    let requests = match std::env::args().nth(1) {
        None => 10_000_000,
        Some(text) => text.parse().ok().filter(|number| *number >= least).ok_or_else(|| {
            format!("{text}: the requests of the larger run must be a whole number of at least {least}")
        })?,
    };
    let (small, large) = (peak_after(requests / 10)?, peak_after(requests)?);
    let more = (large - small) * 100 / small;
    if more > MOST_PERCENT {
        return Err(format!(
            "memory grows with the number of requests: {small} kB at most in a run of {}, {large} kB in one of {requests}, which is {more} % \
             more and not {MOST_PERCENT} % at most",
            requests / 10
        ));
    }
    println!("ten times the requests take {more} % more memory; {MOST_PERCENT} % is allowed");
    Ok(())
}

/// Runs about this many requests; returns the process's largest resident size so far, in kB.
fn peak_after(requests: u64) -> Result<u64, String> {
    // The first target fails for ten seconds of every minute.
    let secs = requests / RATE;
    let text = format!(
        "what = \"memory\"\nlength = \"{secs}s\"\nwindow = [\"0s\", \"{secs}s\"]\nload = {{ rate = {RATE}.0 }}\n\
         route = {{ hedge = \"p95\", adaptive = 3.0 }}\n\
         faults = [{{ on = [\"a\"], effect = \"status:503\", flap = {{ on = \"10s\", off = \"50s\" }} }}]"
    );
    let scenario = Scenario::parse("memory", &text)?;
    let outcome = run(&scenario, &Player::from(scenario.setup()?), 1, &RunOptions::default())?;
    let peak = peak()?;
    println!(
        "{:>9} requests, {} events, {:.0} openings, {} broken invariants, peak memory {peak} kB",
        outcome.requests,
        outcome.events,
        outcome.whole(Measure::Opens).unwrap_or_default(),
        outcome.breaches.len(),
    );
    match outcome.breaches.first() {
        None => Ok(peak),
        Some(breach) => Err(format!("an invariant was broken: {}", breach.what)),
    }
}

/// The process's largest resident size so far, in kB.
fn peak() -> Result<u64, String> {
    let status = std::fs::read_to_string("/proc/self/status")
        .map_err(|error| format!("/proc/self/status: {error}; this runs on Linux only"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    number.ok_or_else(|| "/proc/self/status has no line VmHWM: in kB".to_owned())
}
