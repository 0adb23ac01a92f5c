//! Nulls that stand for nothing.
//!
//! Not a guess: a property goes only where the schema names it, does not require it, and says a type that null is not.
//! Invariant: no other value is lost.

use serde_json::Value;

/// Deepest place that is looked at; schemas may refer to themselves.
const DEPTH: u32 = 64;

/// Takes such properties off `answer`; gives how many.
pub(super) fn drop_nulls(schema: &Value, answer: &mut Value) -> usize {
    walk(schema, schema, answer, DEPTH)
}

fn walk(root: &Value, schema: &Value, answer: &mut Value, depth: u32) -> usize {
    let Some(depth) = depth.checked_sub(1) else { return 0 };
    let schema = resolve(root, schema);
    match answer {
        Value::Object(object) => {
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return 0 };
            let required = schema.get("required").and_then(Value::as_array);
            let must = |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
            let before = object.len();
            object.retain(|name, value| {
                let below = properties.get(name);
                let absent =
                    value.is_null() && !must(name) && below.is_some_and(|below| refuses_null(root, below));
                !absent
            });
            let mut dropped = before - object.len();
            for (name, value) in object.iter_mut() {
                if let Some(below) = properties.get(name) {
                    dropped += walk(root, below, value, depth);
                }
            }
            dropped
        }
        Value::Array(items) => {
            let Some(below) = schema.get("items") else { return 0 };
            items.iter_mut().map(|item| walk(root, below, item, depth)).sum()
        }
        _ => 0,
    }
}

/// Whether null does not fit, as far as the schema says so itself.
fn refuses_null(root: &Value, schema: &Value) -> bool {
    match resolve(root, schema).get("type") {
        Some(Value::String(kind)) => kind != "null",
        Some(Value::Array(kinds)) => kinds.iter().all(|kind| kind != "null"),
        _ => match resolve(root, schema).get("enum").and_then(Value::as_array) {
            Some(values) => !values.iter().any(Value::is_null),
            None => false,
        },
    }
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    for _ in 0..DEPTH {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix('#'));
        match target.and_then(|pointer| root.pointer(pointer)) {
            Some(target) => schema = target,
            None => break,
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_nulls_that_can_mean_nothing_else_go() {
        let schema = json!({
            "properties": {
                "a": {"type": "string"}, "b": {"type": ["string", "null"]}, "c": {"type": "string"}, "d": {},
                "e": {"enum": ["x"]}, "rows": {"items": {"$ref": "#/$defs/row"}},
            },
            "required": ["c"],
            "$defs": {"row": {"properties": {"n": {"type": "integer"}}}},
        });
        let mut answer = json!({"a": null, "b": null, "c": null, "d": null, "e": null, "f": null, "rows": [{"n": null}, {"n": 1}]});
        assert_eq!(drop_nulls(&schema, &mut answer), 3);
        assert_eq!(answer, json!({"b": null, "c": null, "d": null, "f": null, "rows": [{}, {"n": 1}]}));
    }
}
