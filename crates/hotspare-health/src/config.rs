//! When a breaker opens, for how long, and how it closes again.
//!
//! Data only. Invariant: every default says where it comes from, and `validate` refuses values under which a breaker
//! would never open, never close or never probe.

use std::time::Duration;

use crate::evidence::Evidence;

/// Knobs of one breaker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Config {
    /// Opens at so many failures within [`Config::window`]; `None` never for this reason. Default `None`.
    pub failures: Option<u32>,
    /// Opens when at least this share of calls failed, in hundredths of a per cent. Default `None`.
    pub failure_rate_bp: Option<u32>,
    /// Opens when the first content of at least this share of calls was late. Default 8,000 (80 %).
    pub slow_rate_bp: Option<u32>,
    /// Opens on evidence that adds up, instead of or beside the counts above; see [`Evidence`]. The default; chosen by
    /// simulation.
    pub evidence: Option<Evidence>,
    /// Whether a target whose calls keep passing the time that 95 % of the like kept gets a tenth of its traffic until it
    /// is better. Default true.
    pub degrade: bool,
    /// The rates are judged from so many calls on. Default 10.
    pub min_calls: u32,
    /// How far back failures and calls count. Default 30 s.
    pub window: Duration,
    /// First time that an open breaker blocks. Default 5 s.
    pub cooldown: Duration,
    /// Longest time: each time that it opens again doubles the cooldown up to here. Default 15 s, so that a target that
    /// comes back is found within that time.
    pub cooldown_cap: Duration,
    /// Probes that may be under way at once while half-open. Default 1.
    pub probes: u32,
    /// Good probes that close the breaker. Default 1.
    pub probes_to_close: u32,
    /// A probe that has not reported after this time is given up, or after ten times as long once its answer has begun.
    /// Default 60 s.
    pub lease: Duration,
    /// After closing, a target's weight rises from a tenth to the whole within this time. Default 10 s.
    pub ramp: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            failures: None,
            failure_rate_bp: None,
            slow_rate_bp: Some(8_000),
            evidence: Some(Evidence::default()),
            degrade: true,
            min_calls: 10,
            window: Duration::from_secs(30),
            cooldown: Duration::from_secs(5),
            cooldown_cap: Duration::from_secs(15),
            probes: 1,
            probes_to_close: 1,
            lease: Duration::from_secs(60),
            ramp: Duration::from_secs(10),
        }
    }
}

/// Ready-made rules, by the names that configurations have for them.
const READY: [Ready; 5] = [
    ("default", Config::default),
    ("evidence", Config::evidence),
    ("window", Config::window),
    ("textbook", Config::textbook),
    ("never", Config::never),
];

type Ready = (&'static str, fn() -> Config);

impl Config {
    /// The ready-made rule of this name: `default`, `evidence`, `window`, `textbook` or `never`.
    ///
    /// # Errors
    /// What is known, if it is not.
    pub fn named(name: &str) -> Result<Self, UnknownRule> {
        let found = READY.iter().find(|(known, _)| *known == name);
        found.map(|(_, rule)| rule()).ok_or_else(|| UnknownRule(name.to_owned()))
    }

    /// The rule of the textbooks: 3 failures within 60 s open it for 60 s, one probe closes it.
    #[must_use]
    pub fn textbook() -> Self {
        Self {
            failures: Some(3),
            slow_rate_bp: None,
            evidence: None,
            window: Duration::from_secs(60),
            cooldown: Duration::from_secs(60),
            cooldown_cap: Duration::from_secs(60),
            ..Self::default()
        }
    }

    /// Opens on evidence alone: four failures in a row at any rate of traffic, or a net equivalent. The default.
    #[must_use]
    pub fn evidence() -> Self {
        Self::default()
    }

    /// Opens at 5 failures within 30 s, or when half of ten calls and more failed. A count does not know what lies between
    /// the failures: at 20 calls a second one call in a hundred is enough to open it.
    #[must_use]
    pub fn window() -> Self {
        Self { failures: Some(5), failure_rate_bp: Some(5_000), evidence: None, ..Self::default() }
    }

    /// A breaker that never opens.
    #[must_use]
    pub fn never() -> Self {
        Self { slow_rate_bp: None, evidence: None, degrade: false, ..Self::default() }
    }

    /// Checks that a breaker with these knobs can open and close.
    ///
    /// # Errors
    /// The first knob that makes no sense, and what would.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let zero = [
            ("failures", self.failures == Some(0)),
            ("min_calls", self.min_calls == 0),
            ("window", self.window.is_zero()),
            ("cooldown", self.cooldown.is_zero()),
            ("probes", self.probes == 0),
            ("probes_to_close", self.probes_to_close == 0),
            ("lease", self.lease.is_zero()),
            ("evidence.trip", self.evidence.is_some_and(|rule| rule.trip == 0)),
            ("evidence.failure", self.evidence.is_some_and(|rule| rule.failure == 0)),
            ("evidence.half_life", self.evidence.is_some_and(|rule| rule.half_life.is_zero())),
        ];
        if let Some((knob, _)) = zero.iter().find(|(_, wrong)| *wrong) {
            return Err(ConfigError { knob, rule: "must be more than 0" });
        }
        for (knob, rate) in [("failure_rate", self.failure_rate_bp), ("slow_rate", self.slow_rate_bp)] {
            if rate.is_some_and(|rate| rate == 0 || rate > 10_000) {
                return Err(ConfigError { knob, rule: "must be more than 0 % and at most 100 %" });
            }
        }
        if self.cooldown_cap < self.cooldown {
            return Err(ConfigError { knob: "cooldown_cap", rule: "must not be shorter than cooldown" });
        }
        Ok(())
    }
}

/// There is no ready-made rule of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown breaker `{0}`; known are {known}", known = READY.map(|(name, _)| name).join(", "))]
pub struct UnknownRule(String);

/// A knob that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("breaker: {knob} {rule}")]
pub struct ConfigError {
    knob: &'static str,
    rule: &'static str,
}
