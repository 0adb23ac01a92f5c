//! A model that cannot enforce a schema answers through a tool call, which is visible only in the trail.

use std::sync::Arc;

use hotspare::{
    ChatRequest, Client, Endpoint, Event, FinishReason, Json, Kind, ModelProfile, OutputFormat, Part,
    RouteSpec, Rules, Sequential, Tool, ToolChoice, Trail, ValidateOutput,
};
use hotspare_chaos::{ChaosServer, Fault, Scripted, Settings, WireFormat};

const GOOD: &str = r#"{"severity": 2, "owner": "ops"}"#;
const NOTE: &str = "the schema is requested as a tool call";
const WIRES: [WireFormat; 4] =
    [WireFormat::Anthropic, WireFormat::Bedrock, WireFormat::OpenAi, WireFormat::Responses];

fn sample_request() -> ChatRequest {
    let text = r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","required":["severity","owner"],
                   "properties":{"severity":{"type":"integer"},"owner":{"type":"string"}}}"#;
    let schema = Json::parse(text).unwrap();
    let output = OutputFormat::JsonSchema { name: "triage".into(), schema, strict: true };
    ChatRequest::to("chat").user("Checkout has answered 502 since 09:12.").output(output)
}

fn without_schema_support() -> ModelProfile {
    let mut profile = ModelProfile::default();
    profile.capabilities.json_schema = Some(false);
    profile
}

/// A main target that needs a tool call for schemas, and a spare that enforces them.
struct Pair {
    main: ChaosServer,
    spare: ChaosServer,
    client: Client,
}

impl Pair {
    async fn new(wire: WireFormat, main: Settings, rules: Rules) -> Self {
        let main = ChaosServer::start(main).await.unwrap();
        let spare = ChaosServer::start(Settings::new(WireFormat::OpenAi).answer([GOOD])).await.unwrap();
        let client = Client::builder()
            .target("main", hotspare_tests::endpoint(&main, wire).profile(without_schema_support()))
            .target("spare", hotspare_tests::endpoint(&spare, WireFormat::OpenAi))
            .route("chat", RouteSpec::new(Sequential::new(["main", "spare"])).rules(rules))
            .build()
            .unwrap();
        Self { main, spare, client }
    }
}

/// Refuses in words; only the arguments of its tool call count.
fn tool_call_settings(wire: WireFormat, arguments: &[&str]) -> Settings {
    Settings::new(wire).answer(["I would rather ", "not."]).arguments(arguments.iter().copied())
}

