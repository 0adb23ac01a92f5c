//! What users get without tuning, and what rivals get wrong.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hotspare::{BreakerState, ChatRequest, Client, Event, Kind, Outcome, ReasoningMode, Secret, Sequential};
use hotspare_chaos::{ChaosServer, Fault, FaultPlan, Settings, WireFormat};
use hotspare_tests::until;

struct DefaultRig {
    client: Client,
    servers: Vec<ChaosServer>,
}

/// Targets at servers with these settings behind a plain sequential route with default settings.
async fn default_rig(settings: impl IntoIterator<Item = Settings>) -> DefaultRig {
    let mut builder = Client::builder();
    let mut servers = Vec::new();
    let names = ["main", "spare", "third", "fourth", "fifth"];
    for (name, settings) in names.iter().zip(settings) {
        let wire = settings.wire;
        let server = ChaosServer::start(settings).await.unwrap();
        builder = builder.target(*name, hotspare_tests::endpoint(&server, wire));
        servers.push(server);
    }
    let client =
        builder.route("chat", Sequential::new(names.into_iter().take(servers.len()))).build().unwrap();
    DefaultRig { client, servers }
}

fn sample_request() -> ChatRequest {
    ChatRequest::to("chat").user("what happened?")
}

async fn text(client: &Client) -> Result<String, hotspare::Error> {
    let mut stream = client.stream(sample_request()).await?;
    let mut text = String::new();
    while let Some(event) = stream.next().await {
        if let Event::TextDelta(piece) = event? {
            text.push_str(&piece);
        }
    }
    Ok(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_or_broken_streams_are_rescued_within_fifteen_seconds() {
    let faults = [
        Fault::SlowFirstToken(Duration::from_secs(20)),
        Fault::StallAfter(20),
        Fault::Silence,
        Fault::CutAfter(40),
        Fault::MalformedAfter(30),
        Fault::ErrorEventAfter(59),
    ];
    let cases = faults.map(|fault| {
        tokio::spawn(async move {
            let settings = || Settings::new(WireFormat::OpenAi).tokens(60);
            let rig = default_rig([settings(), settings()]).await;
            rig.servers[0].set_fault(Some(fault)).await;
            let begun = Instant::now();
            let text = text(&rig.client).await.unwrap_or_else(|error| panic!("{fault}: {error}"));
            assert_eq!(text, rig.servers[1].settings().answer.concat(), "{fault}");
            begun.elapsed()
        })
    });
    for case in cases {
        // The mark is part of the promise: five times what a failover needs beyond its limit.
        assert!(case.await.unwrap() < Duration::from_secs(15));
    }
}

#[tokio::test]
async fn single_error_is_retried_in_place_without_opening_a_breaker() {
    for fault in [Fault::Status(500), Fault::ResetBeforeHead] {
        for stream in [false, true] {
            let rig =
                default_rig([Settings::new(WireFormat::OpenAi), Settings::new(WireFormat::OpenAi)]).await;
            rig.servers[0].set_plan(FaultPlan::scripted((0..18).map(|call| (call == 10).then_some(fault))));
            // Fewer calls than a limit is learned from.
            for _ in 0..18 {
                let answer = if stream {
                    rig.client.stream(sample_request()).await.unwrap().into_response().await.unwrap()
                } else {
                    rig.client.chat(sample_request()).await.unwrap()
                };
                assert_eq!(answer.text(), rig.servers[0].settings().answer.concat());
                assert_eq!(answer.served_by.unwrap().as_str(), "main", "{fault}, stream: {stream}");
            }
            let requests = [0, 1].map(|server| rig.servers[server].stats().requests);
            assert_eq!(requests, [19, 0], "{fault}, stream: {stream}");
            assert_eq!(rig.client.targets()[0].view.breaker, BreakerState::Closed);
        }
    }
}

#[tokio::test]
async fn failover_target_gets_the_same_rules_as_the_first() {
    let server = || Settings::new(WireFormat::OpenAi);
    let rig = default_rig([server(), server(), server()]).await;
    rig.servers[0].set_fault(Some(Fault::Status(503))).await;
    rig.servers[1].set_fault(Some(Fault::Status(503))).await;
    assert_eq!(rig.client.chat(sample_request()).await.unwrap().served_by.unwrap().as_str(), "third");
}

#[tokio::test]
async fn caller_error_on_the_spare_does_not_disable_it() {
    let server = || Settings::new(WireFormat::OpenAi);
    let rig = default_rig([server(), server()]).await;
    rig.servers[0].set_fault(Some(Fault::Refuse)).await;
    rig.servers[1].set_fault(Some(Fault::Status(400))).await;
    for _ in 0..20 {
        assert_eq!(rig.client.chat(sample_request()).await.unwrap_err().kind(), Kind::InvalidRequest);
    }
    rig.servers[1].set_fault(None).await;
    assert_eq!(rig.client.chat(sample_request()).await.unwrap().served_by.unwrap().as_str(), "spare");
}

/// Response headers are no answer: whatever a 200 turns out to be, the caller gets the spare's answer.
#[tokio::test]
async fn response_headers_do_not_commit() {
    let faults = [
        Fault::CutAfter(0),
        Fault::ResetAfterBytes(120),
        Fault::ErrorEventAfter(0),
        Fault::OnlyDone,
        Fault::Html200,
        Fault::Empty200,
        Fault::CleanEndAfter(0),
    ];
    for fault in faults {
        let rig =
            default_rig([Settings::new(WireFormat::OpenAi), Settings::new(WireFormat::Anthropic)]).await;
        rig.servers[0].set_fault(Some(fault)).await;
        let text = text(&rig.client).await.unwrap_or_else(|error| panic!("{fault}: {error}"));
        assert_eq!(text, rig.servers[1].settings().answer.concat(), "{fault}");
    }
}

#[tokio::test]
async fn auth_billing_and_model_errors_fail_over_to_the_spare() {
    for fault in [Fault::Status(401), Fault::Status(402), Fault::Status(404), Fault::QuotaExhausted] {
        let rig = default_rig([Settings::new(WireFormat::OpenAi), Settings::new(WireFormat::OpenAi)]).await;
        rig.servers[0].set_fault(Some(fault)).await;
        for _ in 0..5 {
            assert_eq!(
                rig.client.chat(sample_request()).await.unwrap().served_by.unwrap().as_str(),
                "spare",
                "{fault}"
            );
        }
        assert_eq!(rig.servers[0].stats().requests, 1, "{fault}: tried only once");
    }
}

#[tokio::test]
async fn total_outage_reports_the_first_cause_and_every_attempt() {
    let rig = default_rig([Settings::new(WireFormat::OpenAi), Settings::new(WireFormat::Anthropic)]).await;
    rig.servers[0].set_fault(Some(Fault::RateLimited(30))).await;
    rig.servers[1].set_fault(Some(Fault::Status(529))).await;
    let error = rig.client.chat(sample_request()).await.unwrap_err();
    assert_eq!((error.kind(), error.target().unwrap().as_str()), (Kind::RateLimited, "main"));
    assert!(error.retry_after().is_some());
    let outcomes: Vec<_> = error.trail().attempts.iter().map(|attempt| &attempt.outcome).collect();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Failed { .. })), "{outcomes:?}");
    assert_eq!(outcomes.len(), 2);
}

