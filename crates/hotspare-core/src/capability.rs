//! What is known about a model at a target: its capabilities, limits and prices.
//!
//! Not a lookup: the catalogue and the application fill these in. Invariant: unknown is `None`, and an unknown never
//! makes a target ineligible.

use serde::{Deserialize, Serialize};

use crate::cost::Cost;
use crate::usage::Usage;

/// What is known about one model at one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct ModelProfile {
    /// Tokens that the prompt and the answer share.
    pub context_window: Option<u64>,
    /// Maximum tokens of the answer.
    pub max_output: Option<u64>,
    /// Capabilities.
    pub capabilities: Capabilities,
    /// List prices.
    pub price: Option<Price>,
    /// The provider's tokenizer encoding, if it is published.
    pub encoding: Option<Encoding>,
    /// Tags that enclose reasoning within the model's text, if the model writes them and its server does not strip
    /// them.
    pub think_tags: Option<ThinkTags>,
    /// Date on which the model is retired (`2026-10-23`), if known.
    pub retires: Option<String>,
    /// The kind of API that serves the model if it is not chat, such as `responses`.
    pub mode: Option<String>,
    /// The vector space of its embeddings: models of one family produce comparable vectors. `None` stands for the
    /// model's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_family: Option<String>,
    /// Dimensions of its vectors, unless a request asks for another number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_dimensions: Option<u32>,
}

impl ModelProfile {
    /// Whether the model is known to produce embeddings rather than text.
    #[must_use]
    pub fn embeds(&self) -> bool {
        self.mode.as_deref() == Some("embedding")
            || self.capabilities.embeddings == Some(true)
            || self.embedding_family.is_some()
            || self.embedding_dimensions.is_some()
    }
}

/// The subset of JSON Schema that a provider accepts where it enforces schemas. Plain data: adapters define it, request
/// preparation reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaSubset {
    /// Every schema is enforced, whatever the request says (`strict`), so that one outside the subset is refused.
    pub always_enforced: bool,
    /// Every object must say `"additionalProperties": false`.
    pub closed: bool,
    /// Every property must be required; an optional property is written as a nullable one.
    pub all_required: bool,
    /// Every object must require at least one property.
    pub some_required: bool,
    /// A schema may refer to itself.
    pub recursive: bool,
    /// A `$ref` must be a schema's only keyword.
    pub lone_refs: bool,
    /// Keywords that a schema may use.
    pub keywords: &'static [&'static str],
    /// Values that `format` may have.
    pub formats: &'static [&'static str],
}

/// Tags around a model's reasoning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ThinkTags {
    /// The opening tag.
    pub open: String,
    /// The closing tag.
    pub close: String,
    /// Whether the prompt template already emits the opening tag, so that the answer starts inside the reasoning.
    pub already_open: bool,
}

impl Default for ThinkTags {
    /// `<think>` and `</think>`.
    fn default() -> Self {
        Self::new("<think>", "</think>")
    }
}

impl ThinkTags {
    /// Tags that the model writes itself, the opening one included.
    pub fn new(open: impl Into<String>, close: impl Into<String>) -> Self {
        Self { open: open.into(), close: close.into(), already_open: false }
    }

    /// Marks the opening tag as emitted by the prompt template.
    #[must_use]
    pub fn already_open(mut self) -> Self {
        self.already_open = true;
        self
    }
}

/// A published tokenizer encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// `cl100k_base`.
    Cl100k,
    /// `o200k_base`.
    O200k,
}

