//! Reports what happened: as log lines, and to the application's listeners.
//!
//! The pure crates report events as values; this is where they become text. Invariant: never a prompt, an answer or a
//! key.

use hotspare_core::{Attempt, Blame, BreakerState, Error, Kind, Outcome, Scope, StartKind, TargetId};
use hotspare_engine::{Fleet, KeyIndex, Route, ServiceChange as Change, SlownessChange, Summary, Target};
use hotspare_health::{NetworkChange, Transition};
use tracing::Span;

use crate::observer::{BreakerChange, Observer, ServiceChange, notify};

fn target_ids<'a>(targets: impl Iterator<Item = &'a Target>) -> Vec<TargetId> {
    targets.map(|target| target.id.clone()).collect()
}

impl Observer {
    /// Reports breaker changes. Called without the world's lock, and outside the span of the call that happened to notice
    /// them, as the other reports are: they concern all calls.
    pub(crate) fn log_breaker_changes(&self, fleet: &Fleet, notices: Vec<Transition>) {
        for notice in notices {
            let (scope, name) = fleet.scope_name(notice.scope).unwrap_or((Scope::None, ""));
            let change = BreakerChange {
                scope_name: name.to_owned(),
                scope,
                targets: target_ids(fleet.concerned(notice.scope)),
                from: notice.from,
                to: notice.to,
                reason: notice.reason.to_string(),
            };
            let BreakerChange { scope_name: scope, targets, from, to, reason, .. } = &change;
            let reason = reason.as_str();
            if *to == BreakerState::Open {
                tracing::warn!(target: "hotspare", parent: None, %scope, ?targets, %from, %to, reason, "breaker {to}");
            } else {
                tracing::info!(target: "hotspare", parent: None, %scope, ?targets, %from, %to, reason, "breaker {to}");
            }
            notify(&self.on_transition, &change);
        }
    }

    /// Reports that the local network became suspect, or is no longer. It is presented as a breaker of its own, since
    /// each host is then tried once a second.
    pub(crate) fn log_network_change(&self, fleet: &Fleet, change: &NetworkChange) {
        let concerned = fleet.targets().iter();
        let concerned =
            concerned.filter(|target| change.hosts.contains(&target.scopes(KeyIndex::FIRST).host));
        let (from, to, reason) = if change.suspected {
            (
                BreakerState::Closed,
                BreakerState::HalfOpen,
                "none of these targets' hosts can be reached: this counts against none, and each is tried once a second",
            )
        } else {
            (BreakerState::HalfOpen, BreakerState::Closed, "a host is reachable again")
        };
        let change = BreakerChange {
            scope_name: "local network".to_owned(),
            scope: Scope::None,
            targets: target_ids(concerned),
            from,
            to,
            reason: reason.to_owned(),
        };
        let targets = &change.targets;
        if to == BreakerState::Closed {
            tracing::info!(target: "hotspare", parent: None, ?targets, reason, "local network works again");
        } else {
            tracing::warn!(target: "hotspare", parent: None, ?targets, reason, "local network seems to be down");
        }
        notify(&self.on_transition, &change);
    }

    /// Reports that a key or a model went out of service, or came back.
    pub(crate) fn log_service_changes(&self, fleet: &Fleet, changes: Vec<Change>) {
        for change in changes {
            let (scope, kind, in_service, recheck_after) = match change {
                Change::Out { scope, why, recheck } => (scope, why, false, Some(recheck)),
                Change::Back { scope, why } => (scope, why, true, None),
                _ => continue,
            };
            let (level, name) = fleet.scope_name(scope).unwrap_or((Scope::None, ""));
            let change = ServiceChange {
                scope_name: name.to_owned(),
                scope: level,
                targets: target_ids(fleet.concerned(scope)),
                in_service,
                kind,
                recheck_after,
            };
            let ServiceChange { targets, .. } = &change;
            if in_service {
                tracing::info!(target: "hotspare", parent: None, scope = name, ?targets, %kind, "back in service");
            } else {
                tracing::warn!(
                    target: "hotspare",
                    parent: None,
                    scope = name,
                    ?targets,
                    %kind,
                    recheck_after_s = recheck_after.map(|pause| pause.as_secs()),
                    remedy = remedy(kind),
                    "out of service: {}", kind.summary(),
                );
            }
            notify(&self.on_service_change, &change);
        }
    }
}

/// Reports models that became slower than usual, or are no longer.
pub(crate) fn log_slowness_changes(fleet: &Fleet, changes: &[SlownessChange]) {
    for change in changes {
        let (_, scope) = fleet.scope_name(change.scope).unwrap_or((Scope::None, ""));
        let targets = target_ids(fleet.concerned(change.scope));
        if change.degraded {
            tracing::warn!(target: "hotspare", parent: None, scope, ?targets, "slower than usual: it gets less traffic until it recovers");
        } else {
            tracing::info!(target: "hotspare", parent: None, scope, ?targets, "as fast as usual again");
        }
    }
}

/// What an operator can do about a key or a model that is out of service for this kind of failure.
fn remedy(kind: Kind) -> &'static str {
    match kind {
        Kind::Auth => "replace the key in its source: it is read again by itself",
        Kind::Forbidden => {
            "let the key use this model, then enable the target (on the gateway POST /targets/NAME/enable) or wait for the next check"
        }
        Kind::ModelUnavailable => {
            "correct the target's model or its base_url: a wrong address looks the same; restart, or enable the target if the provider was wrong (on the gateway POST /targets/NAME/enable)"
        }
        Kind::QuotaExhausted => {
            "pay or raise the quota, then enable the target (on the gateway POST /targets/NAME/enable) or wait for the next check"
        }
        _ => {
            "once it is fixed, enable the target (on the gateway POST /targets/NAME/enable) or wait for the next check"
        }
    }
}

