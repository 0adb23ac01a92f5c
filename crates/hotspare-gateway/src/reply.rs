//! HTTP replies.
//!
//! Not their content. Invariant: an error has the format of the wire that was used, and forbids a retry only where it
//! cannot help or would repeat attempts that have just failed.

use axum::body::Body;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use hotspare::anthropic::VERSION_HEADER;
use hotspare::policy::Hold;
use hotspare::{Error, Kind, Outcome, TargetId, Trail};

use crate::client_wire::{Chat, ClientWire, Messages};
use crate::refusal;

static SERVED_BY: HeaderName = HeaderName::from_static("x-hotspare-served-by");
static ATTEMPTS: HeaderName = HeaderName::from_static("x-hotspare-attempts");
static NOTES: HeaderName = HeaderName::from_static("x-hotspare-notes");

/// Longest `x-hotspare-notes`, in bytes. Notes name fields of the request, so the caller decides how long they are.
const LONGEST_NOTES: usize = 1_024;

/// Endpoints of OpenAI's wires.
const OPENAI: [&str; 3] = ["/chat/completions", "/embeddings", "/responses"];

/// Whether a request uses Anthropic's wire: according to its path or, where several wires share it, its headers.
pub(crate) fn is_messages(path: &str, headers: &HeaderMap) -> bool {
    let is_openai = OPENAI.iter().any(|end| path.ends_with(end));
    path.contains("/v1/messages") || (headers.contains_key(VERSION_HEADER) && !is_openai)
}

/// The name in a path, unless it is not UTF-8.
pub(crate) fn path_name(path: Result<Path<String>, PathRejection>) -> Result<String, Error> {
    let wrong = |_| Error::new(Kind::InvalidRequest, "the name in the path is not UTF-8 in percent-encoding");
    path.map(|Path(name)| name).map_err(wrong)
}

/// An error in the format of the wire that the client seems to use.
pub(crate) fn failure_for(messages: bool, error: &Error, id: &str) -> Response {
    if messages { failure::<Messages>(error, id) } else { failure::<Chat>(error, id) }
}

/// An error as a reply.
pub(crate) fn failure<F: ClientWire>(error: &Error, id: &str) -> Response {
    let (status, body) = F::error_response(error, id);
    log_refusal(error, status);
    let attempts = error.trail().attempts.len();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = json(status, body);
    CallHeaders { attempts, ..CallHeaders::default() }.apply(&mut response);
    let headers = response.headers_mut();
    if let Some(retry_after) = error.retry_after() {
        headers.insert(
            header::RETRY_AFTER,
            HeaderValue::from(retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0)),
        );
    }
    let is_at_fault = status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS;
    let is_own = refusal::code(error).is_some();
    if is_at_fault || error.retry_after().is_none() || (!is_own && is_exhausted(error.trail())) {
        headers.insert("x-should-retry", HeaderValue::from_static("false"));
    }
    response
}

/// Logs a request that did not become a call: the client has logged all others. The message is omitted, as it may quote
/// the request.
fn log_refusal(error: &Error, status: u16) {
    let (kind, code, trail) = (error.kind(), error.code(), error.trail());
    if !trail.attempts.is_empty() || !trail.skipped.is_empty() {
        return;
    }
    match (refusal::code(error), kind) {
        // The full server has been logged. A line for each caller would only add to its load.
        (Some(refusal::TOO_MANY_CONNECTIONS), _) => {
            tracing::debug!(target: "hotspare", status, code, "request refused");
        }
        // The kind is one of a failed call, and no target was asked.
        (Some(_), _) => tracing::info!(target: "hotspare", status, code, "request refused"),
        (None, Kind::InvalidRequest) => {
            tracing::info!(target: "hotspare", status, %kind, code, "request refused");
        }
        _ => {}
    }
}

/// Whether a retry by the client would only repeat attempts that have just failed, and multiply the load. It would not if
/// a target that was blocked may be usable by then, nor if the attempts only met rate limits: a target that asked for a
/// pause gets no request before it is over.
fn is_exhausted(trail: &Trail) -> bool {
    let was_tried = |target: &TargetId| trail.attempts.iter().any(|attempt| attempt.target == *target);
    let hold = |outcome: &Outcome| match outcome {
        Outcome::Failed { kind, .. } => kind.policy().hold,
        _ => Hold::None,
    };
    let met_limit = |hold: Hold| matches!(hold, Hold::Until | Hold::Ease);
    let is_limited = trail.attempts.iter().any(|attempt| met_limit(hold(&attempt.outcome)));
    // A retry asks no target that is out of service.
    let repeats = |hold: Hold| !met_limit(hold) && (hold != Hold::Disable || !is_limited);
    let is_blocked =
        trail.skipped.iter().any(|skipped| skipped.retry_after.is_some() && !was_tried(&skipped.target));
    !is_blocked && trail.attempts.iter().any(|attempt| repeats(hold(&attempt.outcome)))
}

/// Headers about how a call went.
#[derive(Debug, Default)]
pub(crate) struct CallHeaders {
    served: Option<HeaderValue>,
    attempts: usize,
    notes: Option<HeaderValue>,
}

