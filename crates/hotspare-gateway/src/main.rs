//! The `hotspare` program: what its words on the command line mean.
//!
//! Invariant: results go to standard output, everything else to standard error; the exit code tells whether it went well.

mod commands;

use std::process::ExitCode;

use clap::Parser;

use commands::Command;

/// Multi-provider LLM failover: one request in, an answer out, whichever provider is up.
#[derive(Debug, Parser)]
#[command(name = "hotspare", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How logs are written: text or json. What is logged is set by HOTSPARE_LOG (such as `hotspare=debug`).
    #[arg(long, global = true, default_value = "text")]
    log_format: String,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("HOTSPARE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(cli.command.log_level()));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match cli.log_format.as_str() {
        "json" => logs.json().init(),
        _ => logs.with_target(false).init(),
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return commands::fail(&format!("the runtime cannot start: {error}")),
    };
    let code = runtime.block_on(cli.command.run());
    // Standard input may be waiting in a thread that nothing can wake.
    runtime.shutdown_background();
    code
}
