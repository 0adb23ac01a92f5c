//! Recorded requests: parsed into core types, and encoded again for the wire that they came from.
//!
//! Requests are compared field by field; permitted differences are data, each with its reason. Requests that their
//! provider rejected may be rejected by the reader, too; every other that is rejected is listed by its id, or, in a set that
//! the documents do not describe, for a listed reason.

mod allowed;
mod normal_form;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use hotspare_core::{ChatRequest, Error};
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

type ParseRequest = fn(&[u8]) -> Result<(ChatRequest, bool), Error>;
type Rewrite = fn(&mut Value, Side);

/// Parses every request of an endpoint and encodes it again.
fn round_trip(
    endpoint: &str,
    providers: &[&str],
    read: ParseRequest,
    own: &dyn Wire,
    rewrite: Rewrite,
    allowed: &[Rule],
) {
    let mut differing = Vec::new();
    let mut refused_ids = BTreeSet::new();
    let mut counts: BTreeMap<String, [u32; 3]> = BTreeMap::new();
    let recorded = recorded(endpoint, providers);
    for RecordedRequest { id, provider, accepted, body, raw } in &recorded {
        let count = counts.entry(provider.clone()).or_default();
        count[0] += 1;
        let model = body["model"].as_str().unwrap_or_default();
        let back = read(raw).and_then(|(request, stream)| encode(own, &request, model, stream));
        let mut back = match back {
            Ok(back) => back,
            Err(error) => {
                count[1] += 1;
                // In other sets the listed reasons count, whichever request they apply to.
                let is_listed = |known: &str| known == id || !all().described;
                let known =
                    REFUSED.iter().any(|(known, what, _)| is_listed(known) && error.message().contains(what));
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
    }
    for (provider, [all, refused, same]) in &counts {
        println!("{endpoint} {provider}: {same} of {all} come back the same, {refused} refused");
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
    round_trip("messages", &["anthropic"], read, &own, merge_turns, MESSAGES);
}

#[test]
fn chat_completions_requests_round_trip() {
    let read: ParseRequest =
        |body| hotspare_openai::ChatCompletionsRequest::parse(body).map(|read| (read.request, read.stream));
    let own = hotspare_openai::OpenAi::new(&Dialect::OPENAI);
    round_trip("chat_completions", &["openai", "azure"], read, &own, move_media_to_user_turn, CHAT);
}

/// Writes what hosts have names of their own for as most hosts do.
fn use_common_names(body: &mut Value, side: Side) {
    move_media_to_user_turn(body, side);
    if body["tool_choice"] == "any" {
        body["tool_choice"] = "required".into();
    }
    for tool in body["tools"].as_array_mut().into_iter().flatten().filter(|tool| tool["type"].is_null()) {
        tool["type"] = "function".into();
    }
    for message in body["messages"].as_array_mut().into_iter().flatten() {
        if message["role"] == "developer" {
            message["role"] = "system".into();
        }
        // The details repeat it.
        if message.get("reasoning_details").is_some() {
            message["reasoning"] = Value::Null;
        }
        for part in message["content"].as_array_mut().into_iter().flatten() {
            if let Some(url) = part["image_url"].as_str() {
                part["image_url"] = serde_json::json!({"url": url});
            }
        }
    }
}

/// Hosts with fields of their own inside messages, parts, calls and tools.
#[test]
fn chat_completions_requests_of_other_hosts_round_trip() {
    let read: ParseRequest =
        |body| hotspare_openai::ChatCompletionsRequest::parse(body).map(|read| (read.request, read.stream));
    let hosts = [("mistral", "mistral"), ("openrouter", "openrouter"), ("vercel_gateway", "vercel")];
    for (provider, row) in hosts {
        let own = hotspare_openai::OpenAi::new(Dialect::find(row).unwrap());
        round_trip("chat_completions", &[provider], read, &own, use_common_names, CHAT);
    }
}

#[test]
fn responses_requests_round_trip() {
    use hotspare_openai::{Responses, ResponsesRequest};
    let read: ParseRequest = |body| ResponsesRequest::parse(body).map(|read| (read.request, read.stream));
    let own = Responses::new(&Dialect::OPENAI);
    round_trip("responses", &[], read, &own, normalize_instructions, RESPONSES);
}
