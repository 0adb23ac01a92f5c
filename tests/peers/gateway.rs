//! The gateway, run in this process on a real socket, as any HTTP client sees it.

use std::net::SocketAddr;

use futures::channel::mpsc::UnboundedSender;
use hotspare::{Client, Race};
use hotspare_chaos::{Fault, WireFormat};
use hotspare_gateway::{ClientKeys, ServeOptions, serve_on};
use hotspare_tests::{Rig, until};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

/// A running gateway; it stops when dropped.
pub(crate) struct TestGateway {
    address: SocketAddr,
    signals: UnboundedSender<()>,
    server: Option<JoinHandle<std::io::Result<()>>>,
}

impl TestGateway {
    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The URL of a path on this gateway.
    pub(crate) fn url_of(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a signal to stop.
    pub(crate) fn signal(&self) {
        let _ = self.signals.unbounded_send(());
    }

    /// Waits until it has stopped.
    pub(crate) async fn wait_stopped(mut self) {
        self.server.take().unwrap().await.unwrap().unwrap();
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        self.signal();
    }
}

pub(crate) async fn start(client: Client) -> TestGateway {
    start_with(client, ServeOptions::default()).await
}

pub(crate) async fn start_with(client: Client, options: ServeOptions) -> TestGateway {
    start_at("127.0.0.1", client, options).await
}

/// A gateway that listens at this address.
pub(crate) async fn start_at(host: &str, client: Client, options: ServeOptions) -> TestGateway {
    start_on(tokio::net::TcpListener::bind((host, 0)).await.unwrap(), client, options)
}

/// A gateway with this listener.
pub(crate) fn start_on(
    listener: tokio::net::TcpListener,
    client: Client,
    options: ServeOptions,
) -> TestGateway {
    let port = listener.local_addr().unwrap().port();
    let (signals, receiver) = futures::channel::mpsc::unbounded();
    let server = tokio::spawn(serve_on(listener, client, options, receiver));
    TestGateway { address: SocketAddr::from(([127, 0, 0, 1], port)), signals, server: Some(server) }
}

/// A client that ignores proxies in the environment.
pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn post(gateway: &TestGateway, body: &str) -> reqwest::Response {
    http().post(format!("{}/chat/completions", gateway.url())).body(body.to_owned()).send().await.unwrap()
}

fn request_body(stream: bool) -> String {
    json!({"model": "chat", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}).to_string()
}

#[tokio::test]
async fn reply_headers_name_the_target_and_attempts() {
    let rig = Rig::sequential(&[WireFormat::OpenAi, WireFormat::Anthropic]).await;
    rig.servers[0].set_fault(Some(Fault::Status(503))).await;
    let gateway = start(rig.client.clone()).await;
    for stream in [false, true] {
        let reply = post(&gateway, &request_body(stream)).await;
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.headers()["x-hotspare-served-by"], "spare");
        assert_eq!(reply.headers()["x-hotspare-attempts"], "2");
        assert!(reply.headers().contains_key("x-request-id"));
        assert!(reply.text().await.unwrap().contains("claude-demo"), "the model that truly answered");
    }
}

#[tokio::test]
async fn reply_headers_of_a_race_name_the_winner() {
    let rig = Rig::strategy(&[WireFormat::OpenAi; 2], Race::new(["main", "spare"])).await;
    rig.servers[1].set_fault(Some(Fault::Silence)).await;
    let gateway = start(rig.client.clone()).await;
    let reply = post(&gateway, &request_body(true)).await;
    assert_eq!(reply.headers()["x-hotspare-served-by"], "main");
}

#[tokio::test]
async fn reply_header_says_what_was_changed_for_the_target() {
    let rig = Rig::sequential(&[WireFormat::OpenAi, WireFormat::Anthropic]).await;
    let gateway = start(rig.client.clone()).await;
    for stream in [false, true] {
        let mut body: Value = serde_json::from_str(&request_body(stream)).unwrap();
        body["logit_bias"] = json!({"50256": -100});
        body["caf\u{e9}"] = json!(1);
        rig.servers[0].set_fault(None).await;
        let reply = post(&gateway, &body.to_string()).await;
        assert_eq!(reply.headers()["x-hotspare-served-by"], "main");
        assert!(!reply.headers().contains_key("x-hotspare-notes"), "nothing was changed");
        rig.servers[0].set_fault(Some(Fault::Status(503))).await;
        let reply = post(&gateway, &body.to_string()).await;
        let notes = reply.headers()["x-hotspare-notes"].to_str().unwrap();
        assert!(notes.contains("dropped fields specific to another wire (caf?, logit_bias)"), "{notes}");
        body["x".repeat(5_000)] = json!(1);
        let reply = post(&gateway, &body.to_string()).await;
        assert_eq!(reply.headers()["x-hotspare-notes"].len(), 1_024);
    }
}

