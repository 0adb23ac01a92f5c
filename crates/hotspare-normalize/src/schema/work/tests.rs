//! What is counted, compared with what the validator does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jsonschema::{Keyword, ValidationError};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::schema::JsonSchema;
use crate::validate::Validator as _;
use hotspare_core::Json;

fn work(schema: &Value) -> Result<Work, Cow<'static, str>> {
    Work::of(schema, &Patterns::of(schema)?)
}

/// The steps that the meter counts for an answer.
fn steps(schema: &Value, answer: &Value, verdict_only: bool) -> u64 {
    let mut patterns = Patterns::of(schema).unwrap();
    patterns.build(schema).unwrap();
    let work = work(schema).unwrap();
    let left = Meter::new(&work, &patterns, schema, u64::MAX, verdict_only).answer(answer).unwrap();
    u64::MAX - left
}

/// The text in an answer, in bytes.
fn bytes(value: &Value) -> u64 {
    match value {
        Value::String(text) => count(text.len()),
        Value::Array(items) => items.iter().map(bytes).sum(),
        Value::Object(items) => items.iter().map(|(name, value)| count(name.len()) + bytes(value)).sum(),
        _ => 0,
    }
}

struct Visited(Arc<AtomicU64>);

impl<'i> Keyword<'i> for Visited {
    fn validate(&self, value: &'i Value) -> Result<(), ValidationError<'i>> {
        self.is_valid(value);
        Ok(())
    }

    fn is_valid(&self, _: &'i Value) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        true
    }
}

/// How often the validator applies a subschema to determine whether an answer is valid.
fn visits(schema: &Value, answer: &Value) -> u64 {
    let visited = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&visited);
    let validator = jsonschema::options()
        .with_keyword("visited", move |_, _, _| Ok(Box::new(Visited(Arc::clone(&counter)))))
        .build(schema)
        .unwrap();
    let _ = validator.is_valid(answer);
    visited.load(Ordering::Relaxed)
}

#[test]
fn counts_referenced_subschemas() {
    let counted = |schema: Value| {
        work(&schema).map(|work| (work.schemas(), work.recurring.into_iter().collect::<Vec<_>>()))
    };
    assert_eq!(counted(json!(true)), Ok((1, vec![])));
    assert_eq!(counted(json!({ "properties": { "a": {}, "$ref": { "items": [{}, {}] } } })), Ok((5, vec![])));
    assert_eq!(
        counted(
            json!({ "allOf": [{ "$ref": "#/x/a%20b" }, { "$ref": "#/x/a b" }], "x": { "a b": { "not": {} } } })
        ),
        Ok((7, vec![]))
    );
    assert_eq!(
        counted(json!({ "properties": { "l": { "$ref": "#" }, "r": { "$ref": "#/properties/l" } } })),
        Ok((6, vec![String::new()]))
    );
}

#[test]
fn every_keyword_with_subschemas_is_counted() {
    let (fits, fails) = (json!({ "visited": true }), json!({ "type": "null", "visited": true }));
    let keys = || (0..10).map(|n| format!("k{n}"));
    let object = json!(keys().map(|key| (key, json!("x"))).collect::<BTreeMap<_, _>>());
    let array = json!(vec![1; 10]);
    let named = json!(keys().map(|key| (key, fits.clone())).collect::<BTreeMap<_, _>>());
    let (all, none) = (vec![fits.clone(); 10], vec![fails.clone(); 10]);
    let draft_7 = "http://json-schema.org/draft-07/schema#";
    let again = json!({ "$ref": "#/$defs/a", "visited": true });
    for (schema, answer, expected) in [
        (json!({ "properties": named }), &object, 11),
        (json!({ "additionalProperties": fits }), &object, 11),
        (json!({ "unevaluatedProperties": fits }), &object, 11),
        (json!({ "patternProperties": { "k": fits } }), &object, 11),
        (json!({ "propertyNames": fits }), &object, 11),
        (json!({ "dependentSchemas": named }), &object, 11),
        (json!({ "$schema": draft_7, "dependencies": named }), &object, 11),
        (json!({ "items": fits }), &array, 11),
        (json!({ "prefixItems": all }), &array, 11),
        (json!({ "$schema": draft_7, "items": [fits], "additionalItems": fits }), &array, 11),
        (json!({ "unevaluatedItems": fits }), &array, 11),
        (json!({ "contains": fails }), &array, 11),
        (json!({ "allOf": all }), &array, 11),
        (json!({ "anyOf": none }), &array, 11),
        (json!({ "oneOf": none }), &array, 11),
        (json!({ "not": { "allOf": all, "visited": true } }), &array, 12),
        (json!({ "if": { "allOf": all, "visited": true } }), &array, 12),
        (json!({ "if": true, "then": { "allOf": all, "visited": true } }), &array, 12),
        (json!({ "if": false, "else": { "allOf": all, "visited": true } }), &array, 12),
        // References that do not recur are followed each time.
        (
            json!({ "allOf": vec![again; 10], "$defs": { "a": { "allOf": all, "visited": true } } }),
            &array,
            121,
        ),
    ] {
        let mut schema = schema;
        schema["visited"] = json!(true);
        let (judged, judging, explaining) =
            (visits(&schema, answer), steps(&schema, answer, true), steps(&schema, answer, false));
        // The validator looks at a type first, and not at an `if` that decides nothing.
        if !schema.to_string().contains("null") && schema.get("if").is_none_or(Value::is_boolean) {
            assert!(judged + 1 >= expected, "{schema}: {judged}");
        }
        assert!(expected * VISIT <= judging && expected * VISIT <= explaining, "{schema}");
        assert!(judged * VISIT <= judging, "{schema}");
    }
}

