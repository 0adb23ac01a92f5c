//! Lines of a file, each one exchange.
//!
//! Invariant: an invalid line affects only itself, and no line makes the reader hold more than its limit.

use std::io::{self, BufRead};

use super::{Decoded, Exchange};

/// Longest line that is read: 64 MiB, several times the maximum size of a body.
const LINE_LIMIT: usize = 64 << 20;

/// A line that could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
#[non_exhaustive]
pub struct BadLine {
    /// The line number, counted from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: String,
}

/// Decodes recordings line by line; empty lines are skipped.
pub fn decode<R: BufRead>(reader: R) -> Lines<R> {
    Lines { reader, line: 0, buffer: Vec::new(), limit: LINE_LIMIT, over: false }
}

/// The verdicts on a file's lines, in order. Ends after an I/O error, which is reported for the line where it occurred.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    line: u64,
    buffer: Vec<u8>,
    limit: usize,
    over: bool,
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line into the buffer. Returns `None` at the end of input, `Some(false)` if the line was too long.
    fn next_line(&mut self) -> io::Result<Option<bool>> {
        self.buffer.clear();
        let (mut any, mut fits) = (false, true);
        loop {
            let piece = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if piece.is_empty() {
                return Ok(any.then_some(fits));
            }
            any = true;
            let end = piece.iter().position(|&byte| byte == b'\n');
            let line = &piece[..end.unwrap_or(piece.len())];
            fits = fits && self.buffer.len() + line.len() <= self.limit;
            if fits {
                self.buffer.extend_from_slice(line);
            }
            let used = end.map_or(piece.len(), |end| end + 1);
            self.reader.consume(used);
            if end.is_some() {
                return Ok(Some(fits));
            }
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Decoded, BadLine>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.over {
            self.line += 1;
            let read = match self.next_line() {
                Ok(Some(true)) if self.buffer.trim_ascii().is_empty() => continue,
                Ok(Some(true)) => Exchange::parse(&self.buffer).map(|exchange| exchange.decode()),
                Ok(Some(false)) => Err(format!("longer than {} bytes", self.limit)),
                Ok(None) => {
                    self.over = true;
                    continue;
                }
                Err(error) => {
                    self.over = true;
                    Err(error.to_string())
                }
            };
            return Some(read.map_err(|why| BadLine { line: self.line, why }));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"id":"a","provider":"openai","endpoint":"models","status":200}"#;

    #[test]
    fn broken_line_does_not_affect_others() {
        let text = format!("{GOOD}\n\n{{\"id\":1\n{GOOD}\r\n{{}}\n{GOOD}");
        let read: Vec<_> = decode(text.as_bytes()).map(|line| line.map_err(|bad| bad.line)).collect();
        let lines: Vec<_> =
            read.iter().map(|line| line.as_ref().map(|decoded| decoded.id.as_str())).collect();
        assert_eq!(lines, [Ok("a"), Err(&3), Ok("a"), Err(&5), Ok("a")]);
    }

    #[test]
    fn overlong_line_is_skipped_without_buffering() {
        let text = format!("{GOOD}\n{}\n{GOOD}\n", "x".repeat(5_000));
        let mut lines = decode(io::BufReader::with_capacity(64, text.as_bytes()));
        lines.limit = 1_000;
        let read: Vec<_> = lines.by_ref().map(|line| line.is_ok()).collect();
        assert_eq!(read, [true, false, true]);
        assert!(lines.buffer.capacity() < 5_000);
    }

    #[test]
    fn read_error_is_reported_once() {
        struct Fails;
        impl io::Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("gone"))
            }
        }
        let read: Vec<_> = decode(io::BufReader::new(Fails)).collect();
        assert_eq!(read.len(), 1);
        assert!(read[0].is_err());
    }
}
