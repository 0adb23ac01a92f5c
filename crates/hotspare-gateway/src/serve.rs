//! Listening, limits, and graceful shutdown.
//!
//! Invariant: TCP_NODELAY on every socket; a bounded number of connections, none held by a client that is gone or sends
//! no request; after the signal to stop, in-flight answers are finished before the program ends, or end with an error
//! that says why.

mod connection_slots;
mod file_limit;
mod listener;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures::{Stream, StreamExt};
use hotspare::Client;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tracing::Instrument;

use crate::auth::ClientKeys;
use crate::gateway::Gateway;
use crate::request_id::RequestId;
use crate::routes::{over_capacity, router};
use crate::shutdown::Shutdown;
use crate::socket::Socket;
use crate::traffic::Traffic;
use crate::upload::{COPIES, Uploads};
use connection_slots::ConnectionSlots;

pub use file_limit::raise_file_limit;
pub use listener::listen_on;

/// TCP keep-alive: idle time before the first probe, and interval between probes. Without it, a client whose machine
/// died would keep its upstream answer running and its slot taken. With Linux's nine probes, detection takes five
/// minutes.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How long clients that are cut off may take to read the error.
const CUT_OFF_TIMEOUT: Duration = Duration::from_secs(1);

/// Limits of a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServeOptions {
    /// The keys that clients must present.
    pub keys: ClientKeys,
    /// The keys that operators must present; if empty, client keys are used.
    pub operator_keys: ClientKeys,
    /// Maximum size of a request body in bytes. Default 32 MiB: what the strictest of the large providers accepts.
    pub max_body_bytes: usize,
    /// Maximum memory in bytes for the bodies of all in-flight requests, each counted three times: as received, as
    /// parsed, and as sent. At least three times `max_body_bytes`. Default 1 GiB.
    pub max_body_memory_bytes: usize,
    /// How long a client may take to send the body of a request. Default 60 s.
    pub body_timeout: Duration,
    /// Maximum number of concurrent connections. Default 10,000.
    pub max_connections: usize,
    /// How long a connection may wait for its next request, whose head must have arrived by then. Default 75 s: longer
    /// than load balancers keep theirs (60 s at AWS and nginx), so that a connection is not closed just as a request
    /// arrives.
    pub idle_timeout: Duration,
    /// How long in-flight answers may continue after the signal to stop. Default 25 s: Kubernetes, for one, often kills
    /// the program 30 s after the signal.
    pub drain_timeout: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            keys: ClientKeys::default(),
            operator_keys: ClientKeys::default(),
            max_body_bytes: 32 << 20,
            max_body_memory_bytes: 1 << 30,
            body_timeout: Duration::from_secs(60),
            max_connections: 10_000,
            idle_timeout: Duration::from_secs(75),
            drain_timeout: Duration::from_secs(25),
        }
    }
}

impl ServeOptions {
    /// Settings that make no sense, and why.
    pub(crate) fn mistakes(&self) -> Vec<(&'static str, String)> {
        let mut mistakes = Vec::new();
        let mut at_least_one = |setting, value: usize| {
            if value == 0 {
                mistakes.push((setting, "it must be at least 1".to_owned()));
            }
        };
        at_least_one("max_body_bytes", self.max_body_bytes);
        at_least_one("max_connections", self.max_connections);
        if self.idle_timeout.is_zero() {
            mistakes.push(("idle_timeout", "it must be longer than 0 s".into()));
        }
        let (body, memory) = (self.max_body_bytes, self.max_body_memory_bytes);
        let least = body.saturating_mul(COPIES);
        if memory < least {
            let what = format!(
                "{memory} bytes are too few for one body of max_body_bytes ({body}), which counts {COPIES} times: set at least {least}, or lower max_body_bytes"
            );
            mistakes.push(("max_body_memory_bytes", what));
        }
        mistakes
    }
}

