//! The client wire for Responses, for clients that keep the conversation themselves.

use std::time::SystemTime;

use hotspare::openai::{ChatCompletionsEncoder, RESPONSES_WIRE, ResponsesEncoder, ResponsesRequest};
use hotspare::{ChatResponse, Chunk, Error, Event, Raw};
use http::HeaderMap;

use super::{ClientWire, ParsedRequest, gateway_status};

/// One Responses answer.
#[derive(Debug)]
pub(crate) struct Responses {
    encoder: ResponsesEncoder,
    /// The last frame was in the client's own wire format and was relayed.
    relaying: bool,
    /// Another target continues the answer. Its frames are numbered from the start again, so they cannot be relayed.
    handed_over: bool,
    /// The provider's own final frame was relayed.
    ended: bool,
}

impl ClientWire for Responses {
    const WIRE: &'static str = RESPONSES_WIRE;
    const KEEP_ALIVE: &'static [u8] = b": waiting for the first content\n\n";

    fn parse(_: &HeaderMap, body: &[u8]) -> Result<ParsedRequest, Error> {
        let ResponsesRequest { request, stream, .. } = ResponsesRequest::parse(body)?;
        Ok(ParsedRequest { request, stream, include_usage: true })
    }

    fn start(id: &str, parsed: &ParsedRequest) -> Self {
        let created =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let encoder = ResponsesEncoder::new(format!("resp_{id}"), parsed.request.model.clone(), created);
        Self { encoder, relaying: false, handed_over: false, ended: false }
    }

    fn body(&self, answer: &ChatResponse) -> Vec<u8> {
        self.encoder.body(answer)
    }

    fn chunk(&mut self, chunk: &Chunk, out: &mut Vec<u8>) {
        self.handed_over |= matches!(chunk.event, Event::Handover { .. });
        match &chunk.raw {
            Raw::Frame { wire, .. } => self.relaying = *wire == RESPONSES_WIRE && !self.handed_over,
            Raw::Absent => self.relaying = false,
            _ => {}
        }
        if !self.relaying {
            self.encoder.event(&chunk.event, out);
            return;
        }
        // Encoded only to keep the counters, so that another target can continue from here.
        self.encoder.event(&chunk.event, &mut Vec::new());
        self.ended |= matches!(chunk.event, Event::Finished(_));
        if let Raw::Frame { data, .. } = &chunk.raw {
            ResponsesEncoder::relay(data, out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if !self.ended {
            self.encoder.end(out);
        }
    }

    fn error_frame(error: &Error, out: &mut Vec<u8>) {
        ResponsesEncoder::failure(error, out);
    }

    fn error_response(error: &Error, _: &str) -> (u16, Vec<u8>) {
        let status = gateway_status(error).unwrap_or_else(|| ChatCompletionsEncoder::status(error));
        (status, ChatCompletionsEncoder::error_body(error))
    }
}
