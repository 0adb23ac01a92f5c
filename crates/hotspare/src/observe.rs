//! Reports what happened: to tracing, and to the application's listeners.
//!
//! The pure rooms report by value; this is where it becomes words. Invariant: never a prompt, an answer or a key.

use std::fmt;
use std::sync::Arc;

use hotspare_core::{Blame, BreakerState, Error, Outcome, Scope};
use hotspare_engine::{Fleet, Route, ServiceChange};
use hotspare_health::{NetworkChange, Transition};
use tracing::Span;

/// A breaker's change of state, with names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerChange {
    /// The name of what changed: an endpoint, a model there, a key.
    pub scope_name: String,
    /// Its level.
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

/// A callback of the application.
type Listener = Arc<dyn Fn(&BreakerChange) + Send + Sync>;

/// Whom to tell.
#[derive(Clone, Default)]
pub(crate) struct Observer {
    on_transition: Vec<Listener>,
}

impl Observer {
    pub(crate) fn add(&mut self, listener: Listener) {
        self.on_transition.push(listener);
    }

    /// Tells what the world has to tell. Takes the notices under the lock; speaks after it.
    pub(crate) fn speak(&self, fleet: &Fleet, notices: Vec<Transition>) {
        for notice in notices {
            let (scope, name) = fleet.scope_name(notice.scope).unwrap_or((Scope::None, ""));
            let change = BreakerChange {
                scope_name: name.to_owned(),
                scope,
                targets: fleet.concerned(notice.scope).map(|target| target.id.to_string()).collect(),
                from: notice.from,
                to: notice.to,
                reason: notice.reason.to_string(),
            };
            tracing::warn!(
                target: "hotspare",
                scope = %change.scope_name,
                targets = ?change.targets,
                from = %change.from,
                to = %change.to,
                reason = %change.reason,
                "breaker {}", change.to,
            );
            self.on_transition.iter().for_each(|listener| listener(&change));
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
            scope_name: "local network".to_owned(),
            scope: Scope::None,
            targets: concerned.map(|target| target.id.to_string()).collect(),
            from,
            to,
            reason: reason.to_owned(),
        };
        tracing::warn!(target: "hotspare", targets = ?change.targets, reason, "local network {to}");
        self.on_transition.iter().for_each(|listener| listener(&change));
    }
}

/// What everything that is said of a call stands in.
pub(crate) fn span_of(route: &Route) -> Span {
    tracing::info_span!(target: "hotspare", "hotspare.call", route = %route.name)
}

/// Tells that a key or a model went out of service, and that it came back.
pub(crate) fn speak_of_service(fleet: &Fleet, changes: Vec<ServiceChange>) {
    for change in changes {
        let (scope, why, out) = match change {
            ServiceChange::Out { scope, why, recheck } => (scope, why, Some(recheck)),
            ServiceChange::Back { scope, why } => (scope, why, None),
            _ => continue,
        };
        let name = fleet.scope_name(scope).map_or("", |(_, name)| name);
        let targets: Vec<&str> = fleet.concerned(scope).map(|target| target.id.as_str()).collect();
        match out {
            Some(recheck) => tracing::warn!(
                target: "hotspare",
                scope = name,
                ?targets,
                kind = %why,
                recheck_after_s = recheck.map(|pause| pause.as_secs()),
                "out of service: {}", why.summary(),
            ),
            None => {
                tracing::info!(target: "hotspare", scope = name, ?targets, kind = %why, "back in service")
            }
        }
    }
}

/// Tells that a call brought its caller no answer, or only a part of one, and who was tried. Whoever made a request that
/// cannot be served is told so in the reply; that is nothing to warn an operator of.
pub(crate) fn speak_of_failure(error: &Error) {
    let kind = error.kind();
    let attempts = error.trail().attempts.len();
    let tried: Vec<String> = error
        .trail()
        .attempts
        .iter()
        .map(|attempt| match &attempt.outcome {
            // Not the provider's words: they may repeat the prompt.
            Outcome::Failed { kind, status: Some(status), .. } => {
                format!("{}: {kind} ({status})", attempt.target)
            }
            Outcome::Failed { kind, .. } => format!("{}: {kind}", attempt.target),
            _ => format!("{}: cancelled", attempt.target),
        })
        .chain(error.trail().skipped.iter().map(|skipped| format!("{}: passed over", skipped.target)))
        .collect();
    let tried = tried.join(", ");
    if error.blame() == Blame::Caller {
        tracing::info!(target: "hotspare", %kind, attempts, tried, "the call cannot be served: {}", kind.summary());
    } else {
        tracing::warn!(target: "hotspare", %kind, attempts, tried, "the call failed: {}", kind.summary());
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
