//! The endpoints for clients.
//!
//! Not those for operators. Invariant: every reply has the format of the wire that was used and names the serving
//! target, and every request for an answer is counted.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use hotspare::anthropic::{MessagesEncoder, VERSION_HEADER};
use hotspare::openai::{EmbeddingsRequest, WIRE};
use hotspare::{CallOptions, Error, Kind, Raw};
use serde_json::{Value, json};

use crate::body::{KEEP_ALIVE_INTERVAL, SseBody};
use crate::client_wire::{Chat, ClientWire, Messages, ParsedRequest, Responses};
use crate::deadline;
use crate::gateway::Gateway;
use crate::hops;
use crate::ops;
use crate::refusal;
use crate::reply::{self, CallHeaders, failure};
use crate::request_id::RequestId;
use crate::shutdown::Interruption;
use crate::socket::Socket;
use crate::traffic::RequestGuard;
use crate::upload::{self, BodyMemory};

/// All endpoints.
pub(crate) fn router(gateway: &Arc<Gateway>) -> Router {
    ops::router()
        .route("/v1/chat/completions", post(generate::<Chat>))
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/messages", post(generate::<Messages>))
        .route("/v1/messages/count_tokens", post(count_tokens))
        .route("/v1/responses", post(generate::<Responses>))
        .route("/v1/models", get(models))
        .route("/v1/models/{*id}", get(model))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(Arc::clone(gateway))
}

/// The endpoints on connections beyond the limit: only those for operators.
pub(crate) fn over_capacity(gateway: &Arc<Gateway>) -> Router {
    ops::router().fallback(ops::over_capacity).with_state(Arc::clone(gateway))
}

/// A reply to a client.
enum Answer<F> {
    Complete(Response),
    Stream { frames: SseBody<F>, call_headers: CallHeaders },
}

async fn generate<F: ClientWire>(
    State(gateway): State<Arc<Gateway>>,
    Extension(RequestId(id)): Extension<RequestId>,
    Extension(socket): Extension<Socket>,
    request: Request,
) -> Response {
    let mut guard = gateway.traffic.begin();
    let answer = {
        // Pinned here, because it is large and would be moved several times.
        let answer = pin!(gateway.answer::<F>(&id, &socket, &mut guard, request));
        gateway.unless_shut_down(answer).await
    };
    match answer {
        Ok(Answer::Complete(response)) => {
            guard.served();
            response
        }
        Ok(Answer::Stream { frames, call_headers }) => {
            let frames = frames.with_interruption(Interruption::new(gateway.shutdown.clone(), socket), guard);
            let mut response = Response::new(Body::from_stream(frames));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            // Disables buffering in reverse proxies such as nginx, which would hold frames back.
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
            call_headers.apply(&mut response);
            response
        }
        Err(error) => {
            guard.failed(&error);
            failure::<F>(&error, &id)
        }
    }
}

/// Embeddings, in the encoding that the client asks for; errors have the format of the wire's other endpoints.
async fn embeddings(
    State(gateway): State<Arc<Gateway>>,
    Extension(RequestId(id)): Extension<RequestId>,
    Extension(socket): Extension<Socket>,
    request: Request,
) -> Response {
    let mut guard = gateway.traffic.begin();
    match gateway.unless_shut_down(gateway.embed(&socket, &mut guard, request)).await {
        Ok(response) => {
            guard.served();
            response
        }
        Err(error) => {
            guard.failed(&error);
            failure::<Chat>(&error, &id)
        }
    }
}

