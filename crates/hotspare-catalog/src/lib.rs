//! Context windows, prices and capabilities of models: vendored data.
//!
//! A model is found by its exact name in its provider's list, by one of the two kinds of alias that [`Alias`]
//! documents, or not at all; a target can have its own [`ModelProfile`] instead. Invariant: what the data does not
//! state is unknown, never "no". A lookup is a binary search in sorted text and parses a single line.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod dated;
mod entry;

use std::borrow::Cow;
use std::fmt;

use hotspare_core::ModelProfile;

use dated::without_date;

pub use dated::is_same_model;
pub use entry::Entry;

/// The embedded data; `data/README.md` lists sources, licences and fields.
const DATA: &str = include_str!("../data/models.txt");

/// Models by provider and name.
#[derive(Clone)]
pub struct Catalog {
    /// One model per line, sorted by `provider/id`.
    text: Cow<'static, str>,
}

/// How a model was found whose name is not in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Alias {
    /// The name ends in a date (`-2025-08-07`, `-20250807`, `@20250807`, with or without Bedrock's `-v1:0`), and the list
    /// has the name without it.
    Dated,
    /// The name begins with the prefix of an inference profile (`us.`), and the list has that prefix for the rest.
    Regional,
}

/// A model, and how its name matched.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found {
    /// The model's entry.
    pub entry: Entry,
    /// `None` if the list contains the name itself.
    pub alias: Option<Alias>,
}

impl Found {
    /// The known data as a [`ModelProfile`].
    #[must_use]
    pub fn profile(&self) -> ModelProfile {
        self.entry.profile()
    }
}

/// Why a text is not a catalogue: the first invalid line, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
#[non_exhaustive]
pub struct BadLine {
    /// The line number, counted from 1.
    pub line: usize,
    /// What is wrong, as a lower-case fragment.
    pub why: String,
}

impl Catalog {
    /// The catalogue that this release ships.
    #[must_use]
    pub const fn vendored() -> Self {
        Self { text: Cow::Borrowed(DATA) }
    }

    /// Parses a catalogue in the same format, checking every line.
    ///
    /// # Errors
    /// The first line that deviates from the format in `data/README.md`, or is out of order.
    pub fn parse(text: impl Into<String>) -> Result<Self, BadLine> {
        let text = text.into();
        let mut before = "";
        for (at, line) in text.lines().enumerate() {
            let bad = |why: String| BadLine { line: at + 1, why };
            let (key, _) = split(line).ok_or_else(|| bad("no `provider/id`, tab and object".into()))?;
            if key <= before {
                return Err(bad(format!("`{key}` is out of order or duplicated")));
            }
            Entry::parse(line).map_err(|error| bad(error.to_string()))?;
            before = key;
        }
        Ok(Self { text: Cow::Owned(text) })
    }

    /// The model of this name in this provider's list, or the model that this name is an [`Alias`] of.
    #[must_use]
    pub fn lookup(&self, provider: &str, model: &str) -> Option<Found> {
        if let Some(entry) = self.exact(provider, model) {
            return Some(Found { entry, alias: None });
        }
        if let Some((region, plain)) = model.split_once('.')
            && let Some(entry) = self.exact(provider, plain).filter(|entry| entry.has_region(region))
        {
            return Some(Found { entry, alias: Some(Alias::Regional) });
        }
        let entry = self.exact(provider, &without_date(model)?)?;
        Some(Found { entry, alias: Some(Alias::Dated) })
    }

    /// All models, by provider and name.
    pub fn iter(&self) -> impl Iterator<Item = Entry> {
        self.text.lines().filter_map(|line| Entry::parse(line).ok())
    }

    fn exact(&self, provider: &str, model: &str) -> Option<Entry> {
        let key = format!("{provider}/{model}");
        let mut rest: &str = &self.text;
        while !rest.is_empty() {
            let middle = rest.floor_char_boundary(rest.len() / 2);
            let start = rest[..middle].rfind('\n').map_or(0, |at| at + 1);
            let end = rest[middle..].find('\n').map_or(rest.len(), |at| middle + at + 1);
            let line = rest[start..end].trim_end_matches('\n');
            let (found, _) = split(line)?;
            rest = match found.cmp(key.as_str()) {
                std::cmp::Ordering::Equal => return Entry::parse(line).ok(),
                std::cmp::Ordering::Less => &rest[end..],
                std::cmp::Ordering::Greater => &rest[..start],
            };
        }
        None
    }
}

/// Shows only the size: the text is long.
impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Catalog({} bytes)", self.text.len())
    }
}

fn split(line: &str) -> Option<(&str, &str)> {
    line.split_once('\t').filter(|(key, _)| key.contains('/'))
}

#[cfg(test)]
mod tests;
