//! Valid, invalid and hostile schemas.

use super::*;
use serde_json::json;

fn compile(schema: Value) -> Result<JsonSchema, Error> {
    JsonSchema::compile(&Json::from(schema))
}

fn judge(schema: Value, answer: Value) -> Vec<Violation> {
    compile(schema).unwrap().validate(&answer).err().unwrap_or_default()
}

fn person() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "minLength": 1 },
            "born": { "type": "string", "pattern": "^(?!0000)\\d{4}$" },
            "friends": { "type": "array", "items": { "$ref": "#" }, "maxItems": 3 },
            "role": { "enum": ["admin", "user"] },
        },
        "required": ["name"],
        "additionalProperties": false,
    })
}

#[test]
fn validates_answers() {
    assert_eq!(judge(person(), json!({ "name": "Ada", "born": "1815", "friends": [{ "name": "Bo" }] })), []);
    for (answer, path, word) in [
        (json!({}), "", "name"),
        (json!({ "name": "" }), "/name", "shorter"),
        (json!({ "name": "Ada", "born": "0000" }), "/born", "match"),
        (json!({ "name": "Ada", "friends": [{ "name": 5 }] }), "/friends/0/name", "string"),
        (json!({ "name": "Ada", "age": 36 }), "", "age"),
        (json!({ "name": "Ada", "role": "king" }), "/role", "admin"),
        (json!([]), "", "object"),
    ] {
        let violations = judge(person(), answer.clone());
        assert_eq!(violations.len(), 1, "{answer}: {violations:?}");
        assert_eq!(violations[0].path, path, "{violations:?}");
        assert!(violations[0].message.contains(word), "{violations:?}");
    }
}

#[test]
fn violations_are_bounded_and_contain_no_values() {
    let answer = json!((0..1_000).map(|n| format!("secret {n}")).collect::<Vec<_>>());
    let violations = judge(json!({ "items": { "type": "integer" } }), answer);
    assert_eq!(violations.len(), VIOLATION_LIMIT);
    assert!(!format!("{violations:?}").contains("secret"), "{violations:?}");
    let long = judge(json!({ "additionalProperties": false }), json!({ "é".repeat(9_999): 1 }));
    assert!(long[0].message.len() <= MESSAGE_LIMIT + '…'.len_utf8());
}

#[test]
fn external_references_are_rejected() {
    for reference in [
        "https://example.com/s.json",
        "http://127.0.0.1/s",
        "file:///etc/passwd",
        "other.json",
        "//host/x",
        "#/$defs/no",
    ] {
        for schema in [
            json!({ "$ref": reference }),
            json!({ "properties": { "a": { "items": { "$ref": reference } } } }),
            json!({ "$schema": "http://example.com/own-draft" }),
        ] {
            let error = compile(schema.clone()).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidRequest, "{schema}");
        }
    }
    // A document's own `$id`, and the drafts, do not point outside.
    let own = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "https://example.com/me",
        "definitions": { "n": { "type": "integer" } },
        "items": { "$ref": "#/definitions/n" },
    });
    assert_eq!(judge(own, json!([1])), []);
}

#[test]
fn invalid_or_oversized_schemas_are_rejected() {
    let deep = (0..100).fold(json!({}), |inner, _| json!({ "items": inner }));
    let long = json!({ "description": "x".repeat(SIZE_LIMIT) });
    for schema in [
        json!({ "type": "strnig" }),
        json!({ "pattern": "(" }),
        json!({ "minLength": -1 }),
        json!(5),
        deep,
        long,
    ] {
        assert_eq!(compile(schema).unwrap_err().kind(), Kind::InvalidRequest);
    }
}

#[test]
fn deep_recursion_fits_the_stack() {
    // The most steps allowed from one level of the answer to the next, and the deepest possible answer.
    let chain = |steps: u32| {
        let mut links = serde_json::Map::new();
        for n in 0..steps {
            links.insert(format!("l{n}"), json!({ "$ref": format!("#/$defs/l{}", n + 1) }));
        }
        links.insert(format!("l{steps}"), json!({ "items": { "$ref": "#/$defs/l0" } }));
        json!({ "items": { "$ref": "#/$defs/l0" }, "$defs": links })
    };
    let answer = (0..127).fold(json!(1), |inner, _| json!([inner]));
    let longest = (1..100).rev().find(|&steps| compile(chain(steps)).is_ok()).unwrap();
    assert!(longest > 40);
    assert_eq!(judge(chain(longest), answer), []);
    assert!(compile(chain(5_000)).unwrap_err().message().contains("nests deeper"));
    // The same, with every link known before it is reached.
    let backwards = (0..5_000).map(|n: u32| {
        (format!("l{n:04}"), json!({ "$ref": format!("#/$defs/l{:04}", n.saturating_sub(1)) }))
    });
    let backwards = json!({ "$defs": backwards.collect::<serde_json::Map<_, _>>() });
    assert!(compile(backwards).unwrap_err().message().contains("nests deeper"));
}

