//! Reads parts of a frame.
//!
//! Does not interpret them. Invariant: malformed JSON is an error, never treated as absent.

use hotspare_core::{Error, Json, Kind};
use hotspare_provider::Text;
use serde_json::value::RawValue;

use crate::dto::{is_json, json};

pub(super) fn read<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|_| {
        let what = if is_json(text.as_bytes()) { "has an unexpected shape" } else { "is not JSON" };
        Error::new(Kind::Protocol, format!("a frame {what}"))
    })
}

pub(super) fn text(text: &Option<Text<'_>>) -> String {
    text.as_ref().map(|text| text.0.clone().into_owned()).unwrap_or_default()
}

pub(super) fn whole_json(raw: &RawValue) -> Result<Json, Error> {
    Json::parse(raw.get()).map_err(|_| Error::new(Kind::Protocol, "an item is not JSON"))
}

/// A list, unless it is empty.
pub(super) fn list(raw: &RawValue) -> Option<Json> {
    let inside = raw.get().trim_start_matches('[').trim_start();
    (!inside.starts_with(']')).then(|| json(raw)).flatten()
}
