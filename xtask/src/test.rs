//! `cargo xtask test` and `fuzz`: run tests and summarize their results.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::run::{cargo, run};

/// How long each fuzz target runs by default: well over 100,000 cases on a machine that is free.
const FUZZ_SECONDS: u64 = 30;

/// Runs every test including doctests, or those whose name contains a filter.
pub(crate) fn test(args: &[String]) -> Result<(), String> {
    let mut command = cargo(&["test", "--workspace", "--no-fail-fast"]);
    command.args(filter(args)?);
    command.stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let out = child.stdout.take().ok_or("no output")?;
    let (mut total, mut skipped) = ([0u64; 3], 0);
    for line in BufReader::new(out).lines().map_while(Result::ok) {
        println!("{line}");
        skipped += u64::from(line.contains("skipped: "));
        if let Some(counts) = counts(&line) {
            total.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let [passed, failed, ignored] = total;
    println!(
        "{passed} passed, {failed} failed, {ignored} ignored; {skipped} skipped: an optional dependency is missing, see above"
    );
    if status.success() { Ok(()) } else { Err("some tests failed".into()) }
}

/// The filter to pass to `cargo test`; options are rejected rather than ignored.
fn filter(args: &[String]) -> Result<Option<&str>, String> {
    match args {
        [] => Ok(None),
        [filter] if !filter.starts_with('-') => Ok(Some(filter)),
        _ => Err("usage: cargo xtask test [FILTER]; for options use cargo test --workspace".into()),
    }
}

/// Runs each fuzz target for the given time; unoptimized, so that an overflow is a failure.
pub(crate) fn fuzz(args: &[String]) -> Result<(), String> {
    let seconds = match args {
        [] => FUZZ_SECONDS,
        [flag, seconds] if flag == "--seconds" => {
            seconds.parse::<u64>().map_err(|_| format!("`{seconds}` is not a number of seconds"))?
        }
        _ => return Err("usage: cargo xtask fuzz [--seconds N]".into()),
    };
    let mut command =
        cargo(&["test", "-p", "hotspare-tests", "--test", "corpus", "fuzz::", "--", "--nocapture"]);
    command.env("HOTSPARE_FUZZ_SECONDS", seconds.to_string());
    run(command)
}

/// Passed, failed and ignored counts from the summary line of a test binary.
fn counts(line: &str) -> Option<[u64; 3]> {
    let rest = line.strip_prefix("test result:")?;
    let number = |word: &str| {
        let before = rest.split(word).next()?;
        before.trim_end().rsplit([' ', '.', ';']).next()?.parse().ok()
    };
    Some([number("passed")?, number("failed")?, number("ignored")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_the_summary_line() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(counts(line), Some([12, 3, 1]));
        assert_eq!(counts("running 3 tests"), None);
    }

    #[test]
    fn filter_is_passed_on_and_options_are_rejected() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(filter(&[]), Ok(None));
        assert_eq!(filter(&words(&["explore"])), Ok(Some("explore")));
        for wrong in [&["--release"][..], &["a", "b"], &["a", "--nocapture"]] {
            assert!(filter(&words(wrong)).unwrap_err().starts_with("usage:"), "{wrong:?}");
        }
    }
}
