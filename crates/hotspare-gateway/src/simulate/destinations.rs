//! Files that a simulation writes: the report, the documents and the results for CI systems.
//!
//! Invariant: each is opened before the first run; in a document only tables are written, and only between their markers.

use std::path::{Path, PathBuf};

use hotspare_sim::ScenarioRuns;
use hotspare_sim::report::{Provenance, html, replace_section, tables};

use super::args::SimulateArgs;
use super::{files, output};
use crate::output::OutputFile;

/// A document with generated tables.
#[derive(Debug)]
pub(super) struct Document(OutputFile);

impl Document {
    /// Opens a document that must have these sections.
    pub(super) fn open(path: &Path, sections: &[&str]) -> Result<Self, String> {
        let document = Self(OutputFile::open(path, false)?);
        let empty: Vec<(&str, String)> = sections.iter().map(|name| (*name, String::new())).collect();
        document.updated(&empty)?;
        Ok(document)
    }

    /// Replaces these sections.
    pub(super) fn update(self, tables: &[(&str, String)]) -> Result<(), String> {
        let text = self.updated(tables)?;
        self.0.write(&text)
    }

    fn updated(&self, tables: &[(&str, String)]) -> Result<String, String> {
        let path = self.0.path();
        tables.iter().try_fold(files::text(path)?, |document, (name, table)| {
            replace_section(&document, name, table).map_err(|what| format!("{}: {what}", path.display()))
        })
    }
}

/// The files that the results of a suite go to.
#[derive(Debug)]
pub(super) struct Destinations {
    report: Option<OutputFile>,
    docs: Option<Document>,
    junit: Option<OutputFile>,
}

impl Destinations {
    /// Opens those that the arguments name. `sections` are those of the document that will be updated.
    pub(super) fn open(args: &SimulateArgs, sections: &[&str]) -> Result<Self, String> {
        let open =
            |path: &Option<PathBuf>| path.as_deref().map(|path| OutputFile::open(path, true)).transpose();
        let docs = args.docs.as_deref().map(|path| Document::open(path, sections)).transpose()?;
        Ok(Self { report: open(&args.report)?, docs, junit: open(&args.junit)? })
    }

    /// Writes the results.
    pub(super) fn write(self, provenance: &Provenance, runs: &[ScenarioRuns]) -> Result<(), String> {
        if let Some(report) = self.report {
            report.write(&html(provenance, runs))?;
        }
        if let Some(docs) = self.docs {
            docs.update(&tables(provenance, runs))?;
        }
        match self.junit {
            Some(junit) => junit.write(&output::junit(runs, provenance.wall_secs)),
            None => Ok(()),
        }
    }
}
