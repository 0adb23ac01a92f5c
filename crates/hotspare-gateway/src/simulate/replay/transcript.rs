//! What a replay prints, kept for a section of a document.
//!
//! Invariant: the section holds the printed lines and the command that prints them again on any machine.

use std::path::Path;

use super::super::SimulateArgs;
use super::super::destinations::Document;
use crate::output::Output;

/// The last part of the folder's path as given.
pub(super) fn folder_name(args: &SimulateArgs) -> String {
    let name = args.trace.as_deref().and_then(Path::file_name);
    name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The lines printed, for a document.
pub(super) struct Transcript<'a> {
    out: &'a mut Output,
    lines: Vec<String>,
}

impl<'a> Transcript<'a> {
    pub(super) fn new(out: &'a mut Output) -> Self {
        Self { out, lines: Vec::new() }
    }

    pub(super) fn say(&mut self, line: &str) {
        self.out.line(line);
        self.lines.push(line.trim_end().to_owned());
    }

    /// The document that the arguments name, which must have these sections.
    pub(super) fn document(args: &SimulateArgs, sections: &[&str]) -> Result<Option<Document>, String> {
        args.docs.as_deref().map(|path| Document::open(path, sections)).transpose()
    }

    /// The text of the document's section.
    pub(super) fn section(&self, args: &SimulateArgs, program: &str) -> String {
        // Paths differ between machines.
        let args = SimulateArgs { trace: Some(folder_name(args).into()), ..args.clone() };
        format!("`{}`\n\n```text\n{}\n```", args.command(program), self.lines.join("\n"))
    }
}
