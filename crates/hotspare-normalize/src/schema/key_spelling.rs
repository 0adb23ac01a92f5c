//! Renames keys that a model spelled in its own way.
//!
//! It does not guess: a key is renamed only to a property that the schema names, that is not present, and that no other
//! key of the object could mean. Invariant: no value is lost or moved to another object.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::applicable::{Walker, edit_objects};
use crate::amend::normalized_key;

/// Renames keys of `answer` to the properties of `schema`; returns how many.
pub(super) fn respell(schema: &Value, answer: &mut Value) -> usize {
    edit_objects(schema, answer, rename)
}

fn rename<'a>(walker: &mut Walker<'a>, schemas: &[&'a Value], object: &mut Map<String, Value>) -> usize {
    let named = schemas.iter().filter_map(|schema| schema.get("properties")?.as_object());
    if !walker.spend(named.clone().map(Map::len).sum()) {
        return 0;
    }
    let properties: BTreeSet<&str> =
        named.flat_map(|properties| properties.keys().map(String::as_str)).collect();
    let mut unknown = ByNormalizedKey::default();
    for key in object.keys().filter(|key| !properties.contains(key.as_str())) {
        unknown.add(key.clone());
    }
    if unknown.0.is_empty() {
        return 0;
    }
    let mut absent = ByNormalizedKey::default();
    for name in properties.into_iter().filter(|name| !object.contains_key(*name)) {
        absent.add(name);
    }
    let mut renamed = 0;
    for (normalized, key) in unknown.0 {
        if let (Some(key), Some(Some(name))) = (key, absent.0.get(&normalized))
            && let Some(value) = object.remove(&key)
        {
            object.insert((*name).to_owned(), value);
            renamed += 1;
        }
    }
    renamed
}

/// Names by their [`normalized_key`] form; `None` where several have the same.
struct ByNormalizedKey<T>(BTreeMap<String, Option<T>>);

impl<T: AsRef<str>> ByNormalizedKey<T> {
    fn add(&mut self, name: T) {
        self.0.entry(normalized_key(name.as_ref())).and_modify(|known| *known = None).or_insert(Some(name));
    }
}

impl<T> Default for ByNormalizedKey<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_respelled_on_an_unambiguous_match() {
        let schema = json!({
            "properties": {"owner_name": {}, "rows": {"items": {"$ref": "#/$defs/row"}}},
            "$defs": {"row": {"properties": {"startTime": {}}}},
        });
        let mut answer = json!({"OwnerName": "x", "rows": [{"start-time": 1}, {"startTime": 2}]});
        assert_eq!(respell(&schema, &mut answer), 2);
        assert_eq!(answer, json!({"owner_name": "x", "rows": [{"startTime": 1}, {"startTime": 2}]}));
    }

    #[test]
    fn ambiguous_keys_are_left_alone() {
        let schema = json!({"properties": {"a_b": {}, "c": {}, "C": {}}});
        for start in [json!({"aB": 1, "AB": 2}), json!({"a_b": 1, "AB": 2}), json!({"_c": 1})] {
            let mut answer = start.clone();
            assert_eq!(respell(&schema, &mut answer), 0);
            assert_eq!(answer, start);
        }
    }

    #[test]
    fn keys_of_a_large_object_are_respelled() {
        let keys = |prefix| (0..5_000).map(|n| (format!("{prefix}{n}"), json!(n))).collect::<Map<_, _>>();
        let mut answer = json!(keys("P"));
        assert_eq!(respell(&json!({ "properties": keys("p") }), &mut answer), 5_000);
        assert_eq!(answer, json!(keys("p")));
    }

    #[test]
    fn union_branches_contribute_property_names() {
        let schema = json!({"anyOf": [
            {"properties": {"kind": {"const": "a"}, "owner_name": {}}},
            {"properties": {"kind": {"const": "b"}, "ownerName": {}}},
        ], "allOf": [{"properties": {"start": {}}}]});
        let mut answer = json!({"kind": "b", "owner_name": 1, "Start": 2});
        assert_eq!(respell(&schema, &mut answer), 2);
        assert_eq!(answer, json!({"kind": "b", "ownerName": 1, "start": 2}));
    }

    #[test]
    fn self_referencing_schema_terminates() {
        let schema = json!({"$ref": "#"});
        assert_eq!(respell(&schema, &mut json!({"a": 1})), 0);
    }
}
