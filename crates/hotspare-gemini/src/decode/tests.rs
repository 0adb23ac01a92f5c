//! Replies as servers actually send them, with the same events however the bytes are split.

use bytes::Bytes;
use hotspare_provider::{Framer, JsonArray, Sse};
use proptest::prelude::*;

use super::*;

fn run(framer: &mut dyn Framer, host: Host, body: &[u8], cuts: &[usize]) -> (Vec<Event>, Result<(), Kind>) {
    let mut decoder = ContentDecoder::new(host);
    let (mut frames, mut chunks) = (VecDeque::new(), VecDeque::new());
    let mut from = 0;
    let mut read = || {
        for &cut in cuts.iter().chain([&body.len()]) {
            let cut = cut.clamp(from, body.len());
            framer.push(Bytes::copy_from_slice(&body[from..cut]), &mut frames)?;
            while let Some(frame) = frames.pop_front() {
                decoder.push(frame, &mut chunks)?;
            }
            from = cut;
        }
        framer.finish(&mut frames)?;
        frames.drain(..).try_for_each(|frame| decoder.push(frame, &mut chunks))?;
        decoder.finish(&mut chunks)
    };
    let result = read().map_err(|error: Error| error.kind());
    (chunks.into_iter().map(|chunk| chunk.event).collect(), result)
}

fn sse(frames: &[&str]) -> Vec<u8> {
    frames.iter().map(|frame| format!("data: {frame}\r\n\r\n")).collect::<String>().into_bytes()
}

fn streamed(frames: &[&str]) -> (Vec<Event>, Result<(), Kind>) {
    run(&mut Sse::default(), Host::GEMINI, &sse(frames), &[])
}

fn finish(word: &str) -> String {
    format!(r#"{{"candidates":[{{"content":{{"parts":[{{"text":"x"}}]}},"finishReason":{word}}}]}}"#)
}

const FRAMES: [&str; 5] = [
    r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true,"thoughtSignature":"T"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3},"modelVersion":"gemini-x","responseId":"r1"}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":"Hé"},{"text":"世","thoughtSignature":"S"}],"role":"model"},"index":0,"groundingMetadata":{}}]}"#,
    r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"b":1,"a":"x y"}},"thoughtSignature":"C"},{"functionCall":{"name":"f","args":{"b":1,"a":"x y"}}},{"functionCall":{"id":"own","name":"g"}}]}}]}"#,
    r#"{"candidates":[{"content":{"parts":[{"executableCode":{"language":"PYTHON","code":"1"}}]},"groundingMetadata":{"webSearchQueries":["q"]},"logprobsResult":{"chosenCandidates":[]}}]}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":3,"toolUsePromptTokenCount":4,"candidatesTokenCount":5,"thoughtsTokenCount":6,"cachedContentTokenCount":2,"totalTokenCount":18}}"#,
];

