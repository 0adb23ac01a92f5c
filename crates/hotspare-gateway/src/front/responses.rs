//! The front for Responses, for clients that keep the conversation themselves.

use std::time::SystemTime;

use hotspare::openai::{ChatCompletionsEncoder, RESPONSES_WIRE, ResponsesEncoder, ResponsesRequest};
use hotspare::{ChatResponse, Chunk, Error, Event, Raw};
use http::HeaderMap;

use super::{Asked, Front, own_status};

/// One Responses answer.
#[derive(Debug)]
pub(crate) struct Responses {
    outgoing: ResponsesEncoder,
    /// The last frame was in the client's own wire format and was relayed.
    relays: bool,
    /// Another target continues the answer. Its frames are numbered from the start again, so they cannot be relayed.
    moved: bool,
    /// The provider's own final frame was relayed.
    ended: bool,
}

impl Front for Responses {
    const WIRE: &'static str = RESPONSES_WIRE;
    const ALIVE: &'static [u8] = b": waiting for the first content\n\n";

    fn read(_: &HeaderMap, body: &[u8]) -> Result<Asked, Error> {
        let ResponsesRequest { request, stream, .. } = ResponsesRequest::parse(body)?;
        Ok(Asked { request, stream, include_usage: true })
    }

    fn begin(id: &str, asked: &Asked) -> Self {
        let created =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let outgoing = ResponsesEncoder::new(format!("resp_{id}"), asked.request.model.clone(), created);
        Self { outgoing, relays: false, moved: false, ended: false }
    }

    fn body(&self, answer: &ChatResponse) -> Vec<u8> {
        self.outgoing.body(answer)
    }

    fn chunk(&mut self, chunk: &Chunk, out: &mut Vec<u8>) {
        self.moved |= matches!(chunk.event, Event::Handover { .. });
        match &chunk.raw {
            Raw::Frame { wire, .. } => self.relays = *wire == RESPONSES_WIRE && !self.moved,
            Raw::Absent => self.relays = false,
            _ => {}
        }
        if !self.relays {
            self.outgoing.event(&chunk.event, out);
            return;
        }
        // Encoded only to keep the counters, so that another target can continue from here.
        self.outgoing.event(&chunk.event, &mut Vec::new());
        self.ended |= matches!(chunk.event, Event::Finished(_));
        if let Raw::Frame { data, .. } = &chunk.raw {
            ResponsesEncoder::relay(data, out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if !self.ended {
            self.outgoing.end(out);
        }
    }

    fn failure(error: &Error, out: &mut Vec<u8>) {
        ResponsesEncoder::failure(error, out);
    }

    fn error(error: &Error, _: &str) -> (u16, Vec<u8>) {
        let status = own_status(error).unwrap_or_else(|| ChatCompletionsEncoder::status(error));
        (status, ChatCompletionsEncoder::error_body(error))
    }
}
