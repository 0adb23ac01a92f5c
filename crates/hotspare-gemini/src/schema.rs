//! Reduces JSON Schema to the subset that this wire accepts.
//!
//! The wire has two fields for a schema: an older dialect of its own, and JSON Schema minus some keywords. The second
//! is used. Dropped keywords still apply: the answer is validated against the original schema. Invariant: every keyword
//! that is dropped or rewritten is noted; a rewritten schema accepts whatever the original does, except where two
//! schemas had to be merged into one.

use std::collections::BTreeMap;

use hotspare_core::{Json, JsonTree};

/// Keywords that are accepted, from `GenerationConfig.responseJsonSchema` of the API reference.
const SUPPORTED: [&str; 21] = [
    "$anchor",
    "$defs",
    "$id",
    "$ref",
    "additionalProperties",
    "anyOf",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maximum",
    "minItems",
    "minimum",
    "oneOf",
    "prefixItems",
    "properties",
    "propertyOrdering",
    "required",
    "title",
    "type",
];
/// String formats that are accepted; others are dropped.
const FORMATS: [&str; 3] = ["date", "date-time", "time"];
/// Keywords that only annotate a schema; dropping them needs no note.
const ANNOTATIONS: [&str; 10] = [
    "$comment",
    "$schema",
    "$vocabulary",
    "default",
    "deprecated",
    "discriminator",
    "example",
    "examples",
    "readOnly",
    "writeOnly",
];

/// A schema as this wire accepts it, and the changes made to it.
#[derive(Debug)]
pub(crate) struct Rewritten {
    /// `None` if nothing had to be changed.
    tree: Option<JsonTree>,
    /// How often each change was made.
    changes: BTreeMap<String, u32>,
}

impl Rewritten {
    /// Rewrites `schema`. One that nests too deep to parse is left to the provider.
    pub(crate) fn of(schema: &Json) -> Self {
        let mut changes = BTreeMap::new();
        let tree = JsonTree::parse(schema.as_str()).and_then(|tree| {
            let rewritten = Rewriter { changes: &mut changes }.schema(tree.clone());
            (rewritten != tree).then_some(rewritten)
        });
        Self { tree, changes }
    }

    /// The schema text to send, rewritten or original.
    pub(crate) fn text(&self, schema: &Json) -> String {
        let rewritten = self.tree.as_ref().and_then(|tree| serde_json::to_string(tree).ok());
        rewritten.unwrap_or_else(|| schema.as_str().to_owned())
    }

    /// Describes the changes, if any is worth noting.
    pub(crate) fn note(&self) -> Option<String> {
        let list: Vec<String> = self
            .changes
            .iter()
            .map(|(what, count)| if *count > 1 { format!("{what} ({count})") } else { what.clone() })
            .collect();
        (!list.is_empty()).then(|| format!("removed from the schema: {}", list.join(", ")))
    }
}

struct Rewriter<'a> {
    changes: &'a mut BTreeMap<String, u32>,
}

impl Rewriter<'_> {
    fn note(&mut self, what: &str) {
        *self.changes.entry(what.to_owned()).or_default() += 1;
    }

    fn schema(&mut self, tree: JsonTree) -> JsonTree {
        let mut keywords = match tree {
            JsonTree::Object(keywords) => keywords,
            // `true` accepts everything, as does an empty schema; this wire accepts only objects.
            flag if flag.as_bool().is_some() => Vec::new(),
            other => return other,
        };
        self.merge_all_of(&mut keywords);
        let mut out: Vec<(String, JsonTree)> = Vec::with_capacity(keywords.len());
        let has_ref = keywords.iter().any(|(name, _)| name == "$ref");
        for (name, value) in keywords {
            match name.as_str() {
                // Beside a reference, only keywords that begin with `$` are accepted.
                _ if has_ref && !name.starts_with('$') && name != "definitions" => {
                    if !matches!(name.as_str(), "description" | "title")
                        && !ANNOTATIONS.contains(&name.as_str())
                    {
                        self.note(&name);
                    }
                }
                "$ref" => {
                    let text = value.text().unwrap_or_default().replace("#/definitions/", "#/$defs/");
                    out.push((name, JsonTree::string(&text)));
                }
                "$defs" | "definitions" => out.push(("$defs".into(), self.schema_map(value))),
                "properties" => out.push((name, self.schema_map(value))),
                "items" | "additionalProperties" => {
                    let value = match value {
                        flag if flag.as_bool().is_some() => flag,
                        // Drafts before 2020-12 write tuples this way.
                        JsonTree::Array(items) => {
                            out.push(("prefixItems".into(), self.schema_list(JsonTree::Array(items))));
                            continue;
                        }
                        schema => self.schema(schema),
                    };
                    out.push((name, value));
                }
                "anyOf" | "oneOf" | "prefixItems" => out.push((name, self.schema_list(value))),
                "const" => out.push(("enum".into(), JsonTree::Array(vec![value]))),
                "format" if value.text().is_some_and(|format| !FORMATS.contains(&&*format)) => {
                    let numbers = ["int32", "int64", "float", "double"];
                    if value.text().is_some_and(|format| !numbers.contains(&&*format)) {
                        self.note(&name);
                    }
                }
                supported if SUPPORTED.contains(&supported) => out.push((name, value)),
                annotation if ANNOTATIONS.contains(&annotation) => {}
                other => self.note(other),
            }
        }
        JsonTree::Object(out)
    }

    /// Merges `allOf` into its schema if no keyword is in both; what cannot be merged is dropped.
    fn merge_all_of(&mut self, keywords: &mut Vec<(String, JsonTree)>) {
        let Some(at) = keywords.iter().position(|(name, _)| name == "allOf") else { return };
        let (_, all) = keywords.remove(at);
        let JsonTree::Array(parts) = all else { return self.note("allOf") };
        for part in parts {
            let JsonTree::Object(part) = part else { continue };
            for (name, value) in part {
                let known = keywords.iter_mut().find(|(known, _)| *known == name);
                match (known, value) {
                    (None, value) => keywords.push((name, value)),
                    (Some((_, JsonTree::Object(known))), JsonTree::Object(more)) if name == "properties" => {
                        known.extend(more);
                    }
                    (Some((_, JsonTree::Array(known))), JsonTree::Array(more)) if name == "required" => {
                        known.extend(more);
                    }
                    (Some((_, known)), value) if *known == value => {}
                    _ => self.note("allOf"),
                }
            }
        }
    }

    fn schema_map(&mut self, value: JsonTree) -> JsonTree {
        match value {
            JsonTree::Object(items) => JsonTree::Object(
                items.into_iter().map(|(name, schema)| (name, self.schema(schema))).collect(),
            ),
            other => other,
        }
    }

    fn schema_list(&mut self, value: JsonTree) -> JsonTree {
        match value {
            JsonTree::Array(items) => {
                JsonTree::Array(items.into_iter().map(|schema| self.schema(schema)).collect())
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests;
