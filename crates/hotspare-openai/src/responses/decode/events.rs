//! What a frame tells, and where it goes.
//!
//! Not the order of frames. Invariant: the first event of a frame takes the frame with it, and text is what it is however a
//! host spells it.

use std::borrow::Cow;

use hotspare_core::{Error, Json, Kind};
use hotspare_provider::Text;
use serde_json::value::RawValue;

use crate::dto::is_json;

pub(super) fn read<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|_| {
        let what = if is_json(text.as_bytes()) { "has an unexpected shape" } else { "is not JSON" };
        Error::new(Kind::Protocol, format!("a frame {what}"))
    })
}

pub(super) fn text(text: &Option<Text<'_>>) -> String {
    text.as_ref().map(|text| text.0.clone().into_owned()).unwrap_or_default()
}

/// Text as it is, or the spelling of what a host sends instead.
pub(super) fn spelled(raw: &RawValue) -> Cow<'_, str> {
    match raw.get() {
        "null" => Cow::Borrowed(""),
        text if text.starts_with('"') => {
            serde_json::from_str::<Text<'_>>(text).map(|text| text.0).unwrap_or_default()
        }
        other => Cow::Borrowed(other),
    }
}

pub(super) fn json(raw: &RawValue) -> Option<Json> {
    (raw.get() != "null").then(|| Json::parse(raw.get()).ok()).flatten()
}

pub(super) fn whole_json(raw: &RawValue) -> Result<Json, Error> {
    Json::parse(raw.get()).map_err(|_| Error::new(Kind::Protocol, "an item is not JSON"))
}

/// A list that has something in it.
pub(super) fn list(raw: &RawValue) -> Option<Json> {
    let inside = raw.get().trim_start_matches('[').trim_start();
    (!inside.starts_with(']')).then(|| json(raw)).flatten()
}
