//! Extracts the JSON from an answer that was meant to be JSON.
//!
//! It does not guess: a repair is made only where a single reading is possible, and each has a name. What would require
//! a choice (two objects, a bracket missing in the middle, half a string) is an error, so that the model can be asked
//! again. Invariant: valid JSON is never changed; time and memory are linear in the text.

mod scan;

use std::borrow::Cow;
use std::fmt;

use hotspare_core::{Error, FinishReason, Kind};
use serde_json::Value;

use self::scan::{ScanError, ScannedValue, scan};

/// A repair that preserves the meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Repair {
    /// Removed a Markdown code fence around the JSON.
    CodeFence,
    /// Escaped a line break or another control character inside a string.
    ControlCharacter,
    /// Replaced `\'` with `'`.
    EscapedApostrophe,
    /// Renamed a key to the schema's spelling (`ownerName` for `owner_name`).
    KeySpelling,
    /// Added brackets that the output limit had cut off. Every value before them was complete.
    MissingClose,
    /// Removed a null property that the schema does not require and does not allow to be null.
    NullForAbsent,
    /// Dropped prose before or after the JSON.
    Prose,
    /// Replaced `True`, `False` or `None` with `true`, `false` or `null`.
    PythonLiteral,
    /// Replaced single quotes around a string or key.
    SingleQuotes,
    /// Dropped a comma before a closing bracket.
    TrailingComma,
}

impl Repair {
    /// The repair's stable name in snake case, for trails and metrics.
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

/// Why a text is not JSON and cannot be repaired without guessing. Contains nothing of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (at byte {offset})")]
#[non_exhaustive]
pub struct BadJson {
    /// What is wrong, as a lower-case fragment.
    pub reason: &'static str,
    /// The position, in bytes from the beginning of the text.
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

/// The JSON value in an answer, and the repairs made, one for each place.
///
/// # Errors
/// See [`repair_json`].
pub fn parse_json(text: &str, finish: &FinishReason) -> Result<(Value, Vec<Repair>), BadJson> {
    match serde_json::from_str(text) {
        Ok(value) => Ok((value, Vec::new())),
        Err(_) => repair(text, finish).map(|(value, _, repairs)| (value, repairs)),
    }
}

/// The JSON text in an answer, with its own key order and spacing, and the repairs made, one for each place.
///
/// Any valid JSON value is returned unchanged. Otherwise the text must contain exactly one object (or, without objects,
/// one array), or be a code fence around a scalar; brackets are closed only if `finish` is [`FinishReason::Length`].
///
/// # Errors
/// If no value is found, more than one, or one that cannot be repaired without guessing; nesting is limited to 127.
pub fn repair_json<'a>(text: &'a str, finish: &FinishReason) -> Result<(Cow<'a, str>, Vec<Repair>), BadJson> {
    read_json(text, finish).map(|(_, json, repairs)| (json, repairs))
}

/// Like [`parse_json`] and [`repair_json`] in one pass.
pub(crate) fn read_json<'a>(
    text: &'a str,
    finish: &FinishReason,
) -> Result<(Value, Cow<'a, str>, Vec<Repair>), BadJson> {
    match serde_json::from_str(text) {
        Ok(value) => Ok((value, Cow::Borrowed(text), Vec::new())),
        Err(_) => repair(text, finish).map(|(value, json, repairs)| (value, Cow::Owned(json), repairs)),
    }
}

fn repair(text: &str, finish: &FinishReason) -> Result<(Value, String, Vec<Repair>), BadJson> {
    let found = match find(text, *finish == FinishReason::Length) {
        Ok(found) => found,
        Err(bad) => return fenced_scalar(text).ok_or(bad),
    };
    let mut repairs = surroundings(text, &found)?;
    repairs.extend(found.repairs);
    // The scanner checks brackets and strings; the parser checks numbers and escapes.
    match serde_json::from_str(&found.json) {
        Ok(value) => Ok((value, found.json, repairs)),
        Err(_) => Err(BadJson::new("a number or an escape is malformed", found.start)),
    }
}

/// The text, number or other scalar that is all there is in a code fence that is all there is in the answer. In prose it
/// could not be told from a word.
fn fenced_scalar(text: &str) -> Option<(Value, String, Vec<Repair>)> {
    let fenced = |mark: &str| text.trim().strip_prefix(mark)?.strip_suffix(mark)?.split_once('\n');
    let (language, inside) = fenced("```").or_else(|| fenced("~~~"))?;
    let json = inside.trim();
    let value: Value = serde_json::from_str(json).ok()?;
    let is_plain = language.trim_end().bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_scalar = !value.is_object() && !value.is_array();
    (is_plain && is_scalar).then(|| (value, json.to_owned(), vec![Repair::CodeFence]))
}

/// Finds the one value that the answer contains.
fn find(text: &str, truncated: bool) -> Result<ScannedValue, BadJson> {
    let mut object: Option<ScannedValue> = None;
    let mut array: Option<ScannedValue> = None;
    let mut arrays = 0_usize;
    let mut object_array: Option<usize> = None;
    let mut at = 0;
    while let Some(step) = text[at..].find(['{', '[', '}']) {
        at += step;
        if text.as_bytes()[at] == b'}' {
            // Its opening brace, and perhaps more, was lost.
            return Err(BadJson::new("a closing brace without an opening one", at));
        }
        match scan(text, at, truncated) {
            Ok(found) => {
                at = found.end;
                if !found.is_object() {
                    arrays += 1;
                    object_array = object_array.or(found.holds_object.then_some(found.start));
                    array = Some(found);
                } else if object.is_some() {
                    return Err(BadJson::new("more than one object", found.start));
                } else {
                    object = Some(found);
                }
            }
            // Brackets in prose, as in "[see below]". Every inner bracket up to here would fail at the same position.
            Err(ScanError::Prose(end)) => at = end,
            Err(ScanError::Broken(bad)) => return Err(bad),
        }
    }
    match (object, array) {
        (Some(_), _) if let Some(start) = object_array => {
            Err(BadJson::new("an array of objects beside an object", start))
        }
        // Small arrays beside an object are citation marks or lists in the prose.
        (Some(object), _) => Ok(object),
        (None, Some(array)) if arrays == 1 => Ok(array),
        (None, Some(array)) => Err(BadJson::new("more than one array", array.start)),
        (None, None) => Err(BadJson::new("no object or array", text.len())),
    }
}

/// Names the repairs around the value, and refuses it if what surrounds it looks like more JSON.
fn surroundings(text: &str, found: &ScannedValue) -> Result<Vec<Repair>, BadJson> {
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

/// The text outside a code fence whose contents end `before` and begin `after`.
fn unfence<'a>(before: &'a str, after: &'a str) -> Option<(&'a str, &'a str)> {
    let language =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '+');
    let opening = before.trim_end_matches(language).trim_end_matches([' ', '\t']);
    let mark = if opening.ends_with('~') { '~' } else { '`' };
    let outside = opening.trim_end_matches(mark);
    let fence = &opening[outside.len()..];
    // One or two marks are inline code, which has no language and is always closed.
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
