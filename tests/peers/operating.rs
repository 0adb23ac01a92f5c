//! What an operator sees of the gateway and can do: logs, metrics, targets.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use hotspare::{Client, Key, RouteSpec, Secret, Sequential, openai};
use hotspare_chaos::{ChaosServer, Fault, Settings, WireFormat};
use hotspare_gateway::{ClientKeys, ServeOptions};
use hotspare_tests::{LogCapture, Rig, short_limits};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::gateway::{TestGateway, start, start_at, start_with};

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

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
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
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    rig.servers[0].set_fault(Some(Fault::Status(401))).await;
    let gateway = start(rig.client.clone()).await;

    let reply = post_chat(&gateway, "chat", false).await;
    assert_eq!(reply.status(), 502);
    let lines = log.lines(&format!("id=\"{}\"", id(&reply)));
    let has = |words: &[&str]| lines.iter().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(has(&["WARN", "out of service", "kind=auth", "main", "recheck_after_s=600"]), "{lines:#?}");
    let failed = ["WARN", "the call failed", "kind=auth", "attempts=1", "main: auth (401)", "route=chat"];
    assert!(has(&failed), "{lines:#?}");

    let reply = post_chat(&gateway, "chat", false).await;
    let lines = log.lines(&format!("id=\"{}\"", id(&reply)));
    let why = |line: &&String| line.contains("the call failed") && line.contains("main: it is disabled");
    assert!(lines.iter().any(|line| why(&line)), "callers do not see it, so the log must: {lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("out of service")), "logged once: {lines:#?}");

    let reply = post_chat(&gateway, "nobody", false).await;
    let lines = log.lines(&format!("id=\"{}\"", id(&reply)));
    assert!(lines.iter().any(|line| line.contains("INFO") && line.contains("status=404")), "{lines:#?}");
    for secret in ["private", "sk-test", "nobody"] {
        assert_eq!(log.lines(secret), [""; 0]);
    }
}

#[tokio::test]
async fn requests_are_counted_by_outcome() {
    let rig = Rig::sequential(&[WireFormat::OpenAi, WireFormat::Anthropic]).await;
    let gateway = start(rig.client.clone()).await;
    let before = get(&gateway, "/metrics").await;
    assert!(before.contains("hotspare_requests_total{route=\"chat\",outcome=\"served\"} 0\n"), "{before}");

    post_chat(&gateway, "chat", true).await.text().await.unwrap();
    rig.servers[0].set_fault(Some(Fault::Status(400))).await;
    rig.servers[1].set_fault(Some(Fault::Status(400))).await;
    assert_eq!(post_chat(&gateway, "chat", true).await.status(), 400);
    rig.servers[0].set_fault(Some(Fault::Status(503))).await;
    rig.servers[1].set_fault(None).await;
    assert_eq!(post_chat(&gateway, "chat", false).await.status(), 200, "two attempts, one request");
    assert_eq!(post_chat(&gateway, "nobody", false).await.status(), 404);
    rig.servers[0].set_fault(Some(Fault::StallAfter(2))).await;
    let mut left = post_chat(&gateway, "chat", true).await;
    left.chunk().await.unwrap();
    drop(left);

    let counted = "hotspare_requests_total{route=\"chat\",outcome=\"cancelled\"} 1\n";
    let mut text = String::new();
    while !text.contains(counted) {
        text = get(&gateway, "/metrics").await;
    }
    for line in [
        "# TYPE hotspare_requests_total counter",
        "hotspare_requests_total{route=\"chat\",outcome=\"served\"} 2",
        "hotspare_requests_total{route=\"chat\",outcome=\"invalid_request\"} 1",
        "hotspare_requests_total{route=\"\",outcome=\"invalid_request\"} 1",
        "# TYPE hotspare_request_first_content_seconds histogram",
        "hotspare_request_first_content_seconds_count{route=\"chat\"} 2",
        "hotspare_request_duration_seconds_bucket{route=\"chat\",le=\"+Inf\"} 2",
        "hotspare_request_duration_seconds_count{route=\"chat\"} 2",
        "hotspare_requests_in_flight 0",
        "hotspare_max_connections 10000",
        "hotspare_network_suspected 0",
        "hotspare_attempt_first_content_seconds_bucket{target=\"main\",le=\"500\"} 2",
        "hotspare_attempt_first_content_seconds_count{target=\"spare\"} 1",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line} is missing in\n{text}");
    }
    let connections = text.lines().find_map(|line| line.strip_prefix("hotspare_connections "));
    assert!(connections.unwrap().parse::<u32>().unwrap() >= 1);
}

