//! Rivals for comparison: common failover strategies, and oracles.
//!
//! Separate, small code: a bug in the router cannot hide in theirs. Invariant: a rival sees the outcomes of its own
//! requests and nothing else; only oracles see the faults, and only the clairvoyant one sees the draws.

mod breakers;
mod oracle;
mod simple;

use std::fmt;
use std::time::Duration;

use hotspare_core::{Kind, Moment};

use crate::fault_schedule::FaultSchedule;
use crate::provider::Providers;
use crate::scenario::Scenario;
use crate::workload::RequestSpec;
use oracle::{Knowledge, Oracle};

/// A failover strategy to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RivalKind {
    /// The single order that would have been best over the whole window.
    BestFixed,
    /// Sees the outcome of each request at each target in advance.
    Clairvoyant,
    /// Best first, by a moving average of its own outcomes.
    Ewma,
    /// Five failures in a row eject a host for 30 s, longer each time; at most a tenth of the hosts, but at least one.
    EnvoyLike,
    /// Knows each provider's current state and free capacity, but not the draws.
    Oracle,
    /// Knows each provider's state of one second ago.
    Oracle1s,
    /// Knows each provider's state of 5 s ago.
    Oracle5s,
    /// Knows each provider's state of 30 s ago.
    Oracle30s,
    /// Knows each provider's state of two minutes ago.
    Oracle120s,
    /// Knows each provider's state of 15 minutes ago.
    Oracle900s,
    /// Knows each provider's mean state, and sees all current states whenever one of its own attempts fails: more than a
    /// router can learn from its failures.
    OracleAtFailures,
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
    pub const ALL: [Self; 16] = [
        Self::Static,
        Self::Random,
        Self::RetrySame,
        Self::SimpleBreaker,
        Self::Ewma,
        Self::Resilience4jLike,
        Self::EnvoyLike,
        Self::BestFixed,
        Self::OracleAtFailures,
        Self::Oracle900s,
        Self::Oracle120s,
        Self::Oracle30s,
        Self::Oracle5s,
        Self::Oracle1s,
        Self::Oracle,
        Self::Clairvoyant,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BestFixed => "best-fixed",
            Self::Clairvoyant => "clairvoyant",
            Self::Ewma => "ewma",
            Self::EnvoyLike => "envoy-like",
            Self::Oracle => "oracle",
            Self::Oracle1s => "oracle-1s",
            Self::Oracle5s => "oracle-5s",
            Self::Oracle30s => "oracle-30s",
            Self::Oracle120s => "oracle-120s",
            Self::Oracle900s => "oracle-900s",
            Self::OracleAtFailures => "oracle-at-failures",
            Self::Random => "random",
            Self::Resilience4jLike => "resilience4j-like",
            Self::RetrySame => "retry-same",
            Self::SimpleBreaker => "simple-breaker",
            Self::Static => "static",
        }
    }

    /// What it does, in a sentence for people.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::BestFixed => "The one order that was best over all of the outage, known in advance.",
            Self::Clairvoyant => {
                "Knows the outcome of each request at each target in advance: no policy can be better."
            }
            Self::Ewma => "Best target first, by a moving average of its own outcomes.",
            Self::EnvoyLike => {
                "A proxy's outlier detection with its defaults: five failures in a row eject a target for 30 s, longer each time."
            }
            Self::Oracle => {
                "Knows each provider's state and free capacity at every moment, but not the outcome of single requests."
            }
            Self::Oracle1s => "Knows each provider's state of a second ago.",
            Self::Oracle5s => "Knows each provider's state of 5 s ago.",
            Self::Oracle30s => "Knows each provider's state of 30 s ago.",
            Self::Oracle120s => "Knows each provider's state of two minutes ago.",
            Self::Oracle900s => "Knows each provider's state of 15 minutes ago, as from a status page.",
            Self::OracleAtFailures => {
                "Learns the state of all providers whenever one of its own requests fails."
            }
            Self::Random => "A random order for each request.",
            Self::Resilience4jLike => {
                "A library's circuit breaker with its defaults: opens for 60 s when half of 100 calls fail; ten probes."
            }
            Self::RetrySame => "The first target, up to three times: what a client does without failover.",
            Self::SimpleBreaker => "The textbook's breaker: three failures within 60 s open it for 60 s.",
            Self::Static => "The targets in the configured order, for every request.",
        }
    }

    /// Finds a rival by its name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub(crate) fn rival(self, scenario: &Scenario) -> Box<dyn Rival> {
        let targets = scenario.targets.len();
        let oracle = |knowledge: Knowledge| Box::new(Oracle::new(scenario, knowledge));
        let delayed = |secs: u64| oracle(Knowledge::Delayed(Duration::from_secs(secs)));
        match self {
            Self::BestFixed => oracle(Knowledge::Mean),
            Self::Clairvoyant => oracle(Knowledge::Draws),
            Self::Ewma => Box::new(simple::Ewma::new(targets)),
            Self::EnvoyLike => Box::new(breakers::EnvoyLike::new(targets)),
            Self::Oracle => oracle(Knowledge::Current),
            Self::Oracle1s => delayed(1),
            Self::Oracle5s => delayed(5),
            Self::Oracle30s => delayed(30),
            Self::Oracle120s => delayed(120),
            Self::Oracle900s => delayed(900),
            Self::OracleAtFailures => oracle(Knowledge::AtFailures),
            Self::Random => Box::new(simple::Random(targets)),
            Self::Resilience4jLike => Box::new(breakers::Resilience4jLike::new(targets)),
            Self::RetrySame => Box::new(simple::RetrySame),
            Self::SimpleBreaker => Box::new(breakers::SimpleBreaker::new(targets)),
            Self::Static => Box::new(simple::Static(targets)),
        }
    }
}

