//! Where a command's results go: standard output, and files.
//!
//! Results only; everything else goes to standard error. Invariant: a command whose results could not be written fails,
//! unless the reader closed the pipe: that reader has seen enough.

use std::fmt;
#[cfg(any(feature = "demo", feature = "simulate"))]
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
#[cfg(any(feature = "demo", feature = "simulate"))]
use std::path::{Path, PathBuf};

/// Standard output, and the first error in writing to it.
pub struct Output {
    to: Box<dyn Write + Send>,
    error: Option<io::Error>,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("error", &self.error).finish_non_exhaustive()
    }
}

impl Output {
    /// Standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self::to(io::stdout())
    }

    fn to(writer: impl Write + Send + 'static) -> Self {
        Self { to: Box::new(writer), error: None }
    }

    /// Writes text as it is, at once. After an error nothing more is written.
    pub fn print(&mut self, text: &str) {
        if self.error.is_none() {
            self.error = self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush()).err();
        }
    }

    /// Writes text and a line break.
    pub fn line(&mut self, text: &str) {
        self.print(&format!("{text}\n"));
    }

    /// Whether all of it was written, as far as anyone read it.
    ///
    /// # Errors
    /// The first error in writing, other than a closed pipe.
    pub fn finish(self) -> Result<(), String> {
        match self.error {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(format!("the output cannot be written: {error}"))
            }
            _ => Ok(()),
        }
    }
}

/// A file that is opened before the work whose results it takes, so that a wrong path costs no time. Its contents remain
/// until it is written.
#[cfg(any(feature = "demo", feature = "simulate"))]
#[derive(Debug)]
pub(crate) struct OutputFile {
    path: PathBuf,
    file: File,
}

#[cfg(any(feature = "demo", feature = "simulate"))]
impl OutputFile {
    /// Opens a file, which is created if it does not exist and `create` is set.
    ///
    /// # Errors
    /// If it cannot be opened for writing.
    pub(crate) fn open(path: &Path, create: bool) -> Result<Self, String> {
        let file = OpenOptions::new().write(true).create(create).truncate(false).open(path);
        let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { path: path.to_owned(), file })
    }

    #[cfg(feature = "simulate")]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces its contents.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn write(mut self, text: &str) -> Result<(), String> {
        let written =
            self.file.write_all(text.as_bytes()).and_then(|()| match self.file.metadata()?.is_file() {
                true => self.file.set_len(text.len() as u64),
                // A pipe or a device has no length.
                false => Ok(()),
            });
        written.map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn full_disk_is_a_failure_and_a_closed_pipe_is_not() {
        for (kind, fails) in [(io::ErrorKind::StorageFull, true), (io::ErrorKind::BrokenPipe, false)] {
            let mut out = Output::to(Failing(kind));
            out.line("x");
            out.line("y");
            assert_eq!(out.finish().is_err(), fails, "{kind}");
        }
        let mut out = Output::to(io::sink());
        out.print("x");
        assert_eq!(out.finish(), Ok(()));
    }
}
