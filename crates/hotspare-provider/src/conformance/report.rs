//! What the kit found: the result of each check, for people and for assertions.
//!
//! Not the checks themselves. Invariant: a skipped check has a reason, and a report with a failed one does not pass.

use std::fmt;

/// The outcome of every check.
#[derive(Clone, Debug, Default)]
#[must_use]
#[non_exhaustive]
pub struct Report {
    /// The checks, in the order in which they were made.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// Its result.
    pub verdict: Verdict,
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The check failed.
    Failed {
        /// What was found.
        why: String,
    },
    /// The check passed.
    Passed,
    /// The wire cannot express it.
    Skipped {
        /// The reason the author gave.
        reason: String,
    },
}

impl Report {
    pub(super) fn note(&mut self, name: &str, result: Result<(), String>) {
        let verdict = match result {
            Ok(()) => Verdict::Passed,
            Err(why) => Verdict::Failed { why },
        };
        self.checks.push(Check { name: name.to_owned(), verdict });
    }

    pub(super) fn fail(&mut self, name: &str, why: &str) {
        self.note(name, Err(why.to_owned()));
    }

    pub(super) fn skip(&mut self, name: &str, reason: &str) {
        let verdict = Verdict::Skipped { reason: reason.to_owned() };
        self.checks.push(Check { name: name.to_owned(), verdict });
    }

    /// Whether no check failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.checks.iter().any(|check| matches!(check.verdict, Verdict::Failed { .. }))
    }

    /// Asserts in a test that no check failed.
    ///
    /// # Panics
    /// If a check failed; the message is the whole report.
    pub fn assert(&self) {
        assert!(self.passed(), "\n{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { name, verdict } in &self.checks {
            match verdict {
                Verdict::Passed => writeln!(f, "passed   {name}")?,
                Verdict::Skipped { reason } => writeln!(f, "skipped  {name}: {reason}")?,
                Verdict::Failed { why } => writeln!(f, "FAILED   {name}: {why}")?,
            }
        }
        Ok(())
    }
}
