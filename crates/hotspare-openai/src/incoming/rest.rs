//! What is left of an object once its known fields are read.
//!
//! Invariant: each value is kept as the caller wrote it; null and empty lists say nothing and are left out.

use std::collections::BTreeMap;

use hotspare_core::{Error, Json, Native};
use hotspare_provider::fields::{Fields, invalid};
use serde_json::value::RawValue;

use crate::WIRE;

/// The fields of an object that are not among `known`.
pub(super) fn rest(raw: &RawValue, known: &[&str]) -> BTreeMap<String, Json> {
    let fields: Fields<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let unknown = fields
        .into_iter()
        .filter(|(name, value)| !known.contains(&name.as_ref()) && !matches!(value.get(), "null" | "[]"));
    unknown.filter_map(|(name, value)| Some((name.into_owned(), Json::parse(value.get()).ok()?))).collect()
}

/// These fields as one object; `None` if there are none.
pub(super) fn object(fields: &BTreeMap<String, Json>) -> Option<Json> {
    let text = (!fields.is_empty()).then(|| serde_json::to_string(fields).ok()).flatten()?;
    Json::parse(text).ok()
}

/// A part or a tool that only this wire has.
pub(super) fn native(at: &str, raw: &RawValue) -> Result<Native, Error> {
    let raw = Json::parse(raw.get()).map_err(|_| invalid(format!("`{at}` is not valid JSON")))?;
    Ok(Native::new(WIRE, raw))
}
