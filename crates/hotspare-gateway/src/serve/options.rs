//! Limits of a server.
//!
//! Not their enforcement. Invariant: every default states its reason or its source.

use std::time::Duration;

use crate::auth::ClientKeys;
use crate::upload::COPIES;

/// Limits of a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServeOptions {
    /// The keys that clients must present.
    pub keys: ClientKeys,
    /// The keys that operators must present; if empty, client keys are used.
    pub operator_keys: ClientKeys,
    /// Maximum size of a request body in bytes. Default 32 MiB: what the strictest of the large providers accepts.
    pub max_body_bytes: usize,
    /// Maximum memory in bytes for the bodies of all in-flight requests, each counted three times: as received, as
    /// parsed, and as sent. At least three times `max_body_bytes`. Default 1 GiB.
    pub max_body_memory_bytes: usize,
    /// How long a client may take to send the body of a request. Default 60 s.
    pub body_timeout: Duration,
    /// Maximum number of concurrent connections. Default 10,000.
    pub max_connections: usize,
    /// How long a connection may wait for its next request, whose head must have arrived by then. Default 75 s: longer
    /// than load balancers keep theirs (60 s at AWS and nginx), so that a connection is not closed just as a request
    /// arrives.
    pub idle_timeout: Duration,
    /// How long in-flight answers may continue after the signal to stop. Default 25 s: Kubernetes, for one, often kills
    /// the program 30 s after the signal.
    pub drain_timeout: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            keys: ClientKeys::default(),
            operator_keys: ClientKeys::default(),
            max_body_bytes: 32 << 20,
            max_body_memory_bytes: 1 << 30,
            body_timeout: Duration::from_secs(60),
            max_connections: 10_000,
            idle_timeout: Duration::from_secs(75),
            drain_timeout: Duration::from_secs(25),
        }
    }
}

impl ServeOptions {
    /// Settings that make no sense, and why.
    pub(crate) fn mistakes(&self) -> Vec<(&'static str, String)> {
        let mut mistakes = Vec::new();
        let mut at_least_one = |setting, value: usize| {
            if value == 0 {
                mistakes.push((setting, "it must be at least 1".to_owned()));
            }
        };
        at_least_one("max_body_bytes", self.max_body_bytes);
        at_least_one("max_connections", self.max_connections);
        if self.idle_timeout.is_zero() {
            mistakes.push(("idle_timeout", "it must be longer than 0 s".into()));
        }
        let (body, memory) = (self.max_body_bytes, self.max_body_memory_bytes);
        let least = body.saturating_mul(COPIES);
        if memory < least {
            let what = format!(
                "{memory} bytes are too few for one body of max_body_bytes ({body}), which counts {COPIES} times: set at least {least}, or lower max_body_bytes"
            );
            mistakes.push(("max_body_memory_bytes", what));
        }
        mistakes
    }
}
