//! JSON Schema to the part of it that this wire takes.
//!
//! The wire has two fields for a schema: an older dialect of its own, and JSON Schema less some keywords. The second is
//! used. What a keyword says that is left out is still asked of the answer: whoever set the schema validates against the
//! whole of it. Invariant: every keyword that is left out or respelled is named; a rewritten schema accepts whatever the
//! original does, except where two schemas had to be joined into one.

use std::collections::BTreeMap;

use hotspare_core::Json;
use serde_json::Value;

use crate::tree::Tree;

/// Keywords that are taken, by `GenerationConfig.responseJsonSchema` of the API reference.
const TAKEN: [&str; 21] = [
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
/// Formats of text that are taken; others are left out.
const FORMATS: [&str; 3] = ["date", "date-time", "time"];
/// Keywords that only comment on a schema: nobody misses them.
const COMMENTS: [&str; 10] = [
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

/// A schema as this wire takes it, and what was done to it.
#[derive(Debug)]
pub(crate) struct Rewritten {
    /// `None` if nothing had to be done.
    tree: Option<Tree>,
    /// How often each thing was done.
    done: BTreeMap<String, u32>,
}

impl Rewritten {
    /// Rewrites `schema`. One that nests too deep to be read is left to its receiver.
    pub(crate) fn of(schema: &Json) -> Self {
        let mut done = BTreeMap::new();
        let tree = serde_json::from_str(schema.as_str()).ok().and_then(|tree: Tree| {
            let rewritten = Writer { done: &mut done }.schema(tree.clone());
            (rewritten != tree).then_some(rewritten)
        });
        Self { tree, done }
    }

    /// The text to send: `schema`'s own, or the rewritten one's.
    pub(crate) fn text(&self, schema: &Json) -> String {
        let rewritten = self.tree.as_ref().and_then(|tree| serde_json::to_string(tree).ok());
        rewritten.unwrap_or_else(|| schema.as_str().to_owned())
    }

    /// What was done, in words, if it is worth a word.
    pub(crate) fn note(&self) -> Option<String> {
        let list: Vec<String> = self
            .done
            .iter()
            .map(|(what, count)| if *count > 1 { format!("{what} ({count})") } else { what.clone() })
            .collect();
        (!list.is_empty()).then(|| format!("the wire's schema is without {}", list.join(", ")))
    }
}

struct Writer<'a> {
    done: &'a mut BTreeMap<String, u32>,
}

impl Writer<'_> {
    fn note(&mut self, what: &str) {
        *self.done.entry(what.to_owned()).or_default() += 1;
    }

    fn schema(&mut self, tree: Tree) -> Tree {
        let mut keywords = match tree {
            Tree::Map(keywords) => keywords,
            // `true` allows everything, as does an empty schema; this wire knows objects only.
            Tree::Plain(Value::Bool(_)) => Vec::new(),
            other => return other,
        };
        self.join(&mut keywords);
        let mut out: Vec<(String, Tree)> = Vec::with_capacity(keywords.len());
        let refers = keywords.iter().any(|(name, _)| name == "$ref");
        for (name, value) in keywords {
            match name.as_str() {
                // Beside a reference only keywords with `$` are taken.
                _ if refers && !name.starts_with('$') && name != "definitions" => {
                    if !matches!(name.as_str(), "description" | "title") && !COMMENTS.contains(&name.as_str())
                    {
                        self.note(&name);
                    }
                }
                "$ref" => {
                    let text = value.as_str().unwrap_or_default().replace("#/definitions/", "#/$defs/");
                    out.push((name, Tree::text(text)));
                }
                "$defs" | "definitions" => out.push(("$defs".into(), self.named(value))),
                "properties" => out.push((name, self.named(value))),
                "items" | "additionalProperties" => {
                    let value = match value {
                        plain @ Tree::Plain(Value::Bool(_)) => plain,
                        // Drafts before 2020-12 spell tuples this way.
                        Tree::List(items) => {
                            out.push(("prefixItems".into(), self.list(Tree::List(items))));
                            continue;
                        }
                        schema => self.schema(schema),
                    };
                    out.push((name, value));
                }
                "anyOf" | "oneOf" | "prefixItems" => out.push((name, self.list(value))),
                "const" => out.push(("enum".into(), Tree::List(vec![value]))),
                "format" if value.as_str().is_some_and(|format| !FORMATS.contains(&format)) => {
                    let numbers = ["int32", "int64", "float", "double"];
                    if value.as_str().is_some_and(|format| !numbers.contains(&format)) {
                        self.note(&name);
                    }
                }
                taken if TAKEN.contains(&taken) => out.push((name, value)),
                comment if COMMENTS.contains(&comment) => {}
                other => self.note(other),
            }
        }
        Tree::Map(out)
    }

    /// Brings `allOf` into its schema where no keyword is in both; what cannot be joined is left out.
    fn join(&mut self, keywords: &mut Vec<(String, Tree)>) {
        let Some(at) = keywords.iter().position(|(name, _)| name == "allOf") else { return };
        let (_, all) = keywords.remove(at);
        let Tree::List(parts) = all else { return self.note("allOf") };
        for part in parts {
            let Tree::Map(part) = part else { continue };
            for (name, value) in part {
                let known = keywords.iter_mut().find(|(known, _)| *known == name);
                match (known, value) {
                    (None, value) => keywords.push((name, value)),
                    (Some((_, Tree::Map(known))), Tree::Map(more)) if name == "properties" => {
                        known.extend(more);
                    }
                    (Some((_, Tree::List(known))), Tree::List(more)) if name == "required" => {
                        known.extend(more);
                    }
                    (Some((_, known)), value) if *known == value => {}
                    _ => self.note("allOf"),
                }
            }
        }
    }

    fn named(&mut self, value: Tree) -> Tree {
        match value {
            Tree::Map(items) => {
                Tree::Map(items.into_iter().map(|(name, schema)| (name, self.schema(schema))).collect())
            }
            other => other,
        }
    }

    fn list(&mut self, value: Tree) -> Tree {
        match value {
            Tree::List(items) => Tree::List(items.into_iter().map(|schema| self.schema(schema)).collect()),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests;
