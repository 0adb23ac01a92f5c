//! Parrot: an invented provider.
//!
//! `POST {base}/generate` with `{"model", "turns": [{"role", "text"}], "max_tokens", "stream"}` and the key in `x-parrot-key`. The
//! reply is one object or, with `"stream": true`, one line per piece: `{"text"}`, and finally `{"finish", "input_tokens",
//! "output_tokens"}`. Errors are `{"error", "code"}`, with a status or inside a stream.

use std::collections::VecDeque;

use hotspare_core::{Capabilities, Chunk, Error, Event, FinishReason, Kind, OutputFormat, Part, Role, Usage};
use hotspare_provider::{
    Decoder, Decoding, Describe, ErrorFields, Frame, Head, HttpRequest, Ndjson, Outbound, Rule, Rules, Whole,
    Wire, apply_rules, retry_after,
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

impl Describe for Parrot {
    fn wire(&self) -> &'static str {
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
}

impl Wire for Parrot {
    fn encode(&self, call: &Outbound) -> Result<HttpRequest, Error> {
        let request = call.chat()?;
        // Refuse what would change the answer, so that another target serves; hints may be left out.
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        if !request.tools.is_empty() || parts.clone().any(|part| !matches!(part, Part::Text(_))) {
            return Err(Error::new(Kind::Unsupported, "this wire carries text only, no tools or media"));
        }
        if request.output != OutputFormat::Text || !request.stop.is_empty() {
            return Err(Error::new(Kind::Unsupported, "this wire has no output formats or stop sequences"));
        }
        let turns: Vec<Value> = request
            .messages
            .iter()
            .map(|message| {
                let role = match message.role {
                    Role::Assistant => "assistant",
                    Role::System | Role::Developer => "system",
                    _ => "user",
                };
                json!({"role": role, "text": message.joined_text()})
            })
            .collect();
        let body = json!({
            "model": &*call.model, "turns": turns, "max_tokens": request.max_output, "stream": call.stream,
        });
        let http = HttpRequest::post_json(format!("{}/generate", self.base_url), body.to_string());
        match &call.secret {
            Some(secret) => http.with_key("x-parrot-key", secret.expose()),
            None => Ok(http),
        }
    }

    fn decoder(&self, _: &Outbound, head: &Head) -> Result<Decoding, Error> {
        let decoder = Box::new(ReplyDecoder::default());
        match &*head.media_type() {
            "application/x-ndjson" => Ok(Decoding { framer: Box::new(Ndjson::default()), decoder }),
            "application/json" => Ok(Decoding { framer: Box::new(Whole::default()), decoder }),
            other => Err(Error::new(Kind::Protocol, format!("the reply has the content type {other}"))),
        }
    }

    fn classify(&self, head: &Head, body: &[u8]) -> Error {
        let status = head.status.as_u16();
        let body = serde_json::from_slice(body).unwrap_or_default();
        failure(&body, Some(status)).with_status(status).with_retry_after(retry_after(head))
    }
}

/// What the server's own error codes mean. Without one the text or the status decides, as for other providers.
const RULES: Rules = Rules {
    specific: &[
        Rule::word(&["busy"], Kind::Overloaded),
        Rule::word(&["out_of_credit"], Kind::QuotaExhausted),
    ],
    general: &[],
};

fn failure(body: &Value, status: Option<u16>) -> Error {
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let message = text("error").to_ascii_lowercase();
    let words = [text("code")];
    apply_rules(&RULES, &ErrorFields::new(status, &words, &message)).error(text("error"))
}

/// Decodes a reply: a single frame, or one frame per line.
#[derive(Debug, Default)]
struct ReplyDecoder {
    started: bool,
    finished: bool,
}

impl Decoder for ReplyDecoder {
    fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let piece: Value = serde_json::from_slice(&frame.data)
            .map_err(|_| Error::new(Kind::Protocol, "a line is not JSON"))?;
        if piece.get("error").is_some() {
            return Err(failure(&piece, None));
        }
        if !std::mem::replace(&mut self.started, true) {
            out.push_back(Event::Started { id: None, model: None }.into());
        }
        if let Some(text) = piece["text"].as_str() {
            out.push_back(Event::TextDelta(text.to_owned()).into());
        }
        if let Some(reason) = piece["finish"].as_str() {
            let usage = Usage::reported(piece["input_tokens"].as_u64(), piece["output_tokens"].as_u64());
            out.push_back(Event::Usage(Box::new(usage)).into());
            let finish = if reason == "length" { FinishReason::Length } else { FinishReason::Stop };
            self.finished = true;
            out.push_back(Event::Finished(finish).into());
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut VecDeque<Chunk>) -> Result<(), Error> {
        match (self.finished, self.started) {
            (true, _) => Ok(()),
            (false, true) => Err(Error::new(Kind::Truncated, "the reply ended without a finish reason")),
            (false, false) => Err(Error::new(Kind::Protocol, "the reply is empty")),
        }
    }
}