/// Estimates a prompt's tokens, by what the target that would be asked first has reported so far. Which target serves, and
/// so the actual tokenizer, is not known before the call.
async fn count_tokens(
    State(gateway): State<Arc<Gateway>>,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Response {
    let counted = async {
        let (ParsedRequest { request, .. }, _memory) = gateway.parse::<Messages>(request).await?;
        let explained = gateway.client.explain(&request)?;
        let first = explained.choices.first().filter(|choice| !choice.trimmed);
        Ok(first.map_or(explained.prompt_tokens, |choice| choice.prompt_tokens))
    };
    match counted.await {
        Ok(tokens) => reply::json(StatusCode::OK, MessagesEncoder::token_count(tokens)),
        Err(error) => failure::<Messages>(&error, &id),
    }
}

/// What a request's headers say about the call.
struct HeaderOptions {
    deadline: Option<Duration>,
    /// After how long without a byte the client gives up.
    gives_up_after: Option<Duration>,
    hops: u8,
}

impl HeaderOptions {
    fn parse(headers: &HeaderMap) -> Result<Self, Error> {
        Ok(Self {
            deadline: deadline::from_headers(headers)?,
            gives_up_after: deadline::of_client(headers),
            hops: hops::from_headers(headers)?,
        })
    }

    /// Adds them to those of the body. The shorter of the deadlines applies.
    fn apply(self, options: &mut CallOptions, stream: bool) {
        options.deadline = [options.deadline, self.deadline].into_iter().flatten().min();
        // Keep-alives are bytes, too: they keep a client that waits for the first of them.
        let gives_up_after = self.gives_up_after.filter(|time| !stream || *time <= KEEP_ALIVE_INTERVAL);
        let first_content = [options.first_content_deadline, gives_up_after];
        options.first_content_deadline = first_content.into_iter().flatten().min();
        options.hops = self.hops;
    }
}

impl Gateway {
    /// Admits a request and reads its headers and body.
    async fn receive(&self, request: Request) -> Result<(HeaderOptions, Parts, Vec<u8>, BodyMemory), Error> {
        let (head, body) = request.into_parts();
        match self.admit(&head.headers).await.and_then(|()| HeaderOptions::parse(&head.headers)) {
            Ok(options) => {
                let (body, memory) = self.uploads.read(&head.headers, body).await?;
                Ok((options, head, body, memory))
            }
            Err(error) => {
                upload::discard(&head.headers, body);
                Err(error)
            }
        }
    }

    async fn parse<F: ClientWire>(&self, request: Request) -> Result<(ParsedRequest, BodyMemory), Error> {
        let (options, head, body, memory) = self.receive(request).await?;
        let mut parsed = F::parse(&head.headers, &body)?;
        options.apply(&mut parsed.request.options, parsed.stream);
        parsed.request.options.native_wire = Some(F::WIRE);
        Ok((parsed, memory))
    }

    async fn embed(
        &self,
        socket: &Socket,
        guard: &mut RequestGuard,
        request: Request,
    ) -> Result<Response, Error> {
        let (options, _, body, memory) = self.receive(request).await?;
        guard.hold_memory(memory);
        let mut embeddings = EmbeddingsRequest::parse(&body)?;
        drop(body);
        options.apply(&mut embeddings.request.options, false);
        guard.set_deadlines(&embeddings.request.options);
        embeddings.request.options.native_wire = Some(WIRE);
        guard.set_route(self.client.route_for(&embeddings.request.model));
        let answer = self.client.embed(embeddings.request.clone());
        let answer = socket.unless_hung_up(answer).await?;
        let mut response = reply::json(StatusCode::OK, embeddings.body(&answer));
        CallHeaders::from_trail(&answer.trail).apply(&mut response);
        Ok(response)
    }

    async fn answer<F: ClientWire>(
        &self,
        id: &str,
        socket: &Socket,
        guard: &mut RequestGuard,
        request: Request,
    ) -> Result<Answer<F>, Error> {
        let (parsed, memory) = self.parse::<F>(request).await?;
        guard.hold_memory(memory);
        guard.set_deadlines(&parsed.request.options);
        let encoder = F::start(id, &parsed);
        let ParsedRequest { request, stream, .. } = parsed;
        guard.set_route(self.client.route_for(&request.model));
        if !stream {
            let answer = socket.unless_hung_up(self.client.chat(request)).await?;
            let body = match &answer.raw {
                Raw::Frame { data, .. } => Body::from(data.clone()),
                _ => Body::from(encoder.body(&answer)),
            };
            let mut response = reply::json(StatusCode::OK, body);
            CallHeaders::from_trail(&answer.trail).apply(&mut response);
            return Ok(Answer::Complete(response));
        }
        let client = self.client.clone();
        let mut opening =
            Box::pin(async move { client.stream(request).await.map_err(refusal::or_out_of_files) });
        // Response headers are held back while a failure can still be reported by status, but no longer than
        // [`KEEP_ALIVE_INTERVAL`].
        Ok(match tokio::time::timeout(KEEP_ALIVE_INTERVAL, socket.unless_hung_up(&mut opening)).await {
            Ok(stream) => {
                let stream = stream?;
                let call_headers = CallHeaders::from_trail(stream.trail());
                Answer::Stream { frames: SseBody::open(stream, encoder), call_headers }
            }
            Err(_) => Answer::Stream {
                frames: SseBody::opening(opening, encoder),
                call_headers: CallHeaders::default(),
            },
        })
    }
}

async fn models(
    State(gateway): State<Arc<Gateway>>,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Response {
    let messages = request.headers().contains_key(VERSION_HEADER);
    match gateway.admit(request.headers()).await {
        Err(error) => reply::failure_for(messages, &error, &id),
        Ok(()) => {
            let names = gateway.client.names();
            let body = if messages {
                MessagesEncoder::models(&names)
            } else {
                let data: Vec<Value> = names.iter().map(|name| model_object(name)).collect();
                json!({"object": "list", "data": data}).to_string().into_bytes()
            };
            reply::json(StatusCode::OK, body)
        }
    }
}

/// One model: any name that a request's `model` may use.
async fn model(
    State(gateway): State<Arc<Gateway>>,
    Extension(RequestId(id)): Extension<RequestId>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let messages = request.headers().contains_key(VERSION_HEADER);
    let known = gateway.admit(request.headers()).await.and_then(|()| {
        let name = reply::path_name(path)?;
        if gateway.client.route_for(&name).is_some() {
            return Ok(name);
        }
        let what = format!("unknown model `{name}`; GET /v1/models lists the available ones");
        Err(Error::new(Kind::InvalidRequest, what).with_status(404).with_code("model_not_found"))
    });
    match known {
        Ok(name) if messages => reply::json(StatusCode::OK, MessagesEncoder::model(&name)),
        Ok(name) => reply::json(StatusCode::OK, model_object(&name).to_string()),
        Err(error) => reply::failure_for(messages, &error, &id),
    }
}

fn model_object(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": 0, "owned_by": "hotspare"})
}

async fn not_found(Extension(RequestId(id)): Extension<RequestId>, request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let error = Error::new(Kind::InvalidRequest, unknown_endpoint(method, path)).with_status(404);
    reply::failure_for(reply::is_messages(path, request.headers()), &error, &id)
}

/// Names the endpoints for clients, and those for operators unless the path is clearly a client's.
fn unknown_endpoint(method: &Method, path: &str) -> String {
    let known = "POST /v1/chat/completions, /v1/responses, /v1/messages and /v1/embeddings, GET /v1/models";
    let hint = path_hint(path);
    let operators = match path.starts_with("/v1/") || !hint.is_empty() {
        true => String::new(),
        false => format!("; for operators: {}", ops::ENDPOINTS),
    };
    format!("unknown endpoint {method} {path}; available: {known}{hint}{operators}")
}

/// What a client probably got wrong about an unknown path.
fn path_hint(path: &str) -> &'static str {
    const ENDPOINTS: [&str; 5] = ["chat/completions", "embeddings", "messages", "models", "responses"];
    let is_endpoint = |rest: &str| ENDPOINTS.contains(&rest);
    if path.contains("/v1/v1/") {
        "; remove /v1 from the base URL"
    } else if path.strip_prefix('/').is_some_and(is_endpoint) {
        "; add /v1 to the base URL"
    } else if path.strip_prefix("/v1/").and_then(|rest| rest.strip_suffix('/')).is_some_and(is_endpoint) {
        "; remove the slash at the end"
    } else {
        ""
    }
}

/// The path exists but not with this method; the `allow` header lists those it accepts.
async fn method_not_allowed(Extension(RequestId(id)): Extension<RequestId>, request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let error = Error::new(Kind::InvalidRequest, format!("{path} does not accept {method}")).with_status(405);
    reply::failure_for(reply::is_messages(path, request.headers()), &error, &id)
}

#[cfg(test)]
mod tests;
