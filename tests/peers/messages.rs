//! The Messages API of the gateway: what any HTTP client sees of `/v1/messages`.

use hotspare::ChatRequest;
use hotspare_chaos::{Fault, WireFormat};
use hotspare_gateway::{ClientKeys, ServeOptions};
use hotspare_tests::Rig;
use serde_json::{Value, json};

use crate::gateway::{TestGateway, start, start_with};

async fn post(gateway: &TestGateway, path: &str, body: &str) -> reqwest::Response {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.post(format!("{}/{path}", gateway.url()))
        .header("anthropic-version", "2023-06-01")
        .body(body.to_owned())
        .send()
        .await
        .unwrap()
}

async fn json(reply: reqwest::Response) -> Value {
    serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap()
}

fn request_body(stream: bool) -> String {
    json!({"model": "chat", "max_tokens": 64, "stream": stream, "messages": [{"role": "user", "content": "hi"}]})
        .to_string()
}

/// Name and data of each frame.
fn frames(text: &str) -> Vec<(String, Value)> {
    text.split("\n\n")
        .filter(|frame| frame.starts_with("event: "))
        .map(|frame| {
            let (name, data) = frame.split_once('\n').unwrap();
            let data = data.strip_prefix("data: ").unwrap();
            (name["event: ".len()..].to_owned(), serde_json::from_str(data).unwrap())
        })
        .collect()
}

#[tokio::test]
async fn messages_api_emits_the_full_sequence_for_every_wire() {
    for wire in [WireFormat::Anthropic, WireFormat::OpenAi, WireFormat::DeepSeek] {
        let rig = Rig::sequential(&[wire]).await;
        let expected = rig.servers[0].settings().answer.concat();
        let gateway = start(rig.client.clone()).await;

        let reply = post(&gateway, "messages", &request_body(false)).await;
        assert_eq!(
            (reply.status(), reply.headers()["x-hotspare-served-by"].to_str().unwrap()),
            (http::StatusCode::OK, "main")
        );
        assert!(reply.headers().contains_key("request-id"));
        let body: Value = json(reply).await;
        let text = |body: &Value| {
            let blocks = body["content"].as_array().unwrap();
            blocks.iter().filter_map(|block| block["text"].as_str()).collect::<String>()
        };
        assert_eq!(
            (text(&body), &body["type"], &body["stop_reason"]),
            (expected.clone(), &json!("message"), &json!("end_turn"))
        );

        let reply = post(&gateway, "messages", &request_body(true)).await;
        assert_eq!(reply.headers()["content-type"], "text/event-stream");
        let frames = frames(&reply.text().await.unwrap());
        let names: Vec<&str> =
            frames.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "ping").collect();
        assert_eq!(names[..2], ["message_start", "content_block_start"], "{wire:?}");
        assert_eq!(
            names[names.len() - 3..],
            ["content_block_stop", "message_delta", "message_stop"],
            "{wire:?}"
        );
        for (name, data) in &frames {
            assert_eq!(data["type"], name.as_str());
        }
        let said: String = frames.iter().filter_map(|(_, data)| data["delta"]["text"].as_str()).collect();
        assert_eq!(said, expected, "{wire:?}");
        let (begun, ended) = (
            names.iter().filter(|name| **name == "content_block_start").count(),
            names.iter().filter(|name| **name == "content_block_stop").count(),
        );
        assert_eq!(begun, ended, "{wire:?}: every opened block is closed");
    }
}

