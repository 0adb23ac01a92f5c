//! Token counts of an answer.
//!
//! Not a price. Invariant: a count that was not reported is `None`, never 0; counts include their parts (cached tokens
//! are part of `input`, reasoning tokens part of `output`), whatever the provider's own convention.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Token counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub input: Option<u64>,
    /// Tokens of the answer, reasoning included.
    pub output: Option<u64>,
    /// Part of `input` that came from the provider's prompt cache. As reported: some providers count their own
    /// instructions here but not in `input`, so it may exceed `input`; prices cap it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<u64>,
    /// Part of `input` that was written to the prompt cache.
    #[serde(rename = "cache_written", default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
    /// Part of `output` that was reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u64>,
    /// Who counted.
    pub source: UsageSource,
}

impl Usage {
    /// Counts reported by the provider.
    #[must_use]
    pub const fn reported(input: Option<u64>, output: Option<u64>) -> Self {
        Self {
            input,
            output,
            cached: None,
            cache_write: None,
            reasoning: None,
            source: UsageSource::Reported,
        }
    }

    /// Counts estimated by Hotspare.
    #[must_use]
    pub const fn estimated(input: Option<u64>, output: Option<u64>) -> Self {
        Self { source: UsageSource::Estimated, ..Self::reported(input, output) }
    }

    /// Takes over every count that `later` has: providers repeat their counts as a stream proceeds.
    pub fn update(&mut self, later: &Self) {
        self.input = later.input.or(self.input);
        self.output = later.output.or(self.output);
        self.cached = later.cached.or(self.cached);
        self.cache_write = later.cache_write.or(self.cache_write);
        self.reasoning = later.reasoning.or(self.reasoning);
        self.source = later.source;
    }

    /// Input plus output, if either is known.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        sum(self.input, self.output)
    }
}

/// Adds another attempt's counts; the sum is an estimate as soon as one part is.
impl AddAssign<&Usage> for Usage {
    fn add_assign(&mut self, other: &Usage) {
        self.input = sum(self.input, other.input);
        self.output = sum(self.output, other.output);
        self.cached = sum(self.cached, other.cached);
        self.cache_write = sum(self.cache_write, other.cache_write);
        self.reasoning = sum(self.reasoning, other.reasoning);
        if other.source == UsageSource::Estimated {
            self.source = UsageSource::Estimated;
        }
    }
}

/// The tokens of one model in an answer on which the provider let several models work: one that another replaced, or
/// that advised it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Turn {
    /// The provider's name of the model; `None` for the one that was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its tokens.
    pub usage: Usage,
}

impl Turn {
    /// The tokens of one model.
    #[must_use]
    pub const fn new(model: Option<String>, usage: Usage) -> Self {
        Self { model, usage }
    }
}

/// Who counted the tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UsageSource {
    /// Hotspare, by estimate.
    Estimated,
    /// The provider.
    #[default]
    Reported,
}

fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_counts_are_not_zero() {
        let mut total = Usage::reported(None, Some(3));
        total += &Usage::reported(None, None);
        assert_eq!((total.input, total.output, total.total()), (None, Some(3), Some(3)));
    }

    #[test]
    fn update_replaces_and_add_assign_adds() {
        let mut usage = Usage::reported(Some(10), Some(1));
        usage.update(&Usage::reported(None, Some(7)));
        assert_eq!(usage, Usage::reported(Some(10), Some(7)));
        usage += &Usage::estimated(Some(1), None);
        assert_eq!(usage, Usage::estimated(Some(11), Some(7)));
    }
}
