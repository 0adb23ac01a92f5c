//! JSON as a tree with ordered object keys.
//!
//! Not a parser; serde_json is. Invariants: whatever is not changed keeps its original text, and nothing nests deeper than
//! the parser's own limit, because code that walks a tree recurses.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::Json;

/// The deepest nesting of a value: serde_json's limit, which does not apply to raw values.
const DEPTH_LIMIT: u32 = 127;

/// A value; objects and arrays are opened, the rest keeps its text. Compared by text: `1` and `1.0` differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonTree {
    /// An array.
    Array(Vec<JsonTree>),
    /// Null, a boolean, a number or a string.
    Leaf(Json),
    /// An object: names and values, in their order.
    Object(Vec<(String, JsonTree)>),
}

impl JsonTree {
    /// Parses a value that nests at most 127 levels deep; `None` if it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        parse_node(serde_json::from_str(text).ok()?, DEPTH_LIMIT)
    }

    /// The value as text.
    #[must_use]
    pub fn to_json(&self) -> Option<Json> {
        Json::parse(serde_json::to_string(self).ok()?).ok()
    }

    /// A boolean.
    #[must_use]
    pub fn boolean(value: bool) -> Self {
        Self::Leaf(Json::from(serde_json::Value::Bool(value)))
    }

    /// A string.
    #[must_use]
    pub fn string(text: &str) -> Self {
        to_raw_value(text).map_or_else(|_| Self::Array(Vec::new()), |raw| Self::Leaf(Json(raw)))
    }

    /// The value, if it is a boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Leaf(leaf) => leaf.as_str().parse().ok(),
            _ => None,
        }
    }

    /// The value without its escapes, if it is a string.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'_, str>> {
        let Self::Leaf(leaf) = self else { return None };
        let quoted = leaf.as_str().strip_prefix('"')?.strip_suffix('"')?;
        if quoted.contains('\\') {
            return serde_json::from_str(leaf.as_str()).ok().map(Cow::Owned);
        }
        Some(Cow::Borrowed(quoted))
    }

    /// A field of an object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// A field of an object, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match self {
            Self::Object(fields) => fields.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Sets a field of an object: in its place, or as the last.
    pub fn put(&mut self, key: &str, value: Self) {
        if let Some(known) = self.get_mut(key) {
            *known = value;
        } else if let Self::Object(fields) = self {
            fields.push((key.to_owned(), value));
        }
    }

    /// Removes fields from an object.
    pub fn remove(&mut self, keys: &[&str]) {
        if let Self::Object(fields) = self {
            fields.retain(|(name, _)| !keys.contains(&name.as_str()));
        }
    }

    /// The strings of an array.
    #[must_use]
    pub fn texts(&self) -> Vec<Cow<'_, str>> {
        match self {
            Self::Array(items) => items.iter().filter_map(Self::text).collect(),
            _ => Vec::new(),
        }
    }
}

impl Serialize for JsonTree {
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
fn parse_node(raw: &RawValue, depth: u32) -> Option<JsonTree> {
    let text = raw.get();
    let inner_depth = depth.checked_sub(1);
    match text.as_bytes().first() {
        Some(b'{') => {
            let Fields(fields) = serde_json::from_str(text).ok()?;
            let field = |(name, value)| Some((name, parse_node(value, inner_depth?)?));
            fields.into_iter().map(field).collect::<Option<_>>().map(JsonTree::Object)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            items
                .into_iter()
                .map(|item| parse_node(item, inner_depth?))
                .collect::<Option<_>>()
                .map(JsonTree::Array)
        }
        _ => Some(JsonTree::Leaf(Json(raw.to_owned()))),
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
    fn order_and_text_are_preserved() {
        let text = r#"{"z":[1e2,-2,3.50,123456789012345678901,true,null],"a":{"y":"\/x","b":{}}}"#;
        let tree = JsonTree::parse(text).unwrap();
        assert_eq!(tree.to_json().unwrap().as_str(), text);
    }

    #[test]
    fn strings_are_read_without_escapes() {
        let tree = JsonTree::parse(r#"["plain","a\/b","\u00e9",7,"\"x\""]"#).unwrap();
        assert_eq!(tree.texts(), ["plain", "a/b", "é", "\"x\""]);
        assert_eq!(JsonTree::string("\"x\"").text().as_deref(), Some("\"x\""));
    }

    #[test]
    fn overly_deep_nesting_is_rejected() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(JsonTree::parse(&nested(127)).is_some());
        assert!(JsonTree::parse(&nested(200_000)).is_none());
    }
}
