//! Renames keys that a model spelled in its own way.
//!
//! It does not guess: a key is renamed only to a property that the schema names, that is not present, and that no other
//! key of the object could mean. Invariant: no value is lost or moved to another object.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::places::{Reader, edit_objects};
use crate::amend::plain;

/// Renames keys of `answer` to the properties of `schema`; returns how many.
pub(super) fn respell(schema: &Value, answer: &mut Value) -> usize {
    edit_objects(schema, answer, rename)
}

fn rename<'a>(_: &mut Reader<'a>, schemas: &[&'a Value], object: &mut Map<String, Value>) -> usize {
    let properties: BTreeSet<&str> = schemas
        .iter()
        .filter_map(|schema| schema.get("properties")?.as_object())
        .flat_map(|properties| properties.keys().map(String::as_str))
        .collect();
    let strangers: Vec<String> =
        object.keys().filter(|key| !properties.contains(key.as_str())).cloned().collect();
    let mut renamed = 0;
    for stranger in &strangers {
        let meant = plain(stranger);
        let mut fits = properties.iter().filter(|name| !object.contains_key(**name) && plain(name) == meant);
        let (Some(name), None) = (fits.next(), fits.next()) else { continue };
        let rivals = strangers.iter().filter(|other| plain(other) == meant).count();
        if rivals == 1
            && let Some(value) = object.remove(stranger)
        {
            object.insert((*name).to_owned(), value);
            renamed += 1;
        }
    }
    renamed
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
