//! An answer from the spare is as usable as one from the main target: form, prompts, history, money.

use hotspare::{
    ChatRequest, Client, Cost, Endpoint, Event, Json, Kind, ModelProfile, OutputFormat, Price, Role,
    RouteSpec, Sequential, Trail,
};
use hotspare_chaos::{ChaosServer, Fault, Scripted, Settings, WireFormat};
use std::sync::Arc;

const GOOD: &str = r#"{"severity": 2, "owner": "ops"}"#;

#[derive(Debug, PartialEq, serde::Deserialize, schemars::JsonSchema)]
struct Triage {
    severity: u8,
    owner: String,
}

fn schema() -> OutputFormat {
    let text = r#"{"type":"object","properties":{"severity":{"type":"integer"},"owner":{"type":"string"}},
                   "required":["severity","owner"],"additionalProperties":false}"#;
    OutputFormat::JsonSchema { name: "triage".into(), schema: Json::parse(text).unwrap(), strict: false }
}

fn sample_request() -> ChatRequest {
    ChatRequest::to("chat").user("Checkout has answered 502 since 09:12.").output(schema())
}

async fn start_server(wire: WireFormat, words: &[&str]) -> ChaosServer {
    ChaosServer::start(Settings::new(wire).answer(words.iter().copied())).await.unwrap()
}

/// The text of a stream, unless it fails, and its trail.
async fn streamed_text(client: &Client, request: ChatRequest) -> (Option<String>, Trail) {
    let mut stream = match client.stream(request).await {
        Ok(stream) => stream,
        Err(error) => return (None, error.trail().clone()),
    };
    let mut text = String::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::TextDelta(delta)) => text.push_str(&delta),
            Ok(_) => {}
            Err(_) => return (None, stream.trail().clone()),
        }
    }
    (Some(text), stream.trail().clone())
}

