//! The wires that clients may use.
//!
//! Not adapters: encodings live with their codecs. Invariant: if the serving target speaks the client's wire, its
//! frames are relayed untouched; otherwise they are re-encoded, and a failure never looks like a normal end.

mod chat;
mod messages;
mod responses;

use hotspare::{ChatRequest, ChatResponse, Chunk, Error, Kind};
use http::HeaderMap;

pub(crate) use chat::Chat;
pub(crate) use messages::Messages;
pub(crate) use responses::Responses;

/// A client's parsed request.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) request: ChatRequest,
    pub(crate) stream: bool,
    /// Whether a stream ends with token counts, where the wire makes that optional.
    pub(crate) include_usage: bool,
}

/// The status of an error that the gateway itself raised, which takes precedence over the wire's mapping.
fn own_status(error: &Error) -> Option<u16> {
    let own = |status: &u16| matches!(status, 401 | 403 | 404 | 405 | 408 | 413 | 415);
    error.status().filter(own).filter(|_| error.kind() == Kind::InvalidRequest)
}

/// A wire towards clients, and the state of one answer being encoded for it.
pub(crate) trait Front: Send + Unpin + 'static {
    /// The wire's name.
    const WIRE: &'static str;
    /// The keep-alive for a client that waits for the first content.
    const ALIVE: &'static [u8];

    /// Parses a request.
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Asked, Error>;

    /// Starts an answer.
    fn begin(id: &str, asked: &Asked) -> Self;

    /// A whole answer's body.
    fn body(&self, answer: &ChatResponse) -> Vec<u8>;

    /// Appends the frames for one chunk of a streamed answer.
    fn chunk(&mut self, chunk: &Chunk, out: &mut Vec<u8>);

    /// Appends the end of a complete streamed answer.
    fn end(&mut self, out: &mut Vec<u8>);

    /// Appends the frame that reports a failure.
    fn failure(error: &Error, out: &mut Vec<u8>);

    /// An error's HTTP status and body.
    fn error(error: &Error, id: &str) -> (u16, Vec<u8>);
}
