//! Frames to events, for streams and whole answers.
//!
//! The two differ in the name of one field, so one reader handles both. Hosts differ in many small ways (see the tests)
//! that do not change the meaning. Invariant: an answer is complete once its finish reason was seen; a body that ends
//! without one is truncated, whatever it contained. An empty finish reason counts as `stop` only in a whole answer. A
//! reason that arrives before any text is not believed until the next frame shows that nothing follows it.

use std::borrow::Cow;
use std::collections::VecDeque;

use hotspare_core::{Chunk, Error, Event, FinishReason, Json, Kind, Native, Origin};
use hotspare_provider::{Decoder, Emit, Frame, Text, is_blank, json_text};
use serde_json::value::RawValue;

use crate::WIRE;
use crate::classify;
use crate::dto::{Choice, Content, Delta, Function, ReasoningDetail, Reply, ToolCall, is_json, json};
use crate::outgoing::finish_reason_name;
use content::{has_content, is_answer, push_content, push_text};
use tool_calls::ToolCalls;

mod content;
mod ending;
mod tool_calls;

/// Decodes one reply.
#[derive(Debug, Default)]
pub(crate) struct ChatDecoder {
    /// The current frame is a whole answer.
    whole: bool,
    reasoning_beside_output: bool,
    /// The origin of reasoning signatures, if this host signs reasoning.
    signature_origin: Option<Origin>,
    started: bool,
    /// Whether any frame was understood.
    received: bool,
    /// Deltas have arrived, so a whole message repeats them.
    has_deltas: bool,
    finished: bool,
    /// The host has sent usage.
    has_usage: bool,
    refused: bool,
    /// The service tier that was emitted last, as JSON.
    service_tier: String,
    /// The last list of citations emitted.
    last_citations: Option<Json>,
    id: String,
    calls: ToolCalls,
    /// The host uses the legacy `function_call`, which has a finish reason of its own.
    legacy_function: bool,
    /// A finish event held back until the next frame, where it may not be the end: some hosts finish each of several
    /// tool calls, and some write a reason into every frame, or into the last one of the reasoning.
    held_finish: Option<Chunk>,
    /// The last reason after which the answer went on.
    premature_finish: Option<FinishReason>,
    /// Some frame before the current one had text or a call.
    has_answer: bool,
}

impl ChatDecoder {
    pub(crate) fn new(reasoning_beside_output: bool, signature_origin: Option<Origin>) -> Self {
        Self { reasoning_beside_output, signature_origin, ..Self::default() }
    }

    fn read(&mut self, text: &str, reply: &mut Reply<'_>, events: &mut Emit<'_>) -> Result<(), Error> {
        let groq = reply.x_groq.take();
        if let Some(error) =
            non_empty_error(reply.error).or(non_empty_error(groq.as_ref().and_then(|groq| groq.error)))
        {
            return Err(classify::in_reply(error.get()));
        }
        let code = reply.base_resp.and_then(|base| base.status_code.0).unwrap_or(0);
        if reply.choices.first.is_none() && code != 0 {
            return Err(classify::in_reply(text));
        }
        let mut usage = reply.usage.take().or(groq.and_then(|groq| groq.usage));
        if reply.choices.first.is_none() && usage.is_none() && reply.id.is_none() && reply.model.is_none() {
            return match classify::top_level_error(text) {
                Some(error) => Err(error),
                None if self.whole => {
                    Err(Error::new(Kind::Protocol, "the reply is neither an answer nor an error"))
                }
                // A piece about something else leaves the answer as it is.
                None => Ok(()),
            };
        }
        self.received = true;
        self.start(reply, events);
        if self.whole {
            reply.choices.merge();
        }
        for choice in reply.choices.iter_mut() {
            // Hotspare never requests several answers; if a host sends more than one, only the first is read.
            if choice.index.0.unwrap_or(0) > 0 {
                continue;
            }
            self.content(choice, events)?;
            if let Some(error) = non_empty_error(choice.error) {
                return Err(classify::in_reply(error.get()));
            }
            usage = usage.or(choice.usage.take());
            if let Some(logprobs) = choice.logprobs.and_then(json) {
                events.push(Event::LogProbs(logprobs));
            }
            self.end(choice, events)?;
        }
        // One host repeats its full list of citations in every frame.
        if let Some(list) =
            reply.citations.and_then(json).filter(|list| self.last_citations.as_ref() != Some(list))
        {
            self.last_citations = Some(list.clone());
            events.push(Event::Annotation(list));
        }
        if let Some(usage) = usage {
            self.has_usage = true;
            events.push(Event::Usage(Box::new(ending::usage(&usage, self.reasoning_beside_output))));
        }
        if self.started {
            events.service_tier(&mut self.service_tier, reply.service_tier);
        }
        Ok(())
    }

