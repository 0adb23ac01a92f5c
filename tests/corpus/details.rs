//! What an answer holds beside its text, counted by a second, independent reader: annotations, log probabilities,
//! signatures, and parts that only one wire has. And the kinds of events that the replies consist of.
//!
//! Invariant: a block of an unknown kind must be kept as a native part, and an event of an unknown kind fails the test.

use std::collections::{BTreeMap, BTreeSet};

use hotspare::recorded::ExchangeOutcome;
use hotspare::{ChatResponse, Part};
use serde_json::Value;

use crate::reader::frames;
use crate::recordings::all;

/// Counts; `None` for what the reader does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Details {
    annotations: Option<usize>,
    /// Tokens with log probabilities.
    logprobs: Option<usize>,
    natives: Option<usize>,
    signatures: Option<usize>,
}

type Reader = fn(&[Value]) -> Details;

/// Readers by kind of call.
const READERS: &[(&str, Reader)] = &[
    ("chat_completions", chat),
    ("completions", chat),
    ("messages", messages),
    ("raw_predict", messages),
    ("stream_raw_predict", messages),
    ("responses", responses),
    ("generate_content", contents),
    ("stream_generate_content", contents),
    ("chat_v2", cohere),
];

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Whether a text or a list is there and not empty.
fn is_some(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty()) || !list(value).is_empty()
}

fn chat(frames: &[Value]) -> Details {
    let (mut annotations, mut logprobs) = (0, 0);
    let mut citations = &Value::Null;
    for frame in frames {
        if frame["citations"].is_array() && frame["citations"] != *citations {
            citations = &frame["citations"];
            annotations += 1;
        }
        for choice in
            list(&frame["choices"]).iter().filter(|choice| choice["index"].as_u64().unwrap_or(0) == 0)
        {
            let said = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
            annotations += list(&said["annotations"]).len();
            let probabilities = &choice["logprobs"];
            logprobs += list(&probabilities["content"]).len() + list(&probabilities["tokens"]).len();
        }
    }
    Details { annotations: Some(annotations), logprobs: Some(logprobs), natives: Some(0), signatures: None }
}

fn messages(frames: &[Value]) -> Details {
    let (mut annotations, mut natives) = (0, 0);
    let mut signed = BTreeSet::new();
    for frame in frames {
        let start = &frame["content_block"];
        let started = start.is_object().then_some((frame["index"].as_u64(), start));
        let whole = list(&frame["content"]).iter().enumerate();
        for (at, block) in whole.map(|(at, block)| (Some(at as u64), block)).chain(started) {
            annotations += list(&block["citations"]).len();
            match block["type"].as_str().unwrap() {
                "text" | "tool_use" => {}
                "thinking" if !is_some(&block["signature"]) => {}
                "thinking" | "redacted_thinking" => drop(signed.insert(at)),
                _ => natives += 1,
            }
        }
        match frame["delta"]["type"].as_str() {
            Some("citations_delta") => annotations += 1,
            Some("signature_delta") if is_some(&frame["delta"]["signature"]) => {
                signed.insert(frame["index"].as_u64());
            }
            _ => {}
        }
    }
    let signatures = Some(signed.len());
    Details { annotations: Some(annotations), logprobs: Some(0), natives: Some(natives), signatures }
}

