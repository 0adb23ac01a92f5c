//! Native wires of hosts whose plain name refers to their OpenAI-compatible endpoint.
//!
//! Invariant: a provider that this build leaves out is reported as such, not as unknown.

use super::like::ProviderDto;
use crate::endpoint::Endpoint;

/// Names of these providers.
pub(super) const NAMES: [&str; 2] = ["cohere-native", "ollama-native"];

/// The endpoint, if the provider is one of these.
pub(super) fn endpoint(like: &ProviderDto, model: &str) -> Option<Result<Endpoint, String>> {
    if !NAMES.contains(&like.like.as_str()) {
        return None;
    }
    Some(if like.like == "cohere-native" { cohere(like, model) } else { ollama(like, model) })
}

#[cfg(feature = "cohere")]
#[expect(clippy::unnecessary_wraps, reason = "fails only without the feature")]
fn cohere(like: &ProviderDto, model: &str) -> Result<Endpoint, String> {
    Ok(like.locate(crate::cohere::target(model)))
}

#[cfg(not(feature = "cohere"))]
fn cohere(_: &ProviderDto, _: &str) -> Result<Endpoint, String> {
    Err("this build has no provider `cohere-native`; build it with the feature `cohere`".into())
}

#[cfg(feature = "ollama")]
#[expect(clippy::unnecessary_wraps, reason = "fails only without the feature")]
fn ollama(like: &ProviderDto, model: &str) -> Result<Endpoint, String> {
    Ok(like.locate(crate::ollama::target(model)))
}

#[cfg(not(feature = "ollama"))]
fn ollama(_: &ProviderDto, _: &str) -> Result<Endpoint, String> {
    Err("this build has no provider `ollama-native`; build it with the feature `ollama`".into())
}
