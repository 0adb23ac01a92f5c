//! A caller's JSON body, field by field, for codecs that also read requests.
//!
//! Not a schema: the codec decides which fields exist. Invariant: every error names the field and never quotes the
//! body, which may hold a prompt.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use hotspare_core::{CallOptions, Cost, Error, Kind, TargetId, parse_duration};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Deeper JSON is refused: upstream servers refuse it too, and not all of them gracefully.
pub const DEPTH_LIMIT: usize = 100;

/// A body of more values is refused: parsed, a value takes some 60 bytes, however few it has in the body. The largest
/// request that hosts accept is one of 300,000 tokens to embed.
pub const VALUES_LIMIT: usize = 500_000;

/// A request with more stop sequences is refused, as by hosts, of which none accepts more.
pub const STOPS_LIMIT: usize = 8_191;

/// Reads stop sequences.
///
/// # Errors
/// [`Kind::InvalidRequest`] naming the field, if they are not a list of texts or too many.
pub fn stops(name: &str, raw: &RawValue, expected: &str) -> Result<Vec<String>, Error> {
    // Counted first: an entry takes far more memory than its text.
    let count = Shape::of(raw.get().as_bytes()).values;
    if count > STOPS_LIMIT + 1 {
        return Err(invalid(format!("`{name}` has more than {STOPS_LIMIT} entries")));
    }
    read(name, raw, expected)
}

/// The number of values in JSON; a text that is none has some number, too.
#[must_use]
pub fn count_values(json: &[u8]) -> usize {
    Shape::of(json).values
}

/// An object's fields, each as raw JSON.
pub type Fields<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// Reads a body that must be an object; null fields are dropped.
///
/// # Errors
/// [`Kind::InvalidRequest`] if it is not an object, or exceeds [`DEPTH_LIMIT`] or [`VALUES_LIMIT`].
pub fn body(body: &[u8]) -> Result<Fields<'_>, Error> {
    let shape = Shape::of(body);
    if shape.values > VALUES_LIMIT {
        return Err(invalid(format!("the body holds more than {VALUES_LIMIT} values")));
    }
    let mut fields: Fields<'_> = serde_json::from_slice(body)
        .map_err(|error| invalid(format!("the body is not a JSON object: {}", parse_error(&error))))?;
    fields.retain(|_, value| value.get() != "null");
    // The body is a level by itself.
    if shape.depth > DEPTH_LIMIT + 1 {
        let name = fields.iter().find(|(_, value)| Shape::of(value.get().as_bytes()).depth > DEPTH_LIMIT);
        let name = name.map_or("", |(name, _)| name);
        return Err(invalid(format!("`{name}` nests deeper than {DEPTH_LIMIT} levels")));
    }
    Ok(fields)
}

/// Reads a field; `expected` describes its type in the error.
///
/// # Errors
/// [`Kind::InvalidRequest`] naming the field.
pub fn read<'a, T: Deserialize<'a>>(
    name: impl fmt::Display,
    raw: &'a RawValue,
    expected: &str,
) -> Result<T, Error> {
    serde_json::from_str(raw.get())
        .map_err(|error| invalid(format!("`{name}` must be {expected}: {}", parse_error(&error))))
}

/// Reads a field that must be an object.
///
/// # Errors
/// [`Kind::InvalidRequest`] naming the field.
pub fn read_object<'a, T: Deserialize<'a>>(
    name: impl fmt::Display,
    raw: &'a RawValue,
    expected: &str,
) -> Result<T, Error> {
    read::<StrictObject<T>>(name, raw, expected).map(|object| object.0)
}

/// A struct read from a JSON object only. A derived `Deserialize` would also accept an array of the fields.
#[derive(Debug)]
pub struct StrictObject<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for StrictObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(StrictObjectVisitor(PhantomData))
    }
}

struct StrictObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for StrictObjectVisitor<T> {
    type Value = StrictObject<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<StrictObject<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(StrictObject)
    }
}

/// Reads a whole number, which some clients write with a fraction of zero; `expected` describes it in the error.
///
/// # Errors
/// [`Kind::InvalidRequest`] naming the field.
pub fn whole<T: TryFrom<i64> + DeserializeOwned>(
    name: &str,
    raw: &RawValue,
    expected: &str,
) -> Result<T, Error> {
    let zeros = raw.get().split_once('.').filter(|(_, rest)| rest.bytes().all(|digit| digit == b'0'));
    let number = zeros.and_then(|(number, _)| T::try_from(number.parse().ok()?).ok());
    number.map_or_else(|| read(name, raw, expected), Ok)
}

