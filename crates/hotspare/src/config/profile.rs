//! `[targets.NAME.profile]`: what a model can do, holds and costs.
//!
//! Invariant: what is written here overrides the catalogue's entry: the model's own, or the one named by `like`.

use hotspare_catalog::Catalog;
use hotspare_core::{Cost, Encoding, LongPrice, ModelProfile, Price, ReasoningMode};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ProfileDto {
    /// `provider/model` in the catalogue; the other fields override it.
    like: Option<String>,
    context_window: Option<u64>,
    max_output: Option<u64>,
    tools: Option<bool>,
    parallel_tools: Option<bool>,
    vision: Option<bool>,
    reasoning: Option<ReasoningDto>,
    sampling: Option<bool>,
    assistant_first: Option<bool>,
    assistant_prefill: Option<bool>,
    json_mode: Option<bool>,
    json_schema: Option<bool>,
    forced_tool: Option<bool>,
    format_with_tools: Option<bool>,
    free_tool_ids: Option<bool>,
    runs_all_tools: Option<bool>,
    encoding: Option<Encoding>,
    embedding_family: Option<String>,
    embedding_dimensions: Option<u32>,
    price: Option<PriceDto>,
}

/// When a model reasons.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged, expecting = "expected true, false or \"on_request\"")]
enum ReasoningDto {
    Known(bool),
    Kind(ReasoningKind),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReasoningKind {
    OnRequest,
}

impl From<ReasoningDto> for ReasoningMode {
    fn from(dto: ReasoningDto) -> Self {
        match dto {
            ReasoningDto::Known(true) => Self::ByDefault,
            ReasoningDto::Known(false) => Self::Never,
            ReasoningDto::Kind(ReasoningKind::OnRequest) => Self::OnRequest,
        }
    }
}

/// Dollars per million tokens.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceDto {
    input: f64,
    output: f64,
    cached: Option<f64>,
    cache_write: Option<f64>,
    reasoning: Option<f64>,
    /// Prices for prompts of more tokens than `above`.
    long: Option<LongDto>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LongDto {
    above: u64,
    input: f64,
    output: f64,
    cached: Option<f64>,
}

impl ProfileDto {
    /// Overrides what is known about the model.
    pub(super) fn apply(&self, profile: &mut ModelProfile) -> Result<(), String> {
        if let Some(name) = &self.like {
            let found = name.split_once('/').and_then(|(list, id)| Catalog::vendored().lookup(list, id));
            let found = found.ok_or_else(|| {
                format!(
                    "profile.like is `{name}`; expected a model of the catalogue such as \"openai/gpt-4o\""
                )
            })?;
            *profile = found.profile();
        }
        profile.context_window = self.context_window.or(profile.context_window);
        profile.max_output = self.max_output.or(profile.max_output);
        profile.encoding = self.encoding.or(profile.encoding);
        let can = &mut profile.capabilities;
        can.tools = self.tools.or(can.tools);
        can.parallel_tools = self.parallel_tools.or(can.parallel_tools);
        can.vision = self.vision.or(can.vision);
        can.reasoning = self.reasoning.map(ReasoningMode::from).or(can.reasoning);
        can.sampling = self.sampling.or(can.sampling);
        can.assistant_first = self.assistant_first.or(can.assistant_first);
        can.assistant_prefill = self.assistant_prefill.or(can.assistant_prefill);
        can.json_mode = self.json_mode.or(can.json_mode);
        can.json_schema = self.json_schema.or(can.json_schema);
        can.forced_tool = self.forced_tool.or(can.forced_tool);
        can.format_with_tools = self.format_with_tools.or(can.format_with_tools);
        can.free_tool_ids = self.free_tool_ids.or(can.free_tool_ids);
        // What it does not run cannot be written here: `false` leaves that to what is known of the host.
        if self.runs_all_tools == Some(true) {
            can.absent_tools = Some(&[]);
        }
        if let Some(price) = self.price {
            profile.price = Some(price.price()?);
        }
        if let Some(family) = &self.embedding_family {
            profile.embedding_family = Some(family.clone());
        }
        profile.embedding_dimensions = self.embedding_dimensions.or(profile.embedding_dimensions);
        Ok(())
    }
}

impl PriceDto {
    fn price(self) -> Result<Price, String> {
        let micros = |dollars: f64| {
            Cost::from_dollars(dollars)
                .map(Cost::micros)
                .ok_or_else(|| format!("profile.price is {dollars}; it is dollars per million tokens"))
        };
        let mut price = Price::micros_per_million(micros(self.input)?, micros(self.output)?);
        price.cached = self.cached.map(micros).transpose()?;
        price.cache_write = self.cache_write.map(micros).transpose()?;
        price.reasoning = self.reasoning.map(micros).transpose()?;
        if let Some(dto) = self.long {
            let mut long = LongPrice::above(dto.above, micros(dto.input)?, micros(dto.output)?);
            long.cached = dto.cached.map(micros).transpose()?;
            price.long = Some(long);
        }
        Ok(price)
    }
}