/// The caller paused for longer than the gap limit; the provider was not silent.
#[tokio::test(flavor = "multi_thread")]
async fn slow_reader_is_not_blamed_on_the_provider() {
    let rig =
        default_rig([Settings::new(WireFormat::OpenAi).tokens(60), Settings::new(WireFormat::OpenAi)]).await;
    let mut stream = rig.client.stream(sample_request()).await.unwrap();
    let mut pieces = 0;
    while let Some(event) = stream.next().await {
        event.unwrap();
        pieces += 1;
        if pieces == 20 {
            hotspare_tests::pass_time(Duration::from_secs(9)).await;
        }
    }
    assert_eq!(stream.trail().attempts.len(), 1);
    assert_eq!(rig.servers[1].stats().requests, 0);
    assert_unblamed(&rig.client, 1);
}

/// First content after the limit for models that do not reason; twelve concurrent calls, more than a rate needs to be
/// judged.
#[tokio::test(flavor = "multi_thread")]
async fn reasoning_model_is_not_blamed_for_thinking() {
    let server = ChaosServer::start(Settings::new(WireFormat::OpenAi)).await.unwrap();
    server.set_fault(Some(Fault::SlowFirstToken(Duration::from_secs(9)))).await;
    let spare = ChaosServer::start(Settings::new(WireFormat::OpenAi)).await.unwrap();
    let mut profile = hotspare::ModelProfile::default();
    profile.capabilities.reasoning = Some(ReasoningMode::ByDefault);
    let client = Client::builder()
        .target("main", hotspare_tests::endpoint(&server, WireFormat::OpenAi).profile(profile))
        .target("spare", hotspare_tests::endpoint(&spare, WireFormat::OpenAi))
        .route("chat", Sequential::new(["main", "spare"]))
        .build()
        .unwrap();
    let answers = futures::future::join_all((0..12).map(|_| text(&client))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(spare.stats().requests, 0, "no spare was started");
    assert_unblamed(&client, 12);
}

/// The silence of a model that reasons on request means something unless the request asked for reasoning, in whichever
/// words the target's wire has for that.
#[tokio::test(flavor = "multi_thread")]
async fn model_that_was_not_asked_to_reason_gets_the_short_limit() {
    let main = ChaosServer::start(Settings::new(WireFormat::OpenAi)).await.unwrap();
    let spare = ChaosServer::start(Settings::new(WireFormat::OpenAi)).await.unwrap();
    let mut profile = hotspare::ModelProfile::default();
    profile.capabilities.reasoning = Some(ReasoningMode::OnRequest);
    let mut limits = hotspare::Limits::default();
    limits.first_content = Duration::from_millis(200);
    let client = Client::builder()
        .target("main", hotspare_tests::endpoint(&main, WireFormat::OpenAi).profile(profile))
        .target("spare", hotspare_tests::endpoint(&spare, WireFormat::OpenAi))
        .route("chat", hotspare::RouteSpec::new(Sequential::new(["main", "spare"])).limits(limits))
        .build()
        .unwrap();
    // The limit is 200 ms, for reasoning 60 s.
    let (late, in_time) = (Duration::from_secs(60), Duration::from_secs(2));
    for (thinking, delay, server) in
        [(None, late, "spare"), (Some("true"), in_time, "main"), (Some("false"), late, "spare")]
    {
        main.set_fault(Some(Fault::SlowFirstToken(delay))).await;
        let mut request = ChatRequest::to("chat").user("hi");
        if let Some(thinking) = thinking {
            let fields = request.extras.entry("openai-chat".into()).or_default();
            fields.insert("enable_thinking".into(), hotspare::Json::parse(thinking).unwrap());
        }
        let answer = client.stream(request).await.unwrap().into_response().await.unwrap();
        assert_eq!(answer.served_by.unwrap().as_str(), server, "{thinking:?}: {}", answer.trail);
    }
}

/// The first target served this many calls, and its health is untouched.
fn assert_unblamed(client: &Client, served: u64) {
    let main = &client.targets()[0];
    assert_eq!((main.counts.served, main.counts.failed.len()), (served, 0), "{main:?}");
    assert_eq!(main.view.breaker, BreakerState::Closed, "{main:?}");
    assert!(!main.view.degraded && main.view.failure_rate_bp == 0, "{main:?}");
}

#[tokio::test]
async fn all_targets_are_tried_unless_max_targets_is_set() {
    let mut settings = Vec::new();
    settings.resize_with(5, || Settings::new(WireFormat::OpenAi));
    let servers = default_rig(settings).await;
    for server in &servers.servers[..4] {
        server.set_fault(Some(Fault::Status(503))).await;
    }
    let answer = servers.client.chat(sample_request()).await.unwrap();
    assert_eq!(answer.served_by.unwrap().as_str(), "fifth", "by default no limit costs an answer");
    let mut limits = hotspare::Limits::default();
    limits.max_targets = Some(3);
    let mut builder = Client::builder();
    let names = ["a", "b", "c", "d", "e"];
    for (name, server) in names.iter().zip(&servers.servers) {
        builder = builder.target(*name, hotspare_tests::endpoint(server, WireFormat::OpenAi));
    }
    let route = hotspare::RouteSpec::new(Sequential::new(names)).limits(limits);
    let client = builder.route("chat", route).build().unwrap();
    let error = client.chat(sample_request()).await.unwrap_err();
    assert_eq!(error.trail().attempts.len(), 3);
    assert!(error.trail().skipped.iter().any(|skipped| skipped.why.contains("at most 3 targets")));
}

#[tokio::test]
async fn quota_exhausted_by_headers_is_avoided() {
    let nearly = Settings::new(WireFormat::OpenAi)
        .header("x-ratelimit-limit-requests", "100")
        .header("x-ratelimit-remaining-requests", "0")
        .header("x-ratelimit-reset-requests", "60s");
    let rig = default_rig([nearly, Settings::new(WireFormat::OpenAi)]).await;
    assert_eq!(rig.client.chat(sample_request()).await.unwrap().served_by.unwrap().as_str(), "main");
    assert_eq!(rig.client.chat(sample_request()).await.unwrap().served_by.unwrap().as_str(), "spare");
}

#[tokio::test]
async fn key_file_is_reread_when_its_key_is_rejected() {
    let file = std::env::temp_dir().join(format!("hotspare-key-{}", std::process::id()));
    std::fs::write(&file, "sk-old").unwrap();
    let server = ChaosServer::start(Settings::new(WireFormat::OpenAi).key("sk-old")).await.unwrap();
    let target =
        hotspare::openai::target("m").base_url(server.base_url()).key(hotspare::Key::file(file.clone()));
    let client = Client::builder().target("chat", target).build().unwrap();
    client.chat(sample_request()).await.unwrap();
    server.set_settings(server.settings().key("sk-new"));
    std::fs::write(&file, "sk-new\n").unwrap();
    let answer = client.chat(sample_request()).await.unwrap();
    assert_eq!(answer.trail.attempts.len(), 2, "{}", answer.trail);
    assert_eq!(client.chat(sample_request()).await.unwrap().trail.attempts.len(), 1);
    std::fs::remove_file(file).unwrap();
}

/// A source that hangs costs the rejected call a second, and later calls nothing.
#[tokio::test]
async fn hanging_key_source_does_not_block_a_worker_thread() {
    let server = ChaosServer::start(Settings::new(WireFormat::OpenAi).key("sk-new")).await.unwrap();
    let (release, hang) = std::sync::mpsc::channel();
    let (reads, hang) = (AtomicU64::new(0), Mutex::new(hang));
    let key = hotspare::Key::read("the mount", move || {
        if reads.fetch_add(1, Ordering::SeqCst) == 0 {
            return Ok(Secret::new("sk-old"));
        }
        hang.lock().unwrap().recv().map_err(|_| "gone")?;
        Ok(Secret::new("sk-new"))
    });
    let target = hotspare::openai::target("m").base_url(server.base_url()).key(key);
    let client = Client::builder().target("chat", target).build().unwrap();
    // This runtime has one thread: if it read the source, the test would never end.
    assert_eq!(client.chat(sample_request()).await.unwrap_err().kind(), Kind::Auth);
    client.chat(sample_request()).await.unwrap_err();
    release.send(()).unwrap();
    until("the new key is used", async || client.chat(sample_request()).await.is_ok()).await;
}

/// A recovered target carries traffic again even at a low rate: no breaker waits for a volume that never comes.
#[tokio::test(flavor = "multi_thread")]
async fn recovered_target_is_found_at_a_low_request_rate() {
    let rig = default_rig([Settings::new(WireFormat::OpenAi), Settings::new(WireFormat::OpenAi)]).await;
    rig.servers[0].set_fault(Some(Fault::Status(503))).await;
    // It answers no request: four failures in a row open its breaker.
    for _ in 0..4 {
        rig.client.chat(sample_request()).await.unwrap();
    }
    assert_eq!(rig.client.targets()[0].view.breaker, BreakerState::Open);
    rig.servers[0].set_fault(None).await;
    let back = Instant::now();
    loop {
        let answer = rig.client.chat(sample_request()).await.unwrap();
        if answer.served_by.unwrap().as_str() == "main" {
            break;
        }
        assert!(back.elapsed() < Duration::from_secs(30));
        hotspare_tests::pass_time(Duration::from_secs(2)).await;
    }
}
