//! Reads one object or array and writes it as strict JSON.
//!
//! Not a parser: it follows brackets and strings and leaves numbers to the real one. Invariant: one pass, no recursion;
//! whatever is not edited is copied as it stands.

use super::{BadJson, Repair};

/// Nesting that the JSON parser takes.
const DEPTH_LIMIT: usize = 127;

/// A value that was found in a text.
#[derive(Debug)]
pub(super) struct Found {
    /// Where it begins in the text, in bytes.
    pub(super) start: usize,
    /// Where it ends in the text.
    pub(super) end: usize,
    /// It as strict JSON, but for numbers and escapes.
    pub(super) json: String,
    /// What was repaired, in order.
    pub(super) repairs: Vec<Repair>,
}

impl Found {
    pub(super) fn is_object(&self) -> bool {
        self.json.starts_with('{')
    }
}

/// Why there is no value at an opening bracket.
pub(super) enum Fail {
    /// It looked like JSON and is broken.
    Broken(BadJson),
    /// It is a bracket in prose; nothing up to here is JSON.
    Prose(usize),
}

/// Reads the value whose opening bracket is at `start`. With `cut`, brackets missing at the end of the text are added.
pub(super) fn scan(text: &str, start: usize, cut: bool) -> Result<Found, Fail> {
    let mut scanner = Scanner {
        text,
        bytes: text.as_bytes(),
        at: start,
        kept: start,
        out: String::new(),
        open: Vec::new(),
        tokens: false,
        repairs: Vec::new(),
    };
    scanner.value(cut).map_err(|reason| scanner.fail(reason))?;
    scanner.edit(scanner.at, scanner.at, "");
    Ok(Found { start, end: scanner.at, json: scanner.out, repairs: scanner.repairs })
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A value; the enclosing array or object has just begun where `first`.
    Value {
        first: bool,
    },
    Key {
        first: bool,
    },
    Colon,
    /// A comma or the closing bracket; a number may go on where the text is cut.
    Next {
        number: bool,
    },
}

type Reason = &'static str;

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Everything before this has been copied to `out` or edited away.
    kept: usize,
    out: String,
    /// Closing brackets that are due, innermost last.
    open: Vec<u8>,
    /// Whether any string, number or literal was read: from then on it is JSON, not prose.
    tokens: bool,
    repairs: Vec<Repair>,
}

