//! Differences between models: windows, prices, tags, refusals, prompts. Which of them a route handles, and what it
//! reports.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use hotspare::provider::Provider;
use hotspare::{
    ChatRequest, Client, Cost, CostKind, Endpoint, Error, Event, FinishReason, Kind, Message, ModelProfile,
    OnRefusal, OutputFormat, Overflow, Part, Price, Request, Role, RouteSpec, Rules, Sequential, Template,
    ThinkTags, ToolCall, Trim, Usage, UsageSource,
};
use hotspare_core::Chunk;
use hotspare_provider::{Describe, Outbound, Signal};

mod costs;
mod windows;

/// Answers with these events, the last list repeatedly, and records what it was asked.
#[derive(Debug)]
struct FixedAnswers {
    answers: Vec<Result<Vec<Event>, Error>>,
    received: Mutex<Vec<Arc<ChatRequest>>>,
}

impl FixedAnswers {
    fn new(answers: Vec<Result<Vec<Event>, Error>>) -> Arc<Self> {
        Arc::new(Self { answers, received: Mutex::default() })
    }

    fn text(text: &str) -> Arc<Self> {
        Self::new(vec![Ok(text_events(text))])
    }

    fn requests(&self) -> Vec<Arc<ChatRequest>> {
        self.received.lock().unwrap().clone()
    }
}

impl Describe for FixedAnswers {
    fn wire(&self) -> &'static str {
        "told"
    }
}

#[async_trait]
impl Provider for FixedAnswers {
    async fn send(&self, call: Outbound) -> Result<BoxStream<'static, Result<Signal, Error>>, Error> {
        let mut received = self.received.lock().unwrap();
        let Request::Chat(chat) = call.request else { panic!("no embedding is requested here") };
        received.push(chat);
        let answer = self.answers.get(received.len() - 1).or(self.answers.last()).unwrap().clone()?;
        let chunks = answer.into_iter().map(|event| Ok(Signal::Chunk(Chunk::from(event))));
        Ok(Box::pin(stream::iter([Ok(Signal::Opened(Box::default()))].into_iter().chain(chunks))))
    }
}

fn text_events(text: &str) -> Vec<Event> {
    vec![Event::TextDelta(text.into()), Event::Finished(FinishReason::Stop)]
}

fn text_with_usage(text: &str, input: u64) -> Vec<Event> {
    let mut events = text_events(text);
    events.push(Event::Usage(Box::new(Usage::reported(Some(input), Some(10)))));
    events
}

fn refusal_events() -> Vec<Event> {
    vec![Event::RefusalDelta("I cannot help with that.".into()), Event::Finished(FinishReason::Refusal)]
}

fn with_window(window: u64) -> ModelProfile {
    let mut profile = ModelProfile::default();
    profile.context_window = Some(window);
    profile
}

fn with_price(dollars_per_million: u64) -> ModelProfile {
    let mut profile = ModelProfile::default();
    let micros = dollars_per_million * 1_000_000;
    profile.price = Some(Price::micros_per_million(micros, micros));
    profile
}

fn endpoint(provider: &Arc<FixedAnswers>, profile: ModelProfile) -> Endpoint {
    Endpoint::custom(Arc::clone(provider) as Arc<dyn Provider>, "m").profile(profile)
}

/// Two targets in a row.
fn two_targets(
    a: (&Arc<FixedAnswers>, ModelProfile),
    b: (&Arc<FixedAnswers>, ModelProfile),
    rules: Rules,
) -> Client {
    Client::builder()
        .target("small", endpoint(a.0, a.1).health_group("a"))
        .target("large", endpoint(b.0, b.1).health_group("b"))
        .route("chat", RouteSpec::new(Sequential::new(["small", "large"])).rules(rules))
        .build()
        .unwrap()
}

#[tokio::test]
async fn model_refusal_fails_over_if_the_route_enables_it() {
    for streamed in [false, true] {
        for (rule, spare_answers, expected, received) in [
            (OnRefusal::Deliver, Ok(text_events("yes")), "", 0),
            (OnRefusal::Next, Ok(text_events("yes")), "yes", 1),
            (OnRefusal::Next, Ok(refusal_events()), "", 1),
        ] {
            let mut rules = Rules::default();
            rules.on_refusal = rule;
            let main = FixedAnswers::new(vec![Ok(refusal_events())]);
            let spare = FixedAnswers::new(vec![spare_answers]);
            let client =
                two_targets((&main, ModelProfile::default()), (&spare, ModelProfile::default()), rules);
            let ask = ChatRequest::to("chat").user("x");
            let (text, refusal) = if streamed {
                let mut stream = client.stream(ask).await.unwrap();
                let (mut text, mut refusal) = (String::new(), String::new());
                while let Some(event) = stream.next().await {
                    match event.unwrap() {
                        Event::TextDelta(delta) => text.push_str(&delta),
                        Event::RefusalDelta(delta) => refusal.push_str(&delta),
                        _ => {}
                    }
                }
                (text, refusal)
            } else {
                let answer = client.chat(ask).await.unwrap();
                let refusals = answer.content.iter().filter_map(|part| match part {
                    Part::Refusal(words) => Some(words.as_str()),
                    _ => None,
                });
                (answer.text(), refusals.collect())
            };
            assert_eq!((text.as_str(), spare.requests().len()), (expected, received), "{streamed} {rule:?}");
            assert_eq!(refusal.is_empty(), !expected.is_empty(), "a refusal is an answer too: {refusal}");
            let delivered: u64 = client.targets().iter().map(|target| target.counts.refused).sum();
            assert_eq!(delivered, u64::from(expected.is_empty()));
        }
    }
}

