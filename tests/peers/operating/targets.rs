//! What an operator sees of targets and can do with them.

use hotspare::{Client, Key, RouteSpec, Secret, Sequential, openai};
use hotspare_chaos::{ChaosServer, Fault, Settings, WireFormat};
use hotspare_gateway::{ClientKeys, ServeOptions};
use hotspare_tests::{Rig, until};
use serde_json::{Value, json};

use super::{get, http, id, operators_log, post_chat, targets};
use crate::gateway::{start, start_at, start_with};

/// A dead key is not an open breaker; it is identified, and back at once after it was paid for.
#[tokio::test]
async fn rejected_key_is_shown_and_can_be_reenabled() {
    let server = ChaosServer::start(Settings::new(WireFormat::OpenAi).key("sk-good")).await.unwrap();
    let endpoint = openai::target("m").base_url(server.base_url());
    let endpoint = ["sk-dead", "sk-good"]
        .into_iter()
        .fold(endpoint, |endpoint, key| endpoint.key(Key::from_secret(Secret::new(key))));
    let route = RouteSpec::new(Sequential::new(["main"]));
    let client = Client::builder().target("main", endpoint).route("chat", route).build().unwrap();
    let gateway = start(client).await;
    until("the first key is rejected", async || {
        post_chat(&gateway, "chat", false).await;
        !targets(&gateway).await[0]["keys"][0]["disabled_by"].is_null()
    })
    .await;
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
    until("the second key is rejected", async || {
        assert_eq!(post_chat(&gateway, "chat", false).await.status(), 200, "one of the two serves");
        !targets(&gateway).await[0]["keys"][1]["disabled_by"].is_null()
    })
    .await;
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
    options.keys = ClientKeys::parse("let-me-in").unwrap();
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
async fn operator_keys_are_separate_from_client_keys() {
    let log = operators_log();
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let mut options = ServeOptions::default();
    options.keys = ClientKeys::parse("tenant").unwrap();
    options.operator_keys = ClientKeys::parse("first second").unwrap();
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
    assert!(lines.iter().any(|line| line.contains("by=\"operator key 2\"")), "{lines:#?}");
}