impl Scanner<'_> {
    fn value(&mut self, cut: bool) -> Result<(), Reason> {
        let mut expect = Expect::Value { first: false };
        let mut comma = self.at;
        loop {
            let token_end = self.at;
            self.skip_space();
            let Some(&byte) = self.bytes.get(self.at) else {
                let whole = match expect {
                    Expect::Next { number } => !number || token_end < self.at,
                    _ => false,
                };
                if !(cut && whole) {
                    return Err("the JSON ends too early");
                }
                self.close_all();
                return Ok(());
            };
            expect = match (expect, byte) {
                (Expect::Value { .. }, b'{') => self.enter(b'}', Expect::Key { first: true })?,
                (Expect::Value { .. }, b'[') => self.enter(b']', Expect::Value { first: true })?,
                (Expect::Value { .. }, b'"' | b'\'') => {
                    self.string(byte)?;
                    Expect::Next { number: false }
                }
                (Expect::Value { .. }, b'-' | b'0'..=b'9') => {
                    self.take_while(|byte| {
                        byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
                    });
                    self.tokens = true;
                    Expect::Next { number: true }
                }
                (Expect::Value { .. }, b'a'..=b'z' | b'A'..=b'Z') => {
                    self.literal()?;
                    Expect::Next { number: false }
                }
                (Expect::Key { .. }, b'"' | b'\'') => {
                    self.string(byte)?;
                    Expect::Colon
                }
                (Expect::Colon, b':') => {
                    self.at += 1;
                    Expect::Value { first: false }
                }
                (Expect::Next { .. }, b',') => {
                    comma = self.at;
                    self.at += 1;
                    match self.open.last() {
                        Some(b'}') => Expect::Key { first: false },
                        _ => Expect::Value { first: false },
                    }
                }
                (_, b'}' | b']') if self.open.last() == Some(&byte) => {
                    match expect {
                        Expect::Next { .. } | Expect::Value { first: true } | Expect::Key { first: true } => {
                        }
                        // In an object a value without its comma cannot be due: that is after a colon.
                        Expect::Value { first: false } if byte == b'}' => {
                            return Err("a key without a value");
                        }
                        Expect::Value { first: false } | Expect::Key { first: false } => {
                            self.edit(comma, comma + 1, "");
                            self.repairs.push(Repair::TrailingComma);
                        }
                        Expect::Colon => return Err("a key without a value"),
                    }
                    self.at += 1;
                    self.open.pop();
                    if self.open.is_empty() {
                        return Ok(());
                    }
                    Expect::Next { number: false }
                }
                (Expect::Value { .. }, _) => return Err("not a value"),
                (Expect::Key { .. }, _) => return Err("not a quoted key"),
                (Expect::Colon, _) => return Err("no colon after a key"),
                (Expect::Next { .. }, _) => return Err("neither a comma nor the closing bracket"),
            };
        }
    }

    fn enter(&mut self, close: u8, expect: Expect) -> Result<Expect, Reason> {
        if self.open.len() >= DEPTH_LIMIT {
            return Err("nested too deep");
        }
        self.open.push(close);
        self.at += 1;
        Ok(expect)
    }

    /// Adds the brackets that are due, where the text ends.
    fn close_all(&mut self) {
        self.edit(self.at, self.at, "");
        while let Some(close) = self.open.pop() {
            self.out.push(char::from(close));
        }
        self.repairs.push(Repair::MissingClose);
    }

    fn string(&mut self, quote: u8) -> Result<(), Reason> {
        self.tokens = true;
        if quote == b'\'' {
            self.edit(self.at, self.at + 1, "\"");
            self.repairs.push(Repair::SingleQuotes);
        }
        self.at += 1;
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'\\' if self.bytes.get(self.at + 1) == Some(&b'\'') => {
                    self.edit(self.at, self.at + 1, "");
                    if quote == b'"' {
                        self.repairs.push(Repair::EscapedApostrophe);
                    }
                    self.at += 2;
                }
                // What is escaped may be the quote; whether the escape is valid is judged by the parser.
                b'\\' if self.bytes.get(self.at + 1).is_some_and(u8::is_ascii) => self.at += 2,
                b'\\' => return Err("a malformed escape"),
                _ if byte == quote => {
                    if quote == b'\'' {
                        self.edit(self.at, self.at + 1, "\"");
                    }
                    self.at += 1;
                    return Ok(());
                }
                b'"' => {
                    self.edit(self.at, self.at + 1, "\\\"");
                    self.at += 1;
                }
                0..0x20 => {
                    let escape = format!("\\u{byte:04x}");
                    self.edit(self.at, self.at + 1, &escape);
                    self.repairs.push(Repair::ControlCharacter);
                    self.at += 1;
                }
                _ => self.at += 1,
            }
        }
        Err("a string without an end")
    }

    fn literal(&mut self) -> Result<(), Reason> {
        let start = self.at;
        self.take_while(|byte| byte.is_ascii_alphanumeric());
        let strict = match &self.text[start..self.at] {
            "true" | "false" | "null" => {
                self.tokens = true;
                return Ok(());
            }
            "True" => "true",
            "False" => "false",
            "None" => "null",
            _ => {
                self.at = start;
                return Err("not a value");
            }
        };
        self.tokens = true;
        self.edit(start, self.at, strict);
        self.repairs.push(Repair::PythonLiteral);
        Ok(())
    }

    /// Copies what stands before `start` and puts `new` in the place of what stands up to `end`.
    fn edit(&mut self, start: usize, end: usize, new: &str) {
        self.out.push_str(&self.text[self.kept..start]);
        self.out.push_str(new);
        self.kept = end;
    }

    fn skip_space(&mut self) {
        self.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.bytes.get(self.at).is_some_and(|&byte| wanted(byte)) {
            self.at += 1;
        }
    }

    fn fail(&self, reason: Reason) -> Fail {
        // Only `[` is usual in prose, and only before anything that could be JSON.
        let prose = !self.tokens
            && !self.open.contains(&b'}')
            && self.at < self.bytes.len()
            && self.repairs.is_empty();
        if prose && self.open.len() < DEPTH_LIMIT {
            Fail::Prose(self.at)
        } else {
            Fail::Broken(BadJson::new(reason, self.at))
        }
    }
}
