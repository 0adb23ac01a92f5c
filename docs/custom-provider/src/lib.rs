//! Parrot: an invented provider.
//!
//! `POST {base}/speak` with `{"voice", "script": [{"who", "says"}], "longest", "pieces"}` and the key in `x-parrot-key`. The
//! reply is one object or, with `"pieces": true`, one line per piece: `{"says"}`, and finally `{"why", "heard", "said"}`. Errors are
//! `{"oops", "mood"}`, with a status or inside a stream.

use std::collections::VecDeque;

use hotspare_core::{Capabilities, Chunk, Error, Event, FinishReason, Kind, OutputFormat, Part, Role, Usage};
use hotspare_provider::{
    Decoder, Decoding, Frame, Head, HttpRequest, Ndjson, Outbound, Whole, Wire, retry_after,
};
use serde_json::{Value, json};

/// The wire, for one base URL.
#[derive(Clone, Debug)]
pub struct Parrot {
    base_url: String,
}

impl Parrot {
    /// The wire of the server at this URL.
    pub fn at(base_url: impl Into<String>) -> Self {
        Self { base_url: base_url.into() }
    }
}

impl Wire for Parrot {
    fn name(&self) -> &'static str {
        "parrot"
    }

    /// Capabilities known to be missing: requests that need them go to other targets.
    fn capabilities(&self, _: &str) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.tools = Some(false);
        capabilities.vision = Some(false);
        capabilities.json_schema = Some(false);
        capabilities
    }

    fn encode(&self, call: &Outbound) -> Result<HttpRequest, Error> {
        let request = call.chat()?;
        // Refuse what would change the answer, so that another target serves; hints may be left out.
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        if !request.tools.is_empty() || parts.clone().any(|part| !matches!(part, Part::Text(_))) {
            return Err(Error::new(Kind::Unsupported, "a parrot only speaks and listens"));
        }
        if request.output != OutputFormat::Text || !request.stop.is_empty() {
            return Err(Error::new(Kind::Unsupported, "nobody tells a parrot how to speak"));
        }
        let script: Vec<Value> = request
            .messages
            .iter()
            .map(|message| {
                let who = match message.role {
                    Role::Assistant => "parrot",
                    Role::System | Role::Developer => "owner",
                    _ => "guest",
                };
                json!({"who": who, "says": message.joined_text()})
            })
            .collect();
        let body = json!({"voice": &*call.model, "script": script, "longest": request.max_output, "pieces": call.stream});
        let http = HttpRequest::post_json(format!("{}/speak", self.base_url), body.to_string());
        match &call.secret {
            Some(secret) => http.with_key("x-parrot-key", secret.expose()),
            None => Ok(http),
        }
    }

    fn decoder(&self, _: &Outbound, head: &Head) -> Result<Decoding, Error> {
        let decoder = Box::new(Speech::default());
        match &*head.media_type() {
            "application/x-ndjson" => Ok(Decoding { framer: Box::new(Ndjson::default()), decoder }),
            "application/json" => Ok(Decoding { framer: Box::new(Whole::default()), decoder }),
            other => Err(Error::new(Kind::Protocol, format!("the reply has the content type {other}"))),
        }
    }

    fn classify(&self, head: &Head, body: &[u8]) -> Error {
        let status = head.status.as_u16();
        let by_status = match status {
            401 => Kind::Auth,
            429 => Kind::RateLimited,
            400..=499 => Kind::InvalidRequest,
            _ => Kind::Server,
        };
        let error = trouble(&serde_json::from_slice(body).unwrap_or_default(), by_status).with_status(status);
        match retry_after(head) {
            Some(pause) => error.with_retry_after(pause),
            None => error,
        }
    }
}

/// The meaning of the server's own error codes.
fn trouble(said: &Value, otherwise: Kind) -> Error {
    let kind = match said["mood"].as_str() {
        Some("tired") => Kind::Overloaded,
        Some("hungry") => Kind::QuotaExhausted,
        _ => otherwise,
    };
    Error::new(kind, said["oops"].as_str().unwrap_or_default())
}

/// Decodes a reply: a single frame, or one frame per line.
#[derive(Debug, Default)]
struct Speech {
    started: bool,
    finished: bool,
}

impl Decoder for Speech {
    fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let said: Value = serde_json::from_slice(&frame.data)
            .map_err(|_| Error::new(Kind::Protocol, "a line is not JSON"))?;
        if said.get("oops").is_some() {
            return Err(trouble(&said, Kind::Server));
        }
        if !std::mem::replace(&mut self.started, true) {
            out.push_back(Event::Started { id: None, model: None }.into());
        }
        if let Some(text) = said["says"].as_str() {
            out.push_back(Event::TextDelta(text.to_owned()).into());
        }
        if let Some(why) = said["why"].as_str() {
            let usage = Usage::reported(said["heard"].as_u64(), said["said"].as_u64());
            out.push_back(Event::Usage(Box::new(usage)).into());
            let finish = if why == "longest" { FinishReason::Length } else { FinishReason::Stop };
            self.finished = true;
            out.push_back(Event::Finished(finish).into());
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut VecDeque<Chunk>) -> Result<(), Error> {
        match (self.finished, self.started) {
            (true, _) => Ok(()),
            (false, true) => Err(Error::new(Kind::Truncated, "the parrot stopped in the middle")),
            (false, false) => Err(Error::new(Kind::Protocol, "the reply is empty")),
        }
    }
}
