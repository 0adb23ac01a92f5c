//! The format of errors and of the list of models.

use std::collections::BTreeSet;

use hotspare_chaos::WireFormat;
use hotspare_tests::Rig;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{http, id};
use crate::gateway::{TestGateway, start};

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
    for (path, hint) in [
        ("/chat/completions", "GET /v1/models; add /v1 to the base URL"),
        ("/v1/chat/completions/", "GET /v1/models; remove the slash at the end"),
        ("/v1/completions", "GET /v1/models"),
    ] {
        let reply = http().post(gateway.url_of(path)).body("{}").send().await.unwrap();
        assert_eq!(reply.status(), 404, "{path}");
        let body: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
        assert!(body["error"]["message"].as_str().unwrap().ends_with(hint), "{path}: {body}");
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
