//! Rewrites a JSON Schema so that a provider that enforces it accepts it.
//!
//! Not a validator: the answer is validated against the original schema. Invariant: whatever conforms to the rewritten
//! schema conforms to the original as far as the provider enforces it, once nulls that stand for absent properties are
//! removed; whatever had to be dropped or changed is noted. Keys keep their order, in which models write them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hotspare_core::{Json, JsonTree, SchemaSubset};

mod recursion;

/// A schema rewritten to fit a subset.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rewritten {
    /// The rewritten schema.
    pub schema: Json,
    /// The changes, one note for each kind, for people.
    pub notes: Vec<String>,
    /// Whether an optional property became a required one that may be null.
    pub nullable: bool,
}

/// The deepest nesting that is rewritten.
const DEPTH_LIMIT: u32 = 64;

/// Rewrites `schema` to `subset`.
///
/// # Errors
/// What the subset cannot express, as a fragment. The provider cannot enforce such a schema; an answer can still be
/// requested and validated.
pub fn rewrite_schema(schema: &Json, subset: &SchemaSubset) -> Result<Rewritten, &'static str> {
    let mut tree = JsonTree::parse(schema.as_str()).ok_or("a schema that nests too deep")?;
    if tree.get("type").and_then(JsonTree::text).as_deref() != Some("object") {
        return Err("a root that is not an object");
    }
    if subset.lone_refs && tree.get("$ref").is_some() {
        return Err("a root that is a reference");
    }
    if !subset.recursive && recursion::is_recursive(&tree) {
        return Err("a schema that refers to itself");
    }
    let mut rewriter = Rewriter { subset, dropped: BTreeMap::new(), closed: 0, nullable: 0, any_of: 0 };
    rewriter.schema(&mut tree, DEPTH_LIMIT)?;
    let notes = rewriter.notes();
    let schema = if notes.is_empty() {
        schema.clone()
    } else {
        tree.to_json().ok_or("a schema that cannot be serialized")?
    };
    Ok(Rewritten { schema, notes, nullable: rewriter.nullable > 0 })
}

struct Rewriter<'a> {
    subset: &'a SchemaSubset,
    /// The keywords that were dropped, and how often.
    dropped: BTreeMap<String, usize>,
    closed: usize,
    nullable: usize,
    any_of: usize,
}

