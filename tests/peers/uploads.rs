//! Request bodies: what is refused, when, and with which error.

use hotspare_chaos::{Fault, WireFormat};
use hotspare_gateway::{ClientKeys, ServeOptions};
use hotspare_tests::{Rig, until};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::gateway::{TestGateway, start, start_with};

async fn connect(gateway: &TestGateway, head: &str) -> TcpStream {
    let mut caller = TcpStream::connect(gateway.address()).await.unwrap();
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n{head}");
    caller.write_all(head.as_bytes()).await.unwrap();
    caller
}

async fn reply(mut caller: TcpStream) -> String {
    let mut reply = String::new();
    caller.shutdown().await.unwrap();
    caller.read_to_string(&mut reply).await.unwrap();
    reply
}

async fn post(gateway: &TestGateway, body: Vec<u8>) -> reqwest::Response {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.post(gateway.url_of("/v1/chat/completions")).body(body).send().await.unwrap()
}

async fn metrics(gateway: &TestGateway) -> String {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.get(gateway.url_of("/metrics")).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn body_declared_too_large_is_rejected_without_100_continue() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let mut options = ServeOptions::default();
    options.max_body_bytes = 100_000;
    let gateway = start_with(rig.client.clone(), options).await;
    let caller = connect(&gateway, "content-length: 200000\r\nexpect: 100-continue\r\n\r\n").await;
    let reply = reply(caller).await;
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
}

/// Most clients send their whole body before they read the reply.
#[tokio::test(flavor = "multi_thread")]
async fn rejection_reaches_a_client_that_is_still_sending() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let mut small = ServeOptions::default();
    small.max_body_bytes = 100_000;
    let mut closed = ServeOptions::default();
    closed.keys = ClientKeys::parse("sk-caller").unwrap();
    for (options, status) in [(small, "413"), (closed, "401")] {
        let gateway = start_with(rig.client.clone(), options).await;
        let mut caller = connect(&gateway, "content-length: 4194304\r\n\r\n").await;
        caller.write_all(&vec![b' '; 4 << 20]).await.unwrap();
        let reply = reply(caller).await;
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
    }
}

#[tokio::test]
async fn body_errors_have_specific_messages() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let gateway = start(rig.client.clone()).await;
    let damaged = reply(connect(&gateway, "transfer-encoding: chunked\r\n\r\nxyz\r\n").await).await;
    assert!(damaged.starts_with("HTTP/1.1 400 ") && damaged.contains("its chunks are damaged"), "{damaged}");
    let cut = reply(connect(&gateway, "content-length: 100\r\n\r\n{").await).await;
    assert!(cut.is_empty() || cut.contains("the body ended early"), "{cut}");
    let zipped = "content-encoding: gzip\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    let zipped = reply(connect(&gateway, zipped).await).await;
    assert!(zipped.starts_with("HTTP/1.1 415 ") && zipped.contains("gzip"), "{zipped}");
}

#[tokio::test]
async fn disconnect_during_upload_counts_as_cancelled() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let gateway = start(rig.client.clone()).await;
    drop(connect(&gateway, "content-length: 100\r\n\r\n{").await);
    let counted = "hotspare_requests_total{route=\"\",outcome=\"cancelled\"} 1\n";
    until("it is counted", async || {
        let text = metrics(&gateway).await;
        let wrong = "hotspare_requests_total{route=\"\",outcome=\"invalid_request\"} 1\n";
        assert!(!text.contains(wrong), "{text}");
        text.contains(counted)
    })
    .await;
}

#[tokio::test]
async fn in_flight_bodies_stay_within_the_memory_limit() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    rig.servers[0].set_fault(Some(Fault::StallAfter(2))).await;
    let mut options = ServeOptions::default();
    options.max_body_bytes = 64 << 10;
    // Room for one of the largest.
    options.max_body_memory_bytes = 3 * options.max_body_bytes;
    let gateway = start_with(rig.client.clone(), options).await;
    let text = "x".repeat(50 << 10);
    let body = json!({"model": "chat", "stream": true, "messages": [{"role": "user", "content": text}]});
    let body = body.to_string().into_bytes();

    let streaming = post(&gateway, body.clone()).await;
    assert_eq!(streaming.status(), 200);
    let refused = post(&gateway, body.clone()).await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    let told: Value = serde_json::from_slice(&refused.bytes().await.unwrap()).unwrap();
    assert!(
        told["error"]["message"].as_str().unwrap().starts_with("the gateway has no memory left"),
        "{told}"
    );
    assert_eq!(told["error"]["code"], "no_body_memory");
    let counted = metrics(&gateway).await;
    assert!(
        counted.contains("hotspare_requests_total{route=\"\",outcome=\"no_body_memory\"} 1\n"),
        "{counted}"
    );
    assert!(counted.contains("hotspare_max_body_memory_bytes 196608\n"), "{counted}");

    drop(streaming);
    rig.servers[0].set_fault(None).await;
    until("there is room again", async || post(&gateway, body.clone()).await.status() == 200).await;
}
