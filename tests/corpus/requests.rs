//! Recorded requests: parsed into core types, encoded again, and encoded for other wires.
//!
//! Requests are compared field by field; permitted differences are data, each with its reason. Requests that their
//! provider rejected may be rejected by the reader, too; every other that is rejected is listed by its id.

mod allowed;
mod normal_form;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use hotspare_core::{ChatRequest, Error, Kind, Media, Part};
use hotspare_openai::Dialect;
use hotspare_provider::{Outbound, Wire};
use serde_json::Value;

use crate::recordings::all;
use allowed::{CHAT, MESSAGES, REFUSED, RESPONSES, Rule};
use normal_form::{
    Side, differences, merge_turns, move_media_to_user_turn, normalize, normalize_instructions,
};

struct RecordedRequest {
    id: String,
    provider: String,
    accepted: bool,
    body: Value,
    raw: Bytes,
}

fn recorded(endpoint: &str, providers: &[&str]) -> Vec<RecordedRequest> {
    let wanted = all().recordings.iter().map(|recording| &recording.exchange).filter(|exchange| {
        exchange.endpoint == endpoint
            && (providers.is_empty() || providers.contains(&exchange.provider.as_str()))
    });
    let found = wanted.filter_map(|exchange| {
        let mut raw = exchange.request.clone();
        // A request that is no JSON has nothing to compare.
        let mut body: Value = serde_json::from_slice(&raw).ok()?;
        // Some hosts name the model in the URL.
        if body.is_object() && body["model"].is_null() {
            body["model"] =
                if exchange.model.is_empty() { "m".into() } else { exchange.model.as_str().into() };
            raw = body.to_string().into();
        }
        Some(RecordedRequest {
            id: exchange.id.clone(),
            provider: exchange.provider.clone(),
            accepted: exchange.head.status.is_success(),
            body,
            raw,
        })
    });
    found.collect()
}

fn encode(wire: &dyn Wire, request: &ChatRequest, model: &str, stream: bool) -> Result<Value, Error> {
    let call = Outbound::new(std::sync::Arc::new(request.clone()), model, stream);
    Ok(serde_json::from_slice(&wire.encode(&call)?.body).unwrap())
}

/// Texts of a request that are missing in a body. What only its own model can read back, and what only one wire
/// supports, may be missing: the trail says so.
fn missing_texts(request: &ChatRequest, body: &Value) -> Vec<String> {
    let (mut texts, mut held) = (Vec::new(), String::new());
    for message in &request.messages {
        collect_texts(&message.parts, &mut texts);
    }
    texts.extend(
        request.tools.iter().flat_map(|tool| [Some(tool.name.clone()), tool.description.clone()]).flatten(),
    );
    collect(body, &mut held);
    texts.retain(|text| !text.trim().is_empty() && !held.contains(text.as_str()));
    texts
}

fn collect_texts(parts: &[Part], out: &mut Vec<String>) {
    for part in parts {
        match part {
            Part::Text(text) | Part::Refusal(text) => out.push(text.clone()),
            Part::Image(Media::Base64 { data, .. }) => out.push(data.clone()),
            Part::Image(Media::Url(url)) => out.push(url.clone()),
            Part::ToolCall(call) => out.push(call.name.clone()),
            // A JSON result may be embedded as JSON.
            Part::ToolResult(result) if serde_json::from_str::<Value>(&text_of(&result.content)).is_ok() => {}
            Part::ToolResult(result) => collect_texts(&result.content, out),
            _ => {}
        }
    }
}

fn text_of(parts: &[Part]) -> String {
    parts.iter().filter_map(Part::as_text).collect()
}

/// All texts in a body.
fn collect(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => {
            out.push_str(text);
            out.push('\n');
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, out)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, out)),
        _ => {}
    }
}

type ParseRequest = fn(&[u8]) -> Result<(ChatRequest, bool), Error>;
type Rewrite = fn(&mut Value, Side);

