//! What is done around every request: its id, in the reply and in all that is logged of it.
//!
//! Not what it is answered. Invariant: every reply has an id, and no id is given twice in a run.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use crate::gateway::Gateway;

/// A request's name in replies and logs.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

/// Names a request, and the reply as both wires do.
pub(crate) async fn attend(
    State(gateway): State<Arc<Gateway>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id: Arc<str> = gateway.request_id().into();
    let span = tracing::info_span!(target: "hotspare", "hotspare.request", id = &*id);
    request.extensions_mut().insert(RequestId(Arc::clone(&id)));
    let mut response = next.run(request).instrument(span).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("request-id", id.clone());
        response.headers_mut().insert("x-request-id", id);
    }
    response
}
