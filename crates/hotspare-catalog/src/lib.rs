//! What models hold, cost and can do: vendored data.
//!
//! Not a guess: a model is found by its exact name in its provider's list, or not at all; whoever needs another entry gives
//! the target its own [`ModelProfile`]. Invariant: what the data does not say is unknown, never "no".
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::sync::OnceLock;

use hotspare_core::{ModelProfile, Price};
use serde::Deserialize;

/// The data as it was compiled; `data/README.md` has sources, licences and fields.
const DATA: &str = include_str!("../data/models.json");

/// Models by provider and name.
#[derive(Debug, Default)]
pub struct Catalog {
    entries: BTreeMap<String, BTreeMap<String, Entry>>,
}

/// One model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Entry {
    /// Whose list.
    pub provider: String,
    /// The model's name there.
    pub id: String,
    /// Tokens that prompt and answer may fill together.
    pub window: Option<u64>,
    /// Tokens that the answer may fill.
    pub output: Option<u64>,
    /// Prices in micro-dollars per million tokens: prompt, answer, and prompt from the cache.
    #[serde(default)]
    price: Vec<u64>,
    #[serde(default)]
    can: Vec<String>,
    #[serde(default)]
    cannot: Vec<String>,
    /// Date of retirement (`2026-10-23`), where known.
    pub retires: Option<String>,
}

impl Catalog {
    /// The catalogue that this release ships. Read once.
    #[must_use]
    pub fn vendored() -> &'static Self {
        static CATALOG: OnceLock<Catalog> = OnceLock::new();
        CATALOG.get_or_init(|| Self::parse(DATA).unwrap_or_default())
    }

    /// Reads a catalogue of the same form.
    ///
    /// # Errors
    /// If it is not the JSON that `data/README.md` describes.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let list: Vec<Entry> = serde_json::from_str(text)?;
        let mut entries: BTreeMap<String, BTreeMap<String, Entry>> = BTreeMap::new();
        for entry in list {
            entries.entry(entry.provider.clone()).or_default().insert(entry.id.clone(), entry);
        }
        Ok(Self { entries })
    }

    /// The model of this exact name in this provider's list.
    #[must_use]
    pub fn lookup(&self, provider: &str, model: &str) -> Option<&Entry> {
        self.entries.get(provider)?.get(model)
    }

    /// All models, by provider and name.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().flat_map(BTreeMap::values)
    }
}

impl Entry {
    /// What is known, in the shape that targets have.
    #[must_use]
    pub fn profile(&self) -> ModelProfile {
        let said = |word: &str| match (
            self.can.iter().any(|can| can == word),
            self.cannot.iter().any(|can| can == word),
        ) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        };
        let mut profile = ModelProfile::default();
        profile.context_window = self.window;
        profile.max_output = self.output;
        profile.price = match *self.price.as_slice() {
            [input, output, ref cached @ ..] => {
                let mut price = Price::per_million(input, output);
                price.cached = cached.first().copied();
                Some(price)
            }
            _ => None,
        };
        let can = &mut profile.capabilities;
        can.assistant_prefill = said("prefill");
        can.json_schema = said("schema");
        can.parallel_tools = said("parallel");
        can.reasoning = said("reasoning");
        can.sampling = said("sampling");
        can.tools = said("tools");
        can.vision = said("vision");
        profile
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_sane() {
        let catalog = Catalog::parse(DATA).unwrap();
        let mut count = 0;
        for entry in catalog.iter() {
            count += 1;
            let name = format!("{} {}", entry.provider, entry.id);
            assert!(entry.window.is_none_or(|tokens| (512..=20_000_000).contains(&tokens)), "{name}");
            assert!(entry.price.iter().all(|price| *price <= 1_000_000_000), "{name}");
            let words = entry.can.iter().chain(&entry.cannot);
            let known = ["tools", "vision", "schema", "reasoning", "parallel", "prefill", "sampling"];
            assert!(words.into_iter().all(|word| known.contains(&word.as_str())), "{name}");
        }
        assert!(count > 200, "{count}");
    }

    #[test]
    fn names_are_exact() {
        let catalog = Catalog::vendored();
        let model = catalog.lookup("anthropic", "claude-haiku-4-5").unwrap().profile();
        assert_eq!(model.context_window, Some(200_000));
        assert_eq!(model.price.map(|price| (price.input, price.output)), Some((1_000_000, 5_000_000)));
        assert!(catalog.lookup("anthropic", "claude-haiku").is_none());
        assert!(catalog.lookup("openai", "claude-haiku-4-5").is_none());
    }
}