/// Capabilities of a model; `None` where unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Capabilities {
    /// Tools that other providers of the same wire run and this one does not, by the start of their type or by the request's
    /// field that brings them; `Some(&[])` if it runs all of them. Not in the catalogue: providers differ in it, not models.
    #[serde(skip)]
    pub absent_tools: Option<&'static [&'static str]>,
    /// Accepts a conversation that starts with an assistant message.
    pub assistant_first: Option<bool>,
    /// Continues a trailing assistant message.
    pub assistant_prefill: Option<bool>,
    /// Produces embeddings.
    pub embeddings: Option<bool>,
    /// Calls the one tool that the request names, as long as reasoning is not requested too.
    pub forced_tool: Option<bool>,
    /// Enforces an output format in a request with tools. If not, the provider refuses such a request.
    pub format_with_tools: Option<bool>,
    /// Accepts any tool call id of 1 to 40 ASCII letters, digits, `_` and `-`. If not, an id must be exactly nine
    /// letters and digits.
    pub free_tool_ids: Option<bool>,
    /// Enforces JSON output without a schema.
    pub json_mode: Option<bool>,
    /// Enforces a JSON Schema on its output.
    pub json_schema: Option<bool>,
    /// Calls several tools in one turn.
    pub parallel_tools: Option<bool>,
    /// Caches prompt prefixes for a while and charges less for them.
    pub prompt_caching: Option<bool>,
    /// Reasons before it answers, so its first content may be late.
    pub reasoning: Option<ReasoningMode>,
    /// Accepts `temperature`, `top_p` and similar parameters.
    pub sampling: Option<bool>,
    /// Calls tools.
    pub tools: Option<bool>,
    /// Accepts a request without an output limit. If not, the limit sent is the longest answer that the model supports
    /// and its window has room for.
    pub unlimited_output: Option<bool>,
    /// Reads images.
    pub vision: Option<bool>,
}

impl Capabilities {
    /// These capabilities; what they leave unknown is taken from `other`.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        Self {
            absent_tools: self.absent_tools.or(other.absent_tools),
            assistant_first: self.assistant_first.or(other.assistant_first),
            assistant_prefill: self.assistant_prefill.or(other.assistant_prefill),
            embeddings: self.embeddings.or(other.embeddings),
            forced_tool: self.forced_tool.or(other.forced_tool),
            format_with_tools: self.format_with_tools.or(other.format_with_tools),
            free_tool_ids: self.free_tool_ids.or(other.free_tool_ids),
            json_mode: self.json_mode.or(other.json_mode),
            json_schema: self.json_schema.or(other.json_schema),
            parallel_tools: self.parallel_tools.or(other.parallel_tools),
            prompt_caching: self.prompt_caching.or(other.prompt_caching),
            reasoning: self.reasoning.or(other.reasoning),
            sampling: self.sampling.or(other.sampling),
            tools: self.tools.or(other.tools),
            unlimited_output: self.unlimited_output.or(other.unlimited_output),
            vision: self.vision.or(other.vision),
        }
    }

    /// Whether the model reasons before it answers a request that asks for that (`Some(true)`), turns it off
    /// (`Some(false)`) or does neither.
    #[must_use]
    pub fn reasons(&self, asked: Option<bool>) -> bool {
        match self.reasoning {
            Some(ReasoningMode::Never) => false,
            Some(ReasoningMode::ByDefault) => asked != Some(false),
            Some(ReasoningMode::OnRequest) | None => asked == Some(true),
        }
    }
}

/// When a model reasons before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningMode {
    /// Unless the request turns it off, if that is possible at all.
    ByDefault,
    /// Never.
    Never,
    /// If the request asks for it.
    OnRequest,
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
    /// Prompt tokens read from the cache; `None` if they cost the same.
    pub cached: Option<u64>,
    /// Prompt tokens written to the cache; `None` if they cost the same.
    pub cache_write: Option<u64>,
    /// Reasoning tokens of the answer; `None` if they cost the same.
    pub reasoning: Option<u64>,
    /// Different prices for long prompts.
    pub long: Option<LongPrice>,
}

