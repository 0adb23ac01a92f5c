//! Frames to events, for streams and whole answers.
//!
//! A frame is a whole answer or a piece of one; the last one has `done` set. Invariant: an answer is complete once
//! `done` was seen; a body that ends without it is truncated, whatever it contained.

use std::collections::VecDeque;

use hotspare_core::{Chunk, Error, Event, FinishReason, Json, Kind, Usage};
use hotspare_provider::{Decoder, Emit, Frame, is_blank};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{WIRE, classify};

/// Decodes one reply.
#[derive(Debug, Default)]
pub(crate) struct ChatDecoder {
    started: bool,
    finished: bool,
    /// Tool calls so far.
    tool_calls: u32,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reply<'a> {
    model: Option<String>,
    message: Option<MessageDto<'a>>,
    /// The text in the older API.
    response: Option<String>,
    thinking: Option<String>,
    done: Option<bool>,
    done_reason: Option<String>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    prompt_eval_count: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    eval_count: Option<u64>,
    #[serde(borrow)]
    logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MessageDto<'a> {
    content: Option<String>,
    thinking: Option<String>,
    #[serde(borrow)]
    tool_calls: Option<Vec<ToolCallDto<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ToolCallDto<'a> {
    id: Option<String>,
    #[serde(borrow)]
    function: Option<FunctionDto<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FunctionDto<'a> {
    name: Option<String>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

impl ChatDecoder {
    fn read(&mut self, reply: Reply<'_>, events: &mut Emit<'_>) {
        if !self.started {
            self.started = true;
            events.push(Event::Started { id: None, model: reply.model });
        }
        let message = reply.message.unwrap_or_default();
        events.text(Event::ReasoningDelta, message.thinking.or(reply.thinking));
        events.text(Event::TextDelta, message.content.or(reply.response));
        for call in message.tool_calls.unwrap_or_default() {
            let (index, id) = (self.tool_calls, call.id.unwrap_or_default());
            self.tool_calls = self.tool_calls.saturating_add(1);
            let function = call.function.unwrap_or_default();
            let name = function.name.unwrap_or_default();
            events.push(Event::ToolStarted { index, id, name });
            if let Some(arguments) = function.arguments.filter(|raw| raw.get() != "null") {
                events.push(Event::ToolDelta { index, arguments: arguments.get().to_owned() });
            }
        }
        if let Some(Ok(logprobs)) = reply.logprobs.map(|raw| Json::parse(raw.get())) {
            events.push(Event::LogProbs(logprobs));
        }
        // The host does not count a cached prompt: the count is then unknown, not zero.
        if reply.prompt_eval_count.is_some() || reply.eval_count.is_some() {
            let usage = Usage::reported(reply.prompt_eval_count, reply.eval_count);
            events.push(Event::Usage(Box::new(usage)));
        }
        if reply.done == Some(true) && !self.finished {
            self.finished = true;
            events.push(Event::Finished(match reply.done_reason.as_deref() {
                None | Some("stop" | "") if self.tool_calls > 0 => FinishReason::ToolCalls,
                None | Some("stop" | "") => FinishReason::Stop,
                Some("length") => FinishReason::Length,
                Some(other) => FinishReason::Other(other.to_owned()),
            }));
        }
    }
}

impl Decoder for ChatDecoder {
    fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let data = frame.data.trim_ascii();
        if data.is_empty() || self.finished {
            return Ok(());
        }
        let reply: Reply<'_> = serde_json::from_slice(data)
            .map_err(|_| Error::new(Kind::Protocol, "a frame is not the JSON of this wire"))?;
        if let Some(error) = reply.error.filter(|error| !is_blank(error)) {
            return Err(classify::in_reply(error.get()));
        }
        if reply.message.is_none() && reply.response.is_none() && reply.done.is_none() {
            return match classify::top_level_error(data) {
                Some(error) => Err(error),
                None if frame.whole => {
                    Err(Error::new(Kind::Protocol, "the body is neither an answer nor an error"))
                }
                // A line about something else leaves the answer as it is.
                None => Ok(()),
            };
        }
        self.read(reply, &mut Emit::framed(out, WIRE, frame.data.clone()));
        Ok(())
    }

