//! Keys that a model spelled in its own way.
//!
//! Not a guess: a key is renamed only to a property that the schema names, that is not there yet, and that no other key
//! of the object could mean. Invariant: no value is lost or moved to another object.

use serde_json::{Map, Value};

/// Deepest place that is looked at; schemas may refer to themselves.
const DEPTH: u32 = 64;

/// Renames keys of `answer` to the properties of `schema`; gives how many.
pub(super) fn respell(schema: &Value, answer: &mut Value) -> usize {
    walk(schema, schema, answer, DEPTH)
}

fn walk(root: &Value, schema: &Value, answer: &mut Value, depth: u32) -> usize {
    let Some(depth) = depth.checked_sub(1) else { return 0 };
    if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|to| lookup(root, to)) {
        return walk(root, target, answer, depth);
    }
    match answer {
        Value::Object(object) => {
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return 0 };
            let mut renamed = rename(properties, object);
            for (name, value) in object.iter_mut() {
                if let Some(below) = properties.get(name) {
                    renamed += walk(root, below, value, depth);
                }
            }
            renamed
        }
        Value::Array(items) => {
            let Some(below) = schema.get("items") else { return 0 };
            items.iter_mut().map(|item| walk(root, below, item, depth)).sum()
        }
        _ => 0,
    }
}

fn rename(properties: &Map<String, Value>, object: &mut Map<String, Value>) -> usize {
    let strangers: Vec<String> =
        object.keys().filter(|key| !properties.contains_key(*key)).cloned().collect();
    let mut renamed = 0;
    for stranger in &strangers {
        let plain = plain(stranger);
        let mut fits =
            properties.keys().filter(|name| !object.contains_key(*name) && self::plain(name) == plain);
        let (Some(name), None) = (fits.next().cloned(), fits.next()) else { continue };
        let rivals = strangers.iter().filter(|other| self::plain(other) == plain).count();
        if rivals == 1
            && let Some(value) = object.remove(stranger)
        {
            object.insert(name, value);
            renamed += 1;
        }
    }
    renamed
}

/// A key without what spelling conventions differ in.
fn plain(key: &str) -> String {
    key.chars()
        .filter(|character| !matches!(character, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

fn lookup<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    root.pointer(reference.strip_prefix('#')?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_get_the_schemas_spelling_where_one_fits_one() {
        let schema = json!({
            "properties": {"owner_name": {}, "rows": {"items": {"$ref": "#/$defs/row"}}},
            "$defs": {"row": {"properties": {"startTime": {}}}},
        });
        let mut answer = json!({"OwnerName": "x", "rows": [{"start-time": 1}, {"startTime": 2}]});
        assert_eq!(respell(&schema, &mut answer), 2);
        assert_eq!(answer, json!({"owner_name": "x", "rows": [{"startTime": 1}, {"startTime": 2}]}));
    }

    #[test]
    fn two_candidates_are_left_alone() {
        let schema = json!({"properties": {"a_b": {}, "c": {}, "C": {}}});
        for start in [json!({"aB": 1, "AB": 2}), json!({"a_b": 1, "AB": 2}), json!({"_c": 1})] {
            let mut answer = start.clone();
            assert_eq!(respell(&schema, &mut answer), 0);
            assert_eq!(answer, start);
        }
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({"$ref": "#"});
        assert_eq!(respell(&schema, &mut json!({"a": 1})), 0);
    }
}
