//! Custom providers and validators, and streamed answers that are collected.

use std::sync::Arc;

use hotspare::policy::Next;
use hotspare::strategy::{Choice, Ranking, Reason, Scene, Strategy};
use hotspare::{
    ChatRequest, Client, Endpoint, Error, Event, FinishReason, Kind, RouteSpec, Sequential, TargetId,
};
use hotspare_chaos::Scripted;

/// Health belongs to a provider, whatever its name: two that look alike do not affect each other.
#[tokio::test]
async fn custom_providers_have_separate_health() {
    let (broken, well) = (Scripted::new().status(500), Scripted::new().status(500).text("hi"));
    let client = Client::builder()
        .target("main", Endpoint::custom(Arc::new(broken), "m"))
        .target("spare", Endpoint::custom(Arc::new(well), "m"))
        .route("chat", RouteSpec::new(Sequential::new(["main", "spare"])))
        .build()
        .unwrap();
    for _ in 0..12 {
        client.chat(ChatRequest::to("chat").user("x")).await.unwrap();
    }
    let usable: Vec<bool> = client.targets().iter().map(|target| target.view.usable).collect();
    assert_eq!(usable, [false, true]);
}

/// Settings that only the transport's owner can apply are not silently ignored, least of all a proxy.
#[test]
fn settings_a_custom_transport_ignores_are_config_errors() {
    let provider = Arc::new(Scripted::new().text("hi"));
    let custom = || Endpoint::custom(provider.clone(), "m");
    let why = |client: Result<Client, Error>| client.unwrap_err().message().to_owned();
    let told = why(Client::builder().target("a", custom().proxy("http://127.0.0.1:1")).build());
    assert!(told.contains("proxy, ca and connect_timeout: no effect"), "{told}");
    let told = why(Client::builder().target("a", custom().deadline_header("x-deadline")).build());
    assert!(told.contains("deadline_header: no effect"), "{told}");
    Client::builder().target("a", custom()).build().unwrap();
}

/// The last target first.
#[derive(Debug)]
struct Reversed(Vec<TargetId>);

impl Strategy for Reversed {
    fn name(&self) -> &'static str {
        "backwards"
    }

    fn members(&self) -> Vec<TargetId> {
        self.0.clone()
    }

    fn rank(&self, scene: &Scene<'_>) -> Ranking {
        let why = || Reason::Own("the last first".into());
        Ranking {
            choices: (0..scene.candidates.len()).rev().map(|index| Choice::new(index, why())).collect(),
        }
    }
}

/// The facade exports all types that its traits and policies name.
#[tokio::test]
async fn own_strategy_needs_only_the_facade() {
    let provider = |provider: Scripted| Endpoint::custom(Arc::new(provider), "m");
    let client = Client::builder()
        .target("main", provider(Scripted::new().text("hi")))
        .target("spare", provider(Scripted::new().status(503)))
        .route("chat", Reversed(vec!["main".into(), "spare".into()]))
        .build()
        .unwrap();
    let answer = client.chat(ChatRequest::to("chat").user("x")).await.unwrap();
    let tried: Vec<&str> = answer.trail.attempts.iter().map(|attempt| attempt.target.as_str()).collect();
    assert_eq!(tried, ["spare", "main"]);
    assert_eq!(Kind::Overloaded.policy().next, Next::Move);
}

#[tokio::test]
async fn stream_can_be_collected_into_a_response() {
    let call = Event::ToolStarted { index: 0, id: "call_1".into(), name: "look".into() };
    let arguments = Event::ToolDelta { index: 0, arguments: "{\"at\":1}".into() };
    let events =
        [Event::TextDelta("I look.".into()), call, arguments, Event::Finished(FinishReason::ToolCalls)];
    let scripted = Scripted::new().events(events);
    let client = Client::builder().target("a", Endpoint::custom(Arc::new(scripted), "m")).build().unwrap();
    let whole = client.stream(ChatRequest::to("a").user("x")).await.unwrap().into_response().await.unwrap();
    assert_eq!((whole.text().as_str(), whole.finish.clone()), ("I look.", FinishReason::ToolCalls));
    assert_eq!(whole.tool_calls().map(|call| call.name.as_str()).collect::<Vec<_>>(), ["look"]);
    assert_eq!(whole.served_by.as_ref().map(|target| target.as_str()), Some("a"));
    assert_eq!(whole.trail.attempts.len(), 1);
}

/// An answer that the application's validator rejects counts as a failure of its target.
#[tokio::test]
async fn custom_validator_can_reject_an_answer() {
    let says = |text: &str| Endpoint::custom(Arc::new(Scripted::new().text(text)), "m");
    let client = Client::builder()
        .target("main", says("{\"sum\": 3}"))
        .target("spare", says("{\"sum\": 4}"))
        .route("chat", RouteSpec::new(Sequential::new(["main", "spare"])))
        .build()
        .unwrap();
    let even = |answer: &serde_json::Value| match answer["sum"].as_u64() {
        Some(sum) if sum % 2 == 0 => Ok(()),
        _ => Err(vec![hotspare::Violation::new("/sum", "is not even")]),
    };
    let answer = client.chat_validated(ChatRequest::to("chat").user("x"), even).await.unwrap();
    assert_eq!(answer.served_by.unwrap().as_str(), "spare");
}
