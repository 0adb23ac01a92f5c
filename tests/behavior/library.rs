//! The library as an application uses it: typed answers, listeners, custom HTTP clients and propagated errors.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::time::Duration;

use hotspare::provider::Provider;
use hotspare::{
    CallEnd, ChatRequest, Client, Cost, Endpoint, Event, FinishReason, Json, Key, Kind, ModelProfile,
    Outcome, OutputFormat, Price, Secret, Sequential, Sticky, Weighted, openai,
};
use hotspare_chaos::{ChaosProvider, Fault, FaultPlan, Scripted};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

fn scripted(provider: Scripted) -> Endpoint {
    Endpoint::custom(Arc::new(provider), "m")
}

fn sample_request() -> ChatRequest {
    ChatRequest::to("chat").user("x")
}

#[derive(Debug, PartialEq, serde::Deserialize, schemars::JsonSchema)]
struct Note {
    title: String,
    #[serde(default)]
    tags: Vec<String>,
}

/// Hosts with strict schemas make every property required, so models write null for absent ones.
#[tokio::test]
async fn typed_answers_are_repaired_too() {
    let client = Client::builder()
        .target("chat", scripted(Scripted::new().text(r#"{"title": "a", "tags": null}"#)))
        .build()
        .unwrap();
    let answer = client.chat_as::<Note>(sample_request()).await.unwrap();
    assert_eq!(answer.value, Note { title: "a".into(), tags: Vec::new() });
    assert_eq!(answer.trail.attempts.len(), 1, "{}", answer.trail);
}

/// The validator runs while other tasks of the same thread go on, and nothing that it may need is locked.
#[test]
fn validators_may_block_and_use_their_client() {
    let (report, reported) = mpsc::channel();
    // On a thread of its own, so that a deadlock fails the test instead of hanging it.
    std::thread::spawn(move || {
        let client = Client::builder().target("chat", scripted(Scripted::new().text("[]"))).build().unwrap();
        let (inner, meanwhile) = (client.clone(), client.clone());
        let (begin, begun) = oneshot::channel();
        let (open, opened) = mpsc::channel();
        let gate = Mutex::new((Some(begin), opened));
        let validator = move |_: &serde_json::Value| {
            let mut gate = gate.lock().unwrap();
            gate.0.take().unwrap().send(inner.targets().len()).unwrap();
            gate.1.recv().unwrap();
            Ok(())
        };
        let call =
            async { client.chat_validated(sample_request(), validator).await.map(|answer| answer.text()) };
        let other = async {
            assert_eq!(begun.await, Ok(1));
            assert_eq!(meanwhile.targets().len(), 1);
            open.send(()).unwrap();
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        report.send(runtime.block_on(async { tokio::join!(call, other).0 })).unwrap();
    });
    let answer = reported.recv_timeout(Duration::from_secs(60));
    assert_eq!(answer.expect("the validator holds up the process").unwrap(), "[]");
}

#[tokio::test]
async fn public_message_names_neither_targets_nor_costs() {
    let mut profile = ModelProfile::default();
    profile.price = Some(Price::micros_per_million(1_000_000, 2_000_000));
    let target = scripted(Scripted::new().text("hi")).profile(profile);
    let client = Client::builder()
        .target("acme-prod-eu", target)
        .route("chat", Sequential::new(["acme-prod-eu"]))
        .build()
        .unwrap();
    let error = client.chat(sample_request().max_cost(Cost::ZERO)).await.unwrap_err();
    assert_eq!(
        error.public_message(),
        "the maximum cost is below that of the prompt and the answer at any target of the route `chat`"
    );
    client.cordon("acme-prod-eu").unwrap();
    let error = client.chat(sample_request()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NoTarget);
    assert!(error.message().contains("acme-prod-eu"), "{error}");
    assert_eq!(error.public_message(), "no target could be tried");
}

/// A listener is application code: its panic must not fail the call that noticed the change, nor skip other listeners.
#[tokio::test]
async fn panicking_listener_does_not_fail_the_call() {
    let client = Client::builder()
        .target("main", scripted(Scripted::new().status(500)))
        .target("spare", scripted(Scripted::new().text("hi")))
        .route("chat", Sequential::new(["main", "spare"]))
        .build()
        .unwrap();
    let heard = Arc::new(AtomicUsize::new(0));
    client.on_transition(|_| panic!("a mistake in the application"));
    let counter = Arc::clone(&heard);
    client.on_transition(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    for _ in 0..12 {
        assert_eq!(client.chat(sample_request()).await.unwrap().text(), "hi");
    }
    assert!(heard.load(Ordering::Relaxed) > 0, "the breaker opened, and the second listener was called");
}

/// Failures that need a person are reported to the application, not only logged.
#[tokio::test]
async fn rejected_key_is_reported_to_listeners() {
    let client = Client::builder()
        .target("main", scripted(Scripted::new().status(401)).key(Key::from_secret(Secret::new("sk-test"))))
        .target("spare", scripted(Scripted::new().text("hi")))
        .route("chat", Sequential::new(["main", "spare"]))
        .build()
        .unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    client.on_service_change(move |change| {
        let targets = change.targets.clone();
        listener.lock().unwrap().push((targets, change.kind, change.in_service));
    });
    client.chat(sample_request()).await.unwrap();
    assert_eq!(*heard.lock().unwrap(), [(vec!["main".into()], Kind::Auth, false)]);
}

/// For the application's metrics: each call once, also one whose stream was dropped.
#[tokio::test]
async fn every_ended_call_is_reported_once() {
    let main = Scripted::new().status(503).status(503).stall_after(["hello"]);
    let client = Client::builder()
        .target("main", scripted(main))
        .target("spare", scripted(Scripted::new().text("hi").status(400)))
        .route("chat", Sequential::new(["main", "spare"]))
        .build()
        .unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    client.on_call(move |report| {
        let end = match &report.end {
            CallEnd::Served(target) => target.to_string(),
            CallEnd::Failed(error) => error.kind().to_string(),
            _ => "dropped".to_owned(),
        };
        let begun = report.first_content().is_some();
        let under_way = report.trail.attempts.iter().any(|attempt| attempt.outcome == Outcome::Running);
        assert!(!under_way, "every attempt has its duration, tokens and cost: {}", report.trail);
        listener.lock().unwrap().push((report.route.clone(), end, report.trail.attempts.len(), begun));
    });
    client.chat(sample_request()).await.unwrap();
    client.chat(sample_request()).await.unwrap_err();
    drop(client.stream(sample_request()).await.unwrap());
    client.chat(ChatRequest::to("nowhere").user("x")).await.unwrap_err();
    let expected = [("spare", 2, true), ("invalid_request", 2, false), ("dropped", 1, true)];
    let expected =
        expected.map(|(end, attempts, begun)| ("chat".to_owned(), end.to_owned(), attempts, begun));
    assert_eq!(*heard.lock().unwrap(), expected);
}

/// A fault plan can wrap a provider that the application shares behind an `Arc`.
#[tokio::test]
async fn shared_provider_can_be_wrapped() {
    let shared: Arc<dyn Provider> = Arc::new(Scripted::new().text("hi"));
    let wrapped = ChaosProvider::new(Arc::clone(&shared), FaultPlan::scripted([Some(Fault::Status(500))]));
    let client = Client::builder()
        .target("main", Endpoint::custom(Arc::new(wrapped), "m"))
        .target("spare", Endpoint::custom(shared, "m"))
        .route("chat", Sequential::new(["main", "spare"]))
        .build()
        .unwrap();
    let answer = client.chat(sample_request().no_failover()).await;
    assert!(answer.is_ok_and(|answer| answer.trail.attempts.len() == 2), "the fault, then the answer");
}

/// Answers every connection once with `reply` and counts them.
async fn reply_server(reply: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            let mut head = [0; 8192];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(reply.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (address, asked)
}

/// A redirect would send keys and prompts to another host: its answer is not used, and the error says what to fix.
#[tokio::test]
async fn http_client_that_follows_redirects_is_rejected() {
    let body = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,
        "message":{"role":"assistant","content":"from elsewhere"},"finish_reason":"stop"}]}"#;
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length:";
    let (elsewhere, _) = reply_server(format!("{head} {length}\r\n\r\n{body}")).await;
    let (asked, _) = reply_server(format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {elsewhere}/v1/chat/completions\r\nconnection: close\r\n\
         content-length: 0\r\n\r\n"
    ))
    .await;
    let client = Client::builder()
        .http_client(reqwest::Client::builder().no_proxy().build().unwrap())
        .target(
            "chat",
            openai::target("m").base_url(format!("{asked}/v1")).key(Key::from_secret(Secret::new("sk-test"))),
        )
        .build()
        .unwrap();
    let error = client.chat(sample_request()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Protocol, "{error}");
    assert!(error.message().contains("follows redirects"), "{error}");
}

/// The value of `Host` in the request that this client makes.
async fn named_host(builder: hotspare::ClientBuilder) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let head = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut head).await.unwrap(), 0, "the request has no end");
        }
        String::from_utf8(head).unwrap().to_ascii_lowercase()
    });
    let endpoint = openai::target("m")
        .base_url(format!("http://{address}/v1"))
        .key(Key::from_secret(Secret::new("sk-test")));
    let client = builder.target("chat", endpoint).build().unwrap();
    // The server closes the connection without a reply.
    client.chat(sample_request()).await.unwrap_err();
    let head = head.await.unwrap();
    let named: Vec<_> = head.lines().filter_map(|line| line.strip_prefix("host: ")).collect();
    assert_eq!(named.len(), 1, "{head}");
    named[0].replace(&address.to_string(), "address")
}

