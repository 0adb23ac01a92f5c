//! Both formats, encoded and decoded.

use std::collections::VecDeque;

use bytes::Bytes;
use hotspare_core::{Event, FinishReason, Usage, Vector};
use hotspare_provider::{Decoder, EmbedDecoder, Frame};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn asked() -> EmbedRequest {
    let mut request = EmbedRequest::to("r").texts(["a", "b"]).dimensions(3);
    let extras = [("taskType".to_owned(), Json::parse("\"RETRIEVAL_QUERY\"").unwrap())];
    request.extras.insert(WIRE.into(), extras.into());
    request
}

fn read(body: &str) -> Result<Vec<Event>, Kind> {
    let (mut decoder, mut out) = (EmbedDecoder::new(reply), VecDeque::new());
    decoder
        .push(Frame::piece(Bytes::copy_from_slice(body.as_bytes())), &mut out)
        .and_then(|()| decoder.finish(&mut out))
        .map_err(|error| error.kind())?;
    Ok(out.into_iter().map(|chunk| chunk.event).collect())
}

#[test]
fn encodes_one_request_per_text() {
    let encoded = |spelling| {
        let bytes = body(&asked(), "models/m", spelling).unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()
    };
    let item = |text: &str| {
        json!({"model": "models/m", "content": {"parts": [{"text": text}]}, "outputDimensionality": 3,
            "taskType": "RETRIEVAL_QUERY"})
    };
    assert_eq!(encoded(Embed::Batch), json!({"requests": [item("a"), item("b")]}));
    let instance = |text: &str| json!({"content": text, "taskType": "RETRIEVAL_QUERY"});
    let expected =
        json!({"instances": [instance("a"), instance("b")], "parameters": {"outputDimensionality": 3}});
    assert_eq!(encoded(Embed::Predict), expected);
    let tokens = EmbedRequest::to("r").tokens([1, 2]);
    assert_eq!(body(&tokens, "models/m", Embed::Batch).unwrap_err().kind(), Kind::Unsupported);
}

#[test]
fn decodes_every_embedding_format() {
    let vector = |index, values: &[f32]| Event::Vector(Box::new(Vector { index, values: values.to_vec() }));
    let counted = |tokens| Event::Usage(Box::new(Usage::reported(Some(tokens), Some(0))));
    let started = Event::Started { id: None, model: None };
    let finished = Event::Finished(FinishReason::Stop);
    let batch =
        r#"{"embeddings":[{"values":[1,0.5]},{"values":[-2e-3,0]}],"usageMetadata":{"promptTokenCount":4}}"#;
    let expected =
        [started.clone(), vector(0, &[1.0, 0.5]), vector(1, &[-2e-3, 0.0]), counted(4), finished.clone()];
    assert_eq!(read(batch).unwrap(), expected);
    let one = r#"{"embedding":{"values":[1]}}"#;
    assert_eq!(read(one).unwrap(), [started.clone(), vector(0, &[1.0]), finished.clone()]);
    let predict = r#"{"predictions":[{"embeddings":{"values":[1],"statistics":{"token_count":3,"truncated":false}}},
        {"embeddings":{"values":[2],"statistics":{"token_count":4.0}}}],"metadata":{"billableCharacterCount":9}}"#;
    assert_eq!(read(predict).unwrap(), [started, vector(0, &[1.0]), vector(1, &[2.0]), counted(7), finished]);
}

#[test]
fn replies_without_vectors_are_errors() {
    for body in ["", "{}", "[]", "<html>", r#"{"embeddings":[{}]}"#, r#"{"embeddings":[{"values":["x"]}]}"#] {
        assert_eq!(read(body), Err(Kind::Protocol), "{body}");
    }
    let error = r#"{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}"#;
    assert_eq!(read(error), Err(Kind::Overloaded));
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "[\\[\\]{}:,\"a-z0-9. -]{0,60}") {
        let _ = read(&text);
        let _ = read(&format!(r#"{{"embeddings":{text}}}"#));
    }
}