#[test]
fn decodes_a_full_stream() {
    let (events, result) = streamed(&FRAMES);
    assert_eq!(result, Ok(()));
    let signature = |data: &str, redacted| {
        Event::ReasoningSignature(Signature { origin: Origin("gemini".into()), data: data.into(), redacted })
    };
    let mut usage = Usage::reported(Some(7), Some(11));
    usage.cached = Some(2);
    usage.reasoning = Some(6);
    let call = |index, id: &str, name: &str| Event::ToolStarted { index, id: id.into(), name: name.into() };
    let arguments = |index, text: &str| Event::ToolDelta { index, arguments: text.into() };
    let made_up = |index| derived_id("r1", index, "f", r#"{"b":1,"a":"x y"}"#);
    let expected = [
        Event::Started { id: Some("r1".into()), model: Some("gemini-x".into()) },
        Event::Usage(Box::new(Usage::reported(Some(3), Some(0)))),
        Event::ReasoningDelta("hm".into()),
        signature("T", false),
        Event::TextDelta("Hé".into()),
        signature("S", true),
        Event::TextDelta("世".into()),
        signature("C", true),
        call(0, &made_up(0), "f"),
        arguments(0, r#"{"b":1,"a":"x y"}"#),
        call(1, &made_up(1), "f"),
        arguments(1, r#"{"b":1,"a":"x y"}"#),
        call(2, "own", "g"),
        arguments(2, "{}"),
        Event::Native(Box::new(Native::new(
            WIRE,
            Json::parse(r#"{"executableCode":{"language":"PYTHON","code":"1"}}"#).unwrap(),
        ))),
        Event::Annotation(Json::parse(r#"{"groundingMetadata":{"webSearchQueries":["q"]}}"#).unwrap()),
        Event::LogProbs(Json::parse(r#"{"chosenCandidates":[]}"#).unwrap()),
        Event::Usage(Box::new(usage)),
        Event::Finished(FinishReason::ToolCalls),
    ];
    assert_eq!(events, expected);
    assert_ne!(made_up(0), made_up(1));
}

#[test]
fn decodes_json_array_and_object_alike() {
    let array = format!("[{}\r\n]", FRAMES.join("\r\n,\r\n"));
    assert_eq!(run(&mut JsonArray::default(), Host::GEMINI, array.as_bytes(), &[]), streamed(&FRAMES));
    let whole = run(&mut JsonArray::default(), Host::GEMINI, FRAMES[4].as_bytes(), &[]);
    assert_eq!(whole.1, Ok(()));
    assert_eq!(whole.0.last(), Some(&Event::Finished(FinishReason::Stop)));
    assert_eq!(run(&mut JsonArray::default(), Host::GEMINI, b"[]", &[]).1, Err(Kind::Protocol));
    let cut = &array.as_bytes()[..array.len() - 1];
    assert_eq!(run(&mut JsonArray::default(), Host::GEMINI, cut, &[]).1, Err(Kind::Truncated));
}

#[test]
fn body_is_decoded_despite_mismatched_content_type() {
    let events = sse(&FRAMES);
    assert_eq!(run(&mut JsonArray::default(), Host::GEMINI, &events, &[1, 3, 40]), streamed(&FRAMES));
    let whole = run(&mut JsonArray::default(), Host::GEMINI, FRAMES[4].as_bytes(), &[]);
    assert_eq!(run(&mut Sse::default(), Host::GEMINI, FRAMES[4].as_bytes(), &[2]), whole);
    let error = r#"[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}]"#;
    assert_eq!(streamed(&[FRAMES[0], error]).1, Err(Kind::Overloaded));
    assert_eq!(run(&mut Sse::default(), Host::GEMINI, error.as_bytes(), &[]).1, Err(Kind::Overloaded));
}

#[test]
fn stop_before_any_text_is_not_the_end() {
    let ran = r#"{"candidates":[{"content":{"parts":[{"codeExecutionResult":{"output":"63"}}]},"finishReason":"STOP"}]}"#;
    let (events, result) = streamed(&[ran, &finish("\"STOP\"")]);
    assert_eq!(result, Ok(()));
    assert_eq!(
        events[events.len() - 2..],
        [Event::TextDelta("x".into()), Event::Finished(FinishReason::Stop)]
    );
}

#[test]
fn finish_reason_ends_the_answer_before_the_body_ends() {
    let (mut decoder, mut out) = (ContentDecoder::new(Host::GEMINI), VecDeque::new());
    let frame = Frame::piece(Bytes::from(finish("\"STOP\"")));
    decoder.push(frame, &mut out).unwrap();
    assert_eq!(decoder.held_end(), Some(FinishReason::Stop));
    let count = r#"{"usageMetadata":{"promptTokenCount":1,"totalTokenCount":3}}"#;
    let (events, result) = streamed(&[&finish("\"STOP\""), count]);
    assert_eq!(
        (events.iter().filter(|event| matches!(event, Event::Finished(_))).count(), result),
        (1, Ok(()))
    );
    // A finish reason before the first content is not the end.
    let early = r#"{"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}]}"#;
    let (events, _) = streamed(&[early, &finish("\"STOP\"")]);
    assert_eq!(events.last(), Some(&Event::Finished(FinishReason::Stop)));
    assert!(events.contains(&Event::TextDelta("x".into())));
}

#[test]
fn maps_every_finish_reason() {
    let last = |host: Host, word: &str| {
        let (events, result) = run(&mut Sse::default(), host, &sse(&[&finish(word)]), &[]);
        result.map(|()| events.last().cloned())
    };
    let ends = |reason| Ok(Some(Event::Finished(reason)));
    for (word, gemini, vertex) in [
        ("\"STOP\"", ends(FinishReason::Stop), ends(FinishReason::Stop)),
        ("1", ends(FinishReason::Stop), ends(FinishReason::Stop)),
        ("2", ends(FinishReason::Length), ends(FinishReason::Length)),
        ("\"MODEL_ARMOR\"", ends(FinishReason::ContentFilter), ends(FinishReason::ContentFilter)),
        ("\"MALFORMED_FUNCTION_CALL\"", Err(Kind::BadOutput), Err(Kind::BadOutput)),
        ("\"OTHER\"", Err(Kind::BadOutput), Err(Kind::BadOutput)),
        (
            "\"ESCALATION\"",
            ends(FinishReason::Other("ESCALATION".into())),
            ends(FinishReason::Other("ESCALATION".into())),
        ),
        // The hosts number their finish reasons differently.
        ("10", Err(Kind::BadOutput), ends(FinishReason::ContentFilter)),
        ("99", ends(FinishReason::Other("99".into())), ends(FinishReason::Other("99".into()))),
    ] {
        assert_eq!((last(Host::GEMINI, word), last(Host::VERTEX, word)), (gemini, vertex), "{word}");
    }
}

#[test]
fn errors_inside_a_stream_are_classified() {
    let error = r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#;
    assert_eq!(streamed(&[error]), (vec![], Err(Kind::Overloaded)));
    assert_eq!(streamed(&[&format!("[{error}]")]).1, Err(Kind::Overloaded));
    assert_eq!(streamed(&[FRAMES[1], error]).1, Err(Kind::Overloaded));
    let blocked = r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":5},"modelVersion":"m"}"#;
    assert_eq!(streamed(&[blocked]).1, Err(Kind::ContentPolicy));
    assert_eq!(streamed(&[FRAMES[1]]).1, Err(Kind::Truncated));
    assert_eq!(streamed(&[]).1, Err(Kind::Protocol));
    assert_eq!(streamed(&["<html>"]).1, Err(Kind::Protocol));
    assert_eq!(streamed(&["{}"]).1, Err(Kind::Protocol));
    assert_eq!(streamed(&["[DONE]"]).1, Err(Kind::Protocol));
}

#[test]
fn compacting_arguments_removes_only_indentation() {
    assert_eq!(compact("{\n  \"a\": \"x \\\" \\\\\",\n  \"b\": [1,\n 2]\n}"), r#"{"a":"x \" \\","b":[1,2]}"#);
}

proptest! {
    #[test]
    fn chunk_boundaries_do_not_change_events(cuts in prop::collection::vec(0usize..2_000, 0..12)) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let body = sse(&FRAMES);
        prop_assert_eq!(
            run(&mut Sse::default(), Host::VERTEX, &body, &cuts),
            run(&mut Sse::default(), Host::VERTEX, &body, &[])
        );
        let array = format!("[{}]", FRAMES.join(",\n"));
        prop_assert_eq!(
            run(&mut JsonArray::default(), Host::GEMINI, array.as_bytes(), &cuts),
            run(&mut JsonArray::default(), Host::GEMINI, array.as_bytes(), &[])
        );
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..300), inner in "[\\[\\]{}:,\"a-z0-9. -]{0,60}") {
        let _ = run(&mut JsonArray::default(), Host::GEMINI, &body, &[]);
        let part = format!(r#"{{"candidates":[{{"content":{{"parts":[{inner}]}},"finishReason":{inner}}}]}}"#);
        let _ = streamed(&[&part, &inner]);
    }
}

/// Some servers on this wire write `STOP` into every frame.
#[test]
fn answer_goes_on_after_an_early_finish_reason() {
    let frame = |text: &str, reason: &str| {
        format!(r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}]}}{reason}}}]}}"#)
    };
    let stop = r#","finishReason":"STOP""#;
    for last in [stop, ""] {
        let frames = [frame("a", stop), frame("b", stop), frame("c", last)];
        let (events, result) = streamed(&frames.each_ref().map(String::as_str));
        result.unwrap();
        let texts = ["a", "b", "c"].map(|text| Event::TextDelta(text.into()));
        assert_eq!(events[1..], [&texts[..], &[Event::Finished(FinishReason::Stop)]].concat(), "{last}");
    }
    // A reason after other frames is the end, and needs no end of the body.
    let mut decoder = ContentDecoder::new(Host::GEMINI);
    let mut out = VecDeque::new();
    for frame in [frame("a", ""), frame("b", stop)] {
        decoder.push(Frame::piece(frame.into_bytes()), &mut out).unwrap();
    }
    assert!(matches!(out.back().unwrap().event, Event::Finished(FinishReason::Stop)));
    // An answer that went on after a reason may be incomplete when it breaks off.
    let mut decoder = ContentDecoder::new(Host::GEMINI);
    let mut out = VecDeque::new();
    for frame in [frame("a", stop), frame("b", stop)] {
        decoder.push(Frame::piece(frame.into_bytes()), &mut out).unwrap();
    }
    assert_eq!(decoder.held_end(), None);
}

