//! Limits that protect a target: concurrent calls, and the calls waiting for room.

use std::time::Duration;

use hotspare::{BreakerState, ChatRequest, Client, Sequential};
use hotspare_chaos::{ChaosServer, Fault, Settings, WireFormat};
use hotspare_tests::until;

#[tokio::test]
async fn concurrency_limit_holds_and_no_call_is_lost() {
    let pace = Settings::new(WireFormat::OpenAi).pace(Duration::from_millis(5), Duration::ZERO);
    let server = ChaosServer::start(pace).await.unwrap();
    let client = Client::builder()
        .target("main", hotspare_tests::endpoint(&server, WireFormat::OpenAi).max_in_flight(3))
        .route("chat", Sequential::new(["main"]))
        .build()
        .unwrap();
    let calls: Vec<_> = (0..60)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.chat(ChatRequest::to("chat").user("hi")).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
        assert!(client.targets()[0].view.in_flight <= 3);
    }
    // Far fewer than calls: a connection is used again, unless the next call starts before it is back in the pool.
    assert!(server.stats().connections <= 20, "{:?}", server.stats());
}

#[tokio::test]
async fn rejected_key_is_skipped_and_the_other_serves() {
    let server = ChaosServer::start(Settings::new(WireFormat::OpenAi).key("good")).await.unwrap();
    let key = |text: &str| hotspare::Key::from_secret(hotspare::Secret::new(text));
    let client = Client::builder()
        .target(
            "main",
            hotspare::openai::target("m").base_url(server.base_url()).key(key("dead")).key(key("good")),
        )
        .build()
        .unwrap();
    for _ in 0..20 {
        client.chat(ChatRequest::to("main").user("hi")).await.unwrap();
    }
    assert!(server.stats().requests <= 21, "the dead key was tried once: {:?}", server.stats());
    assert!(client.targets()[0].view.usable);
}

/// A route with one target that is probed in the background while it is unhealthy.
async fn client_with_probe(probe: bool) -> (Client, ChaosServer) {
    let server = ChaosServer::start(Settings::new(WireFormat::OpenAi)).await.unwrap();
    let mut breaker = hotspare::BreakerConfig::window();
    breaker.failures = Some(1);
    breaker.cooldown = Duration::from_millis(100);
    let target = hotspare_tests::endpoint(&server, WireFormat::OpenAi).breaker(breaker).probe(probe);
    let spare = hotspare_tests::endpoint(&server, WireFormat::OpenAi).health_group("other");
    let route = Sequential::new(["main"]);
    let client = Client::builder().target("main", target).target("spare", spare).route("chat", route).build();
    (client.unwrap(), server)
}

#[tokio::test(flavor = "multi_thread")]
async fn recovered_target_is_found_by_probes_without_traffic() {
    let (client, server) = client_with_probe(true).await;
    server.set_fault(Some(Fault::Status(503))).await;
    while client.targets()[0].view.breaker == BreakerState::Closed {
        client.chat(ChatRequest::to("chat").user("a secret")).await.unwrap_err();
    }
    let seen = server.stats().requests;
    until("two probes", async || server.stats().requests > seen + 1).await;
    server.set_fault(None).await;
    until("its breaker closes", async || client.targets()[0].view.breaker == BreakerState::Closed).await;
    let counts = client.targets()[0].counts.clone();
    assert_eq!(counts.served, 0, "no caller was served, and probes are not counted as attempts");
    assert!(counts.probes >= 2, "one that failed and one that succeeded");
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_are_opt_in_and_end_with_the_client() {
    let (client, server) = client_with_probe(false).await;
    server.set_fault(Some(Fault::Status(500))).await;
    client.chat(ChatRequest::to("chat").user("hi")).await.unwrap_err();
    client.chat(ChatRequest::to("chat").user("hi")).await.unwrap_err();
    let seen = server.stats().requests;
    // Ten times the cooldown, after which any configured probe would have started.
    hotspare_tests::pass_time(Duration::from_secs(1)).await;
    assert_eq!(server.stats().requests, seen, "probes are not enabled");
    drop(client);

    let (client, server) = client_with_probe(true).await;
    server.set_fault(Some(Fault::Silence)).await;
    let asking = client.chat(ChatRequest::to("chat").user("hi").deadline(Duration::from_millis(50)));
    asking.await.unwrap_err();
    server.set_fault(Some(Fault::Status(500))).await;
    client.chat(ChatRequest::to("chat").user("hi")).await.unwrap_err();
    client.chat(ChatRequest::to("chat").user("hi")).await.unwrap_err();
    server.set_fault(Some(Fault::Silence)).await;
    let seen = server.stats();
    until("a probe", async || server.stats().requests > seen.requests).await;
    drop(client);
    until("the probe is cancelled", async || server.stats().cancelled > seen.cancelled).await;
}

/// A client may outlive the runtime of its probes.
#[test]
fn probe_releases_its_slot_when_its_runtime_ends() {
    let servers = tokio::runtime::Runtime::new().unwrap();
    let (client, server) = servers.block_on(client_with_probe(true));
    servers.block_on(server.set_fault(Some(Fault::Status(500))));
    let callers = tokio::runtime::Runtime::new().unwrap();
    for _ in 0..2 {
        callers.block_on(client.chat(ChatRequest::to("chat").user("hi"))).unwrap_err();
    }
    servers.block_on(server.set_fault(Some(Fault::Silence)));
    let seen = server.stats().requests;
    callers.block_on(until("a probe", async || server.stats().requests > seen));
    assert_eq!(client.targets()[0].counts.in_flight, 1);
    drop(callers);
    assert_eq!(client.targets()[0].counts.in_flight, 0);
}

/// A server whose error replies start and never end.
async fn stalled_error_server() -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            let head =
                "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-length: 500\r\n\r\n{\"error\"";
            let _ = socket.write_all(head.as_bytes()).await;
            held.push(socket);
        }
    });
    address
}

/// The status says what is wrong: the body is not awaited until the deadline, and the status is kept.
#[tokio::test]
async fn stalled_error_body_keeps_its_status() {
    let address = stalled_error_server().await;
    let target = hotspare::openai::compatible(format!("http://{address}/v1"), "m");
    let client = Client::builder().target("main", target).build().unwrap();
    let error = client.chat(ChatRequest::to("main").user("hi")).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (hotspare::Kind::RateLimited, Some(429)), "{error}");
    assert!(error.retry_after().is_some_and(|pause| pause > Duration::from_secs(5)), "{error}");
}

/// A route may answer to a target's name: requests for it then get the route's spares.
#[tokio::test]
async fn route_can_shadow_a_target_name() {
    let rig = hotspare_tests::Rig::sequential(&[WireFormat::OpenAi, WireFormat::Anthropic]).await;
    let [main, spare] = [0, 1].map(|place| &rig.servers[place]);
    let client = Client::builder()
        .target("gpt-4o", hotspare_tests::endpoint(main, WireFormat::OpenAi))
        .target("claude", hotspare_tests::endpoint(spare, WireFormat::Anthropic))
        .route("chat", hotspare::RouteSpec::new(Sequential::new(["gpt-4o", "claude"])).answers_to(["gpt-4o"]))
        .build()
        .unwrap();
    main.kill().await;
    let answer = client.chat(ChatRequest::to("gpt-4o").user("hi")).await.unwrap();
    assert_eq!(answer.served_by.unwrap().as_str(), "claude");
}
