//! Embeddings: requests to JSON, JSON to vectors.
//!
//! Not the chat codec, though it shares the host's dialect and errors. Invariant: numbers come out as they were sent in
//! either encoding of the wire: lists of numbers, or little-endian floats in base64.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hotspare_core::{EmbedInput, EmbedRequest, Error, Kind, Usage, Vector};
use hotspare_provider::{Count, EmbedReply, Text};
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::WIRE;
use crate::classify;
use crate::decode::non_empty_error;
use crate::dialect::Dialect;
use crate::dto::{self, is_json};

mod incoming;

pub use incoming::EmbeddingsRequest;

/// Encodes the body of a request.
pub(crate) fn body(request: &EmbedRequest, model: &str, dialect: &Dialect) -> Result<Vec<u8>, Error> {
    let tokens = request.inputs.iter().filter(|input| matches!(input, EmbedInput::Tokens(_))).count();
    if tokens != 0 && tokens != request.inputs.len() {
        return Err(Error::new(Kind::Unsupported, "this wire accepts texts or tokens, not both at once"));
    }
    if tokens != 0 && !dialect.embed_tokens {
        return Err(Error::new(Kind::Unsupported, "this host embeds texts, not tokens"));
    }
    let mut out = Vec::with_capacity(1_024);
    Body { request, model, dialect }
        .serialize(&mut serde_json::Serializer::new(&mut out))
        .map_err(|_| Error::new(Kind::InvalidRequest, "the request cannot be written as JSON"))?;
    Ok(out)
}

struct Body<'a> {
    request: &'a EmbedRequest,
    model: &'a str,
    dialect: &'a Dialect,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { request, model, dialect } = self;
        let extras = request.extras.get(WIRE);
        let is_unset = |name: &str| extras.is_none_or(|extras| !extras.contains_key(name));
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model", model)?;
        map.serialize_entry("input", &request.inputs.iter().map(Input).collect::<Vec<_>>())?;
        if dialect.embed_base64 && is_unset("encoding_format") {
            map.serialize_entry("encoding_format", "base64")?;
        }
        if let Some(dimensions) = request.dimensions.filter(|_| is_unset(&dialect.dimensions_field)) {
            map.serialize_entry(dialect.dimensions_field.as_ref(), &dimensions)?;
        }
        if let Some(user) = request.end_user.as_ref().filter(|_| is_unset("user")) {
            map.serialize_entry("user", user)?;
        }
        for (name, value) in extras.into_iter().flatten() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

struct Input<'a>(&'a EmbedInput);

impl Serialize for Input<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            EmbedInput::Text(text) => serializer.serialize_str(text),
            EmbedInput::Tokens(tokens) => tokens.serialize(serializer),
            _ => serializer.serialize_unit(),
        }
    }
}

/// Reads a reply.
pub(crate) fn reply(data: &[u8]) -> Result<EmbedReply, Error> {
    let reply: Reply<'_> = match serde_json::from_slice(data) {
        Ok(reply) => reply,
        Err(_) if is_json(data) => {
            return Err(Error::new(Kind::Protocol, "the reply has an unexpected shape"));
        }
        Err(_) => return Err(Error::new(Kind::Protocol, "the reply is not JSON")),
    };
    if let Some(error) = non_empty_error(reply.error) {
        return Err(classify::in_reply(error.get()));
    }
    let items = reply.data.ok_or_else(EmbedReply::missing)?;
    let name = |text: Option<Text<'_>>| text.map(|text| text.0.into_owned()).filter(|text| !text.is_empty());
    let mut read = EmbedReply::default();
    (read.id, read.model) = (name(reply.id), name(reply.model));
    for (position, item) in items.into_iter().enumerate() {
        let index = u32::try_from(item.index.0.unwrap_or(position as u64)).unwrap_or(u32::MAX);
        read.vectors.push(Vector { index, values: item.embedding.0 });
    }
    read.usage = reply.usage.map(|usage| {
        let input = usage.prompt_tokens.0.or(usage.input_tokens.0).or(usage.total_tokens.0);
        Usage::reported(input, Some(0))
    });
    Ok(read)
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    model: Option<Text<'a>>,
    data: Option<Vec<Item>>,
    #[serde(default)]
    usage: Option<dto::UsageDto>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    index: Count,
    embedding: Embedding,
}

/// A vector in either encoding.
#[derive(Debug, PartialEq)]
struct Embedding(Vec<f32>);

impl<'de> Deserialize<'de> for Embedding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EmbeddingVisitor;

        impl<'de> Visitor<'de> for EmbeddingVisitor {
            type Value = Embedding;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of numbers, or floats in base64")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Embedding, A::Error> {
                let mut values = Vec::with_capacity(list.size_hint().unwrap_or(1_024).min(8_192));
                while let Some(value) = list.next_element::<f32>()? {
                    values.push(value);
                }
                Ok(Embedding(values))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Embedding, E> {
                let bytes = STANDARD.decode(text).map_err(|_| E::custom("not base64"))?;
                floats(&bytes).map(Embedding).ok_or_else(|| E::custom("not a whole number of floats"))
            }
        }

        deserializer.deserialize_any(EmbeddingVisitor)
    }
}

/// Decodes little-endian single-precision floats. One server sends doubles instead: converted from single precision,
/// each has 29 trailing zero bits, which the floats of a real vector never all have.
fn floats(bytes: &[u8]) -> Option<Vec<f32>> {
    let word = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_le_bytes);
    let doubled = bytes.len().is_multiple_of(8)
        && bytes.chunks_exact(8).all(|pair| word(&pair[..4]).trailing_zeros() >= 29)
        && bytes.iter().any(|byte| *byte != 0);
    if doubled {
        let double = |bytes: &[u8]| bytes.try_into().map_or(f64::NAN, f64::from_le_bytes);
        #[expect(clippy::cast_possible_truncation, reason = "the numbers were of single precision")]
        return Some(bytes.chunks_exact(8).map(|bytes| double(bytes) as f32).collect());
    }
    let whole = bytes.len().is_multiple_of(4);
    whole.then(|| bytes.chunks_exact(4).map(|bytes| f32::from_bits(word(bytes))).collect())
}

#[cfg(test)]
mod tests;