/// What people have models write: names, dates, identifiers and addresses, with the expressions of popular libraries.
fn contacts(email: &str) -> Value {
    json!({
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "name": { "type": "string", "pattern": "\\S" },
                "born": { "type": "string", "pattern": "^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$" },
                "id": {
                    "type": "string",
                    "pattern": "^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$",
                },
                "email": { "type": "string", "pattern": email },
            },
            "required": ["name", "born", "id", "email"],
            "additionalProperties": false,
        },
    })
}

#[test]
fn everyday_patterns_are_far_within_the_limits() {
    let plain = "^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}$";
    let with_lookahead = "^(?!\\.)(?!.*\\.\\.)([A-Za-z0-9_'+\\-\\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\\-]*\\.)+[A-Za-z]{2,}$";
    let contact = |n: u32| {
        json!({
            "name": format!("Ada {n}"),
            "born": "1815-12-10",
            "id": "123e4567-e89b-12d3-a456-426614174000",
            "email": format!("ada.{n}@mail.example.com"),
        })
    };
    for (email, rows) in [(plain, 5_000), (with_lookahead, 1_000)] {
        let schema = compile(contacts(email)).unwrap();
        let mut answer: Vec<Value> = (0..rows).map(contact).collect();
        assert_eq!(schema.validate(&json!(answer)), Ok(()), "{email}");
        answer.truncate(50);
        answer[7]["email"] = json!("ada..7@example.com@");
        let violations = schema.validate(&json!(answer)).unwrap_err();
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert_eq!(violations[0].path, "/7/email");
    }
    let prose = json!("It is a truth universally acknowledged. ".repeat(1_000));
    assert_eq!(judge(json!({ "pattern": "^(?!\\s*$).+" }), prose), []);
}

#[test]
fn answers_beyond_the_limits_are_not_valid() {
    let all = |pattern: fn(u32) -> String| json!({ "type": "string", "allOf": (0..60).map(|n| json!({ "pattern": pattern(n) })).collect::<Vec<_>>() });
    let too_large = [Violation::new("", "is too large to be checked against the schema")];
    let endless = [Violation::new("", "takes a regular expression of the schema too long to match")];
    let undescribed = [Violation::new("", "does not fit the schema")];
    // The lookahead scans the rest of the text from every place in it.
    assert_eq!(judge(all(|n| format!("(?=a*b{n})c")), json!("a".repeat(4_000))), too_large);
    assert_eq!(
        judge(json!({ "pattern": "^(a|aa)+(?!b)$" }), json!(format!("{}c", "a".repeat(200)))),
        endless
    );
    let keys: serde_json::Map<String, Value> =
        (0..300).map(|n| (format!("{}{n}", "a".repeat(2_000)), json!(1))).collect();
    let names: serde_json::Map<String, Value> =
        (0..60).map(|n| (format!("(?=a*b{n})c"), json!({}))).collect();
    assert_eq!(judge(json!({ "patternProperties": names }), json!(keys)), too_large);
    assert_eq!(judge(json!({ "propertyNames": all(|n| format!("(?=a*b{n})c")) }), json!(keys)), too_large);
    // Each byte of the text is in 700 states of each expression at once.
    assert_eq!(judge(all(|n| format!("[ab]{{700}}c{n}")), json!("ab".repeat(4_000))), too_large);
    // A reason for each branch at each place.
    let branch = |n: u32| json!({ "type": "object", "properties": { "a": { "const": format!("q{n}") } }, "required": ["a"] });
    let union = |count| json!({ "items": { "anyOf": (0..count).map(branch).collect::<Vec<_>>() } });
    let rows = |count| json!(vec![json!({ "a": "z" }); count]);
    assert_eq!(judge(union(200), rows(500)), undescribed);
    assert_eq!(judge(union(1_000), rows(2_000)), too_large);
    assert_eq!(judge(union(20), rows(20)).len(), VIOLATION_LIMIT);
    let list: Vec<Value> = (0..2_000).map(|n| json!({ "k": n })).collect();
    assert_eq!(judge(json!({ "items": { "enum": list } }), rows(2_000)), too_large);
    // Different arrays with the same hash.
    let empty = |n: usize| (0..n % 60).fold(json!([]), |inner, _| json!([inner]));
    let unique: Vec<Value> = (0..6_000).map(empty).collect();
    assert_eq!(judge(json!({ "uniqueItems": true }), json!(unique)), too_large);
}

