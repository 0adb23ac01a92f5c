//! Streams and whole answers, in both formats.

use hotspare_provider::Framer;
use proptest::prelude::*;

use super::*;

fn events(body: &[u8], stream: bool, cut: usize) -> Result<Vec<Event>, Error> {
    let mut framer: Box<dyn Framer> =
        if stream { Box::new(Sse::default()) } else { Box::new(Whole::default()) };
    let (mut decoder, mut frames, mut out) =
        (InteractionDecoder::default(), VecDeque::new(), VecDeque::new());
    for piece in body.chunks(cut.max(1)) {
        framer.push(bytes::Bytes::copy_from_slice(piece), &mut frames)?;
    }
    framer.finish(&mut frames)?;
    frames.into_iter().try_for_each(|frame| decoder.push(frame, &mut out))?;
    decoder.finish(&mut out)?;
    Ok(out.into_iter().map(|chunk| chunk.event).collect())
}

fn stream(events: &[&str]) -> String {
    events.iter().map(|data| format!("event: e\ndata: {data}\n\n")).collect()
}

fn usage() -> Event {
    let mut usage = Usage::reported(Some(9), Some(7));
    (usage.cached, usage.reasoning) = (Some(1), Some(5));
    Event::Usage(Box::new(usage))
}

const COUNTS: &str = r#""usage":{"total_input_tokens":8,"total_tool_use_tokens":1,"total_cached_tokens":1,"total_output_tokens":2,"total_thought_tokens":5}"#;

fn steps() -> String {
    stream(&[
        r#"{"event_type":"interaction.created","interaction":{"id":"i","model":"m","status":"in_progress"}}"#,
        r#"{"event_type":"interaction.status_update","interaction_id":"i","status":"in_progress"}"#,
        r#"{"event_type":"step.start","index":0,"step":{"type":"thought"}}"#,
        r#"{"event_type":"step.delta","index":0,"delta":{"type":"thought_summary","content":{"type":"text","text":"hm"}}}"#,
        r#"{"event_type":"step.start","index":1,"step":{"type":"model_output"}}"#,
        r#"{"event_type":"step.delta","index":1,"delta":{"type":"text","text":"é"}}"#,
        r#"{"event_type":"step.stop","index":1}"#,
        r#"{"event_type":"step.start","index":2,"step":{"type":"function_call","id":"c","name":"f","arguments":{}}}"#,
        r#"{"event_type":"step.delta","index":2,"delta":{"type":"arguments_delta","arguments":"{\"x\":1}"}}"#,
        r#"{"event_type":"step.stop","index":2}"#,
        r#"{"event_type":"step.start","index":3,"step":{"type":"function_call","id":"d","name":"g","arguments":{}}}"#,
        r#"{"event_type":"step.stop","index":3}"#,
        &format!(
            r#"{{"event_type":"interaction.completed","interaction":{{"status":"requires_action",{COUNTS}}}}}"#
        ),
        "[DONE]",
    ])
}

