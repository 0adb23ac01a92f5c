//! `[targets.NAME]`.
//!
//! Invariant: a provider is named, never guessed from an address or a model's name.

use hotspare_core::ThinkTags;
use serde::Deserialize;

use super::KeyDto;
use super::breaker::BreakerDto;
use super::choice::hint;
use super::cloud;
use super::like::ProviderDto;
use super::native;
use super::profile::ProfileDto;
use super::prompt::PromptDto;
use super::text_or::TextOr;
use super::units::{DurationDto, SpendLimitDto};
use crate::endpoint::Endpoint;
use crate::openai::Dialect;
use crate::{anthropic, gemini, openai};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetDto {
    provider: TextOr<ProviderDto>,
    model: String,
    api: Option<ApiDto>,
    #[serde(default)]
    pub(super) keys: Vec<KeyDto>,
    max_in_flight: Option<u32>,
    requests_per_minute: Option<u64>,
    tokens_per_minute: Option<u64>,
    spend_limit: Option<SpendLimitDto>,
    think_tags: Option<ThinkTagsDto>,
    connect: Option<DurationDto>,
    #[serde(default)]
    probe: bool,
    deadline_header: Option<String>,
    proxy: Option<String>,
    #[serde(default)]
    proxy_from_env: bool,
    /// File with additional certificate authorities, PEM.
    pub(super) ca: Option<CaDto>,
    health_group: Option<String>,
    breaker: Option<BreakerDto>,
    profile: Option<ProfileDto>,
    pub(super) prompt: Option<PromptDto>,
}

/// Which wire to use if a host has several.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ApiDto {
    Chat,
    Responses,
}

/// Certificate authorities: the path of a file, and its contents once read.
#[derive(Debug, Deserialize)]
#[serde(from = "String")]
pub(super) struct CaDto {
    file: String,
    pem: Option<String>,
}

impl From<String> for CaDto {
    fn from(file: String) -> Self {
        Self { file, pem: None }
    }
}

impl CaDto {
    pub(super) fn read(&mut self, read: impl Fn(&str) -> std::io::Result<String>) -> Result<(), String> {
        let pem = read(&self.file).map_err(|error| format!("ca {}: {error}", self.file))?;
        self.pem = Some(pem);
        Ok(())
    }

    fn pem(self) -> Result<String, String> {
        self.pem.ok_or_else(|| format!("ca {}: the file was not read", self.file))
    }
}

/// Tags around a model's reasoning.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "think_tags are true (`<think>` and `</think>`), \"already_open\" (the answer begins inside them), or two \
                 texts: [\"[THINK]\", \"[/THINK]\"]"
)]
enum ThinkTagsDto {
    Default(bool),
    Keyword(String),
    Custom([String; 2]),
}

impl ThinkTagsDto {
    fn tags(self) -> Result<Option<ThinkTags>, String> {
        match self {
            Self::Default(on) => Ok(on.then(ThinkTags::default)),
            Self::Keyword(word) if word == "already_open" => Ok(Some(ThinkTags::default().already_open())),
            Self::Keyword(word) => {
                Err(format!("unknown think_tags `{word}`; valid values are true, already_open and two texts"))
            }
            Self::Custom([open, close]) if open.is_empty() || close.is_empty() => {
                Err("think_tags must not be empty".into())
            }
            Self::Custom([open, close]) => Ok(Some(ThinkTags::new(open, close))),
        }
    }
}