/// How long a connection beyond the limit may idle: its slot is needed for the next caller to reject, and for
/// operators.
const OVERFLOW_IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves until the first of `signals`, then finishes in-flight answers until the drain timeout is over or a second
/// signal arrives. Answers that are cut off then end with an error in the client's wire format.
///
/// # Errors
/// If an option makes no sense, or the listener fails permanently.
pub async fn serve_on(
    listener: TcpListener,
    client: Client,
    options: ServeOptions,
    signals: impl Stream<Item = ()>,
) -> io::Result<()> {
    if let Some((setting, what)) = options.mistakes().into_iter().next() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{setting}: {what}")));
    }
    let traffic = Traffic::new(&client);
    let (cut_off, shutdown) = Shutdown::new();
    let gateway = Arc::new(Gateway {
        traffic: Arc::clone(&traffic),
        client,
        keys: options.keys,
        operator_keys: options.operator_keys,
        uploads: Uploads::new(options.max_body_bytes, options.body_timeout, options.max_body_memory_bytes),
        max_connections: options.max_connections,
        is_loopback: listener.local_addr()?.ip().is_loopback(),
        run_id: std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0u8),
        requests: AtomicU64::new(0),
        shutdown,
    });
    let ordinary = (server(options.idle_timeout, true), TowerToHyperService::new(router(&gateway)));
    let overflow = (
        server(options.idle_timeout.min(OVERFLOW_IDLE_TIMEOUT), false),
        TowerToHyperService::new(over_capacity(&gateway)),
    );
    let graceful = GracefulShutdown::new();
    let mut slots = ConnectionSlots::new(options.max_connections);
    let mut signals = std::pin::pin!(signals.fuse());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(()) = signals.next() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            // Out of file descriptors, or the connection was already gone: neither should end the server.
            Err(error) => {
                tracing::warn!(target: "hotspare", %error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let slot = tokio::select! {
            slot = slots.acquire() => slot,
            Some(()) = signals.next() => break,
        };
        if set_socket_options(&stream).is_err() {
            continue;
        }
        let (server, service) = if slot.is_overflow() { &overflow } else { &ordinary };
        let socket = Socket::new(stream);
        let (shared_socket, service, gateway) = (socket.clone(), service.clone(), Arc::clone(&gateway));
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            let id = RequestId(gateway.request_id().into());
            let span = id.span(request.headers());
            request.extensions_mut().insert(id.clone());
            request.extensions_mut().insert(shared_socket.clone());
            let reply = service.call(request).instrument(span);
            async move {
                let mut reply = reply.await?;
                id.set_on(&mut reply);
                Ok::<_, Infallible>(reply)
            }
        });
        let connection = server.serve_connection(TokioIo::new(socket), service);
        let connection = graceful.watch(connection);
        let connection_guard = traffic.connect();
        tokio::spawn(async move {
            let _held = (slot, connection_guard);
            if let Err(error) = connection.await {
                tracing::debug!(target: "hotspare", error = %error, "a connection ended early");
            }
        });
    }
    drop(listener);
    let (answers, within) = (traffic.in_flight(), options.drain_timeout);
    tracing::info!(target: "hotspare", ?within, "shutting down: finishing {answers} answers; signal again to stop at once");
    let mut finished = std::pin::pin!(graceful.shutdown());
    let is_finished = tokio::select! {
        () = &mut finished => true,
        () = tokio::time::sleep(options.drain_timeout) => false,
        Some(()) = signals.next() => false,
    };
    if !is_finished {
        let answers = traffic.in_flight();
        if answers > 0 {
            tracing::warn!(target: "hotspare", "{answers} answers are cut off with an error to their callers");
        }
        cut_off.send_replace(true);
        // Clients that no longer read are not waited for.
        let _ = tokio::time::timeout(CUT_OFF_TIMEOUT, finished).await;
    }
    Ok(())
}

/// Maximum size of a request head and of read-ahead: an incomplete head from an unknown client costs no more memory.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// How long sent data may stay unacknowledged before the client is taken to be gone (`TCP_USER_TIMEOUT`), which frees
/// its connection here and its call at the target. A client that merely reads slowly is not affected.
#[cfg(target_os = "linux")]
const UNACKED_TIMEOUT: Duration = Duration::from_secs(120);

fn server(idle: Duration, keep_alive: bool) -> http1::Builder {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        // Runs from the end of the last answer, including the idle time before the next head.
        .header_read_timeout(idle)
        .max_buf_size(MAX_HEAD_BYTES)
        // Otherwise hyper drops a connection whose caller has closed its side, even if the reply is about to be written.
        .half_close(Socket::DETECTS_HANG_UP)
        .keep_alive(keep_alive);
    server
}

fn set_socket_options(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    let socket = SockRef::from(stream);
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKED_TIMEOUT))?;
    socket.set_tcp_keepalive(&keepalive)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    /// Otherwise the system holds back each small frame until the client has acknowledged the one before.
    #[tokio::test]
    async fn accepted_sockets_send_small_frames_at_once() {
        let listener = listen_on(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let (accepted, _) = accepted.unwrap();
        assert!(!accepted.nodelay().unwrap(), "the system's default");
        set_socket_options(&accepted).unwrap();
        assert!(accepted.nodelay().unwrap());
        drop(client);
    }
}