/// How a model may damage an answer, and how many requests it takes to get a valid one.
const FLAWS: [(&str, &[&str], usize); 10] = [
    ("as asked", &[r#"{"severity": 2,"#, r#" "owner": "ops"}"#], 1),
    ("fenced", &["```json\n", GOOD, "\n```"], 1),
    ("with prose", &["Here you are: ", GOOD, " Anything else?"], 1),
    ("single quotes and a comma", &["{'severity': 2, ", "'owner': 'ops',}"], 1),
    ("respelled keys", &[r#"{"Severity": 2, "#, r#""OWNER": "ops"}"#], 1),
    ("a missing key", &[r#"{"severity": 2}"#], 3),
    ("a wrong type", &[r#"{"severity": "two", "owner": "ops"}"#], 3),
    ("no JSON at all", &["I would rather not."], 3),
    ("half of it, as if complete", &[r#"{"severity": 2, "own"#], 3),
    (CUT, &[r#"{"severity": 2,"#, r#" "owner": "ops"}"#], 2),
];
/// This flaw is a truncated connection.
const CUT: &str = "a connection that ends in the middle";

/// A target that costs 1 and 2 dollars per million tokens.
fn priced_endpoint(server: &ChaosServer, wire: WireFormat) -> Endpoint {
    let mut profile = ModelProfile::default();
    profile.price = Some(Price::micros_per_million(1_000_000, 2_000_000));
    hotspare_tests::endpoint(server, wire).profile(profile)
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_conforms_to_the_schema_despite_every_flaw() {
    println!("flaw, result, how the schema was requested, requests, cost of each");
    for (wires, streamed) in [
        ([WireFormat::OpenAi, WireFormat::Anthropic], false),
        ([WireFormat::OpenAi, WireFormat::Anthropic], true),
        ([WireFormat::Anthropic, WireFormat::OpenAi], false),
    ] {
        for (flaw, words, requests) in FLAWS {
            let main = start_server(wires[0], words).await;
            let spare = start_server(wires[1], &[GOOD]).await;
            if flaw == CUT {
                main.set_fault(Some(Fault::CleanEndAfter(1))).await;
            }
            let client = Client::builder()
                .target("main", priced_endpoint(&main, wires[0]))
                .target("spare", priced_endpoint(&spare, wires[1]))
                .route("chat", Sequential::new(["main", "spare"]))
                .build()
                .unwrap();
            let (text, trail) = if streamed {
                let (text, trail) = streamed_text(&client, sample_request()).await;
                (text.unwrap(), trail)
            } else {
                let answer = client.chat(sample_request()).await.unwrap();
                (answer.text(), answer.trail)
            };
            let attempts = trail.attempts.len();
            let costs: Vec<Cost> = trail.attempts.iter().filter_map(|attempt| attempt.cost).collect();
            let how = match attempts {
                1 if trail.attempts[0].notes.is_empty() => "unchanged",
                1 => "repaired",
                2 => "failed over",
                _ => "re-asked, failed over",
            };
            let wire = if streamed { "stream" } else { "whole" };
            println!("{flaw:37} {how:>22} {wire:6} {attempts}  {costs:?}");
            assert!(costs.iter().all(|cost| *cost > Cost::ZERO), "{costs:?}");
            let value: Triage =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{flaw}: {error} in {text}"));
            assert_eq!(value, Triage { severity: 2, owner: "ops".into() }, "{flaw}");
            assert_eq!(attempts, requests, "{flaw}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn error_names_each_models_violations() {
    for streamed in [false, true] {
        let main = start_server(WireFormat::OpenAi, &["no"]).await;
        let spare = start_server(WireFormat::Anthropic, &[r#"{"severity": 2}"#]).await;
        let client = Client::builder()
            .target("main", priced_endpoint(&main, WireFormat::OpenAi))
            .target("spare", priced_endpoint(&spare, WireFormat::Anthropic))
            .route("chat", Sequential::new(["main", "spare"]))
            .build()
            .unwrap();
        let error = if streamed {
            client.stream(sample_request()).await.map(drop).unwrap_err()
        } else {
            client.chat(sample_request()).await.map(drop).unwrap_err()
        };
        assert_eq!((error.kind(), error.trail().attempts.len()), (Kind::BadOutput, 4), "{error}");
        let said: Vec<&str> = error
            .trail()
            .attempts
            .iter()
            .map(|attempt| match &attempt.outcome {
                hotspare::Outcome::Failed { message, .. } => message.as_str(),
                _ => "",
            })
            .collect();
        assert!(said[..2].iter().all(|said| said.contains("not JSON")), "{said:?}");
        assert!(said[2..].iter().all(|said| said.contains("owner")), "{said:?}");
        let shown = error.trail().to_string();
        assert_eq!((shown.matches("not JSON").count(), shown.matches("owner").count()), (2, 2), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tool_arguments_are_validated_if_the_route_enables_it() {
    // The servers call required tools with arguments of their own.
    let tool = |required: &str| {
        let schema = format!(r#"{{"type":"object","required":[{required}]}}"#);
        hotspare::Tool::new("get_weather", Json::parse(schema).unwrap())
    };
    for (required, fits) in [("", true), ("\"nobody_gives_this\"", false)] {
        for (rule, streamed) in [
            ("never", false),
            ("never", true),
            ("at_end", false),
            ("at_end", true),
            ("before_delivery", true),
        ] {
            let mut rules = hotspare::Rules::default();
            rules.validate_tool_calls = match rule {
                "at_end" => hotspare::ValidateToolCalls::AtEnd,
                "before_delivery" => hotspare::ValidateToolCalls::BeforeDelivery,
                _ => hotspare::ValidateToolCalls::Never,
            };
            let main = start_server(WireFormat::OpenAi, &["x"]).await;
            let client = Client::builder()
                .target("main", hotspare_tests::endpoint(&main, WireFormat::OpenAi))
                .route("chat", RouteSpec::new(Sequential::new(["main"])).rules(rules))
                .build()
                .unwrap();
            let mut request = ChatRequest::to("chat").user("x").tool(tool(required));
            request.tool_choice = Some(hotspare::ToolChoice::Named("get_weather".into()));
            let passes = fits || rule == "never";
            if streamed {
                let mut seen = Vec::new();
                match client.stream(request).await {
                    Ok(mut stream) => {
                        while let Some(event) = stream.next().await {
                            seen.push(event.map_err(|error| error.kind()));
                        }
                    }
                    Err(error) => seen.push(Err(error.kind())),
                }
                let error = seen.iter().find_map(|event| event.as_ref().err().copied());
                assert_eq!(error, (!passes).then_some(Kind::BadOutput), "{rule} {required}");
                let delivered = seen.iter().any(|event| matches!(event, Ok(Event::ToolStarted { .. })));
                assert_eq!(delivered, passes || rule == "at_end", "{rule} {required}");
            } else {
                let answer = client.chat(request).await;
                let kind = answer.as_ref().err().map(hotspare::Error::kind);
                assert_eq!(kind, (!passes).then_some(Kind::BadOutput), "{rule} {required}");
            }
        }
    }
}

#[tokio::test]
async fn typed_answer_is_a_value_or_a_descriptive_error() {
    let scripted = Arc::new(
        Scripted::new().text(r#"{"severity": 300, "owner": "ops"}"#).text(GOOD).text("no").text("still no"),
    );
    let client = Client::builder()
        .target("main", Endpoint::custom(Arc::clone(&scripted) as Arc<dyn hotspare::provider::Provider>, "m"))
        .build()
        .unwrap();
    let request = || ChatRequest::to("main").user("x");
    let answer = client.chat_as::<Triage>(request()).await.unwrap();
    assert_eq!(answer.value, Triage { severity: 2, owner: "ops".into() });
    assert_eq!(answer.trail.attempts.len(), 2, "300 is not a u8, so there was a re-ask");
    let requests = scripted.requests();
    let again = &requests[1].chat().messages;
    assert!(again.last().unwrap().joined_text().contains("/severity"), "{again:?}");

    let error = client.chat_as::<Triage>(request()).await.unwrap_err();
    assert_eq!((error.kind(), error.trail().attempts.len()), (Kind::BadOutput, 2));
    assert!(error.message().contains("not JSON"), "{error}");
}

#[tokio::test]
async fn schema_is_put_in_the_prompt_if_not_enforced() {
    let scripted = Arc::new(Scripted::new().text(GOOD));
    let mut profile = ModelProfile::default();
    profile.capabilities.json_schema = Some(false);
    let provider = Arc::clone(&scripted) as Arc<dyn hotspare::provider::Provider>;
    let client =
        Client::builder().target("main", Endpoint::custom(provider, "m").profile(profile)).build().unwrap();
    let mut request = sample_request().system("Be brief.");
    request.model = "main".into();
    let answer = client.chat(request).await.unwrap();
    assert_eq!(answer.trail.attempts[0].notes, ["the schema is requested in the prompt"]);
    let requests = scripted.requests();
    let sent = requests[0].chat();
    assert_eq!(sent.output, OutputFormat::JsonObject);
    assert!(sent.instructions().unwrap().contains("\"severity\""), "{sent:?}");
}

#[tokio::test]
async fn a_format_is_requested_in_the_prompt_where_tools_exclude_it() {
    let tool = || hotspare::Tool::new("look_up", Json::parse(r#"{"type":"object"}"#).unwrap());
    for output in [schema(), OutputFormat::JsonObject] {
        for (excluded, tools) in [(true, true), (true, false), (false, true)] {
            let scripted = Arc::new(Scripted::new().text("no").text(GOOD));
            let mut profile = ModelProfile::default();
            profile.capabilities.format_with_tools = excluded.then_some(false);
            let provider = Arc::clone(&scripted) as Arc<dyn hotspare::provider::Provider>;
            let endpoint = Endpoint::custom(provider, "m").profile(profile);
            let client = Client::builder().target("chat", endpoint).build().unwrap();
            let mut request = ChatRequest::to("chat").user("x").output(output.clone());
            if tools {
                request = request.tool(tool());
            }
            let answer = client.chat(request).await.unwrap();
            assert_eq!((answer.text().as_str(), answer.trail.attempts.len()), (GOOD, 2), "validated");
            let requests = scripted.requests();
            let sent = requests[0].chat();
            if excluded && tools {
                assert_eq!((&sent.output, sent.tools.len()), (&OutputFormat::Text, 1));
                assert!(
                    sent.instructions().unwrap().starts_with("Unless you call a tool, answer with one JSON")
                );
            } else {
                assert_eq!(sent.output, output);
            }
        }
    }
}

#[tokio::test]
async fn json_is_requested_in_the_prompt_without_json_mode_and_validated() {
    let object = || ChatRequest::to("chat").user("Checkout answers 502.").output(OutputFormat::JsonObject);
    for (words, requests) in [(&["```json\n", GOOD, "\n```"][..], 2), (&["I would rather not."], 3)] {
        for (wire, streamed) in
            [(WireFormat::Anthropic, false), (WireFormat::Anthropic, true), (WireFormat::Bedrock, false)]
        {
            let (main, spare) =
                (start_server(WireFormat::OpenAi, &[GOOD]).await, start_server(wire, words).await);
            main.set_fault(Some(Fault::Status(503))).await;
            let client = Client::builder()
                .target("main", hotspare_tests::endpoint(&main, WireFormat::OpenAi))
                .target("spare", hotspare_tests::endpoint(&spare, wire))
                .route("chat", Sequential::new(["main", "spare"]))
                .build()
                .unwrap();
            let (text, trail) = if streamed {
                streamed_text(&client, object()).await
            } else {
                match client.chat(object()).await {
                    Ok(answer) => (Some(answer.text()), answer.trail),
                    Err(error) => (None, error.trail().clone()),
                }
            };
            assert_eq!(text, (requests == 2).then(|| GOOD.to_owned()), "{trail}");
            assert_eq!(trail.attempts.len(), requests, "{trail}");
            assert!(trail.attempts[0].notes.is_empty(), "the main target has a JSON mode");
            assert_eq!(trail.attempts[1].notes[0], "JSON is requested in the prompt", "{trail}");
        }
    }
}

#[tokio::test]
async fn prompt_is_the_only_request_for_json_if_nothing_is_enforced() {
    let scripted = Arc::new(Scripted::new().text("{'severity': 2, 'owner': 'ops'}").text("[1]").text("{}"));
    let mut profile = ModelProfile::default();
    profile.capabilities.json_schema = Some(false);
    profile.capabilities.json_mode = Some(false);
    let provider = Arc::clone(&scripted) as Arc<dyn hotspare::provider::Provider>;
    let client =
        Client::builder().target("chat", Endpoint::custom(provider, "m").profile(profile)).build().unwrap();
    let answer = client.chat(sample_request()).await.unwrap();
    assert_eq!(serde_json::from_str::<Triage>(&answer.text()).unwrap().owner, "ops");
    assert_eq!(answer.trail.attempts[0].notes[0], "the schema is requested in the prompt");
    let answer =
        client.chat(ChatRequest::to("chat").user("x").output(OutputFormat::JsonObject)).await.unwrap();
    assert_eq!((answer.text().as_str(), answer.trail.attempts.len()), ("{}", 2), "an array is not an object");
    for asked in scripted.requests() {
        let asked = asked.chat();
        assert_eq!(asked.output, OutputFormat::Text);
        assert!(asked.instructions().unwrap().contains("JSON"), "{asked:?}");
    }
}

#[tokio::test]
async fn leading_assistant_turn_is_accepted_by_every_target() {
    let scripted = Arc::new(Scripted::new().text("hi"));
    let mut profile = ModelProfile::default();
    profile.capabilities.assistant_first = Some(false);
    let provider = Arc::clone(&scripted) as Arc<dyn hotspare::provider::Provider>;
    let rig = hotspare_tests::Rig::sequential(&[WireFormat::OpenAi, WireFormat::Anthropic]).await;
    let client =
        Client::builder().target("chat", Endpoint::custom(provider, "m").profile(profile)).build().unwrap();
    let request = || {
        let instructed = ChatRequest::to("chat").system("Be brief.").max_output(99);
        instructed.assistant("How can I help?").user("Checkout is down.")
    };
    let note = "inserted a user turn before the leading assistant turn";
    assert_eq!(client.chat(request()).await.unwrap().trail.attempts[0].notes, [note]);
    let roles: Vec<Role> =
        scripted.requests()[0].chat().messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::User]);

    rig.servers[0].set_fault(Some(Fault::Status(503))).await;
    let answer = rig.client.chat(request()).await.unwrap();
    let attempts = &answer.trail.attempts;
    assert!(attempts[0].notes.is_empty(), "the main target accepts it unchanged: {}", answer.trail);
    assert_eq!(attempts.last().unwrap().notes, [note], "{}", answer.trail);
}

#[tokio::test]
async fn dropped_schema_keywords_are_noted_and_still_validated() {
    let settings = Settings::new(WireFormat::Gemini).answer([r#"{"id":"#, r#""x"}"#]);
    let server = ChaosServer::start(settings).await.unwrap();
    let client = Client::builder()
        .target("main", hotspare_tests::endpoint(&server, WireFormat::Gemini))
        .route("chat", Sequential::new(["main"]))
        .build()
        .unwrap();
    let schema = |pattern: &str| {
        let text =
            format!(r#"{{"type":"object","properties":{{"id":{{"type":"string","pattern":"{pattern}"}}}}}}"#);
        OutputFormat::JsonSchema { name: "n".into(), schema: Json::parse(text).unwrap(), strict: true }
    };
    let answer = client.chat(ChatRequest::to("chat").user("x").output(schema("^x"))).await.unwrap();
    assert_eq!(answer.trail.attempts[0].notes, ["output: removed from the schema: pattern"]);
    let error = client.chat(ChatRequest::to("chat").user("x").output(schema("^y"))).await.unwrap_err();
    assert_eq!(error.kind(), Kind::BadOutput, "{error}");
}

#[tokio::test]
async fn each_target_gets_its_own_prompt_template() {
    let (main, spare) = (Arc::new(Scripted::new().status(503)), Arc::new(Scripted::new().text("hi")));
    let endpoint = |provider: &Arc<Scripted>| {
        Endpoint::custom(Arc::clone(provider) as Arc<dyn hotspare::provider::Provider>, "m")
    };
    let client = Client::builder()
        .target("main", endpoint(&main))
        .target("spare", endpoint(&spare).prompt("{{ system }} You are {{ model }}."))
        .route("chat", Sequential::new(["main", "spare"]))
        .build()
        .unwrap();
    let answer = client.chat(ChatRequest::to("chat").system("Be brief.").user("x")).await.unwrap();
    assert_eq!(main.requests()[0].chat().instructions().unwrap(), "Be brief.");
    assert_eq!(spare.requests()[0].chat().instructions().unwrap(), "Be brief. You are m.");
    let name = |text: &str| hotspare::Template::parse("prompt", text).unwrap().version_name();
    let sent = name("{{ system }} You are {{ model }}.");
    assert_eq!(answer.trail.attempts[1].notes, [format!("prompt {sent}")]);
    assert_ne!(sent, name("{{ system }}"), "the trail tells one text from another");
}

#[test]
fn invalid_template_is_a_config_error() {
    let text = |prompt: &str| {
        format!(
            "[targets.main]\nprovider = {{ like = \"openai\", base_url = \"http://h\" }}\nmodel = \"m\"\nprompt = {prompt}"
        )
    };
    for (prompt, says) in [
        ("{ text = \"{{ sytem }}\" }", "unknown sytem; valid values are model, system"),
        ("{ text = \"{% if %}\" }", "line 1"),
        ("\"prompts/x.j2\"", "was not read"),
        ("{ prefix = \"x\" }", "needs `file` or `text`"),
        ("{ text = \"\", role = \"boss\" }", "unknown prompt.role `boss`"),
        ("{ text = \"\", colour = 1 }", "targets.main.prompt: unknown field `colour`"),
    ] {
        let error = Client::from_toml(&text(prompt)).unwrap_err();
        assert!(error.message().contains(says), "{says} is missing in: {error}");
    }
}

#[tokio::test]
async fn cost_is_counted_and_can_be_limited() {
    let scripted = Arc::new(Scripted::new().status(500).text("four words of text"));
    let mut profile = ModelProfile::default();
    profile.price = Some(Price::micros_per_million(1_000_000, 2_000_000));
    let provider = Arc::clone(&scripted) as Arc<dyn hotspare::provider::Provider>;
    let client = Client::builder()
        .target("main", Endpoint::custom(provider, "m").profile(profile))
        .route("chat", RouteSpec::new(Sequential::new(["main"])))
        .build()
        .unwrap();
    let ask = ChatRequest::to("chat").user("x");
    let answer = client.chat(ask.clone()).await.unwrap();
    assert!(answer.cost().is_some_and(|cost| cost > Cost::ZERO), "{}", answer.trail);
    assert_eq!(client.targets()[0].counts.cost, answer.cost().unwrap());
    let error = client.chat(ask.max_cost(Cost::ZERO)).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::InvalidRequest, Some("no_target_left")));
}
