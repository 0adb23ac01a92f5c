//! A target's breaker in a scenario: by name, or by its settings.
//!
//! Only text: what the settings mean is the same as in a configuration. Invariant: an invalid setting is an error.

use hotspare_health::{Config as Breaker, Knobs};
use serde::Deserialize;

use crate::units::{Share, Span};

#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a breaker is a name such as \"default\" or \"textbook\", or a table such as { failures = 5 }"
)]
pub(crate) enum BreakerDto {
    Name(String),
    Table(BreakerTableDto),
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BreakerTableDto {
    failures: Option<u32>,
    window: Option<Span>,
    failure_rate: Option<Share>,
    slow_rate: Option<Share>,
    min_calls: Option<u32>,
    /// In nats.
    evidence: Option<f64>,
    degrade: Option<bool>,
    cooldown: Option<Span>,
    cooldown_cap: Option<Span>,
    probes: Option<u32>,
    probes_to_close: Option<u32>,
    lease: Option<Span>,
    ramp: Option<Span>,
}

impl BreakerDto {
    pub(crate) fn config(&self) -> Result<Breaker, String> {
        let table = match self {
            Self::Name(name) => return Breaker::named(name).map_err(|unknown| unknown.to_string()),
            Self::Table(table) => table,
        };
        let time = |span: Option<Span>| span.map(|span| span.0);
        let knobs = Knobs {
            failures: table.failures,
            window: time(table.window),
            failure_rate_bp: table.failure_rate.map(Share::basis_points),
            slow_rate_bp: table.slow_rate.map(Share::basis_points),
            min_calls: table.min_calls,
            evidence: table.evidence.map(Knobs::milli_nats).transpose().map_err(|error| error.to_string())?,
            degrade: table.degrade,
            cooldown: time(table.cooldown),
            cooldown_cap: time(table.cooldown_cap),
            probes: table.probes,
            probes_to_close: table.probes_to_close,
            lease: time(table.lease),
            ramp: time(table.ramp),
        };
        let config = knobs.config();
        config.validate().map_err(|error| error.to_string())?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker(text: &str) -> Result<Breaker, String> {
        #[derive(Deserialize)]
        struct Target {
            breaker: BreakerDto,
        }
        let target: Target = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        target.breaker.config()
    }

    /// The same text means the same in a configuration: see the facade's `config/breaker.rs`.
    #[test]
    fn settings_mean_what_they_mean_in_a_configuration() {
        let rule = |text: &str| {
            let config = breaker(&format!("breaker = {{ {text} }}")).unwrap();
            (config.failures, config.failure_rate_bp, config.evidence.is_some())
        };
        assert_eq!(rule("failures = 7"), (Some(7), None, false));
        assert_eq!(rule("failure_rate = \"57%\""), (None, Some(5_700), false));
        assert_eq!(rule("cooldown = \"10s\""), (None, None, true));
        assert_eq!(rule("failures = 7, evidence = 9.2"), (Some(7), None, true));
        let all = "degrade = false, lease = \"9s\", probes_to_close = 2, slow_rate = \"29%\"";
        let config = breaker(&format!("breaker = {{ {all} }}")).unwrap();
        assert_eq!((config.degrade, config.lease.as_secs(), config.probes_to_close), (false, 9, 2));
        assert_eq!(config.slow_rate_bp, Some(2_900));
        for wrong in ["evidence = nan", "evidence = 0", "cooldown = \"0s\"", "failure = 3"] {
            assert!(breaker(&format!("breaker = {{ {wrong} }}")).is_err(), "{wrong}");
        }
        assert_eq!(breaker("breaker = \"textbook\""), Ok(Breaker::textbook()));
    }
}
