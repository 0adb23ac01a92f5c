//! `provider = { like = … }`: a host that speaks a known wire at an address of its own.
//!
//! Not which wire that is: [`target`](super::target) and its parts decide. Invariant: an unknown field is an error.

use std::collections::BTreeMap;

use hotspare_provider::credential_header;
use serde::Deserialize;

use super::text_or::TextOrTable;
use crate::endpoint::{Endpoint, WireSettings};
use crate::openai::{Auth, Dialect};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderDto {
    pub(super) like: String,
    pub(super) base_url: Option<String>,
    #[serde(default)]
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

impl TextOrTable for ProviderDto {
    const EXPECTED: &'static str =
        "a provider is a name such as \"openai\", or { like = \"compatible\", base_url = \"…\" }";
}

impl ProviderDto {
    /// Refuses the header in which this host gets its key: it would be replaced by the key or replace it, and a key has
    /// a source of its own. Other headers are those of gateways before the host, which have credentials of their own;
    /// so is a scheme other than `Bearer` where there is no key.
    pub(super) fn check_headers(&self, has_keys: bool) -> Result<(), String> {
        let row = Dialect::find(&self.like);
        let has_default = self.base_url.is_none() && row.is_none_or(|row| row.key_env.is_some());
        let own = match (&*self.like, row.map(|row| &row.auth)) {
            ("anthropic", _) => "x-api-key",
            ("gemini", _) => "x-goog-api-key",
            (_, Some(Auth::Header(name))) => name,
            _ => "authorization",
        };
        let is_key = |name: &str, value: &str| {
            let scheme = value.split_whitespace().next().unwrap_or_default();
            let other_scheme = own == "authorization" && !scheme.eq_ignore_ascii_case("bearer");
            name.eq_ignore_ascii_case(own) && (has_keys || has_default || !other_scheme)
        };
        let key = self.headers.iter().find(|(name, value)| is_key(name, value));
        match key.and_then(|(name, _)| credential_header(name)) {
            Some(why) => Err(format!("headers: {why}")),
            None => Ok(()),
        }
    }

    /// The endpoint at the configured address, with the configured headers.
    pub(super) fn locate<W: WireSettings>(&self, mut endpoint: Endpoint<W>) -> Endpoint {
        if let Some(url) = &self.base_url {
            endpoint = endpoint.base_url(url);
        }
        self.headers.iter().fold(endpoint, |endpoint, (name, value)| endpoint.header(name, value)).into()
    }
}
