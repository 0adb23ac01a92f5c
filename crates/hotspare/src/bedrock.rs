//! Targets at Amazon Bedrock: the Converse wire for any model, the Messages wire for Anthropic's.
//!
//! Keys are access keys, which sign each request, or bearer keys. A target without an explicit key looks where AWS's
//! own tools do: in the environment, then in a profile's files (see [`credentials`]). Invariant: a target with neither
//! a region nor a base URL is reported as a mistake; no region is guessed.

mod files;

pub use hotspare_bedrock::{Bedrock, Invoke, SigV4, WIRE};

use std::sync::Arc;

use hotspare_anthropic::{Anthropic, Host};
use hotspare_provider::{Secret, Wire};

use crate::Key;
use crate::endpoint::{AnyWire, Endpoint, HttpOptions, WireSettings};
use files::Files;

/// A model at Bedrock, by its id, inference profile or ARN, over the Converse wire.
pub fn target(model: impl Into<String>) -> Endpoint<Settings> {
    Endpoint::new(Settings { messages: false, region: None }, model.into(), Some("bedrock".into()))
}

/// An Anthropic model on Bedrock, over the Messages wire, so features that only this wire has need no translation.
pub fn anthropic(model: impl Into<String>) -> Endpoint<Settings> {
    Endpoint::new(Settings { messages: true, region: None }, model.into(), Some("bedrock".into()))
}

/// Looks for keys where AWS's own tools do: a bearer key or an access key (with an optional session token) in the
/// environment, else the profile named there, else the profile `default`.
#[must_use]
pub fn credentials() -> Key {
    Key::read("the AWS credentials of environment or profile", || {
        let env = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        if let Some(bearer) = env("AWS_BEARER_TOKEN_BEDROCK") {
            return Ok(Secret::new(bearer));
        }
        if let (Some(id), Some(key)) = (env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY")) {
            return Ok(joined(&id, &key, env("AWS_SESSION_TOKEN").as_deref()));
        }
        Files::from_env().secret(&profile_name()).map_err(|what| {
            format!("{what}, and neither AWS_BEARER_TOKEN_BEDROCK nor AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set")
        })
    })
}

/// The access key of a profile in AWS's own files, `~/.aws/credentials` and `~/.aws/config`.
pub fn profile(name: impl Into<String>) -> Key {
    let name = name.into();
    Key::read(format!("the AWS profile `{name}`"), move || Files::from_env().secret(&name))
}

/// An access key that the application already holds, with its session token if it is temporary.
#[must_use]
pub fn access_key(id: &str, key: &str, token: Option<&str>) -> Key {
    Key::from_secret(joined(id, key, token))
}

fn joined(id: &str, key: &str, token: Option<&str>) -> Secret {
    match token {
        Some(token) => Secret::new(format!("{}:{}:{}", id.trim(), key.trim(), token.trim())),
        None => Secret::new(format!("{}:{}", id.trim(), key.trim())),
    }
}

fn profile_name() -> String {
    std::env::var("AWS_PROFILE").unwrap_or_else(|_| "default".into())
}

/// The region from the environment or the profile.
fn region() -> Option<String> {
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    env("AWS_REGION")
        .or_else(|| env("AWS_DEFAULT_REGION"))
        .or_else(|| Files::from_env().region(&profile_name()))
}

/// Settings of this module's endpoints.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether to use the Messages wire instead of Converse.
    messages: bool,
    region: Option<String>,
}

impl Endpoint<Settings> {
    /// Sets the region. Defaults to `AWS_REGION`, `AWS_DEFAULT_REGION` or the profile's region.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.wire.region = Some(region.into());
        self
    }
}

impl WireSettings for Settings {
    fn connect(self, model: &str, http: &HttpOptions, mistakes: &mut Vec<String>) -> AnyWire {
        let region = self.region.or_else(region);
        // The region becomes part of the host name, so it must not contain anything else.
        let is_name = |region: &String| {
            !region.is_empty() && region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        match &region {
            None if http.base_url.is_none() => {
                mistakes.push("it needs a region; set one with `region`, or AWS_REGION".into());
            }
            Some(region) if !is_name(region) => {
                mistakes.push(format!("region `{region}` is not a region's name such as us-east-1"));
            }
            _ => {}
        }
        let region = region.filter(is_name).unwrap_or_else(|| "us-east-1".into());
        let base_url = http.base_url.clone().unwrap_or_else(|| Bedrock::address(&region));
        let wire: Arc<dyn Wire> = if self.messages {
            let wire = Anthropic::at(Host::BEDROCK, &base_url);
            Arc::new(Invoke::new(http.with_headers(wire, Anthropic::with_header, mistakes)))
        } else {
            let wire = Bedrock::new("").with_base_url(&base_url).for_model(model);
            Arc::new(http.with_headers(wire, Bedrock::with_header, mistakes))
        };
        AnyWire {
            default_key: Some(credentials()),
            signer: Some(Arc::new(SigV4::new(region))),
            ..AnyWire::at(&base_url, wire, mistakes)
        }
    }
}
