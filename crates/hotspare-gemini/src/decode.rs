//! Frames to events, for streams and whole answers.
//!
//! A stream has no end mark besides a finish reason and the end of its body. The end is emitted with the finish reason,
//! so that a connection that breaks after it loses nothing. A stream can continue after a first finish reason if the
//! model ran something, or if no earlier frame had content: some servers write a reason into every frame. Then the end is
//! emitted when the body ends, or breaks off before a second frame. Only
//! the first of several candidates is read. Parts that only this wire has (code that the model ran, media that it made)
//! are emitted as [`Event::Native`]. Invariant: an answer is complete once a finish reason was seen; a body that ends
//! without one is truncated, whatever it contained.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use hotspare_core::{
    Chunk, Error, Event, FinishReason, Json, Kind, Native, Origin, Signature, Usage, stable_hash,
};
use hotspare_provider::{Decoder, Emit, Frame, Text, is_blank};
use serde_json::value::RawValue;

use crate::dto;
use crate::host::Host;
use crate::{WIRE, classify};

/// Decodes one reply.
#[derive(Debug)]
pub(crate) struct ContentDecoder {
    host: Host,
    started: bool,
    id: String,
    /// The service tier that was emitted last, as JSON.
    service_tier: String,
    /// The last finish reason.
    finish: Option<String>,
    ended: bool,
    /// Some text, reasoning or a call has been emitted.
    has_content: bool,
    /// The answer went on after a finish reason.
    went_on: bool,
    /// Some parts were ones that only this wire has.
    has_native: bool,
    /// Tool calls so far.
    tool_calls: u32,
}

impl ContentDecoder {
    pub(crate) fn new(host: Host) -> Self {
        Self {
            host,
            started: false,
            id: String::new(),
            finish: None,
            service_tier: String::new(),
            ended: false,
            has_content: false,
            went_on: false,
            has_native: false,
            tool_calls: 0,
        }
    }

    fn reply(&mut self, data: &[u8], whole: bool, events: &mut Emit<'_>) -> Result<(), Error> {
        let reply: dto::Reply<'_> = serde_json::from_slice(data)
            .map_err(|_| Error::new(Kind::Protocol, "a frame is not the JSON of this wire"))?;
        if reply.error.is_some_and(|error| error.get() != "null") {
            return Err(classify::in_reply(&String::from_utf8_lossy(data)));
        }
        let candidates = reply.candidates.unwrap_or_default();
        let blocked = reply.prompt_feedback.and_then(|feedback| feedback.block_reason);
        if candidates.is_empty() && blocked.is_none() && reply.usage_metadata.is_none() {
            return match classify::top_level_error(data) {
                Some(error) => Err(error),
                None if whole => Err(Error::new(Kind::Protocol, "a frame is neither an answer nor an error")),
                // A piece about something else leaves the answer as it is.
                None => Ok(()),
            };
        }
        if !self.started {
            self.started = true;
            let id = text(reply.response_id);
            self.id.clone_from(&id);
            let name = |text: String| (!text.is_empty()).then_some(text);
            events.push(Event::Started { id: name(id), model: name(text(reply.model_version)) });
        }
        if let Some(usage) = reply.usage_metadata {
            push_usage(events, usage);
            events.service_tier(&mut self.service_tier, usage.service_tier);
        }
        if candidates.is_empty()
            && let Some(reason) = blocked
        {
            return Err(
                Error::new(Kind::ContentPolicy, "the provider blocked the prompt").with_code(reason.0)
            );
        }
        let first = candidates.into_iter().find(|candidate| candidate.index.unwrap_or(0) == 0);
        let (had_content, had_finish) = (self.has_content, self.finish.is_some());
        self.has_content = false;
        self.candidate(first.unwrap_or_default(), events);
        self.went_on |= had_finish && self.has_content;
        self.has_content |= had_content;
        if had_content && !self.went_on && !self.has_native { self.end(events) } else { Ok(()) }
    }

    fn candidate(&mut self, candidate: dto::Candidate<'_>, events: &mut Emit<'_>) {
        for part in candidate.content.and_then(|content| content.parts).unwrap_or_default() {
            self.part(part, events);
        }
        push_annotation(events, "citationMetadata", candidate.citation_metadata);
        push_annotation(events, "groundingMetadata", candidate.grounding_metadata);
        push_annotation(events, "urlContextMetadata", candidate.url_context_metadata);
        if let Some(raw) = candidate.logprobs_result
            && let Ok(raw) = Json::parse(raw.get())
        {
            events.push(Event::LogProbs(raw));
        }
        if let Some(word) = candidate.finish_reason {
            self.finish = Some(word.0.into_owned());
        }
    }

