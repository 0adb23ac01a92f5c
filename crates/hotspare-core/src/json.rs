//! JSON kept as it was written.
//!
//! Not a document tree: key order, whitespace and numbers are preserved, because models write properties in the order
//! in which the schema lists them. Invariant: a [`Json`] always holds one valid JSON value.

mod tree;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::kind::Kind;

pub use tree::JsonTree;

/// One JSON value in its original text.
#[derive(Clone)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Validates `text` and keeps it as it is.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] with line and column if `text` is not exactly one JSON value.
    pub fn parse(text: impl Into<String>) -> Result<Self, Error> {
        let wrong = |error| Error::new(Kind::InvalidRequest, format!("not JSON: {error}"));
        RawValue::from_string(text.into()).map(Self).map_err(wrong)
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Whether this is `null` or a list of nothing, which a field says by its absence too.
    #[must_use]
    pub fn is_null_or_empty_list(&self) -> bool {
        let text = self.as_str();
        let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        text == "null" || inside.is_some_and(|inside| inside.trim().is_empty())
    }

    /// The value as a tree, for code that must inspect it. Key order is lost. A value that nests deeper than the
    /// parser's limit (128) becomes null.
    #[must_use]
    pub fn to_value(&self) -> Value {
        serde_json::from_str(self.as_str()).unwrap_or(Value::Null)
    }
}

/// Describes why JSON does not fit a type, without the value that serde quotes, as in ``invalid value: integer `300`,
/// expected u8``.
#[must_use]
pub fn describe_json_error(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match (message.split_once(": "), message.rsplit_once(", expected ")) {
        (Some((what, _)), Some((_, wanted))) => format!("{what}, expected {wanted}"),
        _ => message,
    }
}

impl FromStr for Json {
    type Err = Error;

    /// As [`Json::parse`].
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        let text = value.to_string();
        // A `Value` always serializes to valid JSON: the fallback to `null` is unreachable.
        Self::parse(text).unwrap_or_else(|_| Self(RawValue::NULL.to_owned()))
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Self::from(&value)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Compares text, not trees: `1` and `1.0` differ.
impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_key_order_and_numbers() {
        let text = r#"{"z":1.50,"a":{"y":1e3,"b":[]}}"#;
        let json: Json = serde_json::from_str(text).unwrap();
        assert_eq!(json.as_str(), text);
        assert_eq!(serde_json::to_string(&json).unwrap(), text);
    }

    #[test]
    fn rejects_anything_but_a_single_value() {
        for bad in ["", "{", "1 2", "nul", "{\"a\":1}x"] {
            assert!(Json::parse(bad).is_err(), "{bad:?}");
        }
    }
}