fn responses(frames: &[Value]) -> Details {
    let done: Vec<&Value> = frames
        .iter()
        .filter(|frame| frame["type"] == "response.output_item.done")
        .map(|frame| &frame["item"])
        .collect();
    let last = frames.iter().rev().find_map(|frame| {
        let whole = if frame["response"].is_object() { &frame["response"] } else { frame };
        Some(list(&whole["output"])).filter(|output| !output.is_empty())
    });
    // A host that keeps the answer finds its reasoning by id; any other needs it back, encrypted.
    let kept = !frames.iter().any(|frame| frame["store"] == false || frame["response"]["store"] == false);
    let items = if done.is_empty() { last.unwrap_or_default().iter().collect() } else { done };
    let (mut annotations, mut logprobs, mut natives, mut signatures) = (0, 0, 0, 0);
    for item in items {
        match item["type"].as_str().unwrap() {
            // What the caller said, which one kind of answer repeats.
            "message" if item["role"] == "user" => natives += 1,
            "message" => {
                for part in list(&item["content"]) {
                    annotations += list(&part["annotations"]).len();
                    logprobs += list(&part["logprobs"]).len();
                }
            }
            "function_call" => {}
            "reasoning" => {
                signatures +=
                    usize::from(is_some(&item["encrypted_content"]) || (kept && is_some(&item["id"])));
            }
            _ => natives += 1,
        }
    }
    let (annotations, logprobs) = (Some(annotations), Some(logprobs));
    Details { annotations, logprobs, natives: Some(natives), signatures: Some(signatures) }
}

fn contents(frames: &[Value]) -> Details {
    let (mut annotations, mut logprobs, mut natives) = (0, 0, 0);
    let empty =
        |value: &Value| value.is_null() || *value == serde_json::json!({}) || *value == serde_json::json!([]);
    let frames =
        frames.iter().flat_map(|frame| frame.as_array().map_or(std::slice::from_ref(frame), Vec::as_slice));
    for frame in frames {
        let Some(candidate) = list(&frame["candidates"]).first() else { continue };
        let notes = ["citationMetadata", "groundingMetadata", "urlContextMetadata"];
        annotations += notes.iter().filter(|name| !empty(&candidate[**name])).count();
        logprobs += list(&candidate["logprobsResult"]["chosenCandidates"]).len();
        for part in list(&candidate["content"]["parts"]) {
            let known = ["text", "functionCall"].iter().any(|name| !part[*name].is_null());
            let only_signed = part.as_object().unwrap().keys().all(|name| name == "thoughtSignature");
            natives += usize::from(!known && !only_signed);
        }
    }
    Details {
        annotations: Some(annotations),
        logprobs: Some(logprobs),
        natives: Some(natives),
        signatures: None,
    }
}

fn cohere(frames: &[Value]) -> Details {
    let mut annotations = 0;
    for frame in frames {
        annotations += list(&frame["message"]["citations"]).len();
        let started = &frame["delta"]["message"]["citations"];
        annotations += if started.is_object() { 1 } else { list(started).len() };
    }
    Details { annotations: Some(annotations), natives: Some(0), ..Details::default() }
}

/// The same counts of the decoded answer.
fn read(answer: &ChatResponse) -> Details {
    let tokens = answer.logprobs.iter().map(|raw| {
        let raw = raw.to_value();
        let places = [&raw, &raw["content"], &raw["tokens"], &raw["chosenCandidates"]];
        places.iter().map(|place| list(place).len()).max().unwrap_or_default()
    });
    let count = |fits: fn(&&Part) -> bool| Some(answer.content.iter().filter(fits).count());
    Details {
        annotations: Some(answer.annotations.len()),
        logprobs: Some(tokens.sum()),
        natives: count(|part| matches!(part, Part::Native(_))),
        signatures: count(|part| matches!(part, Part::Reasoning(reasoning) if reasoning.signature.is_some())),
    }
}

fn differences(read: Details, expected: Details) -> Vec<String> {
    let fields = [
        ("annotations", read.annotations, expected.annotations),
        ("tokens with log probabilities", read.logprobs, expected.logprobs),
        ("native parts", read.natives, expected.natives),
        ("signatures", read.signatures, expected.signatures),
    ];
    let wrong = fields.into_iter().filter(|(_, read, expected)| expected.is_some() && read != expected);
    wrong.map(|(what, read, expected)| format!("{read:?} {what} instead of {expected:?}")).collect()
}

