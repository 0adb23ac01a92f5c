//! The parts of a prompt, and how many tokens a target counts for them.
//!
//! Not a tokenizer, and nothing is learned here. Invariant: an estimate is a weighted sum of the same few amounts for
//! every target, so that what one request teaches holds for others made of the same kinds of parts.

use serde::{Deserialize, Serialize};

/// Number of kinds of parts.
const PARTS: usize = 14;

/// What a prompt spends tokens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PromptPart {
    /// The request itself: the fixed overhead of every prompt. Its amount is 1.
    Request,
    /// Messages: the overhead of each, such as roles and separators.
    Message,
    /// Text, tool calls and tool results, in tokens.
    Text,
    /// Earlier reasoning, in tokens; many models are not shown it again.
    Thought,
    /// Tool calls and tool results: the overhead of each.
    Call,
    /// Images: the overhead of each.
    Image,
    /// Pixels of images and pages of documents, in tokens.
    Media,
    /// Whether there are tools: providers add instructions for calling them.
    Tools,
    /// Tools: the overhead of each.
    Tool,
    /// Names, descriptions and schemas of tools, in tokens.
    ToolText,
    /// The same if no tool may be called; some providers omit them then.
    IdleTools,
    /// Whether there is an output schema.
    Schema,
    /// That schema, in tokens; not every provider shows it to the model.
    SchemaText,
    /// Whether the request uses features that not every wire has, such as reasoning.
    Extras,
}

/// Tokens per unit of each part, in thousandths: the prior, before a target has reported any counts.
const USUAL: [i32; PARTS] = [4_000, 4_000, 1_000, 500, 6_000, 60_000, 1_000, 0, 8_000, 1_000, 0, 0, 1_000, 0];
/// Standard deviation of that prior, in thousandths, measured on recorded requests whose prompts were counted.
const DOUBT: [u32; PARTS] =
    [10_000, 3_000, 120, 500, 20_000, 300_000, 500, 300_000, 10_000, 250, 600, 60_000, 600, 40_000];

/// The size of a prompt, broken down by part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PromptSize {
    amounts: [u32; PARTS],
    opaque: bool,
}

impl PromptSize {
    /// Number of kinds of parts; see [`PromptSize::amounts`].
    pub const PARTS: usize = PARTS;

    /// A prompt that consists of a text of `tokens` tokens and nothing else.
    #[must_use]
    pub fn of_text(tokens: u64) -> Self {
        let mut size = Self::default();
        size.add(PromptPart::Text, tokens);
        size
    }

    /// Adds to the amount of a part.
    pub fn add(&mut self, part: PromptPart, amount: u64) {
        let kept = &mut self.amounts[part as usize];
        *kept = kept.saturating_add(u32::try_from(amount).unwrap_or(u32::MAX));
    }

    /// The amount of a part.
    #[must_use]
    pub fn amount(&self, part: PromptPart) -> u32 {
        self.amounts[part as usize]
    }

    /// The amounts, in the order of [`PromptPart`].
    #[must_use]
    pub fn amounts(&self) -> &[u32; PARTS] {
        &self.amounts
    }

    /// Marks the prompt as containing something whose tokens cannot be derived from the request: tools that a provider
    /// runs, files by name, images by URL.
    pub fn set_opaque(&mut self) {
        self.opaque = true;
    }

    /// Whether it contains something whose tokens cannot be derived.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        self.opaque
    }

    /// Both together.
    #[must_use]
    pub fn with(mut self, more: &Self) -> Self {
        for (amount, more) in self.amounts.iter_mut().zip(more.amounts) {
            *amount = amount.saturating_add(more);
        }
        self.opaque |= more.opaque;
        self
    }

    /// What is left without `part`.
    #[must_use]
    pub fn without(mut self, part: &Self) -> Self {
        for (amount, less) in self.amounts.iter_mut().zip(part.amounts) {
            *amount = amount.saturating_sub(less);
        }
        self
    }

    /// Estimated tokens for a model of which nothing is known.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        TokenScale::default().estimate(self)
    }
}

