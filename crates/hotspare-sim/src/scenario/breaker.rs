//! A target's breaker in a scenario: by name, or by its settings.
//!
//! Invariant: omitted settings have the product's defaults, and an invalid setting is an error.

use hotspare_health::Config as Breaker;
use serde::Deserialize;

use crate::units::{Share, Span};

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a breaker is a name such as \"default\" or \"textbook\", or a table of knobs")]
pub(crate) enum BreakerDto {
    Name(String),
    Settings(BreakerSettings),
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BreakerSettings {
    failures: Option<u32>,
    window: Option<Span>,
    failure_rate: Option<Share>,
    slow_rate: Option<Share>,
    min_calls: Option<u32>,
    cooldown: Option<Span>,
    cooldown_cap: Option<Span>,
    probes: Option<u32>,
    ramp: Option<Span>,
}

impl BreakerDto {
    pub(crate) fn config(&self) -> Result<Breaker, String> {
        let settings = match self {
            Self::Name(name) => return Breaker::named(name).map_err(|unknown| unknown.to_string()),
            Self::Settings(settings) => settings,
        };
        let bp = |share: Share| (share.0 * 10_000.0) as u32;
        let counts = settings.failures.is_some() || settings.failure_rate.is_some();
        let mut config = if counts { Breaker::window() } else { Breaker::default() };
        config.failures = settings.failures.or(config.failures);
        config.failure_rate_bp = settings.failure_rate.map(bp).or(config.failure_rate_bp);
        config.slow_rate_bp = settings.slow_rate.map(bp).or(config.slow_rate_bp);
        config.min_calls = settings.min_calls.unwrap_or(config.min_calls);
        config.probes = settings.probes.unwrap_or(config.probes);
        config.window = settings.window.map_or(config.window, |span| span.0);
        config.cooldown = settings.cooldown.map_or(config.cooldown, |span| span.0);
        config.cooldown_cap =
            settings.cooldown_cap.map_or(config.cooldown_cap.max(config.cooldown), |span| span.0);
        config.ramp = settings.ramp.map_or(config.ramp, |span| span.0);
        config.validate().map_err(|error| error.to_string())?;
        Ok(config)
    }
}
