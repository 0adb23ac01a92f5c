//! Prints a hash of all events of each run: six minutes of the named scenarios, by the route under test, its variants and
//! every rival. Equal on every machine and in every build profile; a second run must give it again.
//!
//! `cargo run --release -p hotspare-sim --example hashes -- silence stall`
#![expect(clippy::print_stdout, reason = "examples print their results")]

use std::time::Duration;

use hotspare_sim::{Player, RivalKind, RunOptions, Scenario, run};

fn main() -> Result<(), String> {
    for name in std::env::args().skip(1) {
        let mut scenario = Scenario::find(&name)?;
        scenario.set_length(Duration::from_secs(360));
        let routes = [scenario.setup()?, scenario.setup_unhedged()?, scenario.setup_defaults()?];
        for player in routes.map(Player::from).into_iter().chain(RivalKind::ALL.map(Player::from)) {
            let hash = || run(&scenario, &player, 1, &RunOptions::default()).map(|outcome| outcome.hash);
            let (first, again) = (hash()?, hash()?);
            if first != again {
                return Err(format!("{name}, {}: {first:016x}, then {again:016x}", player.name()));
            }
            println!("{name:<24} {:<20} {first:016x}", player.name());
        }
    }
    Ok(())
}
