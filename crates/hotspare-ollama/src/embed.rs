//! Embeddings: requests to JSON, JSON to vectors.
//!
//! Invariant: numbers come out as they were sent, in the host's order.

use hotspare_core::{EmbedRequest, Error, Kind};
use hotspare_provider::EmbedReply;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::{WIRE, classify};

/// Encodes the body of a request.
pub(crate) fn body(request: &EmbedRequest, model: &str) -> Result<Vec<u8>, Error> {
    let Some(texts) = request.as_texts() else {
        return Err(Error::new(Kind::Unsupported, "this wire embeds texts, not tokens"));
    };
    let mut out = Map::new();
    out.insert("model".into(), model.into());
    out.insert("input".into(), json!(texts));
    if let Some(dimensions) = request.dimensions {
        out.insert("dimensions".into(), dimensions.into());
    }
    for (name, value) in request.extras.get(WIRE).into_iter().flatten() {
        out.insert(name.clone(), value.to_value());
    }
    Ok(Value::Object(out).to_string().into_bytes())
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    embeddings: Option<Vec<Vec<f32>>>,
    #[serde(default)]
    embedding: Option<Vec<f32>>,
    #[serde(default)]
    #[serde(deserialize_with = "hotspare_provider::count")]
    prompt_eval_count: Option<u64>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// Reads a reply, also one of the older endpoint, which returns a single vector.
pub(crate) fn reply(data: &[u8]) -> Result<EmbedReply, Error> {
    let reply: Reply<'_> = serde_json::from_slice(data)
        .map_err(|_| Error::new(Kind::Protocol, "the reply is not the JSON of this wire"))?;
    if let Some(error) = reply.error.filter(|error| !matches!(error.get(), "null" | "\"\"")) {
        return Err(classify::in_reply(error.get()));
    }
    let vectors =
        reply.embeddings.or(reply.embedding.map(|one| vec![one])).ok_or_else(EmbedReply::missing)?;
    let mut read = EmbedReply::in_order(vectors).with_input_tokens(reply.prompt_eval_count);
    read.model = reply.model;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors(body: &str) -> Result<Vec<Vec<f32>>, Error> {
        Ok(reply(body.as_bytes())?.vectors.into_iter().map(|vector| vector.values).collect())
    }

    #[test]
    fn decodes_both_embedding_apis() {
        assert_eq!(vectors(r#"{"model":"m","embeddings":[[1.5]],"prompt_eval_count":2}"#).unwrap(), [[1.5]]);
        assert_eq!(vectors(r#"{"embedding":[2]}"#).unwrap(), [[2.0]]);
        let missing = vectors(r#"{"error":"model not found, try pulling it first"}"#).unwrap_err();
        assert_eq!(missing.kind(), Kind::ModelUnavailable);
        assert_eq!(vectors("{}").unwrap_err().kind(), Kind::Protocol);
    }

    #[test]
    fn encodes_an_embedding_request() {
        let read: Value =
            serde_json::from_slice(&body(&EmbedRequest::to("x").text("a"), "m").unwrap()).unwrap();
        assert_eq!(read, json!({"model": "m", "input": ["a"]}));
        assert_eq!(body(&EmbedRequest::to("x").tokens(vec![1]), "m").unwrap_err().kind(), Kind::Unsupported);
    }
}