/// A dead key is not an open breaker; it is identified, and back at once after it was paid for.
#[tokio::test]
async fn rejected_key_is_shown_and_can_be_reenabled() {
    let server = ChaosServer::start(Settings::new(WireFormat::OpenAi).key("sk-good")).await.unwrap();
    let endpoint = openai::target("m").base_url(server.base_url());
    let endpoint = ["sk-dead", "sk-good"]
        .into_iter()
        .fold(endpoint.endpoint(), |endpoint, key| endpoint.key(Key::from_secret(Secret::new(key))));
    let route = RouteSpec::new(Sequential::new(["main"])).limits(short_limits());
    let client = Client::builder().target("main", endpoint).route("chat", route).build().unwrap();
    let gateway = start(client).await;
    while targets(&gateway).await[0]["keys"][0]["disabled_by"].is_null() {
        post_chat(&gateway, "chat", false).await;
    }
    let target = &targets(&gateway).await[0];
    assert_eq!(target["keys"][0]["disabled_by"], "auth", "{target}");
    assert_eq!(target["keys"][0]["usable"], false);
    assert!(target["keys"][0]["usable_in_ms"].as_u64().unwrap() > 590_000);
    assert_eq!(
        (&target["keys"][1]["usable"], &target["keys"][1]["disabled_by"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(
        (&target["usable"], &target["breaker"], &target["disabled_by"]),
        (&json!(true), &json!("closed"), &Value::Null)
    );
    let metrics = get(&gateway, "/metrics").await;
    for line in [
        "hotspare_target_key_disabled{target=\"main\",key=\"1\"} 1",
        "hotspare_target_key_disabled{target=\"main\",key=\"2\"} 0",
        "hotspare_target_model_disabled{target=\"main\"} 0",
        "hotspare_target_breaker_state{target=\"main\"} 0",
    ] {
        assert!(metrics.contains(&format!("{line}\n")), "{line} is missing in\n{metrics}");
    }
    assert!(!metrics.contains("sk-") && !target.to_string().contains("sk-"));

    server.set_settings(server.settings().key("sk-dead"));
    let reply = http().post(gateway.url_of("/targets/main/enable")).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    let target: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
    assert_eq!(
        (&target["keys"][0]["usable"], &target["keys"][0]["disabled_by"]),
        (&json!(true), &Value::Null)
    );
    while targets(&gateway).await[0]["keys"][1]["disabled_by"].is_null() {
        assert_eq!(post_chat(&gateway, "chat", false).await.status(), 200, "one of the two serves");
    }
}

#[tokio::test]
async fn unavailable_model_can_be_reenabled() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    rig.servers[0].set_fault(Some(Fault::Status(404))).await;
    let gateway = start(rig.client.clone()).await;
    assert_ne!(post_chat(&gateway, "chat", false).await.status(), 200);
    rig.servers[0].set_fault(None).await;
    assert_eq!(targets(&gateway).await[0]["disabled_by"], "model_unavailable");
    assert_eq!(post_chat(&gateway, "chat", false).await.status(), 503, "it is not tried");
    http().post(gateway.url_of("/targets/main/enable")).send().await.unwrap();
    assert_eq!(post_chat(&gateway, "chat", false).await.status(), 200);
}

#[tokio::test]
async fn target_can_be_cordoned_and_uncordoned() {
    let log = operators_log();
    let rig = Rig::sequential(&[WireFormat::OpenAi, WireFormat::Anthropic]).await;
    let gateway = start(rig.client.clone()).await;
    let post = |path: &str| http().post(gateway.url_of(path)).send();
    let served_by =
        async || post_chat(&gateway, "chat", false).await.headers()["x-hotspare-served-by"].clone();

    let usable = async |count: usize| {
        let line = format!("hotspare_route_usable_targets{{route=\"chat\"}} {count}\n");
        let metrics = get(&gateway, "/metrics").await;
        let alone = metrics.contains("hotspare_route_usable_targets{route=\"main\"}");
        metrics.contains(&line) && !alone
    };
    assert!(usable(2).await);
    let reply = post("/targets/main/cordon").await.unwrap();
    let request = id(&reply);
    assert_eq!(reply.status(), 200);
    let shown: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
    assert_eq!(
        (&shown["target"], &shown["cordoned"], &shown["usable"]),
        (&json!("main"), &json!(true), &json!(false))
    );
    assert_eq!((&shown["samples"], &shown["failure_rate"]), (&json!(0), &Value::Null), "no calls yet");
    assert!(usable(1).await);
    assert_eq!(served_by().await, "spare");
    assert!(get(&gateway, "/metrics").await.contains("hotspare_target_cordoned{target=\"main\"} 1\n"));
    assert!(log.lines(&request).iter().any(|line| line.contains("cordoned by an operator")));
    assert_eq!(post("/targets/main/uncordon").await.unwrap().status(), 200);
    assert_eq!(served_by().await, "main");

    let unknown = post("/targets/nobody/cordon").await.unwrap();
    assert_eq!(unknown.status(), 404);
    assert!(unknown.text().await.unwrap().contains("main, spare"));
    let page = http().post(gateway.url_of("/targets/main/cordon")).header("origin", "https://a.page").send();
    assert_eq!(page.await.unwrap().status(), 403);
    assert_eq!(http().get(gateway.url_of("/targets/main/cordon")).send().await.unwrap().status(), 405);
    assert_eq!(served_by().await, "main", "none of them had an effect");
}

#[tokio::test]
async fn admin_requests_require_a_client_key() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let open = start_at("0.0.0.0", rig.client.clone(), ServeOptions::default()).await;
    let reply = http().post(open.url_of("/targets/main/cordon")).send().await.unwrap();
    assert_eq!(reply.status(), 403);
    assert!(reply.text().await.unwrap().contains("server.client_keys"));

    let mut options = ServeOptions::default();
    options.keys = ClientKeys::parse("let-me-in");
    for host in ["0.0.0.0", "127.0.0.1"] {
        let locked = start_at(host, rig.client.clone(), options.clone()).await;
        let post = || http().post(locked.url_of("/targets/main/cordon"));
        assert_eq!(post().send().await.unwrap().status(), 401, "{host}");
        assert!(!rig.client.targets()[0].view.cordoned);
        assert_eq!(post().bearer_auth("let-me-in").send().await.unwrap().status(), 200, "{host}");
        assert!(rig.client.targets()[0].view.cordoned);
        rig.client.uncordon("main").unwrap();
    }
}

#[tokio::test]
async fn model_lookup_uses_the_callers_api_format() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let gateway = start(rig.client.clone()).await;
    let get_model = async |path: &str, anthropic: bool| -> (u16, Value) {
        let mut request = http().get(gateway.url_of(path));
        if anthropic {
            request = request.header("anthropic-version", "2023-06-01");
        }
        let reply = request.send().await.unwrap();
        assert!(!id(&reply).is_empty());
        (reply.status().as_u16(), serde_json::from_str(&reply.text().await.unwrap()).unwrap())
    };
    let (status, body) = get_model("/v1/models/chat", false).await;
    assert_eq!((status, &body["id"], &body["object"]), (200, &json!("chat"), &json!("model")));
    let (status, body) = get_model("/v1/models/chat", true).await;
    assert_eq!((status, &body["id"], &body["type"]), (200, &json!("chat"), &json!("model")));
    let (status, body) = get_model("/v1/models/meta/llama", false).await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("model_not_found")));
    let (status, body) = get_model("/v1/models/nobody", true).await;
    assert_eq!(
        (status, &body["type"], &body["error"]["type"]),
        (404, &json!("error"), &json!("not_found_error"))
    );
}

