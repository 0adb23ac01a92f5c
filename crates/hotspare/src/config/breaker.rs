//! `[targets.NAME.breaker]`.
//!
//! Invariant: a count or a rate replaces the default evidence threshold; other omitted settings keep their defaults.

use hotspare_health::{Config as Breaker, Knobs};
use serde::Deserialize;

use super::choice::hint;
use super::text_or::{TextOr, TextOrTable};
use super::units::{DurationDto, PercentDto};

pub(super) type BreakerDto = TextOr<BreakerTableDto>;

impl TextOrTable for BreakerTableDto {
    const EXPECTED: &'static str =
        "a breaker is a name such as \"default\" or \"textbook\", or a table such as { failures = 5 }";
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct BreakerTableDto {
    failures: Option<u32>,
    window: Option<DurationDto>,
    failure_rate: Option<PercentDto>,
    slow_rate: Option<PercentDto>,
    min_calls: Option<u32>,
    /// The accumulated evidence that opens the breaker, in nats.
    evidence: Option<f64>,
    degrade: Option<bool>,
    cooldown: Option<DurationDto>,
    cooldown_cap: Option<DurationDto>,
    probes: Option<u32>,
    probes_to_close: Option<u32>,
    lease: Option<DurationDto>,
    ramp: Option<DurationDto>,
}

impl BreakerDto {
    pub(super) fn config(self) -> Result<Breaker, String> {
        let table = match self {
            Self::Text(name) => {
                return Breaker::named(&name).map_err(|unknown| {
                    let names: Vec<&str> = Breaker::names().collect();
                    format!("{unknown}{}", hint(&name, &names))
                });
            }
            Self::Table(table) => table,
        };
        let time = |span: Option<DurationDto>| span.map(|span| span.0);
        let share = |share: Option<PercentDto>| share.map(|share| share.0);
        let knobs = Knobs {
            failures: table.failures,
            window: time(table.window),
            failure_rate_bp: share(table.failure_rate),
            slow_rate_bp: share(table.slow_rate),
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
        Ok(knobs.config())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> (Option<u32>, Option<u32>, bool) {
        let knobs: BreakerTableDto = toml::from_str(text).unwrap();
        let config = BreakerDto::Table(knobs).config().unwrap();
        (config.failures, config.failure_rate_bp, config.evidence.is_some())
    }

    #[test]
    fn failure_count_or_rate_disables_evidence() {
        assert_eq!(rule("failure_rate = \"100%\""), (None, Some(10_000), false));
        assert_eq!(rule("failures = 7"), (Some(7), None, false));
        assert_eq!(rule("failures = 7\nfailure_rate = \"40%\""), (Some(7), Some(4_000), false));
        assert_eq!(rule("cooldown = \"10s\""), (None, None, true));
        assert_eq!(rule("failures = 7\nevidence = 9.2"), (Some(7), None, true), "both apply if both are set");
    }
}
