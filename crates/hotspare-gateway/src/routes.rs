//! What the server answers.
//!
//! Invariant: every reply has the shape of the wire that was asked on, names who served it, and tells the caller's client
//! not to try again what was tried everywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use hotspare::anthropic::{Outgoing, VERSION_HEADER};
use hotspare::openai::{IncomingEmbed, WIRE};
use hotspare::{CallOptions, Client, Error, Kind, Raw};
use serde_json::{Value, json};

use crate::auth::ClientKeys;
use crate::body::{Frames, PATIENCE};
use crate::deadline;
use crate::front::{Asked, Chat, Front, Messages, Responses};
use crate::ops;

/// What handlers share.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) client: Client,
    pub(crate) keys: ClientKeys,
    pub(crate) max_body: usize,
    pub(crate) body_time: Duration,
    /// Prefix of request ids, different for each run.
    pub(crate) run: u64,
    pub(crate) requests: AtomicU64,
}

/// All routes.
pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(ask::<Chat>))
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/messages", post(ask::<Messages>))
        .route("/v1/messages/count_tokens", post(count_tokens))
        .route("/v1/responses", post(ask::<Responses>))
        .route("/v1/models", get(models))
        .route("/targets", get(targets))
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .fallback(unknown)
        .with_state(gateway)
}

async fn ask<F: Front>(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let id = gateway.request_id();
    let response = match gateway.answer::<F>(&id, request).await {
        Ok(response) => response,
        Err(error) => failure::<F>(&error, &id),
    };
    named(response, &id)
}

/// Vectors, in the encoding that the caller wants; errors are spelled as on the wire's other paths.
async fn embeddings(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let id = gateway.request_id();
    let response = match gateway.embed(request).await {
        Ok(response) => response,
        Err(error) => failure::<Chat>(&error, &id),
    };
    named(response, &id)
}

/// How many tokens a prompt has, by estimate: whose tokenizer counts is known only once somebody has served.
async fn count_tokens(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let id = gateway.request_id();
    let counted = async {
        gateway.admit(request.headers())?;
        let Asked { request, .. } = gateway.read::<Messages>(request).await?;
        Ok(gateway.client.explain(&request)?.prompt_tokens)
    };
    let response = match counted.await {
        Ok(tokens) => json_reply(StatusCode::OK, Outgoing::token_count(tokens)),
        Err(error) => failure::<Messages>(&error, &id),
    };
    named(response, &id)
}

