//! Embeddings of hosts with OpenAI's wire, decoded by the codec and by an independent reader.

use std::collections::{BTreeMap, VecDeque};

use hotspare::recorded::Exchange;
use hotspare_core::{Chunk, EmbedRequest, Error};
use hotspare_normalize::Vectors;
use hotspare_openai::{Dialect, OpenAi};
use hotspare_provider::{Outbound, Wire};
use serde_json::Value;

use crate::recordings::all;

/// Chunk sizes in which bodies arrive.
const SPLITS: [usize; 4] = [1, 7, 4_096, usize::MAX];

/// Feeds a body to the codec in chunks.
fn chunks(wire: &dyn Wire, exchange: &Exchange, cut: usize) -> Result<VecDeque<Chunk>, Error> {
    let call = Outbound::new(EmbedRequest::to("m"), "m", false);
    let mut decoding = wire.decoder(&call, &exchange.head)?;
    let (mut frames, mut chunks) = (VecDeque::new(), VecDeque::new());
    for piece in exchange.body.chunks(cut.min(exchange.body.len().max(1))) {
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
    Ok(chunks)
}

/// Decodes base64, straight from the specification.
fn base64(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut out) = (0u32, 0, Vec::new());
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let value = alphabet.iter().position(|letter| *letter == byte).unwrap();
        bits = bits << 6 | u32::try_from(value).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    out
}

/// The numbers of a vector.
#[expect(clippy::cast_possible_truncation, reason = "vectors are of single precision")]
fn numbers(value: &Value, model: &str) -> Vec<f32> {
    match value {
        Value::Array(list) => list.iter().map(|number| number.as_f64().unwrap() as f32).collect(),
        value => {
            let bytes = base64(value.as_str().unwrap());
            // One server encodes floats as doubles; this model's vectors are known to have 4,096 numbers.
            if model.ends_with("e5-mistral-7b-instruct") && bytes.len() == 4_096 * 8 {
                return bytes
                    .chunks(8)
                    .map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap()) as f32)
                    .collect();
            }
            bytes.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
        }
    }
}

#[test]
fn decoded_embeddings_match_an_independent_reader() {
    let recorded = all().recordings.iter().map(|recording| &recording.exchange);
    let mut counts: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for exchange in
        recorded.filter(|exchange| exchange.endpoint == "embeddings" && exchange.head.status == 200)
    {
        let body: Value = serde_json::from_slice(&exchange.body).unwrap();
        // Other wires have embeddings of their own shape.
        let Some(items) =
            body["data"].as_array().filter(|items| items.iter().all(|item| !item["embedding"].is_null()))
        else {
            continue;
        };
        let model = body["model"].as_str().unwrap_or_default();
        let expected: Vec<Vec<f32>> = items.iter().map(|item| numbers(&item["embedding"], model)).collect();
        let tokens = body["usage"]["prompt_tokens"].as_u64().or(body["usage"]["total_tokens"].as_u64());
        let wire = OpenAi::new(Dialect::find(&exchange.provider).unwrap_or(&Dialect::COMPATIBLE));
        for cut in SPLITS {
            let mut vectors = Vectors::new(items.len(), None);
            for chunk in chunks(&wire, exchange, cut).unwrap() {
                vectors.push(chunk.event).unwrap();
            }
            let answer = vectors.finish().unwrap();
            assert!(answer.vectors == expected, "{} {}", exchange.provider, exchange.id);
            assert_eq!(answer.usage.input, tokens, "{} {}", exchange.provider, exchange.id);
        }
        let count = counts.entry(&exchange.provider).or_default();
        *count = (count.0 + 1, count.1 + 1);
    }
    for (provider, (read, all)) in &counts {
        println!("embeddings {provider}: {read} / {all}");
    }
}
