//! JSON with ordered object keys.
//!
//! Not a parser; serde_json is. Invariants: whatever is not changed keeps its original text, and nothing nests deeper than
//! the parser's own limit, because code that walks a tree recurses.

use std::fmt;

use hotspare_core::Json;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// The deepest nesting of a value: serde_json's limit, which does not apply to raw values.
const DEPTH_LIMIT: u32 = 127;

/// A value; objects and arrays are opened, the rest is raw JSON.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Array(Vec<Tree>),
    Leaf(Box<RawValue>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// Parses a value that nests at most 127 levels deep.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        parse_node(serde_json::from_str(text).ok()?, DEPTH_LIMIT)
    }

    pub(crate) fn to_json(&self) -> Option<Json> {
        Json::parse(serde_json::to_string(self).ok()?).ok()
    }

    /// A value written without quotes.
    pub(crate) fn literal(text: &str) -> Self {
        RawValue::from_string(text.to_owned()).map_or_else(|_| Self::Array(Vec::new()), Self::Leaf)
    }

    pub(crate) fn string(text: &str) -> Self {
        to_raw_value(text).map_or_else(|_| Self::Array(Vec::new()), Self::Leaf)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            // Names of types and formats have no escapes, so a string with escapes cannot be one.
            Self::Leaf(leaf) => {
                leaf.get().strip_prefix('"')?.strip_suffix('"').filter(|text| !text.contains('\\'))
            }
            _ => None,
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match self {
            Self::Object(fields) => fields.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    pub(crate) fn put(&mut self, key: &str, value: Self) {
        if let Some(known) = self.get_mut(key) {
            *known = value;
        } else if let Self::Object(fields) = self {
            fields.push((key.to_owned(), value));
        }
    }

    /// Removes fields from an object.
    pub(crate) fn remove(&mut self, keys: &[&str]) {
        if let Self::Object(fields) = self {
            fields.retain(|(name, _)| !keys.contains(&name.as_str()));
        }
    }

    /// The strings of an array.
    pub(crate) fn strings(&self) -> Vec<String> {
        match self {
            Self::Array(items) => items
                .iter()
                .filter_map(|item| match item {
                    Self::Leaf(leaf) => serde_json::from_str(leaf.get()).ok(),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Whether this type is among those that the schema lists.
    pub(crate) fn allows_type(&self, name: &str) -> bool {
        match self.get("type") {
            Some(list @ Self::Array(_)) => list.strings().iter().any(|known| known == name),
            Some(leaf) => leaf.as_str() == Some(name),
            None => false,
        }
    }

    /// Makes the schema accept null, too.
    pub(crate) fn make_nullable(&mut self) {
        let simple = self.get("enum").is_none() && self.get("const").is_none() && self.get("anyOf").is_none();
        if simple && let Some(kind) = self.get_mut("type") {
            match kind {
                Self::Array(types) => {
                    if !types.iter().any(|known| known.as_str() == Some("null")) {
                        types.push(Self::string("null"));
                    }
                }
                leaf if leaf.as_str() == Some("null") => {}
                leaf => *leaf = Self::Array(vec![leaf.clone(), Self::string("null")]),
            }
            return;
        }
        let null = Self::Object(vec![("type".into(), Self::string("null"))]);
        let whole = std::mem::replace(self, Self::Array(Vec::new()));
        *self = Self::Object(vec![("anyOf".into(), Self::Array(vec![whole, null]))]);
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Array(items) => {
                let mut out = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| out.serialize_element(item))?;
                out.end()
            }
            Self::Leaf(leaf) => leaf.serialize(serializer),
            Self::Object(fields) => {
                let mut out = serializer.serialize_map(Some(fields.len()))?;
                fields.iter().try_for_each(|(key, value)| out.serialize_entry(key, value))?;
                out.end()
            }
        }
    }
}

/// Opens objects and arrays down to `depth` levels. Each level is parsed once more; the limit bounds that.
fn parse_node(raw: &RawValue, depth: u32) -> Option<Tree> {
    let text = raw.get();
    let inner_depth = depth.checked_sub(1);
    match text.as_bytes().first() {
        Some(b'{') => {
            let Fields(fields) = serde_json::from_str(text).ok()?;
            let field = |(name, value)| Some((name, parse_node(value, inner_depth?)?));
            fields.into_iter().map(field).collect::<Option<_>>().map(Tree::Object)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            items
                .into_iter()
                .map(|item| parse_node(item, inner_depth?))
                .collect::<Option<_>>()
                .map(Tree::Array)
        }
        _ => Some(Tree::Leaf(raw.to_owned())),
    }
}

/// The fields of an object, in order.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overly_deep_nesting_is_rejected() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Tree::parse(&nested(127)).is_some());
        assert!(Tree::parse(&nested(200_000)).is_none());
    }
}
