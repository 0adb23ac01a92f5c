//! Reads one object or array and writes it as strict JSON.
//!
//! Not a parser: it tracks brackets and strings and leaves numbers to the real one. Invariant: one pass, no recursion;
//! whatever is not edited is copied unchanged.

use super::{BadJson, Repair};

/// The nesting that the JSON parser accepts.
const DEPTH_LIMIT: usize = 127;

/// A value found in a text.
#[derive(Debug)]
pub(super) struct ScannedValue {
    /// Its start in the text, in bytes.
    pub(super) start: usize,
    /// Its end in the text.
    pub(super) end: usize,
    /// The value as strict JSON, except that numbers and escapes are unchecked.
    pub(super) json: String,
    /// The repairs, in order.
    pub(super) repairs: Vec<Repair>,
    /// Whether it is an object or holds one.
    pub(super) holds_object: bool,
}

impl ScannedValue {
    pub(super) fn is_object(&self) -> bool {
        self.json.starts_with('{')
    }
}

/// Why there is no value at an opening bracket.
pub(super) enum ScanError {
    /// It looked like JSON, but is broken.
    Broken(BadJson),
    /// It is a bracket in prose; nothing before this position is JSON.
    Prose(usize),
}

/// Reads the value whose opening bracket is at `start`. If `truncated`, brackets missing at the end of the text are added.
pub(super) fn scan(text: &str, start: usize, truncated: bool) -> Result<ScannedValue, ScanError> {
    let mut scanner = Scanner {
        text,
        bytes: text.as_bytes(),
        at: start,
        copied: start,
        out: String::new(),
        open: Vec::new(),
        saw_token: false,
        entered_object: false,
        repairs: Vec::new(),
    };
    scanner.value(truncated).map_err(|reason| scanner.fail(reason))?;
    scanner.edit(scanner.at, scanner.at, "");
    Ok(ScannedValue {
        start,
        end: scanner.at,
        json: scanner.out,
        repairs: scanner.repairs,
        holds_object: scanner.entered_object,
    })
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A value; `first` if the enclosing array or object has just begun.
    Value {
        first: bool,
    },
    Key {
        first: bool,
    },
    Colon,
    /// A comma or the closing bracket; where the text was cut off, a number may be incomplete.
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
    copied: usize,
    out: String,
    /// The closing brackets still expected, innermost last.
    open: Vec<u8>,
    /// Whether any string, number or literal was read: from then on it is JSON, not prose.
    saw_token: bool,
    entered_object: bool,
    repairs: Vec<Repair>,
}

impl Scanner<'_> {
    fn value(&mut self, truncated: bool) -> Result<(), Reason> {
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
                if !(truncated && whole) {
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
                    self.saw_token = true;
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
                        // In an object, a value is expected only after a colon, never after a comma.
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
        self.entered_object |= close == b'}';
        self.at += 1;
        Ok(expect)
    }

    /// Adds the expected brackets at the end of the text.
    fn close_all(&mut self) {
        self.edit(self.at, self.at, "");
        while let Some(close) = self.open.pop() {
            self.out.push(char::from(close));
        }
        self.repairs.push(Repair::MissingClose);
    }

    fn string(&mut self, quote: u8) -> Result<(), Reason> {
        self.saw_token = true;
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
                // The escaped character may be the quote; the parser checks whether the escape is valid.
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
                self.saw_token = true;
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
        self.saw_token = true;
        self.edit(start, self.at, strict);
        self.repairs.push(Repair::PythonLiteral);
        Ok(())
    }

    /// Copies the text up to `start`, and writes `new` in place of the text from `start` to `end`.
    fn edit(&mut self, start: usize, end: usize, new: &str) {
        self.out.push_str(&self.text[self.copied..start]);
        self.out.push_str(new);
        self.copied = end;
    }

    fn skip_space(&mut self) {
        self.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    fn take_while(&mut self, predicate: impl Fn(u8) -> bool) {
        while self.bytes.get(self.at).is_some_and(|&byte| predicate(byte)) {
            self.at += 1;
        }
    }

    fn fail(&self, reason: Reason) -> ScanError {
        // Only `[` is common in prose, and it is taken for prose only before anything that could be JSON.
        let prose = !self.saw_token
            && !self.open.contains(&b'}')
            && self.at < self.bytes.len()
            && self.repairs.is_empty();
        if prose && self.open.len() < DEPTH_LIMIT {
            ScanError::Prose(self.at)
        } else {
            ScanError::Broken(BadJson::new(reason, self.at))
        }
    }
}
