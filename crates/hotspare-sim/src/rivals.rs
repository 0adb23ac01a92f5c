//! Rivals for comparison: common failover strategies, and an oracle.
//!
//! Separate, small code: a bug in the router cannot hide in theirs. Invariant: a rival sees the outcomes of its own
//! requests and nothing else; only the oracle sees the weather, and not even it sees the draws.

mod breakers;
mod oracle;
mod simple;

use std::fmt;
use std::time::Duration;

use hotspare_core::{Kind, Moment};

use crate::scenario::Scenario;
use crate::weather::Weather;

/// A failover strategy to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RivalKind {
    /// Best first, by a moving average of its own outcomes.
    Ewma,
    /// Five failures in a row eject a host for 30 s, longer each time; at most a tenth of the hosts, but at least one.
    EnvoyLike,
    /// Knows each provider's current state, but not the draws.
    Oracle,
    /// A random order for each request.
    Random,
    /// Opens for 60 s when half of 100 calls fail; ten probes.
    Resilience4jLike,
    /// The first target, up to three times.
    RetrySame,
    /// Three failures within 60 s open the breaker for 60 s.
    SimpleBreaker,
    /// The configured order.
    Static,
}

impl RivalKind {
    /// All rivals.
    pub const ALL: [Self; 8] = [
        Self::Static,
        Self::Random,
        Self::RetrySame,
        Self::SimpleBreaker,
        Self::Ewma,
        Self::Resilience4jLike,
        Self::EnvoyLike,
        Self::Oracle,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ewma => "ewma",
            Self::EnvoyLike => "envoy-like",
            Self::Oracle => "oracle",
            Self::Random => "random",
            Self::Resilience4jLike => "resilience4j-like",
            Self::RetrySame => "retry-same",
            Self::SimpleBreaker => "simple-breaker",
            Self::Static => "static",
        }
    }

    /// Finds a rival by its name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub(crate) fn rival(self, scenario: &Scenario) -> Box<dyn Rival> {
        let targets = scenario.targets.len();
        match self {
            Self::Ewma => Box::new(simple::Ewma::new(targets)),
            Self::EnvoyLike => Box::new(breakers::EnvoyLike::new(targets)),
            Self::Oracle => Box::new(oracle::Oracle::new(scenario)),
            Self::Random => Box::new(simple::Random(targets)),
            Self::Resilience4jLike => Box::new(breakers::Resilience4jLike::new(targets)),
            Self::RetrySame => Box::new(simple::RetrySame),
            Self::SimpleBreaker => Box::new(breakers::SimpleBreaker::new(targets)),
            Self::Static => Box::new(simple::Static(targets)),
        }
    }
}

/// What a rival may look at when it chooses a target.
pub(crate) struct Sight<'a> {
    pub(crate) now: Moment,
    /// For the oracle only.
    pub(crate) scenario: &'a Scenario,
    /// For the oracle only.
    pub(crate) weather: &'a Weather,
}

/// Chooses targets, and learns from the outcomes.
pub(crate) trait Rival: fmt::Debug {
    /// The next target for a request that has tried some; `None` gives up.
    fn choose(&mut self, sight: &Sight<'_>, tried: &[usize], luck: u64) -> Option<usize>;

    /// An attempt ended: successfully, or with a failure of this kind.
    fn outcome(&mut self, _now: Moment, _place: usize, _failed: Option<Kind>, _took: Duration) {}

    /// An attempt that began then ended without evidence about the target: its caller left or made a mistake.
    fn released(&mut self, _began: Moment, _place: usize) {}
}

/// Targets not tried yet, in order.
fn untried(targets: usize, tried: &[usize]) -> impl Iterator<Item = usize> {
    (0..targets).filter(|place| !tried.contains(place))
}
