//! Adapters against recorded traffic: what providers really sent, read twice.
//!
//! Reads every exchange of chat completions and messages in the folder that `HOTSPARE_CORPUS` names (one JSON object a line),
//! and compares what the adapter makes of each reply with a small reader of its own. Skipped with a message without it.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a test that tells what it read")]

mod reader;
mod requests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use hotspare_core::{ChatRequest, ChatResponse, Error, Kind};
use hotspare_normalize::Assembler;
use hotspare_provider::{Head, Outbound, Wire};
use reader::Answer;
use serde_json::Value;

/// Replies that are no answers in words, and why: nothing in the core stands for them yet.
const EXCEPTIONS: [(&str, &str); 3] = [
    ("386f9dba60853990", "speech instead of text"),
    ("4121199933c02df4", "a call of a tool without a schema"),
    ("69b6a40b05fa627f", "a turn without a word: a failure on purpose, so that another target answers"),
];

/// What the recorder says of an exchange.
struct Exchange {
    id: String,
    provider: String,
    status: u16,
    head: Head,
    body: Vec<u8>,
    code: String,
}

fn exchanges(endpoint: &str) -> Option<Vec<Exchange>> {
    let Some(folder) = std::env::var_os("HOTSPARE_CORPUS") else {
        println!("skipped: HOTSPARE_CORPUS does not name a folder of recorded exchanges");
        return None;
    };
    let mut found = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    files.sort();
    for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")) {
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            if text("endpoint") != endpoint || !record["response_body_encoding"].is_null() {
                continue;
            }
            let mut headers = http::HeaderMap::new();
            for (name, value) in record["response_headers"].as_object().into_iter().flatten() {
                let name = http::HeaderName::from_bytes(name.as_bytes());
                let value = http::HeaderValue::from_str(value.as_str().unwrap_or_default());
                if let (Ok(name), Ok(value)) = (name, value) {
                    headers.insert(name, value);
                }
            }
            // Where a recorder lost the type, the body tells it.
            let kind = match record["response_kind"].as_str() {
                Some("sse") => "text/event-stream",
                Some("html") => "text/html",
                _ => "application/json",
            };
            headers.insert("content-type", http::HeaderValue::from_static(kind));
            let status = u16::try_from(record["status"].as_u64().unwrap()).unwrap();
            found.push(Exchange {
                id: text("id"),
                provider: text("provider"),
                status,
                head: Head {
                    status: http::StatusCode::from_u16(status).unwrap(),
                    headers,
                    received_at: SystemTime::UNIX_EPOCH,
                },
                body: text("response_body").into_bytes(),
                code: text("error_code"),
            });
        }
    }
    Some(found)
}

/// What the adapter makes of a successful reply, with its bytes cut into pieces of `cut`.
fn decode(wire: &dyn Wire, exchange: &Exchange, cut: usize) -> Result<ChatResponse, Error> {
    let call = Outbound::new(Arc::new(ChatRequest::default()), "m", false);
    let mut decoding = wire.decoder(&call, &exchange.head)?;
    let (mut frames, mut chunks) = (VecDeque::new(), VecDeque::new());
    for piece in exchange.body.chunks(cut.max(1)) {
        decoding.framer.push(piece.to_vec().into(), &mut frames)?;
        while let Some(frame) = frames.pop_front() {
            decoding.decoder.push(frame, &mut chunks)?;
        }
    }
    decoding.framer.finish(&mut frames)?;
    while let Some(frame) = frames.pop_front() {
        decoding.decoder.push(frame, &mut chunks)?;
    }
    decoding.decoder.finish(&mut chunks)?;
    let mut assembler = Assembler::default();
    for chunk in chunks {
        assembler.push(chunk.event)?;
    }
    assembler.finish()
}

