//! The official SDKs as oracles: for canonical calls, this project's encoders send the same bodies.
//!
//! A case is a core request and the same call in terms of the SDK. `record_sdk.py` makes the calls against a loopback
//! server and returns their bodies, which are compared as JSON. Permitted differences are data, each with its reason.

mod anthropic;
mod google;
mod openai;
mod responses;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;

use hotspare_core::{ChatRequest, Tool};
use hotspare_provider::{Outbound, Wire};
use serde_json::{Value, json};

/// Fields that differ deliberately: SDK, field, and why.
const ALLOWED: [(&str, &str, &str); 1] = [(
    "openai",
    "stream_options",
    "counts are always asked for, because failover has to know what was spent",
)];

/// A call in both forms.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) sdk: &'static str,
    /// The SDK's function.
    pub(crate) call: &'static str,
    /// Its arguments.
    pub(crate) args: Value,
    pub(crate) request: ChatRequest,
    pub(crate) stream: bool,
}

/// The base request that most cases modify.
fn base_request() -> ChatRequest {
    ChatRequest::to("r").user("hi")
}

fn request_with(change: impl FnOnce(&mut ChatRequest)) -> ChatRequest {
    let mut request = base_request();
    change(&mut request);
    request
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false})
}

fn weather() -> Tool {
    Tool::new("weather", schema()).with_description("Tells the weather.")
}

fn cases() -> Vec<(Case, Box<dyn Wire>)> {
    let chat = || Box::new(hotspare_openai::OpenAi::new(&hotspare_openai::Dialect::OPENAI)) as Box<dyn Wire>;
    let messages = || Box::new(hotspare_anthropic::Anthropic::new()) as Box<dyn Wire>;
    let content = || Box::new(hotspare_gemini::Gemini::new()) as Box<dyn Wire>;
    let response =
        || Box::new(hotspare_openai::Responses::new(&hotspare_openai::Dialect::OPENAI)) as Box<dyn Wire>;
    let response_cases = responses::cases().into_iter().map(|case| (case, response()));
    let chat_cases = openai::cases().into_iter().map(|case| (case, chat()));
    let messages_cases = anthropic::cases().into_iter().map(|case| (case, messages()));
    let content_cases = google::cases().into_iter().map(|case| (case, content()));
    chat_cases.chain(messages_cases).chain(content_cases).chain(response_cases).collect()
}

/// The Gemini API accepts both spellings of field names, and its SDK sends both; it also gives instructions a role that
/// is ignored, and sends empty settings.
fn canonicalize(mut body: Value) -> Value {
    const NAMES: [(&str, &str); 3] = [
        ("mime_type", "mimeType"),
        ("file_uri", "fileUri"),
        ("parameters_json_schema", "parametersJsonSchema"),
    ];
    let mut text = body.to_string();
    for (snake, camel) in NAMES {
        text = text.replace(&format!("\"{snake}\":"), &format!("\"{camel}\":"));
    }
    if let Ok(read) = serde_json::from_str(&text) {
        body = read;
    }
    if let Some(instructions) = body["systemInstruction"].as_object_mut() {
        instructions.remove("role");
    }
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|name, value| name != "generationConfig" || *value != serde_json::json!({}));
    }
    body
}

/// Numbers by value, nulls as absent.
fn normalize(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), normalize(value)))
            .collect(),
        Value::Array(items) => items.iter().map(normalize).collect(),
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        other => other.clone(),
    }
}

/// What the SDKs send, by case.
fn record(cases: &[(Case, Box<dyn Wire>)]) -> Option<BTreeMap<String, Value>> {
    let python = hotspare_tests::peer::env_or_skip("HOTSPARE_PYTHON", "a Python with the official SDKs")?;
    let mut child = hotspare_tests::peer::command(python)
        .args(["-c", include_str!("record_sdk.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for (case, _) in cases {
        let line =
            serde_json::json!({"name": case.name, "sdk": case.sdk, "call": case.call, "args": case.args});
        writeln!(input, "{line}").unwrap();
    }
    drop(input);
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "the recorder failed");
    let lines = String::from_utf8(out.stdout).unwrap();
    let recorded = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    Some(recorded.map(|line| (line["name"].as_str().unwrap().to_owned(), line)).collect())
}

#[test]
fn request_bodies_match_the_official_sdks() {
    let cases = cases();
    assert!(cases.len() >= 40, "{} canonical calls", cases.len());
    let Some(recorded) = record(&cases) else { return };
    let (mut differing, mut counts) = (Vec::new(), BTreeMap::<&str, u32>::new());
    for (case, wire) in &cases {
        let theirs = &recorded[case.name];
        if let Some(missing) = theirs["missing"].as_str() {
            hotspare_tests::peer::skip(&format!("{}: {missing}", case.name));
            continue;
        }
        let Some(theirs) = theirs["body"].as_str() else {
            differing.push(format!("{}: the SDK refuses: {}", case.name, theirs["error"]));
            continue;
        };
        let mut theirs: Value = serde_json::from_str(theirs).unwrap();
        if case.sdk == "google" {
            theirs = canonicalize(theirs);
        }
        let call = Outbound::new(std::sync::Arc::new(case.request.clone()), "m", case.stream);
        let mut ours: Value = serde_json::from_slice(&wire.encode(&call).unwrap().body).unwrap();
        for (_, field, _) in ALLOWED.iter().filter(|(sdk, ..)| *sdk == case.sdk) {
            if theirs[*field].is_null() {
                ours.as_object_mut().unwrap().remove(*field);
            }
        }
        *counts.entry(case.sdk).or_default() += 1;
        if normalize(&ours) != normalize(&theirs) {
            differing.push(format!("{}:\n  ours   {ours}\n  theirs {theirs}", case.name));
        }
    }
    println!("compared with the SDKs: {counts:?}");
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
}