#[test]
fn annotations_probabilities_signatures_and_native_parts_are_all_kept() {
    let mut sums: BTreeMap<&str, [usize; 5]> = BTreeMap::new();
    let mut wrong = Vec::new();
    for exchange in all().recordings.iter().map(|recording| &recording.exchange) {
        let Some((endpoint, reader)) = READERS.iter().find(|(name, _)| *name == exchange.endpoint) else {
            continue;
        };
        let ExchangeOutcome::Answered { answer, .. } = exchange.decode().outcome else { continue };
        let expected = reader(&frames(exchange));
        let sum = sums.entry(endpoint).or_default();
        let counts =
            [expected.annotations, expected.logprobs, expected.natives, expected.signatures, Some(1)];
        counts.iter().zip(sum).for_each(|(count, sum)| *sum += count.unwrap_or_default());
        let found = differences(read(&answer), expected);
        if !found.is_empty() {
            let (provider, id) = (&exchange.provider, &exchange.id);
            wrong.push(format!("{provider} {endpoint} {id}: {}", found.join("; ")));
        }
    }
    println!("kind of call: annotations, tokens with log probabilities, native parts, signatures, answers");
    for (endpoint, sum) in &sums {
        println!("  {endpoint}: {sum:?}");
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// A list reviewed by people: what becomes of each kind of event, block and field. A new kind must be looked at.
const KINDS: &str = include_str!("kinds.tsv");

/// The wire of a kind of call, for the kinds of calls whose replies are text.
fn wire(endpoint: &str) -> Option<&'static str> {
    Some(match endpoint {
        "chat_completions" | "completions" | "fim" => "chat",
        "messages" | "complete_legacy" | "invoke" | "raw_predict" | "stream_raw_predict" => "messages",
        "responses" => "responses",
        "generate_content" | "stream_generate_content" => "contents",
        "interactions" => "interactions",
        "chat_v2" => "cohere",
        _ => return None,
    })
}

/// Whether a listed pattern, in which `*` stands for anything, is of this kind.
fn fits(pattern: &str, kind: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => {
            kind.len() >= start.len() + end.len() && kind.starts_with(start) && kind.ends_with(end)
        }
        None => pattern == kind,
    }
}

/// The kind of each event, and of each block or item that it starts or holds.
fn kinds(frame: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut add = |place: &str, value: &Value| {
        if let Some(kind) = value["type"].as_str() {
            found.insert(format!("{place}{kind}"));
        }
    };
    add("", frame);
    for place in ["content_block", "item", "part", "step", "annotation", "citation"] {
        add(&format!("{place} "), &frame[place]);
    }
    add("delta ", &frame["delta"]);
    for place in ["content", "output", "steps"] {
        list(&frame[place]).iter().for_each(|block| add(&format!("{place} "), block));
    }
    // Where blocks have no type, their fields tell them apart.
    for part in list(&frame["candidates"][0]["content"]["parts"]) {
        found.extend(part.as_object().into_iter().flatten().map(|(name, _)| format!("part {name}")));
    }
    for choice in list(&frame["choices"]) {
        for said in [&choice["delta"], &choice["message"]] {
            found.extend(said.as_object().into_iter().flatten().map(|(name, _)| format!("message {name}")));
        }
    }
    found
}

#[test]
fn replies_consist_of_known_kinds_of_events_and_blocks() {
    let rows: Vec<Vec<&str>> =
        KINDS.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect()).collect();
    let (mut new, mut used) = (BTreeMap::new(), BTreeSet::new());
    for exchange in all().recordings.iter().map(|recording| &recording.exchange) {
        let Some(wire) = wire(&exchange.endpoint).filter(|_| exchange.head.status.is_success()) else {
            continue;
        };
        for kind in frames(exchange).iter().flat_map(kinds) {
            match rows.iter().position(|row| row[0] == wire && fits(row[1], &kind)) {
                Some(at) => drop(used.insert(at)),
                None => drop(new.entry(format!("{wire}: {kind}")).or_insert(&exchange.id)),
            }
        }
    }
    assert!(new.is_empty(), "{} kinds are new, with an example of each: {new:#?}", new.len());
    let unused: Vec<_> = (0..rows.len()).filter(|at| !used.contains(at)).map(|at| &rows[at]).collect();
    assert!(!all().described || unused.is_empty(), "no recording has {unused:#?}");
}
