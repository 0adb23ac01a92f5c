//! Replies as Bedrock actually sends them, with the same events however the bytes are split.

use bytes::Bytes;
use hotspare_provider::Framer;
use proptest::prelude::*;

use hotspare_core::{Origin, Signature};

use super::*;

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-6";

/// A message of an event stream. The framer's own tests check the checksums against known values.
fn message(kind: &str, name: &str, payload: &str) -> Vec<u8> {
    let which = if kind == "event" { ":event-type" } else { ":exception-type" };
    let mut headers = Vec::new();
    for (header, value) in [(which, name), (":content-type", "application/json"), (":message-type", kind)] {
        headers.push(u8::try_from(header.len()).unwrap());
        headers.extend(header.as_bytes());
        headers.push(7);
        headers.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        headers.extend(value.as_bytes());
    }
    let total = u32::try_from(16 + headers.len() + payload.len()).unwrap();
    let mut out = total.to_be_bytes().to_vec();
    out.extend(u32::try_from(headers.len()).unwrap().to_be_bytes());
    out.extend(crc(&out).to_be_bytes());
    out.extend(headers);
    out.extend(payload.as_bytes());
    out.extend(crc(&out).to_be_bytes());
    out
}

/// CRC-32, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

fn stream(events: &[(&str, &str)]) -> Vec<u8> {
    events.iter().flat_map(|(name, payload)| message("event", name, payload)).collect()
}

fn run(body: &[u8], cuts: &[usize]) -> (Vec<Event>, Result<(), Kind>) {
    let (mut framer, mut decoder) = (EventStream::default(), ConverseDecoder::streamed(CLAUDE, None));
    let (mut frames, mut chunks) = (VecDeque::new(), VecDeque::new());
    let mut result = Ok(());
    let mut from = 0;
    for &cut in cuts.iter().chain([&body.len()]) {
        let cut = cut.clamp(from, body.len());
        result = result.and_then(|()| {
            let pushed = framer.push(Bytes::copy_from_slice(&body[from..cut]), &mut frames);
            while let Some(frame) = frames.pop_front() {
                decoder.push(frame, &mut chunks)?;
            }
            pushed
        });
        from = cut;
    }
    let result = result
        .and_then(|()| framer.finish(&mut frames))
        .and_then(|()| decoder.finish(&mut chunks))
        .map_err(|error: Error| error.kind());
    (chunks.into_iter().map(|chunk| chunk.event).collect(), result)
}

