//! Several tool calls in one turn, through sockets and through a failover.
//!
//! Invariant: the calls of a turn arrive whole, in order and each with an id of its own, or the turn fails.

use std::collections::BTreeMap;

use hotspare::{
    ChatRequest, Client, Event, Json, Kind, RouteSpec, Rules, Sequential, Tool, ToolChoice, ValidateToolCalls,
};
use hotspare_chaos::{ChaosServer, Fault, Settings, WireFormat};
use hotspare_tests::endpoint;

const WIRES: [WireFormat; 6] = [
    WireFormat::Anthropic,
    WireFormat::Bedrock,
    WireFormat::DeepSeek,
    WireFormat::Gemini,
    WireFormat::OpenAi,
    WireFormat::Responses,
];

/// The frames of a server's stream of two calls, of which one has three pieces and the other two.
const FRAMES: u32 = 8;

fn settings(wire: WireFormat, interleaved: bool) -> Settings {
    let settings = Settings::new(wire)
        .arguments([r#"{"city""#, r#":"Ul"#, r#"m"}"#])
        .further_call([r#"{"zone":"#, r#""CET"}"#]);
    if interleaved { settings.interleaved() } else { settings }
}

/// A client whose stream of calls is held back until they are valid, before two servers of these wires.
async fn pair(wires: [WireFormat; 2], interleaved: bool) -> (ChaosServer, ChaosServer, Client) {
    let main = ChaosServer::start(settings(wires[0], interleaved)).await.unwrap();
    let spare = ChaosServer::start(settings(wires[1], interleaved)).await.unwrap();
    let mut rules = Rules::default();
    rules.validate_tool_calls = ValidateToolCalls::BeforeDelivery;
    let client = Client::builder()
        .target("main", endpoint(&main, wires[0]))
        .target("spare", endpoint(&spare, wires[1]))
        .route("chat", RouteSpec::new(Sequential::new(["main", "spare"])).rules(rules))
        .build()
        .unwrap();
    (main, spare, client)
}

fn request() -> ChatRequest {
    let tool = |name: &str, field: &str| {
        let schema = format!(r#"{{"type":"object","properties":{{"{field}":{{"type":"string"}}}}}}"#);
        Tool::new(name, Json::parse(schema).unwrap())
    };
    let request = ChatRequest::to("chat").user("Weather and time?");
    request.tool(tool("weather", "city")).tool(tool("time", "zone")).tool_choice(ToolChoice::Required)
}

/// Name, id and arguments of each call, in order.
type Calls = Vec<(String, String, String)>;

/// The calls of a stream, and the target that served it.
async fn streamed(client: &Client) -> (Calls, String) {
    let mut stream = client.stream(request()).await.unwrap();
    let mut calls: BTreeMap<u32, (String, String, String)> = BTreeMap::new();
    while let Some(event) = stream.next().await {
        match event.unwrap() {
            Event::ToolStarted { index, id, name, .. } => {
                assert!(calls.insert(index, (name, id, String::new())).is_none(), "a call starts once");
            }
            Event::ToolDelta { index, arguments } => {
                // A call starts before its arguments.
                calls.get_mut(&index).unwrap().2.push_str(&arguments);
            }
            _ => {}
        }
    }
    (calls.into_values().collect(), stream.served_by().unwrap().to_string())
}

async fn whole(client: &Client) -> (Calls, String) {
    let answer = client.chat(request()).await.unwrap();
    let calls = answer.tool_calls();
    let calls = calls.map(|call| (call.name.clone(), call.id.clone(), call.arguments.to_string())).collect();
    (calls, answer.served_by.unwrap().to_string())
}

fn check(calls: &Calls, what: &str) {
    let read: Vec<(&str, serde_json::Value)> = calls
        .iter()
        .map(|(name, _, arguments)| (name.as_str(), serde_json::from_str(arguments).unwrap()))
        .collect();
    let expected =
        [("weather", serde_json::json!({"city": "Ulm"})), ("time", serde_json::json!({"zone": "CET"}))];
    assert_eq!(read, expected, "{what}");
    let ids: Vec<&str> = calls.iter().map(|(_, id, _)| id.as_str()).collect();
    assert!(!ids[0].is_empty() && !ids[1].is_empty() && ids[0] != ids[1], "{what}: {ids:?}");
}

#[tokio::test]
async fn two_calls_of_a_turn_arrive_whole_in_order_and_with_ids() {
    for wire in WIRES {
        for interleaved in [false, true] {
            let (_main, _spare, client) = pair([wire, wire], interleaved).await;
            let what = format!("{wire:?}, interleaved: {interleaved}");
            for (calls, served_by) in [streamed(&client).await, whole(&client).await] {
                check(&calls, &what);
                assert_eq!(served_by, "main", "{what}");
                // The server numbers the calls after the first; Google's wire has no ids.
                let numbered = calls[1].1 == format!("{}_1", calls[0].1);
                assert!(numbered || wire == WireFormat::Gemini, "{what}: {calls:?}");
            }
        }
    }
}

/// Wherever the stream of the main target is cut, nothing of it is mixed with the calls of the spare.
#[tokio::test]
async fn two_calls_arrive_whole_through_a_failover_from_a_cut_stream() {
    for wires in [
        [WireFormat::OpenAi, WireFormat::Anthropic],
        [WireFormat::Anthropic, WireFormat::OpenAi],
        [WireFormat::Responses, WireFormat::Bedrock],
        [WireFormat::Bedrock, WireFormat::Gemini],
    ] {
        for interleaved in [false, true] {
            for at in 0..FRAMES {
                let (main, _spare, client) = pair(wires, interleaved).await;
                main.set_fault(Some(Fault::CutAfter(at))).await;
                let what = format!("{wires:?}, interleaved: {interleaved}, cut after {at}");
                let (calls, served_by) = streamed(&client).await;
                check(&calls, &what);
                assert_eq!(served_by, "spare", "{what}");
            }
            let (main, _spare, client) = pair(wires, interleaved).await;
            main.set_fault(Some(Fault::CutAfter(1))).await;
            let (calls, served_by) = whole(&client).await;
            check(&calls, "whole");
            assert_eq!(served_by, "spare");
        }
    }
}

/// Without a spare, and where calls are delivered as they arrive, a cut turn fails.
#[tokio::test]
async fn a_turn_that_is_cut_between_its_calls_is_no_answer() {
    for wire in [WireFormat::OpenAi, WireFormat::Anthropic] {
        let server = ChaosServer::start(settings(wire, false)).await.unwrap();
        server.set_fault(Some(Fault::CutAfter(4))).await;
        let route = RouteSpec::new(Sequential::new(["main"]));
        let client =
            Client::builder().target("main", endpoint(&server, wire)).route("chat", route).build().unwrap();
        let mut stream = client.stream(request()).await.unwrap();
        let mut last = None;
        while let Some(event) = stream.next().await {
            last = Some(event);
        }
        let error = last.unwrap().unwrap_err();
        assert!(matches!(error.kind(), Kind::Truncated | Kind::Disconnected), "{wire:?}: {error}");
    }
}
