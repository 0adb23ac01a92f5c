//! The section `[server]`: settings for a gateway; a library ignores them.
//!
//! Invariant: an omitted setting is `None`; the gateway has the defaults.

use std::time::Duration;

use serde::Deserialize;

use super::{KeySource, units};

/// Settings for a gateway.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Address to listen on: `host:port`, where the host may be a name.
    pub listen: Option<String>,
    /// Source of the keys that clients must present, separated by white space or commas.
    pub client_keys: Option<KeySource>,
    /// Source of the keys that operators must present; without it, client keys serve for both.
    pub operator_keys: Option<KeySource>,
    /// Maximum size of a request body in bytes.
    #[serde(deserialize_with = "units::optional_size")]
    pub max_body_bytes: Option<usize>,
    /// Maximum memory in bytes for all request bodies together.
    #[serde(deserialize_with = "units::optional_size")]
    pub max_body_memory_bytes: Option<usize>,
    /// Maximum number of concurrent connections.
    pub max_connections: Option<usize>,
    /// How long a connection may wait for its next request.
    #[serde(deserialize_with = "units::optional_duration")]
    pub idle_timeout: Option<Duration>,
    /// How long in-flight answers may continue after the signal to stop.
    #[serde(deserialize_with = "units::optional_duration")]
    pub drain_timeout: Option<Duration>,
}
