//! Limits on callers: connections, rates, time.

use std::sync::Arc;

use hotspare::{Client, Endpoint, Error, Kind, RouteSpec, Scope, Sequential, openai};
use hotspare_chaos::{Fault, Scripted, WireFormat};
use hotspare_gateway::ServeOptions;
use hotspare_tests::{Rig, until};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{get, http, operators_log, post_chat};
use crate::gateway::{start, start_on, start_with};

#[tokio::test]
async fn full_gateway_returns_503_and_stays_observable() {
    let log = operators_log();
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let mut options = ServeOptions::default();
    options.max_connections = 1;
    let gateway = start_with(rig.client.clone(), options).await;
    let mut holds = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
    holds.write_all(b"GET /healthz HTTP/1.1\r\nhost: here\r\n\r\n").await.unwrap();
    assert!(holds.read(&mut [0; 64]).await.unwrap() > 0);

    let reply = post_chat(&gateway, "chat", false).await;
    assert_eq!((reply.status().as_u16(), &reply.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    assert!(reply.headers().get("x-should-retry").is_none(), "a retry may succeed");
    let told = reply.text().await.unwrap();
    assert!(told.contains("\"the gateway has no capacity for another connection"), "{told}");
    assert_eq!(get(&gateway, "/healthz").await, "ok\n");
    let metrics = get(&gateway, "/metrics").await;
    for line in [
        "hotspare_max_connections 1",
        "hotspare_requests_total{route=\"\",outcome=\"too_many_connections\"} 1",
    ] {
        assert!(metrics.contains(&format!("{line}\n")), "{line} is missing in\n{metrics}");
    }
    assert!(log.lines("WARN").iter().any(|line| line.contains("server.max_connections")));

    drop(holds);
    until("there is room again", async || post_chat(&gateway, "chat", false).await.status() == 200).await;
}

/// No target is to blame, and a retry may succeed: at another instance, or here in a moment.
#[tokio::test]
async fn call_without_a_file_descriptor_returns_503() {
    let error = Error::new(Kind::Connect, "this machine allows no more open files")
        .with_code("too_many_open_files")
        .with_scope(Scope::None);
    let target = Endpoint::custom(Arc::new(Scripted::new().fail(error.clone()).fail(error)), "model");
    let route = RouteSpec::new(Sequential::new(["main"]));
    let client = Client::builder().target("main", target).route("chat", route).build().unwrap();
    let gateway = start(client).await;
    for stream in [false, true] {
        let reply = post_chat(&gateway, "chat", stream).await;
        assert_eq!((reply.status().as_u16(), &reply.headers()["retry-after"]), (503, &"1".parse().unwrap()));
        assert!(!reply.headers().contains_key("x-should-retry"));
        let body: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
        assert_eq!(body["error"]["code"], "too_many_open_files", "{body}");
        assert_eq!(body["error"]["attempts"][0]["kind"], "connect", "{body}");
    }
    let counted = "hotspare_requests_total{route=\"chat\",outcome=\"too_many_open_files\"} 2\n";
    assert!(get(&gateway, "/metrics").await.contains(counted));
}

/// Gateways that are each other's targets: here, one that is its own, which `serve` would reject at startup.
#[tokio::test]
async fn request_that_goes_round_in_circles_is_stopped() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let route = RouteSpec::new(Sequential::new(["next"])).answers_to(["*"]);
    let client =
        Client::builder().target("next", openai::compatible(url, "m")).route("chat", route).build().unwrap();
    let gateway = start_on(listener, client.clone(), ServeOptions::default());
    let reply = post_chat(&gateway, "chat", false).await;
    assert_eq!(
        (reply.status().as_u16(), &reply.headers()["x-should-retry"]),
        (508, &"false".parse().unwrap())
    );
    assert_eq!(client.targets()[0].counts.started, 9, "each gateway tries it once");
}

#[tokio::test]
async fn idle_connection_is_closed_after_its_timeout() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let mut options = ServeOptions::default();
    options.idle_timeout = std::time::Duration::from_millis(50);
    let gateway = start_with(rig.client.clone(), options).await;
    let mut idle = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut reply = String::new();
    idle.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 ") && reply.ends_with("ok\n"), "{reply}");
}

/// Readiness fails only for what an operator must fix; rate limits pass by themselves.
#[tokio::test]
async fn rate_limits_return_429_and_the_gateway_stays_ready() {
    let rig = Rig::sequential(&[WireFormat::OpenAi, WireFormat::Anthropic]).await;
    let gateway = start(rig.client.clone()).await;
    let ready = async || http().get(gateway.url_of("/readyz")).send().await.unwrap().status().as_u16();
    for server in &rig.servers {
        server.set_fault(Some(Fault::RateLimited(60))).await;
    }
    for _ in 0..3 {
        let reply = post_chat(&gateway, "chat", false).await;
        assert_eq!(reply.status(), 429);
        // Nothing is sent before the pause is over, so that a retry after it multiplies nothing.
        assert!(!reply.headers().contains_key("x-should-retry"));
        let pause: u64 = reply.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=75).contains(&pause), "{pause}");
        let body: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
        assert_eq!(body["error"]["type"], "rate_limit_error", "{body}");
    }
    assert!(rig.servers.iter().all(|server| server.stats().requests == 1), "no target is tried");
    assert_eq!(ready().await, 200);
    rig.client.cordon("main").unwrap();
    assert_eq!(post_chat(&gateway, "chat", false).await.status(), 429, "the other is only rate limited");
    assert_eq!(ready().await, 200);
    rig.client.cordon("spare").unwrap();
    assert_eq!((post_chat(&gateway, "chat", false).await.status().as_u16(), ready().await), (503, 503));
}
