//! Features of a single wire: where such requests go, and what is reported if they cannot.

use hotspare::{ChatRequest, Json, Kind, Message, Native, Outcome, Part, Role, anthropic, openai};
use hotspare_chaos::WireFormat;
use hotspare_tests::Rig;

fn native(text: &str) -> Native {
    Native::new(anthropic::WIRE, Json::parse(text).unwrap())
}

#[tokio::test]
async fn provider_side_tools_and_files_go_only_to_their_wire() {
    let tool = native(r#"{"type":"web_search_20250305","name":"web_search"}"#);
    let file = native(r#"{"type":"document","source":{"type":"file","file_id":"f1"}}"#);
    let mut with_tool = ChatRequest::to("chat").user("x");
    with_tool.native_tools.push(tool);
    let with_file = ChatRequest::to("chat").message(Message::new(Role::User, vec![Part::Native(file)]));
    for request in [with_tool, with_file] {
        let rig = Rig::sequential(&[WireFormat::OpenAi, WireFormat::Anthropic]).await;
        let answer = rig.client.chat(request.clone()).await.unwrap();
        assert_eq!(answer.served_by.unwrap().as_str(), "spare");
        assert_eq!(rig.servers[0].stats().requests, 0, "the other wire gets no request");
        for attempt in answer.trail.attempts.iter().filter(|attempt| attempt.target.as_str() == "main") {
            assert!(
                matches!(attempt.outcome, Outcome::Failed { kind: Kind::Unsupported, .. }),
                "{attempt:?}"
            );
        }
        assert!(rig.client.targets()[0].view.usable, "no target is blamed");

        let alone = Rig::sequential(&[WireFormat::OpenAi]).await;
        let error = alone.client.chat(request).await.unwrap_err();
        assert!(matches!(error.kind(), Kind::Unsupported | Kind::NoTarget), "{error}");
    }
}

#[tokio::test]
async fn dropped_fields_are_named_in_the_trail() {
    let body = r#"{"model":"chat","max_tokens":64,"thinking":{"type":"enabled","budget_tokens":1024},
        "messages":[{"role":"user","content":"x"}]}"#;
    let request = anthropic::request(body).unwrap();
    for (wire, noted) in [(WireFormat::OpenAi, true), (WireFormat::Anthropic, false)] {
        let rig = Rig::sequential(&[wire]).await;
        let answer = rig.client.chat(request.clone()).await.unwrap();
        let notes = answer.trail.attempts[0].notes.join("; ");
        assert_eq!(notes.contains("(thinking)"), noted, "{wire:?}: {notes}");
    }
}

#[tokio::test]
async fn raw_answer_is_kept_for_callers_of_its_wire() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let ask = || ChatRequest::to("chat").user("x");
    assert_eq!(
        rig.client.chat(ask().native_wire(openai::WIRE)).await.unwrap().raw.wire(),
        Some(openai::WIRE)
    );
    assert_eq!(rig.client.chat(ask().native_wire(anthropic::WIRE)).await.unwrap().raw.wire(), None);
    assert_eq!(rig.client.chat(ask()).await.unwrap().raw.wire(), None);
}
