//! A caller's socket, watched while its connection uses it.
//!
//! Not HTTP. Invariant: a caller that hangs up is noticed although it has sent more than its request: hyper keeps such bytes
//! for later and does not look past them.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hotspare::{Error, Kind};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A socket; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Socket(Arc<TcpStream>);

impl Socket {
    /// Whether [`Socket::hung_up`] works here; elsewhere, hyper notices callers that have sent nothing after their request.
    pub(crate) const DETECTS_HANG_UP: bool = cfg!(target_os = "linux");

    pub(crate) fn new(stream: TcpStream) -> Self {
        Self(Arc::new(stream))
    }

    /// Resolves to `answer`, or to an error if the caller hangs up first. The request must have arrived in full.
    pub(crate) async fn unless_hung_up<T>(
        &self,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            biased;
            answer = answer => answer,
            () = self.hung_up() => Err(hung_up()),
        }
    }

    /// Resolves when the caller has closed the connection, or its own side of it.
    pub(crate) async fn hung_up(&self) {
        // Without a read, which would take what belongs to the next request: of this interest, only the end of the stream
        // ever becomes ready.
        #[cfg(target_os = "linux")]
        if self.0.ready(tokio::io::Interest::PRIORITY).await.is_ok_and(|ready| ready.is_read_closed()) {
            return;
        }
        std::future::pending().await
    }
}

/// The error of a caller that is gone. It is counted, but reaches only callers that closed nothing but their own side.
pub(crate) fn hung_up() -> Error {
    Error::new(Kind::Cancelled, "the caller closed the connection")
}

/// Tries an operation whenever the socket is ready for it.
fn poll_try<T>(
    cx: &mut Context<'_>,
    ready: impl Fn(&mut Context<'_>) -> Poll<io::Result<()>>,
    mut attempt: impl FnMut() -> io::Result<T>,
) -> Poll<io::Result<T>> {
    loop {
        ready!(ready(cx))?;
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return Poll::Ready(done),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = &self.0;
        poll_try(cx, |cx| stream.poll_read_ready(cx), || stream.try_read_buf(buffer)).map_ok(|_| ())
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream = &self.0;
        poll_try(cx, |cx| stream.poll_write_ready(cx), || stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = &self.0;
        poll_try(cx, |cx| stream.poll_write_ready(cx), || stream.try_write_vectored(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match SockRef::from(&*self.0).shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            done => done,
        })
    }
}
