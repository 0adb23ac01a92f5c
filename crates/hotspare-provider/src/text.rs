//! Text borrowed from the frame it came in, and counts in any notation.
//!
//! Does not validate content. Invariant: text without escapes is never copied; a count is a whole number or unknown.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// Text borrowed from its frame unless it has escapes. A number, which some hosts send in place of a string, is read as
/// its digits, without a fraction of zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<'a>(pub Cow<'a, str>);

impl From<Text<'_>> for String {
    fn from(text: Text<'_>) -> Self {
        text.0.into_owned()
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(number.to_string())))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(number.to_string())))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(number.to_string())))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

/// A count. `28.0` and `"28"`, as some frontends write whole numbers, are 28. Null, a negative number, a number with a
/// fraction or anything else is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count(pub Option<u64>);

impl Count {
    /// The count that a value holds, in any notation.
    #[must_use]
    pub fn of(value: &Value) -> Option<u64> {
        Self::deserialize(value).ok()?.0
    }
}

struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a count")
    }

    fn visit_u64<E>(self, count: u64) -> Result<Count, E> {
        Ok(Count(Some(count)))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_f64<E>(self, count: f64) -> Result<Count, E> {
        let whole = count.fract() == 0.0 && (0.0..9e15).contains(&count);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just above")]
        let count = count as u64;
        Ok(Count(whole.then_some(count)))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_unit<E>(self) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_str<E>(self, digits: &str) -> Result<Count, E> {
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        Ok(Count(digits.parse().ok().filter(|_| is_number)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Count, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Count(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Count, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Count(None))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor)
    }
}

/// Text that holds JSON, such as a call's arguments. Where a host sends the value itself instead of a string, its JSON
/// is the text; `null` is empty.
#[must_use]
pub fn json_text(raw: &RawValue) -> Cow<'_, str> {
    match raw.get() {
        "null" => Cow::Borrowed(""),
        text if text.starts_with('"') => serde_json::from_str::<Text<'_>>(text).unwrap_or_default().0,
        other => Cow::Borrowed(other),
    }
}

/// Whether a value is empty: `null`, or a text, list or object with nothing in it, in any notation.
#[must_use]
pub fn is_blank(raw: &RawValue) -> bool {
    let inside = match raw.get().as_bytes() {
        b"null" => return true,
        [b'"', inside @ .., b'"'] => return inside.is_empty(),
        [b'[', inside @ .., b']'] | [b'{', inside @ .., b'}'] => inside,
        _ => return false,
    };
    inside.trim_ascii().is_empty()
}

/// Reads a [`Count`] and unwraps it, for `#[serde(deserialize_with)]`.
///
/// # Errors
/// If the value is not JSON.
pub fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Count::deserialize(deserializer).map(|count| count.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_escaped_strings_are_copied() {
        let read = |json: &'static str| serde_json::from_str::<Text<'_>>(json).unwrap().0;
        assert!(matches!(read(r#""as it is""#), Cow::Borrowed("as it is")));
        assert!(matches!(read(r#""a\"b""#), Cow::Owned(text) if text == "a\"b"));
        assert_eq!((read("7"), read("-7")), ("7".into(), "-7".into()));
        assert_eq!((read("7.0"), read("0.5")), ("7".into(), "0.5".into()));
        assert!(serde_json::from_str::<Text<'_>>("[]").is_err());
    }

    #[test]
    fn json_strings_and_json_values_read_alike() {
        for (json, expected) in [
            (r#""{\"a\":1}""#, r#"{"a":1}"#),
            (r#"{"a": 1}"#, r#"{"a": 1}"#),
            (r#""""#, ""),
            ("null", ""),
            ("7", "7"),
        ] {
            let raw: &RawValue = serde_json::from_str(json).unwrap();
            assert_eq!(json_text(raw), expected);
        }
    }

    #[test]
    fn counts_are_whole_numbers_or_unknown() {
        for (json, expected) in [
            ("7", Some(7)),
            ("28.0", Some(28)),
            ("28.5", None),
            ("-1", None),
            ("-0.0", Some(0)),
            ("1e300", None),
            ("null", None),
            ("\"7\"", Some(7)),
            ("\"+7\"", None),
            ("\"7 tokens\"", None),
            ("\"\"", None),
            ("true", None),
            ("[7, {}]", None),
            ("{\"count\": 7}", None),
        ] {
            assert_eq!(serde_json::from_str::<Count>(json).unwrap().0, expected, "{json}");
            assert_eq!(Count::of(&serde_json::from_str(json).unwrap_or_default()), expected, "{json}");
        }
    }

    #[test]
    fn blank_values_have_nothing_in_them() {
        let blank = |json: &str| is_blank(serde_json::from_str(json).unwrap());
        for json in ["null", r#""""#, "[]", "{}", "{ \r\n}", "[\t]"] {
            assert!(blank(json), "{json}");
        }
        for json in ["0", "false", r#"" ""#, "[null]", r#"{"a":null}"#] {
            assert!(!blank(json), "{json}");
        }
    }
}
