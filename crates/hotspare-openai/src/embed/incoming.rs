//! The server side of embeddings: a caller's request, and the body of the response.
//!
//! Not a relay: vectors are sent in the encoding that the caller asked for, whichever the provider used. Invariant:
//! every error names the field it is about.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hotspare_core::{EmbedInput, EmbedRequest, EmbedResponse, Error, Json};
use hotspare_provider::fields::{self, invalid, read, whole};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::WIRE;

/// A caller's embeddings request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EmbeddingsRequest {
    /// The request.
    pub request: EmbedRequest,
    /// Whether to send the vectors in base64.
    pub base64: bool,
}

/// More inputs than any host accepts at once (OpenAI: 2,048).
const MAX_INPUTS: usize = 10_000;

impl EmbeddingsRequest {
    /// Parses a body.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](hotspare_core::Kind::InvalidRequest) naming the field and what is wrong with it.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut incoming = Self { request: EmbedRequest::default(), base64: false };
        for (name, value) in fields::body(body)? {
            incoming.field(&name, value)?;
        }
        if incoming.request.model.is_empty() {
            return Err(invalid("`model` is missing: name a route or a target"));
        }
        if incoming.request.inputs.is_empty() {
            return Err(invalid("`input` is missing or empty"));
        }
        Ok(incoming)
    }

    fn field(&mut self, name: &str, value: &RawValue) -> Result<(), Error> {
        let request = &mut self.request;
        match name {
            "model" => request.model = read(name, value, "a name")?,
            "input" => {
                let wanted = "a text, a list of texts, a list of tokens or a list of those";
                request.inputs = match read::<InputDto>(name, value, wanted)? {
                    InputDto::Text(text) => vec![EmbedInput::Text(text)],
                    InputDto::Texts(texts) => texts.into_iter().map(EmbedInput::Text).collect(),
                    InputDto::Tokens(tokens) => vec![EmbedInput::Tokens(tokens)],
                    InputDto::Lists(lists) => lists.into_iter().map(EmbedInput::Tokens).collect(),
                };
                if request.inputs.len() > MAX_INPUTS {
                    return Err(invalid(format!("`input` is a list of more than {MAX_INPUTS}")));
                }
            }
            "dimensions" => request.dimensions = Some(whole(name, value, "a whole number of at least 1")?),
            "user" => request.end_user = Some(read(name, value, "a text")?),
            "encoding_format" => {
                self.base64 = match read::<String>(name, value, "`float` or `base64`")?.as_str() {
                    "base64" => true,
                    "float" => false,
                    other => {
                        let what =
                            format!("`encoding_format` is `{other}`; valid values are float and base64");
                        return Err(invalid(what));
                    }
                };
            }
            "hotspare" => request.options = fields::options(value)?,
            _ => {
                let json =
                    Json::parse(value.get()).map_err(|_| invalid(format!("`{name}` is not valid JSON")))?;
                request.extras.entry(WIRE.into()).or_default().insert(name.into(), json);
            }
        }
        Ok(())
    }

    /// The body of the response.
    #[must_use]
    pub fn body(&self, answer: &EmbedResponse) -> Vec<u8> {
        let data: Vec<_> = answer
            .vectors
            .iter()
            .enumerate()
            .map(|(index, values)| {
                let embedding = if self.base64 {
                    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                    json!(STANDARD.encode(bytes))
                } else {
                    json!(values)
                };
                json!({"object": "embedding", "index": index, "embedding": embedding})
            })
            .collect();
        let tokens = answer.usage.input.unwrap_or(0);
        json!({
            "object": "list",
            "data": data,
            "model": answer.model.as_deref().unwrap_or(&self.request.model),
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        })
        .to_string()
        .into_bytes()
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum InputDto {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    Lists(Vec<Vec<u32>>),
}

#[cfg(test)]
mod tests {
    use hotspare_core::Kind;

    use super::*;

    #[test]
    fn every_input_shape_is_parsed() {
        let inputs = |input: &str| {
            let body = format!(r#"{{"model":"r","input":{input}}}"#);
            EmbeddingsRequest::parse(body.as_bytes()).map(|incoming| incoming.request.inputs)
        };
        let text = |text: &str| EmbedInput::Text(text.into());
        assert_eq!(inputs(r#""a""#).unwrap(), [text("a")]);
        assert_eq!(inputs(r#"["a","b"]"#).unwrap(), [text("a"), text("b")]);
        assert_eq!(inputs("[1,2]").unwrap(), [EmbedInput::Tokens(vec![1, 2])]);
        assert_eq!(inputs("[[1],[2]]").unwrap(), [EmbedInput::Tokens(vec![1]), EmbedInput::Tokens(vec![2])]);
        for bad in ["[]", "{}", "[\"a\",1]", "null", "[-1]"] {
            assert_eq!(inputs(bad).unwrap_err().kind(), Kind::InvalidRequest, "{bad}");
        }
    }

    #[test]
    fn answer_uses_the_requested_encoding() {
        let body = |format: &str| {
            let body = format!(r#"{{"model":"r","input":"x","encoding_format":"{format}"}}"#);
            let incoming = EmbeddingsRequest::parse(body.as_bytes()).unwrap();
            String::from_utf8(incoming.body(&EmbedResponse::new(vec![vec![1.0, -2.5]]))).unwrap()
        };
        assert!(body("float").contains(r#""embedding":[1.0,-2.5]"#), "{}", body("float"));
        assert!(body("base64").contains(r#""embedding":"AACAPwAAIMA=""#), "{}", body("base64"));
    }
}
