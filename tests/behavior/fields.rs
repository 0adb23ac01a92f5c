//! Every field of a request on every wire: present in the body, or the target is refused, or the trail names it.
//!
//! Not a test of how a field is spelled. Invariant: a field or variant that is added to a request's types fails
//! [`every_field_of_a_request_has_a_row`] until it has a row here.

mod rows;
mod tool_choice;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::StreamExt;
use hotspare::{
    ChatRequest, Client, Endpoint, Error, Kind, Media, Message, Native, OutputFormat, Part, Reasoning, Role,
    RouteSpec, Sampling, Sequential, Signature, Tool, ToolCall, ToolChoice, ToolResult,
};
use hotspare_anthropic::Anthropic;
use hotspare_bedrock::Bedrock;
use hotspare_cohere::Cohere;
use hotspare_gemini::Gemini;
use hotspare_ollama::Ollama;
use hotspare_openai::{Dialect, OpenAi, Responses};
use hotspare_provider::{Head, HttpProvider, HttpRequest, HttpResponse, Provider, Transport, Wire};
use serde::Deserialize;
use serde::de::value::Error as ReadError;
use serde::de::{Deserializer, Error as _, Visitor};
use serde_json::Value;

use rows::{NOT_TRANSMITTED, Row, Shown, plain_request, rows};

/// Keeps the last body, and answers with a status that ends the call.
#[derive(Debug, Default)]
struct BodyRecorder(Mutex<Option<String>>);

#[async_trait]
impl Transport for BodyRecorder {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        *self.0.lock().unwrap() = Some(String::from_utf8(request.body.to_vec()).unwrap());
        let head = Head {
            status: http::StatusCode::UNAUTHORIZED,
            headers: http::HeaderMap::new(),
            received_at: std::time::UNIX_EPOCH,
        };
        Ok(HttpResponse { head, body: futures::stream::empty().boxed() })
    }
}

/// What became of a request.
#[derive(Debug)]
struct Sent {
    /// The body; `None` if the target was refused.
    body: Option<String>,
    kind: Kind,
    notes: Vec<String>,
}

struct Case {
    label: &'static str,
    wire: &'static str,
    model: &'static str,
    provider: fn(Arc<BodyRecorder>) -> Arc<dyn Provider>,
}

fn over<W: Wire + 'static>(wire: W, transport: Arc<BodyRecorder>) -> Arc<dyn Provider> {
    Arc::new(HttpProvider::new(wire, transport))
}

fn chat(id: &str, transport: Arc<BodyRecorder>) -> Arc<dyn Provider> {
    over(OpenAi::new(Dialect::find(id).unwrap()), transport)
}

fn bedrock(model: &str, transport: Arc<BodyRecorder>) -> Arc<dyn Provider> {
    over(Bedrock::new("us-east-1").for_model(model), transport)
}

const CLAUDE: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA: &str = "amazon.nova-pro-v1:0";

fn cases() -> Vec<Case> {
    let case = |label, wire, model, provider| Case { label, wire, model, provider };
    let (chat_wire, bedrock_wire) = (hotspare_openai::WIRE, hotspare_bedrock::WIRE);
    vec![
        case("chat", chat_wire, "gpt-4o", |to| chat("openai", to)),
        case("chat of a strict host", chat_wire, "mistral-large", |to| chat("mistral", to)),
        case("chat that signs", chat_wire, "x/y", |to| chat("openrouter", to)),
        case("chat with plain reasoning", chat_wire, "deepseek-chat", |to| chat("deepseek", to)),
        case("responses", hotspare_openai::RESPONSES_WIRE, "gpt-5", |to| {
            over(Responses::new(Dialect::OPENAI), to)
        }),
        case("messages", hotspare_anthropic::WIRE, "claude-sonnet-4-5", |to| over(Anthropic::new(), to)),
        case("contents 2.5", hotspare_gemini::WIRE, "gemini-2.5-flash", |to| over(Gemini::new(), to)),
        case("contents 3", hotspare_gemini::WIRE, "gemini-3-pro-preview", |to| over(Gemini::new(), to)),
        case("converse of Claude", bedrock_wire, CLAUDE, |to| bedrock(CLAUDE, to)),
        case("converse of Nova", bedrock_wire, NOVA, |to| bedrock(NOVA, to)),
        case("cohere", hotspare_cohere::WIRE, "command-a", |to| over(Cohere::new(), to)),
        case("ollama", hotspare_ollama::WIRE, "qwen3", |to| over(Ollama::new(), to)),
    ]
}

async fn send(case: &Case, request: ChatRequest) -> Sent {
    let recorder = Arc::new(BodyRecorder::default());
    let endpoint = Endpoint::custom((case.provider)(recorder.clone()), case.model);
    let client = Client::builder()
        .target("main", endpoint)
        .route("chat", RouteSpec::new(Sequential::new(["main"])))
        .build()
        .unwrap();
    let error = client.chat(request).await.unwrap_err();
    let body = recorder.0.lock().unwrap().take();
    let notes = error.trail().attempts.iter().flat_map(|attempt| attempt.notes.clone()).collect();
    let refused = matches!(error.kind(), Kind::Unsupported | Kind::NoTarget | Kind::InvalidRequest);
    assert!(body.is_some() || refused, "{}: {error}", case.label);
    Sent { body, kind: error.kind(), notes }
}

fn is_shown(row: &Row, body: &str, plain: &str) -> bool {
    match row.shown {
        Shown::Text(text) => body.contains(text),
        Shown::Difference => body != plain,
        Shown::Role(text) => has_role_of_its_own(&serde_json::from_str(body).unwrap(), text),
    }
}

