//! Encoded requests, field by field.

use hotspare_core::{Json, Media, Origin, Reasoning, Signature, Tool, ToolCall, ToolResult};
use serde_json::{Value, json};

use super::*;
use crate::ORIGIN;

impl Destination<'static> {
    /// The model `m` at Anthropic itself.
    pub(crate) fn author(stream: bool) -> Self {
        Self { host: Host::AUTHOR, model: "m", stream, betas: Vec::new() }
    }
}

fn encoded(request: &ChatRequest) -> Value {
    serde_json::from_slice(&body(request, &Destination::author(false)).unwrap()).unwrap()
}

#[test]
fn merges_consecutive_turns_and_hoists_instructions() {
    let request = ChatRequest::to("r")
        .system("one")
        .message(Message::text(Role::Developer, "two"))
        .user("a")
        .user("b")
        .assistant("c")
        .message(Message::system("later"));
    let value = encoded(&request);
    assert_eq!(value["system"], "one\n\ntwo");
    let roles: Vec<&str> =
        value["messages"].as_array().unwrap().iter().map(|turn| turn["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    assert_eq!(value["max_tokens"], DEFAULT_MAX_TOKENS);
}

#[test]
fn tool_results_share_the_rewritten_call_id() {
    let foreign = "call:1/ä";
    let request = ChatRequest::to("r")
        .user("hi")
        .message(Message::new(
            Role::Assistant,
            vec![Part::ToolCall(ToolCall::new(foreign, "f", "{\"x\":1}"))],
        ))
        .message(Message::tool(ToolResult::new(foreign, "done").with_error(true)))
        .tool(Tool::new("f", Json::parse(r#"{"z":1,"a":2}"#).unwrap()));
    let raw = String::from_utf8(body(&request, &Destination::author(false)).unwrap()).unwrap();
    assert!(raw.contains(r#"{"z":1,"a":2}"#), "the order of a schema's keys is kept: {raw}");
    let value: Value = serde_json::from_str(&raw).unwrap();
    let id = &value["messages"][1]["content"][0]["id"];
    assert_eq!(*id, value["messages"][2]["content"][0]["tool_use_id"]);
    assert!(id.as_str().unwrap().chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'));
    assert_eq!(value["messages"][2]["content"][0]["is_error"], true);
}

#[test]
fn reasoning_is_replayed_only_to_its_origin() {
    let thought = |origin: &str| {
        let signature = Signature { origin: Origin(origin.into()), data: "S".into(), redacted: false };
        Part::Reasoning(Reasoning::new("hm").with_signature(signature))
    };
    let turn =
        Message::new(Role::Assistant, vec![thought("someone else"), thought(ORIGIN), Part::Text("x".into())]);
    let value = encoded(&ChatRequest::to("r").user("hi").message(turn));
    let blocks = value["messages"][1]["content"].as_array().unwrap();
    assert_eq!(blocks.len(), 2);
    assert_eq!(blocks[0]["type"], "thinking");
}

#[test]
fn nothing_is_dropped_silently() {
    let kind = |request: ChatRequest| body(&request, &Destination::author(false)).unwrap_err().kind();
    assert_eq!(kind(ChatRequest::to("r").user("x").output(OutputFormat::JsonObject)), Kind::Unsupported);
    assert_eq!(kind(ChatRequest::to("r").system("only instructions")), Kind::InvalidRequest);
}

/// The provider refuses them; an answer that runs on past one is better than none.
#[test]
fn stop_sequences_of_white_space_are_left_out_if_others_remain() {
    let stopped = |stops: &[&str]| {
        let mut request = ChatRequest::to("r").user("x").max_output(9);
        request.stop = stops.iter().map(|text| (*text).to_owned()).collect();
        request
    };
    let mixed = stopped(&["\n\n", "", "Human:"]);
    assert_eq!(encoded(&mixed)["stop_sequences"], json!(["Human:"]));
    assert_eq!(notes(&mixed), ["dropped: stop sequences of white space"]);
    assert!(notes(&stopped(&["Human:", ""])).is_empty());
    assert!(encoded(&stopped(&[""]))["stop_sequences"].is_null());
    let error = body(&stopped(&["\n\n", ""]), &Destination::author(false)).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
}

#[test]
fn adjusted_settings_are_noted() {
    let request = ChatRequest::to("r").user("x").temperature(1.5);
    let value = encoded(&request);
    assert_eq!((&value["temperature"], &value["max_tokens"]), (&json!(1.0), &json!(DEFAULT_MAX_TOKENS)));
    let notes = notes(&request);
    assert_eq!(notes[0], "temperature 1.5 lowered to 1");
    assert!(notes[1].starts_with("limited the answer to 4096 tokens"), "{notes:?}");
    assert!(super::notes(&ChatRequest::to("r").user("x").temperature(0.5).max_output(9)).is_empty());
}

#[test]
fn host_changes_only_the_leading_body_fields() {
    let request = ChatRequest::to("r").system("s").user("x").max_output(7);
    let at = |host, stream| -> Value {
        let to = Destination { host, model: "m", stream, betas: vec!["b1", "b2"] };
        serde_json::from_slice(&body(&request, &to).unwrap()).unwrap()
    };
    let rest = json!({"max_tokens": 7, "system": "s", "messages": [{"role": "user", "content": "x"}]});
    for (host, stream, head) in [
        (Host::AUTHOR, true, json!({"model": "m", "stream": true})),
        (Host::VERTEX, true, json!({"anthropic_version": "vertex-2023-10-16", "stream": true})),
        (Host::VERTEX, false, json!({"anthropic_version": "vertex-2023-10-16"})),
        (
            Host::BEDROCK,
            true,
            json!({"anthropic_version": "bedrock-2023-05-31", "anthropic_beta": ["b1", "b2"]}),
        ),
    ] {
        let mut expected = rest.clone();
        expected.as_object_mut().unwrap().extend(head.as_object().unwrap().clone());
        assert_eq!(at(host, stream), expected, "{host:?}");
    }
}

#[test]
fn betas_are_sent_as_a_header_not_in_the_body() {
    use hotspare_provider::{Outbound, Wire};
    let mut request = ChatRequest::to("r").user("x");
    let betas = Json::from(Value::from("a-2026,b-2026"));
    request.extras.entry(WIRE.into()).or_default().insert(BETA.into(), betas);
    let wire = crate::Anthropic::new().with_header(BETA, "own-2026").unwrap();
    let sent = wire.encode(&Outbound::new(std::sync::Arc::new(request), "m", false)).unwrap();
    let headers: Vec<_> = sent.headers.get_all(BETA).iter().collect();
    assert_eq!(headers, ["own-2026", "a-2026,b-2026"]);
    assert!(!String::from_utf8(sent.body.to_vec()).unwrap().contains("2026"));
}

#[test]
fn blank_text_blocks_are_omitted() {
    let call = Part::ToolCall(ToolCall::new("c", "f", ""));
    let request = ChatRequest::to("r")
        .user("hi")
        .message(Message::new(Role::Assistant, vec![Part::Text("\n\n".into()), call]))
        .message(Message::tool(ToolResult::new("c", " ")))
        .assistant(" \n")
        .user("and?");
    let turns = &encoded(&request)["messages"];
    let call = json!({"type": "tool_use", "id": "c", "name": "f", "input": {}});
    assert_eq!(turns[1]["content"], json!([call]));
    let result = json!({"type": "tool_result", "tool_use_id": "c", "content": []});
    assert_eq!(turns[2]["content"], json!([result, {"type": "text", "text": "and?"}]));
}

#[test]
fn tool_loop_from_another_origin_continues_without_thinking() {
    let thought = |origin: &str| {
        let signature = Signature { origin: Origin(origin.into()), data: "S".into(), redacted: false };
        Part::Reasoning(Reasoning::new("hm").with_signature(signature))
    };
    let step = |id: &str, first: Option<Part>| {
        let call = Part::ToolCall(ToolCall::new(id, "f", ""));
        Message::new(Role::Assistant, first.into_iter().chain([call]).collect())
    };
    let result = |id: &str| Message::tool(ToolResult::new(id, "done"));
    let asked = |kind: &str, first: Option<Part>, speaks: bool| {
        let mut request = ChatRequest::to("r").max_output(9_000).user("hi");
        request = request.message(step("1", first)).message(result("1"));
        request = request.message(step("2", None)).message(result("2"));
        if speaks {
            request = request.assistant("there").user("and now?");
        }
        let thinking = json!({"type": kind, "budget_tokens": 1_024});
        request.extras.entry(WIRE.into()).or_default().insert(THINKING.into(), thinking.into());
        (encoded(&request)[THINKING].is_object(), notes(&request).len())
    };
    assert_eq!(asked("enabled", Some(thought(ORIGIN)), false), (true, 0), "its own loop");
    assert_eq!(asked("enabled", Some(thought("someone else")), false), (false, 1));
    assert_eq!(asked("enabled", None, false), (false, 1));
    assert_eq!(asked("enabled", None, true), (true, 0), "the loop is over");
    assert_eq!(asked("adaptive", None, false), (true, 0), "it decides for itself");
}

#[test]
fn media_named_by_a_url_go_only_to_hosts_that_fetch_it() {
    let to = |host| Destination { host, ..Destination::author(false) };
    let url = || Part::Image(Media::from_url("https://x/a.png"));
    let asked = ChatRequest::to("r").message(Message::new(Role::User, vec![url()]));
    let found = ChatRequest::to("r")
        .user("hi")
        .message(Message::new(Role::Assistant, vec![Part::ToolCall(ToolCall::new("1", "f", ""))]))
        .message(Message::tool(ToolResult::from_parts("1", vec![url()])));
    for request in [asked, found] {
        body(&request, &to(Host::AUTHOR)).unwrap();
        for host in [Host::BEDROCK, Host::VERTEX] {
            let error = body(&request, &to(host)).unwrap_err();
            let message = "this host accepts images and documents as bytes, not by URL";
            assert_eq!((error.kind(), error.message()), (Kind::Unsupported, message), "{}", host.id);
        }
    }
    let bytes = Part::Image(Media::from_url("data:image/png;base64,AAAA"));
    let request = ChatRequest::to("r").message(Message::new(Role::User, vec![bytes]));
    body(&request, &to(Host::VERTEX)).unwrap();
}

/// Hosts close a connection whose headers are too large, which would count against them.
#[test]
fn betas_of_a_request_are_bounded() {
    use hotspare_provider::{Outbound, Wire};
    let encode = |host: Host, betas: &str| {
        let request = ChatRequest::to("m").user("x").extra(WIRE, BETA, Value::from(betas));
        let call = Outbound::new(std::sync::Arc::new(request), "m", true);
        crate::Anthropic::at(host, "http://h").encode(&call).map(drop).map_err(|error| error.kind())
    };
    for host in [Host::AUTHOR, Host::BEDROCK] {
        assert_eq!(encode(host, &"b".repeat(4_096)), Ok(()));
        assert_eq!(encode(host, &"b".repeat(4_097)), Err(Kind::InvalidRequest));
    }
    assert_eq!(encode(Host::AUTHOR, "a\nb"), Err(Kind::InvalidRequest));
}
