//! Schemas rewritten to fit, and the notes about them.

use super::*;

const STRICT: SchemaSubset = SchemaSubset {
    always_enforced: false,
    closed: true,
    all_required: true,
    some_required: false,
    recursive: true,
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

#[test]
fn an_object_without_required_properties_is_rejected_where_one_is_needed() {
    let lenient = SchemaSubset { all_required: false, ..STRICT };
    let needs_one = SchemaSubset { some_required: true, ..lenient };
    let fits = |schema: &str, subset: &SchemaSubset| {
        rewrite_schema(&Json::parse(schema).unwrap(), subset).map(|rewritten| rewritten.nullable)
    };
    let inner = r#"{"type":"object","properties":{"b":{"type":"string"}}REQUIRED}"#;
    let outer = r#"{"type":"object","properties":{"a":INNER},"required":["a"]}"#;
    let with = |required: &str| outer.replace("INNER", &inner.replace("REQUIRED", required));
    let why = Err("an object that requires no property");
    for required in ["", r#","required":[]"#] {
        assert_eq!(fits(&with(required), &needs_one), why);
        assert_eq!(fits(&with(required), &lenient), Ok(false));
    }
    assert_eq!(fits(&with(r#","required":["b"]"#), &needs_one), Ok(false));
}

#[test]
fn a_schema_that_refers_to_itself_is_rejected_where_that_is_not_enforced() {
    let unrolled = SchemaSubset { recursive: false, ..STRICT };
    let fits = |below: &str, definitions: &str| {
        let text = format!(
            r#"{{"type":"object","properties":{{"a":{below}}},"required":["a"],"additionalProperties":false,"$defs":{definitions}}}"#
        );
        let json = Json::parse(&text).unwrap();
        assert!(rewrite_schema(&json, &STRICT).is_ok(), "{text}");
        rewrite_schema(&json, &unrolled).map(drop)
    };
    let list = |of: &str| format!(r##"{{"type":"array","items":{{"$ref":"{of}"}}}}"##);
    let same = Err("a schema that refers to itself");
    assert_eq!(fits(&list("#"), "{}"), same);
    assert_eq!(fits(&list("#/$defs/x"), &format!(r#"{{"x":{}}}"#, list("#/$defs/x"))), same);
    assert_eq!(fits(&list("#/$defs/a~1b"), &format!(r#"{{"a/b":{}}}"#, list("#/$defs/a~1b"))), same);
    let escaped = r##"{"x":{"type":"array","items":{"$ref":"#\/$defs\/x"}}}"##;
    assert_eq!(fits(&list(r"#\/$defs\/x"), escaped), same);
    let circle = format!(r#"{{"x":{},"y":{}}}"#, list("#/$defs/y"), list("#/$defs/x"));
    assert_eq!(fits(r#"{"type":"string"}"#, &circle), same);
    let shared =
        format!(r#"{{"x":{},"y":{},"z":{{"type":"string"}}}}"#, list("#/$defs/z"), list("#/$defs/z"));
    let both = r##"{"anyOf":[{"$ref":"#/$defs/x"},{"$ref":"#/$defs/y"},{"$ref":"#/$defs/x"}]}"##;
    assert_eq!(fits(both, &shared), Ok(()));
}
