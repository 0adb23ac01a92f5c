//! Input that is too large, too deep or too numerous ends in a typed error, without exhausting memory or the stack.

use bytes::Bytes;
use hotspare::Kind;
use hotspare::recorded::{Exchange, Outcome};
use serde_json::json;

fn exchange(endpoint: &str, content_type: &str, body: String) -> Exchange {
    let record = json!({
        "provider": "somebody", "endpoint": endpoint, "status": 200,
        "response_headers": {"content-type": content_type},
    });
    let mut exchange = Exchange::parse(record.to_string().as_bytes()).unwrap();
    exchange.body = Bytes::from(body);
    exchange
}

fn kind(exchange: &Exchange) -> Kind {
    match exchange.decode_in_pieces(64 << 10).outcome {
        Outcome::Failed(error) => error.kind(),
        other => panic!("{other:?}"),
    }
}

const WIRES: [(&str, &str); 4] = [
    ("chat_completions", "text/event-stream"),
    ("messages", "text/event-stream"),
    ("chat_v2", "text/event-stream"),
    ("api_chat", "application/x-ndjson"),
];

#[test]
fn endless_frame_is_rejected() {
    for (endpoint, content_type) in WIRES {
        let body = format!("data: {{\"x\":\"{}", "x".repeat(hotspare_provider::FRAME_LIMIT + 1));
        assert_eq!(kind(&exchange(endpoint, content_type, body)), Kind::Protocol, "{endpoint}");
    }
}

#[test]
fn endless_body_is_rejected() {
    for (endpoint, _) in WIRES {
        let body = " ".repeat(hotspare_provider::BODY_LIMIT + 1);
        assert_eq!(kind(&exchange(endpoint, "application/json", body)), Kind::Protocol, "{endpoint}");
    }
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    for (endpoint, _) in WIRES {
        for field in ["content", "choices", "error", "message", "delta", "unknown", "usage"] {
            let body = format!("{{\"{field}\":{deep}}}");
            let _ = exchange(endpoint, "application/json", body).decode();
        }
    }
    let call = format!(
        r#"{{"choices":[{{"finish_reason":"tool_calls","message":{{"tool_calls":[{{"id":"a","function":{{"name":"f","arguments":{deep}}}}}]}}}}]}}"#
    );
    assert_eq!(kind(&exchange("chat_completions", "application/json", call)), Kind::BadOutput);
}

#[test]
fn many_headers_are_tolerated() {
    let mut record =
        json!({"provider": "openai", "endpoint": "chat_completions", "status": 429, "response_headers": {}});
    for at in 0..20_000 {
        record["response_headers"][format!("x-{at}")] = json!("1");
    }
    let exchange = Exchange::parse(record.to_string().as_bytes()).unwrap();
    assert_eq!(kind(&exchange), Kind::RateLimited);
}