    fn finish(&mut self, _: &mut VecDeque<Chunk>) -> Result<(), Error> {
        match (self.finished, self.started) {
            (true, _) => Ok(()),
            (false, true) => Err(Error::new(Kind::Truncated, "the answer ended before it was done")),
            (false, false) => Err(Error::new(Kind::Protocol, "the reply is empty")),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hotspare_provider::{Framer, Ndjson};
    use proptest::prelude::*;

    use super::*;

    fn events(body: &[u8], cut: usize) -> Result<Vec<Event>, Error> {
        let (mut framer, mut decoder) = (Ndjson::default(), ChatDecoder::default());
        let (mut frames, mut chunks) = (VecDeque::new(), VecDeque::new());
        for piece in body.chunks(cut) {
            framer.push(Bytes::copy_from_slice(piece), &mut frames)?;
        }
        framer.finish(&mut frames)?;
        for frame in frames {
            decoder.push(frame, &mut chunks)?;
        }
        decoder.finish(&mut chunks)?;
        Ok(chunks.into_iter().map(|chunk| chunk.event).collect())
    }

    const STREAM: &str = concat!(
        r#"{"model":"q","message":{"role":"assistant","content":"","thinking":"hm"},"done":false}"#,
        "\n",
        r#"{"model":"q","message":{"role":"assistant","content":"é"},"done":false}"#,
        "\n",
        r#"{"model":"q","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},"done":false}"#,
        "\n",
        r#"{"model":"q","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":2}"#,
        "\n",
    );

    #[test]
    fn decodes_a_stream() {
        let expected = vec![
            Event::Started { id: None, model: Some("q".into()) },
            Event::ReasoningDelta("hm".into()),
            Event::TextDelta("é".into()),
            Event::ToolStarted { index: 0, id: String::new(), name: "f".into() },
            Event::ToolDelta { index: 0, arguments: r#"{"a":1}"#.into() },
            Event::Usage(Box::new(Usage::reported(Some(3), Some(2)))),
            Event::Finished(FinishReason::ToolCalls),
        ];
        assert_eq!(events(STREAM.as_bytes(), 1_000).unwrap(), expected);
    }

    #[test]
    fn decodes_the_generate_api() {
        let body = r#"{"model":"q","response":"hi","done":true,"eval_count":2}"#;
        let read = events(body.as_bytes(), 9).unwrap();
        assert!(read.contains(&Event::TextDelta("hi".into())), "{read:?}");
        assert!(read.contains(&Event::Finished(FinishReason::Stop)), "{read:?}");
    }

    #[test]
    fn malformed_or_failed_streams_are_errors() {
        let kind = |body: &str| events(body.as_bytes(), 5).unwrap_err().kind();
        let first = STREAM.lines().next().unwrap();
        assert_eq!(kind(""), Kind::Protocol);
        assert_eq!(kind("{}"), Kind::Protocol);
        assert_eq!(kind("nonsense"), Kind::Protocol);
        assert_eq!(kind(first), Kind::Truncated);
        assert_eq!(kind(&format!("{first}\n{{\"error\":\"the model crashed\"}}\n")), Kind::Server);
        let unparsed = format!("{first}\n{{\"error parsing tool call\":\"invalid character\"}}\n");
        assert_eq!(kind(&unparsed), Kind::BadOutput);
        for (error, expected) in [
            (r#"{"detail":"server busy"}"#, Kind::Server),
            (r#"{"errors":[{"message":"server busy"}]}"#, Kind::Server),
        ] {
            assert_eq!(kind(&format!("{first}\n{error}\n")), expected, "{error}");
        }
    }

    proptest! {
        #[test]
        fn chunk_boundaries_do_not_change_events(cut in 1usize..200) {
            prop_assert_eq!(events(STREAM.as_bytes(), cut).unwrap(), events(STREAM.as_bytes(), 1_000).unwrap());
        }

        #[test]
        fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = events(&body, 7);
        }
    }
}
