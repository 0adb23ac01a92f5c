//! The text that simulated models produce.
//!
//! Invariant: word n of a voice is the same for every request, and all words have the same length, so that answers can
//! be checked by comparing bytes.

use crate::workload::MAX_OUTPUT_TOKENS;

/// Length of a word in bytes.
pub(crate) const WORD: usize = 4;
/// Number of distinct voices.
const VARIANTS: usize = 4;

/// The text of a few voices.
#[derive(Debug)]
pub(crate) struct ModelText(Vec<String>);

impl ModelText {
    pub(crate) fn new(targets: usize) -> Self {
        let variant = |variant: usize| {
            let letter = |n: usize| char::from(b'a' + u8::try_from(n % 26).unwrap_or(0));
            let word = |n: usize| [' ', letter(n / 676 + variant), letter(n / 26), letter(n)];
            (0..MAX_OUTPUT_TOKENS as usize).flat_map(word).collect()
        };
        Self((0..targets.clamp(1, VARIANTS)).map(variant).collect())
    }

    /// Words in the range `from..to`.
    pub(crate) fn words(&self, variant: usize, from: u32, to: u32) -> &str {
        let variant = &self.0[variant % self.0.len()];
        let range = |word: u32| (word as usize * WORD).min(variant.len());
        &variant[range(from)..range(to)]
    }
}