#[test]
fn service_tier_is_emitted_once() {
    let frame = |text: &str, end: &str| {
        format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}]}}{end}}}],"usageMetadata":{{"promptTokenCount":3,"serviceTier":"flex"}}}}"#
        )
    };
    let (events, result) = streamed(&[&frame("a", ""), &frame("b", r#","finishReason":"STOP""#)]);
    assert_eq!(result, Ok(()));
    let tiers = events.iter().filter(|event| **event == Event::ServiceTier("flex".into()));
    assert_eq!(tiers.count(), 1, "{events:?}");
}

#[test]
fn a_piece_with_fields_of_an_error_is_one_and_other_pieces_are_ignored() {
    for (piece, kind) in [
        (r#"{"detail":"Internal error"}"#, Kind::Server),
        (r#"{"errors":[{"message":"Internal error"}]}"#, Kind::Server),
        (r#"{"msg":"Internal error"}"#, Kind::Server),
        (r#"{"code":503}"#, Kind::Overloaded),
        (r#"{"message":"m","status":"UNAVAILABLE"}"#, Kind::Overloaded),
    ] {
        assert_eq!(streamed(&[piece, FRAMES[4]]).1, Err(kind), "{piece}");
    }
    for piece in [r#"{"status":"queued"}"#, r#"{"message":null,"status":"queued"}"#, r#"{"xFuture":1}"#] {
        assert_eq!(streamed(&[piece, &finish("\"STOP\"")]).1, Ok(()), "{piece}");
    }
}
