//! Every recorded request, sent to a target of every wire, as the client sends it.
//!
//! Not a comparison of meanings. Each body must consist of fields that the target's provider accepted in a recording,
//! with the types and words that they had there; a field that no recording shows is listed with its source. The texts
//! of the conversation must be in the body. What a wire cannot express is refused, and counted by reason.

mod documented;
mod texts;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use futures::StreamExt;
use hotspare::recorded::Exchange;
use hotspare::{ChatRequest, Client, Endpoint, Error, Key};
use hotspare::{anthropic, bedrock, cohere, gemini, ollama, openai};
use hotspare_openai::Dialect;
use hotspare_provider::{Head, HttpRequest, HttpResponse, Transport};
use serde_json::Value;

use crate::accepted_fields::AcceptedFields;
use crate::gemini_requests::plain;
use crate::recordings::all;
use crate::tokens::any_request;
use documented::{DOCUMENTED, EXPECTED_TO_FAIL, Entry, REFERENCES, REFUSED};

/// A target, and the recordings that show what its provider accepts.
struct Destination {
    name: &'static str,
    endpoint: fn() -> Endpoint,
    /// Providers and kinds of call.
    providers: &'static [&'static str],
    endpoints: &'static [&'static str],
}

fn host(row: &Dialect, model: &str) -> Endpoint {
    openai::dialect(row, model).chat().base_url("http://host/v1").key(key()).into_any()
}

fn key() -> Key {
    Key::from_secret("key")
}

const CHAT: &[&str] = &["chat_completions"];
const MESSAGES_HOSTS: &[&str] = &["anthropic", "azure", "bedrock", "vertex"];
const MESSAGES: &[&str] = &["messages", "raw_predict", "stream_raw_predict", "invoke", "invoke_stream"];

/// Every request of these is sent, and judged by what the target's provider accepted. Of other callers, one request of
/// each shape is sent, and those that speak the target's wire answer for the fields of their own.
const SOURCES: &[&str] = &["anthropic", "azure", "openai"];

fn destinations() -> Vec<Destination> {
    let to = |name, providers, endpoints, endpoint| Destination { name, endpoint, providers, endpoints };
    vec![
        to("openai", &["openai", "azure"], CHAT, || host(&Dialect::OPENAI, "gpt-4.1")),
        to("deepseek", &["deepseek"], CHAT, || host(&Dialect::DEEPSEEK, "deepseek-chat")),
        to("groq", &["groq"], CHAT, || host(&Dialect::GROQ, "llama-3.3-70b-versatile")),
        to("mistral", &["mistral"], CHAT, || host(&Dialect::MISTRAL, "mistral-large-latest")),
        to("openrouter", &["openrouter"], CHAT, || host(&Dialect::OPENROUTER, "openai/gpt-4.1")),
        to("xai", &["xai"], CHAT, || host(&Dialect::XAI, "grok-4")),
        to("llama.cpp", &["llamacpp"], CHAT, || host(&Dialect::LLAMA_CPP, "qwen3")),
        to("responses", &["openai", "azure"], &["responses"], || {
            openai::target("gpt-5").responses().base_url("http://host/v1").key(key()).into_any()
        }),
        to("messages", MESSAGES_HOSTS, MESSAGES, || {
            anthropic::target("claude-sonnet-4-5").base_url("http://host/v1").key(key()).into_any()
        }),
        to("gemini", &["gemini"], &["generate_content", "stream_generate_content"], || {
            gemini::target("gemini-2.5-flash").base_url("http://host/v1beta").key(key()).into_any()
        }),
        to("vertex", &["vertex", "gemini"], &["generate_content", "stream_generate_content"], || {
            gemini::vertex("project", "global", "gemini-2.5-flash")
                .base_url("http://host/v1")
                .key(key())
                .into_any()
        }),
        to("converse", &["bedrock"], &["converse", "converse_stream"], || {
            bedrock::target("anthropic.claude-sonnet-4-5-20250929-v1:0")
                .region("us-east-1")
                .base_url("http://host")
                .key(key())
                .into_any()
        }),
        to("converse nova", &["bedrock"], &["converse", "converse_stream"], || {
            bedrock::target("amazon.nova-pro-v1:0")
                .region("us-east-1")
                .base_url("http://host")
                .key(key())
                .into_any()
        }),
        to("messages at bedrock", MESSAGES_HOSTS, MESSAGES, || {
            bedrock::anthropic("anthropic.claude-sonnet-4-5-20250929-v1:0")
                .region("us-east-1")
                .base_url("http://host")
                .key(key())
                .into_any()
        }),
        to("messages at vertex", MESSAGES_HOSTS, MESSAGES, || {
            anthropic::vertex("project", "global", "claude-sonnet-4-5")
                .base_url("http://host/v1")
                .key(key())
                .into_any()
        }),
        to("cohere", &["cohere"], &["chat_v2"], || {
            cohere::target("command-a-03-2025").base_url("http://host/v2").key(key()).into_any()
        }),
        to("ollama", &["ollama"], &["api_chat"], || {
            ollama::target("qwen3").base_url("http://host").into_any()
        }),
    ]
}

