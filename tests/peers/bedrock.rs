//! AWS's own Python library as an oracle: the same signatures, the same bodies, and the same decoded streams.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hotspare::bedrock::{Bedrock, SigV4};
use hotspare::provider::{Signer, Wire};
use hotspare::{ChatRequest, Json, Message, Part, Role, Secret, Tool, ToolCall, ToolChoice, ToolResult};
use hotspare_chaos::{ChaosServer, Settings, WireFormat};
use hotspare_provider::{HttpRequest, Outbound};
use serde_json::Value;

/// Runs a script with the library; `None` if it is not installed.
fn botocore(script: &str, args: &[&str]) -> Option<String> {
    let python = hotspare_tests::peer::python("botocore")?;
    let out = hotspare_tests::peer::command(python).arg("-c").arg(script).args(args).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some(String::from_utf8(out.stdout).unwrap())
}

const SIGN: &str = r#"
import json, sys
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
for case in json.loads(sys.argv[1]):
    request = AWSRequest(method="POST", url=case["url"], data=case["body"].encode(), headers={"content-type": "application/json"})
    SigV4Auth(Credentials(case["id"], case["key"], case["token"]), "bedrock", case["region"]).add_auth(request)
    print(json.dumps({name.lower(): value for name, value in request.headers.items()}))
"#;

