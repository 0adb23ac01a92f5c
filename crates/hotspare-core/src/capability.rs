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
}

/// Abilities of a model; `None` where nobody said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Capabilities {
    /// Continues a last assistant message.
    pub assistant_prefill: Option<bool>,
    /// Enforces a JSON Schema on its answer.
    pub json_schema: Option<bool>,
    /// Calls several tools in one turn.
    pub parallel_tools: Option<bool>,
    /// Thinks before it speaks, so its first content may be late.
    pub reasoning: Option<bool>,
    /// Takes `temperature`, `top_p` and the like.
    pub sampling: Option<bool>,
    /// Calls tools.
    pub tools: Option<bool>,
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
}

impl Price {
    /// Prices per million tokens in micro-dollars.
    #[must_use]
    pub const fn per_million(input: u64, output: u64) -> Self {
        Self { input, output, cached: None }
    }

    /// What `usage` costs, rounded down to the millionth; unknown counts cost nothing.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Cost {
        let cached = usage.cached.unwrap_or(0).min(usage.input.unwrap_or(0));
        let fresh = usage.input.unwrap_or(0) - cached;
        let parts = [
            (fresh, self.input),
            (cached, self.cached.unwrap_or(self.input)),
            (usage.output.unwrap_or(0), self.output),
        ];
        let pico: u128 = parts.iter().map(|&(tokens, price)| u128::from(tokens) * u128::from(price)).sum();
        Cost::from_micros(u64::try_from(pico / 1_000_000).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Usage;

    #[test]
    fn cost_counts_cached_tokens_once() {
        let price = Price { input: 3_000_000, output: 15_000_000, cached: Some(300_000) };
        let mut usage = Usage::reported(Some(1_000_000), Some(100_000));
        usage.cached = Some(500_000);
        assert_eq!(price.cost(&usage), Cost::from_micros(1_500_000 + 150_000 + 1_500_000));
        assert_eq!(price.cost(&Usage::default()), Cost::ZERO);
    }
}
