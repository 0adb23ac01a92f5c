//! Requests that refer to state kept by one provider: they never move, and the trail says why.

use hotspare::{
    ChatRequest, Client, Json, Message, Native, Part, Role, RouteSpec, Sequential, anthropic, openai,
};
use hotspare_chaos::{ChaosServer, Fault, Settings, WireFormat};
use hotspare_tests::endpoint;

async fn servers() -> (Vec<ChaosServer>, Client) {
    let wires =
        [("chat", WireFormat::OpenAi), ("holder", WireFormat::Responses), ("twin", WireFormat::Responses)];
    let mut builder = Client::builder();
    let mut servers = Vec::new();
    for (name, wire) in wires {
        let server = ChaosServer::start(Settings::new(wire)).await.unwrap();
        builder = builder.target(name, endpoint(&server, wire));
        servers.push(server);
    }
    let route = RouteSpec::new(Sequential::new(["chat", "holder", "twin"]));
    (servers, builder.route("r", route).build().unwrap())
}

fn bound_request() -> ChatRequest {
    let mut request = ChatRequest::to("r").user("and then?");
    let fields = request.extras.entry(openai::RESPONSES_WIRE.into()).or_default();
    fields.insert("previous_response_id".into(), Json::parse("\"resp_1\"").unwrap());
    request
}

#[tokio::test]
async fn bound_request_goes_only_to_its_provider() {
    let (servers, client) = servers().await;
    let answer = client.chat(bound_request()).await.unwrap();
    assert_eq!(answer.served_by.as_ref().unwrap().as_str(), "holder");
    let why = "the request is bound to holder: the field previous_response_id";
    let skipped: Vec<_> = answer.trail.skipped.iter().map(|skipped| skipped.why.as_str()).collect();
    assert_eq!(skipped, [why, why]);
    assert_eq!(client.explain(&bound_request()).unwrap().choices.len(), 1);
    servers[1].set_fault(Some(Fault::Status(503))).await;
    for _ in 0..4 {
        let error = client.chat(bound_request()).await.unwrap_err();
        assert_eq!(error.trail().skipped.len(), 2, "{}", error.trail());
        assert!(error.trail().attempts.iter().all(|attempt| attempt.target.as_str() == "holder"));
    }
    assert_eq!((servers[0].stats().requests, servers[2].stats().requests), (0, 0));
}

/// A request without such references moves freely, and one that no target of the route can resolve says so.
#[tokio::test]
async fn unbound_request_fails_over_freely() {
    let (servers, client) = servers().await;
    servers[0].set_fault(Some(Fault::Status(503))).await;
    let free = client.chat(ChatRequest::to("r").user("hi")).await.unwrap();
    assert_eq!(free.served_by.unwrap().as_str(), "holder");
    let lost = ChatRequest::to("r").user("hi").bound_to("another wire", "a cache");
    let error = client.chat(lost).await.unwrap_err();
    assert!(error.to_string().contains("bound to a provider of the wire another wire: a cache"), "{error}");
}

