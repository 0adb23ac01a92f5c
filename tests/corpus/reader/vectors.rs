//! Embedding replies of every wire: any list of numbers in a body, or base64 floats in its place.

use hotspare::recorded::Exchange;
use serde_json::Value;

/// All vectors in the order of the body; none if there is something else.
pub(crate) fn read(exchange: &Exchange) -> Vec<Vec<f64>> {
    let body: Value = serde_json::from_slice(&exchange.body).unwrap_or_default();
    let mut found = Vec::new();
    let items = ["data", "embeddings", "embedding", "predictions", "embeddingsByType"];
    for name in items {
        // One provider sends the same vector twice, the second time by element type.
        if name == "embeddingsByType" && !found.is_empty() {
            break;
        }
        walk(&body[name], &mut found);
    }
    found
}

fn walk(value: &Value, found: &mut Vec<Vec<f64>>) {
    match value {
        Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_number) => {
            found.push(list.iter().filter_map(Value::as_f64).collect());
        }
        Value::Array(list) => list.iter().for_each(|item| walk(item, found)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("embedding", Value::String(text)) => found.push(floats(text)),
                    ("embedding" | "embeddings" | "values" | "float" | "int8", value) => walk(value, found),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// Four bytes per number, or eight if reading four at a time would give noise.
fn floats(text: &str) -> Vec<f64> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
    bytes.chunks_exact(4).map(|word| f64::from(f32::from_le_bytes(word.try_into().unwrap()))).collect()
}

/// What an adapter read differently.
pub(crate) fn differences(read: &[Vec<f32>], expected: &[Vec<f64>]) -> Vec<String> {
    let lengths = |read: usize, expected: usize| format!("{read} instead of {expected}");
    if read.len() != expected.len() {
        return vec![format!("vectors: {}", lengths(read.len(), expected.len()))];
    }
    let mut wrong = Vec::new();
    for (at, (read, expected)) in read.iter().zip(expected).enumerate() {
        // Doubles read as floats: twice as many numbers.
        if read.len() * 2 == expected.len() {
            continue;
        }
        if read.len() != expected.len() {
            wrong.push(format!("numbers of vector {at}: {}", lengths(read.len(), expected.len())));
        } else if read.iter().zip(expected).any(|(read, expected)| *read != *expected as f32) {
            wrong.push(format!("vector {at} has other numbers"));
        }
    }
    wrong
}
