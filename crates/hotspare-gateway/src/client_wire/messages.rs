//! The client wire for Messages.
//!
//! Not its encoding. Invariant: the client's beta flags reach only targets of this wire, and `message_stop` is sent only
//! after a complete answer.

use hotspare::anthropic::{BETA, MessagesEncoder, MessagesRequest, WIRE};
use hotspare::{ChatResponse, Chunk, Error, Json};
use http::HeaderMap;

use super::relay::{Passage, Relay};
use super::{ClientWire, ParsedRequest, gateway_status};

/// One Messages answer.
#[derive(Debug)]
pub(crate) struct Messages {
    encoder: MessagesEncoder,
    relay: Relay,
}

impl ClientWire for Messages {
    const WIRE: &'static str = WIRE;
    const KEEP_ALIVE: &'static [u8] = MessagesEncoder::PING;

    fn parse(headers: &HeaderMap, body: &[u8]) -> Result<ParsedRequest, Error> {
        let MessagesRequest { mut request, stream, .. } = MessagesRequest::parse(body)?;
        // The client's beta flags only mean something to targets of the same wire, like the fields that need them.
        let betas: Vec<&str> = headers.get_all(BETA).iter().filter_map(|value| value.to_str().ok()).collect();
        if !betas.is_empty() {
            let betas = Json::from(serde_json::Value::from(betas.join(",")));
            request.extras.entry(WIRE.into()).or_default().insert(BETA.into(), betas);
        }
        Ok(ParsedRequest { request, stream, include_usage: true })
    }

    fn start(id: &str, parsed: &ParsedRequest) -> Self {
        let encoder = MessagesEncoder::new(format!("msg_{id}"), parsed.request.model.clone());
        Self { encoder, relay: Relay::default() }
    }

    fn body(&self, answer: &ChatResponse) -> Vec<u8> {
        self.encoder.body(answer)
    }

    fn chunk(&mut self, chunk: &Chunk, out: &mut Vec<u8>) {
        match self.relay.passage(chunk, WIRE) {
            Passage::Frame(data) => self.encoder.relay(data, &chunk.event, out),
            Passage::Covered => self.encoder.covered(&chunk.event),
            Passage::Encoded => self.encoder.event(&chunk.event, out),
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.encoder.end(out);
    }

    fn error_frame(error: &Error, out: &mut Vec<u8>) {
        MessagesEncoder::failure(error, out);
    }

    fn error_response(error: &Error, id: &str) -> (u16, Vec<u8>) {
        let status = gateway_status(error).unwrap_or_else(|| MessagesEncoder::status(error));
        (status, MessagesEncoder::error_body(error, Some(id)))
    }
}
