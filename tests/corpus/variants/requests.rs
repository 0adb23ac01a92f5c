//! Recorded requests, written in other ways that mean the same: what is sent for them must be the same.
//!
//! Client libraries differ in how they write JSON: in the order of fields and in whether they write `null` for what is
//! not set. Invariant: a request is skipped only if it is not read as it was recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use hotspare_core::{ChatRequest, Error};
use hotspare_openai::Dialect;
use hotspare_provider::{Outbound, Wire};
use serde_json::Value;

use super::LARGEST;
use super::style::{self, Names, Style};
use crate::recordings::all;

type Read = fn(&[u8]) -> Result<ChatRequest, Error>;

/// The kinds of call whose requests are read, with the reader, and the wire that writes them.
fn readers() -> Vec<(&'static str, Read, Box<dyn Wire>)> {
    vec![
        (
            "chat_completions",
            |body| hotspare_openai::ChatCompletionsRequest::parse(body).map(|read| read.request),
            Box::new(hotspare_openai::OpenAi::new(&Dialect::OPENAI)),
        ),
        (
            "responses",
            |body| hotspare_openai::ResponsesRequest::parse(body).map(|read| read.request),
            Box::new(hotspare_openai::Responses::new(&Dialect::OPENAI)),
        ),
        (
            "messages",
            |body| hotspare_anthropic::MessagesRequest::parse(body).map(|read| read.request),
            Box::new(hotspare_anthropic::Anthropic::new()),
        ),
    ]
}

/// The body that is sent for a request, without fields that say nothing.
fn sent(read: Read, wire: &dyn Wire, body: &str) -> Result<Value, String> {
    let request = read(body.as_bytes()).map_err(|error| format!("refused: {}", error.message()))?;
    let call = Outbound::new(Arc::new(request), "m", false);
    let encoded = wire.encode(&call).map_err(|error| format!("not sent: {}", error.message()))?;
    let mut value: Value = serde_json::from_slice(&encoded.body).unwrap();
    style::without_nulls(&mut value);
    Ok(whole_numbers(value))
}

/// Writes whole numbers without a fraction.
fn whole_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => {
                Value::from(float as i64)
            }
            _ => Value::Number(number),
        },
        Value::Array(list) => list.into_iter().map(whole_numbers).collect(),
        Value::Object(map) => map.into_iter().map(|(name, field)| (name, whole_numbers(field))).collect(),
        other => other,
    }
}

#[test]
fn requests_that_mean_the_same_are_sent_alike() {
    let plain = Style::default();
    let styles = [
        ("escapes", Style { escaped: true, ..plain }),
        ("reversed fields", Style { reversed: true, ..plain }),
        ("several lines", Style { indented: true, ..plain }),
        ("numbers with a fraction", Style { fractions: true, ..plain }),
    ];
    let (mut differing, mut count) = (BTreeMap::<_, Vec<String>>::new(), 0);
    for (endpoint, read, wire) in readers() {
        let recorded = all().recordings.iter().map(|recording| &recording.exchange);
        let recorded = recorded.filter(|exchange| exchange.endpoint == endpoint);
        let bodies: Vec<(&str, Value)> = recorded
            .filter(|exchange| exchange.request.len() <= LARGEST)
            .filter_map(|exchange| {
                let mut body: Value = serde_json::from_slice(&exchange.request).ok()?;
                body.as_object_mut()?.entry("model").or_insert("m".into());
                Some((exchange.id.as_str(), body))
            })
            .collect();
        let mut names = Names::default();
        bodies.iter().for_each(|(_, body)| style::note(body, "", &mut names));
        for (id, body) in &bodies {
            let Ok(expected) = sent(read, &*wire, &body.to_string()) else { continue };
            let mut variants: Vec<_> = styles.iter().map(|(how, style)| (*how, style.write(body))).collect();
            let mut padded = body.clone();
            style::with_nulls(&mut padded, "", &names);
            variants.push(("fields without a value", padded.to_string()));
            for (how, variant) in variants {
                count += 1;
                let found = sent(read, &*wire, &variant);
                if found.as_ref() != Ok(&expected) {
                    let found = found.map_or_else(|why| why, |found| difference(&found, &expected));
                    differing.entry((endpoint, how)).or_default().push(format!("{id}: {found}"));
                }
            }
        }
    }
    println!("{count} variants of requests");
    assert!(count > if all().described { 3_000 } else { 0 }, "{count}");
    let shown: Vec<String> = differing
        .iter()
        .map(|((endpoint, how), all)| format!("{endpoint}, {how}: {}, such as {}", all.len(), all[0]))
        .collect();
    assert!(shown.is_empty(), "\n{}", shown.join("\n"));
}

/// The first field that differs.
fn difference(found: &Value, expected: &Value) -> String {
    let fields = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let (found, expected) = (fields(found), fields(expected));
    let mut names = found.keys().chain(expected.keys());
    let name = names.find(|name| found.get(*name) != expected.get(*name)).cloned().unwrap_or_default();
    format!("{name}: {:?} instead of {:?}", found.get(&name), expected.get(&name))
}
