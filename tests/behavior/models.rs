//! Differences between models: windows, prices, tags, refusals, prompts. Which of them a route handles, and what it
//! reports.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use hotspare::{
    ChatRequest, Client, Cost, CostKind, Endpoint, Error, Event, FinishReason, Kind, Message, ModelProfile,
    OnRefusal, OutputFormat, Overflow, Part, Price, Provider, Request, Role, RouteSpec, Rules, Sequential,
    Template, ThinkTags, ToolCall, Trim, Usage, UsageSource,
};
use hotspare_core::Chunk;
use hotspare_provider::{Describe, Outbound, Signal};

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
    profile.price = Some(Price::per_million(micros, micros));
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

fn long_request(words: usize) -> ChatRequest {
    ChatRequest::to("chat").user("word ".repeat(words)).max_output(100)
}

/// A template whose text is far longer than the request.
fn long_template(words: usize) -> Template {
    Template::parse("long", &"word ".repeat(words)).unwrap()
}

#[tokio::test]
async fn prompt_template_counts_in_its_own_targets_window_only() {
    let (small, large) = (FixedAnswers::text("small"), FixedAnswers::text("large"));
    let client = Client::builder()
        .target("small", endpoint(&small, with_window(4_096)).template("long", long_template(9_000)))
        .target("large", endpoint(&large, with_window(4_096)))
        .route("chat", RouteSpec::new(Sequential::new(["small", "large"])))
        .build()
        .unwrap();
    let explained = client.explain(&long_request(10)).unwrap();
    let choices: Vec<_> = explained.choices.iter().map(|choice| choice.prompt_tokens).collect();
    assert_eq!((choices, explained.prompt_tokens), (vec![18], 18));
    let answer = client.chat(long_request(10)).await.unwrap();
    assert_eq!((answer.text().as_str(), small.requests().len()), ("large", 0));
    let why = &answer.trail.skipped[0].why;
    assert!(why.contains("needs about 91") && why.ends_with("with its prompt template"), "{why}");
}

/// The target counts exactly what it is sent, so its scale stays the usual one.
#[tokio::test]
async fn counts_of_a_templated_prompt_are_not_blamed_on_the_request() {
    let target = FixedAnswers::new(vec![Ok(text_with_usage("x", 5_022))]);
    let client = Client::builder()
        .target("small", endpoint(&target, ModelProfile::default()).template("long", long_template(5_000)))
        .build()
        .unwrap();
    let mut request = long_request(10);
    request.model = "small".into();
    let estimate = || client.explain(&request).unwrap().choices[0].prompt_tokens;
    let before = estimate();
    for _ in 0..20 {
        client.chat(request.clone()).await.unwrap();
    }
    let after = estimate();
    assert!((5_000..5_050).contains(&before) && before.abs_diff(after) < 50, "{before} {after}");
}

#[tokio::test]
async fn target_is_not_asked_again_if_its_answer_no_longer_fits_beside_the_prompt() {
    let long = FixedAnswers::text(&"[1] ".repeat(2_000));
    let large = FixedAnswers::text("{}");
    let client = two_targets((&long, with_window(4_096)), (&large, with_window(100_000)), Rules::default());
    let mut request = long_request(2_500);
    request.output = OutputFormat::JsonObject;
    let answer = client.chat(request).await.unwrap();
    assert_eq!((answer.text().as_str(), long.requests().len()), ("{}", 1));
    let why = &answer.trail.skipped[0].why;
    assert!(
        why.starts_with("not asked again: the request needs about") && why.contains("holds 4096"),
        "{why}"
    );
}

