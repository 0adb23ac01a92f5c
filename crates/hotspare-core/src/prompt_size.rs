//! What a prompt is made of, and how the tokens that a target counts follow from it.
//!
//! Not a tokenizer and not a learner. Invariant: an estimate is a weighted sum of the same few amounts for every target, so
//! that what is learned of one request holds for another of the same kinds of parts.

use serde::{Deserialize, Serialize};

/// How many kinds of parts there are.
const PARTS: usize = 14;

/// What tokens of a prompt are due to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PromptPart {
    /// The request itself: what stands around every prompt. Its amount is 1.
    Request,
    /// Messages: their roles and ends.
    Message,
    /// Texts, calls and results of tools, in tokens.
    Text,
    /// Earlier thoughts, in tokens; many models are not shown them again.
    Thought,
    /// Calls of tools and their results: what stands around each.
    Call,
    /// Images.
    Image,
    /// Pixels of images and pages of documents, in tokens.
    Media,
    /// Whether there are tools: providers explain how to call them.
    Tools,
    /// Tools.
    Tool,
    /// Names, descriptions and schemas of tools, in tokens.
    ToolText,
    /// The same where none may be called; some providers leave them out then.
    IdleTools,
    /// Whether there is a schema of the answer.
    Schema,
    /// That schema, in tokens; it is not always shown to the model.
    SchemaText,
    /// Whether the request asks for more than every wire knows, thinking for instance.
    Extras,
}

/// Tokens for one of each part, in thousandths: what is assumed before a target has counted anything.
const USUAL: [i32; PARTS] = [4_000, 4_000, 1_000, 500, 6_000, 60_000, 1_000, 0, 8_000, 1_000, 0, 0, 1_000, 0];
/// By how much that may be wrong (a standard deviation), in thousandths: from recorded requests whose prompts were counted.
const DOUBT: [u32; PARTS] =
    [10_000, 3_000, 120, 500, 20_000, 300_000, 500, 300_000, 10_000, 250, 600, 60_000, 600, 40_000];

/// The size of a prompt, by its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PromptSize {
    amounts: [u32; PARTS],
    opaque: bool,
}

impl PromptSize {
    /// Kinds of parts; see [`PromptSize::amounts`].
    pub const PARTS: usize = PARTS;

    /// A prompt that is nothing but a text of so many tokens.
    #[must_use]
    pub fn of_text(tokens: u64) -> Self {
        let mut size = Self::default();
        size.add(PromptPart::Text, tokens);
        size
    }

    /// Adds to a part.
    pub fn add(&mut self, part: PromptPart, amount: u64) {
        let kept = &mut self.amounts[part as usize];
        *kept = kept.saturating_add(u32::try_from(amount).unwrap_or(u32::MAX));
    }

    /// How much of a part there is.
    #[must_use]
    pub fn amount(&self, part: PromptPart) -> u32 {
        self.amounts[part as usize]
    }

    /// The amounts, in the order of [`PromptPart`].
    #[must_use]
    pub fn amounts(&self) -> &[u32; PARTS] {
        &self.amounts
    }

    /// Notes something whose tokens cannot be told from the request: tools that a provider runs, files by their names,
    /// images by their addresses.
    pub fn set_opaque(&mut self) {
        self.opaque = true;
    }

    /// Whether it has something whose tokens cannot be told.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        self.opaque
    }

    /// What is left without a part of it.
    #[must_use]
    pub fn without(mut self, part: &Self) -> Self {
        for (amount, less) in self.amounts.iter_mut().zip(part.amounts) {
            *amount = amount.saturating_sub(less);
        }
        self
    }

    /// Tokens for a model of which nothing is known.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        TokenScale::default().estimate(self)
    }
}

/// How many tokens a target counts for each part of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TokenScale {
    /// Tokens for one of each part, in thousandths.
    pub per_mille: [i32; PARTS],
    /// By how much each may be wrong (a standard deviation), in thousandths.
    pub doubt: [u32; PARTS],
    /// Counts that this rests on.
    pub samples: u32,
    /// A request of about so many tokens (prompt and room for the answer) was lately too long for it.
    pub overflow: Option<u64>,
}

impl Default for TokenScale {
    fn default() -> Self {
        Self { per_mille: USUAL, doubt: DOUBT, samples: 0, overflow: None }
    }
}

impl TokenScale {
    /// Tokens that the target will count, about.
    #[must_use]
    pub fn estimate(&self, size: &PromptSize) -> u64 {
        let sum = |weights: &[i32; PARTS]| {
            let parts = size.amounts.iter().zip(weights);
            parts.map(|(amount, weight)| i128::from(*amount) * i128::from(*weight)).sum::<i128>() / 1_000
        };
        // However odd the counts: a long prompt is never taken for nothing.
        let least = (sum(&USUAL) / 4).max(1);
        u64::try_from(sum(&self.per_mille).max(least)).unwrap_or(u64::MAX)
    }

    /// By how many tokens the estimate may be wrong (a standard deviation), as far as that lies in what is not known of the
    /// target.
    #[must_use]
    pub fn doubt(&self, size: &PromptSize) -> u64 {
        let parts = size.amounts.iter().zip(self.doubt);
        let squares = parts.map(|(amount, doubt)| (u128::from(*amount) * u128::from(doubt)).pow(2));
        let square = squares.fold(0, u128::saturating_add);
        u64::try_from(square.isqrt() / 1_000).unwrap_or(u64::MAX)
    }

    /// The same for a size whose texts were counted by the target's own encoding.
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
    fn an_estimate_is_a_sum_over_parts() {
        let mut size = PromptSize::of_text(1_000);
        size.add(PromptPart::Request, 1);
        size.add(PromptPart::Tools, 1);
        assert_eq!((size.tokens(), size.amount(PromptPart::Text)), (1_004, 1_000));
        let mut scale = TokenScale::default();
        scale.per_mille[PromptPart::Text as usize] = 1_200;
        scale.per_mille[PromptPart::Tools as usize] = 300_000;
        assert_eq!(scale.estimate(&size), 1_504);
        assert_eq!(scale.with_exact_text().estimate(&size), 1_304);
        // 12 % of the text, 300 tokens for the words around tools, 10 for those around the request.
        assert_eq!(TokenScale::default().doubt(&size), 323);
        assert_eq!(size.without(&PromptSize::of_text(400)).tokens(), 604);
    }

    #[test]
    fn no_scale_takes_a_long_prompt_for_nothing() {
        let mut scale = TokenScale { per_mille: [i32::MIN; PARTS], ..TokenScale::default() };
        assert_eq!(scale.estimate(&PromptSize::of_text(4_000)), 1_000);
        assert_eq!(scale.estimate(&PromptSize::default()), 1);
        let all = PromptSize { amounts: [u32::MAX; PARTS], opaque: false };
        scale.per_mille = [i32::MAX; PARTS];
        scale.doubt = [u32::MAX; PARTS];
        assert!(scale.estimate(&all) > 1_000_000 && scale.doubt(&all) > 1_000_000);
    }
}
