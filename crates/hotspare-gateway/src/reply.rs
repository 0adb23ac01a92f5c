//! HTTP replies.
//!
//! Not their content. Invariant: an error has the format of the wire that was used, and tells the client not to retry
//! what was already tried everywhere.

use axum::body::Body;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use hotspare::anthropic::VERSION_HEADER;
use hotspare::{Error, Kind, Trail};

use crate::client_wire::{Chat, ClientWire, Messages};

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
    let (attempts, skipped) = (error.trail().attempts.len(), error.trail().skipped.len());
    if attempts + skipped == 0 && error.kind() != Kind::Cancelled {
        // Requests that became calls were already logged by the client. The message is omitted, as it may quote the
        // request.
        tracing::info!(target: "hotspare", status, kind = %error.kind(), code = error.code(), "request refused");
    }
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
    // Every target was tried, or none could be: a retry by the client would only multiply the load.
    let is_final = status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS;
    if attempts > 0 || is_final || error.retry_after().is_none() {
        headers.insert("x-should-retry", HeaderValue::from_static("false"));
    }
    response
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
