//! The `hotspare` program: command line and logging.
//!
//! Invariant: results go to standard output, everything else to standard error; the exit code reports success.

mod commands;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use tracing_subscriber::EnvFilter;

use commands::Command;
use hotspare_gateway::LogWriter;

/// Multi-provider LLM failover.
#[derive(Debug, Parser)]
#[command(name = "hotspare", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Log format. HOTSPARE_LOG sets the level, such as `hotspare=debug`.
    #[arg(long, global = true, value_enum, default_value = "text")]
    log_format: LogFormat,
}

/// The log formats.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Human-readable, with colors on a terminal.
    Text,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = match filter(&cli.command) {
        Ok(filter) => filter,
        Err(what) => return commands::fail(&what),
    };
    let colours =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let writer = match LogWriter::stderr() {
        Ok(writer) => writer,
        Err(error) => return commands::fail(&format!("no thread can be started for the log: {error}")),
    };
    // A subscriber that reports its own errors on standard error panics if that is closed or full.
    let logs = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_env_filter(filter)
        .with_writer(writer.clone())
        .with_ansi(colours);
    match cli.log_format {
        LogFormat::Json => logs.json().init(),
        LogFormat::Text => logs.with_target(false).init(),
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return commands::fail(&format!("the runtime cannot start: {error}")),
    };
    let code = runtime.block_on(cli.command.run());
    // A thread may be blocked reading standard input.
    runtime.shutdown_background();
    writer.flush();
    code
}

/// The log filter: from the environment, else the command's default.
fn filter(command: &Command) -> Result<EnvFilter, String> {
    match std::env::var("HOTSPARE_LOG") {
        Ok(text) if !text.trim().is_empty() => EnvFilter::try_new(&text)
            .map_err(|error| format!("HOTSPARE_LOG={text} is not a filter such as hotspare=debug: {error}")),
        Err(std::env::VarError::NotUnicode(_)) => Err("HOTSPARE_LOG is not valid UTF-8".into()),
        _ => Ok(EnvFilter::new(command.log_level())),
    }
}