#[tokio::test]
async fn unknown_paths_and_methods_are_rejected_in_the_callers_api_format() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let gateway = start(rig.client.clone()).await;
    let reply = http().get(gateway.url_of("/v1/chat/completions")).send().await.unwrap();
    assert_eq!((reply.status().as_u16(), &reply.headers()["allow"]), (405, &"POST".parse().unwrap()));
    assert!(!id(&reply).is_empty());
    let body: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
    assert_eq!(body["error"]["message"], "/v1/chat/completions does not accept GET");

    let reply = http().get(gateway.url_of("/v1/messages")).send().await.unwrap();
    assert_eq!(reply.status(), 405);
    let body: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
    assert_eq!((&body["type"], body["request_id"].is_string()), (&json!("error"), true), "{body}");

    let reply = http().post(gateway.url_of("/v1/v1/messages")).body("{}").send().await.unwrap();
    assert_eq!(reply.status(), 404);
    let body: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
    assert_eq!(body["type"], "error");
    assert!(body["error"]["message"].as_str().unwrap().contains("remove /v1 from the base URL"), "{body}");
    let message = body["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("unknown endpoint POST /v1/v1/messages; available: POST /v1/chat"),
        "{message}"
    );
}

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
    assert!(get(&gateway, "/metrics").await.contains("hotspare_max_connections 1\n"));
    assert!(log.lines("WARN").iter().any(|line| line.contains("server.max_connections")));

    drop(holds);
    while post_chat(&gateway, "chat", false).await.status() != 200 {}
}

