//! Limits set by providers, and which models and keys they apply to.

use std::sync::Arc;
use std::time::SystemTime;

use futures::StreamExt;
use hotspare::{ChatRequest, Client, Endpoint, Error, Kind, Sequential, gemini, openai};
use hotspare_provider::{Head, HttpRequest, HttpResponse, Transport};

/// Refuses requests for the big model with this status and body, and answers the rest.
#[derive(Debug)]
struct RejectingTransport(u16, &'static str, &'static str);

#[async_trait::async_trait]
impl Transport for RejectingTransport {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let asked = format!("{} {}", request.url, String::from_utf8_lossy(&request.body));
        let (status, body) = if asked.contains("big") { (self.0, self.1) } else { (200, self.2) };
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", http::HeaderValue::from_static("application/json"));
        let status = http::StatusCode::from_u16(status).unwrap();
        let head = Head { status, headers, received_at: SystemTime::UNIX_EPOCH };
        let body = futures::stream::iter([Ok(bytes::Bytes::from_static(body.as_bytes()))]).boxed();
        Ok(HttpResponse { head, body })
    }
}

/// A route over two models behind one key.
fn two_models(target: fn(&str) -> Endpoint, transport: RejectingTransport) -> Client {
    Client::builder()
        .transport(Arc::new(transport))
        .target("big", target("big"))
        .target("small", target("small"))
        .route("chat", Sequential::new(["big", "small"]))
        .build()
        .unwrap()
}

#[tokio::test]
async fn daily_quota_of_one_model_does_not_affect_other_models() {
    let gemini: fn(&str) -> Endpoint = |model| gemini::target(model).key(hotspare_tests::key()).into();
    let chat: fn(&str) -> Endpoint = |model| openai::target(model).key(hotspare_tests::key()).into();
    let says_gemini =
        r#"{"candidates":[{"content":{"parts":[{"text":"hi"}],"role":"model"},"finishReason":"STOP"}]}"#;
    let says_chat = r#"{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;
    let day = r#"{"error":{"code":429,"message":"You exceeded your current quota.","status":"RESOURCE_EXHAUSTED","details":[
        {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},
        {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"31s"}]}}"#;
    let tokens = r#"{"error":{"message":"Rate limit reached for model `big` on tokens per day (TPD): Limit 100, Used 99, Requested 2.","type":"tokens","code":"rate_limit_exceeded"}}"#;
    let wallet = r#"{"error":{"message":"You have no money.","type":"insufficient_quota","code":"insufficient_quota"}}"#;
    for (target, transport) in [
        (gemini, RejectingTransport(429, day, says_gemini)),
        (chat, RejectingTransport(429, tokens, says_chat)),
    ] {
        let client = two_models(target, transport);
        for attempts in [2, 1] {
            let answer = client.chat(ChatRequest::to("chat").user("hi")).await.unwrap();
            assert_eq!(answer.served_by.unwrap().as_str(), "small");
            assert_eq!(answer.trail.attempts.len(), attempts, "{}", answer.trail);
        }
        let usable: Vec<bool> = client.targets().iter().map(|target| target.view.usable).collect();
        assert_eq!(usable, [false, true], "the exhausted quota is not tried again");
    }
    let broke = two_models(chat, RejectingTransport(429, wallet, says_chat));
    let error = broke.chat(ChatRequest::to("chat").user("hi")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::QuotaExhausted);
    assert!(broke.targets().iter().all(|target| !target.view.usable), "billing is scoped to the key");
}
