//! The client wire for Chat Completions.

use std::time::SystemTime;

use hotspare::openai::{ChatCompletionsEncoder, ChatCompletionsRequest, WIRE};
use hotspare::{ChatResponse, Chunk, Error, Event, Raw, Usage};
use http::HeaderMap;

use super::{ClientWire, ParsedRequest, gateway_status};

/// One Chat Completions answer.
#[derive(Debug)]
pub(crate) struct Chat {
    encoder: ChatCompletionsEncoder,
    include_usage: bool,
    usage: Option<Usage>,
    /// Token counts were already sent in a relayed frame.
    usage_sent: bool,
    /// The last frame was in the client's own wire format and was relayed.
    relaying: bool,
    /// Another target continues the answer. Its frames have another id and only its own token counts, so they cannot be
    /// relayed.
    handed_over: bool,
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
        Self { encoder, include_usage, usage: None, usage_sent: false, relaying: false, handed_over: false }
    }

    fn body(&self, answer: &ChatResponse) -> Vec<u8> {
        self.encoder.body(answer)
    }

    fn chunk(&mut self, chunk: &Chunk, out: &mut Vec<u8>) {
        match &chunk.event {
            Event::Started { id, model } => self.encoder.rename(id.as_deref(), model.as_deref()),
            Event::Usage(usage) => self.usage = Some(**usage),
            Event::ServiceTier(word) => self.encoder.set_service_tier(word),
            Event::Handover { .. } => (self.handed_over, self.usage_sent) = (true, false),
            _ => {}
        }
        if let Raw::Frame { wire, .. } = &chunk.raw {
            self.relaying = *wire == WIRE && !self.handed_over;
        }
        match &chunk.raw {
            Raw::Frame { data, .. } if self.relaying => {
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
            Raw::Covered if self.relaying => self.encoder.relayed(&chunk.event),
            _ => {
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

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
