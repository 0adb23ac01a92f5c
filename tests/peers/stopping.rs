//! How the gateway stops: in-flight answers are finished, or end with an error.

use std::time::Duration;

use hotspare_chaos::{Fault, Settings, WireFormat};
use hotspare_gateway::ServeOptions;
use hotspare_tests::{Rig, until};
use serde_json::{Value, json};

use crate::gateway::{TestGateway, start, start_with};

fn post(gateway: &TestGateway, path: &str, stream: bool) -> reqwest::RequestBuilder {
    let mut body = json!({"model": "chat", "max_tokens": 64, "stream": stream});
    let turns = json!([{"role": "user", "content": "hi"}]);
    body[if path.ends_with("responses") { "input" } else { "messages" }] = turns;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.post(gateway.url_of(path)).body(body.to_string())
}

/// A provider that sends two words and stalls.
async fn silent_rig() -> Rig {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    rig.servers[0].set_fault(Some(Fault::StallAfter(2))).await;
    rig
}

#[tokio::test]
async fn shutdown_finishes_answers_in_flight() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let pace = Settings::new(WireFormat::OpenAi).tokens(20).pace(Duration::ZERO, Duration::from_millis(10));
    rig.servers[0].set_settings(pace);
    let gateway = start(rig.client.clone()).await;
    let mut reply = post(&gateway, "/v1/chat/completions", true).send().await.unwrap();
    let mut text = reply.chunk().await.unwrap().unwrap().to_vec();
    gateway.signal();
    while let Some(more) = reply.chunk().await.unwrap() {
        text.extend_from_slice(&more);
    }
    assert!(String::from_utf8(text).unwrap().ends_with("data: [DONE]\n\n"));
    let gone = post(&gateway, "/v1/chat/completions", true).send().await;
    assert!(gone.is_err_and(|error| error.is_connect()), "new calls are rejected");
    gateway.wait_stopped().await;
}

#[tokio::test]
async fn second_signal_ends_streams_with_an_error_event() {
    for (path, error) in [
        ("/v1/chat/completions", "data: {\"error\":{"),
        ("/v1/messages", "event: error\ndata: {"),
        ("/v1/responses", "event: error\ndata: {"),
    ] {
        let rig = silent_rig().await;
        let gateway = start(rig.client.clone()).await;
        let mut reply = post(&gateway, path, true).send().await.unwrap();
        let mut text = reply.chunk().await.unwrap().unwrap().to_vec();
        gateway.signal();
        gateway.signal();
        // An error here would be the dropped connection that this test guards against.
        while let Some(more) = reply.chunk().await.unwrap() {
            text.extend_from_slice(&more);
        }
        let text = String::from_utf8(text).unwrap();
        let (_, end) = text.rsplit_once(error).unwrap_or_else(|| panic!("{path}: no error in\n{text}"));
        assert!(end.contains("the gateway is shutting down"), "{path}: {end}");
        assert!(
            !end.contains("[DONE]") && !end.contains("_stop") && !end.contains("completed"),
            "{path}: {end}"
        );
        gateway.wait_stopped().await;
        assert_eq!(rig.client.targets()[0].counts.in_flight, 0, "the upstream request is cancelled");
    }
}

#[tokio::test]
async fn drain_timeout_ends_unstarted_answers() {
    let rig = silent_rig().await;
    rig.servers[0].set_fault(Some(Fault::Silence)).await;
    let mut options = ServeOptions::default();
    options.drain_timeout = Duration::from_millis(50);
    for stream in [false, true] {
        let gateway = start_with(rig.client.clone(), options.clone()).await;
        let asking = tokio::spawn(post(&gateway, "/v1/chat/completions", stream).send());
        until("the call is in flight", async || rig.client.targets()[0].counts.in_flight > 0).await;
        gateway.signal();
        let reply = asking.await.unwrap().unwrap();
        assert_eq!((reply.status().as_u16(), &reply.headers()["retry-after"]), (503, &"1".parse().unwrap()));
        assert!(!reply.headers().contains_key("x-should-retry"), "another instance may serve");
        let body: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
        assert!(
            body["error"]["message"].as_str().unwrap().starts_with("the gateway is shutting down; retry")
        );
        gateway.wait_stopped().await;
    }
}

/// A client that holds a connection without sending a request must not delay shutdown.
#[tokio::test]
async fn idle_connections_do_not_delay_shutdown() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let gateway = start(rig.client.clone()).await;
    let mut idle = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: here\r\n\r\n").await.unwrap();
    assert!(idle.read(&mut [0; 256]).await.unwrap() > 0);
    let silent = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
    // Wait until both are accepted.
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    until("three connections", async || {
        let metrics = http.get(gateway.url_of("/metrics")).send().await.unwrap().text().await.unwrap();
        metrics.contains("hotspare_connections 3\n")
    })
    .await;
    gateway.signal();
    let stopped = tokio::time::timeout(Duration::from_secs(10), gateway.wait_stopped()).await;
    assert!(stopped.is_ok(), "it waited for idle connections");
    drop((idle, silent));
}
