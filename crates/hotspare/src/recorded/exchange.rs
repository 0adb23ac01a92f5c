//! One recording, and its decoding by the codecs.
//!
//! Does not interpret replies: that is the adapter's job. Invariant: headers and body reach the codec as recorded,
//! except that a missing content type is restored from the recorder's description of the body.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hotspare_core::{ChatRequest, Chunk, EmbedRequest, Error, Event, RateLimits, Request};
use hotspare_normalize::{Assembler, Vectors};
use hotspare_provider::{Decoding, Frame, Head, Outbound, Wire, failure};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

use super::decode_as::DecodeAs;
use super::table;
use super::{Decoded, ExchangeOutcome};

/// A recorded exchange.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exchange {
    /// The recording's id; empty if it has none.
    pub id: String,
    /// The provider that answered.
    pub provider: String,
    /// The kind of call, such as `chat_completions`.
    pub endpoint: String,
    /// The model that the request names; empty if unknown.
    pub model: String,
    /// The request's URL; empty if unknown.
    pub url: String,
    /// Whether a stream was requested or received.
    pub streaming: bool,
    /// The request's body.
    pub request: Bytes,
    /// The reply's status and headers.
    pub head: Head,
    /// The reply's body, with content encodings decoded.
    pub body: Bytes,
}

/// A line, borrowed from the file.
#[derive(Deserialize)]
struct RecordedDto<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    provider: Cow<'a, str>,
    #[serde(borrow)]
    endpoint: Cow<'a, str>,
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    url: Option<Cow<'a, str>>,
    #[serde(default)]
    streaming: Option<bool>,
    #[serde(borrow, default)]
    request_body: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    request_body_encoding: Option<Cow<'a, str>>,
    status: u16,
    #[serde(default)]
    response_headers: Option<BTreeMap<String, Value>>,
    #[serde(borrow, default)]
    response_body: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    response_body_encoding: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    response_kind: Option<Cow<'a, str>>,
}

impl Exchange {
    /// Reads one line.
    ///
    /// # Errors
    /// What is wrong with the line, as a lower-case fragment that quotes none of its contents.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let line: RecordedDto<'_> = serde_json::from_slice(line).map_err(|error| {
            // The name of the missing field, or the position of a wrong type; never a value.
            let what = error.to_string();
            if what.starts_with("missing field") {
                what
            } else if error.is_data() {
                format!("not a recorded exchange (column {})", error.column())
            } else {
                format!("not JSON (column {})", error.column())
            }
        })?;
        let status = StatusCode::from_u16(line.status)
            .map_err(|_| format!("{} is not an HTTP status", line.status))?;
        let body = bytes(line.response_body, line.response_body_encoding, "response_body")?;
        let request = bytes(line.request_body, line.request_body_encoding, "request_body")?;
        let text = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned).unwrap_or_default();
        let mut headers = headers(line.response_headers.unwrap_or_default());
        if !headers.contains_key(header::CONTENT_TYPE)
            && let Some(kind) = content_type(line.response_kind.as_deref(), &body)
        {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        let received_at = headers
            .get(header::DATE)
            .and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok())
            .unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(Self {
            id: text(line.id),
            provider: line.provider.into_owned(),
            endpoint: line.endpoint.into_owned(),
            model: text(line.model),
            url: text(line.url),
            streaming: line.streaming.unwrap_or(false),
            request,
            head: Head { status, headers, received_at },
            body,
        })
    }

    /// The codec for this kind of call.
    ///
    /// # Errors
    /// Why none does.
    pub fn wire(&self) -> Result<Arc<dyn Wire>, &'static str> {
        self.codec().map(|(wire, _)| wire)
    }

    /// The codec, and the request whose answer it decodes.
    fn codec(&self) -> Result<(Arc<dyn Wire>, Outbound), &'static str> {
        let model = self.model.as_str();
        match table::find(self) {
            Some(DecodeAs::Chat(wire) | DecodeAs::ErrorsOnly(wire)) => {
                Ok((wire(self), Outbound::new(ChatRequest::to(model), model, self.streaming)))
            }
            Some(DecodeAs::Embeddings(wire)) => {
                Ok((wire(self), Outbound::new(EmbedRequest::to(model), model, false)))
            }
            Some(DecodeAs::Skip(why)) => Err(why),
            Some(DecodeAs::ByBody(_)) | None => Err("no wire decodes this kind of call"),
        }
    }

    /// Decodes the exchange.
    #[must_use]
    pub fn decode(&self) -> Decoded {
        self.decode_cut_at(&[])
    }

    /// Decodes the body in pieces of at most `size` bytes, which must not make a difference.
    #[must_use]
    pub fn decode_in_pieces(&self, size: usize) -> Decoded {
        let size = size.max(1);
        let cuts: Vec<usize> = (size..self.body.len()).step_by(size).collect();
        self.decode_cut_at(&cuts)
    }

    /// Decodes the body cut at these positions, in ascending order, which must not make a difference.
    #[must_use]
    pub fn decode_cut_at(&self, cuts: &[usize]) -> Decoded {
        let (limits, outcome) = match self.codec() {
            Ok((wire, call)) => (wire.limits(&self.head), self.outcome(&*wire, &call, cuts)),
            Err(why) => (RateLimits::default(), ExchangeOutcome::Skipped(why)),
        };
        Decoded {
            id: self.id.clone(),
            provider: self.provider.clone(),
            endpoint: self.endpoint.clone(),
            status: self.head.status.as_u16(),
            limits,
            outcome,
        }
    }

    fn outcome(&self, wire: &dyn Wire, call: &Outbound, cuts: &[usize]) -> ExchangeOutcome {
        if !self.head.status.is_success() {
            return ExchangeOutcome::Failed(failure(wire, &self.head, &self.body));
        }
        let mut chunks = VecDeque::new();
        let read = self.read(wire, call, cuts, &mut chunks);
        match fold(&call.request, chunks, read) {
            Ok(outcome) => outcome,
            Err(error) => ExchangeOutcome::Failed(match wire.request_id(&self.head) {
                Some(id) if error.request_id().is_none() => error.with_request_id(id),
                _ => error,
            }),
        }
    }

    /// Everything read before a failure is delivered before it.
    fn read(
        &self,
        wire: &dyn Wire,
        call: &Outbound,
        cuts: &[usize],
        chunks: &mut VecDeque<Chunk>,
    ) -> Result<(), Error> {
        let Decoding { mut framer, mut decoder } = wire.decoder(call, &self.head)?;
        let mut frames: VecDeque<Frame> = VecDeque::new();
        let mut from = 0;
        for to in cuts.iter().copied().chain([self.body.len()]) {
            let to = to.clamp(from, self.body.len());
            if from == to {
                continue;
            }
            let cut = framer.push(self.body.slice(from..to), &mut frames);
            from = to;
            frames.drain(..).try_for_each(|frame| decoder.push(frame, chunks))?;
            cut?;
        }
        let cut = framer.finish(&mut frames);
        frames.drain(..).try_for_each(|frame| decoder.push(frame, chunks))?;
        cut?;
        decoder.finish(chunks)
    }
}

