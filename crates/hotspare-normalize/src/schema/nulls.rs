//! Removes nulls that stand for absent properties.
//!
//! It does not guess: a property is removed only if the schema names it, does not require it, and does not allow null
//! for it. Invariant: no other value is lost.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::applicable::{Walker, edit_objects, property};

/// Removes such properties from `answer`; returns how many.
pub(super) fn drop_nulls(schema: &Value, answer: &mut Value) -> usize {
    edit_objects(schema, answer, drop_from)
}

fn drop_from<'a>(walker: &mut Walker<'a>, schemas: &[&'a Value], object: &mut Map<String, Value>) -> usize {
    if !object.values().any(Value::is_null) {
        return 0;
    }
    let required = schemas.iter().filter_map(|schema| schema.get("required")?.as_array());
    if !walker.spend(required.clone().map(Vec::len).sum()) {
        return 0;
    }
    let required: BTreeSet<&str> = required.flatten().filter_map(Value::as_str).collect();
    let before = object.len();
    object.retain(|name, value| {
        !(value.is_null() && !required.contains(name.as_str()) && may_be_absent(walker, schemas, name))
    });
    before - object.len()
}

fn may_be_absent<'a>(walker: &mut Walker<'a>, schemas: &[&'a Value], name: &str) -> bool {
    if !walker.spend(schemas.len()) {
        return false;
    }
    let below = property(schemas, name);
    !below.is_empty() && below.iter().all(|below| walker.refuses_null(below))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn dropped(schema: &Value, mut answer: Value) -> (usize, Value) {
        (drop_nulls(schema, &mut answer), answer)
    }

    #[test]
    fn drops_only_nulls_that_the_schema_forbids() {
        let schema = json!({
            "properties": {
                "a": {"type": "string"}, "b": {"type": ["string", "null"]}, "c": {"type": "string"}, "d": {},
                "e": {"enum": ["x"]}, "rows": {"items": {"$ref": "#/$defs/row"}},
            },
            "required": ["c"],
            "$defs": {"row": {"properties": {"n": {"type": "integer"}}}},
        });
        let answer = json!({"a": null, "b": null, "c": null, "d": null, "e": null, "f": null, "rows": [{"n": null}, {"n": 1}]});
        let rest = json!({"b": null, "c": null, "d": null, "f": null, "rows": [{}, {"n": 1}]});
        assert_eq!(dropped(&schema, answer), (3, rest));
    }

    #[test]
    fn unions_and_constants_reject_null_unless_they_include_it() {
        let schema = json!({"properties": {
            "a": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            "b": {"const": "x"},
            "c": {"$ref": "#/$defs/n"},
            "d": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "e": {"const": null},
            "f": {"allOf": [{}, {"type": "string"}]},
            "g": {"anyOf": [{"$ref": "#/properties/g"}]},
        }, "$defs": {"n": {"oneOf": [{"const": 1}, {"enum": [2]}]}}});
        let answer = json!({"a": null, "b": null, "c": null, "d": null, "e": null, "f": null, "g": null});
        assert_eq!(dropped(&schema, answer), (4, json!({"d": null, "e": null, "g": null})));
    }

    #[test]
    fn union_branch_is_selected_by_the_tag() {
        let schema = json!({"properties": {"events": {"items": {"oneOf": [
            {"properties": {"kind": {"const": "note"}, "text": {"type": "string"}}, "required": ["kind"]},
            {"properties": {"kind": {"enum": ["call"]}, "text": {"type": ["string", "null"]}}, "required": ["kind", "text"]},
        ]}}}});
        let answer = json!({"events": [{"kind": "note", "text": null}, {"kind": "call", "text": null}]});
        assert_eq!(
            dropped(&schema, answer),
            (1, json!({"events": [{"kind": "note"}, {"kind": "call", "text": null}]}))
        );
        // Without a tag, one branch that requires the property is enough.
        assert_eq!(dropped(&schema, json!({"events": [{"text": null}]})).0, 0);
    }

    #[test]
    fn exponentially_recursive_schema_terminates() {
        let again = json!({"anyOf": [{"$ref": "#"}, {"$ref": "#"}], "properties": {"a": {"anyOf": [{"$ref": "#"}, {"$ref": "#/properties/a"}, {"$ref": "#/properties/a"}]}}});
        let answer = (0..100).fold(json!(null), |inner, _| json!({"a": inner}));
        assert_eq!(dropped(&again, answer).0, 0);
    }
}
