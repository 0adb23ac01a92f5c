//! The mistakes found in a client's description.
//!
//! Invariant: all of them are reported at once, each with its line number if it comes from a file.

use std::collections::BTreeMap;

use hotspare_core::{Error, Kind};

/// What a mistake concerns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum About {
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
    found: Vec<(About, String)>,
    /// The lines on which routes and targets are defined, if they come from a file.
    lines: BTreeMap<About, usize>,
}

impl Mistakes {
    pub(crate) fn add(&mut self, about: About, what: impl Into<String>) {
        self.found.push((about, what.into()));
    }

    #[cfg(feature = "config")]
    pub(crate) fn written(&mut self, about: About, line: usize) {
        self.lines.insert(about, line);
    }

    /// Formats the mistakes one per line, sorted by line number.
    pub(crate) fn error(self) -> Result<(), Error> {
        if self.found.is_empty() {
            return Ok(());
        }
        let mut told: Vec<(usize, String)> = self
            .found
            .into_iter()
            .map(|(about, what)| {
                let line = match about {
                    About::Line(line) => Some(line),
                    about => self.lines.get(&about).copied(),
                };
                (line.unwrap_or(0), line.map_or(what.clone(), |line| format!("line {line}: {what}")))
            })
            .collect();
        told.sort_by_key(|(line, _)| *line);
        let told: Vec<String> = told.into_iter().map(|(_, what)| what).collect();
        Err(Error::new(Kind::Config, told.join("\n")))
    }
}
