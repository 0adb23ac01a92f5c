//! The wires that clients may use.
//!
//! Not adapters: encodings live with their codecs. Invariant: if the serving target speaks the client's wire, its
//! frames are relayed untouched; otherwise they are re-encoded, and a failure never looks like a normal end.

mod chat;
mod messages;
mod relay;
mod responses;

use std::time::SystemTime;

use hotspare::{ChatRequest, ChatResponse, Chunk, Error, Kind};
use http::HeaderMap;

pub(crate) use chat::Chat;
pub(crate) use messages::Messages;
pub(crate) use responses::Responses;

/// A client's parsed request.
#[derive(Debug)]
pub(crate) struct ParsedRequest {
    pub(crate) request: ChatRequest,
    pub(crate) stream: bool,
    /// Whether a stream ends with token counts, where the wire makes that optional.
    pub(crate) include_usage: bool,
}

/// The status of an error that the gateway itself raised, which takes precedence over the wire's mapping.
fn gateway_status(error: &Error) -> Option<u16> {
    let is_own = |status: &u16| match error.kind() {
        Kind::InvalidRequest => matches!(status, 401 | 403 | 404 | 405 | 408 | 413 | 415 | 508),
        // Another gateway has detected a loop. As a 502, each gateway on the way back would try it again.
        Kind::Unsupported => *status == 508,
        _ => false,
    };
    error.status().filter(is_own)
}

/// The time, for answers that state it.
fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A wire towards clients, and the state of one answer being encoded for it.
pub(crate) trait ClientWire: Send + Unpin + 'static {
    /// The wire's name.
    const WIRE: &'static str;
    /// The keep-alive for a client that waits for the first content.
    const KEEP_ALIVE: &'static [u8];

    /// Parses a request.
    fn parse(headers: &HeaderMap, body: &[u8]) -> Result<ParsedRequest, Error>;

    /// Starts an answer.
    fn start(id: &str, parsed: &ParsedRequest) -> Self;

    /// A whole answer's body.
    fn body(&self, answer: &ChatResponse) -> Vec<u8>;

    /// Appends the frames for one chunk of a streamed answer.
    fn chunk(&mut self, chunk: &Chunk, out: &mut Vec<u8>);

    /// Appends the end of a complete streamed answer.
    fn end(&mut self, out: &mut Vec<u8>);

    /// Appends the frame that reports a failure.
    fn error_frame(error: &Error, out: &mut Vec<u8>);

    /// An error's HTTP status and body.
    fn error_response(error: &Error, id: &str) -> (u16, Vec<u8>);
}
