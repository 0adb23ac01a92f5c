//! The client wire for Chat Completions.
//!
//! Not its encoding. Invariant: token counts are sent once, if the client asked for them or the target's own frame has
//! them, and `[DONE]` only after a complete answer.

use hotspare::openai::{ChatCompletionsEncoder, ChatCompletionsRequest, WIRE};
use hotspare::{ChatResponse, Chunk, Error, Event, Usage};
use http::HeaderMap;

use super::relay::{Passage, Relay};
use super::{ClientWire, ParsedRequest, gateway_status, unix_seconds};

/// One Chat Completions answer.
#[derive(Debug)]
pub(crate) struct Chat {
    encoder: ChatCompletionsEncoder,
    include_usage: bool,
    usage: Option<Usage>,
    /// Token counts were already sent in a relayed frame.
    usage_sent: bool,
    relay: Relay,
}

impl ClientWire for Chat {
    const WIRE: &'static str = WIRE;
    const KEEP_ALIVE: &'static [u8] = b": waiting for the first content\n\n";

    fn parse(_: &HeaderMap, body: &[u8]) -> Result<ParsedRequest, Error> {
        let ChatCompletionsRequest { request, stream, include_usage, .. } =
            ChatCompletionsRequest::parse(body)?;
        Ok(ParsedRequest { request, stream, include_usage })
    }

    fn start(id: &str, parsed: &ParsedRequest) -> Self {
        let encoder = ChatCompletionsEncoder::new(
            ["chatcmpl-", id].concat(),
            parsed.request.model.clone(),
            unix_seconds(),
        );
        let include_usage = parsed.include_usage;
        Self { encoder, include_usage, usage: None, usage_sent: false, relay: Relay::default() }
    }

    fn body(&self, answer: &ChatResponse) -> Vec<u8> {
        self.encoder.body(answer)
    }

    fn chunk(&mut self, chunk: &Chunk, out: &mut Vec<u8>) {
        match &chunk.event {
            Event::Started { id, model } => self.encoder.rename(id.as_deref(), model.as_deref()),
            Event::Usage(usage) => self.usage = Some(**usage),
            Event::ServiceTier(word) => self.encoder.set_service_tier(word),
            Event::Handover { .. } => self.usage_sent = false,
            _ => {}
        }
        match self.relay.passage(chunk, WIRE) {
            Passage::Frame(data) => {
                self.encoder.relayed(&chunk.event);
                if matches!(chunk.event, Event::Started { .. }) {
                    self.encoder.follow(data);
                }
                let only_usage = matches!(chunk.event, Event::Usage(_));
                if only_usage && !self.include_usage {
                    return;
                }
                self.usage_sent |= only_usage;
                ChatCompletionsEncoder::relay(data, out);
            }
            Passage::Covered => self.encoder.relayed(&chunk.event),
            Passage::Encoded => {
                if let Some(data) = self.encoder.frame(&chunk.event) {
                    ChatCompletionsEncoder::relay(&data, out);
                }
            }
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if let Some(usage) = self.usage.filter(|_| self.include_usage && !self.usage_sent) {
            ChatCompletionsEncoder::relay(&self.encoder.usage_frame(&usage), out);
        }
        ChatCompletionsEncoder::relay(b"[DONE]", out);
    }

    fn error_frame(error: &Error, out: &mut Vec<u8>) {
        ChatCompletionsEncoder::relay(&ChatCompletionsEncoder::error_body(error), out);
    }

    fn error_response(error: &Error, _: &str) -> (u16, Vec<u8>) {
        let status = gateway_status(error).unwrap_or_else(|| ChatCompletionsEncoder::status(error));
        (status, ChatCompletionsEncoder::error_body(error))
    }
}
