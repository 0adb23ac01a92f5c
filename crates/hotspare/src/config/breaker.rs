//! `[targets.NAME.breaker]`.
//!
//! Invariant: a count or a rate replaces the default evidence threshold; other omitted settings keep their defaults.

use hotspare_health::Config as Breaker;
use serde::Deserialize;

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
        let knobs = match self {
            Self::Text(name) => return Breaker::named(&name).map_err(|unknown| unknown.to_string()),
            Self::Table(knobs) => knobs,
        };
        let mut config = match knobs.evidence {
            // Count and rate are off by default, and each stays off unless it is set.
            None if knobs.failures.is_some() || knobs.failure_rate.is_some() => {
                let mut config = Breaker::default();
                config.evidence = None;
                config
            }
            None => Breaker::default(),
            Some(nats) if (0.1..=1_000.0).contains(&nats) => {
                let mut config = Breaker::evidence();
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "checked just above"
                )]
                let milli = (nats * 1_000.0).round() as u32;
                config.evidence = config.evidence.map(|evidence| evidence.trip(milli));
                config
            }
            Some(nats) => {
                return Err(format!("breaker.evidence is {nats}; it must be between 0.1 and 1000 nats"));
            }
        };
        config.failures = knobs.failures.or(config.failures);
        config.failure_rate_bp = knobs.failure_rate.map(|share| share.0).or(config.failure_rate_bp);
        config.slow_rate_bp = knobs.slow_rate.map(|share| share.0).or(config.slow_rate_bp);
        config.min_calls = knobs.min_calls.unwrap_or(config.min_calls);
        config.probes = knobs.probes.unwrap_or(config.probes);
        config.window = knobs.window.map_or(config.window, |span| span.0);
        config.cooldown = knobs.cooldown.map_or(config.cooldown, |span| span.0);
        config.cooldown_cap =
            knobs.cooldown_cap.map_or(config.cooldown_cap.max(config.cooldown), |span| span.0);
        config.degrade = knobs.degrade.unwrap_or(config.degrade);
        config.probes_to_close = knobs.probes_to_close.unwrap_or(config.probes_to_close);
        config.lease = knobs.lease.map_or(config.lease, |span| span.0);
        config.ramp = knobs.ramp.map_or(config.ramp, |span| span.0);
        Ok(config)
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
