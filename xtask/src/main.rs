//! `cargo xtask`: checks, tests and fault-injection runs, one file per command.
//!
//! Depends on no crate of the project: it starts processes and reads files. Invariant: if `cargo xtask ci` passes, CI
//! passes.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

mod catalog;
mod ci;
mod circles;
mod doc_references;
mod licences;
mod mutants;
mod new_provider;
mod run;
mod test;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  test [FILTER]             run all tests, doctests included, or those whose name contains FILTER
  ci [--only STEP]          run every CI step in order, or one
  tidy                      check layers, module docs, file sizes, names, links and named tests
  chaos [--tier TIER] ARGS  simulate outages, or run them through sockets (see chaos --help)
  bench WHAT                measure decode, failover, gateway, memory, overhead or parity
  catalog --from DIR        regenerate the model catalogue from DIR/models.json
  docs [--check]            write the generated documents, or check that they are current
  fuzz [--seconds N]        mutate recorded replies and requests, N seconds per target (default 30)
  new-provider NAME         scaffold an adapter crate
  mutants [WORD…]           break the code on purpose; every mutation must fail a test
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest = args.get(1..).unwrap_or_default();
    let result = match args.first().map(String::as_str) {
        Some("test") => test::test(rest),
        Some("ci") => ci::ci(rest),
        Some("tidy") if rest.is_empty() => tidy::run(),
        Some("tidy") => Err("usage: cargo xtask tidy".into()),
        Some("chaos") => run::chaos(rest),
        Some("bench") => run::bench(rest),
        Some("catalog") => catalog::run(rest),
        Some("docs") => run::binary("docs", rest),
        Some("fuzz") => test::fuzz(rest),
        Some("new-provider") => new_provider::new_provider(rest),
        Some("mutants") => mutants::run(rest),
        Some("help" | "--help" | "-h") | None => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Some(other) => Err(format!("unknown command `{other}`\n\n{HELP}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
