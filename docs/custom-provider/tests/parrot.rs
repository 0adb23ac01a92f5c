//! The conformance kit, and a real server behind the client and the gateway.

use std::sync::Arc;

use hotspare::{ChatRequest, Client, Endpoint, Key, Secret, Sequential};
use hotspare_core::Kind;
use hotspare_gateway::{ServeOptions, serve_on};
use hotspare_parrot::Parrot;
use hotspare_provider::conformance::{Conformance, Reply, Scenario};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const WHOLE: &str = r#"{"text":"hello there","finish":"stop","input_tokens":7,"output_tokens":2}"#;
const LINES: &str = "{\"text\":\"hello\"}\n{\"text\":\" there\"}\n{\"finish\":\"stop\",\"input_tokens\":7,\"output_tokens\":2}\n";

#[test]
fn provider_conforms() {
    let lines = |body: &'static str| Reply::new(200, "application/x-ndjson", body);
    let report = Conformance::new(Parrot::at("http://parrot.example"))
        .whole(Reply::json(200, WHOLE), "hello there")
        .streamed(lines(LINES), "hello there")
        .length(Reply::json(200, r#"{"text":"hello","finish":"length"}"#), "hello")
        .late_failure(
            lines("{\"text\":\"hel\"}\n{\"error\":\"try later\",\"code\":\"busy\"}\n"),
            "hel",
            Kind::Overloaded,
        )
        .cannot(Scenario::ToolCall, "the wire has no tools")
        .failure(Kind::Auth, Reply::json(401, r#"{"error":"unknown key"}"#))
        .failure(
            Kind::RateLimited,
            Reply::json(429, r#"{"error":"too many requests"}"#).header("retry-after", "3"),
        )
        .failure(Kind::QuotaExhausted, Reply::json(429, r#"{"error":"top up","code":"out_of_credit"}"#))
        .run();
    println!("{report}");
    report.assert();
}

/// A server of this wire on a loopback port.
async fn parrot() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let request = read(&mut stream).await;
                assert!(request.contains("x-parrot-key: key-1"), "{request}");
                let (kind, body) = if request.contains("\"stream\":true") {
                    ("application/x-ndjson", LINES)
                } else {
                    ("application/json", WHOLE)
                };
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            });
        }
    });
    format!("http://{address}")
}

/// One request, head and body.
async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.unwrap();
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let length =
            text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let body = text.find("\r\n\r\n").map(|at| text.len() - at - 4);
        if count == 0 || body.is_some_and(|body| body >= length.unwrap_or(0)) {
            return text;
        }
    }
}

async fn client() -> Client {
    let address = parrot().await;
    let endpoint = Endpoint::wire(Arc::new(Parrot::at(&address)), "polly", &address);
    Client::builder()
        .target("polly", endpoint.key(Key::from_secret(Secret::new("key-1"))))
        .route("chat", Sequential::new(["polly"]))
        .build()
        .unwrap()
}

#[tokio::test]
async fn serves_through_the_client() {
    let answer = client().await.chat(ChatRequest::to("chat").user("hello?")).await.unwrap();
    assert_eq!((answer.text().as_str(), answer.usage.output), ("hello there", Some(2)));
}

#[tokio::test]
async fn serves_through_the_gateway() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve_on(listener, client().await, ServeOptions::default(), futures::stream::pending()));
    for (path, body, says) in [
        (
            "chat/completions",
            r#"{"model":"chat","stream":true,"messages":[{"role":"user","content":"hello?"}]}"#,
            "[DONE]",
        ),
        (
            "chat/completions",
            r#"{"model":"chat","messages":[{"role":"user","content":"hello?"}]}"#,
            "hello there",
        ),
        (
            "messages",
            r#"{"model":"chat","max_tokens":9,"messages":[{"role":"user","content":"hello?"}]}"#,
            "hello there",
        ),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /v1/{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        assert!(reply.starts_with("HTTP/1.1 200") && reply.contains(says), "{reply}");
    }
}