    /// Begins the answer with the first frame that has a part of it.
    fn start(&mut self, reply: &mut Reply<'_>, events: &mut Emit<'_>) {
        if self.started || reply.choices.first.is_none() {
            return;
        }
        let name = |text: Option<Text<'_>>| {
            text.map(|text| text.0).filter(|text| !text.is_empty()).map(Cow::into_owned)
        };
        self.started = true;
        let id = name(reply.id.take());
        self.id = id.clone().unwrap_or_default();
        events.push(Event::Started { id, model: name(reply.model.take()) });
    }

    /// Reads what a choice adds to the answer.
    fn content(&mut self, choice: &mut Choice<'_>, events: &mut Emit<'_>) -> Result<(), Error> {
        let (delta, message) = (choice.delta.as_mut(), choice.message.as_deref_mut());
        let (first, second) = if self.whole { (message, delta) } else { (delta, message) };
        if !self.whole && first.is_some() {
            self.has_deltas = true;
        }
        // One host ends its stream with the whole answer once more.
        let repeated = first.is_none() && self.has_deltas;
        if let Some(delta) = first.or(second.filter(|_| !repeated)) {
            self.delta(delta, events)?;
        } else if let Some(text) = &choice.text {
            push_text(&text.0, false, events);
        }
        Ok(())
    }

    /// Reads why the answer ends, if the choice says so.
    fn end(&mut self, choice: &Choice<'_>, events: &mut Emit<'_>) -> Result<(), Error> {
        let Some(Text(word)) = choice.finish_reason.as_ref().filter(|_| !self.finished) else {
            return Ok(());
        };
        let is_blank = word.is_empty() || word == "null";
        if is_blank && !self.whole {
            if !word.is_empty() {
                events.detach();
            }
            return Ok(());
        }
        self.finished = true;
        // A whole body was not cut off in transit: a host that leaves the reason empty has still finished.
        self.calls.end(&self.id, events);
        if let Some(Text(native)) = &choice.native_finish_reason {
            self.finish_reason(native)?;
        }
        let reason = self.finish_reason(if is_blank { "stop" } else { word })?;
        let own = finish_reason_name(&reason);
        if own != word && !self.legacy_function {
            events.replace_word(word, own);
        }
        let may_go_on = matches!(reason, FinishReason::ToolCalls | FinishReason::Other(_))
            || self.premature_finish.is_some()
            || !self.has_answer;
        if may_go_on && !self.whole {
            self.held_finish = Some(events.chunk(Event::Finished(reason)));
        } else {
            events.push(Event::Finished(reason));
        }
        Ok(())
    }

    fn finish_reason(&self, word: &str) -> Result<FinishReason, Error> {
        ending::finish_reason(word, !self.calls.is_empty(), self.refused)
    }

    fn delta(&mut self, delta: &mut Delta<'_>, events: &mut Emit<'_>) -> Result<(), Error> {
        let has_text = |text: &Option<Text<'_>>| text.as_ref().is_some_and(|text| !text.0.is_empty());
        // Some hosts send their reasoning under two names at once.
        let plain = [&delta.reasoning_content, &delta.reasoning_text].into_iter().find(|text| has_text(text));
        match plain.and_then(Option::as_ref) {
            Some(text) => events.push(Event::ReasoningDelta(text.0.to_string())),
            None => push_content(&delta.reasoning, true, events),
        }
        let has_reasoning = plain.is_some()
            || match &delta.reasoning {
                Content::None => false,
                Content::Text(text) => !text.0.is_empty(),
                Content::Parts(_) => true,
            };
        if let Some(details) =
            delta.reasoning_details.filter(|_| self.signature_origin.is_some() || !has_reasoning)
        {
            // An entry of another shape has neither text nor a signature.
            for raw in serde_json::from_str::<Vec<&RawValue>>(details.get()).unwrap_or_default() {
                let detail: ReasoningDetail<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
                if let Some(text) =
                    detail.text.as_ref().or(detail.summary.as_ref()).filter(|_| !has_reasoning)
                {
                    push_text(&text.0, true, events);
                }
                let Some(origin) = &self.signature_origin else { continue };
                if has_text(&detail.data) || has_text(&detail.signature) {
                    events.signature(&origin.0, Some(raw.get()), has_text(&detail.data));
                }
            }
        }
        push_content(&delta.content, false, events);
        for raw in delta.images.take().unwrap_or_default() {
            events.extend(json(raw).map(|raw| Event::Native(Box::new(Native::new(WIRE, raw)))));
        }
        if let Some(text) = delta.audio.as_ref().and_then(|audio| audio.transcript.as_ref()) {
            push_text(&text.0, false, events);
        }
        if let Some(text) = delta.refusal.as_ref().filter(|text| !text.0.is_empty()) {
            self.refused = true;
            events.push(Event::RefusalDelta(text.0.to_string()));
        }
        for call in delta.tool_calls.take().unwrap_or_default() {
            self.calls.add(call, self.whole, &self.id, events)?;
        }
        // Hosts that write every field send an empty function call where there is none.
        let blank = |function: &Function<'_>| {
            function.name.as_ref().is_none_or(|name| name.0.is_empty())
                && function.arguments.is_none_or(|arguments| json_text(arguments).is_empty())
        };
        if let Some(function) = delta.function_call.take().filter(|function| !blank(function)) {
            self.legacy_function = true;
            let call = ToolCall { function: Some(*function), ..ToolCall::default() };
            self.calls.add(call, self.whole, &self.id, events)?;
        }
        for note in delta.annotations.take().unwrap_or_default() {
            events.extend(json(note).map(Event::Annotation));
        }
        Ok(())
    }
}

