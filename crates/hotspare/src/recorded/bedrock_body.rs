//! Which model family's format a body inside Bedrock's envelope has.
//!
//! Decided by the answer's own fields, not by the model's name, since the ARN of a profile does not reveal it.
//! Invariant: total; a body without distinctive fields gets the codec for Bedrock's own models, which reports what is
//! missing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hotspare_anthropic::{Anthropic, Host};
use hotspare_bedrock::{Invoke, ModelBody};
use hotspare_cohere::Cohere;
use hotspare_openai::{Dialect, OpenAi};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Exchange;
use super::decode_as::DecodeAs;

const MESSAGES: DecodeAs = DecodeAs::Chat(|_| Arc::new(Invoke::new(Anthropic::at(Host::BEDROCK, ""))));
const CHAT: DecodeAs = DecodeAs::Chat(|_| Arc::new(Invoke::new(OpenAi::new(&Dialect::COMPATIBLE))));
const COHERE: DecodeAs = DecodeAs::Chat(|_| Arc::new(Invoke::new(Cohere::new())));
const COHERE_VECTORS: DecodeAs = DecodeAs::Embeddings(|_| Arc::new(Invoke::new(Cohere::new())));
const OWN: DecodeAs = DecodeAs::Chat(|_| Arc::new(Invoke::new(ModelBody)));
const OWN_VECTORS: DecodeAs = DecodeAs::Embeddings(|_| Arc::new(Invoke::new(ModelBody)));
const RERANK: DecodeAs = DecodeAs::Skip("ranks documents: not an answer");

type Fields<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// The codec to use. A failure is in Bedrock's format, whatever the model.
pub(super) fn decode_as(exchange: &Exchange) -> DecodeAs {
    let Some(first) = first(&exchange.body).filter(|_| exchange.head.status.is_success()) else { return OWN };
    let Ok(mut fields) = serde_json::from_slice::<Fields<'_>>(&first) else { return OWN };
    fields.retain(|_, value| value.get() != "null");
    let has = |name: &str| fields.contains_key(name);
    let begins = |name: &str, word: &str| {
        let text = fields.get(name).and_then(|raw| serde_json::from_str::<Cow<'_, str>>(raw.get()).ok());
        text.is_some_and(|text| text.starts_with(word))
    };
    if has("embedding") || has("embeddingsByType") {
        return OWN_VECTORS;
    }
    if let Some(vectors) = fields.get("embeddings") {
        // Cohere's vectors are lists of numbers, or such lists by type; Amazon's are objects.
        let objects = vectors.get().trim_start_matches(['[', ' ', '\n', '\r', '\t']).starts_with('{');
        return if vectors.get().starts_with('[') && objects { OWN_VECTORS } else { COHERE_VECTORS };
    }
    if begins("object", "chat.completion") || begins("object", "text_completion") {
        return CHAT;
    }
    if has("type") || has("completion") {
        return MESSAGES;
    }
    if has("generations") || has("is_finished") || has("event_type") || has("generation_id") {
        return COHERE;
    }
    let results = fields.get("results").map_or("[]", |results| results.get());
    let results: Vec<RankDto> = serde_json::from_str(results).unwrap_or_default();
    if results.iter().any(|result| result.relevance_score.is_some()) {
        return RERANK;
    }
    OWN
}

/// A document's place in a ranking.
#[derive(Deserialize)]
struct RankDto {
    #[serde(default)]
    relevance_score: Option<f64>,
}

/// The body, or the payload of a stream's first event.
fn first(body: &[u8]) -> Option<Cow<'_, [u8]>> {
    // Some hosts put a byte order mark before their JSON.
    let text = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body).trim_ascii_start();
    if text.starts_with(b"{") {
        return Some(Cow::Borrowed(text));
    }
    let mark = b"\"bytes\":\"";
    let start = body.windows(mark.len()).position(|window| window == mark)? + mark.len();
    let inside = body.get(start..)?.split(|&byte| byte == b'"').next()?;
    STANDARD.decode(inside).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, stream: bool) -> String {
        let encoded =
            STANDARD.encode(format!("\0\0\0frame{{\"bytes\":\"{}\",\"p\":\"ab\"}}", STANDARD.encode(body)));
        let line = if stream {
            serde_json::json!({"provider": "bedrock", "endpoint": "invoke_stream", "status": 200,
                "response_body": encoded, "response_body_encoding": "base64"})
        } else {
            serde_json::json!({"provider": "bedrock", "endpoint": "invoke", "status": 200, "response_body": body})
        };
        let exchange = Exchange::parse(line.to_string().as_bytes()).unwrap();
        match decode_as(&exchange) {
            DecodeAs::Chat(wire) => wire(&exchange).wire().to_owned(),
            DecodeAs::Embeddings(wire) => format!("vectors of {}", wire(&exchange).wire()),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn wire_is_detected_from_the_body() {
        for (body, expected) in [
            (r#"{"type":"message_start","message":{}}"#, "anthropic-messages"),
            (r#"{"completion":" hi","stop_reason":null}"#, "anthropic-messages"),
            (r#"{"choices":[],"object":"chat.completion.chunk"}"#, "openai-chat"),
            (r#"{"generations":[]}"#, "cohere-chat"),
            (r#"{"is_finished":false,"text":"a"}"#, "cohere-chat"),
            (r#"{"generation":"a"}"#, "bedrock-body"),
            (r#"{"messageStart":{}}"#, "bedrock-body"),
            (r#"{ "embedding" : [1] }"#, "vectors of bedrock-body"),
            (r#"{"embeddings":[ {"embedding":[1]}]}"#, "vectors of bedrock-body"),
            (r#"{"embeddings":[[1]]}"#, "vectors of cohere-chat"),
            (r#"{"embeddings":{"float":[[1]]}}"#, "vectors of cohere-chat"),
        ] {
            assert_eq!(read(body, false), expected, "{body}");
            assert_eq!(read(body, true), expected, "{body}");
        }
        assert!(read(r#"{"results":[{"relevance_score":1}]}"#, false).starts_with("Skip"));
    }
}
