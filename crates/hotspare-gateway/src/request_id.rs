//! The id of a request, for its reply and for all logging.
//!
//! Does not answer requests. Invariant: every reply has an id, and no id is used twice in a run.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use tracing::Span;
use tracing::field::Empty;

/// A request's id in replies and logs.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

/// The request's id under each wire's name; clients send theirs under the second.
static REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest client-supplied id that is logged.
const LONGEST_ID: usize = 128;

/// The client's own id for a request, if it is a plain token: it is logged.
fn caller_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(&X_REQUEST_ID)?.to_str().ok()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-:/+=".contains(&byte);
    (!id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(is_plain)).then_some(id)
}

impl RequestId {
    /// The span of everything that is logged about the request, whose headers may have the caller's own id.
    pub(crate) fn span(&self, headers: &HeaderMap) -> Span {
        let span =
            tracing::info_span!(target: "hotspare", "hotspare.request", id = &*self.0, caller_id = Empty);
        if let Some(caller_id) = caller_id(headers) {
            span.record("caller_id", caller_id);
        }
        span
    }

    /// Sets it on the reply, under both wires' header names.
    pub(crate) fn set_on(&self, reply: &mut Response) {
        if let Ok(id) = HeaderValue::from_str(&self.0) {
            reply.headers_mut().insert(&REQUEST_ID, id.clone());
            reply.headers_mut().insert(&X_REQUEST_ID, id);
        }
    }
}
