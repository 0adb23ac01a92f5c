//! What an operator sees of the gateway and can do. This file: logs.

mod errors;
mod limits;
mod metrics;
mod targets;

use std::sync::OnceLock;

use hotspare::{Client, RouteSpec, Sequential};
use hotspare_chaos::{ChaosServer, Fault, Settings, WireFormat};
use hotspare_tests::{LogCapture, Rig, endpoint};
use serde_json::{Value, json};

use crate::gateway::{TestGateway, http, start};

/// All logs of this process, at the default level of `serve`.
fn operators_log() -> LogCapture {
    static LOG: OnceLock<LogCapture> = OnceLock::new();
    let open = || {
        let log = LogCapture::default();
        let writer = log.clone();
        let logs = tracing_subscriber::fmt()
            .with_env_filter("hotspare=info,warn")
            .with_ansi(false)
            .with_writer(move || writer.clone());
        tracing::subscriber::set_global_default(logs.finish()).unwrap();
        log
    };
    LOG.get_or_init(open).clone()
}

async fn post_chat(gateway: &TestGateway, model: &str, stream: bool) -> reqwest::Response {
    let messages = json!([{"role": "user", "content": "a very private prompt"}]);
    let body = json!({"model": model, "stream": stream, "messages": messages}).to_string();
    http().post(gateway.url_of("/v1/chat/completions")).body(body).send().await.unwrap()
}

async fn get(gateway: &TestGateway, path: &str) -> String {
    http().get(gateway.url_of(path)).send().await.unwrap().text().await.unwrap()
}

async fn targets(gateway: &TestGateway) -> Value {
    serde_json::from_str::<Value>(&get(gateway, "/targets").await).unwrap()["targets"].clone()
}