/// What a rival may observe when it chooses a target.
pub(crate) struct Observation<'a> {
    pub(crate) now: Moment,
    /// This and the following are for oracles only.
    pub(crate) scenario: &'a Scenario,
    pub(crate) faults: &'a FaultSchedule,
    pub(crate) providers: &'a Providers,
    pub(crate) spec: &'a RequestSpec,
}

/// The next step of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    GiveUp,
    Start(usize),
    /// Starts an attempt that only the total limit ends.
    StartUntimed(usize),
    /// Asks the rival again after this long, within the call's deadline.
    Wait(Duration),
}

/// Chooses targets, and learns from the outcomes.
pub(crate) trait Rival: fmt::Debug {
    /// The next target for a request that has tried some; `None` gives up.
    fn choose(&mut self, observation: &Observation<'_>, tried: &[usize], draw: u64) -> Option<usize>;

    /// The next step of a request. Only oracles know when waiting pays.
    fn next(&mut self, observation: &Observation<'_>, tried: &[usize], draw: u64) -> Decision {
        self.choose(observation, tried, draw).map_or(Decision::GiveUp, Decision::Start)
    }

    /// The key with which a request is sent to a target: any, unless the rival knows better.
    fn key(&self, observation: &Observation<'_>, target: usize, draw: u64) -> usize {
        drawn_key(observation.scenario, target, draw)
    }

    /// An attempt ended: successfully, or with a failure of this kind.
    fn outcome(&mut self, _now: Moment, _place: usize, _failed: Option<Kind>, _took: Duration) {}

    /// An attempt that began then ended without evidence about the target: its caller left or made a mistake.
    fn released(&mut self, _began: Moment, _place: usize) {}
}

/// A key of the target, drawn at random.
fn drawn_key(scenario: &Scenario, target: usize, draw: u64) -> usize {
    usize::try_from(draw % u64::from(scenario.targets[target].keys.max(1))).unwrap_or(0)
}

/// Targets not tried yet, in order.
fn untried(targets: usize, tried: &[usize]) -> impl Iterator<Item = usize> {
    (0..targets).filter(|target| !tried.contains(target))
}