impl Rewriter<'_> {
    fn schema(&mut self, schema: &mut JsonTree, depth: u32) -> Result<(), &'static str> {
        let depth = depth.checked_sub(1).ok_or("a schema that nests too deep")?;
        let JsonTree::Object(keywords) = schema else {
            return Err("a schema that allows anything or nothing");
        };
        for unsupported in ["allOf", "not", "if", "patternProperties", "prefixItems", "$dynamicRef"] {
            if keywords.iter().any(|(keyword, _)| keyword == unsupported) && !self.allows(unsupported) {
                return Err(keyword_name(unsupported));
            }
        }
        if !self.allows("oneOf") {
            let has = |wanted: &str| keywords.iter().any(|(keyword, _)| keyword == wanted);
            if has("oneOf") && has("anyOf") {
                return Err("oneOf beside anyOf");
            }
            for (keyword, _) in keywords.iter_mut().filter(|(keyword, _)| keyword == "oneOf") {
                *keyword = "anyOf".into();
                self.any_of += 1;
            }
        }
        let subset = self.subset;
        let is_reference = subset.lone_refs && keywords.iter().any(|(keyword, _)| keyword == "$ref");
        let dropped = &mut self.dropped;
        keywords.retain(|(keyword, value)| {
            let odd_format =
                keyword == "format" && !value.text().is_some_and(|format| subset.formats.contains(&&*format));
            let keep = subset.keywords.contains(&keyword.as_str())
                && !odd_format
                && (!is_reference || keyword == "$ref");
            // Annotations for readers of the schema, which validators ignore.
            if !keep && !matches!(keyword.as_str(), "$schema" | "$id" | "$comment" | "title" | "examples") {
                *dropped.entry(keyword.clone()).or_default() += 1;
            }
            keep
        });
        let assertions = ["type", "enum", "const", "anyOf", "oneOf", "$ref"];
        if !keywords.iter().any(|(keyword, _)| assertions.contains(&keyword.as_str())) {
            return Err("a schema that allows anything");
        }
        self.object(schema)?;
        let JsonTree::Object(keywords) = schema else { return Ok(()) };
        for (keyword, value) in keywords {
            match (keyword.as_str(), value) {
                ("properties" | "$defs" | "definitions", JsonTree::Object(named)) => {
                    for (_, below) in named {
                        self.schema(below, depth)?;
                    }
                }
                ("anyOf" | "oneOf", JsonTree::Array(list)) => {
                    for below in list {
                        self.schema(below, depth)?;
                    }
                }
                ("items", below) => self.schema(below, depth)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Closes an object, and requires all of its properties if the subset does.
    fn object(&mut self, schema: &mut JsonTree) -> Result<(), &'static str> {
        if !allows_type(schema, "object") {
            return Ok(());
        }
        let additional = schema.get("additionalProperties");
        let is_closed = additional.and_then(JsonTree::as_bool) == Some(false);
        match additional.map(JsonTree::as_bool) {
            None | Some(Some(false)) => {}
            Some(Some(true)) if schema.get("properties").is_some() => {}
            Some(_) => return Err("an object with names that are not fixed"),
        }
        if schema.get("properties").is_none() && additional.is_none() {
            return Err("an object with names that are not fixed");
        }
        if self.subset.closed && !is_closed {
            schema.put("additionalProperties", JsonTree::boolean(false));
            self.closed += 1;
        }
        if self.subset.some_required && schema.get("required").is_none_or(|names| names.texts().is_empty()) {
            return Err("an object that requires no property");
        }
        if !self.subset.all_required {
            return Ok(());
        }
        let required = schema.get("required").map(JsonTree::texts).unwrap_or_default();
        let required: Vec<String> = required.into_iter().map(Cow::into_owned).collect();
        let Some(JsonTree::Object(properties)) = schema.get_mut("properties") else { return Ok(()) };
        let mut all = Vec::with_capacity(properties.len());
        for (name, property) in properties {
            if !required.contains(name) {
                make_nullable(property);
                self.nullable += 1;
            }
            all.push(JsonTree::string(name));
        }
        schema.put("required", JsonTree::Array(all));
        Ok(())
    }

    fn allows(&self, keyword: &str) -> bool {
        self.subset.keywords.contains(&keyword)
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.dropped.is_empty() {
            let list: Vec<String> = self.dropped.iter().map(|(name, n)| format!("{name} ×{n}")).collect();
            notes.push(format!("schema: removed what the provider does not enforce ({})", list.join(", ")));
        }
        let counted = [
            (self.closed, "closed objects"),
            (self.nullable, "made optional properties nullable"),
            (self.any_of, "oneOf became anyOf"),
        ];
        notes.extend(counted.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("schema: {what} ({n})")));
        notes
    }
}

fn keyword_name(keyword: &str) -> &'static str {
    match keyword {
        "allOf" => "allOf",
        "not" => "not",
        "if" => "if",
        "patternProperties" => "patternProperties",
        "prefixItems" => "prefixItems",
        _ => "a dynamic reference",
    }
}

/// Whether this type is among those that the schema lists.
fn allows_type(schema: &JsonTree, name: &str) -> bool {
    match schema.get("type") {
        Some(list @ JsonTree::Array(_)) => list.texts().iter().any(|known| known == name),
        Some(leaf) => leaf.text().as_deref() == Some(name),
        None => false,
    }
}

/// Makes the schema accept null, too.
fn make_nullable(schema: &mut JsonTree) {
    let null = JsonTree::string("null");
    let simple = ["enum", "const", "anyOf"].iter().all(|keyword| schema.get(keyword).is_none());
    if simple && let Some(kind) = schema.get_mut("type") {
        match kind {
            JsonTree::Array(types) => {
                if !types.contains(&null) {
                    types.push(null);
                }
            }
            leaf if *leaf == null => {}
            leaf => *leaf = JsonTree::Array(vec![leaf.clone(), null]),
        }
        return;
    }
    let null = JsonTree::Object(vec![("type".into(), null)]);
    let whole = std::mem::replace(schema, JsonTree::Array(Vec::new()));
    *schema = JsonTree::Object(vec![("anyOf".into(), JsonTree::Array(vec![whole, null]))]);
}

#[cfg(test)]
mod tests;