/// Both wires' names for it.
fn named(mut response: Response, id: &str) -> Response {
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert("request-id", id.clone());
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

/// Of the body's deadline and the header's the shorter counts.
fn shorten(options: &mut CallOptions, deadline: Option<Duration>) {
    options.deadline = [options.deadline, deadline].into_iter().flatten().min();
}

impl Gateway {
    fn request_id(&self) -> String {
        format!("hs-{:08x}-{}", self.run & 0xffff_ffff, self.requests.fetch_add(1, Ordering::Relaxed) + 1)
    }

    async fn read<F: Front>(&self, request: Request) -> Result<Asked, Error> {
        let (head, body) = request.into_parts();
        let deadline = deadline::from_headers(&head.headers)?;
        let mut asked = F::read(&head.headers, &self.body(body).await?)?;
        shorten(&mut asked.request.options, deadline);
        Ok(asked)
    }

    async fn body(&self, body: Body) -> Result<Bytes, Error> {
        let too_large = |_| {
            let what = format!("the body is larger than {} bytes", self.max_body);
            Error::new(Kind::InvalidRequest, what).with_status(413)
        };
        let read = axum::body::to_bytes(body, self.max_body);
        let read = tokio::time::timeout(self.body_time, read).await.map_err(|_| {
            let what = format!("the body did not arrive within {:?}", self.body_time);
            Error::new(Kind::InvalidRequest, what).with_status(408)
        })?;
        read.map_err(too_large)
    }

    async fn embed(&self, request: Request) -> Result<Response, Error> {
        self.admit(request.headers())?;
        let deadline = deadline::from_headers(request.headers())?;
        let mut incoming = IncomingEmbed::parse(&self.body(request.into_body()).await?)?;
        shorten(&mut incoming.request.options, deadline);
        let answer = self.client.embed_via(incoming.request.clone(), Some(WIRE)).await?;
        let mut response = json_reply(StatusCode::OK, incoming.body(&answer));
        let served = answer.served_by.as_ref().map(|target| target.as_str());
        mark(&mut response, served, answer.trail.attempts.len());
        Ok(response)
    }

    async fn answer<F: Front>(&self, id: &str, request: Request) -> Result<Response, Error> {
        self.admit(request.headers())?;
        let asked = self.read::<F>(request).await?;
        let front = F::begin(id, &asked);
        let Asked { request, stream, .. } = asked;
        if !stream {
            let answer = self.client.chat_via(request, Some(F::WIRE)).await?;
            let body = match &answer.raw {
                Raw::Frame { data, .. } => Body::from(data.clone()),
                _ => Body::from(front.body(&answer)),
            };
            let mut response = Response::new(body);
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let served = answer.served_by.as_ref().map(|target| target.as_str());
            mark(&mut response, served, answer.trail.attempts.len());
            return Ok(response);
        }
        let client = self.client.clone();
        let mut opening = Box::pin(async move { client.stream_via(request, Some(F::WIRE)).await });
        // Headers are held back while a failure can still be told by its status, but no caller waits for ever.
        let (frames, served, attempts) = match tokio::time::timeout(PATIENCE, &mut opening).await {
            Ok(stream) => {
                let stream = stream?;
                let served = stream.served_by().map(ToString::to_string);
                let attempts = stream.trail().attempts.len();
                (Frames::open(stream, front), served, attempts)
            }
            Err(_) => (Frames::opening(opening, front), None, 0),
        };
        let mut response = Response::new(Body::from_stream(frames));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // What stands before the gateway (nginx, for one) would collect frames otherwise.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
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
    let id = gateway.request_id();
    let messages = request.headers().contains_key(VERSION_HEADER);
    match gateway.admit(request.headers()) {
        Err(error) if messages => failure::<Messages>(&error, &id),
        Err(error) => failure::<Chat>(&error, &id),
        Ok(()) => {
            let names = gateway.client.names();
            let body = if messages { Outgoing::models(&names) } else { models_body(&names) };
            json_reply(StatusCode::OK, body)
        }
    }
}

fn models_body(names: &[String]) -> Vec<u8> {
    let data: Vec<Value> = names
        .iter()
        .map(|name| json!({"id": name, "object": "model", "created": 0, "owned_by": "hotspare"}))
        .collect();
    json!({"object": "list", "data": data}).to_string().into_bytes()
}

async fn targets(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    match gateway.admit(request.headers()) {
        Ok(()) => json_reply(StatusCode::OK, ops::targets(&gateway.client).to_string()),
        Err(error) => failure::<Chat>(&error, &gateway.request_id()),
    }
}

async fn metrics(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    match gateway.admit(request.headers()) {
        Ok(()) => respond(StatusCode::OK, "text/plain; version=0.0.4", ops::metrics(&gateway.client)),
        Err(error) => failure::<Chat>(&error, &gateway.request_id()),
    }
}

/// Ready while at least one target would be asked.
async fn ready(State(gateway): State<Arc<Gateway>>) -> (StatusCode, Json<Value>) {
    let usable = gateway.client.targets().iter().filter(|target| target.view.usable).count();
    let status = if usable > 0 { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"usable_targets": usable})))
}

async fn unknown(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let known = "POST /v1/chat/completions, POST /v1/responses, POST /v1/messages and POST /v1/embeddings";
    let error =
        Error::new(Kind::InvalidRequest, format!("there is no {method} {path} here; this is {known}"))
            .with_status(404);
    if path.starts_with("/v1/messages") {
        return failure::<Messages>(&error, &gateway.request_id());
    }
    failure::<Chat>(&error, &gateway.request_id())
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
fn failure<F: Front>(error: &Error, id: &str) -> Response {
    let (status, body) = F::error(error, id);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = json_reply(status, body);
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

fn json_reply(status: StatusCode, body: impl Into<Body>) -> Response {
    respond(status, "application/json", body)
}

fn respond(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