/// The whole answer, as a client would have received it.
fn fold(
    request: &Request,
    chunks: VecDeque<Chunk>,
    read: Result<(), Error>,
) -> Result<ExchangeOutcome, Error> {
    match request {
        Request::Chat(_) => {
            let (mut answer, mut others) = (Assembler::default(), Vec::new());
            for chunk in chunks {
                if let Event::Other { kind, .. } = &chunk.event {
                    others.push(kind.clone());
                }
                answer.push(chunk.event)?;
            }
            read?;
            Ok(ExchangeOutcome::Answered { answer: Box::new(answer.finish()?), others })
        }
        Request::Embed(_) => {
            // The recording does not say how many were requested; there must be no gap between those received.
            let received = chunks.iter().filter(|chunk| matches!(chunk.event, Event::Vector(_))).count();
            let mut answer = Vectors::new(received, None);
            chunks.into_iter().try_for_each(|chunk| answer.push(chunk.event))?;
            read?;
            Ok(ExchangeOutcome::Vectors(Box::new(answer.finish()?)))
        }
    }
}

fn bytes(
    text: Option<Cow<'_, str>>,
    encoding: Option<Cow<'_, str>>,
    name: &'static str,
) -> Result<Bytes, String> {
    let text = text.unwrap_or_default();
    match encoding.as_deref() {
        None | Some("") => Ok(Bytes::from(text.into_owned())),
        Some("base64") => {
            let decoded = STANDARD.decode(text.as_bytes()).map_err(|_| format!("{name} is not base64"))?;
            // Some recorders stored binary bodies as base64 already; ASCII text is no valid binary message.
            let decoded_twice = decoded.is_ascii().then(|| STANDARD.decode(&decoded).ok()).flatten();
            Ok(Bytes::from(decoded_twice.filter(|bytes| !bytes.is_empty()).unwrap_or(decoded)))
        }
        Some(_) => Err(format!("{name} has an unknown encoding")),
    }
}

/// Skips headers that cannot have been sent.
fn headers(recorded: BTreeMap<String, Value>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in recorded {
        let values = match value {
            Value::Array(values) => values,
            value => vec![value],
        };
        for value in values {
            let value = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                _ => continue,
            };
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value))
            {
                headers.append(name, value);
            }
        }
    }
    headers
}

/// The content type of a body if the recorder dropped it.
fn content_type(kind: Option<&str>, body: &[u8]) -> Option<&'static str> {
    let begins =
        |words: &[&str]| words.iter().any(|word| body.trim_ascii_start().starts_with(word.as_bytes()));
    Some(match kind {
        Some("sse") => "text/event-stream",
        Some("json" | "json_array") => "application/json",
        Some("ndjson") => "application/x-ndjson",
        Some("aws_eventstream") => "application/vnd.amazon.eventstream",
        Some("html") => "text/html",
        Some("text") => "text/plain",
        Some("empty") => return None,
        _ if begins(&["{", "["]) => "application/json",
        _ if begins(&["data:", "event:", ":"]) => "text/event-stream",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
