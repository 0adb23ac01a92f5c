//! Input that is too large, too deep or too numerous ends in a typed error, without exhausting memory or the stack.

use bytes::Bytes;
use hotspare::Kind;
use hotspare::recorded::{Exchange, ExchangeOutcome};
use hotspare_core::Error;
use hotspare_http::{HttpConfig, ReqwestTransport};
use hotspare_provider::{BODY_LIMIT, FRAME_LIMIT, HttpRequest, HttpResponse, Transport};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn exchange(endpoint: &str, content_type: &str, body: impl Into<Bytes>) -> Exchange {
    let record = json!({
        "provider": "somebody", "endpoint": endpoint, "status": 200,
        "response_headers": {"content-type": content_type},
    });
    let mut exchange = Exchange::parse(record.to_string().as_bytes()).unwrap();
    exchange.body = body.into();
    exchange
}

fn kind(exchange: &Exchange) -> Kind {
    match exchange.decode_in_pieces(64 << 10).outcome {
        ExchangeOutcome::Failed(error) => error.kind(),
        other => panic!("{other:?}"),
    }
}

const SSE: &str = "text/event-stream";
const JSON: &str = "application/json";
const BINARY: &str = "application/vnd.amazon.eventstream";

/// Every wire, with each framing that it has.
const WIRES: [(&str, &str); 10] = [
    ("chat_completions", SSE),
    ("messages", SSE),
    ("responses", SSE),
    ("stream_generate_content", SSE),
    ("stream_generate_content", JSON),
    ("interactions", SSE),
    ("converse_stream", BINARY),
    ("chat_v2", SSE),
    ("api_chat", "application/x-ndjson"),
    ("api_generate", "application/x-ndjson"),
];

/// The beginning of a frame that does not end.
fn endless_frame(content_type: &str) -> Vec<u8> {
    let long = "x".repeat(FRAME_LIMIT + 1);
    match content_type {
        SSE => format!("data: {{\"x\":\"{long}").into_bytes(),
        JSON => format!("[{{\"x\":\"{long}").into_bytes(),
        BINARY => {
            let mut head = u32::try_from(FRAME_LIMIT + 1).unwrap().to_be_bytes().to_vec();
            head.extend(0_u32.to_be_bytes());
            head.extend(crc32fast::hash(&head).to_be_bytes());
            head.extend(long.into_bytes());
            head
        }
        _ => format!("{{\"x\":\"{long}").into_bytes(),
    }
}

#[test]
fn endless_frame_is_rejected() {
    for (endpoint, content_type) in WIRES {
        let exchange = exchange(endpoint, content_type, endless_frame(content_type));
        assert_eq!(kind(&exchange), Kind::Protocol, "{endpoint} {content_type}");
    }
}

#[test]
fn endless_body_is_rejected() {
    let body = Bytes::from(" ".repeat(BODY_LIMIT + 1));
    for (endpoint, _) in WIRES.into_iter().chain([("converse", ""), ("embeddings", "")]) {
        assert_eq!(kind(&exchange(endpoint, JSON, body.clone())), Kind::Protocol, "{endpoint}");
    }
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    for (endpoint, _) in WIRES.into_iter().chain([("converse", ""), ("embeddings", "")]) {
        for field in
            ["content", "choices", "error", "message", "delta", "unknown", "usage", "candidates", "output"]
        {
            let body = format!("{{\"{field}\":{deep}}}");
            let _ = exchange(endpoint, JSON, body).decode();
        }
    }
    let call = format!(
        r#"{{"choices":[{{"finish_reason":"tool_calls","message":{{"tool_calls":[{{"id":"a","function":{{"name":"f","arguments":{deep}}}}}]}}}}]}}"#
    );
    assert_eq!(kind(&exchange("chat_completions", JSON, call)), Kind::BadOutput);
}

/// The decoders read as many headers as the transport lets through.
#[test]
fn classification_does_not_depend_on_the_number_of_headers() {
    let mut record =
        json!({"provider": "openai", "endpoint": "chat_completions", "status": 429, "response_headers": {}});
    for at in 0..20_000 {
        record["response_headers"][format!("x-{at}")] = json!("1");
    }
    let exchange = Exchange::parse(record.to_string().as_bytes()).unwrap();
    assert_eq!(kind(&exchange), Kind::RateLimited);
}

/// What the transport makes of a reply with these headers, which a server sends over a socket.
async fn reply(headers: String) -> Result<HttpResponse, Error> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"{}") {
            socket.read_buf(&mut request).await.unwrap();
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{headers}\r\n");
        // The client may hang up before it has read everything.
        let _ = socket.write_all(head.as_bytes()).await;
    });
    let transport = ReqwestTransport::new(&HttpConfig::default()).unwrap();
    let reply = transport.send(HttpRequest::post_json(url, "{}")).await;
    server.await.unwrap();
    reply
}

#[tokio::test]
async fn a_reply_with_too_many_or_too_large_headers_is_rejected() {
    let several: String = (0..90).map(|at| format!("x-{at}: 1\r\n")).collect();
    assert_eq!(reply(several).await.unwrap().head.headers.len(), 91);
    let many: String = (0..200).map(|at| format!("x-{at}: 1\r\n")).collect();
    let large = format!("x: {}\r\n", "x".repeat(1 << 20));
    for headers in [many, large] {
        let Err(error) = reply(headers).await else { panic!("it was accepted") };
        assert_eq!(error.kind(), Kind::Protocol, "{error}");
        assert!(error.message().contains("headers are too large"), "{error}");
    }
}
