//! What the server answers.
//!
//! Invariant: every reply is OpenAI-shaped, names who served it, and tells the caller's client not to try again what was
//! tried everywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use hotspare::openai::{Incoming, Outgoing, WIRE};
use hotspare::{Client, Error, Kind};
use serde_json::{Value, json};

use crate::auth::ClientKeys;
use crate::body::{Frames, PATIENCE};
use crate::ops;

/// What handlers share.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) client: Client,
    pub(crate) keys: ClientKeys,
    pub(crate) max_body: usize,
    /// Prefix of request ids, different for each run.
    pub(crate) run: u64,
    pub(crate) requests: AtomicU64,
}

/// All routes.
pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/models", get(models))
        .route("/targets", get(targets))
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .fallback(unknown)
        .with_state(gateway)
}

async fn chat(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let id = gateway.request_id();
    let mut response = match gateway.answer(&id, request).await {
        Ok(response) => response,
        Err(error) => failure(&error),
    };
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

impl Gateway {
    fn request_id(&self) -> String {
        format!("hs-{:08x}-{}", self.run & 0xffff_ffff, self.requests.fetch_add(1, Ordering::Relaxed) + 1)
    }

    async fn answer(&self, id: &str, request: Request) -> Result<Response, Error> {
        self.admit(request.headers())?;
        let too_large = |_| {
            let what = format!("the body is larger than {} bytes", self.max_body);
            Error::new(Kind::InvalidRequest, what).with_status(413)
        };
        let body = axum::body::to_bytes(request.into_body(), self.max_body).await.map_err(too_large)?;
        let Incoming { request, stream, include_usage, .. } = Incoming::parse(&body)?;
        drop(body);
        let outgoing = Outgoing::new(format!("chatcmpl-{id}"), request.model.clone(), unix_seconds());
        if !stream {
            let answer = self.client.chat_via(request, Some(WIRE)).await?;
            let mut response = Response::new(Body::from(outgoing.body(&answer)));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let served = answer.served_by.as_ref().map(|target| target.as_str());
            mark(&mut response, served, answer.trail.attempts.len());
            return Ok(response);
        }
        let client = self.client.clone();
        let mut opening = Box::pin(async move { client.stream_via(request, Some(WIRE)).await });
        // Headers are held back while a failure can still be told by its status, but no caller waits for ever.
        let (frames, served, attempts) = match tokio::time::timeout(PATIENCE, &mut opening).await {
            Ok(stream) => {
                let stream = stream?;
                let served = stream.served_by().map(ToString::to_string);
                let attempts = stream.trail().attempts.len();
                (Frames::open(stream, outgoing, include_usage), served, attempts)
            }
            Err(_) => (Frames::opening(opening, outgoing, include_usage), None, 0),
        };
        let mut response = Response::new(Body::from_stream(frames));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        mark(&mut response, served.as_deref(), attempts);
        Ok(response)
    }

    fn admit(&self, headers: &axum::http::HeaderMap) -> Result<(), Error> {
        if self.keys.admit(headers) {
            return Ok(());
        }
        Err(Error::new(
            Kind::InvalidRequest,
            "the key is missing or unknown: send one of the gateway's client keys",
        )
        .with_status(401)
        .with_code("invalid_api_key"))
    }
}

async fn models(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    if let Err(error) = gateway.admit(request.headers()) {
        return failure(&error);
    }
    let names = gateway.client.names();
    let data: Vec<Value> = names
        .iter()
        .map(|name| json!({"id": name, "object": "model", "created": 0, "owned_by": "hotspare"}))
        .collect();
    respond(StatusCode::OK, "application/json", json!({"object": "list", "data": data}).to_string())
}

async fn targets(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    match gateway.admit(request.headers()) {
        Ok(()) => respond(StatusCode::OK, "application/json", ops::targets(&gateway.client).to_string()),
        Err(error) => failure(&error),
    }
}

async fn metrics(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    match gateway.admit(request.headers()) {
        Ok(()) => respond(StatusCode::OK, "text/plain; version=0.0.4", ops::metrics(&gateway.client)),
        Err(error) => failure(&error),
    }
}

/// Ready while at least one target would be asked.
async fn ready(State(gateway): State<Arc<Gateway>>) -> (StatusCode, Json<Value>) {
    let usable = gateway.client.targets().iter().filter(|target| target.view.usable).count();
    let status = if usable > 0 { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"usable_targets": usable})))
}

async fn unknown(request: Request) -> Response {
    let what = format!(
        "there is no {} {} here; this is POST /v1/chat/completions",
        request.method(),
        request.uri().path()
    );
    failure(&Error::new(Kind::InvalidRequest, what).with_status(404))
}

fn mark(response: &mut Response, served: Option<&str>, attempts: usize) {
    let headers = response.headers_mut();
    if let Some(value) = served.and_then(|served| HeaderValue::from_str(served).ok()) {
        headers.insert("x-hotspare-served-by", value);
    }
    if attempts > 0 {
        headers.insert("x-hotspare-attempts", HeaderValue::from(attempts));
    }
}

/// An error as a reply.
fn failure(error: &Error) -> Response {
    let status = match (error.kind(), error.status()) {
        (Kind::InvalidRequest, Some(status @ (401 | 404 | 413))) => status,
        _ => Outgoing::status(error),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let body = String::from_utf8(Outgoing::error_body(error)).unwrap_or_default();
    let mut response = respond(status, "application/json", body);
    let attempts = error.trail().attempts.len();
    mark(&mut response, None, attempts);
    let headers = response.headers_mut();
    if let Some(pause) = error.retry_after() {
        headers.insert(
            header::RETRY_AFTER,
            HeaderValue::from(pause.as_secs() + u64::from(pause.subsec_nanos() > 0)),
        );
    }
    // Every target was tried, or none could be: the caller's client must not multiply the load by trying again itself.
    if attempts > 0 || status.is_client_error() || error.retry_after().is_none() {
        headers.insert("x-should-retry", HeaderValue::from_static("false"));
    }
    response
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
