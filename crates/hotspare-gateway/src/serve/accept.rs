//! Accepting connections.
//!
//! Not what is served on them. Invariant: each connection has a slot and TCP_NODELAY; one that cannot be accepted ends
//! nothing but itself.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};

use super::connection_slots::{ConnectionSlot, ConnectionSlots};

/// TCP keep-alive: idle time before the first probe, and interval between probes. Without it, a client whose machine
/// died would keep its upstream answer running and its slot taken. With Linux's nine probes, detection takes five
/// minutes.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How long sent data may stay unacknowledged before the client is taken to be gone (`TCP_USER_TIMEOUT`), which frees
/// its connection here and its call at the target. A client that merely reads slowly is not affected.
#[cfg(target_os = "linux")]
const UNACKED_TIMEOUT: Duration = Duration::from_secs(120);

/// How long to wait for file descriptors to be freed when there are none.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// A listener and the slots for its connections.
#[derive(Debug)]
pub(super) struct Acceptor {
    listener: TcpListener,
    slots: ConnectionSlots,
}

impl Acceptor {
    pub(super) fn new(listener: TcpListener, max_connections: usize) -> Self {
        Self { listener, slots: ConnectionSlots::new(max_connections) }
    }

    /// The next connection, once it has a slot.
    pub(super) async fn next(&mut self) -> (TcpStream, ConnectionSlot) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let slot = self.slots.acquire().await;
                    if set_socket_options(&stream).is_ok() {
                        return (stream, slot);
                    }
                }
                // Out of file descriptors, or the connection was already gone: neither should end the server.
                Err(error) => {
                    tracing::warn!(target: "hotspare", %error, "a connection could not be accepted");
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
            }
        }
    }
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

    use super::super::listen_on;
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
