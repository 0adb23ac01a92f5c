//! Replies as hosts actually send them, with the same events however the bytes are split.

use bytes::Bytes;
use hotspare_provider::{Framer, Sse};
use proptest::prelude::*;

use hotspare_core::{Raw, Usage};

use super::*;

mod ends;
mod hosts;
mod tool_calls;

fn run(body: &[u8], cuts: &[usize]) -> (Vec<Event>, Result<(), Kind>) {
    let (mut sse, mut decoder) = (Sse::default(), ChatDecoder::default());
    let (mut frames, mut chunks) = (VecDeque::new(), VecDeque::new());
    let mut feed = |bytes: &[u8]| -> Result<(), Error> {
        sse.push(Bytes::copy_from_slice(bytes), &mut frames)?;
        while let Some(frame) = frames.pop_front() {
            decoder.push(frame, &mut chunks)?;
        }
        Ok(())
    };
    let mut from = 0;
    let mut result = Ok(());
    for &cut in cuts.iter().chain([&body.len()]) {
        let cut = cut.clamp(from, body.len());
        result = result.and_then(|()| feed(&body[from..cut]));
        from = cut;
    }
    let result = result.and_then(|()| {
        sse.finish(&mut frames)?;
        frames.drain(..).try_for_each(|frame| decoder.push(frame, &mut chunks))
    });
    let result = result.and_then(|()| decoder.finish(&mut chunks)).map_err(|error| error.kind());
    (chunks.into_iter().map(|chunk| chunk.event).collect(), result)
}

fn sse(frames: &[&str]) -> Vec<u8> {
    frames.iter().map(|frame| format!("data: {frame}\n\n")).collect::<String>().into_bytes()
}

fn text(text: &str) -> Event {
    Event::TextDelta(text.into())
}

#[test]
fn decodes_a_plain_stream() {
    let body = sse(&[
        r#"{"id":"c1","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":null}}]}"#,
        r#"{"id":"c1","choices":[{"index":0,"delta":{"content":"Hel\u0142o"}}],"usage":null}"#,
        r#"{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        r#"{"id":"c1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":4}}}"#,
        "[DONE]",
    ]);
    let mut usage = Usage::reported(Some(9), Some(2));
    usage.cached = Some(4);
    let expected = vec![
        Event::Started { id: Some("c1".into()), model: Some("m".into()) },
        text("Helło"),
        Event::Finished(FinishReason::Stop),
        Event::Usage(Box::new(usage)),
    ];
    assert_eq!(run(&body, &[]), (expected, Ok(())));
}