/// Keeps the last body, and replies that the request is invalid.
#[derive(Debug, Default)]
struct Kept(Mutex<Vec<Bytes>>);

#[async_trait::async_trait]
impl Transport for Kept {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        self.0.lock().unwrap().push(request.body);
        let head = Head {
            status: http::StatusCode::BAD_REQUEST,
            headers: http::HeaderMap::new(),
            received_at: SystemTime::UNIX_EPOCH,
        };
        Ok(HttpResponse { head, body: futures::stream::empty().boxed() })
    }
}

/// The accepted requests that the client can read: all of [`SOURCES`], and else one of each shape.
fn requests() -> Vec<(&'static Exchange, ChatRequest)> {
    let mut known = HashSet::new();
    let exchanges = all().recordings.iter().map(|recording| &recording.exchange);
    exchanges
        .filter(|exchange| exchange.head.status.is_success())
        .filter(|exchange| {
            let body = serde_json::from_slice(&exchange.request).unwrap_or_default();
            let raw = is_source(exchange).then_some(&exchange.request);
            known.insert((exchange.endpoint.as_str(), AcceptedFields::shape(&body), raw))
        })
        .filter_map(|exchange| Some((exchange, any_request(exchange)?)))
        .collect()
}

fn is_source(exchange: &Exchange) -> bool {
    SOURCES.contains(&exchange.provider.as_str())
}

/// Whether the caller, and not the adapter, answers for the fields that its request has.
fn is_own_wire(to: &Destination, exchange: &Exchange) -> bool {
    let own_host = to.providers.contains(&exchange.provider.as_str()) || !is_source(exchange);
    own_host && to.endpoints.contains(&exchange.endpoint.as_str())
}

/// What the target's provider accepted.
fn accepted(to: &Destination) -> AcceptedFields {
    let exchanges = all().recordings.iter().map(|recording| &recording.exchange);
    let own = exchanges.filter(|exchange| {
        to.providers.contains(&exchange.provider.as_str())
            && to.endpoints.contains(&exchange.endpoint.as_str())
            && exchange.head.status.is_success()
    });
    let bodies = own.filter_map(|exchange| {
        let body: Value = serde_json::from_slice(&exchange.request).ok()?;
        // Other models of Bedrock have wires of their own there.
        if exchange.endpoint.starts_with("invoke") && body.get("anthropic_version").is_none() {
            return None;
        }
        Some(if exchange.endpoint.ends_with("generate_content") { plain(&body) } else { body })
    });
    AcceptedFields::of(bodies.filter(Value::is_object))
}

/// The place in `list` of an entry for this target that `fits`.
fn find(list: &[Entry], to: &str, fits: impl Fn(&str) -> bool) -> Option<usize> {
    list.iter().position(|(names, what, _)| (names.is_empty() || names.contains(&to)) && fits(what))
}

/// What was sent for a request, if anything was.
async fn sent(client: &Client, kept: &Kept, request: ChatRequest, stream: bool) -> Result<Value, Error> {
    let failed = match stream {
        true => client.stream(request).await.err(),
        false => client.chat(request).await.err(),
    };
    let bodies = std::mem::take(&mut *kept.0.lock().unwrap());
    match bodies.first() {
        Some(body) => Ok(serde_json::from_slice(body).unwrap()),
        None => Err(failed.unwrap()),
    }
}

#[derive(Default)]
struct Findings {
    /// What is wrong, how often, and the last example.
    wrong: BTreeMap<String, (u32, String)>,
    /// Entries that were needed: the name of the list, the place in it, and the target.
    used: BTreeSet<(&'static str, usize, &'static str)>,
}

impl Findings {
    fn add(&mut self, what: String, exchange: &Exchange) {
        let entry = self.wrong.entry(what).or_default();
        entry.0 += 1;
        entry.1 = format!("{} {} {}", exchange.provider, exchange.endpoint, exchange.id);
    }

    /// Whether a list has an entry for this; marks it as used.
    fn is_listed(
        &mut self,
        name: &'static str,
        list: &[Entry],
        to: &'static str,
        fits: impl Fn(&str) -> bool,
    ) -> bool {
        let found = find(list, to, fits);
        self.used.extend(found.map(|at| (name, at, to)));
        found.is_some()
    }
}