#[tokio::test]
async fn window_named_in_a_rejection_decides_who_is_asked_next() {
    let rejection =
        Error::new(Kind::ContextOverflow, "too long").with_overflow(Overflow::new(None, Some(4_096)));
    let unknown = FixedAnswers::new(vec![Err(rejection)]);
    let (same, large) = (FixedAnswers::text("same"), FixedAnswers::text("large"));
    let client = Client::builder()
        .target("unknown", endpoint(&unknown, ModelProfile::default()).health_group("a"))
        .target("same", endpoint(&same, with_window(4_096)).health_group("b"))
        .target("large", endpoint(&large, with_window(100_000)).health_group("c"))
        .route("chat", RouteSpec::new(Sequential::new(["unknown", "same", "large"])))
        .build()
        .unwrap();
    let answer = client.chat(long_request(4_200)).await.unwrap();
    assert_eq!(
        (answer.text().as_str(), same.requests().len()),
        ("large", 0),
        "no larger than what was named"
    );
    client.chat(long_request(4_200)).await.unwrap();
    assert_eq!(unknown.requests().len(), 1);
}

#[tokio::test]
async fn oversized_prompt_is_not_sent_and_the_error_names_the_numbers() {
    let (small, large) = (FixedAnswers::text("small"), FixedAnswers::text("large"));
    let client = two_targets((&small, with_window(4_096)), (&large, with_window(100_000)), Rules::default());
    let answer = client.chat(long_request(9_000)).await.unwrap();
    assert_eq!((answer.text().as_str(), small.requests().len()), ("large", 0));
    let why = &answer.trail.skipped[0].why;
    assert!(why.contains("needs about 91") && why.contains("holds 4096"), "{why}");
    // Too long for every target: the caller must shorten it.
    let error = client.chat(long_request(200_000)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::ContextOverflow);
    assert!(error.message().contains("holds 100000"), "{error}");
}

#[tokio::test]
async fn context_overflow_fails_over_and_is_remembered() {
    let overflow = Error::new(Kind::ContextOverflow, "too long").with_status(400);
    let small = FixedAnswers::new(vec![Err(overflow), Ok(text_events("small"))]);
    let large = FixedAnswers::text("large");
    // The first one's window is unknown.
    let client =
        two_targets((&small, ModelProfile::default()), (&large, with_window(100_000)), Rules::default());
    let answer = client.chat(long_request(2_000)).await.unwrap();
    assert_eq!((answer.text().as_str(), answer.trail.attempts.len()), ("large", 2));
    let again = client.chat(long_request(2_000)).await.unwrap();
    assert_eq!((again.text().as_str(), again.trail.attempts.len()), ("large", 1));
    assert!(again.trail.skipped[0].why.contains("recently rejected"), "{}", again.trail);
    let shorter = client.chat(long_request(1_000)).await.unwrap();
    assert_eq!(shorter.text(), "small");
}

#[tokio::test]
async fn token_estimates_follow_reported_counts() {
    // It counts three tokens for each that we estimate.
    let answers = (1..=20).map(|n: u64| Ok(text_with_usage("x", n * 300))).collect();
    let (small, large) = (FixedAnswers::new(answers), FixedAnswers::text("large"));
    let client = two_targets((&small, with_window(10_000)), (&large, with_window(100_000)), Rules::default());
    for n in 1..=20 {
        client.chat(long_request(n * 100)).await.unwrap();
    }
    let explained = client.explain(&long_request(4_500)).unwrap();
    assert_eq!(explained.choices.len(), 1, "4,500 words are 13,500 tokens there: {explained}");
    assert!(explained.skipped[0].why.contains("its window holds 10000"), "{explained}");
    assert_eq!(client.explain(&long_request(2_500)).unwrap().choices.len(), 2);
}

#[tokio::test]
async fn trimming_is_opt_in_noted_and_a_last_resort() {
    let mut rules = Rules::default();
    rules.trim = Trim::OldestTurns;
    let (small, large) = (FixedAnswers::text("small"), FixedAnswers::text("large"));
    let mut talk = ChatRequest::to("chat").system("Be brief.").max_output(100);
    for n in 0..10 {
        talk = talk.user(format!("{n} {}", "word ".repeat(500))).assistant("yes");
    }
    let talk = talk.user("And now?");
    let client = two_targets((&small, with_window(2_048)), (&large, with_window(100_000)), rules.clone());
    let answer = client.chat(talk.clone()).await.unwrap();
    assert_eq!(answer.text(), "large", "a target that fits the whole conversation comes first");
    let client = two_targets((&small, with_window(2_048)), (&large, with_window(1_024)), rules);
    let answer = client.chat(talk.clone()).await.unwrap();
    let sent = &small.requests()[0];
    assert_eq!(answer.text(), "small");
    assert!(sent.messages.len() < talk.messages.len() && sent.messages.len() > 3, "{}", sent.messages.len());
    assert_eq!(sent.messages.first(), talk.messages.first());
    assert_eq!(sent.messages.last(), talk.messages.last());
    let missing = talk.messages.len() - sent.messages.len();
    assert_eq!(
        answer.trail.attempts[0].notes,
        [format!("dropped the {missing} oldest messages: the conversation is too long for its window")]
    );
}

