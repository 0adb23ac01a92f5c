//! Endpoints for operators: health, metrics, targets, and taking targets out of and back into service.
//!
//! Not the endpoints for clients. Invariant: a change needs an operator key (a client key if there are none) or a
//! listener that only this machine can reach, and is never accepted from a web page.

mod exposition;
mod metrics;
mod targets;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use hotspare::{Client, Error, Kind, TargetStatus};
use serde_json::json;

use crate::client_wire::Chat;
use crate::gateway::Gateway;
use crate::refusal;
use crate::reply::{self, failure};
use crate::request_id::RequestId;
use crate::upload;

/// The operators' endpoints, as a message names them.
pub(crate) const ENDPOINTS: &str = "GET /healthz, /readyz, /metrics and /targets, POST /targets/NAME/cordon, \
                                    /targets/NAME/uncordon and /targets/NAME/enable";

/// The operators' endpoints.
pub(crate) fn router() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(show_metrics))
        .route("/targets", get(show_targets))
        .route(
            "/targets/{name}/cordon",
            post(|state, id, name, request| operate(Operation::Cordon, state, id, name, request)),
        )
        .route(
            "/targets/{name}/uncordon",
            post(|state, id, name, request| operate(Operation::Uncordon, state, id, name, request)),
        )
        .route(
            "/targets/{name}/enable",
            post(|state, id, name, request| operate(Operation::Enable, state, id, name, request)),
        )
}

/// The reply to other requests on connections beyond the limit.
pub(crate) async fn over_capacity(
    State(gateway): State<Arc<Gateway>>,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Response {
    let error = Error::new(Kind::NoTarget, "the gateway has no capacity for another connection; retry")
        .with_code(refusal::TOO_MANY_CONNECTIONS)
        .with_retry_after(Duration::from_secs(1));
    gateway.traffic.begin().failed(&error);
    let (head, body) = request.into_parts();
    upload::discard(&head.headers, body);
    reply::failure_for(reply::is_messages(head.uri.path(), &head.headers), &error, &id)
}

/// Ready while at least one target is in service. A rate-limited target, or one whose breaker is open, counts as in
/// service: it may be tried at any moment, and as a last resort is. Diverting callers helps only where an operator has
/// to act.
async fn ready(State(gateway): State<Arc<Gateway>>) -> Response {
    let targets = gateway.client.targets();
    let usable = targets.iter().filter(|target| target.view.usable).count();
    let in_service = targets.iter().filter(|target| is_in_service(target)).count();
    let status = if in_service > 0 { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    reply::json(status, json!({"usable_targets": usable, "targets_in_service": in_service}).to_string())
}

fn is_in_service(target: &TargetStatus) -> bool {
    let has_key = match target.keys.is_empty() {
        true => !target.view.disabled,
        false => target.keys.iter().any(|key| key.disabled_by.is_none()),
    };
    !target.view.cordoned && target.disabled_by.is_none() && has_key
}

async fn show_metrics(
    State(gateway): State<Arc<Gateway>>,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Response {
    match gateway.admit_operator(request.headers()).await {
        Ok(_) => reply::with_content_type(StatusCode::OK, exposition::TYPE, metrics::text(&gateway)),
        Err(error) => failure::<Chat>(&error, &id),
    }
}

async fn show_targets(
    State(gateway): State<Arc<Gateway>>,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Response {
    match gateway.admit_operator(request.headers()).await {
        Ok(_) => reply::json(StatusCode::OK, targets::all(&gateway.client).to_string()),
        Err(error) => failure::<Chat>(&error, &id),
    }
}

/// An operation on a target.
#[derive(Clone, Copy)]
enum Operation {
    /// Takes it out of service; in-flight calls continue.
    Cordon,
    Uncordon,
    /// Puts its disabled keys and model back into service at once, without waiting for a re-check.
    Enable,
}

impl Operation {
    fn apply(self, client: &Client, target: &str) -> Result<(), Error> {
        match self {
            Self::Cordon => client.cordon(target),
            Self::Uncordon => client.uncordon(target),
            Self::Enable => client.enable(target),
        }
    }

    fn past_tense(self) -> &'static str {
        match self {
            Self::Cordon => "cordoned",
            Self::Uncordon => "uncordoned",
            Self::Enable => "enabled",
        }
    }
}

/// Performs an operation on a target and returns its new state.
async fn operate(
    operation: Operation,
    State(gateway): State<Arc<Gateway>>,
    Extension(RequestId(id)): Extension<RequestId>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let done = gateway.admit_operator(request.headers()).await.and_then(|key| {
        check_operable(&gateway, &request)?;
        let name = reply::path_name(path)?;
        if targets::one(&gateway.client, &name).is_none() {
            let targets = gateway.client.targets();
            let known: Vec<&str> = targets.iter().map(|target| target.id.as_str()).collect();
            return Err(refuse(404, format!("unknown target; valid values are {}", known.join(", "))));
        }
        operation.apply(&gateway.client, &name)?;
        Ok((key, name))
    });
    match done {
        Ok((key, name)) => {
            let whose = if gateway.operator_keys.is_empty() { "client" } else { "operator" };
            let whose = key.map(|key| format!("{whose} key {key}"));
            tracing::warn!(target: "hotspare", target = name, by = whose, "{} by an operator", operation.past_tense());
            let shown = targets::one(&gateway.client, &name).unwrap_or_default();
            reply::json(StatusCode::OK, shown.to_string())
        }
        Err(error) => failure::<Chat>(&error, &id),
    }
}

fn check_operable(gateway: &Gateway, request: &Request) -> Result<(), Error> {
    if !gateway.is_loopback && !gateway.has_keys() {
        let what = "other machines reach this listener: set server.operator_keys or server.client_keys to operate targets over it";
        return Err(refuse(403, what));
    }
    // Any web page can post to this machine; browsers then send an `Origin` header.
    if request.headers().contains_key(header::ORIGIN) {
        return Err(refuse(403, "targets cannot be operated from a web page"));
    }
    Ok(())
}

fn refuse(status: u16, what: impl Into<String>) -> Error {
    Error::new(Kind::InvalidRequest, what).with_status(status)
}