    fn part(&mut self, raw: &RawValue, events: &mut Emit<'_>) {
        let Ok(part) = serde_json::from_str::<dto::Part<'_>>(raw.get()) else { return };
        if part.text.is_none() && part.function_call.is_none() && is_native(raw) {
            self.has_native = true;
            // Includes its signature, if it has one.
            if let Ok(raw) = Json::parse(raw.get()) {
                events.push(Event::Native(Box::new(Native::new(WIRE, raw))));
            }
            return;
        }
        let thought = part.thought == Some(true);
        let visible_text = part.text.filter(|text| !text.0.is_empty());
        let signature = part.thought_signature.filter(|signature| !signature.0.is_empty());
        // A thought is signed after its text; on any other part the signature stands for hidden reasoning before it.
        if let (Some(signature), false) = (&signature, thought) {
            self.sign(signature, true, events);
        }
        if let Some(call) = part.function_call {
            self.has_content = true;
            self.call(call, events);
        } else if let Some(text) = visible_text {
            self.has_content = true;
            let event = if thought { Event::ReasoningDelta } else { Event::TextDelta };
            events.push(event(text.0.into_owned()));
        }
        if let (Some(signature), true) = (&signature, thought) {
            self.sign(signature, false, events);
        }
    }

    fn sign(&self, signature: &Text<'_>, redacted: bool, events: &mut Emit<'_>) {
        let origin = Origin(self.host.origin.to_owned());
        let data = signature.0.clone().into_owned();
        events.push(Event::ReasoningSignature(Signature { origin, data, redacted }));
    }

    fn call(&mut self, call: dto::FunctionCall<'_>, events: &mut Emit<'_>) {
        let index = self.tool_calls;
        self.tool_calls += 1;
        let arguments = call.args.map_or("{}", RawValue::get);
        let arguments = if arguments == "null" { Cow::Borrowed("{}") } else { compact(arguments) };
        let name = text(call.name);
        let id = match text(call.id) {
            id if id.is_empty() => derived_id(&self.id, index, &name, &arguments),
            id => id,
        };
        events.push(Event::ToolStarted { index, id, name });
        events.push(Event::ToolDelta { index, arguments: arguments.into_owned() });
    }

    /// Emits the end if a finish reason was seen.
    fn end(&mut self, events: &mut Emit<'_>) -> Result<(), Error> {
        let Some(word) = self.finish.as_deref().filter(|_| !self.ended) else { return Ok(()) };
        self.ended = true;
        match self.outcome(word) {
            FinishOutcome::Finished(reason) => events.push(Event::Finished(reason)),
            FinishOutcome::Failed(kind, why) => {
                return Err(Error::new(kind, why).with_code(self.host.finish_reason(word)));
            }
        }
        Ok(())
    }

    fn outcome(&self, word: &str) -> FinishOutcome {
        match finish_outcome(self.host.finish_reason(word)) {
            FinishOutcome::Finished(FinishReason::Stop) if self.tool_calls > 0 => {
                FinishOutcome::Finished(FinishReason::ToolCalls)
            }
            outcome => outcome,
        }
    }
}

impl Decoder for ContentDecoder {
    fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let data = frame.object();
        let mut events = Emit::framed(out, WIRE, frame.data.clone());
        match data.first() {
            None => Ok(()),
            // The hosts themselves send no such mark, but relays do.
            _ if data == b"[DONE]" => self.end(&mut events),
            // An error may be wrapped in an array.
            Some(b'[') => {
                let frames: Vec<&RawValue> = serde_json::from_slice(data)
                    .map_err(|_| Error::new(Kind::Protocol, "a frame is not the JSON of this wire"))?;
                frames
                    .iter()
                    .try_for_each(|piece| self.reply(piece.get().as_bytes(), frame.whole, &mut events))
            }
            Some(_) => self.reply(data, frame.whole, &mut events),
        }
    }

    fn held_end(&self) -> Option<FinishReason> {
        let settled = self.has_content && !self.went_on && !self.has_native && !self.ended;
        match self.outcome(self.finish.as_deref().filter(|_| settled)?) {
            FinishOutcome::Finished(reason) => Some(reason),
            // A reason that stands for a failure is no better than the interruption itself.
            FinishOutcome::Failed(..) => None,
        }
    }

    fn finish(&mut self, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        if self.finish.is_some() {
            self.end(&mut Emit::bare(out))
        } else if self.started {
            Err(Error::new(Kind::Truncated, "the answer ended without a finish reason"))
        } else {
            Err(Error::new(Kind::Protocol, "the reply is empty"))
        }
    }
}

