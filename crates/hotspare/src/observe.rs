//! Reports what happened: to tracing, and to the application's listeners.
//!
//! The pure rooms report by value; this is where it becomes words. Invariant: never a prompt, an answer or a key.

use std::fmt;
use std::sync::Arc;

use hotspare_core::{Attempt, Blame, BreakerState, Error, Outcome, Scope};
use hotspare_engine::{Fleet, Route, ServiceChange, Summary};
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

/// Longest id of a request that is kept.
pub(crate) const LONGEST_ID: usize = 128;

/// Longest code of an error that is logged.
const LONGEST_CODE: usize = 64;

/// A provider's text if it is a mere name, of so many bytes at most: what is longer or has spaces may repeat the prompt.
pub(crate) fn token(text: Option<&str>, longest: usize) -> Option<&str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    text.filter(|text| !text.is_empty() && text.len() <= longest && text.bytes().all(is_plain))
}

/// Reports an attempt that failed.
pub(crate) fn speak_of_attempt(index: usize, attempt: &Attempt, error: &Error) {
    tracing::debug!(
        target: "hotspare",
        attempt = index,
        target = %attempt.target,
        kind = %error.kind(),
        status = error.status(),
        code = token(error.code(), LONGEST_CODE),
        upstream_request_id = attempt.request_id,
        "attempt failed",
    );
    // A provider's words may repeat the prompt.
    tracing::trace!(target: "hotspare", attempt = index, code = error.code(), %error, "what it said");
}

/// Reports a call that was answered.
pub(crate) fn speak_of_answer(summary: &Summary) {
    let attempts = &summary.trail.attempts;
    let served = attempts.iter().rfind(|attempt| attempt.outcome == Outcome::Served);
    let ended = attempts.iter().map(|attempt| attempt.started + attempt.duration).max().unwrap_or_default();
    tracing::debug!(
        target: "hotspare",
        served_by = %summary.served_by,
        attempts = attempts.len(),
        ms = u64::try_from(ended.as_millis()).unwrap_or(u64::MAX),
        tokens = summary.usage.total(),
        upstream_request_id = served.and_then(|attempt| attempt.request_id.as_deref()),
        "answered",
    );
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
    let code = token(error.code(), LONGEST_CODE);
    if error.blame() == Blame::Caller {
        tracing::info!(target: "hotspare", %kind, code, attempts, tried, "the call cannot be served: {}", kind.summary());
    } else {
        tracing::warn!(target: "hotspare", %kind, code, attempts, tried, "the call failed: {}", kind.summary());
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_is_logged_of_what_a_provider_words() {
        assert_eq!(token(Some("rate_limit.x-1"), LONGEST_CODE), Some("rate_limit.x-1"));
        for wrong in ["", "my secret prompt", "a\nb", "é", &"x".repeat(LONGEST_CODE + 1)] {
            assert_eq!(token(Some(wrong), LONGEST_CODE), None, "{wrong}");
        }
        assert_eq!(token(None, LONGEST_CODE), None);
    }
}
