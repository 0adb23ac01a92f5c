//! Middleware around every request: assigns its id, for the reply and for all logging.
//!
//! Does not answer requests. Invariant: every reply has an id, and no id is used twice in a run.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;
use tracing::field::Empty;

use crate::gateway::Gateway;

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

/// Assigns an id to a request and sets it on the reply, under both wires' header names.
pub(crate) async fn assign_request_id(
    State(gateway): State<Arc<Gateway>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id: Arc<str> = gateway.request_id().into();
    let span = tracing::info_span!(target: "hotspare", "hotspare.request", id = &*id, caller_id = Empty);
    if let Some(caller_id) = caller_id(request.headers()) {
        span.record("caller_id", caller_id);
    }
    request.extensions_mut().insert(RequestId(Arc::clone(&id)));
    let mut response = next.run(request).instrument(span).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(&REQUEST_ID, id.clone());
        response.headers_mut().insert(&X_REQUEST_ID, id);
    }
    response
}
