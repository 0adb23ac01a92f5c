//! Whom Hotspare is compared with: the usual ways to fail over, and an oracle.
//!
//! Own code, small, and apart from the router's: a bug of ours cannot hide in theirs. Invariant: a rival sees outcomes of
//! its own requests and nothing else; only the oracle sees the weather, and not even it sees the draws.

mod breakers;
mod oracle;
mod simple;

use std::fmt;
use std::time::Duration;

use hotspare_core::{Kind, Moment};

use crate::scenario::Scenario;
use crate::weather::Weather;

/// Somebody else's way to fail over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RivalKind {
    /// The best order by a moving average of own outcomes.
    Ewma,
    /// Five failures in a row eject for 30 s and longer each time; at most a tenth of the hosts, at least one.
    EnvoyLike,
    /// Sees what each provider is like now, though not the draws.
    Oracle,
    /// A new order for each request.
    Random,
    /// Half of 100 calls open for 60 s; ten probes.
    Resilience4jLike,
    /// The first target, three times.
    RetrySame,
    /// Three failures within 60 s open for 60 s.
    SimpleBreaker,
    /// The order written.
    Static,
}

impl RivalKind {
    /// Everybody.
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

    /// By its name.
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

/// What may be looked at when a target is chosen.
pub(crate) struct Sight<'a> {
    pub(crate) now: Moment,
    /// For the oracle alone.
    pub(crate) scenario: &'a Scenario,
    /// For the oracle alone.
    pub(crate) weather: &'a Weather,
}

/// Chooses, and learns from what came of it.
pub(crate) trait Rival: fmt::Debug {
    /// The next target of a request that has tried some; `None` gives up.
    fn choose(&mut self, sight: &Sight<'_>, tried: &[usize], luck: u64) -> Option<usize>;

    /// How an attempt ended: well, or with a failure of this kind.
    fn outcome(&mut self, _now: Moment, _place: usize, _failed: Option<Kind>, _took: Duration) {}

    /// An attempt that was begun then ended without saying anything of the target: its caller left or was mistaken.
    fn released(&mut self, _began: Moment, _place: usize) {}
}

/// Places that were not tried, in order.
fn untried(targets: usize, tried: &[usize]) -> impl Iterator<Item = usize> {
    (0..targets).filter(|place| !tried.contains(place))
}