#[tokio::test]
async fn spend_limits_apply_per_target_and_route() {
    // Each answer costs 100,000 tokens at 10 dollars a million: a dollar.
    let dear = FixedAnswers::new(vec![Ok(text_with_usage("dear", 100_000))]);
    let cheap = FixedAnswers::new(vec![Ok(text_with_usage("cheap", 100_000))]);
    let dollar = |n: u64| Cost::from_micros(n * 1_000_000);
    let day = Duration::from_secs(86_400);
    let client = Client::builder()
        .target("dear", endpoint(&dear, with_price(10)).spend_limit(dollar(3), day).health_group("a"))
        .target("cheap", endpoint(&cheap, with_price(10)).health_group("b"))
        .route("chat", RouteSpec::new(Sequential::new(["dear", "cheap"])).spend_limit(dollar(5), day))
        .build()
        .unwrap();
    let mut texts = Vec::new();
    for _ in 0..6 {
        match client.chat(ChatRequest::to("chat").user("x")).await {
            Ok(answer) => texts.push(answer.text()),
            Err(error) => {
                assert_eq!(error.kind(), Kind::NoTarget);
                assert!(error.message().contains("of the route's budget"), "{error}");
            }
        }
    }
    assert_eq!(texts, ["dear", "dear", "dear", "cheap", "cheap"]);
    assert_eq!(client.targets()[0].spent.map(|spent| spent.micros() / 10_000), Some(300));
}

#[test]
fn spend_limit_without_a_known_price_is_a_config_error() {
    let text = r#"
        [targets.main]
        provider = { like = "openai", base_url = "http://h" }
        model = "nobody-knows-me"
        spend_limit = "5 USD/day"
        [routes.chat]
        targets = ["main"]
        spend_limit = "5 USD/month"
    "#;
    let error = Client::from_toml(text).unwrap_err();
    assert!(error.message().contains("`main` has a spend_limit and no known price"), "{error}");
    assert!(error.message().contains("route `chat` has a spend_limit"), "{error}");
    for (wrong, says) in
        [("5/day", "a spend_limit is an amount"), ("5 USD/year", "hour, day, week and month")]
    {
        let error = Client::from_toml(&text.replace("5 USD/day", wrong)).unwrap_err();
        assert!(error.message().contains(says), "{error}");
    }
}

