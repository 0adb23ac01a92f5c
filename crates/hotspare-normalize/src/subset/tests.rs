//! Schemas rewritten to fit, and the notes about them.

use super::*;

const STRICT: SchemaSubset = SchemaSubset {
    always_enforced: false,
    closed: true,
    all_required: true,
    lone_refs: true,
    keywords: &[
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "anyOf",
        "$ref",
        "$defs",
        "description",
        "format",
    ],
    formats: &["date"],
};

fn rewritten(schema: &str) -> Result<(String, Vec<String>), &'static str> {
    let json = Json::parse(schema).unwrap();
    rewrite_schema(&json, &STRICT).map(|rewritten| (rewritten.schema.to_string(), rewritten.notes))
}

#[test]
fn conforming_schema_is_unchanged() {
    let schema = r#"{"type": "object","properties":{"z":{"type":"integer"}, "a":{"type":"string"}},
                     "required":["z","a"],"additionalProperties":false}"#;
    assert_eq!(rewritten(schema), Ok((schema.to_owned(), Vec::new())));
}

#[test]
fn optional_properties_become_nullable_in_place() {
    let (schema, notes) = rewritten(
        r##"{"$schema":"x","type":"object","properties":{"z":{"type":"integer","minimum":1},"a":{"type":"string","format":"uri"},
           "k":{"enum":["x"]},"r":{"$ref":"#/$defs/row"}},"required":["z"],
           "$defs":{"row":{"type":"object","properties":{"day":{"type":"string","format":"date"}},"required":["day"]}}}"##,
    )
    .unwrap();
    assert_eq!(
        schema,
        r##"{"type":"object","properties":{"z":{"type":"integer"},"a":{"type":["string","null"]},"k":{"anyOf":[{"enum":["x"]},{"type":"null"}]},"r":{"anyOf":[{"$ref":"#/$defs/row"},{"type":"null"}]}},"required":["z","a","k","r"],"$defs":{"row":{"type":"object","properties":{"day":{"type":"string","format":"date"}},"required":["day"],"additionalProperties":false}},"additionalProperties":false}"##
    );
    assert_eq!(
        notes,
        [
            "schema: removed what the provider does not enforce (format ×1, minimum ×1)",
            "schema: closed objects (2)",
            "schema: made optional properties nullable (3)"
        ]
    );
}

/// As schemars, Pydantic and zod write a field with a named type and a description.
#[test]
fn reference_siblings_are_dropped_where_forbidden() {
    let text = r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/x","description":"first","default":null}},
        "required":["a"],"additionalProperties":false,"$defs":{"x":{"type":"string"}}}"##;
    let (schema, notes) = rewritten(text).unwrap();
    assert!(schema.contains(r##""a":{"$ref":"#/$defs/x"}"##), "{schema}");
    assert_eq!(notes, ["schema: removed what the provider does not enforce (default ×1, description ×1)"]);
    let json = Json::parse(text).unwrap();
    let lenient = SchemaSubset { lone_refs: false, ..STRICT };
    assert!(rewrite_schema(&json, &lenient).unwrap().schema.to_string().contains("first"));
}

#[test]
fn inexpressible_schemas_are_rejected() {
    for (schema, what) in [
        (r#"{"type":"array","items":{"type":"string"}}"#, "root"),
        (r#"{"type":"object","additionalProperties":{"type":"string"}}"#, "not fixed"),
        (r#"{"type":"object"}"#, "not fixed"),
        (r##"{"type":"object","$ref":"#/$defs/x","$defs":{"x":{"type":"string"}}}"##, "reference"),
        (r#"{"type":"object","properties":{"a":{}}}"#, "anything"),
        (r#"{"type":"object","properties":{"a":true}}"#, "anything"),
        (
            r#"{"type":"object","properties":{"a":{"anyOf":[{"type":"string"}],"oneOf":[{"type":"null"}]}}}"#,
            "oneOf beside anyOf",
        ),
        (r#"{"type":"object","properties":{"a":{"type":"string"}},"allOf":[{"required":["a"]}]}"#, "allOf"),
    ] {
        let error = rewritten(schema).unwrap_err();
        assert!(error.contains(what), "{what}: {error}");
    }
}
