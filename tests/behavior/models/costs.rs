//! What calls cost, and the limits on it.

use super::*;

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
    let status = client.routes().iter().find(|route| route.name == "chat").unwrap().to_string();
    assert!(status.ends_with(" USD spent of its limit"), "{status}");
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