#[tokio::test]
async fn applications_own_client_may_name_the_host() {
    let own = || reqwest::Client::builder().no_proxy().http1_only();
    let names = [("host".parse().unwrap(), "virtual".parse().unwrap())].into_iter().collect();
    let naming = own().default_headers(names).build().unwrap();
    assert_eq!(named_host(Client::builder().http_client(naming)).await, "virtual");
    assert_eq!(named_host(Client::builder().http_client(own().build().unwrap())).await, "address");
    assert_eq!(named_host(Client::builder()).await, "address");
}

/// Only connecting is limited by the transport itself. A time limit of the application's own client ends a call that the
/// host has accepted, which is no evidence that the host cannot be reached.
#[tokio::test]
async fn time_limit_of_the_applications_own_client_is_not_a_connect_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let own = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(std::time::Duration::from_millis(50))
        .build()
        .unwrap();
    let client = Client::builder()
        .http_client(own)
        .target("chat", openai::target("m").base_url(address).key(Key::from_secret(Secret::new("sk-test"))))
        .build()
        .unwrap();
    let error = client.chat(sample_request()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
}

/// Conversations often share their instructions, so the first question identifies a conversation.
#[tokio::test]
async fn sticky_spreads_conversations_that_share_instructions() {
    let names = ["a", "b", "c"];
    let client = names
        .into_iter()
        .fold(Client::builder(), |builder, name| builder.target(name, scripted(Scripted::new().text("hi"))))
        .route("chat", Sticky::new(names))
        .build()
        .unwrap();
    let first = |request: &ChatRequest| client.explain(request).unwrap().choices[0].target.clone();
    let mut shares = std::collections::BTreeMap::<String, usize>::new();
    for number in 0..99 {
        let opening = ChatRequest::to("chat").system("Be brief.").user(format!("question {number}"));
        let target = first(&opening);
        assert_eq!(first(&opening.assistant("answer").user("and then?")), target, "a conversation stays");
        *shares.entry(target.to_string()).or_default() += 1;
    }
    assert!(shares.len() == 3 && shares.values().all(|share| *share > 15), "{shares:?}");
}