/// Reads a number within bounds.
///
/// # Errors
/// [`Kind::InvalidRequest`] naming the field and its bounds.
pub fn within(name: &str, raw: &RawValue, least: f64, most: f64) -> Result<f64, Error> {
    let value: f64 = read(name, raw, "a number")?;
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(invalid(format!("`{name}` is {value}; it must be between {least} and {most}")))
}

/// Reads the caller's failover options: the field `hotspare`, the same on every wire.
///
/// # Errors
/// [`Kind::InvalidRequest`] naming the invalid option.
pub fn options(raw: &RawValue) -> Result<CallOptions, Error> {
    let known =
        ["only", "without", "no_failover", "no_hedge", "deadline", "first_content_deadline", "max_cost_usd"];
    let expected = format!("an object with {}", known.join(", "));
    let fields: Fields<'_> = read("hotspare", raw, &expected)?;
    if let Some(name) = fields.keys().find(|name| !known.contains(&name.as_ref())) {
        return Err(invalid(format!(
            "unknown option `hotspare.{name}`; valid ones are {}",
            known.join(", ")
        )));
    }
    let dto: OptionsDto = read_object("hotspare", raw, &expected)?;
    let names = |list: Vec<String>| list.into_iter().map(TargetId::from).collect();
    let mut options = CallOptions::default();
    // An allow-list that is empty allows nothing, where no list at all allows every target.
    if dto.only.as_ref().is_some_and(Vec::is_empty) {
        return Err(invalid(
            "`hotspare.only` names no target; leave it out to allow all targets of the route",
        ));
    }
    options.only = names(dto.only.unwrap_or_default());
    options.without = names(dto.without);
    options.no_failover = dto.no_failover;
    options.no_hedge = dto.no_hedge;
    if let Some(dollars) = dto.max_cost_usd {
        let cost = Cost::from_dollars(dollars).ok_or_else(|| {
            invalid(format!("`hotspare.max_cost_usd` is {dollars}; write dollars, such as 0.05"))
        })?;
        options.max_cost = Some(cost);
    }
    options.deadline = deadline("deadline", dto.deadline)?;
    options.first_content_deadline = deadline("first_content_deadline", dto.first_content_deadline)?;
    Ok(options)
}

