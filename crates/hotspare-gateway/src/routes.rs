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
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router, middleware};
use hotspare::anthropic::{MessagesEncoder, VERSION_HEADER};
use hotspare::openai::{EmbeddingsRequest, WIRE};
use hotspare::{CallOptions, Error, Kind, Raw};
use serde_json::{Value, json};

use crate::attend::{RequestId, attend};
use crate::body::{Frames, PATIENCE};
use crate::closing::Watch;
use crate::deadline;
use crate::front::{Asked, Chat, Front, Messages, Responses};
use crate::gateway::Gateway;
use crate::ops;
use crate::reply::{self, Marks, failure};
use crate::socket::Socket;
use crate::traffic::RequestGuard;
use crate::upload::{self, Room};

/// All endpoints.
pub(crate) fn router(gateway: &Arc<Gateway>) -> Router {
    let router = ops::router()
        .route("/v1/chat/completions", post(ask::<Chat>))
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/messages", post(ask::<Messages>))
        .route("/v1/messages/count_tokens", post(count_tokens))
        .route("/v1/responses", post(ask::<Responses>))
        .route("/v1/models", get(models))
        .route("/v1/models/{*id}", get(model))
        .fallback(unknown)
        .method_not_allowed_fallback(not_so);
    attended(router, gateway)
}

/// The endpoints of a server without room: only those for operators.
pub(crate) fn crowded(gateway: &Arc<Gateway>) -> Router {
    attended(ops::router().fallback(ops::crowded), gateway)
}

fn attended(router: Router<Arc<Gateway>>, gateway: &Arc<Gateway>) -> Router {
    router.layer(middleware::from_fn_with_state(Arc::clone(gateway), attend)).with_state(Arc::clone(gateway))
}

/// A reply to a client.
enum Answer<F> {
    Whole(Response),
    Stream { frames: Frames<F>, marks: Marks },
}

