//! Things that some tests need and the repository does not contain: real servers, official clients, recorded traffic.
//!
//! Invariant: a skipped test says so where `cargo xtask test` counts it, and a peer that is named must work: only an
//! unset variable skips.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::process::Command;

/// The value of an environment variable; a test that gets `None` skips itself.
#[must_use]
pub fn env_or_skip(variable: &str, what: &str) -> Option<OsString> {
    let value = std::env::var_os(variable).filter(|value| !value.is_empty());
    if value.is_none() {
        skip(&format!("{variable} does not name {what}"));
    }
    value
}

/// The Python named by `HOTSPARE_PYTHON`, which must have this package.
///
/// # Panics
/// If it does not.
#[must_use]
pub fn python(package: &str) -> Option<OsString> {
    let python = env_or_skip("HOTSPARE_PYTHON", &format!("a Python with the package {package}"))?;
    assert!(
        has_package(&python, package),
        "the Python that HOTSPARE_PYTHON names does not have the package {package}"
    );
    Some(python)
}

/// A peer's process, which reaches servers on this machine whatever the environment says of proxies, profiles and keys.
#[must_use]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    for variable in ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI"] {
        command.env_remove(variable);
    }
    command
}

/// Reports a skipped test, bypassing output capture.
pub fn skip(why: &str) {
    // A closed stdout is not a failure.
    let _ = writeln!(std::io::stdout(), "skipped: {why}");
}

/// Whether a Python has a package, without importing it.
fn has_package(python: &OsStr, package: &str) -> bool {
    let script = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)";
    Command::new(python).args(["-c", script, package]).status().is_ok_and(|status| status.success())
}
