//! Notes for the user, on standard error.
//!
//! Not results, which go to standard output. Invariant: a closed standard error is no failure.

use std::io::Write;

/// Prints a note.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
