//! Prompts that do not fit: counted for each target, skipped, learned from and trimmed.

use super::*;

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