#[tokio::test]
async fn operator_keys_are_separate_from_client_keys() {
    let log = operators_log();
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let mut options = ServeOptions::default();
    options.keys = ClientKeys::parse("tenant");
    options.operator_keys = ClientKeys::parse("first second");
    let gateway = start_with(rig.client.clone(), options).await;
    let cordon = async |key: &str| {
        http().post(gateway.url_of("/targets/main/cordon")).bearer_auth(key).send().await.unwrap()
    };
    let look = async |path: &str, key: &str| {
        http().get(gateway.url_of(path)).bearer_auth(key).send().await.unwrap().status().as_u16()
    };
    for path in ["/targets", "/metrics"] {
        assert_eq!((look(path, "tenant").await, look(path, "nobody").await), (403, 401), "{path}");
        assert_eq!(look(path, "first").await, 200, "{path}");
    }
    assert_eq!(look("/v1/models", "first").await, 401, "an operator key may not call models");
    assert_eq!(cordon("tenant").await.status(), 403);
    assert!(!rig.client.targets()[0].view.cordoned);
    let reply = cordon("second").await;
    assert_eq!(reply.status(), 200);
    let lines = log.lines(&id(&reply));
    assert!(lines.iter().any(|line| line.contains("shown=\"operator key 2\"")), "{lines:#?}");
}

/// Readiness fails only for what an operator must fix; rate limits pass by themselves.
#[tokio::test]
async fn rate_limits_return_429_and_the_gateway_stays_ready() {
    let rig = Rig::sequential(&[WireFormat::OpenAi, WireFormat::Anthropic]).await;
    let gateway = start(rig.client.clone()).await;
    let ready = async || http().get(gateway.url_of("/readyz")).send().await.unwrap().status().as_u16();
    for server in &rig.servers {
        server.set_fault(Some(Fault::RateLimited(7))).await;
    }
    for asked in [true, false, false] {
        let reply = post_chat(&gateway, "chat", false).await;
        assert_eq!(reply.status(), 429);
        let is_final = reply.headers().contains_key("x-should-retry");
        assert_eq!(is_final, asked, "retrying after the pause is right if no target was tried");
        let pause: u64 = reply.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=9).contains(&pause), "{pause}");
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