async fn ask<F: Front>(
    State(gateway): State<Arc<Gateway>>,
    Extension(RequestId(id)): Extension<RequestId>,
    Extension(socket): Extension<Socket>,
    request: Request,
) -> Response {
    let mut tally = gateway.traffic.begin();
    let answer = {
        // Pinned here, because it is large and would be moved several times.
        let answer = pin!(gateway.answer::<F>(&id, &socket, &mut tally, request));
        gateway.unless_closing(answer).await
    };
    match answer {
        Ok(Answer::Whole(response)) => {
            tally.served();
            response
        }
        Ok(Answer::Stream { frames, marks }) => {
            let frames = frames.watched(Watch::over(gateway.closing.clone(), socket), tally);
            let mut response = Response::new(Body::from_stream(frames));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            // Disables buffering in reverse proxies such as nginx, which would hold frames back.
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
            marks.put(&mut response);
            response
        }
        Err(error) => {
            tally.failed(&error);
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
    let mut tally = gateway.traffic.begin();
    match gateway.unless_closing(gateway.embed(&socket, &mut tally, request)).await {
        Ok(response) => {
            tally.served();
            response
        }
        Err(error) => {
            tally.failed(&error);
            failure::<Chat>(&error, &id)
        }
    }
}

/// Estimates a prompt's tokens: the actual tokenizer is known only once a target has served.
async fn count_tokens(
    State(gateway): State<Arc<Gateway>>,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Response {
    let counted = async {
        let (Asked { request, .. }, _room) = gateway.read::<Messages>(request).await?;
        Ok(gateway.client.explain(&request)?.prompt_tokens)
    };
    match counted.await {
        Ok(tokens) => reply::json(StatusCode::OK, MessagesEncoder::token_count(tokens)),
        Err(error) => failure::<Messages>(&error, &id),
    }
}

/// Applies the shorter of the deadlines in the body and in the headers.
fn shorten(options: &mut CallOptions, deadline: Option<Duration>) {
    options.deadline = [options.deadline, deadline].into_iter().flatten().min();
}

impl Gateway {
    /// Admits a request and reads its deadline and body.
    async fn upload(&self, request: Request) -> Result<(Option<Duration>, Parts, Vec<u8>, Room), Error> {
        let (head, body) = request.into_parts();
        match self.admit(&head.headers).await.and_then(|()| deadline::from_headers(&head.headers)) {
            Ok(deadline) => {
                let (body, room) = self.uploads.read(&head.headers, body).await?;
                Ok((deadline, head, body, room))
            }
            Err(error) => {
                upload::discard(&head.headers, body);
                Err(error)
            }
        }
    }

    async fn read<F: Front>(&self, request: Request) -> Result<(Asked, Room), Error> {
        let (deadline, head, body, room) = self.upload(request).await?;
        let mut asked = F::read(&head.headers, &body)?;
        shorten(&mut asked.request.options, deadline);
        Ok((asked, room))
    }

    async fn embed(
        &self,
        socket: &Socket,
        tally: &mut RequestGuard,
        request: Request,
    ) -> Result<Response, Error> {
        let (deadline, _, body, room) = self.upload(request).await?;
        tally.holds(room);
        let mut incoming = EmbeddingsRequest::parse(&body)?;
        drop(body);
        shorten(&mut incoming.request.options, deadline);
        tally.has(incoming.request.options.deadline);
        tally.takes(self.client.route_for(&incoming.request.model));
        let answer = self.client.embed_via(incoming.request.clone(), Some(WIRE));
        let answer = socket.unless_hung_up(answer).await?;
        let mut response = reply::json(StatusCode::OK, incoming.body(&answer));
        Marks::of(&answer.trail).put(&mut response);
        Ok(response)
    }

    async fn answer<F: Front>(
        &self,
        id: &str,
        socket: &Socket,
        tally: &mut RequestGuard,
        request: Request,
    ) -> Result<Answer<F>, Error> {
        let (asked, room) = self.read::<F>(request).await?;
        tally.holds(room);
        tally.has(asked.request.options.deadline);
        let front = F::begin(id, &asked);
        let Asked { request, stream, .. } = asked;
        tally.takes(self.client.route_for(&request.model));
        if !stream {
            let answer = socket.unless_hung_up(self.client.chat_via(request, Some(F::WIRE))).await?;
            let body = match &answer.raw {
                Raw::Frame { data, .. } => Body::from(data.clone()),
                _ => Body::from(front.body(&answer)),
            };
            let mut response = reply::json(StatusCode::OK, body);
            Marks::of(&answer.trail).put(&mut response);
            return Ok(Answer::Whole(response));
        }
        let client = self.client.clone();
        let mut opening = Box::pin(async move { client.stream_via(request, Some(F::WIRE)).await });
        // Response headers are held back while a failure can still be reported by status, but no longer than
        // [`PATIENCE`].
        Ok(match tokio::time::timeout(PATIENCE, socket.unless_hung_up(&mut opening)).await {
            Ok(stream) => {
                let stream = stream?;
                let marks = Marks::of(stream.trail());
                Answer::Stream { frames: Frames::open(stream, front), marks }
            }
            Err(_) => Answer::Stream { frames: Frames::opening(opening, front), marks: Marks::default() },
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
        Err(error) => reply::failure_on(messages, &error, &id),
        Ok(()) => {
            let names = gateway.client.names();
            let body = if messages {
                MessagesEncoder::models(&names)
            } else {
                let data: Vec<Value> = names.iter().map(|name| described(name)).collect();
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
        let name = reply::named(path)?;
        if gateway.client.route_for(&name).is_some() {
            return Ok(name);
        }
        let what = format!("unknown model `{name}`; GET /v1/models lists the available ones");
        Err(Error::new(Kind::InvalidRequest, what).with_status(404).with_code("model_not_found"))
    });
    match known {
        Ok(name) if messages => reply::json(StatusCode::OK, MessagesEncoder::model(&name)),
        Ok(name) => reply::json(StatusCode::OK, described(&name).to_string()),
        Err(error) => reply::failure_on(messages, &error, &id),
    }
}

fn described(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": 0, "owned_by": "hotspare"})
}

async fn unknown(Extension(RequestId(id)): Extension<RequestId>, request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let known = "POST /v1/chat/completions, /v1/responses, /v1/messages and /v1/embeddings";
    let hint = if path.contains("/v1/v1/") { "; remove /v1 from the base URL" } else { "" };
    let what = format!("unknown endpoint {method} {path}; available: {known}{hint}");
    let error = Error::new(Kind::InvalidRequest, what).with_status(404);
    reply::failure_on(reply::speaks_messages(path, request.headers()), &error, &id)
}

/// The path exists but not with this method; the `allow` header lists those it accepts.
async fn not_so(Extension(RequestId(id)): Extension<RequestId>, request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let error = Error::new(Kind::InvalidRequest, format!("{path} does not accept {method}")).with_status(405);
    reply::failure_on(reply::speaks_messages(path, request.headers()), &error, &id)
}
