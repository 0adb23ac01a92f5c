//! The wires that callers may speak.
//!
//! Not adapters: how a wire is spelled stands with its codec. Invariant: where the serving target speaks the caller's
//! wire, its frames are passed on untouched; otherwise they are spelled anew, and a failure never looks like an end.

mod chat;
mod messages;
mod responses;

use hotspare::{ChatRequest, ChatResponse, Chunk, Error, Kind};
use http::HeaderMap;

pub(crate) use chat::Chat;
pub(crate) use messages::Messages;
pub(crate) use responses::Responses;

/// What a caller asks.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) request: ChatRequest,
    pub(crate) stream: bool,
    /// Whether a stream is to end with token counts, where the wire leaves that to the caller.
    pub(crate) include_usage: bool,
}

/// The status of an error that is the gateway's own, and no wire's to choose.
fn own_status(error: &Error) -> Option<u16> {
    let own = |status: &u16| matches!(status, 401 | 403 | 404 | 405 | 408 | 413 | 415);
    error.status().filter(own).filter(|_| error.kind() == Kind::InvalidRequest)
}

/// A wire towards callers, and one answer that is being spelled on it.
pub(crate) trait Front: Send + Unpin + 'static {
    /// The wire's name.
    const WIRE: &'static str;
    /// What a caller who waits for the first content gets as a sign of life.
    const ALIVE: &'static [u8];

    /// Reads a request.
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Asked, Error>;

    /// Begins an answer.
    fn begin(id: &str, asked: &Asked) -> Self;

    /// A whole answer's body.
    fn body(&self, answer: &ChatResponse) -> Vec<u8>;

    /// Appends the frames for a piece of a streamed answer.
    fn chunk(&mut self, chunk: &Chunk, out: &mut Vec<u8>);

    /// Appends what ends a streamed answer that is complete.
    fn end(&mut self, out: &mut Vec<u8>);

    /// Appends the frame that reports a failure.
    fn failure(error: &Error, out: &mut Vec<u8>);

    /// An error's status and body.
    fn error(error: &Error, id: &str) -> (u16, Vec<u8>);
}
