//! Both encodings, in both directions.

use std::collections::VecDeque;

use hotspare_core::Event;
use hotspare_provider::{Decoder, EmbedDecoder, Frame};
use proptest::prelude::*;

use super::*;

fn read(body: &str) -> Result<Vec<Event>, Error> {
    let mut out = VecDeque::new();
    let mut decoder = EmbedDecoder::new(reply);
    decoder.push(Frame::piece(body.as_bytes().to_vec()), &mut out)?;
    decoder.finish(&mut out)?;
    Ok(out.into_iter().map(|chunk| chunk.event).collect())
}

fn vectors(events: &[Event]) -> Vec<Vec<f32>> {
    let values = events.iter().filter_map(|event| match event {
        Event::Vector(vector) => Some(vector.values.clone()),
        _ => None,
    });
    values.collect()
}

#[test]
fn request_uses_the_dialects_field_names() {
    let mut request = EmbedRequest::to("r").texts(["a", "b"]).dimensions(256);
    let encoded = |request: &EmbedRequest, dialect: &Dialect| {
        String::from_utf8(body(request, "m", dialect).unwrap()).unwrap()
    };
    assert_eq!(
        encoded(&request, &Dialect::OPENAI),
        r#"{"model":"m","input":["a","b"],"encoding_format":"base64","dimensions":256}"#
    );
    let mistral = Dialect::find("mistral").unwrap();
    assert_eq!(encoded(&request, mistral), r#"{"model":"m","input":["a","b"],"output_dimension":256}"#);
    request = request.tokens([1, 2]);
    assert_eq!(body(&request, "m", &Dialect::OPENAI).unwrap_err().kind(), Kind::Unsupported);
    let tokens = EmbedRequest::to("r").tokens([1, 2]);
    assert_eq!(
        encoded(&tokens, &Dialect::OPENAI),
        r#"{"model":"m","input":[[1,2]],"encoding_format":"base64"}"#
    );
}

#[test]
fn missing_index_and_usage_fields_are_tolerated() {
    let events =
        read(r#"{"data":[{"embedding":[1,-0.5]},{"embedding":[0,2e-3]}],"usage":{"total_tokens":7}}"#);
    let events = events.unwrap();
    assert_eq!(vectors(&events), [[1.0, -0.5], [0.0, 0.002]]);
    assert!(events.contains(&Event::Usage(Box::new(Usage::reported(Some(7), Some(0))))));
}

#[test]
fn malformed_vectors_are_errors() {
    let cases = [
        ("", Kind::Protocol),
        ("{", Kind::Protocol),
        ("[]", Kind::Protocol),
        ("{}", Kind::Protocol),
        (r#"{"data":[{"embedding":"AAA"}]}"#, Kind::Protocol),
        (r#"{"data":[{"embedding":"AAAA"}]}"#, Kind::Protocol),
        (r#"{"data":[{"embedding":[null]}]}"#, Kind::Protocol),
        (r#"{"error":{"code":429,"message":"slow down"}}"#, Kind::RateLimited),
    ];
    for (body, kind) in cases {
        assert_eq!(read(body).unwrap_err().kind(), kind, "{body}");
    }
}

fn single() -> impl Strategy<Value = f32> {
    any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |value| value.is_finite())
}

proptest! {
    #[test]
    fn base64_and_float_encodings_decode_alike(values in prop::collection::vec(single(), 1..40)) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let doubles: Vec<u8> = values.iter().flat_map(|value| f64::from(*value).to_le_bytes()).collect();
        let list = serde_json::to_string(&values).unwrap();
        let encoded = |embedding: &str| read(&format!(r#"{{"data":[{{"index":0,"embedding":{embedding}}}]}}"#)).unwrap();
        prop_assert_eq!(&vectors(&encoded(&list))[0], &values);
        // Excludes floats that happen to look like halves of doubles, which real vectors never do.
        let odd = values.iter().step_by(2).all(|value| value.to_bits().trailing_zeros() >= 29);
        if !odd {
            let text = format!("\"{}\"", STANDARD.encode(&bytes));
            prop_assert_eq!(&vectors(&encoded(&text))[0], &values);
        }
        if values.iter().any(|value| *value != 0.0) {
            let text = format!("\"{}\"", STANDARD.encode(&doubles));
            prop_assert_eq!(&vectors(&encoded(&text))[0], &values);
        }
    }
}
