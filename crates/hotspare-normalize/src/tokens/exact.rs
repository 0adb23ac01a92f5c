//! Exact counts, where the encoding is published.
//!
//! Not built in: the feature `tiktoken` brings the vocabularies (several megabytes), without it nothing is known
//! exactly. Invariant: a count of text is that of the encoding itself; what stands around texts is estimated even here,
//! for no provider publishes it.

use hotspare_core::{ChatRequest, Encoding, PromptSize};

/// Tokens of a text; `None` without the feature `tiktoken`.
#[cfg(feature = "tiktoken")]
#[must_use]
pub fn count_text(encoding: Encoding, text: &str) -> Option<u64> {
    let tokenizer = match encoding {
        Encoding::Cl100k => published_bpe::cl100k_base(),
        Encoding::O200k => published_bpe::o200k_base(),
        _ => return None,
    };
    Some(tokenizer.count(text) as u64)
}

/// Tokens of a text; `None` without the feature `tiktoken`.
#[cfg(not(feature = "tiktoken"))]
#[must_use]
pub fn count_text(_: Encoding, _: &str) -> Option<u64> {
    None
}

/// The size of a prompt whose texts are counted exactly; [`TokenScale::with_exact_text`](hotspare_core::TokenScale) makes
/// tokens of it. `None` as for [`count_text`].
#[must_use]
pub fn exact_size(encoding: Encoding, request: &ChatRequest) -> Option<PromptSize> {
    count_text(encoding, "")?;
    Some(super::count(request, &|text| count_text(encoding, text).unwrap_or(0)))
}
