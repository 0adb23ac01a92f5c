//! What is kept, what is rewritten, and what is dropped and noted.

use proptest::prelude::*;

use super::*;

fn rewritten(schema: &str) -> (String, String) {
    let schema = Json::parse(schema).unwrap();
    let rewritten = Rewritten::of(&schema);
    (rewritten.text(&schema), rewritten.note().unwrap_or_default())
}

#[test]
fn supported_schema_is_sent_verbatim() {
    let schema = r##"{ "type":"object", "properties":{"z":{"type":["string","null"]},"a":{"$ref":"#/$defs/A"}},
        "required":["z"], "additionalProperties":false, "$defs":{"A":{"type":"integer","minimum":1}} }"##;
    assert_eq!(rewritten(schema), (schema.to_owned(), String::new()));
}

#[test]
fn unsupported_keywords_are_removed_and_noted() {
    let (text, note) = rewritten(
        r#"{"$schema":"x","type":"object","properties":{"b":{"type":"string","pattern":"^x","minLength":1,"default":"y"},
        "a":{"type":"string","minLength":2,"format":"email"}},"not":{}}"#,
    );
    assert_eq!(text, r#"{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"string"}}}"#);
    assert_eq!(note, "removed from the schema: format, minLength (2), not, pattern");
}

#[test]
fn rewritten_schema_keeps_numbers_and_escapes_as_written() {
    let kept = r##""maximum":1e2,"minimum":-123456789012345678901,"description":"a\/b","$anchor":"\u00e9""##;
    assert_eq!(rewritten(&format!(r#"{{"not":{{}},{kept}}}"#)).0, format!("{{{kept}}}"));
}

#[test]
fn property_named_like_a_keyword_is_kept() {
    let schema =
        r#"{"type":"object","properties":{"pattern":{"type":"string"},"default":{"type":"number"}}}"#;
    assert_eq!(rewritten(schema).0, schema);
}

#[test]
fn equivalent_keywords_are_rewritten() {
    for (schema, expected) in [
        (r#"{"const":"x"}"#, r#"{"enum":["x"]}"#),
        (
            r##"{"$ref":"#/definitions/A","description":"an A","definitions":{"A":{"const":1}}}"##,
            r##"{"$ref":"#/$defs/A","$defs":{"A":{"enum":[1]}}}"##,
        ),
        (r#"{"items":[{"const":1},true]}"#, r#"{"prefixItems":[{"enum":[1]},{}]}"#),
        (
            r#"{"type":"object","allOf":[{"properties":{"a":{}},"required":["a"]},{"properties":{"b":{}},"type":"object"}]}"#,
            r#"{"type":"object","properties":{"a":{},"b":{}},"required":["a"]}"#,
        ),
    ] {
        assert_eq!(rewritten(schema), (expected.to_owned(), String::new()), "{schema}");
    }
    let clash = rewritten(r#"{"type":"object","allOf":[{"type":"string"}]}"#);
    assert_eq!(clash.1, "removed from the schema: allOf");
}

proptest! {
    #[test]
    fn rewriting_is_idempotent_and_yields_json(
        text in prop::sample::select(vec![
            "{}", "[]", "1", "true", "null", "\"x\"",
            r#"{"allOf":1}"#, r#"{"allOf":[1,{"allOf":[{}]}]}"#, r#"{"properties":[]}"#, r#"{"$ref":1,"type":2}"#,
            r#"{"items":false,"const":{"a":[]},"format":1}"#, r#"{"anyOf":{"a":1},"oneOf":[true,[],{"if":{}}]}"#,
        ]),
        nested in prop::collection::vec("items|anyOf|properties|not|\\$defs|allOf", 0..6),
    ) {
        let mut schema = text.to_owned();
        for name in nested {
            schema = format!("{{\"{name}\":{{\"{name}\":{schema}}}}}");
        }
        let (once, _) = rewritten(&schema);
        prop_assert_eq!(rewritten(&once).0, once);
    }
}
