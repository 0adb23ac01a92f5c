//! Streams and whole answers of both versions.

use bytes::Bytes;
use hotspare_provider::{Framer, ITEMS_LIMIT, Sse, Whole};
use proptest::prelude::*;

use super::*;

fn events(framer: &mut dyn Framer, body: &[u8], cut: usize) -> Result<Vec<Event>, Error> {
    let (mut frames, mut chunks, mut decoder) = (VecDeque::new(), VecDeque::new(), ChatDecoder::default());
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
    "event: message-start\ndata: {\"id\":\"i\",\"type\":\"message-start\",\"delta\":{\"message\":{\"role\":\"assistant\",\"content\":[],\"tool_plan\":\"\",\"tool_calls\":[],\"citations\":[]}}}\n\n",
    "data: {\"type\":\"tool-plan-delta\",\"delta\":{\"message\":{\"tool_plan\":\"I will\"}}}\n\n",
    "data: {\"type\":\"content-start\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"type\":\"text\",\"text\":\"\"}}}}\n\n",
    "data: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"text\":\"é\"}}}}\n\n",
    "data: {\"type\":\"tool-call-start\",\"index\":0,\"delta\":{\"message\":{\"tool_calls\":{\"id\":\"t\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}}}}\n\n",
    "data: {\"type\":\"tool-call-delta\",\"index\":0,\"delta\":{\"message\":{\"tool_calls\":{\"function\":{\"arguments\":\"{\\\"a\\\":\"}}}}}\n\n",
    "data: {\"type\":\"tool-call-delta\",\"index\":0,\"delta\":{\"message\":{\"tool_calls\":{\"function\":{\"arguments\":\"1}\"}}}}}\n\n",
    "data: {\"type\":\"tool-call-end\",\"index\":0}\n\n",
    "data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"TOOL_CALL\",\"usage\":{\"billed_units\":{\"input_tokens\":1,\"output_tokens\":1},\"tokens\":{\"input_tokens\":30.0,\"output_tokens\":4},\"cached_tokens\":16}}}\n\n",
    "data: [DONE]\n\n",
);

#[test]
fn an_answer_of_too_many_calls_is_refused() {
    let frame = |calls: usize| {
        let call = r#"{"id":"t","function":{"name":"f","arguments":"{}"}}"#;
        let calls = vec![call; calls].join(",");
        format!(r#"{{"type":"tool-call-start","delta":{{"message":{{"tool_calls":[{calls}]}}}}}}"#)
    };
    let mut decoder = ChatDecoder::default();
    let mut push = |text: String| decoder.push(Frame::piece(text.into_bytes()), &mut VecDeque::new());
    assert!(push(frame(ITEMS_LIMIT)).is_ok());
    let refused = push(frame(1)).unwrap_err();
    assert!(refused.kind() == Kind::Protocol && refused.message().contains("4096"), "{refused}");
}

#[test]
fn decodes_a_stream() {
    let mut usage = Usage::reported(Some(30), Some(4));
    usage.cached = Some(16);
    let expected = vec![
        Event::Started { id: Some("i".into()), model: None },
        Event::ReasoningDelta("I will".into()),
        Event::TextDelta("é".into()),
        Event::ToolStarted { index: 0, id: "t".into(), name: "f".into() },
        Event::ToolDelta { index: 0, arguments: r#"{"a":"#.into() },
        Event::ToolDelta { index: 0, arguments: "1}".into() },
        Event::Usage(Box::new(usage)),
        Event::Finished(FinishReason::ToolCalls),
    ];
    assert_eq!(events(&mut Sse::default(), STREAM.as_bytes(), 1_000).unwrap(), expected);
}

#[test]
fn a_stream_without_an_id_starts_with_its_first_piece() {
    let frames: Vec<&str> = STREAM.split_inclusive("\n\n").collect();
    for first in 0..5 {
        let body = frames[first..].concat().replace(r#""id":"i","#, "");
        let events = events(&mut Sse::default(), body.as_bytes(), 1_000).unwrap();
        assert_eq!(events[0], Event::Started { id: None, model: None }, "{}", frames[first]);
    }
}

#[test]
fn decodes_unstreamed_answers_of_every_api() {
    for body in [
        r#"{"id":"i","finish_reason":"COMPLETE","message":{"role":"assistant","content":[{"type":"text","text":"hi"}]},"usage":{"tokens":{"input_tokens":1,"output_tokens":2}}}"#,
        r#"{"text":"hi","generation_id":"i","finish_reason":"COMPLETE","meta":{"tokens":{"input_tokens":1,"output_tokens":2}}}"#,
        r#"{"id":"i","generations":[{"id":"g","text":"hi","finish_reason":"COMPLETE"}],"meta":{"billed_units":{"input_tokens":1,"output_tokens":2}}}"#,
    ] {
        let expected = vec![
            Event::Started { id: Some("i".into()), model: None },
            Event::TextDelta("hi".into()),
            Event::Usage(Box::new(Usage::reported(Some(1), Some(2)))),
            Event::Finished(FinishReason::Stop),
        ];
        assert_eq!(events(&mut Whole::default(), body.as_bytes(), 9).unwrap(), expected, "{body}");
    }
}

#[test]
fn malformed_or_failed_streams_are_errors() {
    let kind = |body: &str| events(&mut Sse::default(), body.as_bytes(), 5).unwrap_err().kind();
    let ended = |rest: &str| {
        kind(&format!("data: {{\"type\":\"message-end\",\"delta\":{{\"finish_reason\":{rest}}}}}\n\n"))
    };
    assert_eq!(kind(""), Kind::Protocol);
    assert_eq!(kind("data: {}\n\n"), Kind::Protocol);
    assert_eq!(kind("data: nonsense\n\n"), Kind::Protocol);
    assert_eq!(kind(STREAM.split_once("data: {\"type\":\"message-end").unwrap().0), Kind::Truncated);
    assert_eq!(ended("\"TIMEOUT\""), Kind::Timeout);
    assert_eq!(ended("\"ERROR\""), Kind::Server);
    assert_eq!(ended("\"ERROR\",\"error_type\":\"INVALID_TOOL_GENERATION\""), Kind::BadOutput);
    assert_eq!(kind("data: {\"message\":\"too many tokens\"}\n\n"), Kind::ContextOverflow);
}

proptest! {
    #[test]
    fn chunk_boundaries_do_not_change_events(cut in 1usize..200) {
        let whole = events(&mut Sse::default(), STREAM.as_bytes(), 10_000).unwrap();
        prop_assert_eq!(events(&mut Sse::default(), STREAM.as_bytes(), cut).unwrap(), whole);
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = events(&mut Whole::default(), &body, 7);
    }
}