/// Parses every request of an endpoint and encodes it again, also for other wires.
fn round_trip(
    endpoint: &str,
    providers: &[&str],
    read: ParseRequest,
    own: &dyn Wire,
    others: &[&dyn Wire],
    rewrite: Rewrite,
    allowed: &[Rule],
) {
    let mut differing = Vec::new();
    let mut refused_ids = BTreeSet::new();
    let mut counts: BTreeMap<String, [u32; 4]> = BTreeMap::new();
    let mut refusals: BTreeMap<String, u32> = BTreeMap::new();
    let recorded = recorded(endpoint, providers);
    for RecordedRequest { id, provider, accepted, body, raw } in &recorded {
        let count = counts.entry(provider.clone()).or_default();
        count[0] += 1;
        let model = body["model"].as_str().unwrap_or_default();
        let read = read(raw)
            .and_then(|(request, stream)| Ok((encode(own, &request, model, stream)?, request, stream)));
        let (mut back, request, stream) = match read {
            Ok(read) => read,
            Err(error) => {
                count[1] += 1;
                let known =
                    REFUSED.iter().any(|(known, what, _)| known == id && error.message().contains(what));
                if known {
                    refused_ids.insert(id.as_str());
                } else if *accepted {
                    differing.push(format!("{provider} {id} was accepted, and is refused here: {error}"));
                }
                continue;
            }
        };
        let mut body = body.clone();
        rewrite(&mut body, Side::Recorded);
        rewrite(&mut back, Side::Encoded);
        let mut found = VecDeque::new();
        differences("", &normalize("", &body, allowed), &normalize("", &back, allowed), &mut found);
        if found.is_empty() {
            count[2] += 1;
        } else {
            differing
                .push(format!("{provider} {id} (accepted: {accepted}): {}", Vec::from(found).join("; ")));
        }
        // Another wire keeps all texts, or reports what it does not support.
        for other in others {
            match encode(*other, &request, "m", stream) {
                Ok(body) => {
                    // State kept by the provider binds a request to it, so these requests do not move as they are.
                    let lost =
                        if endpoint == "responses" { Vec::new() } else { missing_texts(&request, &body) };
                    if !lost.is_empty() {
                        differing.push(format!("{provider} {id}: {} loses {lost:?}", other.name()));
                    }
                    count[3] += 1;
                }
                Err(error) => {
                    assert!(matches!(error.kind(), Kind::Unsupported | Kind::InvalidRequest), "{error}");
                    *refusals.entry(format!("{}: {}", other.name(), error.message())).or_default() += 1;
                }
            }
        }
    }
    for (provider, [all, refused, same, moved]) in &counts {
        println!(
            "{endpoint} {provider}: {same} of {all} come back the same, {refused} refused, {moved} times moved"
        );
    }
    for (what, count) in &refusals {
        println!("  {count} × {what}");
    }
    for (id, what, _) in REFUSED {
        let recorded = recorded.iter().any(|request| request.id == *id);
        if recorded && !refused_ids.contains(id) {
            differing.push(format!("{id} is read, so it is no longer an exception ({what})"));
        }
    }
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
}

#[test]
fn messages_requests_round_trip() {
    let read: ParseRequest =
        |body| hotspare_anthropic::MessagesRequest::parse(body).map(|read| (read.request, read.stream));
    let own = hotspare_anthropic::Anthropic::new();
    let (chat, content) = (hotspare_openai::OpenAi::new(&Dialect::OPENAI), hotspare_gemini::Gemini::new());
    round_trip("messages", &["anthropic"], read, &own, &[&chat, &content], merge_turns, MESSAGES);
}

#[test]
fn chat_completions_requests_round_trip() {
    let read: ParseRequest =
        |body| hotspare_openai::ChatCompletionsRequest::parse(body).map(|read| (read.request, read.stream));
    let own = hotspare_openai::OpenAi::new(&Dialect::OPENAI);
    let (messages, content) = (hotspare_anthropic::Anthropic::new(), hotspare_gemini::Gemini::new());
    round_trip(
        "chat_completions",
        &["openai", "azure"],
        read,
        &own,
        &[&messages, &content],
        move_media_to_user_turn,
        CHAT,
    );
}

#[test]
fn responses_requests_round_trip() {
    use hotspare_openai::{Responses, ResponsesRequest};
    let read: ParseRequest = |body| ResponsesRequest::parse(body).map(|read| (read.request, read.stream));
    let own = Responses::new(&Dialect::OPENAI);
    let other = hotspare_openai::OpenAi::new(&Dialect::OPENAI);
    round_trip("responses", &[], read, &own, &[&other], normalize_instructions, RESPONSES);
}
