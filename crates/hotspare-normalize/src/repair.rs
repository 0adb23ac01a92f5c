//! Gets the JSON out of an answer that was meant to be JSON.
//!
//! Not a guesser: a repair is made only where one reading is possible, and each has a name. What would need a choice (two
//! objects, a lost bracket in the middle, half a string) is an error, so that the model can be asked again. Invariant:
//! valid JSON is never changed; time and memory are linear in the text.

mod scan;

use std::borrow::Cow;
use std::fmt;

use hotspare_core::{Error, FinishReason, Kind};
use serde_json::Value;

use self::scan::{Fail, Found, scan};

/// A repair that keeps the meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Repair {
    /// A Markdown code fence around the JSON was taken off.
    CodeFence,
    /// A line break or other control character inside a string was escaped.
    ControlCharacter,
    /// `\'` became `'`.
    EscapedApostrophe,
    /// A key was spelled as the schema has it (`ownerName` for `owner_name`).
    KeySpelling,
    /// Brackets that the output limit had cut off were added. Every value that is there was complete.
    MissingClose,
    /// `null` stood for a property that the schema lets be absent, but not null.
    NullForAbsent,
    /// Words before or after the JSON were left out.
    Prose,
    /// `True`, `False` or `None` became `true`, `false` or `null`.
    PythonLiteral,
    /// A string or key in single quotes got double ones.
    SingleQuotes,
    /// A comma before a closing bracket was dropped.
    TrailingComma,
}

impl Repair {
    /// The repair as a stable word in snake case, for trails and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CodeFence => "code_fence",
            Self::ControlCharacter => "control_character",
            Self::EscapedApostrophe => "escaped_apostrophe",
            Self::KeySpelling => "key_spelling",
            Self::MissingClose => "missing_close",
            Self::NullForAbsent => "null_for_absent",
            Self::Prose => "prose",
            Self::PythonLiteral => "python_literal",
            Self::SingleQuotes => "single_quotes",
            Self::TrailingComma => "trailing_comma",
        }
    }
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is not JSON and cannot be made so without guessing. Holds no word of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (at byte {offset})")]
#[non_exhaustive]
pub struct BadJson {
    /// What is wrong, as a fragment.
    pub reason: &'static str,
    /// Where, in bytes from the beginning of the text.
    pub offset: usize,
}

impl BadJson {
    fn new(reason: &'static str, offset: usize) -> Self {
        Self { reason, offset }
    }
}

impl From<BadJson> for Error {
    fn from(bad: BadJson) -> Self {
        Self::new(Kind::BadOutput, format!("the answer is not JSON: {bad}"))
    }
}

/// The JSON value in an answer, and what had to be repaired, once per place.
///
/// # Errors
/// See [`repair_json`].
pub fn parse_json(text: &str, finish: &FinishReason) -> Result<(Value, Vec<Repair>), BadJson> {
    match serde_json::from_str(text) {
        Ok(value) => Ok((value, Vec::new())),
        Err(_) => mend(text, finish).map(|(value, _, repairs)| (value, repairs)),
    }
}

/// An answer as JSON text with its own key order and spacing, and what had to be repaired, once per place.
///
/// Any valid JSON value is given back as it is. Otherwise exactly one object (or, without objects, one array) must be
/// found; brackets are closed only if `finish` is [`FinishReason::Length`].
///
/// # Errors
/// If no value is found, more than one, or one that cannot be repaired without a guess; nesting is limited to 127.
pub fn repair_json<'a>(text: &'a str, finish: &FinishReason) -> Result<(Cow<'a, str>, Vec<Repair>), BadJson> {
    read_json(text, finish).map(|(_, json, repairs)| (json, repairs))
}

/// The value and the text of an answer, and what had to be repaired: read once.
pub(crate) fn read_json<'a>(
    text: &'a str,
    finish: &FinishReason,
) -> Result<(Value, Cow<'a, str>, Vec<Repair>), BadJson> {
    match serde_json::from_str(text) {
        Ok(value) => Ok((value, Cow::Borrowed(text), Vec::new())),
        Err(_) => mend(text, finish).map(|(value, json, repairs)| (value, Cow::Owned(json), repairs)),
    }
}

