//! Saying what happened: tracing, and the application's own ear.
//!
//! The pure rooms report by value; this is where it becomes words. Invariant: never a prompt, an answer or a key.

use std::fmt;
use std::sync::Arc;

use hotspare_core::{BreakerState, Scope};
use hotspare_engine::Fleet;
use hotspare_health::{NetworkChange, Transition};

/// A breaker's change of state, with names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerChange {
    /// What changed: an endpoint, a model there, a key.
    pub what: String,
    /// Which level that is.
    pub scope: Scope,
    /// The targets that it concerns.
    pub targets: Vec<String>,
    /// Before.
    pub from: BreakerState,
    /// After.
    pub to: BreakerState,
    /// Why.
    pub reason: String,
}

/// An application's ear.
type Ear = Arc<dyn Fn(&BreakerChange) + Send + Sync>;

/// Whom to tell.
#[derive(Clone, Default)]
pub(crate) struct Observer {
    on_transition: Vec<Ear>,
}

impl Observer {
    pub(crate) fn add(&mut self, ear: Ear) {
        self.on_transition.push(ear);
    }

    /// Tells what the world has to tell. Takes the notices under the lock; speaks after it.
    pub(crate) fn speak(&self, fleet: &Fleet, notices: Vec<Transition>) {
        for notice in notices {
            let (scope, what) = fleet.scope_name(notice.scope).unwrap_or((Scope::None, ""));
            let change = BreakerChange {
                what: what.to_owned(),
                scope,
                targets: fleet.concerned(notice.scope).map(|target| target.id.to_string()).collect(),
                from: notice.from,
                to: notice.to,
                reason: notice.reason.to_string(),
            };
            tracing::warn!(
                target: "hotspare",
                what = %change.what,
                targets = ?change.targets,
                from = %change.from,
                to = %change.to,
                reason = %change.reason,
                "breaker {}", change.to,
            );
            self.on_transition.iter().for_each(|ear| ear(&change));
        }
    }
}

impl Observer {
    /// Tells that our own network came to be suspected, or is no longer: as a breaker of its own, since each host is then
    /// tried once a second.
    pub(crate) fn speak_of_network(&self, fleet: &Fleet, news: &NetworkChange) {
        let concerned = fleet.targets().iter();
        let concerned = concerned.filter(|target| news.hosts.contains(&target.scopes(0)[0]));
        let (from, to, reason) = if news.suspected {
            (
                BreakerState::Closed,
                BreakerState::HalfOpen,
                "no host can be reached: this is held against none of them",
            )
        } else {
            (BreakerState::HalfOpen, BreakerState::Closed, "a host can be reached")
        };
        let change = BreakerChange {
            what: "the network here".to_owned(),
            scope: Scope::None,
            targets: concerned.map(|target| target.id.to_string()).collect(),
            from,
            to,
            reason: reason.to_owned(),
        };
        tracing::warn!(target: "hotspare", targets = ?change.targets, reason, "the network here: {to}");
        self.on_transition.iter().for_each(|ear| ear(&change));
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
