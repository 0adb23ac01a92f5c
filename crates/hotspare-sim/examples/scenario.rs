//! Runs scenarios of the library by name, two seeds each, and fails if a mark is missed or an invariant breaks.
//!
//! `cargo run -p hotspare-sim --example scenario -- silence stall`
#![expect(clippy::print_stdout, reason = "examples print their results")]

use std::process::ExitCode;

use hotspare_sim::{Player, RunOptions, Scenario, Verdict, run};

fn main() -> Result<ExitCode, String> {
    let mut good = true;
    for name in std::env::args().skip(1) {
        let scenario = Scenario::find(&name)?;
        let player = Player::from(scenario.setup()?);
        for seed in 1..=2 {
            let outcome = run(&scenario, &player, seed, &RunOptions::default())?;
            for breach in &outcome.breaches {
                println!("{name}, seed {seed}, {:?}: {}", breach.at, breach.what);
            }
            let missed: Vec<_> = outcome
                .judge(&scenario)
                .into_iter()
                .filter(|judged| judged.verdict != Verdict::Reached)
                .collect();
            for judged in &missed {
                println!("{name}, seed {seed}: {} is {:?}", judged.mark, judged.value);
            }
            good &= outcome.breaches.is_empty() && missed.is_empty();
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
