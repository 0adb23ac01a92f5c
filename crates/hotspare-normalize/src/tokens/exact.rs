//! Exact counts, where the encoding is published.
//!
//! Not built in: the feature `tiktoken` adds the vocabularies (several megabytes), and without it nothing is counted
//! exactly. Invariant: a count of text is that of the encoding itself; what a provider adds around texts is estimated
//! even here, because no provider publishes it.

use hotspare_core::{ChatRequest, Encoding, PromptSize};

/// The number of tokens of a text; `None` if the encoding's vocabulary is not included.
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

/// The number of tokens of a text; always `None` without the feature `tiktoken`.
#[cfg(not(feature = "tiktoken"))]
#[must_use]
pub fn count_text(_: Encoding, _: &str) -> Option<u64> {
    None
}

/// The size of a prompt whose texts are counted exactly; [`TokenScale::with_exact_text`](hotspare_core::TokenScale)
/// converts it to tokens. `None` as for [`count_text`].
#[must_use]
pub fn exact_size(encoding: Encoding, request: &ChatRequest) -> Option<PromptSize> {
    count_text(encoding, "")?;
    Some(super::count(request, &|text| count_text(encoding, text).unwrap_or(0)))
}