/// The schema is checked in addition to the application's own validator.
#[tokio::test]
async fn custom_validator_runs_in_addition_to_the_schema() {
    let schema =
        Json::parse(r#"{"type":"object","properties":{"sum":{"type":"integer"}},"required":["sum"]}"#);
    let output = OutputFormat::JsonSchema { name: "sum".into(), schema: schema.unwrap(), strict: true };
    let client = Client::builder()
        .target("main", scripted(Scripted::new().text(r#"{"sum": "four"}"#)))
        .target("spare", scripted(Scripted::new().text(r#"{"SUM": 4}"#)))
        .route("chat", Sequential::new(["main", "spare"]))
        .build()
        .unwrap();
    let anything = |_: &serde_json::Value| Ok(());
    let answer = client.chat_validated(sample_request().output(output), anything).await.unwrap();
    assert_eq!(answer.text(), r#"{"sum":4}"#);
}

/// Compiling regular expressions takes a while, and a caller chooses them: meanwhile other tasks of the thread go on.
#[test]
fn regex_schema_is_compiled_once_on_a_blocking_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    runtime.unwrap().block_on(async {
        let provider = Arc::new(Scripted::new().text(r#"{"a":"ab"}"#));
        let client = Client::builder().target("main", Endpoint::custom(Arc::clone(&provider) as _, "m"));
        let client = client.route("chat", Sequential::new(["main"])).build().unwrap();
        let with = |pattern: &str| {
            let schema = format!(r#"{{"type":"object","properties":{{"a":{{"pattern":"{pattern}"}}}}}}"#);
            let schema = Json::parse(schema).unwrap();
            sample_request().output(OutputFormat::JsonSchema { name: "n".into(), schema, strict: true })
        };
        // Occupies the only thread for blocking work until the sender is dropped.
        let occupy = || {
            let (release, wait) = std::sync::mpsc::channel::<()>();
            drop(tokio::task::spawn_blocking(move || wait.recv()));
            release
        };
        for (pattern, works) in [("^(?=a)", true), ("(", false)] {
            let busy = occupy();
            let mut first = std::pin::pin!(client.chat(with(pattern)));
            let mut waits = async || poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx).is_pending())).await;
            assert!(waits().await);
            client.chat(sample_request()).await.unwrap();
            assert!(waits().await, "not compiled on this thread");
            drop(busy);
            assert_eq!(first.await.is_ok(), works, "{pattern}");
            let (busy, sent) = (occupy(), provider.requests().len());
            let mut again = std::pin::pin!(client.chat(with(pattern)));
            let polled = poll_fn(|cx| Poll::Ready(again.as_mut().poll(cx))).await;
            assert_eq!(provider.requests().len(), sent + usize::from(works), "{pattern} is cached");
            drop(busy);
            match polled {
                Poll::Ready(answer) => assert!(!works && answer.is_err()),
                Poll::Pending => assert!(again.await.is_ok(), "validated on the blocking thread"),
            }
        }
    });
}

/// A canary gets the fewest calls, so it is not what a request would most likely try first.
#[test]
fn explanation_shows_the_most_likely_order() {
    let client = Client::builder()
        .target("canary", scripted(Scripted::new().text("hi")))
        .target("main", scripted(Scripted::new().text("hi")))
        .route("chat", Weighted::new([("canary", 1), ("main", 9)]))
        .build()
        .unwrap();
    for explanation in [client.explain(&sample_request()), client.explain_stream(&sample_request())] {
        let order: Vec<_> =
            explanation.unwrap().choices.iter().map(|choice| choice.target.to_string()).collect();
        assert_eq!(order, ["main", "canary"]);
    }
}

async fn read_all(stream: &mut hotspare::ChatStream) -> String {
    let mut text = String::new();
    while let Some(event) = stream.next().await {
        text.push_str(event.unwrap().as_text().unwrap_or_default());
    }
    text
}

/// An application that streams needs the complete answer for the next turn, whenever it asks for it.
#[tokio::test]
async fn assembled_stream_has_the_complete_answer_at_any_time() {
    let events = || {
        [
            Event::ReasoningDelta("hm".into()),
            Event::TextDelta("look".into()),
            Event::ToolStarted { index: 0, id: "1".into(), name: "f".into() },
            Event::ToolDelta { index: 0, arguments: r#"{"a":1}"#.into() },
            Event::Finished(FinishReason::ToolCalls),
        ]
    };
    for read in 0..=7 {
        let client =
            Client::builder().target("chat", scripted(Scripted::new().events(events()))).build().unwrap();
        let mut stream = client.stream(sample_request()).await.unwrap().assembled();
        for _ in 0..read {
            stream.next().await.transpose().unwrap();
        }
        let answer = stream.into_response().await.unwrap();
        assert_eq!((answer.text().as_str(), answer.reasoning().as_str()), ("look", "hm"), "{read}");
        assert_eq!(answer.tool_calls().next().unwrap().arguments, r#"{"a":1}"#, "{read}");
        assert_eq!(answer.served_by.as_ref().unwrap().as_str(), "chat");
        assert_eq!(answer.trail.attempts[0].outcome, hotspare::Outcome::Served);
    }
}

/// The caller's slip must not look like a provider's fault.
#[tokio::test]
async fn stream_read_without_assembling_cannot_become_an_answer() {
    let client = Client::builder()
        .target("chat", scripted(Scripted::new().pieces(["a", "b"]).pieces(["a", "b"]).cut(["a"])))
        .build()
        .unwrap();
    let mut stream = client.stream(sample_request()).await.unwrap();
    assert_eq!(read_all(&mut stream).await, "ab");
    let error = stream.into_response().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.message().contains("`assembled`"), "{error}");
    let unread = client.stream(sample_request()).await.unwrap();
    assert_eq!(unread.into_response().await.unwrap().text(), "ab");
    let mut cut = client.stream(sample_request()).await.unwrap().assembled();
    while let Some(Ok(_)) = cut.next().await {}
    assert_eq!(cut.into_response().await.unwrap_err().kind(), Kind::Truncated);
}

/// Costs and failures per user and kind of call, for the application's metrics.
#[tokio::test]
async fn call_reports_name_the_end_user_and_the_kind_of_call() {
    let client = Client::builder().target("chat", scripted(Scripted::new().text("hi"))).build().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    client.on_call(move |report| {
        listener.lock().unwrap().push((report.end_user.clone(), report.stream, report.trail.usage().output));
    });
    client.chat(sample_request().end_user("ada")).await.unwrap();
    read_all(&mut client.stream(sample_request()).await.unwrap()).await;
    assert_eq!(*heard.lock().unwrap(), [(Some("ada".into()), false, Some(1)), (None, true, Some(1))]);
}

/// Ordered replies cannot serve concurrent calls.
#[tokio::test]
async fn scripted_provider_can_answer_by_the_request() {
    let echo = Scripted::new().respond(|request| {
        let text = request.chat().messages[0].joined_text();
        Ok(vec![Event::TextDelta(text), Event::Finished(FinishReason::Stop)])
    });
    let client = Client::builder().target("chat", scripted(echo)).build().unwrap();
    let ask = |text: &str| client.chat(ChatRequest::to("chat").user(text));
    let (one, two) = tokio::join!(ask("one"), ask("two"));
    assert_eq!((one.unwrap().text(), two.unwrap().text()), ("one".into(), "two".into()));
}
