//! What a model at a target can do, holds and costs, as far as it is known.
//!
//! Not a lookup: the catalogue and the application fill these. Invariant: unknown is `None`, and an unknown never makes
//! a target ineligible.

use serde::{Deserialize, Serialize};

use crate::cost::Cost;
use crate::usage::Usage;

/// What is known of one model at one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct ModelProfile {
    /// Tokens that prompt and answer may fill together.
    pub context_window: Option<u64>,
    /// Tokens that the answer may fill.
    pub max_output: Option<u64>,
    /// Abilities.
    pub capabilities: Capabilities,
    /// List prices.
    pub price: Option<Price>,
    /// How the model's provider cuts text into tokens, where that is published.
    pub encoding: Option<Encoding>,
    /// Tags between which the model writes its thoughts into its text, where it does and its server leaves them there.
    pub think_tags: Option<ThinkTags>,
    /// Day on which the model is retired (`2026-10-23`), where known.
    pub retires: Option<String>,
    /// The kind of API that serves it where that is not chat, such as `responses`.
    pub mode: Option<String>,
    /// Whose space its vectors lie in: models of one family give vectors that can be compared. `None` takes the model's
    /// own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_family: Option<String>,
    /// How many numbers its vectors have, unless a request says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_dimensions: Option<u32>,
}

impl ModelProfile {
    /// Whether the model is known to give vectors and not words.
    #[must_use]
    pub fn embeds(&self) -> bool {
        self.mode.as_deref() == Some("embedding")
            || self.capabilities.embeddings == Some(true)
            || self.embedding_family.is_some()
            || self.embedding_dimensions.is_some()
    }
}

/// What a provider that enforces schemas understands of JSON Schema. Plain data: adapters have it, whoever prepares a
/// request reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaSubset {
    /// Every object must say `"additionalProperties": false`.
    pub closed: bool,
    /// Every property must be required; one that may be missing is written as one that may be null.
    pub all_required: bool,
    /// A `$ref` must be a schema's only keyword.
    pub lone_refs: bool,
    /// Keywords that may stand in a schema.
    pub keywords: &'static [&'static str],
    /// Values that `format` may have.
    pub formats: &'static [&'static str],
}

/// Tags around the thoughts of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ThinkTags {
    /// Before them.
    pub open: String,
    /// After them.
    pub close: String,
    /// The prompt's template has already opened them, so that the answer begins inside.
    pub already_open: bool,
}

impl Default for ThinkTags {
    /// `<think>` and `</think>`.
    fn default() -> Self {
        Self::new("<think>", "</think>")
    }
}

impl ThinkTags {
    /// These tags.
    pub fn new(open: impl Into<String>, close: impl Into<String>) -> Self {
        Self { open: open.into(), close: close.into(), already_open: false }
    }

    /// The answer begins inside them.
    #[must_use]
    pub fn already_open(mut self) -> Self {
        self.already_open = true;
        self
    }
}

/// A published way of cutting text into tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// `cl100k_base`.
    Cl100k,
    /// `o200k_base`.
    O200k,
}

/// Abilities of a model; `None` where nobody said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Capabilities {
    /// Takes a conversation in which the assistant speaks first.
    pub assistant_first: Option<bool>,
    /// Continues a last assistant message.
    pub assistant_prefill: Option<bool>,
    /// Makes embeddings.
    pub embeddings: Option<bool>,
    /// Calls the one tool that it is told to call by name, as long as it is not asked to think first.
    pub forced_tool: Option<bool>,
    /// Takes any id of a tool call that is 1 to 40 ASCII letters, digits, `_` and `-`. If not, an id must be exactly nine
    /// letters and digits.
    pub free_tool_ids: Option<bool>,
    /// Enforces that its answer is JSON where no schema is given.
    pub json_mode: Option<bool>,
    /// Enforces a JSON Schema on its answer.
    pub json_schema: Option<bool>,
    /// Calls several tools in one turn.
    pub parallel_tools: Option<bool>,
    /// Keeps the beginning of prompts for a while, at a lower price.
    pub prompt_caching: Option<bool>,
    /// Thinks before it speaks, so its first content may be late.
    pub reasoning: Option<bool>,
    /// Takes `temperature`, `top_p` and the like.
    pub sampling: Option<bool>,
    /// Calls tools.
    pub tools: Option<bool>,
    /// Takes a request that leaves the length of the answer open. If not, the limit is the longest answer that the model gives
    /// and its window has room for.
    pub unlimited_output: Option<bool>,
    /// Reads images.
    pub vision: Option<bool>,
}

