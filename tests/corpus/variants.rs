//! Recorded replies, written in other ways that mean the same: what is decoded must be the same.
//!
//! The recordings show how hosts write today. JSON and the framings allow more: other white space, escapes and orders,
//! fields that are absent or `null`, fields and events that are not known yet, other line ends. Invariant: a
//! recording is never skipped because it fails; one without JSON has nothing to vary.

mod frames;
mod requests;
mod style;

use std::collections::BTreeMap;

use bytes::Bytes;
use hotspare::recorded::{Exchange, ExchangeOutcome};
use hotspare::{ChatResponse, FinishReason, Part};
use serde_json::Value;

use crate::recordings::all;
use frames::{Body, Layout, PLAIN};
use style::{Names, Style};

/// Larger bodies make the test slower but no better.
const LARGEST: usize = 32 << 10;

/// What a variant changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ignored {
    Finish,
    Natives,
}

/// A body written in another way: how, what that changes, and the bytes.
type Variant = (&'static str, Option<Ignored>, Vec<u8>);

/// What is decoded, in a form that does not depend on how the JSON was written. `but` is left out.
fn summary(outcome: &ExchangeOutcome, but: Option<Ignored>) -> String {
    match outcome {
        ExchangeOutcome::Answered { answer, .. } => {
            let (mut content, mut signed) = (String::new(), 0);
            let mut last = "";
            for part in &answer.content {
                let (kind, said) = match part {
                    Part::Native(_) if but == Some(Ignored::Natives) => continue,
                    Part::Native(_) => ("native", String::new()),
                    Part::Reasoning(reasoning) => {
                        signed += usize::from(reasoning.signature.is_some());
                        ("reasoning", reasoning.text.clone())
                    }
                    Part::Text(text) => ("text", text.clone()),
                    Part::ToolCall(call) => {
                        let arguments = serde_json::from_str::<Value>(&call.arguments);
                        // An id that the adapter makes depends on the notation of the arguments.
                        let id = if call.id.starts_with("call_") { "" } else { &call.id };
                        ("call", format!("{id:?} {:?} {arguments:?}", call.name))
                    }
                    other => ("other", format!("{other:?}")),
                };
                // A block between two pieces of text makes two texts of them.
                if kind != last || kind == "call" {
                    content.push_str(&format!("\n{kind} "));
                }
                content.push_str(&said);
                last = kind;
            }
            let (id, model, tier) = (&answer.id, &answer.model, &answer.service_tier);
            let lists = (answer.annotations.len(), answer.logprobs.len(), signed);
            let finish = Some(&answer.finish).filter(|_| but != Some(Ignored::Finish));
            format!("{id:?} {model:?} {tier:?} {content:?} {finish:?} {:?} {lists:?}", answer.usage)
        }
        ExchangeOutcome::Failed(error) => {
            let (status, code, id) = (error.status(), error.code(), error.request_id());
            let (kind, scope, pause) = (error.kind(), error.scope(), error.retry_after());
            format!("{kind:?} {scope:?} {status:?} {code:?} {id:?} {pause:?} {}", error.message())
        }
        ExchangeOutcome::Vectors(answer) => format!("{answer:?}"),
        other => format!("{other:?}"),
    }
}

/// An event of a type that is not known yet, as this kind of call would have it: its name and its data.
fn unknown_event(endpoint: &str) -> Option<(Option<&'static str>, &'static str)> {
    Some(match endpoint {
        "messages" | "raw_predict" | "stream_raw_predict" | "complete_legacy" => (
            Some("x_future"),
            r#"{"type":"x_future","index":0,"text":"no","delta":{"type":"x_future","number":1}}"#,
        ),
        "responses" => (
            Some("response.x_future"),
            r#"{"type":"response.x_future","output_index":0,"text":"no","delta":"no","sequence_number":7}"#,
        ),
        "chat_completions" | "completions" | "fim" => (None, r#"{"object":"x.future","data":{"text":"no"}}"#),
        "generate_content" | "stream_generate_content" => (None, r#"{"xFuture":{"text":"no"}}"#),
        "interactions" => (Some("x.future"), r#"{"event_type":"x.future","text":"no","index":0}"#),
        "chat_v2" => {
            (Some("x-future"), r#"{"type":"x-future","index":0,"delta":{"x_future":{"text":"no"}}}"#)
        }
        "chat_v1" => (None, r#"{"is_finished":false,"event_type":"x-future","text":"no"}"#),
        "api_chat" | "api_generate" => (None, r#"{"x_future":"no"}"#),
        "converse_stream" | "invoke_stream" => {
            (None, r#"{"contentBlockIndex":0,"xFuture":{"text":"no"},"p":"abc"}"#)
        }
        _ => return None,
    })
}

/// Rewrites each JSON text of a body.
fn rewritten(body: &Body, style: Style, change: &dyn Fn(&mut Value)) -> Body {
    let mut body = body.clone();
    body.each(&mut |text| {
        if let Ok(mut value) = serde_json::from_str::<Value>(text) {
            change(&mut value);
            *text = style.write(&value);
        }
    });
    body
}

/// All variants of a body, with what was done.
fn variants(exchange: &Exchange, answer: &ExchangeOutcome, body: &Body, names: &Names) -> Vec<Variant> {
    let lines = matches!(body, Body::Lines(_));
    let plain = Style::default();
    let same = |_: &mut Value| {};
    let change = |change: fn(&mut Value)| rewritten(body, plain, &change).bytes(PLAIN);
    let mut out = vec![
        ("counts as texts", rewritten(body, Style { texts: true, ..plain }, &same).bytes(PLAIN)),
        ("escapes", rewritten(body, Style { escaped: true, ..plain }, &same).bytes(PLAIN)),
        ("numbers with a fraction", rewritten(body, Style { fractions: true, ..plain }, &same).bytes(PLAIN)),
        ("reversed fields", rewritten(body, Style { reversed: true, ..plain }, &same).bytes(PLAIN)),
        (
            "fields without a value",
            rewritten(body, plain, &|value| style::with_nulls(value, "", names)).bytes(PLAIN),
        ),
        ("no fields without a value", change(style::without_nulls)),
        ("unknown fields", change(style::with_unknown)),
        ("a byte order mark", body.bytes(Layout { head: "\u{feff}", ..PLAIN })),
        ("carriage returns and newlines", body.bytes(Layout { end: "\r\n", ..PLAIN })),
    ];
    if !lines {
        let indented = rewritten(body, Style { indented: true, ..plain }, &same);
        out.push(("several lines", indented.bytes(PLAIN)));
        out.push(("several lines with carriage returns", indented.bytes(Layout { end: "\r\n", ..PLAIN })));
    }
    if let Body::Events(_) = body {
        out.push(("carriage returns", body.bytes(Layout { end: "\r", ..PLAIN })));
        out.push(("no space after colons", body.bytes(Layout { space: "", ..PLAIN })));
        let before = &[": comment", ":", "id: 7", "retry: 10", "x-future: data: {}", "id", ""];
        out.push(("comments and other fields", body.bytes(Layout { before, ..PLAIN })));
        out.push(("no names of events", body.bytes(Layout { unnamed: true, ..PLAIN })));
    }
    if let Some((name, data)) = unknown_event(&exchange.endpoint) {
        let mut more = body.clone();
        more.interleave(name, data);
        out.push(("unknown events", more.bytes(PLAIN)));
    }
    let mut out: Vec<Variant> = out.into_iter().map(|(how, bytes)| (how, None, bytes)).collect();
    if exchange.head.status.is_success() {
        out.push(("unknown blocks", Some(Ignored::Natives), change(style::with_unknown_blocks)));
    }
    // An answer that is empty or cut off has to say why.
    let is_whole =
        |answer: &ChatResponse| !answer.content.is_empty() && answer.finish != FinishReason::Length;
    if matches!(answer, ExchangeOutcome::Answered { answer, .. } if is_whole(answer)) {
        out.push(("unknown reasons", Some(Ignored::Finish), change(style::with_unknown_reasons)));
    }
    out
}

/// The names of all fields of successful replies and of failures, by kind of call.
fn names() -> BTreeMap<(String, bool), Names> {
    let mut all_names: BTreeMap<_, Names> = BTreeMap::new();
    for recording in &all().recordings {
        let exchange = &recording.exchange;
        let names =
            all_names.entry((exchange.endpoint.clone(), exchange.head.status.is_success())).or_default();
        if let Some(mut body) = Body::of(exchange) {
            body.each(&mut |text| {
                if let Ok(value) = serde_json::from_str::<Value>(text) {
                    style::note(&value, "", names);
                }
            });
        }
    }
    all_names
}

#[test]
fn replies_that_mean_the_same_are_decoded_alike() {
    let names = names();
    let (mut differing, mut count) = (BTreeMap::<_, Vec<String>>::new(), 0);
    for recording in &all().recordings {
        let exchange = &recording.exchange;
        if exchange.body.len() > LARGEST || exchange.wire().is_err() {
            continue;
        }
        let Some(body) = Body::of(exchange) else { continue };
        let whole = exchange.decode().outcome;
        let names = &names[&(exchange.endpoint.clone(), exchange.head.status.is_success())];
        for (how, but, bytes) in variants(exchange, &whole, &body, names) {
            count += 1;
            let mut variant = exchange.clone();
            variant.body = Bytes::from(bytes);
            let (read, expected) =
                (summary(&variant.decode_in_pieces(61).outcome, but), summary(&whole, but));
            if read != expected {
                let where_it_differs =
                    read.bytes().zip(expected.bytes()).take_while(|(one, other)| one == other).count();
                let from = |text: &str| {
                    text.chars().skip(where_it_differs.saturating_sub(20)).take(160).collect::<String>()
                };
                let what = format!(
                    "{} {}: {:?} instead of {:?}",
                    exchange.provider,
                    exchange.id,
                    from(&read),
                    from(&expected)
                );
                differing.entry((how, exchange.endpoint.clone())).or_default().push(what);
            }
        }
    }
    println!("{count} variants");
    assert!(count > if all().described { 50_000 } else { 0 }, "{count}");
    let total: usize = differing.values().map(Vec::len).sum();
    let shown: Vec<String> = differing
        .iter()
        .map(|((how, endpoint), all)| format!("{how}, {endpoint}: {}, such as {}", all.len(), all[0]))
        .collect();
    assert!(total == 0, "{total} differ:\n{}", shown.join("\n"));
}