/// What a finish reason leads to: the end of an answer, or a failure.
enum FinishOutcome {
    Finished(FinishReason),
    Failed(Kind, &'static str),
}

fn finish_outcome(word: &str) -> FinishOutcome {
    match word {
        "STOP" => FinishOutcome::Finished(FinishReason::Stop),
        "MAX_TOKENS" => FinishOutcome::Finished(FinishReason::Length),
        "BLOCKLIST"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "IMAGE_SAFETY"
        | "LANGUAGE"
        | "MODEL_ARMOR"
        | "PROHIBITED_CONTENT"
        | "RECITATION"
        | "SAFETY"
        | "SPII" => FinishOutcome::Finished(FinishReason::ContentFilter),
        "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS" => {
            FinishOutcome::Failed(Kind::BadOutput, "the model made an unusable tool call")
        }
        "MISSING_THOUGHT_SIGNATURE" => {
            FinishOutcome::Failed(Kind::Unsupported, "the model requires thought signatures that are missing")
        }
        "FINISH_REASON_UNSPECIFIED" | "IMAGE_OTHER" | "MALFORMED_RESPONSE" | "NO_IMAGE" | "OTHER" => {
            FinishOutcome::Failed(Kind::BadOutput, "the model stopped without an answer")
        }
        other => FinishOutcome::Finished(FinishReason::Other(other.to_owned())),
    }
}

/// Makes the id that the wire lacks: the same for the same call of the same answer, streamed or whole.
fn derived_id(answer: &str, index: u32, name: &str, arguments: &str) -> String {
    let hash = stable_hash([answer, &index.to_string(), name, arguments]);
    format!("call_{hash:016x}")
}

/// Whether a part contains something without a shared equivalent.
fn is_native(raw: &RawValue) -> bool {
    let known = ["text", "thought", "thoughtSignature", "functionCall"];
    serde_json::from_str::<BTreeMap<Text<'_>, &RawValue>>(raw.get())
        .is_ok_and(|fields| fields.into_keys().any(|name| !known.contains(&name.0.as_ref())))
}

/// JSON without white space between its tokens: whole answers are indented.
fn compact(json: &str) -> Cow<'_, str> {
    if !json.contains('\n') {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    let (mut inside, mut escaped) = (false, false);
    for character in json.chars() {
        if inside {
            inside = escaped || character != '"';
            escaped = !escaped && character == '\\';
        } else if character.is_ascii_whitespace() {
            continue;
        } else {
            inside = character == '"';
        }
        out.push(character);
    }
    Cow::Owned(out)
}

fn text(text: Option<Text<'_>>) -> String {
    text.map(|text| text.0.into_owned()).unwrap_or_default()
}

/// Emits an annotation under its field's name, unless it is empty.
fn push_annotation(events: &mut Emit<'_>, name: &str, raw: Option<&RawValue>) {
    let Some(raw) = raw.filter(|raw| !is_blank(raw)) else { return };
    let fields: BTreeMap<Text<'_>, &RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
    if !fields.is_empty() && fields.values().all(|field| field.get() == "null") {
        return;
    }
    if let Ok(note) = Json::parse(format!("{{\"{name}\":{raw}}}")) {
        events.push(Event::Annotation(note));
    }
}

fn push_usage(events: &mut Emit<'_>, usage: dto::UsageDto<'_>) {
    let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (one, other) => one.or(other),
    };
    let input = sum(usage.prompt_token_count, usage.tool_use_prompt_token_count);
    let generated = sum(usage.candidates_token_count, usage.thoughts_token_count);
    // A count of zero is omitted; the total then shows that it is zero.
    let output = generated.or_else(|| usage.total_token_count?.checked_sub(input?));
    if input.is_none() && output.is_none() {
        return;
    }
    let mut counted = Usage::reported(input, output);
    counted.cached = usage.cached_content_token_count;
    counted.reasoning = usage.thoughts_token_count;
    events.push(Event::Usage(Box::new(counted)));
}

#[cfg(test)]
mod tests;