#[test]
fn branches_beside_unevaluated_properties_are_counted_as_often_as_they_are_applied() {
    let nested = |levels: u32| {
        (0..levels).fold(
            json!({ "properties": { "a": {} } }),
            |inner, _| json!({ "allOf": [inner, { "anyOf": [{}, {}] }], "unevaluatedProperties": false }),
        )
    };
    assert_eq!(judge(nested(4), json!({ "a": 1 })), []);
    assert!(compile(nested(20)).unwrap_err().message().contains("subschemas"));
}

#[test]
fn long_regular_expressions_are_rejected() {
    let long = compile(json!({ "patternProperties": { "\\w".repeat(10_000): {} } })).unwrap_err();
    assert!(long.message().contains("longer than"), "{long}");
}

#[test]
fn weight_grows_with_subschemas_and_expressions() {
    let weight = |schema: Value| compile(schema).unwrap().weight();
    let many = weight(json!({ "allOf": vec![json!({}); 10_000] }));
    assert!(many > 10_000 * SCHEMA_WEIGHT, "{many}");
    let linear = weight(json!({ "pattern": "^a" }));
    assert!(linear > weight(json!({})) && weight(json!({ "pattern": "^(?!a)" })) > 2 * linear);
}

#[test]
fn hostile_schemas_take_bounded_time() {
    // Each would run for a long time or forever if its work were not bounded or shared.
    let mut doubling = serde_json::Map::new();
    for n in 0..20 {
        let next = json!({ "$ref": format!("#/$defs/d{}", n + 1) });
        doubling.insert(format!("d{n}"), json!({ "allOf": [next, next] }));
    }
    doubling.insert("d20".into(), json!({ "type": "string" }));
    let doubling = json!({ "$ref": "#/$defs/d0", "$defs": doubling });
    assert!(compile(doubling).unwrap_err().message().contains("subschemas"));
    let answer = (0..100).fold(json!({}), |inner, _| json!({ "a": inner }));
    for both in ["allOf", "anyOf", "oneOf"] {
        let again = json!({ both: [{ "$ref": "#" }, { "$ref": "#" }] });
        let schema = json!({ "properties": { "a": again }, "required": ["a"] });
        let violations = judge(schema, answer.clone());
        assert_eq!(violations, [Violation::new("", "does not fit the schema")], "{both}");
    }
    for circle in [json!({ "$ref": "#" }), json!({ "allOf": [{ "$ref": "#" }, { "$ref": "#" }] })] {
        let _ = compile(circle).map(|schema| schema.validate(&answer));
    }
    let many = |count: u32| {
        let rule =
            |n| json!({ "pattern": format!("{n}+"), "patternProperties": { "b": { "pattern": "same" } } });
        json!({ "allOf": (2..count).map(rule).collect::<Vec<_>>() })
    };
    assert!(compile(many(64)).is_ok(), "each is counted once");
    assert!(compile(many(65)).unwrap_err().message().contains("regular expressions"));
    assert!(compile(json!({ "pattern": "^[\\p{L}\\p{M}' -]{1,8}$" })).is_ok());
    assert!(compile(json!({ "pattern": "\\p{L}{200}" })).is_err());
    let slow = json!({ "pattern": "^(a|aa)+(?!b)\\1$" });
    let _ = compile(slow).map(|schema| schema.validate(&json!("a".repeat(50_000))));
    let _ = compile(json!({ "pattern": "((a{1,1000}){1,1000}){1,1000}" }));
}

#[test]
fn validations_that_may_take_long_are_heavy() {
    let plain =
        json!({ "properties": { "rows": { "items": { "properties": { "n": { "type": "number" } } } } } });
    let regular = json!({ "properties": { "name": { "pattern": "^(a|a)*$" } } });
    let lookahead = json!({ "properties": { "name": { "pattern": "^(?!x)" } } });
    let listed = json!({ "items": { "enum": (0..2_000).collect::<Vec<_>>() } });
    let wide = json!({ "items": { "allOf": vec![json!({ "minimum": 0 }); 500] } });
    let list = json!({ "properties": { "next": { "$ref": "#" } } });
    let tree = json!({ "anyOf": [{ "items": { "$ref": "#" } }, { "prefixItems": [{ "$ref": "#" }] }] });
    let heavy = |schema: &Value, bytes| compile(schema.clone()).unwrap().is_heavy(bytes);
    for (schema, short, long) in [
        (&plain, false, true),
        (&regular, false, true),
        (&lookahead, true, true),
        (&listed, false, true),
        (&wide, false, true),
        (&list, false, true),
        (&tree, true, true),
    ] {
        assert_eq!((heavy(schema, 1_000), heavy(schema, 1 << 20)), (short, long), "{schema}");
    }
}
