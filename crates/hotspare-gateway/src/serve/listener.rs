//! The listening socket.
//!
//! Accepts nothing itself. Invariant: a burst of new connections waits in the socket's queue instead of being dropped.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// Maximum number of connections that wait to be accepted; the system may lower it (`net.core.somaxconn` on Linux, 4,096 by
/// default). With the usual 128, part of a burst is dropped, and those clients try again only a second later.
const BACKLOG: u32 = 4_096;

/// Listens on an address.
///
/// # Errors
/// If the address is not available, or in use.
///
/// # Panics
/// Outside a tokio runtime.
pub fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // On Windows, this would let other processes take over the address.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Linux completes connections up to the length of the queue, and drops further ones.
    #[tokio::test]
    async fn burst_of_connections_is_queued() {
        let queue = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        let burst = queue.trim().parse::<usize>().unwrap().min(300);
        let listener = listen_on(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let connect = |_| tokio::net::TcpStream::connect(address);
        let all = futures::future::try_join_all((0..burst).map(connect));
        let connected = tokio::time::timeout(Duration::from_secs(60), all).await;
        assert_eq!(connected.expect("no connection is dropped").unwrap().len(), burst);
    }
}
