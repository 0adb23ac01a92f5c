//! Targets at Amazon Bedrock: the Converse wire for any model, the Messages wire for Anthropic's.
//!
//! Keys are access keys, which sign each request, or bearer keys. A target without an explicit key looks where AWS's
//! own tools do: in the environment, then in a profile's files (see [`credentials`]). Invariant: a target with neither
//! a region nor a base URL is reported as a mistake; no region is guessed.

mod files;

pub use hotspare_bedrock::{Bedrock, Invoke, SigV4, WIRE};

use std::sync::Arc;

use hotspare_anthropic::{Anthropic, Host};
use hotspare_core::Error;
use hotspare_provider::{Secret, Wire};

use crate::Key;
use crate::endpoint::{Endpoint, url_mistakes};
use files::Files;

/// A model at Bedrock, by its id, inference profile or ARN, over the Converse wire.
pub fn target(model: impl Into<String>) -> BedrockTarget {
    BedrockTarget::new(model.into(), false)
}

/// An Anthropic model on Bedrock, over the Messages wire, so features that only this wire has need no translation.
pub fn anthropic(model: impl Into<String>) -> BedrockTarget {
    BedrockTarget::new(model.into(), true)
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

/// A target whose region, address and headers can still be changed; it becomes an [`Endpoint`] with `key` or
/// `endpoint`.
#[derive(Clone, Debug)]
pub struct BedrockTarget {
    model: String,
    /// Whether to use the Messages wire instead of Converse.
    messages: bool,
    region: Option<String>,
    base_url: Option<String>,
    headers: Vec<(String, String)>,
}

impl BedrockTarget {
    fn new(model: String, messages: bool) -> Self {
        Self { model, messages, region: None, base_url: None, headers: Vec::new() }
    }

    /// Sets the region. Defaults to `AWS_REGION`, `AWS_DEFAULT_REGION` or the profile's region.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Sets the base URL: scheme and host. A key becomes optional.
    #[must_use]
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = Some(base_url.into());
        self
    }

    /// Adds a header to each request.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a key, such as [`profile`], instead of looking for one.
    #[must_use]
    pub fn key(self, key: Key) -> Endpoint {
        self.endpoint().key(key)
    }

    /// Finishes the description without adding a key.
    #[must_use]
    pub fn endpoint(self) -> Endpoint {
        let mut mistakes = Vec::new();
        let own_address = self.base_url.is_some();
        let region = self.region.clone().or_else(region);
        // The region becomes part of the host name, so it must not contain anything else.
        let is_name = |region: &String| {
            !region.is_empty() && region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        match &region {
            None if !own_address => {
                mistakes.push("it needs a region; set one with `region`, or AWS_REGION".into())
            }
            Some(region) if !is_name(region) => {
                mistakes.push(format!("region `{region}` is not a region's name such as us-east-1"));
            }
            _ => {}
        }
        let region = region.filter(is_name).unwrap_or_else(|| "us-east-1".into());
        let base_url = self.base_url.clone().unwrap_or_else(|| Bedrock::address(&region));
        mistakes.extend(url_mistakes(&base_url));
        let wire = self.wire(&base_url, &mut mistakes);
        let mut endpoint = Endpoint::reached(wire, self.model, &base_url);
        endpoint.signer = Some(Arc::new(SigV4::new(region)));
        endpoint.needs_key = !own_address;
        endpoint.default_key = (!own_address).then(credentials);
        endpoint.catalog = Some("bedrock".into());
        endpoint.mistakes = mistakes;
        endpoint
    }

    fn wire(&self, base_url: &str, mistakes: &mut Vec<String>) -> Arc<dyn Wire> {
        if self.messages {
            let wire = Anthropic::at(Host::BEDROCK, base_url);
            return Arc::new(Invoke::new(self.with_headers(wire, Anthropic::with_header, mistakes)));
        }
        let wire = Bedrock::new("").with_base_url(base_url).for_model(&self.model);
        Arc::new(self.with_headers(wire, Bedrock::with_header, mistakes))
    }

    fn with_headers<W: Clone>(
        &self,
        wire: W,
        add: fn(W, &str, &str) -> Result<W, Error>,
        mistakes: &mut Vec<String>,
    ) -> W {
        self.headers.iter().fold(wire, |wire, (name, value)| {
            add(wire.clone(), name, value).unwrap_or_else(|error| {
                mistakes.push(format!("header `{name}`: {}", error.message()));
                wire
            })
        })
    }
}

impl From<BedrockTarget> for Endpoint {
    fn from(target: BedrockTarget) -> Self {
        target.endpoint()
    }
}