#[test]
fn branches_beside_unevaluated_properties_are_counted_as_often_as_they_are_applied() {
    for levels in 0..8 {
        let schema = (0..levels).fold(json!({ "properties": { "a": {} }, "visited": true }), |inner, _| {
            let any = json!({ "anyOf": [{ "visited": true }, { "visited": true }], "visited": true });
            json!({ "allOf": [inner, any], "unevaluatedProperties": false, "visited": true })
        });
        let answer = json!({ "a": 1 });
        let (judged, counted) = (visits(&schema, &answer), steps(&schema, &answer, true));
        assert!(judged * VISIT <= counted, "{levels}: {judged}");
        assert!(judged >= 2_u64.pow(levels), "{levels}: {judged}");
    }
}

/// Schemas whose objects all have the keyword `visited`, without references.
fn plain_schemas() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(true)),
        Just(json!(false)),
        Just(json!({ "type": "string" })),
        Just(json!({ "type": ["integer", "null"] })),
        Just(json!({ "enum": ["x", "yy", 3, [1]] })),
        Just(json!({ "const": { "a": 1 } })),
        Just(json!({ "pattern": "^[xy]+$" })),
        Just(json!({ "pattern": "(?=y)y$" })),
        Just(json!({ "minLength": 2, "uniqueItems": true })),
    ];
    let schemas = leaf.prop_recursive(4, 40, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            (prop::sample::select(vec!["allOf", "anyOf", "oneOf", "prefixItems"]), list)
                .prop_map(|(keyword, list)| json!({ keyword: list })),
            (
                prop::sample::select(vec!["not", "items", "contains", "additionalProperties", "propertyNames"]),
                inner.clone()
            )
                .prop_map(|(keyword, inner)| json!({ keyword: inner })),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| json!({ "if": a, "then": b, "else": c })),
            (inner.clone(), inner.clone(), any::<bool>()).prop_map(|(a, b, closed)| {
                json!({ "properties": { "a": a, "b": b }, "required": ["a"], "additionalProperties": closed })
            }),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| {
                json!({ "patternProperties": { "a|b": a, "^[bc]": b }, "additionalProperties": { "type": "null" } })
            }),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| {
                json!({ "allOf": [a], "anyOf": [b, {}], "unevaluatedProperties": false, "unevaluatedItems": false })
            }),
            (inner.clone(), inner).prop_map(|(a, b)| json!({ "dependentSchemas": { "a": a }, "items": b })),
        ]
    });
    schemas.prop_map(|mut schema| {
        mark(&mut schema);
        schema
    })
}

fn mark(schema: &mut Value) {
    let Some(keywords) = schema.as_object_mut() else { return };
    for (keyword, value) in keywords.iter_mut() {
        match value {
            Value::Object(named) if SCHEMA_MAP_KEYWORDS.contains(&keyword.as_str()) => {
                named.values_mut().for_each(mark)
            }
            Value::Array(list) if SCHEMA_KEYWORDS.contains(&keyword.as_str()) => {
                list.iter_mut().for_each(mark)
            }
            value if SCHEMA_KEYWORDS.contains(&keyword.as_str()) || keyword == UNEVALUATED => mark(value),
            _ => {}
        }
    }
    keywords.insert("visited".into(), json!(true));
}

/// Trees of which a node refers to what it is in.
fn recursive_schemas() -> impl Strategy<Value = Value> {
    (plain_schemas(), plain_schemas()).prop_map(|(a, b)| {
        let again = json!({ "$ref": "#/$defs/node", "visited": true });
        json!({
            "$ref": "#/$defs/node",
            "visited": true,
            "$defs": { "node": {
                "anyOf": [a, { "properties": { "a": again, "b": again }, "visited": true }, again],
                "items": again,
                "additionalProperties": b,
                "visited": true,
            } },
        })
    })
}

fn answers() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!(3)),
        Just(json!("x")),
        Just(json!("yy")),
        Just(json!("xyz")),
        Just(json!("")),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("a|b|c|dd", inner, 0..4).prop_map(|named| json!(named)),
        ]
    })
}

proptest! {
    #[test]
    fn validator_does_no_more_than_is_counted(
        schema in prop_oneof![plain_schemas(), recursive_schemas()],
        answer in answers(),
    ) {
        let judged = visits(&schema, &answer);
        prop_assert!(judged * VISIT <= steps(&schema, &answer, true), "{judged}");
    }

    #[test]
    fn bound_for_all_answers_holds_for_each(schema in plain_schemas(), answer in answers()) {
        let mut patterns = Patterns::of(&schema).unwrap();
        patterns.build(&schema).unwrap();
        let cost = work(&schema).unwrap().expanded.cost;
        let bound = cost.times(nodes(&answer), bytes(&answer));
        prop_assert!(cost.superlinear || patterns.backtrack() || steps(&schema, &answer, true) <= bound);
    }

    #[test]
    fn verdicts_within_the_limits_are_those_of_the_validator(
        schema in prop_oneof![plain_schemas(), recursive_schemas()],
        answer in answers(),
    ) {
        let expected = jsonschema::options().build(&schema).unwrap().is_valid(&answer);
        let ours = JsonSchema::compile(&Json::from(schema)).unwrap();
        prop_assert_eq!(ours.validate(&answer).is_ok(), expected);
    }
}
