//! The front for Chat Completions.

use std::time::SystemTime;

use hotspare::openai::{ChatCompletionsEncoder, ChatCompletionsRequest, WIRE};
use hotspare::{ChatResponse, Chunk, Error, Event, Raw, Usage};
use http::HeaderMap;

use super::{Asked, Front, own_status};

/// One Chat Completions answer.
#[derive(Debug)]
pub(crate) struct Chat {
    outgoing: ChatCompletionsEncoder,
    include_usage: bool,
    usage: Option<Usage>,
    /// Token counts were already sent in a relayed frame.
    usage_sent: bool,
    /// The last frame was in the client's own wire format and was relayed.
    relays: bool,
}

impl Front for Chat {
    const WIRE: &'static str = WIRE;
    const ALIVE: &'static [u8] = b": waiting for the first content\n\n";

    fn read(_: &HeaderMap, body: &[u8]) -> Result<Asked, Error> {
        let ChatCompletionsRequest { request, stream, include_usage, .. } =
            ChatCompletionsRequest::parse(body)?;
        Ok(Asked { request, stream, include_usage })
    }

    fn begin(id: &str, asked: &Asked) -> Self {
        let outgoing = ChatCompletionsEncoder::new(
            ["chatcmpl-", id].concat(),
            asked.request.model.clone(),
            unix_seconds(),
        );
        let include_usage = asked.include_usage;
        Self { outgoing, include_usage, usage: None, usage_sent: false, relays: false }
    }

    fn body(&self, answer: &ChatResponse) -> Vec<u8> {
        self.outgoing.body(answer)
    }

    fn chunk(&mut self, chunk: &Chunk, out: &mut Vec<u8>) {
        match &chunk.event {
            Event::Started { id, model } => self.outgoing.rename(id.as_deref(), model.as_deref()),
            Event::Usage(usage) => self.usage = Some(**usage),
            _ => {}
        }
        if let Raw::Frame { wire, .. } = &chunk.raw {
            self.relays = *wire == WIRE;
        }
        match &chunk.raw {
            Raw::Frame { data, .. } if self.relays => {
                let only_usage = matches!(chunk.event, Event::Usage(_));
                if only_usage && !self.include_usage {
                    return;
                }
                self.usage_sent |= only_usage;
                ChatCompletionsEncoder::relay(data, out);
            }
            Raw::Covered if self.relays => {}
            _ => {
                if let Some(data) = self.outgoing.frame(&chunk.event) {
                    ChatCompletionsEncoder::relay(&data, out);
                }
            }
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if let Some(usage) = self.usage.filter(|_| self.include_usage && !self.usage_sent) {
            ChatCompletionsEncoder::relay(&self.outgoing.usage_frame(&usage), out);
        }
        ChatCompletionsEncoder::relay(b"[DONE]", out);
    }

    fn failure(error: &Error, out: &mut Vec<u8>) {
        ChatCompletionsEncoder::relay(&ChatCompletionsEncoder::error_body(error), out);
    }

    fn error(error: &Error, _: &str) -> (u16, Vec<u8>) {
        let status = own_status(error).unwrap_or_else(|| ChatCompletionsEncoder::status(error));
        (status, ChatCompletionsEncoder::error_body(error))
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
