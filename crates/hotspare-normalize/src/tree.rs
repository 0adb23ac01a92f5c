//! JSON with ordered object keys.
//!
//! For schemas only, not for answers. Invariant: whatever is not changed keeps its original text.

use std::fmt;

use hotspare_core::Json;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// A value; objects and arrays are opened, the rest is raw JSON.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Array(Vec<Tree>),
    Leaf(Box<RawValue>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// Parses a value that nests no deeper than the parser allows.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
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

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        open(raw).map_err(serde::de::Error::custom)
    }
}

/// Opens objects and arrays; each level is parsed once more, which is acceptable for the size of schemas.
fn open(raw: Box<RawValue>) -> Result<Tree, serde_json::Error> {
    match raw.get().as_bytes().first() {
        Some(b'{') => serde_json::from_str::<Fields>(raw.get()).map(|fields| Tree::Object(fields.0)),
        Some(b'[') => serde_json::from_str::<Items>(raw.get()).map(|items| Tree::Array(items.0)),
        _ => Ok(Tree::Leaf(raw)),
    }
}

struct Fields(Vec<(String, Tree)>);
struct Items(Vec<Tree>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Items;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(InOrder)
    }
}