#[tokio::test]
async fn think_tags_in_text_become_reasoning() {
    let pieces = ["<thi", "nk>Two and two", " make four.</th", "ink>\n\nFour."];
    let mut events: Vec<Event> = pieces.iter().map(|piece| Event::TextDelta((*piece).into())).collect();
    events.push(Event::Finished(FinishReason::Stop));
    let provider = FixedAnswers::new(vec![Ok(events)]);
    let client = Client::builder()
        .target("main", endpoint(&provider, ModelProfile::default()).think_tags(ThinkTags::default()))
        .target("plain", endpoint(&provider, ModelProfile::default()))
        .build()
        .unwrap();
    let answer = client.chat(ChatRequest::to("main").user("2+2?")).await.unwrap();
    assert_eq!(answer.text(), "Four.");
    assert!(
        matches!(&answer.content[0], Part::Reasoning(thought) if thought.text == "Two and two make four.")
    );
    let mut stream = client.stream(ChatRequest::to("main").user("2+2?")).await.unwrap();
    let (mut thought, mut text) = (String::new(), String::new());
    while let Some(event) = stream.next().await {
        match event.unwrap() {
            Event::ReasoningDelta(delta) => thought.push_str(&delta),
            Event::TextDelta(delta) => text.push_str(&delta),
            _ => {}
        }
    }
    assert_eq!((thought.as_str(), text.as_str()), ("Two and two make four.", "Four."));
    let plain = client.chat(ChatRequest::to("plain").user("2+2?")).await.unwrap();
    assert!(plain.text().starts_with("<think>"), "tags are split only if configured");
}

