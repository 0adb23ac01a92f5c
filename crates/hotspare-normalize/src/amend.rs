//! Applies the changes made to a parsed answer to its text.
//!
//! What changes is decided on the parsed value. Invariant: every value that did not change keeps its place and its original
//! text, so no digit of a number is lost and keys stay in the order in which the model wrote them.

use std::collections::BTreeMap;

use hotspare_core::JsonTree;
use serde_json::{Map, Value};

/// The text `before` with the changes that turned it into `after`: properties removed, and keys renamed within the same
/// [`normalized_key`] form.
pub(crate) fn apply_changes(before: &str, after: &Value) -> String {
    let text = JsonTree::parse(before).and_then(|tree| serde_json::to_string(&amend(tree, after)).ok());
    let exact = |text: &String| serde_json::from_str::<Value>(text).is_ok_and(|value| value == *after);
    // A validator may have changed something else; its result counts.
    text.filter(exact).unwrap_or_else(|| after.to_string())
}

/// A key without what naming conventions differ in.
pub(crate) fn normalized_key(key: &str) -> String {
    key.chars()
        .filter(|character| !matches!(character, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

fn amend(before: JsonTree, after: &Value) -> JsonTree {
    match (before, after) {
        (JsonTree::Object(fields), Value::Object(after)) => amend_object(fields, after),
        (JsonTree::Array(items), Value::Array(after)) if items.len() == after.len() => {
            JsonTree::Array(items.into_iter().zip(after).map(|(item, after)| amend(item, after)).collect())
        }
        (before, _) => before,
    }
}

fn amend_object(before: Vec<(String, JsonTree)>, after: &Map<String, Value>) -> JsonTree {
    // The parser keeps the last value of a duplicate key.
    let last: BTreeMap<String, usize> =
        before.iter().enumerate().map(|(position, (name, _))| (name.clone(), position)).collect();
    let mut renamed: BTreeMap<String, &str> = BTreeMap::new();
    for name in after.keys().filter(|name| !last.contains_key(*name)) {
        renamed.insert(normalized_key(name), name);
    }
    let mut fields = Vec::with_capacity(before.len());
    for (position, (name, value)) in before.into_iter().enumerate() {
        if last.get(&name) != Some(&position) {
            continue;
        }
        let name = match after.contains_key(&name) {
            true => Some(name),
            false => renamed.remove(&normalized_key(&name)).map(str::to_owned),
        };
        if let Some(name) = name
            && let Some(after) = after.get(&name)
        {
            fields.push((name, amend(value, after)));
        }
    }
    JsonTree::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unchanged_values_keep_their_order_and_text() {
        let before =
            r#"{"z":12345678901234567890123,"Owner-Name":{"b":1.50,"a":null},"rows":[{"n":null},{"n":1e2}]}"#;
        let mut after: Value = serde_json::from_str(before).unwrap();
        let owner = after.as_object_mut().unwrap().remove("Owner-Name").unwrap();
        after["ownerName"] = owner;
        after["ownerName"].as_object_mut().unwrap().remove("a");
        after["rows"][0].as_object_mut().unwrap().remove("n");
        let text = r#"{"z":12345678901234567890123,"ownerName":{"b":1.50},"rows":[{},{"n":1e2}]}"#;
        assert_eq!(apply_changes(before, &after), text);
    }

    #[test]
    fn arbitrary_changes_are_applied() {
        for (before, after) in [
            (r#"{"a":1,"b":2}"#, json!({"a": 2, "c": [1]})),
            (r#"{"a":1,"a":2}"#, json!({"a": 2})),
            (r#"{"a":[1,2]}"#, json!({"a": [2]})),
            (r#"{"a_b":1,"A":{}}"#, json!({"ab": 1, "a": {}, "AB": 3})),
            ("[1]", json!({"a": 1})),
        ] {
            assert_eq!(
                serde_json::from_str::<Value>(&apply_changes(before, &after)).unwrap(),
                after,
                "{before}"
            );
        }
    }
}
