//! Embeddings: texts to JSON, JSON to vectors.
//!
//! There are two formats, `batchEmbedContents` and Vertex AI's `predict`; the host's row selects one. Fields in
//! `extras` (a task type, a title) are sent with each text, as the wire requires. Invariant: vectors come out in the
//! order of their texts, which is all that identifies them.

use std::collections::BTreeMap;

use hotspare_core::{EmbedRequest, Error, Json, Kind};
use hotspare_provider::{Count, EmbedReply};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::host::Embed;
use crate::{WIRE, classify, dto};

/// Encodes the body of a request. `path` is the model's path as in the URL.
pub(crate) fn body(request: &EmbedRequest, path: &str, format: Embed) -> Result<Vec<u8>, Error> {
    let Some(texts) = request.as_texts() else {
        return Err(Error::new(Kind::Unsupported, "this wire embeds texts, not tokens"));
    };
    let (dimensions, extras) = (request.dimensions, request.extras.get(WIRE));
    let body = match format {
        Embed::Batch => {
            let text = |text| BatchItem {
                model: path,
                content: Content { parts: [Text { text }] },
                output_dimensionality: dimensions,
                extras,
            };
            serde_json::to_vec(&Batch { requests: texts.into_iter().map(text).collect() })
        }
        Embed::Predict => {
            let instances = texts.into_iter().map(|content| Instance { content, extras }).collect();
            let parameters = Parameters { output_dimensionality: dimensions };
            serde_json::to_vec(&Predict { instances, parameters })
        }
    };
    body.map_err(|_| Error::new(Kind::InvalidRequest, "the request cannot be written as JSON"))
}

#[derive(Serialize)]
struct Batch<'a> {
    requests: Vec<BatchItem<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchItem<'a> {
    model: &'a str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u32>,
    #[serde(flatten)]
    extras: Option<&'a BTreeMap<String, Json>>,
}

#[derive(Serialize)]
struct Content<'a> {
    parts: [Text<'a>; 1],
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

#[derive(Serialize)]
struct Predict<'a> {
    instances: Vec<Instance<'a>>,
    parameters: Parameters,
}

#[derive(Serialize)]
struct Instance<'a> {
    content: &'a str,
    #[serde(flatten)]
    extras: Option<&'a BTreeMap<String, Json>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u32>,
}

/// Reads a reply, in either format.
pub(crate) fn reply(data: &[u8]) -> Result<EmbedReply, Error> {
    let reply: Reply<'_> = serde_json::from_slice(data)
        .map_err(|_| Error::new(Kind::Protocol, "the reply is not the JSON of this wire"))?;
    if reply.error.is_some_and(|error| error.get() != "null") {
        return Err(classify::in_reply(&String::from_utf8_lossy(data)));
    }
    let mut counted = reply.usage_metadata.and_then(|usage| usage.prompt_token_count);
    let vectors: Vec<Vec<f32>> = if let Some(predictions) = reply.predictions {
        let mut vectors = Vec::with_capacity(predictions.len());
        for prediction in predictions {
            let embedding = prediction.embeddings;
            let tokens = embedding.statistics.and_then(|statistics| statistics.token_count.0);
            counted = tokens.map(|tokens| counted.unwrap_or(0).saturating_add(tokens)).or(counted);
            vectors.push(embedding.values);
        }
        vectors
    } else {
        let several = reply.embeddings.or_else(|| reply.embedding.map(|one| vec![one]));
        let several = several.ok_or_else(EmbedReply::missing)?;
        several.into_iter().map(|embedding| embedding.values).collect()
    };
    Ok(EmbedReply::in_order(vectors).with_input_tokens(counted))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply<'a> {
    embedding: Option<Embedding>,
    embeddings: Option<Vec<Embedding>>,
    predictions: Option<Vec<Prediction>>,
    #[serde(borrow)]
    usage_metadata: Option<dto::UsageDto<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Prediction {
    embeddings: Embedding,
}

#[derive(Deserialize)]
struct Embedding {
    values: Vec<f32>,
    statistics: Option<Statistics>,
}

#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    token_count: Count,
}

#[cfg(test)]
mod tests;
