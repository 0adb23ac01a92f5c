//! `hotspare decode`: decodes recorded exchanges as if they had just arrived.
//!
//! Files and lines only; [`hotspare::recorded`] does the decoding. Invariant: one line of JSON for each recorded
//! exchange, in order; an invalid line is reported in its place and fails the command at the end.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

/// The fields of a recorded exchange.
pub(super) const INPUT: &str = "\
Fields of an exchange:
  provider               name of the provider, such as openai
  endpoint               kind of call, such as chat_completions, messages or embeddings
  status                 HTTP status
  response_headers       object of headers (optional)
  response_body          body as text (optional)
  response_body_encoding base64 if the body is not text (optional)
  response_kind          how the body is framed, if the headers do not say (optional)
  request_body           as the response's (optional), with request_body_encoding
  id, model, url, streaming (optional)";

/// Reads each file in turn.
pub(super) fn decode(files: &[PathBuf]) -> Result<(), String> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut broken = 0_u64;
    let written = files.iter().try_for_each(|file| {
        broken += if file == Path::new("-") {
            lines("-", io::stdin().lock(), &mut out)?
        } else {
            let name = file.display().to_string();
            match File::open(file) {
                Ok(opened) => lines(&name, BufReader::with_capacity(256 << 10, opened), &mut out)?,
                Err(error) => {
                    writeln!(out, "{}", json!({"file": name, "broken": error.to_string()}))?;
                    super::note(&format!("{name}: {error}"));
                    1
                }
            }
        };
        Ok(())
    });
    match written.and_then(|()| out.flush()) {
        Ok(()) => {}
        // The reader of a closed pipe has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => return Err(format!("the output cannot be written: {error}")),
    }
    if broken > 0 { Err(format!("{broken} of the lines could not be read")) } else { Ok(()) }
}

/// Writes the verdict on each line of one file; returns the number of invalid lines.
fn lines(name: &str, reader: impl BufRead, out: &mut impl Write) -> io::Result<u64> {
    let mut broken = 0;
    for line in hotspare::recorded::decode(reader) {
        match line {
            Ok(decoded) => writeln!(out, "{}", decoded.to_json())?,
            Err(bad) => {
                broken += 1;
                writeln!(out, "{}", json!({"file": name, "line": bad.line, "broken": bad.why}))?;
                super::note(&format!("{name}:{}: {}", bad.line, bad.why));
            }
        }
    }
    Ok(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_line_is_reported_by_file_and_line() {
        let good = r#"{"id":"a","provider":"openai","endpoint":"models","status":200}"#;
        let text = format!("{good}\nnonsense\n{good}\n");
        let mut out = Vec::new();
        assert_eq!(lines("f.jsonl", text.as_bytes(), &mut out).unwrap(), 1);
        let read: Vec<serde_json::Value> =
            String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read.len(), 3);
        assert_eq!((&read[1]["file"], &read[1]["line"]), (&json!("f.jsonl"), &json!(2)));
        assert_eq!(read[2]["skipped"], "not a model call");
    }
}
