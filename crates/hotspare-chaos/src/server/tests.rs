//! The server through a plain socket.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

async fn ask(server: &ChaosServer, body: &str) -> String {
    ask_at(server, "/v1/chat/completions", body).await
}

async fn ask_at(server: &ChaosServer, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply).await;
    String::from_utf8_lossy(&reply).into_owned()
}

#[tokio::test]
async fn serves_the_same_text_streamed_and_unstreamed() {
    for wire in [WireFormat::OpenAi, WireFormat::Anthropic, WireFormat::DeepSeek, WireFormat::Responses] {
        let server = ChaosServer::start(Settings::new(wire).tokens(3)).await.unwrap();
        let whole = ask(&server, r#"{"messages":[]}"#).await;
        assert!(whole.contains("The pump failed"), "{whole}");
        let streamed = ask(&server, r#"{"stream":true,"messages":[]}"#).await;
        for word in ["\"The\"", "\" pump\"", "\" failed\""] {
            assert!(streamed.contains(word), "{streamed}");
        }
        assert!(streamed.ends_with("0\r\n\r\n"));
        assert_eq!(server.stats().completed, 2);
    }
}

#[tokio::test]
async fn path_can_request_a_stream() {
    let server = ChaosServer::start(Settings::new(WireFormat::Gemini).tokens(4)).await.unwrap();
    let body = r#"{"contents":[{"role":"user","parts":[{"text":"x"}]},{"role":"model","parts":[{"text":"The pu"}]}]}"#;
    let whole = ask_at(&server, "/v1/models/m:generateContent", body).await;
    assert!(whole.contains(r#""text":"mp failed at""#), "{whole}");
    let streamed = ask_at(&server, "/v1/models/m:streamGenerateContent?alt=sse", body).await;
    assert!(
        streamed.contains(r#""text":" at""#) && streamed.contains(r#""finishReason":"STOP""#),
        "{streamed}"
    );
}

#[tokio::test]
async fn continues_an_assistant_prefill() {
    let server = ChaosServer::start(Settings::new(WireFormat::OpenAi).tokens(4)).await.unwrap();
    let body = r#"{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"The pu"}]}"#;
    assert!(ask(&server, body).await.contains(r#""content":"mp failed at""#));
}

#[tokio::test]
async fn restores_on_the_same_port_after_kill() {
    let server = ChaosServer::start(Settings::new(WireFormat::OpenAi)).await.unwrap();
    server.kill().await;
    assert!(TcpStream::connect(server.address()).await.is_err());
    server.restore().await;
    assert!(ask(&server, r#"{"messages":[]}"#).await.contains("200 OK") || server.stats().completed == 1);
}

/// Nothing else may answer on the port of a server that is down.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn port_stays_reserved_while_the_server_is_down() {
    let server = ChaosServer::start(Settings::new(WireFormat::OpenAi)).await.unwrap();
    for _ in 0..2 {
        server.kill().await;
        let other = TcpSocket::new_v4().unwrap();
        assert_eq!(other.bind(server.address()).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
        assert!(TcpStream::connect(server.address()).await.is_err(), "connections are refused");
        server.restore().await;
        assert!(TcpStream::connect(server.address()).await.is_ok());
    }
}

#[tokio::test]
async fn follows_the_scripted_fault_plan() {
    let server = ChaosServer::start(Settings::new(WireFormat::OpenAi)).await.unwrap();
    server.set_plan(FaultPlan::scripted([Some(Fault::Status(503)), Some(Fault::RateLimited(7)), None]));
    assert!(ask(&server, "{}").await.starts_with("HTTP/1.1 503"));
    assert!(ask(&server, "{}").await.contains("retry-after: 7"));
    assert!(ask(&server, "{}").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn schemas_that_break_a_wires_rules_are_refused() {
    let closed = r#"{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":false}"#;
    let open = closed.replace(r#","additionalProperties":false"#, "");
    let optional = closed.replace(r#""required":["a"],"#, "");
    let bounded = closed.replace(r#""integer""#, r#""integer","minimum":1"#);
    for (wire, form, strict) in [
        (
            WireFormat::OpenAi,
            r#"{"response_format":{"json_schema":{"strict":STRICT,"schema":SCHEMA}}}"#,
            true,
        ),
        (WireFormat::OpenAi, r#"{"tools":[{"function":{"strict":STRICT,"parameters":SCHEMA}}]}"#, true),
        (WireFormat::Responses, r#"{"text":{"format":{"strict":STRICT,"schema":SCHEMA}}}"#, true),
        (WireFormat::Responses, r#"{"tools":[{"strict":STRICT,"parameters":SCHEMA}]}"#, true),
        (WireFormat::Anthropic, r#"{"output_config":{"format":{"schema":SCHEMA}}}"#, false),
        (WireFormat::Anthropic, r#"{"tools":[{"strict":true,"input_schema":SCHEMA}]}"#, false),
    ] {
        let server = ChaosServer::start(Settings::new(wire)).await.unwrap();
        for (schema, refused) in
            [(closed, false), (open.as_str(), true), (&optional, strict), (&bounded, !strict)]
        {
            let body = form.replace("SCHEMA", schema).replace("STRICT", "true");
            assert_eq!(ask(&server, &body).await.starts_with("HTTP/1.1 400"), refused, "{wire:?}: {body}");
            let unenforced = form.replace("SCHEMA", schema).replace("STRICT", "false");
            assert!(
                !strict || ask(&server, &unenforced).await.starts_with("HTTP/1.1 200"),
                "{wire:?}: {body}"
            );
        }
    }
    let server = ChaosServer::start(Settings::new(WireFormat::Bedrock)).await.unwrap();
    for (schema, refused) in [(closed, "200"), (open.as_str(), "200"), (&bounded, "400")] {
        let format = serde_json::Value::from(schema);
        let body = format!(
            r#"{{"outputConfig":{{"textFormat":{{"structure":{{"jsonSchema":{{"schema":{format}}}}}}}}}}}"#
        );
        assert!(ask(&server, &body).await.starts_with(&format!("HTTP/1.1 {refused}")), "{body}");
    }
}
