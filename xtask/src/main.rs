//! `cargo xtask`: checks, tests and fault-injection runs, one file per verb.
//!
//! It sees no crate of the project: it starts processes and reads files. Invariant: if `cargo xtask ci` passes, CI passes.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program talks to the person who runs it"
)]

mod catalog;
mod ci;
mod mutants;
mod new_provider;
mod promises;
mod run;
mod test;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask VERB

  test                      run every test, doctests included
  ci [--only STEP]          everything that CI runs, in order; STEP is one name of it
  tidy                      floors, module docs, file sizes, names
  chaos [--tier TIER] ARGS  outages in virtual time (sim), against the driver, or through sockets (--help for more)
  bench WHAT                what Hotspare costs: decode, overhead, gateway, failover or parity
  catalog --from DIR        make the model catalogue anew from DIR/models.json
  docs [--check]            write the generated documents, or tell whether they have drifted
  fuzz [--seconds N]        break recorded replies at random, N seconds a target
  new-provider NAME         make the rooms of a new adapter
  mutants [WORD…]           break the code on purpose: every mutation must make a test fail
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest = args.get(1..).unwrap_or_default();
    let result = match args.first().map(String::as_str) {
        Some("test") => test::test(),
        Some("ci") => ci::ci(rest),
        Some("tidy") => tidy::run(),
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
        Some(other) => Err(format!("unknown verb `{other}`\n\n{HELP}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
