//! The section `[server]`: what concerns a gateway; a library ignores it.
//!
//! Invariant: what is not written is `None`; defaults are the gateway's.

use std::time::Duration;

use serde::Deserialize;

use super::{KeyDto, words};

/// What concerns a gateway.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Address to listen on: `host:port`, where the host may be a name.
    pub listen: Option<String>,
    /// Source of the keys that callers must show, separated by white space or commas.
    pub client_keys: Option<KeyDto>,
    /// Source of the keys that operators must show; without it client keys serve for both.
    pub operator_keys: Option<KeyDto>,
    /// Largest request body in bytes.
    #[serde(deserialize_with = "words::some_size")]
    pub max_body_bytes: Option<usize>,
    /// Most memory in bytes that request bodies may take together.
    #[serde(deserialize_with = "words::some_size")]
    pub max_body_memory_bytes: Option<usize>,
    /// Most connections at once.
    pub max_connections: Option<usize>,
    /// How long a connection may wait for its next request.
    #[serde(deserialize_with = "words::some_span")]
    pub idle_timeout: Option<Duration>,
    /// Time for answers under way after the signal to stop.
    #[serde(deserialize_with = "words::some_span")]
    pub drain_timeout: Option<Duration>,
}