/// Reads all successful replies of an endpoint; prints what was read and returns what differs.
fn compare(endpoint: &str, wire: impl Fn(&str) -> Box<dyn Wire>, read: impl Fn(&[u8], bool) -> Answer) {
    let Some(all) = exchanges(endpoint) else { return };
    let mut counts: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let mut differing = Vec::new();
    for exchange in all.iter().filter(|exchange| exchange.status == 200) {
        let streamed = exchange.head.media_type() == "text/event-stream";
        let expected = read(&exchange.body, streamed);
        let wire = wire(&exchange.provider);
        let whole = decode(&*wire, exchange, usize::MAX);
        let split = decode(&*wire, exchange, 7);
        let shown =
            |result: &Result<ChatResponse, Error>| format!("{:?}", result.as_ref().map_err(Error::kind));
        let mut wrong = Vec::new();
        if shown(&whole) != shown(&split) {
            wrong.push("the split changes it".to_owned());
        }
        match (&whole, expected.failed) {
            (Err(_), true) => {}
            (Ok(_), true) => wrong.push("an error was read as an answer".into()),
            // A tool call whose arguments a model broke is read, and refused as an answer.
            (Err(error), false) if error.kind() == Kind::BadOutput && expected.broken_arguments => {}
            (Err(error), false) => wrong.push(error.to_string()),
            (Ok(answer), false) => wrong.extend(expected.differs(answer)),
        }
        let count = counts.entry(&exchange.provider).or_default();
        count.1 += 1;
        if let Some((_, why)) = EXCEPTIONS.iter().find(|(id, _)| *id == exchange.id) {
            println!("left out: {} {}: {why}", exchange.provider, exchange.id);
            count.1 -= 1;
        } else if wrong.is_empty() {
            count.0 += 1;
        } else {
            differing.push(format!("{} {}: {}", exchange.provider, exchange.id, wrong.join("; ")));
        }
    }
    for (provider, (read, all)) in &counts {
        println!("{endpoint} {provider}: {read} / {all}");
    }
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
}

#[test]
fn chat_completions() {
    use hotspare_openai::{Dialect, OpenAi};
    let wire = |provider: &str| -> Box<dyn Wire> {
        Box::new(OpenAi::new(Dialect::find(provider).unwrap_or(&Dialect::COMPATIBLE)))
    };
    compare("chat_completions", wire, reader::chat);
}

#[test]
fn messages() {
    let wire = |_: &str| -> Box<dyn Wire> { Box::new(hotspare_anthropic::Anthropic::new()) };
    compare("messages", wire, reader::messages);
}

/// What each recorded error means, by provider, status and code; reviewed by hand against the hosts' documentation.
#[test]
fn errors_mean_what_a_reviewer_says() {
    let mut seen: BTreeMap<(u16, String), BTreeMap<Kind, u32>> = BTreeMap::new();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for endpoint in ["chat_completions", "messages"] {
        let Some(all) = exchanges(endpoint) else { return };
        for exchange in all.iter().filter(|exchange| exchange.status >= 400) {
            let openai = hotspare_openai::OpenAi::new(&hotspare_openai::Dialect::OPENAI);
            let anthropic = hotspare_anthropic::Anthropic::new();
            let wire: &dyn Wire = if endpoint == "messages" { &anthropic } else { &openai };
            let error = wire.classify(&exchange.head, &exchange.body);
            let (kind, code) = (error.kind(), exchange.code.clone());
            count += 1;
            *seen.entry((exchange.status, code.clone())).or_default().entry(kind).or_default() += 1;
            let allowed: &[Kind] = match exchange.status {
                401 => &[Kind::Auth],
                402 => &[Kind::QuotaExhausted],
                403 => &[Kind::Forbidden, Kind::ContentPolicy],
                404 => &[Kind::ModelUnavailable],
                408 | 504 => &[Kind::Timeout],
                429 => &[
                    Kind::RateLimited,
                    Kind::QuotaExhausted,
                    Kind::Unsupported,
                    Kind::GrowthLimited,
                    Kind::Overloaded,
                ],
                503 | 529 => &[Kind::Overloaded],
                500 => &[Kind::Server, Kind::InvalidRequest, Kind::Unsupported],
                501 => &[Kind::Unsupported],
                _ => &[
                    Kind::Auth,
                    Kind::BadOutput,
                    Kind::ContentPolicy,
                    Kind::ContextOverflow,
                    Kind::InvalidRequest,
                    Kind::ModelUnavailable,
                    Kind::QuotaExhausted,
                    Kind::Unsupported,
                ],
            };
            if !allowed.contains(&kind) {
                wrong.push(format!(
                    "{} {} {code}: {kind}: {}",
                    exchange.provider,
                    exchange.status,
                    error.message()
                ));
            }
        }
    }
    for ((status, code), kinds) in &seen {
        println!("{status} {code}: {kinds:?}");
    }
    println!("{count} errors read");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
