//! Whether a target can serve a request at all.
//!
//! Not whether it is well. Invariant: what nobody knows excludes nobody, and an estimate excludes only by a margin.

use std::fmt;

use hotspare_core::{ChatRequest, ModelProfile};

/// An estimate must be over the window by this much to count, in per cent.
const MARGIN: u64 = 15;

/// Why a target cannot serve a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ineligible {
    /// It makes no embeddings.
    NoEmbeddings,
    /// It cannot call tools.
    NoTools,
    /// It cannot read images.
    NoVision,
    /// Its longest answer is shorter than the request wants.
    Output {
        /// Wanted.
        wanted: u64,
        /// Possible.
        most: u64,
    },
    /// The prompt does not fit.
    Window {
        /// About so many tokens.
        needs: u64,
        /// The window.
        holds: u64,
    },
}

impl fmt::Display for Ineligible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEmbeddings => f.write_str("it makes no embeddings"),
            Self::NoTools => f.write_str("it cannot call tools"),
            Self::NoVision => f.write_str("it cannot read images"),
            Self::Output { wanted, most } => {
                write!(f, "an answer of {wanted} tokens is wanted, it gives at most {most}")
            }
            Self::Window { needs, holds } => {
                write!(f, "the request needs about {needs} tokens, its window holds {holds}")
            }
        }
    }
}

/// Why `profile`'s model cannot serve `request`, if it cannot.
#[must_use]
pub fn ineligible(request: &ChatRequest, profile: &ModelProfile, prompt_tokens: u64) -> Option<Ineligible> {
    let can = &profile.capabilities;
    if !request.tools.is_empty() && can.tools == Some(false) {
        return Some(Ineligible::NoTools);
    }
    if can.vision == Some(false) && request.has_images() {
        return Some(Ineligible::NoVision);
    }
    if let (Some(wanted), Some(most)) = (request.max_output, profile.max_output)
        && wanted > most
    {
        return Some(Ineligible::Output { wanted, most });
    }
    let holds = profile.context_window?;
    let needs = prompt_tokens.saturating_add(request.max_output.unwrap_or(0));
    let certain = needs.saturating_sub(prompt_tokens / 100 * MARGIN);
    (certain > holds).then_some(Ineligible::Window { needs, holds })
}

/// Why `profile`'s model makes no vectors, if it does not. Windows bound each input, not the sum, and are the provider's
/// to judge.
#[must_use]
pub fn ineligible_to_embed(profile: &ModelProfile) -> Option<Ineligible> {
    (profile.capabilities.embeddings == Some(false)).then_some(Ineligible::NoEmbeddings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_excludes_nobody_and_numbers_are_named() {
        let request = ChatRequest::to("r").user("x").max_output(100);
        assert_eq!(ineligible(&request, &ModelProfile::default(), 1_000_000), None);
        let mut small = ModelProfile::default();
        small.context_window = Some(2_048);
        let why = ineligible(&request, &small, 9_031).unwrap();
        assert_eq!(why.to_string(), "the request needs about 9131 tokens, its window holds 2048");
        assert_eq!(
            ineligible(&request, &small, 2_000),
            None,
            "an estimate that is a little over may be wrong"
        );
    }
}
