//! The front for Messages.

use hotspare::anthropic::{BETA, MessagesEncoder, MessagesRequest, WIRE};
use hotspare::{ChatResponse, Chunk, Error, Event, Json, Raw};
use http::HeaderMap;

use super::{Asked, Front, own_status};

/// One Messages answer.
#[derive(Debug)]
pub(crate) struct Messages {
    outgoing: MessagesEncoder,
    /// The last frame was in the client's own wire format and was relayed.
    relays: bool,
    /// Another target continues the answer. Its content blocks are numbered from the start, so its frames cannot be
    /// relayed.
    moved: bool,
}

impl Front for Messages {
    const WIRE: &'static str = WIRE;
    const ALIVE: &'static [u8] = MessagesEncoder::PING;

    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Asked, Error> {
        let MessagesRequest { mut request, stream, .. } = MessagesRequest::parse(body)?;
        // The client's beta flags only mean something to targets of the same wire, like the fields that need them.
        let betas: Vec<&str> = headers.get_all(BETA).iter().filter_map(|value| value.to_str().ok()).collect();
        if !betas.is_empty() {
            let betas = Json::from(serde_json::Value::from(betas.join(",")));
            request.extras.entry(WIRE.into()).or_default().insert(BETA.into(), betas);
        }
        Ok(Asked { request, stream, include_usage: true })
    }

    fn begin(id: &str, asked: &Asked) -> Self {
        let outgoing = MessagesEncoder::new(format!("msg_{id}"), asked.request.model.clone());
        Self { outgoing, relays: false, moved: false }
    }

    fn body(&self, answer: &ChatResponse) -> Vec<u8> {
        self.outgoing.body(answer)
    }

    fn chunk(&mut self, chunk: &Chunk, out: &mut Vec<u8>) {
        self.moved |= matches!(chunk.event, Event::Handover { .. });
        if let Raw::Frame { wire, .. } = &chunk.raw {
            self.relays = *wire == WIRE && !self.moved;
        }
        match &chunk.raw {
            Raw::Frame { data, .. } if self.relays => self.outgoing.relay(data, &chunk.event, out),
            Raw::Covered if self.relays => self.outgoing.covered(&chunk.event),
            _ => self.outgoing.event(&chunk.event, out),
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.outgoing.end(out);
    }

    fn failure(error: &Error, out: &mut Vec<u8>) {
        MessagesEncoder::failure(error, out);
    }

    fn error(error: &Error, id: &str) -> (u16, Vec<u8>) {
        let status = own_status(error).unwrap_or_else(|| MessagesEncoder::status(error));
        (status, MessagesEncoder::error_body(error, Some(id)))
    }
}