#[test]
fn errors_in_unusual_shapes_are_recognized() {
    for (frame, kind) in [
        (
            r#"[{"error":{"code":503,"message":"The model is overloaded","status":"UNAVAILABLE"}}]"#,
            Kind::Overloaded,
        ),
        (r#"{"code":429,"message":"Rate limited","type":"rate_limit_error"}"#, Kind::RateLimited),
        (r#"{"detail":"something broke"}"#, Kind::Server),
        (r#"{"message":"This model's maximum context length is 10 tokens"}"#, Kind::ContextOverflow),
        (r#"[{"error":1},{"error":2}]"#, Kind::Protocol),
    ] {
        let piece = r#"{"id":"c","choices":[{"delta":{"content":"Hi"}}]}"#;
        assert_eq!(run(&sse(&[piece, frame]), &[]).1, Err(kind), "{frame}");
    }
    // A whole body under a stream's content type.
    let error = br#"{"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}"#;
    assert_eq!(run(error, &[]).1, Err(Kind::RateLimited));
    let answer = b"{\n \"choices\": [{\"message\": {\"content\": \"Hi\"}, \"finish_reason\": \"\"}]\n}";
    let (events, result) = run(answer, &[7]);
    assert_eq!((&events[1..], result), (&[text("Hi"), Event::Finished(FinishReason::Stop)][..], Ok(())));
}

#[test]
fn errors_inside_a_stream_take_precedence() {
    for (frame, kind) in [
        (
            r#"{"error":{"message":"m","type":"server_error","code":"server_is_overloaded"}}"#,
            Kind::Overloaded,
        ),
        (
            r#"{"id":"x","choices":[{"delta":{},"finish_reason":"error"}],"error":{"code":502,"message":"bad"}}"#,
            Kind::Server,
        ),
        (r#"{"error":"something"}"#, Kind::Server),
        (
            r#"{"object":"error","message":"slow","type":"rate_limited","code":"1300","status_code":429}"#,
            Kind::RateLimited,
        ),
        (r#"{"choices":[{"delta":{},"finish_reason":"insufficient_system_resource"}]}"#, Kind::Server),
        (
            r#"{"choices":[{"delta":{"content":""},"finish_reason":"error","error":{"code":429,"message":"Rate limited upstream"}}]}"#,
            Kind::RateLimited,
        ),
        (
            r#"{"choices":[{"message":{"content":""},"finish_reason":null,"error":{"code":403,"message":"Content was flagged by moderation"}}]}"#,
            Kind::ContentPolicy,
        ),
        (
            r#"{"id":"c","choices":null,"model":"m","usage":{"total_tokens":0},"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#,
            Kind::QuotaExhausted,
        ),
        (r#"{"base_resp":{"status_code":1004,"status_msg":"login fail"}}"#, Kind::Auth),
    ] {
        assert_eq!(run(&sse(&[frame]), &[]).1, Err(kind), "{frame}");
    }
    let named = b"event: error\ndata: {\"error\":{\"message\":\"m\",\"code\":\"tool_use_failed\",\"status_code\":400}}\n\n";
    assert_eq!(run(named, &[]).1, Err(Kind::BadOutput));
}

#[test]
fn decodes_every_reasoning_field() {
    for delta in [
        r#"{"reasoning_content":"hm"}"#,
        r#"{"reasoning":"hm"}"#,
        r#"{"reasoning_content":"hm","reasoning":"hm"}"#,
        r#"{"reasoning_text":"hm","reasoning_opaque":"s"}"#,
        r#"{"reasoning_content":"hm","reasoning_text":"hm"}"#,
        r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}"#,
        r#"{"content":[{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]}]}"#,
        r#"{"reasoning":null,"reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"s"}]}"#,
        r#"{"reasoning_details":[{"type":"reasoning.summary","summary":"hm"}]}"#,
        r#"{"reasoning":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm"}]}"#,
    ] {
        let body = sse(&[&format!(r#"{{"choices":[{{"delta":{delta}}}]}}"#)]);
        let events = run(&body, &[]).0;
        let told = events.iter().filter(|event| **event == Event::ReasoningDelta("hm".into()));
        assert_eq!(told.count(), 1, "{delta}");
    }
}

#[test]
fn unrelated_frames_are_ignored() {
    let answer = r#"{"id":"c","choices":[{"index":0,"delta":{"content":"ok"},"finish_reason":"stop"}],"base_resp":{"status_code":0}}"#;
    for other in [
        r#"{"choices":[],"prompt_filter_results":[]}"#,
        r#"{"event":"model_ready"}"#,
        r#"{"type":"ping"}"#,
        "{}",
    ] {
        let (events, result) = run(&sse(&[other, answer, other, "[DONE]"]), &[]);
        assert_eq!((&events[1..], result), (&[text("ok"), Event::Finished(FinishReason::Stop)][..], Ok(())));
        assert_eq!(run(&sse(&[other]), &[]).1, Err(Kind::Protocol), "no answer: {other}");
    }
    let (mut decoder, mut out) = (ChatDecoder::default(), VecDeque::new());
    let whole = Frame { name: None, data: Bytes::from_static(b"{\"something\":\"else\"}"), whole: true };
    assert_eq!(decoder.push(whole, &mut out).unwrap_err().kind(), Kind::Protocol);
}

#[test]
fn images_are_parts_and_citations_are_emitted_once() {
    let image = r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,AAA"}}"#;
    let piece =
        format!(r#"{{"choices":[{{"delta":{{"content":"","images":[{image}]}}}}],"citations":["a"]}}"#);
    let end = r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"citations":["a"]}"#;
    let more = r#"{"choices":[],"usage":{},"citations":["a","b"]}"#;
    let (events, result) = run(&sse(&[&piece, end, more]), &[]);
    assert_eq!(result, Ok(()));
    let native = Native::new(WIRE, Json::parse(image).unwrap());
    assert!(events.contains(&Event::Native(Box::new(native))));
    let notes = events.iter().filter(|event| matches!(event, Event::Annotation(_)));
    assert_eq!(notes.count(), 2);
}

#[test]
fn frame_is_attached_to_its_first_event() {
    let mut decoder = ChatDecoder::default();
    let mut out = VecDeque::new();
    let data =
        Bytes::from_static(br#"{"id":"c","choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}"#);
    decoder.push(Frame::piece(data.clone()), &mut out).unwrap();
    assert_eq!(out[0].raw, Raw::Frame { wire: WIRE, data });
    assert!(out.iter().skip(1).all(|chunk| chunk.raw == Raw::Covered));
}

#[test]
fn reasoning_details_are_kept_verbatim() {
    let detail = r#"{"type":"reasoning.encrypted","data":"d","index":0}"#;
    let piece = format!(
        r#"{{"id":"c","model":"m","choices":[{{"index":0,"delta":{{"reasoning":"hm","reasoning_details":[{detail},{{"type":"reasoning.text","text":"hm"}}],"content":"a"}},"finish_reason":"stop"}}]}}"#
    );
    let read = |signs: Option<Origin>| {
        let (mut decoder, mut out) = (ChatDecoder::new(false, signs), VecDeque::new());
        decoder.push(Frame::piece(Bytes::from(piece.clone())), &mut out).unwrap();
        out.into_iter().map(|chunk| chunk.event).collect::<Vec<_>>()
    };
    let origin = Origin("relay".into());
    let proof = hotspare_core::Signature { origin: origin.clone(), data: detail.into(), redacted: true };
    assert_eq!(read(Some(origin))[2], Event::ReasoningSignature(proof));
    assert!(!read(None).iter().any(|event| matches!(event, Event::ReasoningSignature(_))));
}

#[test]
fn vendor_specific_error_field_is_an_error() {
    let frame = |error: &str, end: &str| {
        format!(
            r#"{{"id":"c","choices":[{{"delta":{{"content":"x"}},"finish_reason":{end}}}],"x_groq":{{"id":"r","error":{error}}}}}"#
        )
    };
    assert_eq!(run(&sse(&[&frame("\"over_capacity\"", "\"stop\"")]), &[]).1, Err(Kind::Overloaded));
    assert_eq!(run(&sse(&[&frame("null", "\"stop\"")]), &[]).1, Ok(()));
}

proptest! {
    #[test]
    fn chunk_boundaries_do_not_change_events(cuts in prop::collection::vec(0usize..700, 0..10)) {
        let body = sse(&[
            r#"{"id":"c1","choices":[{"delta":{"role":"assistant","content":"é世"}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}}]}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1}}"#,
            "[DONE]",
        ]);
        let mut cuts = cuts;
        cuts.sort_unstable();
        prop_assert_eq!(run(&body, &cuts), run(&body, &[]));
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut framed = b"data: ".to_vec();
        framed.extend(body);
        framed.extend(b"\n\n");
        let _ = run(&framed, &[]);
    }

    #[test]
    fn arbitrary_json_never_panics(inner in "[\\[\\]{}:,\"a-z0-9. -]{0,60}") {
        let _ = run(&sse(&[&format!(r#"{{"choices":[{{"delta":{inner}}}]}}"#)]), &[]);
    }
}
