//! Lines as recorders write them, and malformed lines.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn read(record: &Value) -> Value {
    let exchange = Exchange::parse(record.to_string().as_bytes()).unwrap();
    serde_json::from_str(&exchange.decode().to_json()).unwrap()
}

fn chat(body: &str) -> Value {
    json!({"id": "1", "provider": "somebody", "endpoint": "chat_completions", "status": 200, "response_body": body})
}

#[test]
fn decodes_an_answer_of_an_unknown_host() {
    let body = json!({"id": "c", "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {
        "role": "assistant", "content": "hi", "reasoning_content": "hm",
        "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2}});
    let read = read(&chat(&body.to_string()));
    assert_eq!(read["ok"]["text"], "hi");
    assert_eq!(read["ok"]["reasoning"], "hm");
    assert_eq!(read["ok"]["finish"], "tool_calls");
    assert_eq!(read["ok"]["tool_calls"], json!([{"id": "t", "name": "f", "arguments": "{\"a\":1}"}]));
    assert_eq!(read["ok"]["usage"]["input"], 3);
    assert_eq!(read["ok"]["model"], "m");
}

#[test]
fn decodes_a_base64_stream_without_content_type() {
    let body = "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"é\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let mut record = chat(&STANDARD.encode(body));
    record["response_body_encoding"] = json!("base64");
    assert_eq!(read(&record)["ok"]["text"], "é");
}

#[test]
fn errors_keep_status_pause_and_ids() {
    let mut record = chat(r#"{"error":{"message":"slow","code":"rate_limit_exceeded"}}"#);
    record["status"] = json!(429);
    record["response_headers"] = json!({
        "retry-after": "1.5", "x-request-id": "r1", "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "0", "bad name": "x", "odd": "\u{1}"});
    let read = read(&record);
    let expected = json!({"kind": "rate_limited", "scope": "credential_model", "retryable": true,
        "should_fail_over": true, "retry_after_ms": 1500, "status": 429, "code": "rate_limit_exceeded",
        "request_id": "r1", "message": "slow"});
    assert_eq!(read["error"], expected);
    assert_eq!(read["limits"]["requests"], json!({"limit": 10, "remaining": 0}));
}

#[test]
fn output_is_a_single_line() {
    let body = "{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":\"a\\nb\"},\"logprobs\":{\r\n \"content\":[]\n}}]}";
    let line = Exchange::parse(chat(body).to_string().as_bytes()).unwrap().decode().to_json();
    assert!(!line.contains(['\n', '\r']), "{line}");
    let read: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&read["ok"]["text"], &read["ok"]["logprobs"][0]), (&json!("a\nb"), &json!({"content": []})));
}

#[test]
fn skipped_records_give_the_reason() {
    let record = json!({"provider": "openai", "endpoint": "models", "status": 200});
    assert_eq!(read(&record)["skipped"], "not a model call");
    let record = json!({"provider": "openai", "endpoint": "telepathy", "status": 200});
    assert_eq!(read(&record)["skipped"], "no wire decodes this kind of call");
}

#[test]
fn parse_errors_name_the_cause_without_quoting_data() {
    let broken = |text: &str| Exchange::parse(text.as_bytes()).unwrap_err();
    assert!(broken("{\"secret\"").starts_with("not JSON"));
    assert!(broken("[]").starts_with("not a recorded exchange"));
    assert_eq!(broken(r#"{"endpoint":"x","status":200}"#), "missing field `provider` at line 1 column 29");
    assert_eq!(broken(r#"{"provider":"p","endpoint":"x","status":7}"#), "7 is not an HTTP status");
    let wrong_type = broken(r#"{"provider":"p","endpoint":"x","status":"sk-secret"}"#);
    assert!(!wrong_type.contains("secret"), "{wrong_type}");
    let record = r#"{"provider":"p","endpoint":"x","status":200,"response_body":"?","response_body_encoding":"base64"}"#;
    assert_eq!(broken(record), "response_body is not base64");
}

proptest! {
    /// No input makes the reader panic.
    #[test]
    fn arbitrary_records_never_panic(line in prop::collection::vec(any::<u8>(), 0..200), body in "\\PC{0,200}", status in 0u16..1_200) {
        let _ = Exchange::parse(&line);
        let mut record = chat(&body);
        record["status"] = json!(status);
        if let Ok(exchange) = Exchange::parse(record.to_string().as_bytes()) {
            let _ = exchange.decode().to_json();
        }
    }
}
