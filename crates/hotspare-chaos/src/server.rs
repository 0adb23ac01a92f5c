//! A server on a real socket that speaks a provider's wire and misbehaves on request.
//!
//! HTTP/1.1 implemented on a bare socket, because no server library can close inside a chunk, reset a connection or
//! stay silent on purpose. Every prompt gets the same answer, so that answers of different servers can be compared. A
//! schema that the wire's provider would refuse is refused here, too.
//! Invariant: one connection serves one request at a time, and output that a client does not read is not buffered.

mod binary;
mod connection;
mod encoder;
mod schema;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::fault::Fault;
use crate::plan::FaultPlan;

pub use encoder::WireFormat;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1_024;

/// How a server behaves without faults.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Its wire.
    pub wire: WireFormat,
    /// The model name it reports.
    pub model: String,
    /// The key it requires.
    pub key: Option<String>,
    /// The words of every answer.
    pub answer: Vec<String>,
    /// The pieces of a tool call's arguments, if a call is forced; if empty, it answers in words anyway.
    pub arguments: Vec<String>,
    /// The pieces of the arguments of further calls in the same turn, if a call of any tool is forced; they call the tools
    /// after the first, in turn.
    pub further_calls: Vec<Vec<String>>,
    /// Whether the pieces of several calls alternate in a stream.
    pub interleaved: bool,
    /// Time to the first token.
    pub first_token: Duration,
    /// Time between tokens.
    pub gap: Duration,
    /// How long an idle connection is kept open.
    pub idle: Duration,
    /// Additional header lines for every reply.
    pub headers: String,
}

impl Settings {
    /// A healthy server that answers at once with twenty words.
    #[must_use]
    pub fn new(wire: WireFormat) -> Self {
        Self {
            wire,
            model: wire.model().to_owned(),
            key: None,
            answer: encoder::words(20),
            arguments: vec![r#"{"city":"Ulm"}"#.to_owned()],
            further_calls: Vec::new(),
            interleaved: false,
            first_token: Duration::ZERO,
            gap: Duration::ZERO,
            idle: Duration::from_secs(5),
            headers: String::new(),
        }
    }

    /// Adds a header to every reply.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// Answers with this many words.
    #[must_use]
    pub fn tokens(mut self, count: usize) -> Self {
        self.answer = encoder::words(count);
        self
    }

    /// Answers with these words.
    #[must_use]
    pub fn answer(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.answer = words.into_iter().map(Into::into).collect();
        self
    }

    /// Answers forced tool calls with these pieces of arguments.
    #[must_use]
    pub fn arguments(mut self, pieces: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.arguments = pieces.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a call with these pieces of arguments to every turn in which a call of any tool is forced.
    #[must_use]
    pub fn further_call(mut self, pieces: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.further_calls.push(pieces.into_iter().map(Into::into).collect());
        self
    }

    /// Lets the pieces of several calls alternate in streams.
    #[must_use]
    pub fn interleaved(mut self) -> Self {
        self.interleaved = true;
        self
    }

    /// Sets the time to the first token and between tokens.
    #[must_use]
    pub fn pace(mut self, first_token: Duration, gap: Duration) -> Self {
        self.first_token = first_token;
        self.gap = gap;
        self
    }

    /// Requires this key.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the model's name.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = model.into();
        self
    }

    /// Closes idle connections after this time.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }
}

/// A server's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Connections accepted.
    pub connections: u64,
    /// Requests received.
    pub requests: u64,
    /// Answers sent in full.
    pub completed: u64,
    /// Answers during which the client disconnected.
    pub cancelled: u64,
}

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct ChaosServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    accept_task: JoinHandle<()>,
    /// Never listens: keeps the port from being given to another process while this server is down. `None` on systems on
    /// which two sockets cannot have one address.
    _reservation: Option<TcpSocket>,
}

/// State shared by all connections.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Mutex<Arc<Settings>>,
    fault: Mutex<Option<Fault>>,
    plan: Mutex<FaultPlan>,
    /// Whether the server is listening.
    up: watch::Sender<bool>,
    connections: AtomicU64,
    requests: AtomicU64,
    completed: AtomicU64,
    cancelled: AtomicU64,
}