#[test]
fn signatures_match_botocore() {
    let runtime = |region: &str| format!("https://bedrock-runtime.{region}.amazonaws.com");
    let claude = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse";
    let arn = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.amazon.nova-lite-v1%3A0/converse-stream";
    let mut cases = Vec::new();
    for (url, region) in [
        (runtime("us-east-1") + claude, "us-east-1"),
        (runtime("eu-central-1") + arn, "eu-central-1"),
        ("http://127.0.0.1:8080/v1/model/a~b_c/invoke".to_owned(), "us-west-2"),
    ] {
        for token in [None, Some("IQoJb3JpZ2luX2VjEXAMPLE/+=")] {
            for body in ["", "{\"messages\":[{\"content\":[{\"text\":\"Grüße, 世界\"}]}]}"] {
                cases.push(serde_json::json!({
                    "url": url, "region": region, "token": token, "body": body,
                    "id": "AKIDEXAMPLE", "key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                }));
            }
        }
    }
    let Some(out) = botocore(SIGN, &[&Value::from(cases.clone()).to_string()]) else { return };
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), cases.len());
    for (case, theirs) in cases.iter().zip(&lines) {
        let text = |name: &str| case[name].as_str().unwrap_or_default().to_owned();
        let mut secret = format!("{}:{}", text("id"), text("key"));
        if let Some(token) = case["token"].as_str() {
            secret = format!("{secret}:{token}");
        }
        let mut request = HttpRequest::post_json(text("url"), text("body"));
        let sent_at = moment(theirs["x-amz-date"].as_str().unwrap());
        SigV4::new(text("region")).sign(&mut request, &Secret::new(secret), sent_at).unwrap();
        for name in ["authorization", "x-amz-date", "x-amz-security-token"] {
            let ours = request.headers.get(name).map(|value| value.to_str().unwrap());
            assert_eq!(ours, theirs[name].as_str(), "{name} of {case}");
        }
    }
}

/// Parses a time such as `20250830T123600Z`.
fn moment(text: &str) -> SystemTime {
    let number = |from: usize, to: usize| text[from..to].parse::<u64>().unwrap();
    let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let february = if leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let days: u64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum::<u64>()
        + months.iter().take(usize::try_from(month - 1).unwrap()).sum::<u64>()
        + day
        - 1;
    let seconds = days * 86_400 + number(9, 11) * 3_600 + number(11, 13) * 60 + number(13, 15);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

const CALL: &str = r#"
import json, sys
import botocore.session
from botocore.config import Config
url, model, calls = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
session = botocore.session.get_session()
session.set_credentials("AKIDEXAMPLE", "secret")
client = session.create_client("bedrock-runtime", region_name="us-east-1", endpoint_url=url, config=Config(retries={"total_max_attempts": 1}))
sent = []
client.meta.events.register("before-send.bedrock-runtime.*", lambda request, **_: sent.append((request.url, request.body)))
for call in calls:
    whole = client.converse(modelId=model, **call)
    stream = list(client.converse_stream(modelId=model, **call)["stream"])
    pieces = [event["contentBlockDelta"]["delta"] for event in stream if "contentBlockDelta" in event]
    print(json.dumps({
        "url": sent[0][0], "body": json.loads(sent[0][1]), "stream_url": sent[1][0],
        "content": whole["output"]["message"]["content"], "stop": whole["stopReason"], "usage": whole["usage"],
        "pieces": pieces, "end": stream[-2]["messageStop"]["stopReason"], "counts": stream[-1]["metadata"]["usage"],
    }))
    sent.clear()
"#;

/// The calls, as core requests and as arguments of the library.
fn calls() -> Vec<(ChatRequest, Value)> {
    let schema = r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#;
    let weather = Tool::new("weather", Json::parse(schema).unwrap()).with_description("Tells the weather.");
    let spec = serde_json::json!({"toolSpec": {"name": "weather", "description": "Tells the weather.",
        "inputSchema": {"json": serde_json::from_str::<Value>(schema).unwrap()}}});
    let mut forced = ChatRequest::to("r").user("Ulm?").tool(weather.clone());
    forced.tool_choice = Some(ToolChoice::Required);
    let history = ChatRequest::to("r")
        .system("Be brief.")
        .user("Ulm?")
        .message(Message::new(
            Role::Assistant,
            vec![Part::ToolCall(ToolCall::new("t1", "weather", r#"{"city":"Ulm"}"#))],
        ))
        .message(Message::tool(ToolResult::new("t1", "no connection").with_error(true)))
        .tool(weather)
        .max_output(64)
        .temperature(0.5);
    let mut sampled = ChatRequest::to("r").user("hi").max_output(8);
    sampled.sampling.top_p = Some(0.25);
    sampled.stop = vec!["END".into()];
    let user = |text: &str| serde_json::json!({"role": "user", "content": [{"text": text}]});
    vec![
        (ChatRequest::to("r").user("hi"), serde_json::json!({"messages": [user("hi")]})),
        (
            sampled,
            serde_json::json!({"messages": [user("hi")],
                "inferenceConfig": {"maxTokens": 8, "topP": 0.25, "stopSequences": ["END"]}}),
        ),
        (
            forced,
            serde_json::json!({"messages": [user("Ulm?")], "toolConfig": {"tools": [spec], "toolChoice": {"any": {}}}}),
        ),
        (
            history,
            serde_json::json!({
                "system": [{"text": "Be brief."}],
                "messages": [
                    user("Ulm?"),
                    {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Ulm"}}}]},
                    {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "status": "error", "content": [{"text": "no connection"}]}}]},
                ],
                "toolConfig": {"tools": [spec]},
                "inferenceConfig": {"maxTokens": 64, "temperature": 0.5},
            }),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_answers_match_botocore() {
    let server = ChaosServer::start(Settings::new(WireFormat::Bedrock)).await.unwrap();
    let model = WireFormat::Bedrock.model();
    let url = format!("http://{}", server.address());
    let theirs: Vec<Value> = calls().into_iter().map(|(_, call)| call).collect();
    let arguments = Value::from(theirs).to_string();
    let address = url.clone();
    let done =
        tokio::task::spawn_blocking(move || botocore(CALL, &[&address, model, &arguments])).await.unwrap();
    let Some(out) = done else { return };
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), calls().len());
    let expected = server.settings().answer.concat();
    for ((request, call), seen) in calls().into_iter().zip(&lines) {
        let wire = Bedrock::new("us-east-1").with_base_url(&url);
        let sent = |stream| wire.encode(&Outbound::new(Arc::new(request.clone()), model, stream)).unwrap();
        assert_eq!(seen["url"], sent(false).url);
        assert_eq!(seen["stream_url"], sent(true).url);
        assert_eq!(seen["body"], serde_json::from_slice::<Value>(&sent(false).body).unwrap());
        let forced = call["toolConfig"]["toolChoice"].is_object();
        assert_eq!(seen["stop"], if forced { "tool_use" } else { "end_turn" });
        assert_eq!(seen["end"], seen["stop"]);
        let pieces = seen["pieces"].as_array().unwrap();
        if forced {
            assert_eq!(seen["content"][0]["toolUse"]["input"]["city"], "Ulm");
            assert_eq!(pieces[0]["toolUse"]["input"], "{\"city\":\"Ulm\"}");
        } else {
            assert_eq!(seen["content"][0]["text"], expected);
            let streamed: String = pieces.iter().filter_map(|piece| piece["text"].as_str()).collect();
            assert_eq!(streamed, expected);
            assert_eq!(seen["usage"]["outputTokens"], 20);
            assert_eq!(seen["counts"]["outputTokens"], 20);
        }
    }
}