#[tokio::test]
async fn frames_of_the_callers_wire_are_relayed_verbatim() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let gateway = start(rig.client.clone()).await;
    let through = post(&gateway, &request_body(true)).await.text().await.unwrap();
    assert!(through.contains("chatcmpl-") && through.contains(r#""created":1760000000"#), "{through}");
    assert!(!through.contains("usage"), "usage was not requested");
    assert_eq!(through.matches("[DONE]").count(), 1);
}

#[tokio::test]
async fn requested_usage_survives_a_failover() {
    for wires in [[WireFormat::OpenAi, WireFormat::OpenAi], [WireFormat::OpenAi, WireFormat::Anthropic]] {
        let rig = Rig::sequential(&wires).await;
        rig.servers[0].set_fault(Some(Fault::Status(503))).await;
        let gateway = start(rig.client.clone()).await;
        let mut body: Value = serde_json::from_str(&request_body(true)).unwrap();
        body["stream_options"] = json!({"include_usage": true});
        let reply = post(&gateway, &body.to_string()).await;
        assert_eq!(reply.headers()["x-hotspare-served-by"], "spare");
        let text = reply.text().await.unwrap();
        assert!(text.contains(r#""completion_tokens":20"#), "{text}");
    }
}

/// A table of bad requests: each gives a typed error with its status, never a panic, a hang or a call upstream.
#[tokio::test]
async fn bad_requests_get_typed_errors() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let mut options = ServeOptions::default();
    options.max_body_bytes = 100_000;
    let gateway = start_with(rig.client.clone(), options).await;
    let with =
        |field: &str| format!(r#"{{"model":"chat","messages":[{{"role":"user","content":"x"}}],{field}}}"#);
    let cases: Vec<(String, u16)> = vec![
        (String::new(), 400),
        ("null".into(), 400),
        ("[]".into(), 400),
        ("{".into(), 400),
        ("{}".into(), 400),
        ("\0".into(), 400),
        (r#"{"model":"chat"}"#.into(), 400),
        (r#"{"model":"chat","messages":[]}"#.into(), 400),
        (r#"{"model":"chat","messages":{}}"#.into(), 400),
        (r#"{"model":"chat","messages":"hi"}"#.into(), 400),
        (r#"{"model":"chat","messages":[1]}"#.into(), 400),
        (r#"{"model":"chat","messages":[{}]}"#.into(), 400),
        (r#"{"model":"chat","messages":[{"role":"wizard","content":"x"}]}"#.into(), 400),
        (r#"{"model":"chat","messages":[{"role":"user"}]}"#.into(), 400),
        (r#"{"model":"chat","messages":[{"role":"user","content":5}]}"#.into(), 400),
        (r#"{"model":"chat","messages":[{"role":"user","content":[{"kind":"text"}]}]}"#.into(), 400),
        (r#"{"model":"chat","messages":[{"role":"user","content":[{"type":"text"}]}]}"#.into(), 400),
        (r#"{"model":"chat","messages":[{"role":"tool","content":"x"}]}"#.into(), 400),
        (r#"{"model":5,"messages":[{"role":"user","content":"x"}]}"#.into(), 400),
        (r#"{"model":"nobody","messages":[{"role":"user","content":"x"}]}"#.into(), 404),
        (with(r#""temperature":-1"#), 400),
        (with(r#""temperature":"warm""#), 400),
        (with(r#""temperature":1e999"#), 400),
        (with(r#""top_p":2"#), 400),
        (with(r#""max_tokens":-5"#), 400),
        (with(r#""max_tokens":0"#), 400),
        (with(r#""max_tokens":1.5"#), 400),
        (with(r#""max_tokens":99999999999999999999"#), 400),
        (with(r#""n":2"#), 400),
        (with(r#""stop":5"#), 400),
        (with(r#""stream":"yes""#), 400),
        (with(r#""stream_options":[]"#), 400),
        (with(r#""tools":{}"#), 400),
        (with(r#""tools":[{"type":"function"}]"#), 400),
        (with(r#""tool_choice":"perhaps""#), 400),
        (with(r#""response_format":{"type":"xml"}"#), 400),
        (with(r#""response_format":{"type":"json_schema"}"#), 400),
        (with(r#""hotspare":{"deadline":20}"#), 400),
        (with(r#""hotspare":{"deadline":"0s"}"#), 400),
        (with(r#""hotspare":{"fail":"over"}"#), 400),
        (with(r#""hotspare":{"only":["nobody"]}"#), 400),
        (with(r#""hotspare":{"without":["mian"]}"#), 400),
        (with(r#""hotspare":{"without":["main"]}"#), 400),
        (with(&format!(r#""x":{}1{}"#, "[".repeat(5_000), "]".repeat(5_000))), 400),
        ("x".repeat(200_000), 413),
    ];
    for (body, status) in cases {
        let shown: String = body.chars().take(120).collect();
        let reply = post(&gateway, &body).await;
        assert_eq!(reply.status(), status, "{shown}");
        assert_eq!(reply.headers()["x-should-retry"].to_str().unwrap_or(""), "false", "{shown}");
        let error: Value = serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap();
        assert!(error["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{shown}: {error}");
    }
    assert_eq!(rig.servers[0].stats().requests, 0);
    assert_eq!(post(&gateway, &request_body(false)).await.status(), 200, "and it still serves");
}

#[tokio::test]
async fn client_keys_are_required_and_not_forwarded() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let mut options = ServeOptions::default();
    options.keys = ClientKeys::parse("let-me-in").unwrap();
    let gateway = start_with(rig.client.clone(), options).await;
    for path in ["/chat/completions", "/models", "/../targets", "/../metrics"] {
        let url = format!("{}{path}", gateway.url());
        let http = http();
        let reply = if path.ends_with("completions") {
            http.post(&url).body(request_body(false))
        } else {
            http.get(&url)
        };
        assert_eq!(reply.send().await.unwrap().status(), 401, "{path}");
        let reply = if path.ends_with("completions") {
            http.post(&url).body(request_body(false))
        } else {
            http.get(&url)
        };
        let reply = reply.bearer_auth("let-me-in").send().await.unwrap();
        assert_eq!(reply.status(), 200, "{path}");
        assert!(!reply.text().await.unwrap().contains("let-me-in"));
    }
}

#[tokio::test]
async fn client_disconnect_cancels_upstream() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    for fault in [Fault::Silence, Fault::StallAfter(3)] {
        rig.servers[0].set_fault(Some(fault)).await;
        let before = rig.servers[0].stats().cancelled;
        let gateway = start(rig.client.clone()).await;
        let body = request_body(matches!(fault, Fault::StallAfter(_)));
        let asking = tokio::spawn(async move {
            let reply = post(&gateway, &body).await;
            let _ = reply.text().await;
        });
        until("the call is in flight", async || rig.client.targets()[0].counts.in_flight > 0).await;
        asking.abort();
        until("it is cancelled", async || rig.servers[0].stats().cancelled > before).await;
    }
}

/// Unread bytes after the request, such as a stray line break or a pipelined request, must not hide that the caller is gone.
#[tokio::test]
async fn client_disconnect_is_noticed_behind_unread_bytes() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let gateway = start(rig.client.clone()).await;
    let pipelined =
        format!("GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(90_000));
    for (fault, stream) in [(Fault::Silence, false), (Fault::Silence, true), (Fault::StallAfter(3), true)] {
        for more in ["\r\n", &pipelined] {
            rig.servers[0].set_fault(Some(fault)).await;
            let before = rig.servers[0].stats().cancelled;
            let body = request_body(stream);
            let head = format!(
                "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}{more}",
                body.len()
            );
            let mut caller = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
            caller.write_all(head.as_bytes()).await.unwrap();
            until("the call is in flight", async || rig.client.targets()[0].counts.in_flight > 0).await;
            if fault == Fault::StallAfter(3) {
                assert!(caller.read(&mut [0; 64]).await.unwrap() > 0);
            }
            drop(caller);
            until("it is cancelled", async || rig.servers[0].stats().cancelled > before).await;
        }
    }
}

#[test]
fn example_config_is_accepted() {
    let text = include_str!("../../docs/hotspare.toml");
    // Keys are read when the client is built; only the text is under test, so the keys use a variable that cargo
    // sets.
    let mut text = text.to_owned();
    for name in [
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "VERTEX_TOKEN",
        "AZURE_OPENAI_API_KEY",
        "AWS_BEARER_TOKEN_BEDROCK",
    ] {
        let key = format!("env = \"{name}\"");
        assert!(text.contains(&key), "{name}");
        text = text.replace(&key, "env = \"CARGO_PKG_VERSION\"");
    }
    let client = Client::from_toml(&text).unwrap();
    assert!(client.names().contains(&"gpt-4o".to_owned()));
}

/// The error for an unknown key lists the known ones: each must appear in the commented configuration, possibly
/// commented out.
#[test]
fn example_config_mentions_every_key() {
    let text = include_str!("../../docs/hotspare.toml");
    let mut seen = 0;
    for wrong in [
        "[server]\nx = 1",
        "[targets.a]\nx = 1",
        "[targets.a]\nprofile = { x = 1 }",
        "[targets.a]\nprofile = { price = { x = 1 } }",
        "[routes.a]\nx = 1",
        "[routes.a]\nlimits = { x = 1 }",
        "[routes.a]\nlimits = { adaptive = { x = 1 } }",
        "[routes.a]\nhedge = { x = 1 }",
    ] {
        let error = Client::from_toml(wrong).unwrap_err();
        let line = error.message().lines().find(|line| line.contains("unknown field `x`")).unwrap();
        for key in line.split('`').skip(3).step_by(2) {
            let is_there = |word: &str| word == key;
            let mut words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            assert!(words.any(is_there), "docs/hotspare.toml lacks `{key}`: {line}");
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen} keys");
}

#[tokio::test]
async fn embeddings_use_the_requested_encoding() {
    // Both hosts serve one model under one name, so either may answer.
    let servers = [WireFormat::OpenAi, WireFormat::OpenAi];
    let rig = Rig::sequential(&servers).await;
    rig.servers[0].set_fault(Some(Fault::Status(500))).await;
    let gateway = start(rig.client.clone()).await;
    let http = http();
    let mut bodies = Vec::new();
    for format in ["float", "base64"] {
        let body = json!({"model": "chat", "input": ["a", "b"], "encoding_format": format, "dimensions": 2});
        let reply =
            http.post(format!("{}/embeddings", gateway.url())).body(body.to_string()).send().await.unwrap();
        assert_eq!(reply.headers()["x-hotspare-served-by"], "spare");
        bodies.push(serde_json::from_str::<Value>(&reply.text().await.unwrap()).unwrap());
    }
    let [floats, base64] = bodies.as_slice() else { panic!("two replies") };
    assert_eq!(floats["data"][1]["embedding"].as_array().unwrap().len(), 2);
    assert_eq!(floats["data"][1]["index"], 1);
    assert_eq!(base64["data"][1]["embedding"].as_str().unwrap().len(), 12);
    let bad = http.post(format!("{}/embeddings", gateway.url())).body(r#"{"model":"chat","input":[]}"#);
    assert_eq!(bad.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn deadline_headers_are_honored() {
    let rig = Rig::sequential(&[WireFormat::OpenAi, WireFormat::Anthropic]).await;
    for server in &rig.servers {
        server.set_fault(Some(Fault::Silence)).await;
    }
    let gateway = start(rig.client.clone()).await;
    let send = |name: &'static str, value: &'static str| {
        let url = format!("{}/chat/completions", gateway.url());
        async move {
            let sent = http().post(url).header(name, value).body(request_body(false)).send();
            sent.await.unwrap().status().as_u16()
        }
    };
    assert_eq!(send("x-hotspare-deadline", "200ms").await, 504);
    assert_eq!(send("x-envoy-expected-rq-timeout-ms", "200").await, 504);
    assert_eq!(send("x-stainless-read-timeout", "0.2").await, 504, "as an official client states it");
    assert_eq!(send("x-request-timeout", "soon").await, 400);
    let views = rig.client.targets();
    assert!(
        views.iter().all(|target| target.view.failure_rate_bp == 0),
        "a short caller deadline blames no target"
    );
}

/// Whichever target serves, or continues after a cut, a caller of the Responses wire gets that wire.
#[tokio::test]
async fn responses_api_is_served_by_every_wire() {
    let http = http();
    for wires in [[WireFormat::Responses, WireFormat::OpenAi], [WireFormat::Anthropic, WireFormat::Responses]]
    {
        for fault in [None, Some(Fault::Status(503)), Some(Fault::CutAfter(5))] {
            let rig = Rig::sequential(&wires).await;
            rig.servers[0].set_fault(fault).await;
            let gateway = start(rig.client.clone()).await;
            let words = rig.servers[0].settings().answer.concat();
            let url = format!("{}/responses", gateway.url());
            let send = |stream: bool| {
                let body = json!({"model": "chat", "input": "hi", "stream": stream});
                http.post(&url).body(body.to_string()).send()
            };
            let name = format!("{wires:?}, {fault:?}");
            let streamed = send(true).await.unwrap().text().await.unwrap();
            let frames = streamed.split("\n\n").filter_map(|frame| frame.split_once("data: "));
            let frames: Vec<Value> = frames.map(|(_, data)| serde_json::from_str(data).unwrap()).collect();
            let deltas = frames.iter().filter(|frame| frame["type"] == "response.output_text.delta");
            let text: String = deltas.filter_map(|frame| frame["delta"].as_str()).collect();
            assert_eq!(text, words, "{name}\n{streamed}");
            let ends = frames.iter().filter(|frame| frame["type"] == "response.completed");
            assert_eq!(ends.count(), 1, "{name}\n{streamed}");
            assert_eq!(frames.last().unwrap()["type"], "response.completed", "{name}");
            assert_eq!(frames[0]["type"], "response.created", "{name}");
            let end = &frames.last().unwrap()["response"]["output"];
            let whole: Value =
                serde_json::from_str(&send(false).await.unwrap().text().await.unwrap()).unwrap();
            for output in [end, &whole["output"]] {
                assert_eq!(output[0]["content"][0]["text"], words.as_str(), "{name}\n{output}");
            }
        }
    }
}

/// A client that announces a body and does not send it holds a connection that others need.
#[tokio::test]
async fn missing_request_body_times_out() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let mut options = ServeOptions::default();
    options.body_timeout = std::time::Duration::from_millis(50);
    let gateway = start_with(rig.client.clone(), options).await;
    let mut caller = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    let head =
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{\"model\"";
    caller.write_all(head.as_bytes()).await.unwrap();
    let mut reply = String::new();
    caller.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 408 "), "{reply}");
    assert!(reply.contains("the body did not arrive within 50ms"), "{reply}");
}

/// Without client keys, any web page in a local browser could spend the user's money.
#[tokio::test]
async fn cross_origin_requests_are_rejected_without_client_keys() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let send = |address: std::net::SocketAddr, origin: &'static str| async move {
        let body = r#"{"model":"chat","messages":[{"role":"user","content":"hi"}]}"#;
        let request = http().post(format!("http://{address}/v1/chat/completions"));
        let request =
            request.header("content-type", "text/plain").header("origin", origin).bearer_auth("ck-one");
        request.body(body).send().await.unwrap()
    };
    let open = start_with(rig.client.clone(), ServeOptions::default()).await;
    assert_eq!(send(open.address, "http://localhost:3000").await.status(), 200);
    let refused = send(open.address, "https://evil.example").await;
    assert_eq!(refused.status(), 403);
    let body: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    assert!(body["error"]["message"].as_str().unwrap().contains("call it from your own backend"), "{body}");
    let exposed = start_at("0.0.0.0", rig.client.clone(), ServeOptions::default()).await;
    let refused = send(exposed.address, "https://evil.example").await;
    assert_eq!(refused.status(), 403, "also if other machines reach it");
    let mut options = ServeOptions::default();
    options.keys = hotspare_gateway::ClientKeys::parse("ck-one").unwrap();
    let keyed = start_with(rig.client.clone(), options).await;
    assert_eq!(
        send(keyed.address, "https://evil.example").await.status(),
        200,
        "a client key authorizes the request"
    );
    assert_eq!(rig.servers[0].stats().requests, 2);
}