fn id(reply: &reqwest::Response) -> String {
    reply.headers()["x-request-id"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn failures_are_logged_with_the_request_id() {
    let log = operators_log();
    let server = ChaosServer::start(Settings::new(WireFormat::OpenAi)).await.unwrap();
    server.set_fault(Some(Fault::Status(401))).await;
    // No other test has a target of this name, so that the log can be searched for it.
    let builder = Client::builder().target("unpaid", endpoint(&server, WireFormat::OpenAi));
    let client = builder.route("chat", RouteSpec::new(Sequential::new(["unpaid"]))).build().unwrap();
    let gateway = start(client).await;

    let reply = post_chat(&gateway, "chat", false).await;
    assert_eq!(reply.status(), 502);
    let lines = log.lines(&format!("id=\"{}\"", id(&reply)));
    let has = |words: &[&str]| lines.iter().any(|line| words.iter().all(|word| line.contains(word)));
    let failed = ["WARN", "the call failed", "kind=auth", "attempts=1", "unpaid: auth (401)", "route=chat"];
    assert!(has(&failed), "{lines:#?}");

    let reply = post_chat(&gateway, "chat", false).await;
    let lines = log.lines(&format!("id=\"{}\"", id(&reply)));
    let why = |line: &&String| line.contains("the call failed") && line.contains("unpaid: it is disabled");
    assert!(lines.iter().any(|line| why(&line)), "callers do not see it, so the log must: {lines:#?}");
    // A key concerns more than the request that met its rejection, so this line has no id.
    let lines: Vec<_> =
        log.lines("out of service").into_iter().filter(|line| line.contains("unpaid")).collect();
    let words = ["WARN", "kind=auth", "recheck_after_s=600", "remedy=\"replace the key"];
    assert!(lines.len() == 1 && words.iter().all(|word| lines[0].contains(word)), "logged once: {lines:#?}");

    let reply = post_chat(&gateway, "nobody", false).await;
    let lines = log.lines(&format!("id=\"{}\"", id(&reply)));
    assert!(lines.iter().any(|line| line.contains("INFO") && line.contains("status=404")), "{lines:#?}");
    for secret in ["private", "sk-test", "nobody"] {
        assert_eq!(log.lines(secret), [""; 0]);
    }
}

#[tokio::test]
async fn stream_cut_off_by_a_shutdown_is_logged_with_its_id() {
    let log = operators_log();
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    rig.servers[0].set_fault(Some(Fault::StallAfter(2))).await;
    let gateway = start(rig.client.clone()).await;
    let mut reply = post_chat(&gateway, "chat", true).await;
    reply.chunk().await.unwrap();
    let id = id(&reply);
    gateway.signal();
    gateway.signal();
    while reply.chunk().await.unwrap().is_some() {}
    gateway.wait_stopped().await;
    let lines = log.lines(&format!("id=\"{id}\""));
    assert!(
        lines.iter().any(|line| line.contains("WARN") && line.contains("cut off by the shutdown")),
        "{lines:#?}"
    );
}

#[tokio::test]
async fn call_that_was_queued_until_its_deadline_is_logged_once() {
    let log = operators_log();
    let server = ChaosServer::start(Settings::new(WireFormat::OpenAi)).await.unwrap();
    server.set_fault(Some(Fault::StallAfter(2))).await;
    let target = endpoint(&server, WireFormat::OpenAi).max_in_flight(1);
    let route = RouteSpec::new(Sequential::new(["main"]));
    let client = Client::builder().target("main", target).route("chat", route).build().unwrap();
    let gateway = start(client).await;
    let mut holds = post_chat(&gateway, "chat", true).await;
    holds.chunk().await.unwrap();
    let body = json!({"model": "chat", "messages": [{"role": "user", "content": "hi"}]}).to_string();
    let queued = http().post(gateway.url_of("/v1/chat/completions")).header("x-hotspare-deadline", "2s");
    let reply = queued.body(body).send().await.unwrap();
    assert_eq!(reply.status(), 503);
    let lines = log.lines(&format!("id=\"{}\"", id(&reply)));
    let words = ["the call failed", "all its slots are in use"];
    assert!(lines.len() == 1 && words.iter().all(|word| lines[0].contains(word)), "{lines:#?}");
}

#[tokio::test]
async fn request_ids_are_traced_from_caller_to_provider() {
    let log = operators_log();
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let gateway = start(rig.client.clone()).await;
    for (sent, logged) in [("trace-1:a/b", true), ("two words", false)] {
        let asking = http().post(gateway.url_of("/v1/chat/completions")).header("x-request-id", sent);
        let reply = asking.body("{}").send().await.unwrap();
        let lines = log.lines(&id(&reply));
        assert!(!lines.is_empty());
        assert_eq!(lines[0].contains(&format!("caller_id=\"{sent}\"")), logged, "{lines:#?}");
    }

    let debug = LogCapture::default();
    let writer = debug.clone();
    let logs = tracing_subscriber::fmt().with_env_filter("hotspare=debug").with_ansi(false);
    let _guard = tracing::subscriber::set_default(logs.with_writer(move || writer.clone()).finish());
    let request = hotspare::ChatRequest::to("chat").user("a very private prompt");
    let answer = rig.client.chat(request.clone()).await.unwrap();
    let upstream = answer.trail.attempts[0].request_id.clone().unwrap();
    let lines = debug.lines("answered");
    let has = |lines: &[String], words: &[&str]| {
        lines.iter().any(|line| words.iter().all(|word| line.contains(word)))
    };
    let told = format!("upstream_request_id=\"{upstream}\"");
    assert!(has(&lines, &["DEBUG", "served_by=main", "attempts=1", "tokens=", &told]), "{lines:#?}");
    rig.servers[0].set_fault(Some(Fault::Status(400))).await;
    let error = rig.client.chat(request).await.unwrap_err();
    let upstream = error.trail().attempts[0].request_id.clone().unwrap();
    let told = format!("upstream_request_id=\"{upstream}\"");
    assert!(has(&debug.lines("attempt failed"), &["target=main", &told]), "{}", debug.text());
    assert_eq!(debug.lines("private"), [""; 0]);
}