#[tokio::test]
async fn tool_calls_get_ids_repaired_arguments_and_usage() {
    let call = |index: u32, id: &str, arguments: &str| {
        [
            Event::ToolStarted { index, id: id.into(), name: "f".into() },
            Event::ToolDelta { index, arguments: arguments.into() },
        ]
    };
    let mut events: Vec<Event> = call(0, "", "{'a': 1,}").into_iter().chain(call(1, "", "{}")).collect();
    events.push(Event::Finished(FinishReason::Stop));
    let provider = FixedAnswers::new(vec![Ok(events)]);
    let client =
        Client::builder().target("main", endpoint(&provider, ModelProfile::default())).build().unwrap();
    let answer = client.chat(ChatRequest::to("main").user("x")).await.unwrap();
    let calls: Vec<&ToolCall> = answer.tool_calls().collect();
    assert_eq!((calls[0].arguments.as_str(), &answer.finish), (r#"{"a": 1}"#, &FinishReason::ToolCalls));
    assert!(!calls[0].id.is_empty() && calls[0].id != calls[1].id, "{calls:?}");
    let notes = &answer.trail.attempts[0].notes;
    assert_eq!(notes, &["tool arguments repaired: single_quotes ×1, trailing_comma ×1"]);
    assert_eq!(answer.usage.source, UsageSource::Estimated, "nothing was reported");
    // What a caller has already received cannot be repaired: when streamed, such arguments are an error.
    let mut stream = client.stream(ChatRequest::to("main").user("x")).await.unwrap();
    let mut last = None;
    while let Some(event) = stream.next().await {
        last = Some(event);
    }
    assert_eq!(last.unwrap().unwrap_err().kind(), Kind::BadOutput);
    let mut events: Vec<Event> = call(0, "", r#"{"a":1}"#).into_iter().chain(call(1, "", "{}")).collect();
    events.push(Event::Finished(FinishReason::Stop));
    let provider = FixedAnswers::new(vec![Ok(events)]);
    let client =
        Client::builder().target("main", endpoint(&provider, ModelProfile::default())).build().unwrap();
    let mut stream = client.stream(ChatRequest::to("main").user("x")).await.unwrap();
    let mut ids = Vec::new();
    while let Some(event) = stream.next().await {
        if let Event::ToolStarted { id, .. } = event.unwrap() {
            ids.push(id);
        }
    }
    let whole: Vec<String> = answer.tool_calls().map(|call| call.id.clone()).collect();
    assert_eq!(ids, whole, "streamed or not, the ids are the same");
}

#[tokio::test]
async fn route_prompts_match_targets_and_families() {
    let (a, b) = (FixedAnswers::text("a"), FixedAnswers::text("b"));
    let own = endpoint(&a, ModelProfile::default()).prompt("own");
    let client = Client::builder()
        .target("one", own)
        .target("two", endpoint(&b, ModelProfile::default()))
        .route("family", RouteSpec::new(Sequential::new(["one"])).prompt("m*", "{{ system }} family"))
        .route("named", RouteSpec::new(Sequential::new(["one"])).prompt("m*", "f").prompt("one", "named"))
        .route("plain", Sequential::new(["one"]))
        .build()
        .unwrap();
    let mut trails = Vec::new();
    for route in ["family", "named", "plain"] {
        let answer = client.chat(ChatRequest::to(route).system("sys").user("x")).await.unwrap();
        trails.push(answer.trail.attempts[0].notes[0].clone());
    }
    let sent: Vec<String> = a.requests().iter().map(|request| request.instructions().unwrap()).collect();
    assert_eq!(sent, ["sys family", "named", "own"]);
    assert!(trails[0].starts_with("prompt m* (") && trails[1].starts_with("prompt one ("), "{trails:?}");
    assert_eq!(client.check_prompts(), Ok(3));
    let nobody = Client::builder()
        .target("one", endpoint(&a, ModelProfile::default()))
        .route("r", RouteSpec::new(Sequential::new(["one"])).prompt("gpt*", "x").prompt("one", "{{ nope }}"))
        .build()
        .unwrap_err();
    assert!(nobody.message().contains("`gpt*`, which matches none"), "{nobody}");
    assert!(nobody.message().contains("unknown nope"), "{nobody}");
}

#[test]
fn lint_names_a_weaker_spare() {
    let text = r#"
        [targets.main]
        provider = { like = "openai", base_url = "http://h" }
        model = "m"
        profile = { like = "anthropic/claude-haiku-4-5" }
        [targets.spare]
        provider = { like = "openai", base_url = "http://h" }
        model = "n"
        profile = { context_window = 8_192, max_output = 4_096, tools = false, vision = true, price = { input = 9.0, output = 9.0 } }
        [targets.odd]
        provider = { like = "openai", base_url = "http://h" }
        model = "nobody-knows-me"
        [targets.strange]
        provider = { like = "anthropic", base_url = "http://h" }
        model = "nobody-knows-me"
        [targets.unpriced]
        provider = { like = "openai", base_url = "http://h" }
        model = "own"
        profile = { context_window = 8_192, vision = true }
        [routes.chat]
        targets = ["main", "spare"]
        [routes.judged]
        targets = ["main", "unpriced"]
        limits.max_reask_cost = "0.05 USD"
    "#;
    let client = Client::from_toml(text).unwrap();
    let lints: Vec<String> = client.lint(Some("2026-01-01")).iter().map(ToString::to_string).collect();
    for expected in [
        "route chat: spare cannot call tools",
        "route chat: spare is not known to enforce a JSON Schema",
        "route chat: spare has a smaller window: 8192 tokens beside 200000",
        "route chat: spare has a smaller longest answer: 4096 tokens beside 64000",
        "route chat: spare costs 3.0 times as much",
        "route odd: odd is not in the catalogue: its window and price are unknown; set its profile",
        "route strange: strange is not in the catalogue: its window and price are unknown; set its profile",
        "route unpriced: unpriced has no known price, so requests with a maximum cost skip it; set `price` in its profile",
        "route judged: unpriced has no known price, so `limits.max_reask_cost` lets it never be asked again; set `price` in its profile",
    ] {
        assert!(lints.iter().any(|lint| lint == expected), "{expected}: {lints:#?}");
    }
    assert!(!lints.iter().any(|lint| lint.contains("images")), "{lints:#?}");
}

#[tokio::test]
async fn sampling_is_dropped_for_models_without_it() {
    let provider = FixedAnswers::text("x");
    let mut profile = ModelProfile::default();
    profile.capabilities.sampling = Some(false);
    let client = Client::builder().target("main", endpoint(&provider, profile)).build().unwrap();
    let ask = ChatRequest::to("main").message(Message::text(Role::User, "x")).temperature(0.2);
    let answer = client.chat(ask).await.unwrap();
    assert_eq!(provider.requests()[0].sampling, hotspare::Sampling::default());
    assert!(answer.trail.attempts[0].notes[0].contains("accepts none"), "{}", answer.trail);
}
