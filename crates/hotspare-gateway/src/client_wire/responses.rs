//! The client wire for Responses, for clients that keep the conversation themselves.
//!
//! Not its encoding, and no store of responses. Invariant: a stream has one final event, relayed or written here.

use hotspare::openai::{ChatCompletionsEncoder, RESPONSES_WIRE, ResponsesEncoder, ResponsesRequest};
use hotspare::{ChatResponse, Chunk, Error, Event};
use http::HeaderMap;

use super::relay::{Passage, Relay};
use super::{ClientWire, ParsedRequest, gateway_status, unix_seconds};

/// One Responses answer.
#[derive(Debug)]
pub(crate) struct Responses {
    encoder: ResponsesEncoder,
    relay: Relay,
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
        let model = parsed.request.model.clone();
        let encoder = ResponsesEncoder::new(format!("resp_{id}"), model, unix_seconds());
        Self { encoder, relay: Relay::default(), ended: false }
    }

    fn body(&self, answer: &ChatResponse) -> Vec<u8> {
        self.encoder.body(answer)
    }

    fn chunk(&mut self, chunk: &Chunk, out: &mut Vec<u8>) {
        let passage = self.relay.passage(chunk, RESPONSES_WIRE);
        if passage == Passage::Encoded {
            self.encoder.event(&chunk.event, out);
            return;
        }
        // Encoded only to keep the counters, so that another target can continue from here.
        self.encoder.event(&chunk.event, &mut Vec::new());
        self.ended |= matches!(chunk.event, Event::Finished(_));
        if let Passage::Frame(data) = passage {
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