fn mend(text: &str, finish: &FinishReason) -> Result<(Value, String, Vec<Repair>), BadJson> {
    let found = find(text, *finish == FinishReason::Length)?;
    let mut repairs = surroundings(text, &found)?;
    repairs.extend(found.repairs);
    // The scanner knows brackets and strings; numbers and escapes are judged here.
    match serde_json::from_str(&found.json) {
        Ok(value) => Ok((value, found.json, repairs)),
        Err(_) => Err(BadJson::new("a number or an escape is malformed", found.start)),
    }
}

/// The one value that is meant.
fn find(text: &str, cut: bool) -> Result<Found, BadJson> {
    let mut object: Option<Found> = None;
    let mut array: Option<Found> = None;
    let mut arrays = 0_usize;
    let mut at = 0;
    while let Some(step) = text[at..].find(['{', '[', '}']) {
        at += step;
        if text.as_bytes()[at] == b'}' {
            // Something that this closes was lost.
            return Err(BadJson::new("a closing brace without its opening one", at));
        }
        match scan(text, at, cut) {
            Ok(found) => {
                at = found.end;
                if !found.is_object() {
                    arrays += 1;
                    array = Some(found);
                } else if object.is_some() {
                    return Err(BadJson::new("more than one object", found.start));
                } else {
                    object = Some(found);
                }
            }
            // Brackets in prose, as in "[see below]". All inner brackets up to here would fail at the same place.
            Err(Fail::Prose(end)) => at = end,
            Err(Fail::Broken(bad)) => return Err(bad),
        }
    }
    match (object, array) {
        // Small arrays beside an object are marks of citation or lists in the prose.
        (Some(object), _) => Ok(object),
        (None, Some(array)) if arrays == 1 => Ok(array),
        (None, Some(array)) => Err(BadJson::new("more than one array", array.start)),
        (None, None) => Err(BadJson::new("no object or array", text.len())),
    }
}

/// Names what stands around the value, and refuses it if it looks like more JSON.
fn surroundings(text: &str, found: &Found) -> Result<Vec<Repair>, BadJson> {
    let mut before = text[..found.start].trim_end();
    let mut after = text[found.end..].trim_start();
    let mut repairs = Vec::new();
    if let Some((outside, rest)) = unfence(before, after) {
        (before, after) = (outside, rest);
        repairs.push(Repair::CodeFence);
    } else if before.ends_with(['[', ',', '"', '\'', '`'])
        || before.ends_with("\":")
        || before.ends_with("':")
    {
        return Err(BadJson::new("the value is a piece of something larger", found.start));
    } else if after.starts_with([',', ':', ']', '"', '\'', '`']) {
        return Err(BadJson::new("the value is a piece of something larger", found.end));
    }
    if !(before.is_empty() && after.is_empty()) {
        repairs.push(Repair::Prose);
    }
    Ok(repairs)
}

/// What is outside of a code fence whose inside ends `before` and begins `after`.
fn unfence<'a>(before: &'a str, after: &'a str) -> Option<(&'a str, &'a str)> {
    let language =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '+');
    let opening = before.trim_end_matches(language).trim_end_matches([' ', '\t']);
    let mark = if opening.ends_with('~') { '~' } else { '`' };
    let outside = opening.trim_end_matches(mark);
    let fence = &opening[outside.len()..];
    // One or two marks are code within a line, which has no language and always ends.
    let block = fence.len() >= 3;
    if fence.is_empty() || (!block && (mark == '~' || opening.len() != before.len())) {
        return None;
    }
    match after.strip_prefix(fence) {
        Some(rest) => Some((outside.trim_end(), rest.trim_start())),
        None if block && after.is_empty() => Some((outside.trim_end(), after)),
        None => None,
    }
}

#[cfg(test)]
mod tests;