fn deadline(key: &str, text: Option<String>) -> Result<Option<Duration>, Error> {
    let Some(text) = text else { return Ok(None) };
    match parse_duration(&text).filter(|time| !time.is_zero()) {
        Some(time) => Ok(Some(time)),
        None => Err(invalid(format!("`hotspare.{key}` is `{text}`; write a duration such as \"20s\""))),
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct OptionsDto {
    only: Option<Vec<String>>,
    without: Vec<String>,
    no_failover: bool,
    no_hedge: bool,
    deadline: Option<String>,
    first_content_deadline: Option<String>,
    max_cost_usd: Option<f64>,
}

/// An error that the caller has to fix in the request.
pub fn invalid(message: impl Into<String>) -> Error {
    Error::new(Kind::InvalidRequest, message).with_status(400)
}

/// The parser's error without the excerpt of the body that it quotes.
fn parse_error(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Eof => "it ends too early",
        Category::Syntax | Category::Io => "it is not valid JSON",
        Category::Data => "it has an unexpected shape",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

/// How deep JSON nests, and how many values it has, as far as it is valid.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    depth: usize,
    values: usize,
}

impl Shape {
    fn of(json: &[u8]) -> Self {
        let (mut now, mut shape) = (0usize, Self { depth: 0, values: 1 });
        let mut rest = json.iter();
        while let Some(byte) = rest.next() {
            match byte {
                b'"' => rest = after_string(rest.as_slice()).iter(),
                b'[' | b'{' => {
                    now += 1;
                    shape.depth = shape.depth.max(now);
                    shape.values += 1;
                }
                b']' | b'}' => now = now.saturating_sub(1),
                b',' => shape.values += 1,
                _ => {}
            }
        }
        shape
    }
}

/// The bytes after the current string. Most of a body is prompts, so strings are skipped with `memchr`.
fn after_string(mut text: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', text) {
        if text[at] == b'"' {
            return &text[at + 1..];
        }
        text = text.get(at + 2..).unwrap_or_default();
    }
    &[]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn brackets_inside_text_do_not_nest() {
        let shape = Shape::of(br#"{"a":[1,"[[[,,{\"[",{"b":[]}]}"#);
        assert_eq!(shape, Shape { depth: 4, values: 7 });
    }

    #[test]
    fn bodies_of_too_many_values_or_levels_are_refused() {
        let nested = |levels: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        let many = |values: usize| format!(r#"{{"a":[{}1]}}"#, "1,".repeat(values));
        let told = |text: &str| body(text.as_bytes()).map(drop).map_err(|error| error.message().to_owned());
        assert_eq!(told(&nested(DEPTH_LIMIT)), Ok(()));
        assert_eq!(told(&nested(DEPTH_LIMIT + 1)), Err("`a` nests deeper than 100 levels".into()));
        assert_eq!(told(&many(300_000)), Ok(()));
        assert_eq!(told(&many(VALUES_LIMIT)), Err("the body holds more than 500000 values".into()));
    }

    #[test]
    fn too_many_stop_sequences_are_refused() {
        let read = |count: usize| {
            let list = format!("[{}\"a\"]", "\"a\",".repeat(count - 1));
            stops("stop", serde_json::from_str(&list).unwrap(), "a list of texts").map(|list| list.len())
        };
        assert_eq!(read(STOPS_LIMIT).unwrap(), STOPS_LIMIT);
        let refused = read(STOPS_LIMIT + 1).unwrap_err();
        assert_eq!(
            (refused.kind(), refused.message()),
            (Kind::InvalidRequest, "`stop` has more than 8191 entries")
        );
    }

    #[test]
    fn a_whole_number_may_have_a_fraction_of_zero() {
        let whole =
            |text: &str| super::whole::<u64>("n", serde_json::from_str(text).unwrap(), "a whole number");
        for (text, number) in [("7", 7), ("7.0", 7), ("700.000", 700), ("18446744073709551615", u64::MAX)] {
            assert_eq!(whole(text).unwrap(), number, "{text}");
        }
        for wrong in
            ["7.5", "-7", "-7.0", "\"7\"", "\"7.0\"", "1e2", "null", "1e400", "99999999999999999999.0"]
        {
            let error = whole(wrong).unwrap_err();
            assert!(error.message().starts_with("`n` must be a whole number"), "{wrong}: {error}");
        }
    }

    #[test]
    fn options_must_be_an_object() {
        for malformed in ["[]", r#"[["a"]]"#, "null", "1"] {
            let raw: &RawValue = serde_json::from_str(malformed).unwrap();
            assert_eq!(options(raw).unwrap_err().kind(), Kind::InvalidRequest, "{malformed}");
        }
        let raw: &RawValue = serde_json::from_str(r#"{"only":["a"]}"#).unwrap();
        assert_eq!(options(raw).unwrap().only, [TargetId::from("a".to_owned())]);
        let raw: &RawValue = serde_json::from_str(r#"{"only":[]}"#).unwrap();
        assert_eq!(options(raw).unwrap_err().kind(), Kind::InvalidRequest);
    }

    #[test]
    fn unknown_option_is_named() {
        let read = |text: &str| options(serde_json::from_str(text).unwrap());
        assert!(read(r#"{"no_hedge": true, "deadline": null}"#).unwrap().no_hedge);
        let error = read(r#"{"deadlin": "20s"}"#).unwrap_err();
        assert!(
            error.message().starts_with("unknown option `hotspare.deadlin`; valid ones are only,"),
            "{error}"
        );
        assert!(read("[]").unwrap_err().message().contains("must be an object"));
    }

    #[test]
    fn deadline_is_a_duration_longer_than_zero() {
        let deadline = |text: &str| {
            let raw = serde_json::value::to_raw_value(&serde_json::json!({"deadline": text})).unwrap();
            options(&raw).map(|options| options.deadline)
        };
        assert_eq!(deadline("1.5s").unwrap(), Some(Duration::from_millis(1_500)));
        assert_eq!(deadline("1d").unwrap(), Some(Duration::from_secs(86_400)));
        for malformed in ["", "20", "0s", "-1s", "1e400s", "1 week"] {
            assert_eq!(deadline(malformed).unwrap_err().kind(), Kind::InvalidRequest, "{malformed}");
        }
    }
}
