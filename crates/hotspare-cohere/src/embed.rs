//! Embeddings: requests to JSON, JSON to vectors.
//!
//! Invariant: numbers come out as they were sent, in the host's order.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hotspare_core::{EmbedRequest, Error, Kind};
use hotspare_provider::EmbedReply;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::{WIRE, classify};

/// Encodes the body of a request. An input type is required; unless `extras` set it, it is `search_document`.
pub(crate) fn body(request: &EmbedRequest, model: &str) -> Result<Vec<u8>, Error> {
    let Some(texts) = request.as_texts() else {
        return Err(Error::new(Kind::Unsupported, "this wire embeds texts, not tokens"));
    };
    let mut out = Map::new();
    out.insert("model".into(), model.into());
    out.insert("texts".into(), json!(texts));
    out.insert("input_type".into(), "search_document".into());
    out.insert("embedding_types".into(), json!(["float"]));
    if let Some(dimensions) = request.dimensions {
        out.insert("output_dimension".into(), dimensions.into());
    }
    for (name, value) in request.extras.get(WIRE).into_iter().flatten() {
        out.insert(name.clone(), value.to_value());
    }
    Ok(Value::Object(out).to_string().into_bytes())
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(borrow, default)]
    embeddings: Option<&'a RawValue>,
    #[serde(default)]
    meta: Option<crate::dto::UsageDto>,
    #[serde(default)]
    message: Option<String>,
}

/// Vectors are a list in the oldest format; since then, lists by numeric type, of which the most precise is read.
fn vectors(raw: &RawValue) -> Option<Vec<Vec<f32>>> {
    let list = |raw: &RawValue| serde_json::from_str::<Vec<Vec<f32>>>(raw.get()).ok();
    list(raw).or_else(|| {
        let typed: BTreeMap<String, &RawValue> = serde_json::from_str(raw.get()).ok()?;
        let float = typed.get("float").and_then(|raw| list(raw));
        let packed = || serde_json::from_str::<Vec<String>>(typed.get("base64")?.get()).ok();
        let packed = || packed()?.iter().map(|text| floats(text)).collect();
        let whole = || ["int8", "uint8"].iter().find_map(|name| list(typed.get(*name)?));
        float.or_else(packed).or_else(whole).or_else(|| typed.values().find_map(|raw| list(raw)))
    })
}

/// Decodes little-endian single-precision floats in base64.
fn floats(text: &str) -> Option<Vec<f32>> {
    let bytes = STANDARD.decode(text).ok()?;
    let (floats, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| floats.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// Reads a reply.
pub(crate) fn reply(data: &[u8]) -> Result<EmbedReply, Error> {
    let reply: Reply<'_> = serde_json::from_slice(data)
        .map_err(|_| Error::new(Kind::Protocol, "the reply is not the JSON of this wire"))?;
    let vectors = match (reply.embeddings, reply.message) {
        (Some(raw), _) => vectors(raw).ok_or_else(EmbedReply::missing)?,
        (None, Some(message)) => return Err(classify::message(&message, "", None)),
        (None, None) => return Err(EmbedReply::missing()),
    };
    let tokens = reply.meta.and_then(|meta| meta.tokens.or(meta.billed_units));
    let mut read =
        EmbedReply::in_order(vectors).with_input_tokens(tokens.and_then(|tokens| tokens.input_tokens.0));
    read.id = reply.id;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Vec<Vec<f32>>, Error> {
        Ok(reply(body.as_bytes())?.vectors.into_iter().map(|vector| vector.values).collect())
    }

    #[test]
    fn decodes_every_embedding_format() {
        assert_eq!(read(r#"{"embeddings":[[1.5],[2]]}"#).unwrap(), [[1.5], [2.0]]);
        assert_eq!(read(r#"{"embeddings":{"float":[[1.5]],"int8":null}}"#).unwrap(), [[1.5]]);
        assert_eq!(read(r#"{"embeddings":{"int8":[[-3]]}}"#).unwrap(), [[-3.0]]);
        assert_eq!(read(r#"{"embeddings":{"int8":[[1,-2]],"binary":[[3]]}}"#).unwrap(), [[1.0, -2.0]]);
        let both = r#"{"embeddings":{"base64":["AAAAAA=="],"float":[[0.1]]}}"#;
        assert_eq!(read(both).unwrap(), [[0.1]]);
        assert_eq!(read(r#"{"embeddings":{"base64":["AADAPwAAAMA="]}}"#).unwrap(), [[1.5, -2.0]]);
        assert_eq!(read(r#"{"embeddings":{"base64":["AADA"]}}"#).unwrap_err().kind(), Kind::Protocol);
        assert_eq!(read(r#"{"message":"invalid api token"}"#).unwrap_err().kind(), Kind::Auth);
        assert_eq!(read("{}").unwrap_err().kind(), Kind::Protocol);
    }

    #[test]
    fn encodes_an_embedding_request() {
        let request = EmbedRequest::to("x").text("a").dimensions(256);
        let read: Value = serde_json::from_slice(&body(&request, "m").unwrap()).unwrap();
        assert_eq!(read["texts"], json!(["a"]));
        assert_eq!(
            (&read["input_type"], &read["output_dimension"]),
            (&json!("search_document"), &json!(256))
        );
        let tokens = EmbedRequest::to("x").tokens(vec![1]);
        assert_eq!(body(&tokens, "m").unwrap_err().kind(), Kind::Unsupported);
    }
}
