//! Recorded Gemini embeddings in their three formats, decoded twice.

use std::collections::VecDeque;

use hotspare::recorded::Exchange;
use hotspare_core::{EmbedRequest, EmbedResponse, Error};
use hotspare_gemini::{Gemini, Host};
use hotspare_normalize::Vectors;
use hotspare_provider::{Frame, Outbound, Wire};
use serde_json::Value;

use crate::recordings::all;

/// The adapter's decoding of a reply whose body arrives in chunks of `size`.
fn decode(exchange: &Exchange, inputs: usize, size: usize) -> Result<EmbedResponse, Error> {
    let wire = Gemini::at(Host::GEMINI, "https://host");
    let call = Outbound::new(EmbedRequest::to("r"), "m", false);
    let mut decoding = wire.decoder(&call, &exchange.head)?;
    let (mut frames, mut chunks): (VecDeque<Frame>, _) = (VecDeque::new(), VecDeque::new());
    for piece in exchange.body.chunks(size) {
        decoding.framer.push(piece.to_vec().into(), &mut frames)?;
    }
    decoding.framer.finish(&mut frames)?;
    for frame in frames {
        decoding.decoder.push(frame, &mut chunks)?;
    }
    decoding.decoder.finish(&mut chunks)?;
    let mut vectors = Vectors::new(inputs, None);
    chunks.into_iter().try_for_each(|chunk| vectors.push(chunk.event))?;
    vectors.finish()
}

/// The vectors and token count in a body, by an independent reader.
fn read(body: &Value) -> (Vec<Vec<f64>>, Option<u64>) {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut found = list(&body["embeddings"]);
    found.extend(body.get("embedding").cloned());
    found.extend(list(&body["predictions"]).into_iter().map(|one| one["embeddings"].clone()));
    let counted: Vec<u64> =
        found.iter().filter_map(|one| one["statistics"]["token_count"].as_u64()).collect();
    let tokens = body["usageMetadata"]["promptTokenCount"].as_u64();
    let tokens = tokens.or((!counted.is_empty()).then(|| counted.iter().sum()));
    let numbers = |one: &Value| list(&one["values"]).iter().filter_map(Value::as_f64).collect();
    (found.iter().map(numbers).collect(), tokens)
}

#[test]
fn decoded_vectors_match_an_independent_reader() {
    let mut count = 0;
    for recording in &all().recordings {
        let exchange = &recording.exchange;
        let ours = ["gemini", "vertex"].contains(&exchange.provider.as_str());
        if !ours || exchange.endpoint != "embeddings" || !exchange.head.status.is_success() {
            continue;
        }
        count += 1;
        let (vectors, tokens) = read(&serde_json::from_slice(&exchange.body).unwrap());
        let answer = decode(exchange, vectors.len(), usize::MAX).unwrap();
        assert_eq!(decode(exchange, vectors.len(), 7).unwrap(), answer, "{}", exchange.id);
        assert_eq!(answer.usage.input, tokens, "{}", exchange.id);
        assert_eq!(answer.vectors.len(), vectors.len(), "{}", exchange.id);
        for (read, expected) in answer.vectors.iter().zip(&vectors) {
            let near = |(read, expected): (&f32, &f64)| (f64::from(*read) - expected).abs() < 1e-6;
            assert!(read.len() == expected.len() && read.iter().zip(expected).all(near), "{}", exchange.id);
        }
    }
    println!("{count} replies with vectors");
}