/// Prices for a whole request whose prompt exceeds a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct LongPrice {
    /// Applies to prompts of more tokens than this.
    pub above: u64,
    /// Prompt tokens.
    pub input: u64,
    /// Answer tokens.
    pub output: u64,
    /// Prompt tokens read from the cache; `None` keeps their ratio to the prompt price.
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
    /// Prices of prompt and answer in micro-dollars per million tokens.
    #[must_use]
    pub const fn micros_per_million(input: u64, output: u64) -> Self {
        Self { input, output, cached: None, cache_write: None, reasoning: None, long: None }
    }

    /// Prices of prompt and answer in dollars per million tokens, as providers publish them; `None` if one is negative, not
    /// a number, or above a billion.
    ///
    /// ```
    /// use hotspare_core::Price;
    ///
    /// assert_eq!(Price::dollars_per_million(3.0, 0.15), Some(Price::micros_per_million(3_000_000, 150_000)));
    /// ```
    #[must_use]
    pub fn dollars_per_million(input: f64, output: f64) -> Option<Self> {
        Some(Self::micros_per_million(
            Cost::from_dollars(input)?.micros(),
            Cost::from_dollars(output)?.micros(),
        ))
    }

    /// The cost of `usage`, rounded down to a micro-dollar; unknown counts cost nothing.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Cost {
        let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
        let price = self.of_prompt(input);
        let cached = usage.cached.unwrap_or(0).min(input);
        let written = usage.cache_write.unwrap_or(0).min(input - cached);
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

    /// How many tokens an answer to a prompt of this length may have, whatever kind they are of, so that both cost no
    /// more than `most`; `None` if the prompt alone costs more. An answer that costs nothing has no limit.
    #[must_use]
    pub fn answer_within(&self, most: Cost, prompt: u64) -> Option<u64> {
        let price = self.of_prompt(prompt);
        let left = (u128::from(most.micros()) * 1_000_000)
            .checked_sub(u128::from(prompt) * u128::from(price.input))?;
        let dearest = u128::from(price.output.max(price.reasoning.unwrap_or(0)));
        Some(left.checked_div(dearest).and_then(|tokens| u64::try_from(tokens).ok()).unwrap_or(u64::MAX))
    }

    /// The prices for a prompt of this length. A price without a long variant keeps its ratio to the input or output
    /// price.
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
        let mut price = Price::micros_per_million(3_000_000, 15_000_000);
        price.cached = Some(300_000);
        let mut usage = Usage::reported(Some(1_000_000), Some(100_000));
        usage.cached = Some(500_000);
        assert_eq!(price.cost(&usage), Cost::from_micros(1_500_000 + 150_000 + 1_500_000));
        assert_eq!(price.cost(&Usage::default()), Cost::ZERO);
    }

    #[test]
    fn longest_affordable_answer_costs_no_more_than_the_limit() {
        let mut price = Price::micros_per_million(1_000_000, 2_000_000);
        price.reasoning = Some(3_000_000);
        price.long = Some(LongPrice::above(200_000, 2_000_000, 4_000_000));
        for (most, prompt, longest) in [
            (1_000, 100, Some(300)),
            (1_000, 1_000, Some(0)),
            (1_000, 1_001, None),
            (1_000_000, 300_000, Some(66_666)),
            (u64::MAX, u64::MAX, None),
        ] {
            let most = Cost::from_micros(most);
            assert_eq!(price.answer_within(most, prompt), longest, "{most} {prompt}");
            let mut usage = Usage::estimated(Some(prompt), longest);
            usage.reasoning = longest;
            assert!(longest.is_none() || price.cost(&usage) <= most);
        }
        assert_eq!(Price::default().answer_within(Cost::ZERO, 5), Some(u64::MAX));
    }

    #[test]
    fn cache_writes_reasoning_and_long_prompts_have_own_prices() {
        let mut price = Price::micros_per_million(1_000_000, 2_000_000);
        price.cache_write = Some(1_250_000);
        price.reasoning = Some(3_000_000);
        price.long = Some(LongPrice::above(200_000, 2_000_000, 3_000_000));
        let mut usage = Usage::reported(Some(100_000), Some(100_000));
        usage.cache_write = Some(40_000);
        usage.reasoning = Some(60_000);
        assert_eq!(price.cost(&usage), Cost::from_micros(60_000 + 50_000 + 80_000 + 180_000));
        usage.input = Some(200_001);
        // The prompt, including what is written to the cache, costs twice as much; the answer costs half as much again.
        assert_eq!(price.cost(&usage), Cost::from_micros(320_002 + 100_000 + 120_000 + 270_000));
    }
}
