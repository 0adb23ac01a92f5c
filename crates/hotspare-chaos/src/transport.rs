//! Any transport, made unreliable.
//!
//! Works on bytes: bodies are cut, stalled and sliced wherever the plan says, whatever they mean. Invariant: a request that
//! the plan spares passes untouched.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use hotspare_core::{Error, Kind};
use hotspare_provider::{HttpRequest, HttpResponse, Transport};

use crate::fault::Fault;
use crate::plan::FaultPlan;

/// Wraps a transport and lets requests meet the faults of a plan. Counts are of pieces of the body.
#[derive(Debug)]
pub struct ChaosTransport<T> {
    inner: T,
    plan: FaultPlan,
    calls: Arc<AtomicU64>,
}

impl<T: Transport> ChaosTransport<T> {
    /// Wraps `inner`.
    pub fn new(inner: T, plan: FaultPlan) -> Self {
        Self { inner, plan, calls: Arc::default() }
    }
}

#[async_trait]
impl<T: Transport> Transport for ChaosTransport<T> {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let fault = self.plan.at(self.calls.fetch_add(1, Ordering::Relaxed));
        match fault {
            Some(Fault::Refuse) => return Err(Error::new(Kind::Connect, "injected: refuse")),
            Some(Fault::ResetBeforeHead | Fault::CloseBeforeHead) => {
                return Err(Error::new(Kind::Disconnected, "injected: closed before the head"));
            }
            Some(Fault::Silence) => return std::future::pending().await,
            Some(Fault::SlowFirstToken(time)) => tokio::time::sleep(time).await,
            _ => {}
        }
        let mut response = self.inner.send(request).await?;
        match fault {
            Some(Fault::Status(status)) => {
                response.head.status = http::StatusCode::from_u16(status).unwrap_or(response.head.status);
                response.body = Box::pin(stream::empty());
            }
            Some(fault) => response.body = broken(fault, response.body),
            None => {}
        }
        Ok(response)
    }
}

fn broken(
    fault: Fault,
    body: BoxStream<'static, Result<Bytes, Error>>,
) -> BoxStream<'static, Result<Bytes, Error>> {
    let pieces = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    match fault {
        Fault::Empty200 | Fault::OnlyDone => Box::pin(stream::empty()),
        Fault::Html200 => Box::pin(stream::iter([Ok(Bytes::from_static(b"<html>injected</html>"))])),
        Fault::CleanEndAfter(n) => Box::pin(body.take(pieces(n))),
        Fault::StallAfter(n) => Box::pin(body.take(pieces(n)).chain(stream::pending())),
        Fault::CutAfter(n) => {
            let cut = Error::new(Kind::Truncated, "injected: cut");
            Box::pin(body.take(pieces(n)).chain(stream::iter([Err(cut)])))
        }
        Fault::ResetAfterBytes(n) => {
            let mut left = pieces(n);
            let begun = body.map(move |piece| {
                let piece = piece?;
                let kept = piece.slice(..piece.len().min(left));
                left -= kept.len();
                Ok((kept.len() < piece.len(), kept))
            });
            let cut = |kept| {
                let reset = Err(Error::new(Kind::Truncated, "injected: reset"));
                stream::iter([Ok(kept), reset])
            };
            // Whatever is beyond the cut is not read: the error ends the reply.
            Box::pin(begun.flat_map(move |piece| match piece {
                Ok((true, kept)) => cut(kept).left_stream(),
                Ok((false, kept)) => stream::iter([Ok(kept)]).right_stream(),
                Err(error) => stream::iter([Err(error)]).right_stream(),
            }))
        }
        Fault::MalformedAfter(n) => {
            let garbage = Ok(Bytes::from_static(b"data: {\"choi\n\n"));
            Box::pin(body.take(pieces(n)).chain(stream::iter([garbage])))
        }
        Fault::SlowDrip(time) => Box::pin(body.then(move |piece| async move {
            tokio::time::sleep(time).await;
            piece
        })),
        _ => body,
    }
}
