//! The mistakes found in a client's description.
//!
//! Invariant: all of them are reported at once, each with its line number if it comes from a file.

use std::collections::BTreeMap;

use hotspare_core::{Error, Kind};

/// What a mistake concerns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Client,
    /// What is on this line of a file.
    #[cfg_attr(not(feature = "config"), expect(dead_code, reason = "only configurations have lines"))]
    Line(usize),
    Route(String),
    Target(String),
}

/// Mistakes, in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct Mistakes {
    entries: Vec<(Subject, String)>,
    /// The lines on which routes and targets are defined, if they come from a file.
    lines: BTreeMap<Subject, usize>,
}

impl Mistakes {
    pub(crate) fn add(&mut self, subject: Subject, what: impl Into<String>) {
        self.entries.push((subject, what.into()));
    }

    #[cfg(feature = "config")]
    pub(crate) fn set_line(&mut self, subject: Subject, line: usize) {
        self.lines.insert(subject, line);
    }

    /// Formats the mistakes one per line, sorted by line number.
    pub(crate) fn into_result(self) -> Result<(), Error> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let mut messages: Vec<(usize, String)> = self
            .entries
            .into_iter()
            .map(|(subject, what)| {
                let line = match subject {
                    Subject::Line(line) => Some(line),
                    subject => self.lines.get(&subject).copied(),
                };
                (line.unwrap_or(0), line.map_or(what.clone(), |line| format!("line {line}: {what}")))
            })
            .collect();
        messages.sort_by_key(|(line, _)| *line);
        let messages: Vec<String> = messages.into_iter().map(|(_, what)| what).collect();
        Err(Error::new(Kind::Config, messages.join("\n")))
    }
}
