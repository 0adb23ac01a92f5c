//! The settings of the gateway.
//!
//! Invariant: one row per field of [`ServeOptions`](hotspare_gateway::ServeOptions).

use super::Row;

/// The rows.
pub(super) const SERVER: &[Row] = &[
    (
        "keys",
        "server.client_keys",
        "the default address is local; any other needs keys, or `--insecure`",
        "–",
    ),
    ("operator_keys", "server.operator_keys", "off: client keys also permit operating", "–"),
    (
        "max_body_bytes",
        "server.max_body_bytes",
        "what Anthropic accepts",
        "small: requests with images or documents get 413; large: a few requests use up the memory for bodies",
    ),
    (
        "max_body_memory_bytes",
        "server.max_body_memory_bytes",
        "about 340 bodies of 1 MiB, each counted at three times its size",
        "at least three times `max_body_bytes`; small: callers who come together get 503, and a body of very many short values, such as token ids, which take 64 bytes each, gets 413 if it needs more than all of it; large: that much memory is used",
    ),
    ("body_timeout", "–", "a slow uplink sends several MiB in this time", "–"),
    (
        "max_connections",
        "server.max_connections",
        "below the usual limit of open files, two per call",
        "small: further callers get 503, while operators' endpoints still answer; large: limited by the system's open files",
    ),
    (
        "idle_timeout",
        "server.idle_timeout",
        "longer than the 60 s of common load balancers (AWS, nginx)",
        "short: connections close just as a balancer reuses them, and it answers 502; long: idle callers occupy connections",
    ),
    (
        "drain_timeout",
        "server.drain_timeout",
        "process managers often kill after 30 s",
        "short: long answers end with an error in their stream; long: shutdown takes as long as the longest answer",
    ),
];
