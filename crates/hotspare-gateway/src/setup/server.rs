//! The section `[server]` of a configuration.
//!
//! Not the server itself. Invariant: every mistake is reported with its line, together with those of other sections.

use std::net::{SocketAddr, ToSocketAddrs};

use hotspare::config::{Config, KeySource};

use crate::auth::ClientKeys;
use crate::serve::ServeOptions;

/// The configured address, if there is one, and the options. Reads the keys of clients and operators.
pub(super) fn options(config: &mut Config) -> (Option<SocketAddr>, ServeOptions) {
    let server = config.server.clone();
    let mut options = ServeOptions::default();
    let mut keys = |name: &str, source: Option<&KeySource>| {
        let keys = source.map(|source| source.key().and_then(ClientKeys::from_source)).transpose();
        keys.unwrap_or_else(|what| {
            config.reject_server(name, what);
            None
        })
    };
    options.keys = keys("client_keys", server.client_keys.as_ref()).unwrap_or_default();
    options.operator_keys = keys("operator_keys", server.operator_keys.as_ref()).unwrap_or_default();
    options.max_body_bytes = server.max_body_bytes.unwrap_or(options.max_body_bytes);
    options.max_body_memory_bytes = server.max_body_memory_bytes.unwrap_or(options.max_body_memory_bytes);
    options.max_connections = server.max_connections.unwrap_or(options.max_connections);
    options.idle_timeout = server.idle_timeout.unwrap_or(options.idle_timeout);
    options.drain_timeout = server.drain_timeout.unwrap_or(options.drain_timeout);
    for (setting, what) in options.mistakes() {
        config.reject_server(setting, what);
    }
    let listen = server.listen.as_deref().map(address).transpose().unwrap_or_else(|what| {
        config.reject_server("listen", what);
        None
    });
    (listen, options)
}

/// Parses an address to listen on, resolving a name.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let found = text.to_socket_addrs().map_err(|error| {
        format!("`{text}` is not an address such as 127.0.0.1:8080 or localhost:8080: {error}")
    })?;
    // `localhost` resolves to both ::1 and 127.0.0.1; prefer the latter, as in the default address.
    let mut found: Vec<SocketAddr> = found.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.into_iter().next().ok_or_else(|| format!("`{text}` has no address"))
}
