//! Whether a schema refers to itself, which not every provider can enforce.
//!
//! Only references to the root and to its definitions are followed; others are left to the provider. Invariant: linear in
//! the schema's length, and recursive only as deep as it nests, because schemas come from callers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hotspare_core::JsonTree;

/// The fields that hold definitions.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// Whether the root or a definition leads back to itself.
pub(super) fn is_recursive(root: &JsonTree) -> bool {
    let JsonTree::Object(fields) = root else { return false };
    let mut references: BTreeMap<String, Vec<Cow<'_, str>>> = BTreeMap::new();
    let mut of_root = Vec::new();
    for (field, value) in fields {
        match (DEFINITIONS.contains(&field.as_str()), value) {
            (true, JsonTree::Object(definitions)) => {
                for (name, definition) in definitions {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    collect(definition, references.entry(format!("#/{field}/{name}")).or_default());
                }
            }
            _ => collect_field(field, value, &mut of_root),
        }
    }
    references.insert("#".to_owned(), of_root);
    has_cycle(&references)
}

/// Appends all references within a schema.
fn collect<'a>(schema: &'a JsonTree, out: &mut Vec<Cow<'a, str>>) {
    match schema {
        JsonTree::Object(fields) => fields.iter().for_each(|(field, value)| collect_field(field, value, out)),
        JsonTree::Array(list) => list.iter().for_each(|value| collect(value, out)),
        JsonTree::Leaf(_) => {}
    }
}

fn collect_field<'a>(field: &str, value: &'a JsonTree, out: &mut Vec<Cow<'a, str>>) {
    match value {
        JsonTree::Leaf(_) if field == "$ref" => out.extend(value.text()),
        _ => collect(value, out),
    }
}

/// Removes what nothing refers to until nothing is left, or only what refers to itself.
fn has_cycle(references: &BTreeMap<String, Vec<Cow<'_, str>>>) -> bool {
    let mut referrers: BTreeMap<&str, usize> = references.keys().map(|name| (name.as_str(), 0)).collect();
    for target in references.values().flatten() {
        if let Some(count) = referrers.get_mut(target.as_ref()) {
            *count += 1;
        }
    }
    let mut free: Vec<&str> =
        referrers.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    let mut removed = 0;
    while let Some(name) = free.pop() {
        removed += 1;
        for target in references.get(name).into_iter().flatten() {
            if let Some(count) = referrers.get_mut(target.as_ref()) {
                *count -= 1;
                if *count == 0 {
                    free.push(target);
                }
            }
        }
    }
    removed < references.len()
}