#[tokio::test]
async fn cut_stream_continues_with_consistent_block_indexes() {
    for (wires, continues) in [
        ([WireFormat::Anthropic, WireFormat::OpenAi], true),
        ([WireFormat::OpenAi, WireFormat::Anthropic], true),
    ] {
        let rig = Rig::sequential(&wires).await;
        let expected = rig.servers[0].settings().answer.concat();
        rig.servers[0].set_fault(Some(Fault::CutAfter(5))).await;
        let gateway = start(rig.client.clone()).await;
        let frames = frames(&post(&gateway, "messages", &request_body(true)).await.text().await.unwrap());
        let said: String = frames.iter().filter_map(|(_, data)| data["delta"]["text"].as_str()).collect();
        assert!(continues && said == expected, "{wires:?}: {said}");
        let mut open = None;
        for (name, data) in &frames {
            match name.as_str() {
                "content_block_start" => {
                    assert_eq!(open, None, "{wires:?}: a block is opened inside another");
                    open = Some(data["index"].clone());
                }
                "content_block_delta" => assert_eq!(open.as_ref(), Some(&data["index"]), "{wires:?}"),
                "content_block_stop" => assert_eq!(open.take().as_ref(), Some(&data["index"]), "{wires:?}"),
                _ => {}
            }
        }
        assert_eq!(frames.last().unwrap().0, "message_stop");
    }
    let rig = Rig::sequential(&[WireFormat::Anthropic]).await;
    rig.servers[0].set_fault(Some(Fault::CutAfter(5))).await;
    let gateway = start(rig.client.clone()).await;
    let frames = frames(&post(&gateway, "messages", &request_body(true)).await.text().await.unwrap());
    let (name, data) = frames.last().unwrap();
    assert_eq!((name.as_str(), &data["type"]), ("error", &json!("error")), "never a clean end");
}

#[tokio::test]
async fn messages_api_uses_its_error_format_and_key_header() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let mut options = ServeOptions::default();
    options.keys = ClientKeys::parse("caller-key").unwrap();
    let gateway = start_with(rig.client.clone(), options).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let send = |name: &'static str, key: &'static str, body: String| {
        http.post(format!("{}/messages", gateway.url())).header(name, key).body(body).send()
    };
    assert_eq!(send("x-api-key", "caller-key", request_body(false)).await.unwrap().status(), 200);
    assert_eq!(send("authorization", "Bearer caller-key", request_body(false)).await.unwrap().status(), 200);
    for (key, body, status, word) in [
        ("wrong", request_body(false), 401, "authentication_error"),
        ("caller-key", request_body(false).replace("\"chat\"", "\"caht\""), 404, "not_found_error"),
        ("caller-key", "{".into(), 400, "invalid_request_error"),
        ("caller-key", request_body(false).replace("\"user\"", "\"wizard\""), 400, "invalid_request_error"),
        ("caller-key", format!("{{\"model\":\"{}\"}}", "x".repeat(33 << 20)), 413, "request_too_large"),
    ] {
        let reply = send("x-api-key", key, body).await.unwrap();
        assert_eq!(
            (reply.status().as_u16(), reply.headers()["x-should-retry"].to_str().unwrap()),
            (status, "false")
        );
        let body: Value = json(reply).await;
        assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!(word)), "{body}");
        assert!(body["request_id"].as_str().is_some_and(|id| id.starts_with("hs-")));
    }
}

#[tokio::test]
async fn count_tokens_returns_a_marked_estimate() {
    let rig = Rig::sequential(&[WireFormat::Anthropic]).await;
    let gateway = start(rig.client.clone()).await;
    let body =
        json!({"model": "chat", "messages": [{"role": "user", "content": "word ".repeat(400)}]}).to_string();
    let reply = json(post(&gateway, "messages/count_tokens", &body).await).await;
    let tokens = reply["input_tokens"].as_u64().unwrap();
    assert!((300..900).contains(&tokens) && reply["hotspare"]["estimated"] == true, "{reply}");
    assert_eq!(rig.servers[0].stats().requests, 0, "nothing is sent");
}

#[tokio::test]
async fn count_tokens_follows_what_the_first_target_reports() {
    let rig = Rig::sequential(&[WireFormat::Anthropic]).await;
    let gateway = start(rig.client.clone()).await;
    let text = "word ".repeat(400);
    let body = |limit: u32| {
        json!({"model": "chat", "max_tokens": limit, "messages": [{"role": "user", "content": text}]})
            .to_string()
    };
    for _ in 0..30 {
        assert!(post(&gateway, "messages", &body(5)).await.status().is_success());
    }
    let explained = rig.client.explain(&ChatRequest::to("chat").user(text.as_str())).unwrap();
    let learned = explained.choices[0].prompt_tokens;
    assert_ne!(learned, explained.prompt_tokens, "the server counts differently");
    let reply = json(post(&gateway, "messages/count_tokens", &body(5)).await).await;
    assert_eq!(reply["input_tokens"], learned);
}