#[tokio::test]
async fn documentation_lists_exactly_the_exposed_metrics() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let gateway = start(rig.client.clone()).await;
    let text = get(&gateway, "/metrics").await;
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let exposed: BTreeSet<&str> = families.collect();
    let docs = include_str!("../../docs/operating.md");
    let rows = docs.lines().filter(|line| line.starts_with("| `hotspare_"));
    let names = rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2));
    let documented: BTreeSet<&str> = names.collect();
    assert_eq!(exposed, documented);
    let named = docs.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
    for name in named.filter(|word| word.starts_with("hotspare_")) {
        assert!(exposed.contains(name), "docs/operating.md mentions {name}, which does not exist");
    }
}

/// Sends a request as it is and returns status, headers and body.
async fn send_raw(gateway: &TestGateway, head: &str) -> (u16, String, String) {
    let mut caller = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
    caller.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    // The end of the connection comes later if the gateway lets a refused body drain.
    loop {
        assert!(caller.read_buf(&mut reply).await.unwrap() > 0, "{head}: the reply is cut off");
        let Some((head, body)) = std::str::from_utf8(&reply).unwrap().split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_ascii_lowercase();
        let (_, length) = head.split_once("content-length: ").unwrap();
        if body.len() == length.lines().next().unwrap().parse::<usize>().unwrap() {
            return (head[9..12].parse().unwrap(), head, body.to_owned());
        }
    }
}

/// Whatever is wrong, the reply has the format of the wire to which the path belongs.
#[tokio::test]
async fn every_error_has_the_format_of_its_path() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let gateway = start(rig.client.clone()).await;
    let version = "\r\nanthropic-version: 2023-06-01";
    let (openai, anthropic) = (false, true);
    let paths = [
        ("/v1/chat/completions", Some(openai)),
        ("/v1/responses", Some(openai)),
        ("/v1/embeddings", Some(openai)),
        ("/v1/messages", Some(anthropic)),
        ("/v1/messages/count_tokens", Some(anthropic)),
        // The same paths for both: the header decides.
        ("/v1/models", None),
        ("/v1/models/nobody", None),
        ("/v1/models/%FF", None),
        ("/v1/models/%zz", None),
        ("/v1/nothing", None),
        ("/", None),
        ("/targets", None),
        ("/targets/main/uncordon", None),
        ("/targets/%FF/cordon", None),
        ("/metrics", None),
        ("/healthz", None),
        ("/readyz", None),
        ("*", None),
    ];
    let heads = [
        "host: localhost",
        "host: evil.example",
        "host: :// @",
        "host: localhost\r\ncontent-length: 1000000000",
        "host: localhost\r\ncontent-length: 0\r\ncontent-encoding: gzip",
    ];
    let mut seen = BTreeSet::new();
    for (path, wire) in paths {
        for method in ["GET", "POST", "DELETE", "OPTIONS", "BREW"] {
            for (head, told) in heads.iter().flat_map(|head| [(head, false), (head, true)]) {
                let head = format!("{method} {path} HTTP/1.1\r\n{head}{}", if told { version } else { "" });
                let (status, headers, body) = send_raw(&gateway, &head).await;
                if status < 400 {
                    continue;
                }
                seen.insert(status);
                for header in ["content-type: application/json", "x-request-id: hs-", "x-should-retry: false"]
                {
                    assert!(headers.contains(&format!("\r\n{header}")), "{head}\n{headers}");
                }
                let error: Value = serde_json::from_str(&body).unwrap();
                assert!(error["error"]["message"].is_string(), "{head}\n{body}");
                let is_anthropic = error["type"] == "error" && error["request_id"].is_string();
                // The operators' endpoints are no API of a provider: their own errors have OpenAI's format.
                let is_operators = path.starts_with("/targets") || path == "/metrics";
                assert!(
                    is_anthropic == wire.unwrap_or(told) || (is_operators && !is_anthropic),
                    "{head}\n{body}"
                );
            }
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [400, 403, 404, 405, 413, 415]);
}
