//! `provider = { like = … }`: a host that speaks a known wire at an address of its own.
//!
//! Not which wire that is: [`target`](super::target) and its parts decide. Invariant: an unknown field is an error.

use std::collections::BTreeMap;

use hotspare_provider::credential_header;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::text_or::TextOrTable;
use crate::endpoint::{Endpoint, WireSettings};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderDto {
    pub(super) like: String,
    pub(super) base_url: Option<String>,
    #[serde(default, deserialize_with = "headers")]
    pub(super) headers: BTreeMap<String, String>,
    /// For hosts whose URLs name a version of their API.
    pub(super) api_version: Option<String>,
    /// For clouds with several regions.
    pub(super) region: Option<String>,
    /// For clouds that group models by project and location.
    pub(super) project: Option<String>,
    pub(super) location: Option<String>,
    /// Also accepted here, in addition to its place on the target.
    pub(super) max_in_flight: Option<u32>,
}

/// Headers without keys: a key has a source of its own, and is not part of a configuration.
fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let headers = BTreeMap::<String, String>::deserialize(deserializer)?;
    match headers.keys().find_map(|name| credential_header(name)) {
        Some(why) => Err(D::Error::custom(why)),
        None => Ok(headers),
    }
}

impl TextOrTable for ProviderDto {
    const EXPECTED: &'static str =
        "a provider is a name such as \"openai\", or { like = \"compatible\", base_url = \"…\" }";
}

impl ProviderDto {
    /// The endpoint at the configured address, with the configured headers.
    pub(super) fn locate<W: WireSettings>(&self, mut endpoint: Endpoint<W>) -> Endpoint {
        if let Some(url) = &self.base_url {
            endpoint = endpoint.base_url(url);
        }
        self.headers.iter().fold(endpoint, |endpoint, (name, value)| endpoint.header(name, value)).into()
    }
}