/// The span of a call, which contains all its events.
pub(crate) fn call_span(route: &Route) -> Span {
    tracing::info_span!(target: "hotspare", "hotspare.call", route = %route.name)
}

/// Longest request id that is kept.
pub(crate) const LONGEST_ID: usize = 128;

/// Longest error code that is logged.
const LONGEST_CODE: usize = 64;

/// The text if it is a plain token of at most `longest` bytes: anything longer or with spaces may repeat the prompt.
pub(crate) fn plain_token(text: Option<&str>, longest: usize) -> Option<&str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    text.filter(|text| !text.is_empty() && text.len() <= longest && text.bytes().all(is_plain))
}

/// Reports an attempt that starts, except for what every call does: try its first target.
pub(crate) fn log_start(attempt: &Attempt) {
    let (target, reason) = (&attempt.target, attempt.why.as_str());
    match attempt.start {
        StartKind::Failover => tracing::info!(target: "hotspare", %target, reason, "failing over"),
        StartKind::Hedge => tracing::info!(target: "hotspare", %target, reason, "hedging"),
        StartKind::LastResort => {
            tracing::info!(target: "hotspare", %target, reason, "trying a blocked target")
        }
        StartKind::Retry => tracing::info!(target: "hotspare", %target, reason, "retrying"),
        StartKind::Race => tracing::debug!(target: "hotspare", %target, reason, "racing"),
        _ => {}
    }
}

/// Reports an attempt that failed.
pub(crate) fn log_attempt_failure(index: usize, attempt: &Attempt, error: &Error) {
    tracing::debug!(
        target: "hotspare",
        attempt = index,
        target = %attempt.target,
        kind = %error.kind(),
        status = error.status(),
        code = plain_token(error.code(), LONGEST_CODE),
        upstream_request_id = attempt.request_id,
        "attempt failed",
    );
    // A provider's error text may repeat the prompt.
    tracing::trace!(target: "hotspare", attempt = index, code = error.code(), %error, "what it said");
}

/// Reports a call that was answered.
pub(crate) fn log_answer(summary: &Summary) {
    let attempts = &summary.trail.attempts;
    let served = summary.trail.serving();
    let notes = served.map_or(&[][..], |attempt| &attempt.notes);
    let ended = attempts.iter().map(|attempt| attempt.started + attempt.duration).max().unwrap_or_default();
    tracing::debug!(
        target: "hotspare",
        served_by = %summary.served_by,
        attempts = attempts.len(),
        ms = u64::try_from(ended.as_millis()).unwrap_or(u64::MAX),
        tokens = summary.usage.total(),
        notes = notes.len(),
        upstream_request_id = served.and_then(|attempt| attempt.request_id.as_deref()),
        "answered",
    );
    // They name fields of the request, which are the caller's words.
    tracing::trace!(target: "hotspare", ?notes, "what was changed for this target");
}

/// Reports a call that gave its caller no answer or only part of one, with the targets tried. A request that cannot be
/// served is the caller's problem, reported in the reply, and nothing to warn an operator of.
pub(crate) fn log_failure(error: &Error) {
    let kind = error.kind();
    let attempts = error.trail().attempts.len();
    let tried: Vec<String> = error
        .trail()
        .attempts
        .iter()
        .map(|attempt| match &attempt.outcome {
            // Not the provider's error text: it may repeat the prompt.
            Outcome::Failed { kind, status: Some(status), .. } => {
                format!("{}: {kind} ({status})", attempt.target)
            }
            Outcome::Failed { kind, .. } => format!("{}: {kind}", attempt.target),
            Outcome::Cancelled { reason } => format!("{}: cancelled ({reason})", attempt.target),
            _ => format!("{}: cancelled", attempt.target),
        })
        .chain(error.trail().skipped.iter().map(|skipped| match attempts {
            // `why` has the reasons.
            0 => format!("{}: skipped", skipped.target),
            _ => format!("{}: skipped ({})", skipped.target, skipped.why),
        }))
        .collect();
    let tried = tried.join(", ");
    let code = plain_token(error.code(), LONGEST_CODE);
    // If no provider was asked, the text is our own: why each target was skipped.
    let why = (attempts == 0).then(|| error.message());
    if error.blame() == Blame::Caller {
        tracing::info!(target: "hotspare", %kind, code, attempts, tried, why, "the call cannot be served: {}", kind.summary());
    } else {
        tracing::warn!(target: "hotspare", %kind, code, attempts, tried, why, "the call failed: {}", kind.summary());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_identifier_like_codes_are_logged() {
        assert_eq!(plain_token(Some("rate_limit.x-1"), LONGEST_CODE), Some("rate_limit.x-1"));
        for wrong in ["", "my secret prompt", "a\nb", "é", &"x".repeat(LONGEST_CODE + 1)] {
            assert_eq!(plain_token(Some(wrong), LONGEST_CODE), None, "{wrong}");
        }
        assert_eq!(plain_token(None, LONGEST_CODE), None);
    }
}
