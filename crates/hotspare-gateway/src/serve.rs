//! Listening, limits, and an orderly end.
//!
//! Invariant: TCP_NODELAY on every socket, a bounded number of connections, none of them held by a caller who is gone or
//! sends no request, and after the signal to stop, answers that are under way are finished before the program ends, or are
//! told that they are cut off.

mod files;
mod places;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures::{Stream, StreamExt};
use hotspare::Client;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};

use crate::auth::ClientKeys;
use crate::closing::Closing;
use crate::gateway::Gateway;
use crate::routes::{crowded, router};
use crate::traffic::Traffic;
use crate::upload::Uploads;
use places::Places;

pub use files::allow_files;

/// A connection without traffic is asked after so long, and then as often, whether anybody is there: a caller whose machine
/// died leaves upstream's answer to run, and its place to be filled. With Linux's nine questions that takes five minutes.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How long those who are cut off may take to read why.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Limits of a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServeOptions {
    /// The keys that callers must show.
    pub keys: ClientKeys,
    /// The keys that operators must show; where there are none, those of callers.
    pub operator_keys: ClientKeys,
    /// Largest request body in bytes. Default 32 MiB: what the strictest of the large providers takes.
    pub max_body_bytes: usize,
    /// Most memory in bytes for the bodies of all requests under way, each counted three times: as it came, as it was read,
    /// and as it is sent. There is always room for one of the largest. Default 1 GiB.
    pub max_body_memory_bytes: usize,
    /// How long a caller may take for the body of a request. Default 60 s.
    pub body_timeout: Duration,
    /// Most connections at once. Default 10,000.
    pub max_connections: usize,
    /// How long a connection may wait for its next request, whose head must be there by then. Default 75 s: longer than load
    /// balancers keep theirs (60 s at AWS and nginx), so that none is closed just as a request comes.
    pub idle_timeout: Duration,
    /// Time for answers under way after the signal to stop. Default 25 s: what sends the signal (Kubernetes, for one) often
    /// ends the program by force after 30 s.
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

/// Serves until the first of `signals`, and then finishes the answers under way, until the drain timeout is over or the second
/// one comes: who is not served by then is told so in the words of their wire.
///
/// # Errors
/// If the listener fails for good.
pub async fn serve_on(
    listener: TcpListener,
    client: Client,
    options: ServeOptions,
    signals: impl Stream<Item = ()>,
) -> io::Result<()> {
    let traffic = Traffic::of(&client);
    let (close, closing) = Closing::new();
    let gateway = Arc::new(Gateway {
        traffic: Arc::clone(&traffic),
        client,
        keys: options.keys,
        operator_keys: options.operator_keys,
        uploads: Uploads::new(options.max_body_bytes, options.body_timeout, options.max_body_memory_bytes),
        max_connections: options.max_connections,
        is_private: listener.local_addr()?.ip().is_loopback(),
        run: std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0u8),
        requests: AtomicU64::new(0),
        closing,
    });
    let ordinary = (server(options.idle_timeout, true), TowerToHyperService::new(router(&gateway)));
    let no_room = (server(options.idle_timeout, false), TowerToHyperService::new(crowded(&gateway)));
    let graceful = GracefulShutdown::new();
    let mut places = Places::new(options.max_connections);
    let mut signals = std::pin::pin!(signals.fuse());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(()) = signals.next() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            // Out of file descriptors, or a connection that was gone at once: neither ends a server.
            Err(error) => {
                tracing::warn!(target: "hotspare", %error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let place = tokio::select! {
            place = places.take() => place,
            Some(()) = signals.next() => break,
        };
        if tend(&stream).is_err() {
            continue;
        }
        let (server, service) = if place.is_spare() { &no_room } else { &ordinary };
        let connection = server.serve_connection(TokioIo::new(stream), service.clone()).into_owned();
        let connection = graceful.watch(connection);
        let counted = traffic.connect();
        tokio::spawn(async move {
            let _held = (place, counted);
            if let Err(error) = connection.await {
                tracing::debug!(target: "hotspare", error = %error, "a connection ended early");
            }
        });
    }
    drop(listener);
    let (answers, within) = (traffic.under_way(), options.drain_timeout);
    tracing::info!(target: "hotspare", ?within, "stopping: finishing {answers} answers; once more to stop at once");
    let mut finished = std::pin::pin!(graceful.shutdown());
    let is_finished = tokio::select! {
        () = &mut finished => true,
        () = tokio::time::sleep(options.drain_timeout) => false,
        Some(()) = signals.next() => false,
    };
    if !is_finished {
        let answers = traffic.under_way();
        if answers > 0 {
            tracing::warn!(target: "hotspare", "{answers} answers are cut off, and their callers told so");
        }
        close.send_replace(true);
        // Whoever reads no more is not waited for.
        let _ = tokio::time::timeout(LAST_WORDS, finished).await;
    }
    Ok(())
}

/// Most bytes of a head, and of what is read ahead: a stranger's half head costs no more.
const HEAD_ROOM: usize = 64 << 10;

/// How long a caller may leave what was sent to him unread before he is taken to be gone: his place, and that of his call at its
/// target, are wanted by others. A caller who reads slowly is not concerned.
#[cfg(target_os = "linux")]
const UNREAD: Duration = Duration::from_secs(120);

fn server(idle: Duration, keep_alive: bool) -> auto::Builder<hyper_util::rt::TokioExecutor> {
    let mut server = auto::Builder::new(hyper_util::rt::TokioExecutor::new()).http1_only();
    let mut http = server.http1();
    http.timer(TokioTimer::new())
        // Runs from the end of the last answer, through the silence before the next head.
        .header_read_timeout(idle)
        .max_buf_size(HEAD_ROOM)
        .keep_alive(keep_alive);
    server
}

fn tend(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    let socket = SockRef::from(stream);
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNREAD))?;
    socket.set_tcp_keepalive(&keepalive)
}