impl CallHeaders {
    pub(crate) fn from_trail(trail: &Trail) -> Self {
        let serving = trail.serving();
        let served = serving.and_then(|attempt| HeaderValue::from_str(attempt.target.as_str()).ok());
        let notes = serving.filter(|attempt| !attempt.notes.is_empty());
        let notes = notes.and_then(|attempt| HeaderValue::from_str(&as_header(&attempt.notes)).ok());
        Self { served, attempts: trail.attempts.len(), notes }
    }

    pub(crate) fn apply(self, response: &mut Response) {
        let headers = response.headers_mut();
        if let Some(served) = self.served {
            headers.insert(&SERVED_BY, served);
        }
        if self.attempts > 0 {
            headers.insert(&ATTEMPTS, HeaderValue::from(self.attempts));
        }
        if let Some(notes) = self.notes {
            headers.insert(&NOTES, notes);
        }
    }
}

/// Notes as one line of printable ASCII.
fn as_header(notes: &[String]) -> String {
    let line = notes.join("; ");
    let printable = |character: char| if matches!(character, ' '..='~') { character } else { '?' };
    line.chars().map(printable).take(LONGEST_NOTES).collect()
}

pub(crate) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    with_content_type(status, "application/json", body)
}

pub(crate) fn with_content_type(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use hotspare::{Attempt, Skipped, StartKind};

    use super::*;

    const SOON: Option<Duration> = Some(Duration::from_secs(1));

    /// Whether the reply to a call that made these attempts and skipped these targets forbids a retry.
    fn forbids_retry(attempts: &[(&str, Kind)], skipped: &[(&str, Option<Duration>)]) -> bool {
        let mut trail = Trail::default();
        for (target, kind) in attempts {
            let mut attempt =
                Attempt::begun((*target).into(), StartKind::Failover, "next".into(), Duration::ZERO);
            attempt.outcome = Outcome::Failed { kind: *kind, status: None, message: String::new() };
            trail.attempts.push(attempt);
        }
        for (target, pause) in skipped {
            trail.skipped.push(Skipped::new((*target).into(), "blocked".into()).with_retry_after(*pause));
        }
        let kind = attempts.first().map_or(Kind::NoTarget, |(_, kind)| *kind);
        let error = Error::new(kind, "").with_retry_after(SOON).with_trail(Arc::new(trail));
        failure::<Chat>(&error, "id").headers().contains_key("x-should-retry")
    }

    #[test]
    fn retry_is_forbidden_only_where_it_would_repeat_failures() {
        for kind in [Kind::Server, Kind::Connect, Kind::Timeout, Kind::Overloaded, Kind::Auth] {
            assert!(forbids_retry(&[("a", kind)], &[]), "{kind}: every target was tried");
            assert!(forbids_retry(&[("a", kind)], &[("b", None)]), "{kind}: the other one is out of service");
            assert!(forbids_retry(&[("a", kind)], &[("a", SOON)]), "{kind}: it has failed already");
            assert!(!forbids_retry(&[("a", kind)], &[("b", SOON)]), "{kind}: the other one may serve");
        }
        // The exhausted account is not asked again.
        assert!(!forbids_retry(&[("a", Kind::QuotaExhausted), ("b", Kind::RateLimited)], &[]));
        assert!(forbids_retry(&[("a", Kind::QuotaExhausted)], &[]));
        for kind in [Kind::RateLimited, Kind::GrowthLimited] {
            assert!(!forbids_retry(&[("a", kind)], &[]), "{kind}: it may serve after its pause");
            assert!(!forbids_retry(&[("a", kind), ("b", Kind::RateLimited)], &[]), "{kind}");
            assert!(
                forbids_retry(&[("a", kind), ("b", Kind::Server)], &[]),
                "{kind}: the second would fail again"
            );
        }
        assert!(!forbids_retry(&[], &[("a", SOON)]), "no target was tried");
    }

    #[test]
    fn retry_is_forbidden_if_no_time_is_known_or_the_request_is_at_fault() {
        let forbids =
            |error: &Error| failure::<Messages>(error, "id").headers().contains_key("x-should-retry");
        assert!(forbids(&Error::new(Kind::NoTarget, "")));
        assert!(!forbids(&Error::new(Kind::NoTarget, "").with_retry_after(SOON)));
        assert!(forbids(&Error::new(Kind::InvalidRequest, "").with_retry_after(SOON)));
    }

    /// A host's own ruling matters only where it gives no time: the error of a call that may be served later has one.
    #[test]
    fn retry_is_forbidden_wherever_the_error_is_not_retryable() {
        let forbids = |error: &Error| failure::<Chat>(error, "id").headers().contains_key("x-should-retry");
        for kind in Kind::ALL.iter().copied() {
            for pause in [None, SOON] {
                let error = Error::new(kind, "").with_retry_after(pause);
                let ruled_out = error.clone().with_retry_ruled_out();
                assert!(forbids(&ruled_out) || ruled_out.is_retryable(), "{kind} {pause:?}");
                assert_eq!(forbids(&ruled_out), forbids(&error), "{kind} {pause:?}");
            }
        }
    }
}