/// List prices in millionths of a US dollar per million tokens (so 3 USD per million is 3,000,000).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Price {
    /// Prompt tokens.
    pub input: u64,
    /// Answer tokens.
    pub output: u64,
    /// Prompt tokens from the cache; `None` where they cost the same.
    pub cached: Option<u64>,
    /// Prompt tokens that are written to the cache; `None` where they cost the same.
    pub cache_write: Option<u64>,
    /// Answer tokens that are reasoning; `None` where they cost the same.
    pub reasoning: Option<u64>,
    /// Other prices for long prompts.
    pub long: Option<LongPrice>,
}

/// Prices of a whole request whose prompt is longer than a mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct LongPrice {
    /// They hold for prompts of more tokens than this.
    pub above: u64,
    /// Prompt tokens.
    pub input: u64,
    /// Answer tokens.
    pub output: u64,
    /// Prompt tokens from the cache; `None` where they keep their relation to the price of the prompt.
    pub cached: Option<u64>,
}

impl LongPrice {
    /// Prices per million tokens in micro-dollars, for prompts of more than `above` tokens.
    #[must_use]
    pub const fn above(above: u64, input: u64, output: u64) -> Self {
        Self { above, input, output, cached: None }
    }
}

impl Price {
    /// Prices per million tokens in micro-dollars.
    #[must_use]
    pub const fn per_million(input: u64, output: u64) -> Self {
        Self { input, output, cached: None, cache_write: None, reasoning: None, long: None }
    }

    /// What `usage` costs, rounded down to the millionth; unknown counts cost nothing.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Cost {
        let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
        let price = self.of_prompt(input);
        let cached = usage.cached.unwrap_or(0).min(input);
        let written = usage.cache_written.unwrap_or(0).min(input - cached);
        let thought = usage.reasoning.unwrap_or(0).min(output);
        let parts = [
            (input - cached - written, price.input),
            (cached, price.cached.unwrap_or(price.input)),
            (written, price.cache_write.unwrap_or(price.input)),
            (output - thought, price.output),
            (thought, price.reasoning.unwrap_or(price.output)),
        ];
        let pico: u128 = parts.iter().map(|&(tokens, price)| u128::from(tokens) * u128::from(price)).sum();
        Cost::from_micros(u64::try_from(pico / 1_000_000).unwrap_or(u64::MAX))
    }

    /// The prices for a prompt of this length. What has no long price of its own keeps its relation to the prompt's.
    fn of_prompt(&self, tokens: u64) -> Self {
        let Some(long) = self.long.filter(|long| tokens > long.above) else { return *self };
        let scaled = |price: u64, from: u64, to: u64| match from {
            0 => price,
            _ => u64::try_from(u128::from(price) * u128::from(to) / u128::from(from)).unwrap_or(u64::MAX),
        };
        let as_input = |price: u64| scaled(price, self.input, long.input);
        Self {
            input: long.input,
            output: long.output,
            cached: long.cached.or(self.cached.map(as_input)),
            cache_write: self.cache_write.map(as_input),
            reasoning: self.reasoning.map(|price| scaled(price, self.output, long.output)),
            long: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Usage;

    #[test]
    fn cost_counts_cached_tokens_once() {
        let mut price = Price::per_million(3_000_000, 15_000_000);
        price.cached = Some(300_000);
        let mut usage = Usage::reported(Some(1_000_000), Some(100_000));
        usage.cached = Some(500_000);
        assert_eq!(price.cost(&usage), Cost::from_micros(1_500_000 + 150_000 + 1_500_000));
        assert_eq!(price.cost(&Usage::default()), Cost::ZERO);
    }
    #[test]
    fn writing_to_the_cache_thinking_and_long_prompts_have_their_own_prices() {
        let mut price = Price::per_million(1_000_000, 2_000_000);
        price.cache_write = Some(1_250_000);
        price.reasoning = Some(3_000_000);
        price.long = Some(LongPrice::above(200_000, 2_000_000, 3_000_000));
        let mut usage = Usage::reported(Some(100_000), Some(100_000));
        usage.cache_written = Some(40_000);
        usage.reasoning = Some(60_000);
        assert_eq!(price.cost(&usage), Cost::from_micros(60_000 + 50_000 + 80_000 + 180_000));
        usage.input = Some(200_001);
        // Twice the price for the prompt and what is written of it, half as much again for the answer.
        assert_eq!(price.cost(&usage), Cost::from_micros(320_002 + 100_000 + 120_000 + 270_000));
    }
}
