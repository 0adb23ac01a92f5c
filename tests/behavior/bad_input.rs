//! Bad input: every case ends in a clear, typed error within its limit, and no key is ever shown.

use std::sync::Arc;

use hotspare::{
    ChatRequest, Client, Endpoint, Json, Key, Kind, Message, Part, Race, Role, Secret, Sequential, Tiered,
    Tool, ToolChoice, anthropic, cohere, gemini, openai,
};
use hotspare_chaos::{ChaosServer, Fault, Scripted, Settings, WireFormat};
use hotspare_tests::{LogCapture, Rig, limits_for};

const PLANTED_KEY: &str = "sk-planted-0123456789";

#[tokio::test]
async fn invalid_requests_are_typed_errors() {
    let rig = Rig::sequential(&[WireFormat::OpenAi, WireFormat::Anthropic]).await;
    let cases = [
        (ChatRequest::to("chat"), Kind::InvalidRequest, "no messages"),
        (ChatRequest::to("caht").user("x"), Kind::InvalidRequest, "did you mean `chat`"),
        (
            ChatRequest::to("chat").user("x").only(["mian"]),
            Kind::InvalidRequest,
            "unknown target `mian`; did you mean `main`",
        ),
        (ChatRequest::to("chat").user("x").without(["nope"]), Kind::InvalidRequest, "unknown target `nope`"),
        (
            ChatRequest::to("chat").user("x").temperature(f64::NAN),
            Kind::InvalidRequest,
            "not a finite number",
        ),
        (ChatRequest::to("chat").user("x").max_output(0), Kind::InvalidRequest, "at least 1"),
        (
            ChatRequest::to("chat")
                .user("x")
                .tool(Tool::new("find", Json::parse(r#"{"type":"object"}"#).unwrap()))
                .tool_choice(ToolChoice::Named("search".into())),
            Kind::InvalidRequest,
            "names the tool `search`, which the request does not offer; it offers find",
        ),
        (
            ChatRequest::to("chat").user("x").tool_choice(ToolChoice::Named("search".into())),
            Kind::InvalidRequest,
            "demands a call of the tool `search`, but the request offers no tools; add tools or omit tool_choice",
        ),
        (
            ChatRequest::to("chat").user("x").without(["main", "spare"]),
            Kind::InvalidRequest,
            "the option `without` leaves no target of the route `chat`",
        ),
        (
            ChatRequest::to("main").user("x").only(["spare"]),
            Kind::InvalidRequest,
            "the option `only` leaves no target of the route `main`",
        ),
        (
            ChatRequest::to("chat").user("x").only(["main"]).without(["main"]),
            Kind::InvalidRequest,
            "the options `only` and `without` leave no target",
        ),
    ];
    for (request, kind, text) in cases {
        let error = rig.client.chat(request).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
    let find = Tool::new("find", Json::parse("{}").unwrap());
    let mut tuned = ChatRequest::to("chat").user("x").tool(find);
    tuned.tool_choice = Some(ToolChoice::Named("search".into()));
    tuned.extras.entry("openai-chat".into()).or_default().insert("user".into(), Json::parse("1").unwrap());
    assert_eq!(rig.client.chat(tuned).await.unwrap_err().kind(), Kind::InvalidRequest);
    let odd = Message::new(Role::User, vec![Part::Text("nul \0, \u{202e}, emoji 🦀, lone \u{fffd}".into())]);
    rig.client.chat(ChatRequest::to("chat").message(odd)).await.unwrap();
}

/// No reply causes a panic, a hang or an unbounded buffer; without a spare it is a typed error.
#[tokio::test]
async fn every_fault_ends_in_an_answer_or_a_typed_error() {
    for fault in Fault::examples() {
        for (wire, stream) in
            [(WireFormat::OpenAi, false), (WireFormat::OpenAi, true), (WireFormat::Anthropic, true)]
        {
            let rig = Rig::limited(&[wire], limits_for(fault)).await;
            rig.servers[0].set_fault(Some(fault)).await;
            let request = ChatRequest::to("chat").user("x").deadline(std::time::Duration::from_millis(900));
            let error = if stream {
                match rig.client.stream(request).await {
                    Ok(mut stream) => {
                        let mut last = None;
                        while let Some(event) = stream.next().await {
                            last = event.err();
                        }
                        last
                    }
                    Err(error) => Some(error),
                }
            } else {
                rig.client.chat(request).await.err()
            };
            // Slow is not wrong: without another target, the answer is awaited until the deadline.
            let slow = matches!(fault, Fault::SlowDrip(_) | Fault::SlowFirstToken(_));
            // A slow drip of an unstreamed answer, or one damaged frame followed by intact ones, may still be a
            // success.
            assert!(slow || error.is_some(), "{fault} {wire:?} {stream}: passed as a success");
        }
    }
}

#[tokio::test]
async fn keys_never_appear_in_output() {
    let server = ChaosServer::start(Settings::new(WireFormat::OpenAi).key("another")).await.unwrap();
    let endpoint =
        openai::target("m").base_url(server.base_url()).key(Key::from_secret(Secret::new(PLANTED_KEY)));
    let client =
        Client::builder().target("main", endpoint).route("chat", Sequential::new(["main"])).build().unwrap();
    let error = client.chat(ChatRequest::to("chat").user("x")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Auth);
    let shown = format!("{error} {error:?} {} {client:?} {:?}", error.public_message(), client.targets());
    assert!(!shown.contains(PLANTED_KEY) && !shown.contains("planted"), "{shown}");
    let twice = openai::target("m")
        .base_url("http://127.0.0.1:1")
        .header("x", "y")
        .key(Key::from_secret(Secret::new(PLANTED_KEY)));
    assert!(!format!("{twice:?}").contains(PLANTED_KEY));
}

#[tokio::test]
async fn each_key_can_be_checked_individually() {
    let server = ChaosServer::start(Settings::new(WireFormat::OpenAi).key("right")).await.unwrap();
    let key = |text: &str| Key::from_secret(Secret::new(text));
    let endpoint = openai::target("m").base_url(server.base_url()).key(key("wrong")).key(key("right"));
    let client = Client::builder().target("main", endpoint).build().unwrap();
    let target = &client.targets()[0];
    assert_eq!(target.keys.len(), 2);
    assert_eq!(client.check_key(&target.id, 1).await.unwrap_err().kind(), Kind::Auth);
    client.check_key(&target.id, 2).await.unwrap();
    assert_eq!(client.check_key("nobody", 1).await.unwrap_err().kind(), Kind::Config);
    for key in [0, 3] {
        let absent = client.check_key(&target.id, key).await.unwrap_err();
        assert_eq!(absent.kind(), Kind::Config);
        assert!(absent.message().contains(&format!("there is no key {key}, counted from 1")), "{absent}");
    }
    assert!(client.targets()[0].view.usable, "health is unaffected");
}

/// Captures all logs, down to TRACE, while a key is rejected, a target fails over, and two race.
#[tokio::test]
async fn logs_contain_neither_keys_nor_prompts() {
    let log = LogCapture::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("hotspare=trace")
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // Global: with a per-thread subscriber, events get lost while other tests register their callsites.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let main = ChaosServer::start(Settings::new(WireFormat::OpenAi).key("another")).await.unwrap();
    let spare = ChaosServer::start(Settings::new(WireFormat::OpenAi)).await.unwrap();
    let planted = || Key::from_secret(Secret::new(PLANTED_KEY));
    let client = Client::builder()
        .target("logged-main", openai::target("m").base_url(main.base_url()).key(planted()))
        .target("logged-spare", openai::target("m").base_url(spare.base_url()).key(planted()))
        .target("logged-racer", openai::target("m").base_url(spare.base_url()).key(planted()))
        .route("chat", Sequential::new(["logged-main", "logged-spare"]))
        .route("race", Race::new(["logged-spare", "logged-racer"]))
        .build()
        .unwrap();
    for route in ["chat", "chat", "race"] {
        client.chat(ChatRequest::to(route).user("a very private prompt")).await.unwrap();
    }
    let text = log.text();
    for word in ["hotspare.call", "hotspare.attempt", "failing over", "spare"] {
        assert!(text.contains(word), "{word} is missing in:\n{text}");
    }
    assert!(!text.contains("planted") && !text.contains("private"), "{text}");
    // Other tests write to the same log.
    let about = |what: &str, target: &str| {
        let mut lines = log.lines(what);
        lines.retain(|line| line.contains(&format!("target=logged-{target}")));
        lines
    };
    let failovers = about("failing over", "spare");
    assert!(failovers.len() == 2 && failovers.iter().all(|line| line.contains("INFO")), "{text}");
    assert!(failovers[0].contains("logged-main failed (auth, status 401)"), "{failovers:?}");
    assert!(failovers[1].contains("logged-main is blocked (it is disabled (auth: "), "{failovers:?}");
    let races = about("racing", "racer");
    assert!(races.len() == 1 && races[0].contains("DEBUG"), "{text}");
    let lines = log.lines("out of service");
    assert!(lines.iter().any(|line| line.contains("logged-main")), "{text}");
    assert!(lines.iter().all(|line| !line.contains("hotspare.call")), "not part of a call: {lines:?}");
}

#[test]
fn all_builder_errors_are_reported_at_once() {
    let error = Client::builder()
        .target("a", openai::target("").key(Key::env("HOTSPARE_TEST_UNSET")))
        .target("a", openai::target("m").base_url("ftp://host").key(Key::file("/nonexistent")))
        .route("r", Sequential::new(["b"]))
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    for part in [
        "the model's name is empty",
        "HOTSPARE_TEST_UNSET is not set",
        "`a` is defined twice",
        "must begin with http:// or https://",
        "/nonexistent cannot be read",
        "names the target `b`, which does not exist",
    ] {
        assert!(error.message().contains(part), "{part} is missing in:\n{}", error.message());
    }
}

/// Each mistake is one that other clients' settings, or a copied line, lead to.
#[test]
fn copied_settings_are_reported_once_and_by_name() {
    let key = || Key::from_secret(Secret::new("sk-0123456789"));
    let message = |endpoint: Endpoint, members: &[&str]| {
        let builder = Client::builder().target("main", endpoint);
        let error = builder.route("chat", Sequential::new(members.iter().copied())).build().unwrap_err();
        error.message().to_owned()
    };
    let bare: [Endpoint; 4] = [
        openai::target("m").base_url("https://api.openai.com/").into_any(),
        anthropic::target("m").base_url("https://API.anthropic.com").into_any(),
        gemini::target("m").base_url("https://generativelanguage.googleapis.com").into_any(),
        cohere::target("m").base_url("https://api.cohere.com").into_any(),
    ];
    for endpoint in bare {
        let message = message(endpoint.key(key()), &["main"]);
        assert!(message.contains("lacks `/v"), "{message}");
    }
    let own = openai::compatible("http://127.0.0.1:8000", "m");
    let builder = Client::builder().target("main", own.into_any());
    let builder = builder.route("chat", Sequential::new(["main", "main"]));
    let tiers = ["main", "main"].map(|name| Box::new(Sequential::new([name])) as _);
    let client = builder.route("tiers", Tiered::new(tiers.into())).build().unwrap();
    let lints: Vec<String> = client.lint(None).iter().map(ToString::to_string).collect();
    assert!(lints[0].contains("main is named 2 times and is the only target"), "{lints:?}");
    let mut own_path = openai::Dialect::OPENAI;
    own_path.chat_path = "/v1/chat/completions".into();
    let with_path = openai::dialect(&own_path, "m").base_url("https://api.openai.com").key(key());
    Client::builder().target("main", with_path).build().unwrap();
    let empty = openai::target("m").key(Key::from_secret(Secret::new("")));
    assert_eq!(message(empty.into(), &["main"]), "target `main`: the key is empty");
    let twice = openai::compatible("http://127.0.0.1:8000/v1", "m").into_any();
    let builder = Client::builder().target("main", twice.clone()).target("main", twice);
    let error = builder.route("chat", Sequential::new(["main"])).build().unwrap_err();
    assert_eq!(error.message(), "target `main` is defined twice");
}

/// Also with a provider that would take them, so that a test with a scripted provider finds them.
#[tokio::test]
async fn numbers_that_no_wire_accepts_reach_no_provider() {
    let main = Scripted::new().text("hi");
    let client =
        Client::builder().target("chat", Endpoint::custom(Arc::new(main.clone()), "m")).build().unwrap();
    for request in [ChatRequest::to("chat").temperature(f64::NAN), ChatRequest::to("chat").max_output(0)] {
        let error = client.chat(request.user("x")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidRequest, "{error}");
    }
    assert!(main.requests().is_empty());
}

#[test]
fn calls_outside_of_a_runtime_are_refused_with_the_remedy() {
    let client =
        Client::builder().target("chat", openai::compatible("http://127.0.0.1:9/v1", "m")).build().unwrap();
    let chat = || ChatRequest::to("chat").user("x");
    let errors = futures::executor::block_on(async {
        let stream = client.stream(chat()).await.map(drop);
        // Compiled on another thread of the runtime.
        let pattern = serde_json::json!({ "type": "string", "pattern": "^a+$" });
        let schema = client.chat(chat().json_schema("word", pattern)).await.map(drop);
        [client.chat(chat()).await.map(drop), stream, schema, client.check_key("chat", 1).await]
    });
    for error in errors.map(Result::unwrap_err) {
        assert_eq!(error.kind(), Kind::Config, "{error}");
        assert!(error.message().starts_with("no Tokio runtime is running here"), "{error}");
    }
}