/// Sends every request to one target.
async fn send_all(to: Destination, requests: Arc<Vec<(&'static Exchange, ChatRequest)>>) -> Findings {
    let mut findings = Findings::default();
    let accepted = accepted(&to);
    let kept = Arc::new(Kept::default());
    let client = Client::builder()
        .target(to.name, (to.endpoint)())
        .transport(Arc::clone(&kept) as Arc<dyn Transport>)
        .build()
        .unwrap();
    let mut counts: BTreeMap<&str, [u32; 4]> = BTreeMap::new();
    let mut refusals: BTreeMap<String, u32> = BTreeMap::new();
    for (exchange, request) in &*requests {
        let count = counts.entry(&exchange.endpoint).or_default();
        let mut addressed = request.clone();
        addressed.model = to.name.into();
        let body = match sent(&client, &kept, addressed, exchange.streaming).await {
            Ok(body) => body,
            Err(error) => {
                count[1] += 1;
                let what = error.to_string();
                if !findings.is_listed("REFUSED", REFUSED, to.name, |known| what.contains(known)) {
                    findings.add(format!("{} is refused: {what}", to.name), exchange);
                }
                *refusals.entry(what).or_default() += 1;
                continue;
            }
        };
        count[0] += 1;
        let lost = texts::missing(request, &body);
        if !lost.is_empty() {
            findings.add(format!("{} loses {lost:?}", to.name), exchange);
        }
        let mut wrong = accepted.violations(&body);
        if is_own_wire(&to, exchange) {
            let own = AcceptedFields::shape(&serde_json::from_slice(&exchange.request).unwrap());
            wrong.retain(|what| {
                let path = what.split(": ").next().unwrap();
                !own.iter().any(|known| known.split(": ").next() == Some(path))
            });
        }
        let before = wrong.len();
        wrong.retain(|what| {
            !findings.is_listed("DOCUMENTED", DOCUMENTED, to.name, |known| known == what)
                && !findings.is_listed("EXPECTED_TO_FAIL", EXPECTED_TO_FAIL, to.name, |known| known == what)
        });
        count[2] += u32::from(wrong.len() < before);
        count[3] += u32::from(!wrong.is_empty());
        // Other sets may show too little of what is accepted.
        for what in wrong.into_iter().filter(|_| all().described) {
            findings.add(format!("{}: never accepted: {what}", to.name), exchange);
        }
    }
    let [bodies, excepted]: [u32; 2] = [0, 2].map(|at| counts.values().map(|count| count[at]).sum());
    println!(
        "to {}: {bodies} bodies checked against {} accepted requests, {} listed exceptions used by {excepted}",
        to.name,
        accepted.requests,
        findings.used.iter().filter(|(name, ..)| *name != "REFUSED").count(),
    );
    if excepted > 0 {
        let reference = REFERENCES.iter().find(|(name, _)| *name == to.name);
        println!("  exceptions from {}", reference.unwrap().1);
    }
    for (endpoint, [encoded, refused, _, invalid]) in counts {
        println!("  from {endpoint}: {encoded} encoded, {refused} refused, {invalid} invalid");
    }
    for (why, count) in refusals {
        println!("    {count} × {why}");
    }
    findings
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_become_bodies_of_accepted_fields_at_every_target() {
    let requests = Arc::new(requests());
    let running: Vec<_> =
        destinations().into_iter().map(|to| tokio::spawn(send_all(to, Arc::clone(&requests)))).collect();
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    for findings in running {
        let findings = findings.await.unwrap();
        used.extend(findings.used);
        wrong.extend(
            findings.wrong.iter().map(|(what, (count, last))| format!("{what} ({count} ×, such as {last})")),
        );
    }
    for (name, list) in
        [("REFUSED", REFUSED), ("DOCUMENTED", DOCUMENTED), ("EXPECTED_TO_FAIL", EXPECTED_TO_FAIL)]
    {
        for (at, entry) in list.iter().enumerate().filter(|_| all().described) {
            let users: Vec<_> = used.iter().filter(|known| (known.0, known.1) == (name, at)).collect();
            let unused: Vec<_> = match entry.0 {
                [] if users.is_empty() => vec!["any target"],
                targets => {
                    targets.iter().copied().filter(|to| users.iter().all(|user| user.2 != *to)).collect()
                }
            };
            if !unused.is_empty() {
                wrong.push(format!("{name} lists what does not happen at {unused:?}: {:?}", entry.1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