#[tokio::test]
async fn costs_are_attributed_by_kind() {
    let mut bad = text_with_usage("no JSON", 100_000);
    bad.insert(0, Event::Started { id: None, model: None });
    let main = FixedAnswers::new(vec![Ok(bad.clone()), Ok(bad), Ok(text_with_usage("{}", 100_000))]);
    let spare = FixedAnswers::new(vec![Ok(text_with_usage("{}", 100_000))]);
    let client = two_targets((&main, with_price(10)), (&spare, with_price(10)), Rules::default());
    let ask = || ChatRequest::to("chat").user("x").output(hotspare::OutputFormat::JsonObject);
    let answer = client.chat(ask()).await.unwrap();
    assert_eq!(answer.trail.attempts.len(), 3);
    client.chat(ask()).await.unwrap();
    let targets = client.targets();
    let cents = |place: usize, kind: CostKind| {
        targets[place].counts.costs.get(&kind).map_or(0, |cost| cost.micros() / 10_000)
    };
    let kinds = [CostKind::Useful, CostKind::Failed, CostKind::Reask, CostKind::Loser];
    assert_eq!(kinds.map(|kind| cents(0, kind)), [100, 100, 100, 0]);
    assert_eq!(kinds.map(|kind| cents(1, kind)), [100, 0, 0, 0]);
    let whole: Cost = targets.iter().map(|target| target.counts.cost).sum();
    let by_kind: Cost = targets.iter().flat_map(|target| target.counts.costs.values().copied()).sum();
    assert_eq!(whole, by_kind);
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
async fn cost_limit_limits_the_answer_and_skips_unpriced_targets() {
    let (free, paid) = (FixedAnswers::text("free"), FixedAnswers::text("paid"));
    let client = two_targets((&free, ModelProfile::default()), (&paid, with_price(1_000)), Rules::default());
    // 2 dollars pay for 2,000 tokens.
    let ask = ChatRequest::to("chat").user("x").max_cost(Cost::from_micros(2_000_000));
    let answer = client.chat(ask.clone()).await.unwrap();
    assert_eq!((answer.text().as_str(), free.requests().len()), ("paid", 0));
    let limit = paid.requests()[0].max_output.unwrap();
    assert!((1_950..2_000).contains(&limit), "{limit}");
    let expected = format!("the answer is limited to {limit} tokens by the request's maximum cost");
    assert_eq!(answer.trail.attempts[0].notes, [expected]);
    assert!(answer.trail.skipped[0].why.contains("set `price` in its `profile`"), "{}", answer.trail);

    client.chat(ask.clone().max_output(100)).await.unwrap();
    assert_eq!(paid.requests()[1].max_output, Some(100), "the request's own limit costs less");
    let error = client.chat(ask.clone().max_output(2_000)).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::InvalidRequest, Some("no_target_left")));

    // How much the model can write is not known, and hosts refuse a larger limit.
    client.chat(ask.clone().max_cost(Cost::from_micros(10_000_000))).await.unwrap();
    assert_eq!(paid.requests()[2].max_output, None);

    let mut only_free = ask.clone();
    only_free.options.only = vec!["small".into()];
    let error = client.chat(only_free).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::InvalidRequest, Some("no_target_left")));
    assert!(error.message().contains("no price is known"), "{error}");

    let mut small = with_price(1_000);
    small.max_output = Some(1_500);
    let client = two_targets((&free, small), (&paid, with_price(1_000)), Rules::default());
    client.chat(ask).await.unwrap();
    assert_eq!(free.requests()[0].max_output, None, "no answer can cost more than the limit");

    let client = two_targets((&free, with_price(0)), (&paid, with_price(0)), Rules::default());
    client.chat(ChatRequest::to("chat").user("x").max_cost(Cost::ZERO)).await.unwrap();
    assert_eq!(free.requests()[1].max_output, None, "an answer that costs nothing has no limit");
}

#[tokio::test]
async fn max_output_is_clamped_to_the_model_and_window() {
    let sent = async |max_output: Option<u64>, window: u64, words: usize| {
        let provider = FixedAnswers::text("x");
        let mut profile = ModelProfile::default();
        (profile.context_window, profile.max_output) = (Some(window), Some(64_000));
        profile.capabilities.unlimited_output = Some(false);
        let client = Client::builder().target("main", endpoint(&provider, profile)).build().unwrap();
        let mut ask = ChatRequest::to("main").user("word ".repeat(words));
        ask.max_output = max_output;
        let answer = client.chat(ask).await.unwrap();
        (provider.requests()[0].max_output, answer.trail.attempts[0].notes.clone())
    };
    assert_eq!(sent(None, 200_000, 1).await, (Some(64_000), vec![]), "the wire needs a limit");
    assert_eq!(sent(Some(9), 200_000, 1).await, (Some(9), vec![]));
    let (limit, notes) = sent(Some(100_000), 200_000, 1).await;
    assert_eq!(limit, Some(64_000));
    assert_eq!(notes, ["max_tokens 100000 lowered to 64000, the model's longest answer"]);
    let (limit, _) = sent(None, 100_000, 50_000).await;
    assert!(limit.is_some_and(|limit| (20_000..50_000).contains(&limit)), "beside the prompt: {limit:?}");
    assert_eq!(sent(None, 100_000, 90_000).await.0, None, "the wire's own default");
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
