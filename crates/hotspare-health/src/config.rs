//! When a breaker opens, for how long, and how it closes again.
//!
//! Data only. Invariant: every default is documented, and `validate` rejects values under which a breaker would never
//! open, never close or never probe.

use std::time::Duration;

use crate::evidence::Evidence;

/// Settings of one breaker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Config {
    /// Opens at this many failures within [`Config::window`]; `None` disables the rule. Default `None`.
    pub failures: Option<u32>,
    /// Opens when at least this share of calls failed, in hundredths of a per cent; `None` disables the rule. Default
    /// `None`.
    pub failure_rate_bp: Option<u32>,
    /// Opens when the first content of at least this share of calls was late, in hundredths of a per cent; `None`
    /// disables the rule. Default 8,000 (80 %).
    pub slow_rate_bp: Option<u32>,
    /// Opens on accumulated evidence, instead of or in addition to the counts above; see [`Evidence`]. The default
    /// rule, chosen by simulation.
    pub evidence: Option<Evidence>,
    /// Whether a target that has become slow (too many of its calls exceed the 95th percentile of comparable calls)
    /// counts as degraded, with a tenth of its weight, until it recovers. Default true.
    pub degrade: bool,
    /// Number of calls below which the rates are not judged. Default 10.
    pub min_calls: u32,
    /// How far back failures and calls count. Default 30 s.
    pub window: Duration,
    /// Initial cooldown: how long an open breaker blocks. Default 5 s.
    pub cooldown: Duration,
    /// Longest cooldown: each further opening doubles the cooldown up to here. Default 15 s, so that a target that
    /// recovers is noticed within that time.
    pub cooldown_cap: Duration,
    /// Probes that may be in flight at once while half-open. Default 1.
    pub probes: u32,
    /// Successful probes that close the breaker. Default 1.
    pub probes_to_close: u32,
    /// Time after which a probe that has not reported no longer keeps others from probing, and is given up. It is given
    /// up only after ten times as long if its answer has started or is unstreamed. Default 60 s.
    pub lease: Duration,
    /// Time within which a target's weight rises from a tenth to the whole after closing. Default 10 s.
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

/// Presets, by their names in configurations.
const READY: [Ready; 5] = [
    ("default", Config::default),
    ("evidence", Config::evidence),
    ("window", Config::window),
    ("textbook", Config::textbook),
    ("never", Config::never),
];

type Ready = (&'static str, fn() -> Config);

impl Config {
    /// The preset of this name: `default`, `evidence`, `window`, `textbook` or `never`.
    ///
    /// # Errors
    /// If there is no preset of this name; the error lists those that exist.
    pub fn named(name: &str) -> Result<Self, UnknownRule> {
        let found = READY.iter().find(|(known, _)| *known == name);
        found.map(|(_, rule)| rule()).ok_or_else(|| UnknownRule(name.to_owned()))
    }

    /// The names of the presets.
    pub fn names() -> impl Iterator<Item = &'static str> {
        READY.iter().map(|(name, _)| *name)
    }

    /// The textbook breaker: 3 failures within 60 s open it for 60 s, one probe closes it.
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

    /// Opens on evidence and lateness alone: four failures in a row at any traffic rate, three if the host cannot be
    /// reached, or the equivalent. The default.
    #[must_use]
    pub fn evidence() -> Self {
        Self::default()
    }

    /// Opens at 5 failures within 30 s, or when half of at least ten calls failed. A count ignores the successes
    /// between failures: at 20 calls a second, one failure in a hundred calls is enough to open it.
    #[must_use]
    pub fn window() -> Self {
        Self { failures: Some(5), failure_rate_bp: Some(5_000), evidence: None, ..Self::default() }
    }

    /// A breaker that never opens.
    #[must_use]
    pub fn never() -> Self {
        Self { slow_rate_bp: None, evidence: None, degrade: false, ..Self::default() }
    }

    /// Checks that a breaker with these settings can open and close.
    ///
    /// # Errors
    /// The first setting that is invalid, and what it must be.
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
            ("evidence.unreachable", self.evidence.is_some_and(|rule| rule.unreachable == 0)),
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

/// Settings as configurations state them: what is left out has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Knobs {
    /// [`Config::failures`].
    pub failures: Option<u32>,
    /// [`Config::window`].
    pub window: Option<Duration>,
    /// [`Config::failure_rate_bp`].
    pub failure_rate_bp: Option<u32>,
    /// [`Config::slow_rate_bp`].
    pub slow_rate_bp: Option<u32>,
    /// [`Config::min_calls`].
    pub min_calls: Option<u32>,
    /// The accumulated evidence that opens the breaker, in thousandths of a nat.
    pub evidence: Option<u32>,
    /// [`Config::degrade`].
    pub degrade: Option<bool>,
    /// [`Config::cooldown`].
    pub cooldown: Option<Duration>,
    /// [`Config::cooldown_cap`]; not shorter than the cooldown if left out.
    pub cooldown_cap: Option<Duration>,
    /// [`Config::probes`].
    pub probes: Option<u32>,
    /// [`Config::probes_to_close`].
    pub probes_to_close: Option<u32>,
    /// [`Config::lease`].
    pub lease: Option<Duration>,
    /// [`Config::ramp`].
    pub ramp: Option<Duration>,
}

impl Knobs {
    /// The breaker with these settings. A count or a rate of failures replaces the default threshold of evidence; evidence
    /// that is set applies as well.
    #[must_use]
    pub fn config(self) -> Config {
        let defaults = Config::default();
        let counts = self.failures.is_some() || self.failure_rate_bp.is_some();
        let cooldown = self.cooldown.unwrap_or(defaults.cooldown);
        Config {
            failures: self.failures,
            failure_rate_bp: self.failure_rate_bp,
            slow_rate_bp: self.slow_rate_bp.or(defaults.slow_rate_bp),
            evidence: match self.evidence {
                Some(sum) => Some(Evidence::default().trip(sum)),
                None => defaults.evidence.filter(|_| !counts),
            },
            degrade: self.degrade.unwrap_or(defaults.degrade),
            min_calls: self.min_calls.unwrap_or(defaults.min_calls),
            window: self.window.unwrap_or(defaults.window),
            cooldown,
            cooldown_cap: self.cooldown_cap.unwrap_or(defaults.cooldown_cap.max(cooldown)),
            probes: self.probes.unwrap_or(defaults.probes),
            probes_to_close: self.probes_to_close.unwrap_or(defaults.probes_to_close),
            lease: self.lease.unwrap_or(defaults.lease),
            ramp: self.ramp.unwrap_or(defaults.ramp),
        }
    }

    /// Evidence in thousandths of a nat.
    ///
    /// # Errors
    /// Unless it is from 0.1 to 1000 nats.
    pub fn milli_nats(nats: f64) -> Result<u32, ConfigError> {
        if (0.1..=1_000.0).contains(&nats) {
            // Within 100 to 1,000,000, as checked.
            Ok((nats * 1_000.0).round() as u32)
        } else {
            Err(ConfigError { knob: "evidence", rule: "must be between 0.1 and 1000 nats" })
        }
    }
}

/// There is no preset of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown breaker `{0}`; valid values are {known}", known = READY.map(|(name, _)| name).join(", "))]
pub struct UnknownRule(String);

/// An invalid setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("breaker: {knob} {rule}")]
pub struct ConfigError {
    knob: &'static str,
    rule: &'static str,
}