fn everything() -> Vec<u8> {
    stream(&[
        ("messageStart", r#"{"p":"abc","role":"assistant"}"#),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}},"p":"a"}"#,
        ),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"SIG"}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":1,"delta":{"reasoningContent":{"redactedContent":"aGlkZGVu"}}}"#,
        ),
        ("contentBlockStop", r#"{"contentBlockIndex":1}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"text":"Hé世"}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":2}"#),
        ("contentBlockStart", r#"{"contentBlockIndex":3,"start":{"toolUse":{"name":"f","toolUseId":"t1"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":3,"delta":{"toolUse":{"input":""}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":3,"delta":{"toolUse":{"input":"{\"a\":1}"}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":3}"#),
        ("contentBlockStart", r#"{"contentBlockIndex":4,"start":{"toolUse":{"name":"g","toolUseId":"t2"}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":4}"#),
        (
            "contentBlockStart",
            r#"{"contentBlockIndex":5,"start":{"toolUse":{"name":"run","toolUseId":"s","type":"server_tool_use"}}}"#,
        ),
        ("contentBlockDelta", r#"{"contentBlockIndex":5,"delta":{"toolUse":{"input":"{}"}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":5}"#),
        ("messageStop", r#"{"stopReason":"tool_use"}"#),
        (
            "metadata",
            r#"{"metrics":{"latencyMs":1},"usage":{"inputTokens":3,"outputTokens":42,"totalTokens":52,"cacheReadInputTokens":7}}"#,
        ),
    ])
}

#[test]
fn decodes_a_full_stream() {
    let (events, result) = run(&everything(), &[]);
    assert_eq!(result, Ok(()));
    let signature = |data: &str, redacted| {
        Event::ReasoningSignature(Signature {
            origin: Origin("anthropic".into()),
            data: data.into(),
            redacted,
        })
    };
    let mut usage = Usage::reported(Some(10), Some(42));
    usage.cached = Some(7);
    let native =
        Json::parse(r#"{"toolUse":{"input":{},"name":"run","toolUseId":"s","type":"server_tool_use"}}"#);
    assert_eq!(
        events,
        [
            Event::Started { id: None, model: None },
            Event::ReasoningDelta("hm".into()),
            signature("SIG", false),
            signature("hidden", true),
            Event::TextDelta("Hé世".into()),
            Event::ToolStarted { index: 0, id: "t1".into(), name: "f".into() },
            Event::ToolDelta { index: 0, arguments: "{\"a\":1}".into() },
            Event::ToolStarted { index: 1, id: "t2".into(), name: "g".into() },
            Event::ToolDelta { index: 1, arguments: "{}".into() },
            Event::Native(Box::new(Native::new(WIRE, native.unwrap()))),
            Event::Finished(FinishReason::ToolCalls),
            Event::Usage(Box::new(usage)),
        ]
    );
}

fn whole(body: &str) -> (Vec<Event>, Result<(), Kind>) {
    let mut decoder = ConverseDecoder::whole(CLAUDE, Some("req".into()));
    let mut out = VecDeque::new();
    let result = decoder.push(Frame::piece(Bytes::copy_from_slice(body.as_bytes())), &mut out);
    let result = result.and_then(|()| decoder.finish(&mut out)).map_err(|error| error.kind());
    (out.into_iter().map(|chunk| chunk.event).collect(), result)
}

#[test]
fn decodes_an_unstreamed_answer() {
    let (events, result) = whole(
        r#"{"metrics":{"latencyMs":1},"output":{"message":{"content":[
            {"reasoningContent":{"reasoningText":{"signature":"SIG","text":"hm"}}},
            {"text":"hi"},{"citationsContent":{"content":[{"text":" there"}],"citations":[{"title":"t"}]}},
            {"toolUse":{"input":{"b":1,"a":2},"name":"f","toolUseId":"t"}},
            {"toolResult":{"content":[],"toolUseId":"s"}}],"role":"assistant"}},
            "stopReason":"guardrail_intervened","trace":{"guardrail":{}},"usage":{"inputTokens":1,"outputTokens":2}}"#,
    );
    assert_eq!(result, Ok(()));
    assert_eq!(events[0], Event::Started { id: Some("req".into()), model: None });
    assert!(events.contains(&Event::TextDelta(" there".into())), "{events:?}");
    assert!(events.contains(&Event::Annotation(Json::parse(r#"{"title":"t"}"#).unwrap())));
    assert!(events.contains(&Event::ToolDelta { index: 0, arguments: r#"{"b":1,"a":2}"#.into() }));
    assert!(events.iter().any(|event| matches!(event, Event::Native(_))));
    assert!(events.iter().any(|event| matches!(event, Event::Other { kind, .. } if kind == "trace")));
    assert_eq!(events.last(), Some(&Event::Finished(FinishReason::ContentFilter)));
}

#[test]
fn incomplete_or_failed_answers_are_errors() {
    let start = ("messageStart", "{}");
    let text = ("contentBlockDelta", r#"{"delta":{"text":"x"}}"#);
    assert_eq!(run(&stream(&[start, text]), &[]).1, Err(Kind::Truncated));
    assert_eq!(run(b"", &[]).1, Err(Kind::Protocol));
    let thrown =
        [stream(&[start, text]), message("exception", "throttlingException", r#"{"message":"slow"}"#)]
            .concat();
    let (events, result) = run(&thrown, &[]);
    assert_eq!((events.len(), result), (2, Err(Kind::RateLimited)));
    assert_eq!(
        run(&stream(&[start, ("messageStop", r#"{"stopReason":"malformed_tool_use"}"#)]), &[]).1,
        Err(Kind::BadOutput)
    );
    assert_eq!(
        run(&stream(&[("contentBlockDelta", r#"{"delta":{"toolUse":{"input":"{}"}}}"#)]), &[]).1,
        Err(Kind::Protocol)
    );
    assert_eq!(whole("{}").1, Err(Kind::Protocol));
    assert_eq!(
        whole(r#"{"message":"Too many requests","__type":"ThrottlingException"}"#).1,
        Err(Kind::RateLimited)
    );
    assert_eq!(whole(r#"{"output":{"message":{"content":[{"text":"x"}]}}}"#).1, Err(Kind::Truncated));
}

#[test]
fn maps_every_stop_reason() {
    for (word, expected) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("tool_use", FinishReason::ToolCalls),
        ("content_filtered", FinishReason::ContentFilter),
        ("guardrail_intervened", FinishReason::ContentFilter),
        ("brand_new", FinishReason::Other("brand_new".into())),
    ] {
        let (events, _) = whole(&format!(
            r#"{{"output":{{"message":{{"content":[{{"text":"x"}}]}}}},"stopReason":"{word}"}}"#
        ));
        assert_eq!(events.last(), Some(&Event::Finished(expected)), "{word}");
    }
}

#[test]
fn number_of_open_blocks_is_bounded() {
    let many: Vec<u8> = (0..100)
        .flat_map(|at| {
            let start = format!(
                r#"{{"contentBlockIndex":{at},"start":{{"toolUse":{{"name":"f","toolUseId":"t{at}"}}}}}}"#
            );
            message("event", "contentBlockStart", &start)
        })
        .collect();
    assert_eq!(run(&many, &[]).1, Err(Kind::Protocol));
}

proptest! {
    #[test]
    fn chunk_boundaries_do_not_change_events(cuts in prop::collection::vec(0usize..3_500, 0..12)) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        prop_assert_eq!(run(&everything(), &cuts), run(&everything(), &[]));
    }

    #[test]
    fn arbitrary_payloads_never_panic(name in "(messageStart|contentBlockStart|contentBlockDelta|contentBlockStop|messageStop|metadata|x)",
        inner in "[\\[\\]{}:,\"a-z0-9. -]{0,60}", body in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = run(&message("event", &name, &format!(r#"{{"contentBlockIndex":0,"start":{inner},"delta":{inner}}}"#)), &[]);
        let _ = run(&message("event", &name, &inner), &[]);
        let _ = whole(&String::from_utf8_lossy(&body));
        let _ = whole(&format!(r#"{{"output":{{"message":{{"content":[{inner}]}}}}}}"#));
    }
}

#[test]
fn service_tier_is_read_from_the_end_of_a_stream() {
    for (tier, read) in [(r#"{"type":"priority"}"#, true), (r#""priority""#, false), ("7", false)] {
        let metadata = format!(r#"{{"usage":{{"inputTokens":1,"outputTokens":1}},"serviceTier":{tier}}}"#);
        let body = stream(&[
            ("messageStart", r#"{"role":"assistant"}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"a"}}"#),
            ("messageStop", r#"{"stopReason":"end_turn"}"#),
            ("metadata", &metadata),
        ]);
        let (events, result) = run(&body, &[]);
        assert_eq!(result, Ok(()), "{tier}");
        assert_eq!(events.contains(&Event::ServiceTier("priority".into())), read, "{events:?}");
    }
}