impl ChaosServer {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// If the port cannot be bound.
    pub async fn start(settings: Settings) -> std::io::Result<Self> {
        let socket = bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = socket.local_addr()?;
        let reservation = bind(address).ok();
        let listener = socket.listen(BACKLOG)?;
        let shared = Arc::new(Shared {
            settings: Mutex::new(Arc::new(settings)),
            fault: Mutex::default(),
            plan: Mutex::default(),
            up: watch::Sender::new(true),
            connections: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            completed: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
        });
        let accept_task = tokio::spawn(run_listener(Arc::clone(&shared), address, listener));
        Ok(Self { shared, address, accept_task, _reservation: reservation })
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for a client of its wire.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Applies this fault to every request from now on; `None` restores normal behavior. [`Fault::Refuse`] takes
    /// effect at once, on open connections too, and this returns once nothing listens.
    pub async fn set_fault(&self, fault: Option<Fault>) {
        *lock(&self.shared.fault) = fault;
        self.set_listening(fault != Some(Fault::Refuse)).await;
    }

    /// The fault that currently applies to every request, if any.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        *lock(&self.shared.fault)
    }

    /// Applies a plan's faults to requests from now on, by request number.
    pub fn set_plan(&self, plan: FaultPlan) {
        *lock(&self.shared.plan) = plan;
    }

    /// Stops listening and resets every connection, as if the process had been killed.
    pub async fn kill(&self) {
        self.set_listening(false).await;
    }

    /// Listens again, on the same port.
    pub async fn restore(&self) {
        self.set_listening(true).await;
    }

    /// Changes its behavior without faults.
    pub fn set_settings(&self, settings: Settings) {
        *lock(&self.shared.settings) = Arc::new(settings);
    }

    /// Its behavior without faults.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings::clone(&self.shared.settings())
    }

    /// Its counters.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
        ServerStats {
            connections: read(&self.shared.connections),
            requests: read(&self.shared.requests),
            completed: read(&self.shared.completed),
            cancelled: read(&self.shared.cancelled),
        }
    }

    async fn set_listening(&self, up: bool) {
        let changed = self.shared.up.send_if_modified(|now| std::mem::replace(now, up) != up);
        if !changed {
            return;
        }
        // Wait until the change is visible to clients.
        for _ in 0..2_000 {
            let reached = tokio::net::TcpStream::connect(self.address).await.is_ok();
            if reached == up {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Drop for ChaosServer {
    fn drop(&mut self) {
        self.shared.up.send_replace(false);
        self.accept_task.abort();
    }
}

impl Shared {
    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&lock(&self.settings))
    }

    /// Counts a request and returns its fault.
    pub(crate) fn next_request(&self) -> Option<Fault> {
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        let live = *lock(&self.fault);
        live.or_else(|| lock(&self.plan).at(number))
    }

    pub(crate) fn completed(&self) {
        self.completed.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn cancelled(&self) {
        self.cancelled.fetch_add(1, Ordering::SeqCst);
    }
}

async fn run_listener(shared: Arc<Shared>, address: SocketAddr, listener: TcpListener) {
    let mut up = shared.up.subscribe();
    let mut listener = Some(listener);
    loop {
        if !*up.borrow_and_update() {
            listener = None;
            if up.wait_for(|up| *up).await.is_err() {
                return;
            }
        }
        let bound = match listener.take() {
            Some(bound) => bound,
            None => match bind(address).and_then(|socket| socket.listen(BACKLOG)) {
                Ok(bound) => bound,
                // The port is still being released; nothing else uses it.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    continue;
                }
            },
        };
        tokio::select! {
            accepted = bound.accept() => {
                match accepted {
                    Ok((stream, _)) => {
                        shared.connections.fetch_add(1, Ordering::SeqCst);
                        tokio::spawn(connection::serve(Arc::clone(&shared), stream, shared.up.subscribe()));
                    }
                    // Out of file descriptors: others must be closed first.
                    Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                }
                listener = Some(bound);
            }
            changed = up.changed() => {
                if changed.is_err() {
                    return;
                }
                listener = Some(bound);
            }
        }
    }
}

/// A socket with this address that does not listen yet. Several may have one address; connections to it are refused until
/// one of them listens.
fn bind(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