/// The required field has chosen the wire: state of another wire's provider does not hide that of this one.
#[tokio::test]
async fn a_request_with_a_required_field_is_bound_on_the_wire_of_that_field() {
    let mut builder = Client::builder();
    let mut servers = Vec::new();
    for (name, wire) in
        [("other", WireFormat::Responses), ("holder", WireFormat::OpenAi), ("twin", WireFormat::OpenAi)]
    {
        let server = ChaosServer::start(Settings::new(wire)).await.unwrap();
        builder = builder.target(name, endpoint(&server, wire));
        servers.push(server);
    }
    let route = RouteSpec::new(Sequential::new(["other", "holder", "twin"]));
    let client = builder.route("r", route).build().unwrap();
    let file = Json::parse(r#"{"type":"file","file":{"file_id":"f"}}"#).unwrap();
    let file = Part::Native(Native::new(openai::WIRE, file));
    let request = bound_request().message(Message::new(Role::User, vec![file])).required_extra(
        openai::WIRE,
        "service_tier",
        Json::parse("\"flex\"").unwrap(),
    );
    let choices = client.explain(&request).unwrap().choices;
    let targets: Vec<_> = choices.iter().map(|choice| choice.target.as_str()).collect();
    assert_eq!(targets, ["holder"]);
}

/// Features of another wire that matter are never dropped silently, whatever the route's targets.
#[tokio::test]
async fn essential_native_features_are_not_dropped() {
    let server = ChaosServer::start(Settings::new(WireFormat::OpenAi)).await.unwrap();
    let other = ChaosServer::start(Settings::new(WireFormat::Anthropic)).await.unwrap();
    let client = Client::builder()
        .target("chat", endpoint(&server, WireFormat::OpenAi))
        .target("messages", endpoint(&other, WireFormat::Anthropic))
        .build()
        .unwrap();
    let responses = |more: &str| {
        let body = format!(r#"{{"model":"chat","input":"and then?",{more}}}"#);
        openai::ResponsesRequest::parse(body.as_bytes()).unwrap().request
    };
    let messages = |more: &str| {
        let turns = r#""max_tokens":9,"messages":[{"role":"user","content":"hi"}]"#;
        let body = format!(r#"{{"model":"chat",{turns},{more}}}"#);
        anthropic::MessagesRequest::parse(body.as_bytes()).unwrap().request
    };
    let chat = |more: &str| {
        let body = format!(r#"{{"model":"messages","messages":[{{"role":"user","content":"hi"}}],{more}}}"#);
        openai::ChatCompletionsRequest::parse(body.as_bytes()).unwrap().request
    };
    let missed = [
        responses(r#""previous_response_id":"resp_1""#),
        responses(r#""conversation":"conv_1""#),
        responses(r#""prompt":{"id":"p_1"}"#),
        responses(r#""background":true"#),
        messages(r#""container":"c_1""#),
        messages(r#""mcp_servers":[{"type":"url"}]"#),
        chat(r#""web_search_options":{}"#),
        chat(r#""functions":[{"name":"f"}]"#),
        chat(r#""modalities":["text","audio"]"#),
        chat(r#""audio":{"voice":"x"}"#),
        chat(r#""logprobs":true"#),
    ];
    for request in missed {
        let error = client.chat(request.clone()).await.expect_err(&format!("{request:?}"));
        assert_eq!(error.kind(), hotspare::Kind::Unsupported, "{error}");
    }
    assert_eq!((server.stats().requests, other.stats().requests), (0, 0));
    let harmless = [
        responses(r#""previous_response_id":null"#),
        responses(r#""background":false"#),
        messages(r#""mcp_servers":[]"#),
        chat(r#""modalities":["text"]"#),
        chat(r#""logprobs":false"#),
        chat(r#""functions":[]"#),
    ];
    for request in harmless {
        client.chat(request).await.unwrap();
    }
}

/// Hosts of one wire differ in the tools that they run: the holder is the first that runs the request's.
#[test]
fn a_tool_that_the_provider_runs_goes_to_a_host_that_runs_it() {
    let client = Client::builder()
        .target("cloud", anthropic::vertex("p", "us-east5", "claude").key(hotspare_tests::key()))
        .target("author", anthropic::target("claude").key(hotspare_tests::key()))
        .route("r", RouteSpec::new(Sequential::new(["cloud", "author"])))
        .build()
        .unwrap();
    let place = |request: &ChatRequest| {
        let explained = client.explain(request).unwrap();
        let skipped: Vec<_> = explained.skipped.iter().map(|skipped| skipped.why.clone()).collect();
        (explained.choices[0].target.to_string(), skipped)
    };
    let places = |tool: &str| {
        let mut request = ChatRequest::to("r").user("hi");
        let tool = format!(r#"{{"type":"{tool}","name":"t"}}"#);
        request.native_tools.push(Native::new(anthropic::WIRE, Json::parse(&tool).unwrap()));
        place(&request)
    };
    let (first, skipped) = places("web_fetch_20250910");
    assert_eq!((&*first, &skipped[..]), ("author", &["it does not run the tool web_fetch".to_owned()][..]));
    let (first, skipped) = places("web_search_20250305");
    assert!(
        first == "cloud" && skipped[0].starts_with("the request is bound to cloud"),
        "{first} {skipped:?}"
    );
    for (field, value) in [("mcp_servers", r#"[{"type":"url","url":"u"}]"#), ("container", r#""c_1""#)] {
        let mut request = ChatRequest::to("r").user("hi");
        let value = Json::parse(value).unwrap();
        request.extras.entry(anthropic::WIRE.into()).or_default().insert(field.into(), value);
        let why = format!("it does not run what the field {field} asks for");
        assert_eq!(place(&request), ("author".to_owned(), vec![why]));
    }
}
