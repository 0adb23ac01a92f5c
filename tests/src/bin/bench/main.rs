//! `cargo xtask bench`: what Hotspare costs, as ratios within one run.
//!
//! One bench per file. Absolute times depend on the machine; look at the ratios.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "benchmarks panic on failure"
)]

mod child;
mod decode;
mod failover;
mod gateway;
mod memory;
mod overhead;
mod parity;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask bench WHAT

  decode     recorded streams from bytes to events, beside plain JSON parsing
  failover   what a broken main target adds
  gateway    CPU of the gateway beside a proxy that only copies bytes
  memory     bytes per idle stream and per target, and 10,000 streams held at once
  parity     validating answers and counting prompt tokens, beside plain parsing
  overhead   instructions and time of the client beside bare reqwest
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["decode"] => decode::run(),
        ["failover"] => failover::run().await,
        ["gateway"] => gateway::run().await,
        ["memory"] => memory::run().await,
        ["overhead"] => overhead::run().await,
        ["parity"] => parity::run(),
        // Roles that the benches start this program in.
        ["client", mode, count, url] => overhead::client(mode, count.parse().unwrap_or(1), url).await,
        ["gateway-child", url] => gateway::serve(url).await,
        ["proxy-child", url] => gateway::copy(url).await,
        ["silent-server"] => memory::serve().await,
        ["server", tokens] => child::serve(tokens.parse().unwrap_or(20)).await,
        _ => {
            eprintln!("{HELP}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
