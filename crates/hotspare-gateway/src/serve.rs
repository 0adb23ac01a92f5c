//! Listening, limits, and graceful shutdown.
//!
//! Invariant: a bounded number of connections, none held by a client that is gone or sends no request; after the signal
//! to stop, in-flight answers are finished before the program ends, or end with an error that says why.

mod accept;
mod connection_slots;
mod file_limit;
mod listener;
mod options;

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
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::Instrument;

use crate::gateway::Gateway;
use crate::request_id::RequestId;
use crate::routes::{over_capacity, router};
use crate::shutdown::Shutdown;
use crate::socket::Socket;
use crate::traffic::Traffic;
use crate::upload::Uploads;
use accept::Acceptor;

pub use file_limit::raise_file_limit;
pub use listener::listen_on;
pub use options::ServeOptions;

/// How long clients that are cut off may take to read the error.
const CUT_OFF_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a connection beyond the limit may idle: its slot is needed for the next caller to reject, and for
/// operators.
const OVERFLOW_IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves until the first of `signals`, then finishes in-flight answers until the drain timeout is over or a second
/// signal arrives. Answers that are cut off then end with an error in the client's wire format.
///
/// # Errors
/// If an option makes no sense, or the listener's address cannot be read.
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
    let mut acceptor = Acceptor::new(listener, options.max_connections);
    let mut signals = std::pin::pin!(signals.fuse());
    loop {
        let (stream, slot) = tokio::select! {
            accepted = acceptor.next() => accepted,
            Some(()) = signals.next() => break,
        };
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
        let connection = graceful.watch(server.serve_connection(TokioIo::new(socket), service));
        let connection_guard = traffic.connect();
        tokio::spawn(async move {
            let _held = (slot, connection_guard);
            if let Err(error) = connection.await {
                tracing::debug!(target: "hotspare", error = %error, "a connection ended early");
            }
        });
    }
    // From here on, new connections are refused.
    drop(acceptor);
    drain(graceful, &traffic, &cut_off, options.drain_timeout, signals).await;
    Ok(())
}

/// Finishes in-flight answers, until `within` is over or there is another signal; what is left then is cut off.
async fn drain(
    graceful: GracefulShutdown,
    traffic: &Traffic,
    cut_off: &watch::Sender<bool>,
    within: Duration,
    mut signals: impl Stream<Item = ()> + Unpin,
) {
    let answers = traffic.in_flight();
    tracing::info!(target: "hotspare", ?within, "shutting down: finishing {answers} answers; signal again to stop at once");
    let mut finished = std::pin::pin!(graceful.shutdown());
    let is_finished = tokio::select! {
        () = &mut finished => true,
        () = tokio::time::sleep(within) => false,
        Some(()) = signals.next() => false,
    };
    if is_finished {
        return;
    }
    let answers = traffic.in_flight();
    if answers > 0 {
        tracing::warn!(target: "hotspare", "{answers} answers are cut off with an error to their callers");
    }
    cut_off.send_replace(true);
    // Clients that no longer read are not waited for.
    let _ = tokio::time::timeout(CUT_OFF_TIMEOUT, finished).await;
}

/// Maximum size of a request head and of read-ahead: an incomplete head from an unknown client costs no more memory.
const MAX_HEAD_BYTES: usize = 64 << 10;

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