/// The pieces of a stream's text and its end, or the error's kind; there must be no other content.
async fn collect_stream(client: &Client) -> (Vec<String>, Result<FinishReason, Kind>, Trail) {
    let mut stream = match client.stream(sample_request()).await {
        Ok(stream) => stream,
        Err(error) => return (Vec::new(), Err(error.kind()), error.trail().clone()),
    };
    let (mut pieces, mut end) = (Vec::new(), Err(Kind::Truncated));
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(Event::TextDelta(text)) => pieces.push(text),
            Ok(Event::Finished(reason)) => end = Ok(reason),
            Ok(Event::Started { .. } | Event::Usage(_) | Event::Mark) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => end = Err(error.kind()),
        }
    }
    (pieces, end, stream.trail().clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn tool_arguments_become_the_answer() {
    let cases: [(&str, &[&str], usize); 6] = [
        ("as asked", &[r#"{"severity": 2,"#, r#" "owner": "ops"}"#], 1),
        ("respelled keys", &[r#"{"Severity": 2, "#, r#""OWNER": "ops"}"#], 1),
        ("a missing key", &[r#"{"severity": 2}"#], 3),
        ("a wrong type", &[r#"{"severity": "two", "#, r#""owner": "ops"}"#], 3),
        ("no arguments", &["{}"], 3),
        ("no call", &[], 3),
    ];
    println!("arguments, wire, how it was requested, requests");
    for wire in WIRES {
        for (what, arguments, requests) in cases {
            let Pair { main, spare, client } =
                Pair::new(wire, tool_call_settings(wire, arguments), Rules::default()).await;
            let answer = client.chat(sample_request()).await.unwrap();
            let (pieces, end, trail) = collect_stream(&client).await;
            for (form, text, trail) in
                [("whole", answer.text(), &answer.trail), ("stream", pieces.concat(), &trail)]
            {
                let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!(value, serde_json::json!({"severity": 2, "owner": "ops"}), "{what} at {wire:?}");
                println!("{what:25} {wire:10?} {form:6} {}", trail.attempts.len());
                assert_eq!(trail.attempts.len(), requests, "{what} at {wire:?}: {trail}");
                assert_eq!(trail.attempts[0].notes[0], NOTE, "{trail}");
                let elsewhere = trail.attempts.last().filter(|last| last.target.as_str() == "spare");
                assert!(elsewhere.is_none_or(|last| !last.notes.iter().any(|note| note == NOTE)), "{trail}");
            }
            assert_eq!((answer.finish.clone(), end), (FinishReason::Stop, Ok(FinishReason::Stop)));
            assert!(matches!(answer.content.as_slice(), [Part::Text(_)]), "{:?}", answer.content);
            if requests == 1 {
                assert_eq!(answer.raw.wire(), None, "the frame contains a tool call");
            }
            let asked = (main.stats().requests, spare.stats().requests);
            assert_eq!(asked, if requests == 1 { (2, 0) } else { (4, 2) }, "{what} at {wire:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_stream_through_when_validated_at_the_end() {
    for (form, wire) in [ValidateOutput::AtEnd, ValidateOutput::Never]
        .into_iter()
        .flat_map(|form| WIRES.map(|wire| (form, wire)))
    {
        let mut rules = Rules::default();
        rules.validate_output = form;
        let whole = [r#"{"severity": 2,"#, r#" "owner": "#, r#""ops"}"#];
        let pair = Pair::new(wire, tool_call_settings(wire, &whole), rules.clone()).await;
        let (pieces, end, trail) = collect_stream(&pair.client).await;
        assert_eq!((pieces.concat(), end), (whole.concat(), Ok(FinishReason::Stop)), "{trail}");
        // This wire's server sends its arguments in one piece.
        assert!(wire == WireFormat::Responses || pieces.len() == 3, "{wire:?}: {pieces:?}");
        // Too late for another target: the verdict comes at the end.
        pair.main.set_settings(tool_call_settings(wire, &[r#"{"severity": 2}"#]));
        let (pieces, end, trail) = collect_stream(&pair.client).await;
        let judged =
            if form == ValidateOutput::Never { Ok(FinishReason::Stop) } else { Err(Kind::BadOutput) };
        assert_eq!((pieces.concat().as_str(), end), (r#"{"severity": 2}"#, judged), "{wire:?} {trail}");
        assert_eq!(pair.spare.stats().requests, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_tool_call_is_never_continued() {
    for (form, served) in [(ValidateOutput::BeforeDelivery, true), (ValidateOutput::AtEnd, false)] {
        for wire in [WireFormat::Anthropic, WireFormat::Bedrock, WireFormat::OpenAi] {
            let mut rules = Rules::default();
            rules.validate_output = form;
            let arguments = [r#"{"severity": 2,"#, r#" "owner": "#, r#""ops"}"#];
            let pair = Pair::new(wire, tool_call_settings(wire, &arguments), rules).await;
            pair.main.set_fault(Some(Fault::CleanEndAfter(2))).await;
            let (pieces, end, trail) = collect_stream(&pair.client).await;
            if served {
                // The caller had received nothing yet, so the spare gives the whole answer.
                assert_eq!((pieces.concat().as_str(), end), (GOOD, Ok(FinishReason::Stop)), "{trail}");
            } else {
                assert_eq!((pieces.concat().as_str(), end), (arguments[0], Err(Kind::Truncated)), "{trail}");
                assert_eq!(pair.spare.stats().requests, 0, "{trail}");
            }
        }
    }
}

#[tokio::test]
async fn text_answer_is_validated_instead_of_a_tool_call() {
    for wire in WIRES {
        let settings = tool_call_settings(wire, &[]).answer(["Here you are: ", GOOD, " Anything else?"]);
        let pair = Pair::new(wire, settings, Rules::default()).await;
        let answer = pair.client.chat(sample_request()).await.unwrap();
        assert_eq!((answer.text().as_str(), answer.trail.attempts.len()), (GOOD, 1), "{}", answer.trail);
        assert_eq!(answer.trail.attempts[0].notes.last().unwrap(), "repaired: prose ×1");
        assert_eq!(pair.main.stats().requests, 1);
    }
}

#[tokio::test]
async fn answer_tool_is_used_only_where_compatible() {
    let tool = || Tool::new("look_up", Json::parse(r#"{"type":"object"}"#).unwrap());
    let list = Json::parse(r#"{"type":"array"}"#).unwrap();
    let list = OutputFormat::JsonSchema { name: "list".into(), schema: list, strict: false };
    let mut thinks = sample_request();
    thinks.reasoning_effort = Some("high".into());
    let mut unthinking = sample_request();
    unthinking.reasoning_effort = Some("none".into());
    let native = |profile: &mut ModelProfile| profile.capabilities.json_schema = Some(true);
    let toolless = |profile: &mut ModelProfile| profile.capabilities.tools = Some(false);
    let as_it_is = |_: &mut ModelProfile| {};
    let unforced = |profile: &mut ModelProfile| profile.capabilities.forced_tool = None;
    type Change = fn(&mut ModelProfile);
    let cases: [(ChatRequest, Change, bool); 8] = [
        (sample_request(), as_it_is, true),
        (unthinking, as_it_is, true),
        (sample_request().tool(tool()), as_it_is, false),
        (thinks, as_it_is, false),
        (sample_request().output(list), as_it_is, false),
        (sample_request(), native, false),
        (sample_request(), toolless, false),
        (sample_request(), unforced, false),
    ];
    for (at, (request, change, by_tool)) in cases.into_iter().enumerate() {
        let scripted = Arc::new(Scripted::new().text(GOOD));
        let mut profile = without_schema_support();
        profile.capabilities.forced_tool = Some(true);
        change(&mut profile);
        let provider = Arc::clone(&scripted) as Arc<dyn hotspare::provider::Provider>;
        let endpoint = Endpoint::custom(provider, "m").profile(profile);
        let client = Client::builder().target("chat", endpoint).build().unwrap();
        let _judged = client.chat(request.clone()).await;
        let sent = scripted.requests()[0].chat().clone();
        if by_tool {
            assert_eq!(sent.tool_choice, Some(ToolChoice::Named("triage".into())), "case {at}");
            assert_eq!((sent.tools.len(), &sent.output), (1, &OutputFormat::Text), "case {at}");
            assert!(!sent.tools[0].parameters.as_str().contains("$schema"), "case {at}: {sent:?}");
        } else {
            assert_eq!((&sent.tools, &sent.tool_choice), (&request.tools, &None), "case {at}");
        }
    }
}

#[tokio::test]
async fn reask_by_tool_includes_the_violations() {
    let scripted = Arc::new(Scripted::new().text(r#"{"severity": 2}"#).text(GOOD));
    let mut profile = without_schema_support();
    profile.capabilities.forced_tool = Some(true);
    let provider = Arc::clone(&scripted) as Arc<dyn hotspare::provider::Provider>;
    let endpoint = Endpoint::custom(provider, "m").profile(profile);
    let client = Client::builder().target("chat", endpoint).build().unwrap();
    let answer = client.chat(sample_request()).await.unwrap();
    assert_eq!(answer.text(), GOOD);
    let [first, again] = &scripted.requests()[..] else { panic!("{}", answer.trail) };
    assert_eq!(
        (&again.chat().tools, &again.chat().tool_choice),
        (&first.chat().tools, &first.chat().tool_choice)
    );
    let turns = &again.chat().messages[first.chat().messages.len()..];
    assert_eq!(turns[0].joined_text(), r#"{"severity": 2}"#);
    assert!(turns[1].joined_text().contains("owner"), "{turns:?}");
}