fn told() -> Vec<Event> {
    let text = |text: &str| text.to_owned();
    vec![
        Event::Started { id: Some("i".into()), model: Some("m".into()) },
        Event::ReasoningDelta("hm".into()),
        Event::TextDelta("é".into()),
        Event::ToolStarted { index: 0, id: text("c"), name: text("f") },
        Event::ToolDelta { index: 0, arguments: text(r#"{"x":1}"#) },
        Event::ToolStarted { index: 1, id: text("d"), name: text("g") },
        Event::ToolDelta { index: 1, arguments: text("{}") },
        usage(),
        Event::Finished(FinishReason::ToolCalls),
    ]
}

#[test]
fn decodes_streamed_and_unstreamed_answers_alike() {
    assert_eq!(events(steps().as_bytes(), true, 1 << 20).unwrap(), told());
    let steps = concat!(
        r#"{"type":"user_input","content":[{"type":"text","text":"asked"}]},"#,
        r#"{"type":"thought","summary":[{"type":"text","text":"hm"}]},"#,
        r#"{"type":"model_output","content":[{"type":"text","text":"é"}]},"#,
        r#"{"type":"function_call","id":"c","name":"f","arguments":{"x":1}},"#,
        r#"{"type":"function_call","id":"d","name":"g","arguments":{}}"#,
    );
    let whole = format!(r#"{{"id":"i","model":"m","status":"requires_action",{COUNTS},"steps":[{steps}]}}"#);
    assert_eq!(events(whole.as_bytes(), false, 1 << 20).unwrap(), told());
}

#[test]
fn decodes_the_older_event_names() {
    let body = stream(&[
        r#"{"event_type":"interaction.start","interaction":{"id":"i","model":"m"}}"#,
        r#"{"event_type":"content.start","index":0,"content":{"type":"text"}}"#,
        r#"{"event_type":"content.delta","index":0,"delta":{"type":"text","text":"hi"}}"#,
        r#"{"event_type":"content.stop","index":0}"#,
        r#"{"event_type":"content.delta","index":1,"delta":{"type":"function_call","id":"c","name":"f","arguments":{"x":1}}}"#,
        r#"{"event_type":"content.stop","index":1}"#,
        r#"{"event_type":"interaction.complete","interaction":{"status":"completed"}}"#,
    ]);
    let read = events(body.as_bytes(), true, 7).unwrap();
    assert_eq!(read[1], Event::TextDelta("hi".into()));
    assert_eq!(read[3], Event::ToolDelta { index: 0, arguments: r#"{"x":1}"#.into() });
    assert_eq!(read[4], Event::Finished(FinishReason::ToolCalls));
    let whole = r#"{"id":"i","status":"completed","outputs":[{"type":"text","text":"hi"},{"type":"code_execution_call","id":"1"}]}"#;
    let read = events(whole.as_bytes(), false, 7).unwrap();
    assert!(matches!(&read[2], Event::Other { kind, .. } if kind == "code_execution_call"), "{read:?}");
    assert_eq!(read[3], Event::Finished(FinishReason::Stop));
}

#[test]
fn incomplete_or_failed_interactions_are_errors() {
    let kind = |body: &str, stream| events(body.as_bytes(), stream, 1 << 20).unwrap_err().kind();
    let first = r#"{"event_type":"interaction.created","interaction":{"id":"i"}}"#;
    assert_eq!(kind("", true), Kind::Protocol);
    assert_eq!(kind("{}", false), Kind::Protocol);
    assert_eq!(kind(&stream(&[first]), true), Kind::Truncated);
    assert_eq!(kind(r#"{"id":"i","status":"failed"}"#, false), Kind::Server);
    assert_eq!(kind(r#"{"id":"i","status":"in_progress"}"#, false), Kind::Truncated);
    for (code, expected) in [
        ("too_many_requests", Kind::RateLimited),
        ("unavailable", Kind::Overloaded),
        ("internal_error", Kind::Server),
        ("invalid_request", Kind::InvalidRequest),
    ] {
        let error = format!(r#"{{"event_type":"error","error":{{"code":"{code}","message":"m"}}}}"#);
        assert_eq!(kind(&stream(&[first, &error]), true), expected, "{code}");
    }
}

proptest! {
    #[test]
    fn chunk_boundaries_do_not_change_events(cut in 1usize..200) {
        prop_assert_eq!(events(steps().as_bytes(), true, cut).unwrap(), told());
    }

    #[test]
    fn arbitrary_events_never_panic(kind in "[a-z._]{0,12}", inside in "[\\[\\]{}:,\"a-z_]{0,40}") {
        let _ = events(stream(&[&format!("{{\"event_type\":\"{kind}\",{inside}}}")]).as_bytes(), true, 9);
        let _ = events(inside.as_bytes(), false, 9);
    }
}
