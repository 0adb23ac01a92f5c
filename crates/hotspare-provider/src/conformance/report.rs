//! What the kit found.

use std::fmt;

/// The outcome of every check.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Report {
    /// Each check, in the order in which it was made.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Clone, Debug)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does not hold.
    Failed {
        /// What was found.
        why: String,
    },
    /// It holds.
    Passed,
    /// The wire cannot express it.
    Skipped {
        /// Why, in the author's words.
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

    /// Whether nothing failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.checks.iter().any(|check| matches!(check.verdict, Verdict::Failed { .. }))
    }

    /// Ends a test.
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