/// Whether an object with the role of an instruction holds the text.
fn has_role_of_its_own(value: &Value, text: &str) -> bool {
    match value {
        Value::Array(list) => list.iter().any(|value| has_role_of_its_own(value, text)),
        Value::Object(fields) => {
            let instructs = fields.get("role").is_some_and(|role| role == "system" || role == "developer");
            (instructs && value.to_string().contains(text))
                || fields.values().any(|value| has_role_of_its_own(value, text))
        }
        _ => false,
    }
}

#[tokio::test]
async fn no_field_of_a_request_is_dropped_silently() {
    let mut dropped = Vec::new();
    for case in cases() {
        let plain = send(&case, plain_request()).await;
        let plain_body = plain.body.unwrap();
        for row in rows() {
            let mut request = plain_request();
            (row.set)(&mut request, case.wire);
            let sent = send(&case, request).await;
            let Some(body) = &sent.body else { continue };
            let is_noted = sent.notes.iter().any(|note| !plain.notes.contains(note));
            if !is_noted && !is_shown(&row, body, &plain_body) {
                dropped.push(format!("{}: {}", case.label, row.what));
            }
        }
    }
    assert!(dropped.is_empty(), "dropped silently:\n{}", dropped.join("\n"));
}

/// An answer of sound is known by its id alone.
#[tokio::test]
async fn a_turn_of_nothing_but_fields_is_sent_to_hosts_that_take_one() {
    let cases = cases();
    let audio = serde_json::json!({"role": "assistant", "content": null, "audio": {"id": "MARK"}});
    for (label, sent) in [("chat", true), ("chat of a strict host", false)] {
        let case = cases.iter().find(|case| case.label == label).unwrap();
        let mut request = plain_request();
        let mut turn = Message::new(Role::Assistant, Vec::new());
        let own = serde_json::json!({"id": "MARK"}).into();
        turn.extras.entry(case.wire.into()).or_default().insert("audio".into(), own);
        request.messages.extend([turn, Message::user("Louder.")]);
        let body = send(case, request).await.body.unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["messages"].as_array().unwrap().contains(&audio), sent, "{body}");
        let empty = serde_json::json!({"role": "assistant", "content": null});
        assert!(!body["messages"].as_array().unwrap().contains(&empty), "{body}");
    }
}

/// A host that does not accept a required field is no better for a request that also names a stored file.
#[tokio::test]
async fn a_required_field_stays_required_when_the_request_is_bound() {
    let cases = cases();
    let find = |label: &str| cases.iter().find(|case| case.label == label).unwrap();
    let required = |case: &Case| {
        let file = serde_json::json!({"type": "file", "file": {"file_id": "f"}});
        let file = Part::Native(Native::new(case.wire, file.into()));
        let request = plain_request().message(Message::new(Role::User, vec![file]));
        request.required_extra(case.wire, "service_tier", serde_json::json!("flex"))
    };
    let (open, strict) = (find("chat"), find("chat of a strict host"));
    assert!(send(open, required(open)).await.body.unwrap().contains("service_tier"));
    assert!(send(strict, required(strict)).await.body.is_none());
}

#[tokio::test]
async fn neutral_values_exclude_no_target() {
    for case in cases() {
        let mut request = plain_request().frequency_penalty(0.0).presence_penalty(0.0);
        request.tool_choice = Some(ToolChoice::Auto);
        request.parallel_tools = Some(true);
        assert!(send(&case, request).await.body.is_some(), "{}", case.label);
    }
}

/// Reads the names of a type's fields or variants instead of a value.
struct NameReader<'a>(&'a mut Vec<&'static str>);

impl<'de> Deserializer<'de> for NameReader<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ReadError> {
        Err(ReadError::custom("neither a struct nor an enum"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, ReadError> {
        self.0.extend(fields);
        Err(ReadError::custom("names only"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, ReadError> {
        self.0.extend(variants);
        Err(ReadError::custom("names only"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}

fn names<'de, T: Deserialize<'de>>(of: &str, into: &mut BTreeSet<String>) {
    let mut found = Vec::new();
    assert!(T::deserialize(NameReader(&mut found)).is_err() && !found.is_empty(), "{of} has no names");
    into.extend(found.into_iter().map(|name| format!("{of}.{name}")));
}

#[test]
fn every_field_of_a_request_has_a_row() {
    let mut wanted = BTreeSet::new();
    names::<ChatRequest>("ChatRequest", &mut wanted);
    names::<Sampling>("Sampling", &mut wanted);
    names::<OutputFormat>("OutputFormat", &mut wanted);
    names::<ToolChoice>("ToolChoice", &mut wanted);
    names::<Tool>("Tool", &mut wanted);
    names::<ToolCall>("ToolCall", &mut wanted);
    names::<ToolResult>("ToolResult", &mut wanted);
    names::<Message>("Message", &mut wanted);
    names::<Role>("Role", &mut wanted);
    names::<Part>("Part", &mut wanted);
    names::<Media>("Media", &mut wanted);
    names::<Native>("Native", &mut wanted);
    names::<Reasoning>("Reasoning", &mut wanted);
    names::<Signature>("Signature", &mut wanted);
    let covered: BTreeSet<String> = rows()
        .iter()
        .flat_map(|row| row.covers)
        .chain(&NOT_TRANSMITTED)
        .map(|name| (*name).to_owned())
        .collect();
    assert_eq!(wanted, covered);
}
