//! Makes any transport unreliable.
//!
//! Works on bytes: bodies are cut, stalled and split where the plan says, regardless of their content. Invariant: a request
//! without a planned fault passes through untouched.

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

/// Wraps a transport and injects the faults of a plan. Counts refer to chunks of the body.
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
            Some(Fault::Status(status)) => replace_response(&mut response, status, b""),
            Some(Fault::RateLimited(seconds)) => {
                replace_response(
                    &mut response,
                    429,
                    b"{\"error\":{\"message\":\"injected: too many requests\"}}",
                );
                if seconds > 0 {
                    response.head.headers.insert(http::header::RETRY_AFTER, seconds.into());
                }
            }
            Some(Fault::QuotaExhausted) => {
                let body = b"{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"injected: insufficient_quota\"}}";
                replace_response(&mut response, 429, body);
            }
            // A transport that enforces its limits rejects the reply before its caller sees it.
            Some(Fault::HeaderBomb) => {
                return Err(Error::new(Kind::Protocol, "injected: the message head is too large"));
            }
            Some(fault) => response.body = break_body(fault, response.body),
            None => {}
        }
        Ok(response)
    }
}

fn replace_response(response: &mut HttpResponse, status: u16, body: &'static [u8]) {
    response.head.status = http::StatusCode::from_u16(status).unwrap_or(response.head.status);
    response.body = Box::pin(stream::iter([Ok(Bytes::from_static(body))]));
}

/// Size of the chunks of an endless body.
const CHUNK_BYTES: usize = 64 << 10;

fn break_body(
    fault: Fault,
    body: BoxStream<'static, Result<Bytes, Error>>,
) -> BoxStream<'static, Result<Bytes, Error>> {
    let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    match fault {
        Fault::Empty200 | Fault::OnlyDone => Box::pin(stream::empty()),
        Fault::Html200 => Box::pin(stream::iter([Ok(Bytes::from_static(b"<html>injected</html>"))])),
        Fault::CleanEndAfter(n) => Box::pin(body.take(count(n))),
        Fault::StallAfter(n) => Box::pin(body.take(count(n)).chain(stream::pending())),
        Fault::CutAfter(n) => {
            let cut = Error::new(Kind::Truncated, "injected: cut");
            Box::pin(body.take(count(n)).chain(stream::iter([Err(cut)])))
        }
        Fault::ResetAfterBytes(n) => {
            let mut remaining = count(n);
            let flagged = body.map(move |piece| {
                let piece = piece?;
                let kept = piece.slice(..piece.len().min(remaining));
                remaining -= kept.len();
                Ok((kept.len() < piece.len(), kept))
            });
            let cut = |kept| {
                let reset = Err(Error::new(Kind::Truncated, "injected: reset"));
                stream::iter([Ok(kept), reset])
            };
            // Nothing is read beyond the cut: the error ends the reply.
            Box::pin(flagged.flat_map(move |piece| match piece {
                Ok((true, kept)) => cut(kept).left_stream(),
                Ok((false, kept)) => stream::iter([Ok(kept)]).right_stream(),
                Err(error) => stream::iter([Err(error)]).right_stream(),
            }))
        }
        Fault::MalformedAfter(n) => {
            let garbage = Ok(Bytes::from_static(b"data: {\"choi\n\n"));
            Box::pin(body.take(count(n)).chain(stream::iter([garbage])))
        }
        Fault::ErrorEventAfter(n) => {
            let event = b"data: {\"error\":{\"type\":\"server_error\",\"message\":\"injected\"}}\n\n";
            Box::pin(body.take(count(n)).chain(stream::iter([Ok(Bytes::from_static(event))])))
        }
        Fault::OnlyPings => {
            let ping = || async {
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
                Some((Ok(Bytes::from_static(b": ping\n\n")), ()))
            };
            Box::pin(stream::unfold((), move |()| ping()))
        }
        // Both are endless: readers must enforce a limit.
        Fault::HugeBody => Box::pin(stream::repeat_with(|| Ok(Bytes::from(vec![b' '; CHUNK_BYTES])))),
        Fault::HugeLine => {
            let prefix = stream::iter([Ok(Bytes::from_static(b"data: \""))]);
            Box::pin(prefix.chain(stream::repeat_with(|| Ok(Bytes::from(vec![b'x'; CHUNK_BYTES])))))
        }
        Fault::SlowDrip(time) => Box::pin(body.then(move |piece| async move {
            tokio::time::sleep(time).await;
            piece
        })),
        // Faults that apply before there is a body.
        Fault::CloseBeforeHead
        | Fault::HeaderBomb
        | Fault::QuotaExhausted
        | Fault::RateLimited(_)
        | Fault::Refuse
        | Fault::ResetBeforeHead
        | Fault::Silence
        | Fault::SlowFirstToken(_)
        | Fault::Status(_) => body,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hotspare_provider::Head;

    use super::*;

    /// Replies with three chunks.
    #[derive(Debug)]
    struct Healthy;

    #[async_trait]
    impl Transport for Healthy {
        async fn send(&self, _: HttpRequest) -> Result<HttpResponse, Error> {
            let head = Head {
                status: http::StatusCode::OK,
                headers: http::HeaderMap::new(),
                received_at: std::time::SystemTime::UNIX_EPOCH,
            };
            let pieces = (0..4).map(|n| {
                Ok(Bytes::from(format!("data: {{\"n\":{n}, \"text\":\"{}\"}}\n\n", "x".repeat(60))))
            });
            Ok(HttpResponse { head, body: Box::pin(stream::iter(pieces)) })
        }
    }

    /// What a caller receives within an hour, up to a megabyte.
    async fn observe(plan: FaultPlan) -> (u16, Vec<u8>, String, Duration) {
        let started = tokio::time::Instant::now();
        let mut read = (0, Vec::new(), String::new());
        let reading = async {
            let request = HttpRequest::post_json("http://h".into(), "{}");
            let mut response = match ChaosTransport::new(Healthy, plan).send(request).await {
                Ok(response) => response,
                Err(error) => {
                    read.2 = error.to_string();
                    return;
                }
            };
            read.0 = response.head.status.as_u16();
            while let Some(piece) = response.body.next().await {
                match piece {
                    Ok(piece) if read.1.len() < 1 << 20 => read.1.extend_from_slice(&piece),
                    Ok(_) => return,
                    Err(error) => read.2 = error.to_string(),
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(3_600), reading).await;
        (read.0, read.1, read.2, started.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn every_fault_is_observable_by_the_client() {
        let healthy = observe(FaultPlan::scripted([None])).await;
        assert_eq!((healthy.0, healthy.3), (200, Duration::ZERO));
        for fault in Fault::examples() {
            assert_ne!(observe(FaultPlan::scripted([Some(fault)])).await, healthy, "{fault}");
        }
    }
}