/// How many tokens a target counts for each part of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TokenScale {
    /// Tokens per unit of each part, in thousandths.
    pub per_mille: [i32; PARTS],
    /// Standard deviation of each, in thousandths.
    pub doubt: [u32; PARTS],
    /// Number of reported counts behind the figures.
    pub samples: u32,
    /// A request of about this many tokens (prompt and room for the answer) was recently rejected as too long.
    pub overflow: Option<u64>,
    /// The window that the target has named when it rejected a request as too long.
    #[serde(default)]
    pub window: Option<u64>,
}

impl Default for TokenScale {
    fn default() -> Self {
        Self { per_mille: USUAL, doubt: DOUBT, samples: 0, overflow: None, window: None }
    }
}

impl TokenScale {
    /// About how many tokens the target will count.
    #[must_use]
    pub fn estimate(&self, size: &PromptSize) -> u64 {
        let sum = |weights: &[i32; PARTS]| {
            let parts = size.amounts.iter().zip(weights);
            parts.map(|(amount, weight)| i128::from(*amount) * i128::from(*weight)).sum::<i128>() / 1_000
        };
        // Whatever was learned, a long prompt is never estimated at next to nothing.
        let least = (sum(&USUAL) / 4).max(1);
        u64::try_from(sum(&self.per_mille).max(least)).unwrap_or(u64::MAX)
    }

    /// Standard deviation of the estimate in tokens, as far as it comes from what is unknown about the target.
    #[must_use]
    pub fn doubt(&self, size: &PromptSize) -> u64 {
        let parts = size.amounts.iter().zip(self.doubt);
        let squares = parts.map(|(amount, doubt)| (u128::from(*amount) * u128::from(doubt)).pow(2));
        let square = squares.fold(0, u128::saturating_add);
        u64::try_from(square.isqrt() / 1_000).unwrap_or(u64::MAX)
    }

    /// The same scale for sizes whose text was counted with the target's own encoding.
    #[must_use]
    pub fn with_exact_text(mut self) -> Self {
        self.per_mille[PromptPart::Text as usize] = 1_000;
        self.doubt[PromptPart::Text as usize] = 0;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimate_is_the_sum_over_parts() {
        let mut size = PromptSize::of_text(1_000);
        size.add(PromptPart::Request, 1);
        size.add(PromptPart::Tools, 1);
        assert_eq!((size.tokens(), size.amount(PromptPart::Text)), (1_004, 1_000));
        let mut scale = TokenScale::default();
        scale.per_mille[PromptPart::Text as usize] = 1_200;
        scale.per_mille[PromptPart::Tools as usize] = 300_000;
        assert_eq!(scale.estimate(&size), 1_504);
        assert_eq!(scale.with_exact_text().estimate(&size), 1_304);
        // 12 % of the text, 300 tokens for the presence of tools, 10 for the request itself.
        assert_eq!(TokenScale::default().doubt(&size), 323);
        assert_eq!(size.without(&PromptSize::of_text(400)).tokens(), 604);
        assert_eq!(size.with(&PromptSize::of_text(400)).tokens(), 1_404);
    }

    #[test]
    fn extreme_scales_do_not_underestimate_or_overflow() {
        let mut scale = TokenScale { per_mille: [i32::MIN; PARTS], ..TokenScale::default() };
        assert_eq!(scale.estimate(&PromptSize::of_text(4_000)), 1_000);
        assert_eq!(scale.estimate(&PromptSize::default()), 1);
        let all = PromptSize { amounts: [u32::MAX; PARTS], opaque: false };
        scale.per_mille = [i32::MAX; PARTS];
        scale.doubt = [u32::MAX; PARTS];
        assert!(scale.estimate(&all) > 1_000_000 && scale.doubt(&all) > 1_000_000);
    }
}
