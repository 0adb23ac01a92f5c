//! Listening, limits, and an orderly end.
//!
//! Invariant: TCP_NODELAY on every socket, a bounded number of connections, none of them held by a caller who is gone or
//! sends no request, and after the signal to stop, answers that are under way are finished before the program ends (for at
//! most the drain time).

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hotspare::Client;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::auth::ClientKeys;
use crate::routes::{Gateway, router};

/// How long a caller may take for the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// A connection without traffic is asked after so long, and then as often, whether anybody is there: a caller whose machine
/// died leaves upstream's answer to run, and its place to be filled. With Linux's nine questions that takes five minutes.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Limits of a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServeOptions {
    /// The keys that callers must show.
    pub keys: ClientKeys,
    /// Largest request body in bytes. Default 10 MiB.
    pub max_body: usize,
    /// How long a caller may take for the body of a request. Default 60 s.
    pub body_time: Duration,
    /// Most connections at once. Default 10,000.
    pub max_connections: usize,
    /// Time for answers under way after the signal to stop. Default 30 s.
    pub drain: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            keys: ClientKeys::default(),
            max_body: 10 << 20,
            body_time: Duration::from_secs(60),
            max_connections: 10_000,
            drain: Duration::from_secs(30),
        }
    }
}

/// Serves until `stop` resolves, then drains.
///
/// # Errors
/// If the listener fails for good.
pub async fn serve_on(
    listener: TcpListener,
    client: Client,
    options: ServeOptions,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let gateway = Arc::new(Gateway {
        client,
        keys: options.keys,
        max_body: options.max_body,
        body_time: options.body_time,
        run: std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0u8),
        requests: AtomicU64::new(0),
    });
    let service = TowerToHyperService::new(router(gateway));
    let mut server = auto::Builder::new(hyper_util::rt::TokioExecutor::new()).http1_only();
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).keep_alive(true);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(options.max_connections));
    let mut stop = std::pin::pin!(stop);
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place.map_err(io::Error::other)?,
            () = &mut stop => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
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
        if tend(&stream).is_err() {
            continue;
        }
        let connection = server.serve_connection(TokioIo::new(stream), service.clone()).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = connection.await {
                tracing::debug!(target: "hotspare", error = %error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(options.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!(target: "hotspare", "answers were still under way when the drain time was over");
    }
    Ok(())
}

fn tend(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}