impl ChatDecoder {
    fn read_frame(&mut self, frame: &Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let data = frame.object();
        self.whole = frame.whole;
        if data == b"[DONE]" {
            out.extend(self.held_finish.take());
            // A host without a finish reason at the end: it has sent the end mark, and usage or an earlier reason, which no
            // truncated stream has.
            let premature = self.premature_finish.take();
            if !self.finished && self.started && (self.has_usage || premature.is_some()) {
                self.finished = true;
                let mut events = Emit::bare(out);
                self.calls.end(&self.id, &mut events);
                let reason = premature.filter(|reason| *reason != FinishReason::Stop);
                events.push(Event::Finished(reason.map_or_else(|| self.finish_reason("stop"), Ok)?));
            }
            return Ok(());
        }
        if data.is_empty() {
            return Ok(());
        }
        if frame.name.as_deref() == Some(b"error") {
            return Err(classify::in_reply(&String::from_utf8_lossy(data)));
        }
        // Validated once as a whole, so that the parser need not validate each string in it.
        let Ok(text) = std::str::from_utf8(data) else {
            return Err(Error::new(Kind::Protocol, "a frame is not UTF-8"));
        };
        let mut reply = match Reply::read(text) {
            Ok(reply) => reply,
            // A damaged frame after the end of the answer loses nothing.
            Err(_) if self.finished => return Ok(()),
            Err(_) if is_json(data) => {
                return Err(Error::new(Kind::Protocol, "a frame has an unexpected shape"));
            }
            Err(_) => return Err(Error::new(Kind::Protocol, "a frame is not JSON")),
        };
        if reply.object.as_ref().is_some_and(|object| object.0 == "error") {
            return Err(classify::in_reply(&String::from_utf8_lossy(data)));
        }
        // A frame about something else says nothing about the end.
        let tells = reply.choices.first.is_some()
            || reply.usage.is_some()
            || reply.x_groq.is_some()
            || non_empty_error(reply.error).is_some();
        if let Some(end) = self.held_finish.take_if(|_| tells) {
            if reply.choices.iter().any(has_content) {
                // Not the end after all.
                self.finished = false;
                if let Event::Finished(reason) = end.event {
                    self.premature_finish = Some(reason);
                }
            } else {
                out.push_back(end);
            }
        }
        let from = out.len();
        let mut events = Emit::framed(out, WIRE, frame.data.clone());
        self.read(text, &mut reply, &mut events)?;
        self.has_answer = self.has_answer || out.range(from..).any(|chunk| is_answer(&chunk.event));
        Ok(())
    }
}

impl Decoder for ChatDecoder {
    fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let read = self.read_frame(&frame, out);
        // A failure after the end takes nothing away from the answer, unless an earlier end was none.
        if read.is_err() && self.premature_finish.is_none() {
            out.extend(self.held_finish.take());
        }
        read
    }

    fn held_end(&self) -> Option<FinishReason> {
        let end = self.held_finish.as_ref().filter(|_| self.premature_finish.is_none());
        match &end?.event {
            // Further calls may be on their way.
            Event::Finished(FinishReason::ToolCalls) => None,
            Event::Finished(reason) => Some(reason.clone()),
            _ => None,
        }
    }

    fn finish(&mut self, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        out.extend(self.held_finish.take());
        if self.finished {
            Ok(())
        } else if self.received {
            Err(Error::new(Kind::Truncated, "the answer ended without a finish reason"))
        } else {
            Err(Error::new(Kind::Protocol, "the reply is empty"))
        }
    }
}

/// The error, if there is one: hosts that write every field send an empty value where there is none.
pub(crate) fn non_empty_error(error: Option<&RawValue>) -> Option<&RawValue> {
    error.filter(|error| !is_blank(error))
}

#[cfg(test)]
mod tests;
