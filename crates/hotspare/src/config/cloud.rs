//! Models that a cloud serves at its own addresses and with its own keys.
//!
//! Invariant: a provider that this build leaves out is reported as such, not as unknown.

use super::like::ProviderDto;
use crate::anthropic;
use crate::endpoint::Endpoint;
use crate::gemini;
use crate::key::Key;

/// Names of these providers.
pub(super) const NAMES: [&str; 4] = ["anthropic-bedrock", "anthropic-vertex", "bedrock", "vertex"];

/// The endpoint, if the provider is one of these.
pub(super) fn endpoint(like: &ProviderDto, model: &str) -> Option<Result<Endpoint, String>> {
    match like.like.as_str() {
        "anthropic-vertex" => Some(anthropic_vertex(like, model)),
        "anthropic-bedrock" | "bedrock" => Some(bedrock(like, model)),
        "vertex" => Some(vertex(like, model)),
        _ => None,
    }
}

fn vertex(like: &ProviderDto, model: &str) -> Result<Endpoint, String> {
    let (project, location) = project_and_location(like)?;
    Ok(like.locate(gemini::vertex(project, location, model)))
}

fn anthropic_vertex(like: &ProviderDto, model: &str) -> Result<Endpoint, String> {
    let (project, location) = project_and_location(like)?;
    Ok(like.locate(anthropic::vertex(project, location, model)))
}

/// The project and the location.
fn project_and_location(like: &ProviderDto) -> Result<(&String, &String), String> {
    like.project.as_ref().zip(like.location.as_ref()).ok_or_else(|| {
        let name = &like.like;
        let form = format!("{{ like = \"{name}\", project = \"…\", location = \"global\" }}");
        format!("the provider `{name}` needs a project and a location: {form}")
    })
}

#[cfg(feature = "bedrock")]
fn bedrock(like: &ProviderDto, model: &str) -> Result<Endpoint, String> {
    use crate::bedrock;
    let mut target = if like.like == "bedrock" { bedrock::target(model) } else { bedrock::anthropic(model) };
    if let Some(region) = &like.region {
        target = target.region(region);
    }
    Ok(like.locate(target))
}

#[cfg(not(feature = "bedrock"))]
fn bedrock(like: &ProviderDto, _: &str) -> Result<Endpoint, String> {
    Err(format!("this build has no provider `{}`; build it with the feature `bedrock`", like.like))
}

/// The access key of a profile in AWS's files.
#[cfg(feature = "bedrock")]
pub(super) fn profile(name: &str) -> Result<Key, String> {
    Ok(crate::bedrock::profile(name))
}

/// As above.
#[cfg(not(feature = "bedrock"))]
pub(super) fn profile(_: &str) -> Result<Key, String> {
    Err("this build has no AWS profiles; build it with the feature `bedrock`".into())
}
