//! Embeddings: requests to JSON, JSON to vectors.
//!
//! Invariant: numbers come out as they were sent, in the host's order.

use std::collections::VecDeque;

use hotspare_core::{Chunk, EmbedRequest, Error, Event, FinishReason, Kind, Usage, Vector};
use hotspare_provider::{Decoder, Frame};
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

/// Decodes one reply, including those of the older endpoint, which returns a single vector.
#[derive(Debug, Default)]
pub(crate) struct EmbedDecoder {
    received: bool,
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

impl Decoder for EmbedDecoder {
    fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let data = frame.data.trim_ascii();
        if data.is_empty() {
            return Ok(());
        }
        let reply: Reply<'_> = serde_json::from_slice(data)
            .map_err(|_| Error::new(Kind::Protocol, "the reply is not the JSON of this wire"))?;
        if let Some(error) = reply.error.filter(|error| !matches!(error.get(), "null" | "\"\"")) {
            return Err(classify::in_reply(error.get()));
        }
        let Some(vectors) = reply.embeddings.or(reply.embedding.map(|one| vec![one])) else {
            return Err(Error::new(Kind::Protocol, "the reply has no vectors"));
        };
        self.received = true;
        let mut push = |event: Event| out.push_back(Chunk::from(event));
        push(Event::Started { id: None, model: reply.model });
        for (index, values) in (0_u32..).zip(vectors) {
            push(Event::Vector(Box::new(Vector { index, values })));
        }
        if reply.prompt_eval_count.is_some() {
            push(Event::Usage(Box::new(Usage::reported(reply.prompt_eval_count, Some(0)))));
        }
        push(Event::Finished(FinishReason::Stop));
        Ok(())
    }

    fn finish(&mut self, _: &mut VecDeque<Chunk>) -> Result<(), Error> {
        if self.received { Ok(()) } else { Err(Error::new(Kind::Protocol, "the reply is empty")) }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn events(body: &'static str) -> Result<VecDeque<Chunk>, Error> {
        let (mut decoder, mut out) = (EmbedDecoder::default(), VecDeque::new());
        decoder.push(Frame::piece(Bytes::from_static(body.as_bytes())), &mut out)?;
        decoder.finish(&mut out).map(|()| out)
    }

    #[test]
    fn decodes_both_embedding_apis() {
        let vector = |values: Vec<f32>| Chunk::from(Event::Vector(Box::new(Vector { index: 0, values })));
        assert!(
            events(r#"{"model":"m","embeddings":[[1.5]],"prompt_eval_count":2}"#)
                .unwrap()
                .contains(&vector(vec![1.5]))
        );
        assert!(events(r#"{"embedding":[2]}"#).unwrap().contains(&vector(vec![2.0])));
        assert_eq!(
            events(r#"{"error":"model not found, try pulling it first"}"#).unwrap_err().kind(),
            Kind::ModelUnavailable
        );
        assert_eq!(events("{}").unwrap_err().kind(), Kind::Protocol);
    }

    #[test]
    fn encodes_an_embedding_request() {
        let read: Value =
            serde_json::from_slice(&body(&EmbedRequest::to("x").text("a"), "m").unwrap()).unwrap();
        assert_eq!(read, json!({"model": "m", "input": ["a"]}));
        assert_eq!(body(&EmbedRequest::to("x").tokens(vec![1]), "m").unwrap_err().kind(), Kind::Unsupported);
    }
}