impl TargetDto {
    /// The endpoint, or every mistake in it with the setting that has it.
    pub(super) fn endpoint(self) -> Result<Endpoint, Vec<(&'static str, String)>> {
        let like = match self.provider {
            TextOr::Text(like) => ProviderDto { like, ..ProviderDto::default() },
            TextOr::Table(like) => like,
        };
        let in_flight = self.max_in_flight.or(like.max_in_flight);
        let mut mistakes = Vec::new();
        let endpoint = valid_setting("provider", provider(&like, self.model, self.api), &mut mistakes);
        valid_setting("provider", like.check_headers(!self.keys.is_empty()), &mut mistakes);
        let keys: Vec<_> =
            self.keys.iter().filter_map(|key| valid_setting("keys", key.key(), &mut mistakes)).collect();
        let tags = self.think_tags.and_then(|tags| valid_setting("think_tags", tags.tags(), &mut mistakes)?);
        let ca = self.ca.and_then(|ca| valid_setting("ca", ca.pem(), &mut mistakes));
        let breaker =
            self.breaker.and_then(|breaker| valid_setting("breaker", breaker.config(), &mut mistakes));
        let profile = self.profile.and_then(|dto| {
            let mut profile = endpoint.as_ref().map(Endpoint::model_profile).unwrap_or_default();
            valid_setting("profile", dto.apply(&mut profile).map(|()| profile), &mut mistakes)
        });
        let template =
            self.prompt.and_then(|prompt| valid_setting("prompt", prompt.template(), &mut mistakes)?);
        let Some(mut endpoint) = endpoint.filter(|_| mistakes.is_empty()) else { return Err(mistakes) };
        for key in keys {
            endpoint = endpoint.key(key);
        }
        if let Some(calls) = in_flight {
            endpoint = endpoint.max_in_flight(calls);
        }
        if let Some(requests) = self.requests_per_minute {
            endpoint = endpoint.requests_per_minute(requests);
        }
        if let Some(tokens) = self.tokens_per_minute {
            endpoint = endpoint.tokens_per_minute(tokens);
        }
        if let Some(limit) = self.spend_limit {
            endpoint = endpoint.spend_limit(limit.most, limit.per);
        }
        if let Some(tags) = tags {
            endpoint = endpoint.think_tags(tags);
        }
        if let Some(connect) = self.connect {
            endpoint = endpoint.connect_timeout(connect.0);
        }
        endpoint = endpoint.probe(self.probe);
        if let Some(name) = self.deadline_header {
            endpoint = endpoint.deadline_header(name);
        }
        if let Some(proxy) = self.proxy {
            endpoint = endpoint.proxy(proxy);
        }
        if self.proxy_from_env {
            endpoint = endpoint.proxy_from_env();
        }
        if let Some(pem) = ca {
            endpoint = endpoint.ca(pem);
        }
        if let Some(name) = self.health_group {
            endpoint = endpoint.health_group(name);
        }
        if let Some(config) = breaker {
            endpoint = endpoint.breaker(config);
        }
        if let Some(profile) = profile {
            endpoint = endpoint.profile(profile);
        }
        if let Some((name, template)) = template {
            endpoint = endpoint.template(name, template);
        }
        Ok(endpoint)
    }
}

/// The setting's value, unless there is a mistake in it.
fn valid_setting<T>(
    setting: &'static str,
    value: Result<T, String>,
    mistakes: &mut Vec<(&'static str, String)>,
) -> Option<T> {
    value.map_err(|what| mistakes.push((setting, what))).ok()
}

const API_VERSION_EXAMPLE: &str = "2024-10-21";

fn provider(like: &ProviderDto, model: String, api: Option<ApiDto>) -> Result<Endpoint, String> {
    if api.is_some() && Dialect::find(&like.like).is_none() {
        return Err(format!("`api` is not supported by the provider `{}`", like.like));
    }
    let row = Dialect::find(&like.like);
    if like.api_version.is_some() && row.is_none_or(|row| row.query.is_empty()) {
        return Err(format!("`api_version` is not supported by the provider `{}`", like.like));
    }
    if let Some(endpoint) = cloud::endpoint(like, &model) {
        return endpoint;
    }
    if like.region.is_some() || like.project.is_some() || like.location.is_some() {
        let what = "`region`, `project` and `location` are not supported by the provider";
        return Err(format!("{what} `{}`", like.like));
    }
    if let Some(endpoint) = native::endpoint(like, &model) {
        return endpoint;
    }
    if like.like == "gemini" {
        return Ok(like.locate(gemini::target(model)));
    }
    if like.like == "anthropic" {
        return Ok(like.locate(anthropic::target(model)));
    }
    let Some(row) = row else {
        let mut known: Vec<&str> = Dialect::ALL.iter().map(|row| row.id.as_ref()).collect();
        known.extend(["anthropic", "gemini"]);
        known.extend(cloud::NAMES);
        known.extend(native::NAMES);
        let hint = hint(&like.like, &known);
        return Err(format!("unknown provider `{}`; valid values are {}{hint}", like.like, known.join(", ")));
    };
    let target = match &like.api_version {
        None => openai::dialect(row, model),
        Some(version) => {
            let malformed = || {
                format!("`api_version` is `{version}`; write a version such as \"{}\"", API_VERSION_EXAMPLE)
            };
            openai::dialect(&row.clone().with_api_version(version).ok_or_else(malformed)?, model)
        }
    };
    Ok(like.locate(match api {
        Some(ApiDto::Responses) => target.responses(),
        Some(ApiDto::Chat) => target.chat(),
        None => target,
    }))
}
