//! Everything that is remembered of one scope, and how an outcome changes it.
//!
//! Not the admission, nor the effects on other scopes: both belong to the book. Invariant: an outcome that is not the
//! scope's fault changes no breaker; it only returns a lease.

use std::time::Duration;

use hotspare_core::{BreakerState, Moment};

use crate::breaker::{Breaker, Change};
use crate::config::Config;
use crate::gate::Gate;
use crate::growth::Growth;
use crate::latency::Latency;
use crate::lateness::Lateness;
use crate::mirror::Mirror;
use crate::permit::{CallProfile, Entry, Observation, ScopeId, Verdict};
use crate::record::Record;
use crate::shedding::Shedding;
use crate::window::Weight;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ScopeState {
    pub(crate) breaker: Breaker,
    pub(crate) gate: Gate,
    pub(crate) growth: Growth,
    pub(crate) quota: Mirror,
    /// `None` if calls differ too much for one measure of latency.
    pub(crate) latencies: Option<Box<LatencyState>>,
    pub(crate) degrade: bool,
    pub(crate) record: Record,
    /// The host that it is a part of.
    pub(crate) host: Option<ScopeId>,
    pub(crate) is_host: bool,
    /// When the latest call that was answered began.
    pub(crate) answered_began: Option<Moment>,
    pub(crate) shedding: Shedding,
    /// How long an answer in between refusals counts.
    pub(crate) window: Duration,
}

/// How fast a scope is, and whether it has become slower.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct LatencyState {
    /// Times to first content of streams.
    pub(crate) streamed: Latency,
    /// Times to unstreamed answers.
    pub(crate) unstreamed: Latency,
    pub(crate) lateness: Lateness,
}

impl LatencyState {
    pub(crate) fn failure(&mut self) {
        self.streamed.failure();
        self.unstreamed.failure();
    }
}

/// What determines which calls an observed call is compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Like {
    pub(crate) call: CallProfile,
    /// Time after which comparable calls are late.
    pub(crate) usual: Option<Duration>,
}

impl ScopeState {
    pub(crate) fn new(config: Config, latencies: Option<Box<LatencyState>>) -> Self {
        Self {
            degrade: config.degrade,
            window: config.window,
            host: None,
            is_host: false,
            answered_began: None,
            shedding: Shedding::default(),
            breaker: Breaker::new(config),
            gate: Gate::default(),
            growth: Growth::default(),
            quota: Mirror::default(),
            record: Record::default(),
            latencies,
        }
    }

    pub(crate) fn is_degraded(&self) -> bool {
        self.degrade && self.latencies.as_ref().is_some_and(|latencies| latencies.lateness.is_degraded())
    }

    pub(crate) fn observe(&mut self, now: Moment, like: Like, entry: &mut Entry, observation: Observation) {
        let content = matches!(observation, Observation::FirstContent { .. } | Observation::Untimed);
        if content || observation == Observation::Responded {
            self.gate.answered(entry.began);
        }
        if content {
            if !std::mem::replace(&mut entry.speaks, true) {
                self.shedding.speaks(entry.pass.generation);
            }
            self.answered_began = self.answered_began.max(Some(entry.began));
            self.shedding.answered(now, entry.pass.generation, entry.number);
            self.breaker.first_content(now, &mut entry.pass);
        }
        let Some(latencies) = &mut self.latencies else { return };
        let CallProfile { tokens, unstreamed, .. } = like.call;
        // How long an unstreamed answer takes depends on the request, so a slow one is no deviation from a norm.
        let steady =
            self.breaker.state() == BreakerState::Closed && (unstreamed || !latencies.lateness.is_suspect());
        let latency = if unstreamed { &mut latencies.unstreamed } else { &mut latencies.streamed };
        match observation {
            Observation::FirstContent { after } => {
                match like.usual {
                    Some(usual) if after <= usual => latencies.lateness.in_time(now, entry.began, usual),
                    Some(_) if unstreamed => latencies.lateness.answered(now),
                    _ => {}
                }
                latency.sample(now, tokens, after, steady);
            }
            Observation::Abandoned { after } => latency.longer_than(now, tokens, after, steady),
            Observation::Responded | Observation::Untimed => {}
            Observation::Overdue => latencies.lateness.late(now, entry.began),
            Observation::Late => self.breaker.late(now, &mut entry.pass),
        }
    }

    pub(crate) fn take(&mut self, now: Moment, entry: Entry, verdict: Verdict, draw: u64) -> Option<Change> {
        match verdict {
            Verdict::Success => {
                self.gate.success(entry.began);
                self.record.outcome(now, false);
                self.answered_began = self.answered_began.max(Some(entry.began));
                self.shedding.answered(now, entry.pass.generation, entry.number);
                self.breaker.success(now, entry.pass, draw)
            }
            Verdict::Ease { until } => {
                self.growth.ease(now);
                if let Some(until) = until {
                    self.gate.hold(now, until);
                }
                self.breaker.neutral(entry.pass);
                None
            }
            Verdict::Unreachable { weight_milli } => {
                self.record.outcome(now, weight_milli > 0);
                self.breaker.unreachable(now, entry.pass, Weight::alike(weight_milli), draw)
            }
            Verdict::Failure { weight_milli, not_before } => {
                self.record.outcome(now, weight_milli > 0);
                self.breaker.failure(now, entry.pass, Weight::alike(weight_milli), not_before, draw)
            }
            Verdict::Neutral => {
                self.breaker.neutral(entry.pass);
                None
            }
            Verdict::Shed { not_before } => {
                let busy = self.breaker.was_busy();
                let weight =
                    self.shedding.refused(now, entry.pass.generation, entry.number, self.window, busy);
                self.record.outcome(now, true);
                let change = self.breaker.failure(now, entry.pass, weight, not_before, draw);
                if change.is_some() {
                    self.breaker.opened_for_load();
                }
                change
            }
            Verdict::Slow => self.breaker.slow(now, entry.pass, draw),
            Verdict::Hold { until } => {
                self.gate.hold(now, until);
                self.breaker.neutral(entry.pass);
                None
            }
            Verdict::HoldUnknown => {
                self.gate.hold_unknown(now);
                self.breaker.neutral(entry.pass);
                None
            }
            Verdict::Disable { until } => {
                self.gate.disable(now, until);
                self.breaker.neutral(entry.pass);
                None
            }
        }
    }
}
