//! One line of the catalogue.
//!
//! Not a profile, which is what targets have. Invariant: an unknown field is an error, so that data and code cannot
//! drift apart.

use hotspare_core::{Encoding, LongPrice, ModelProfile, Price, ReasoningMode};
use serde::Deserialize;

/// One model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// The provider whose list contains the model.
    pub provider: String,
    /// The model's name in that list.
    pub id: String,
    fields: Fields,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Fields {
    window: Option<u64>,
    output: Option<u64>,
    price: Vec<Option<u64>>,
    long: Vec<u64>,
    can: String,
    cannot: String,
    regions: String,
    mode: Option<String>,
    encoding: Option<Encoding>,
    retires: Option<String>,
}

impl Entry {
    pub(crate) fn parse(line: &str) -> Result<Self, serde_json::Error> {
        let (key, fields) = line.split_once('\t').unwrap_or((line, ""));
        let (provider, id) = key.split_once('/').unwrap_or(("", key));
        Ok(Self { provider: provider.into(), id: id.into(), fields: serde_json::from_str(fields)? })
    }

    pub(crate) fn has_region(&self, region: &str) -> bool {
        self.fields.regions.split_whitespace().any(|known| known == region)
    }

    /// The known data as a [`ModelProfile`].
    #[must_use]
    pub fn profile(&self) -> ModelProfile {
        let fields = &self.fields;
        let has = |list: &str, word: &str| list.split_whitespace().any(|known| known == word);
        let flag = |word: &str| match (has(&fields.can, word), has(&fields.cannot, word)) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        };
        let mut profile = ModelProfile::default();
        profile.context_window = fields.window;
        profile.max_output = fields.output;
        profile.price = self.price();
        profile.encoding = fields.encoding;
        profile.retires.clone_from(&fields.retires);
        profile.mode.clone_from(&fields.mode);
        let can = &mut profile.capabilities;
        can.assistant_prefill = flag("prefill");
        can.json_schema = flag("schema");
        can.parallel_tools = flag("parallel");
        can.prompt_caching = flag("caching");
        can.reasoning = match (flag("reasoning"), flag("reasoning-on-request")) {
            (Some(true), _) => Some(ReasoningMode::ByDefault),
            (_, Some(true)) => Some(ReasoningMode::OnRequest),
            (Some(false), _) => Some(ReasoningMode::Never),
            (None, _) => None,
        };
        can.sampling = flag("sampling");
        can.tools = flag("tools");
        can.vision = flag("vision");
        profile
    }

    fn price(&self) -> Option<Price> {
        let known = |index: usize| self.fields.price.get(index).copied().flatten();
        let mut price = Price::micros_per_million(known(0)?, known(1)?);
        price.cached = known(2);
        price.cache_write = known(3);
        if let [above, input, output, ref cached @ ..] = *self.fields.long.as_slice() {
            let mut long = LongPrice::above(above, input, output);
            long.cached = cached.first().copied();
            price.long = Some(long);
        }
        Some(price)
    }
}
