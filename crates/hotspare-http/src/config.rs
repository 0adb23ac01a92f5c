//! Settings of the transport.
//!
//! Data only. Invariant: what could hide an attempt or leak traffic (redirects, retries, proxies from the environment) is
//! off unless asked for.

use std::fmt;
use std::time::Duration;

/// Settings of a [`ReqwestTransport`](crate::ReqwestTransport).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpConfig {
    /// Time allowed for connecting, including TLS. Default 1 s: a handshake across an ocean takes 0.3 s.
    pub connect_timeout: Duration,
    /// How long an idle connection is kept. Default 4 s: common model servers close theirs after 5 s, and a request
    /// sent on a connection that is being closed wastes time.
    pub pool_idle_timeout: Duration,
    /// The most idle connections per host. Default 64.
    pub pool_max_idle_per_host: usize,
    /// URL of an HTTP proxy.
    pub proxy: Option<String>,
    /// Whether to use the proxies set in the environment. Default off.
    pub proxy_from_env: bool,
    /// Additional certificate authorities to trust, in PEM.
    pub ca: Option<Vec<u8>>,
}

/// Omits the proxy's address, which may hold a password.
impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConfig")
            .field("connect_timeout", &self.connect_timeout)
            .field("pool_idle_timeout", &self.pool_idle_timeout)
            .field("pool_max_idle_per_host", &self.pool_max_idle_per_host)
            .field("proxy", &self.proxy.is_some())
            .field("proxy_from_env", &self.proxy_from_env)
            .field("ca", &self.ca.is_some())
            .finish()
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            pool_idle_timeout: Duration::from_secs(4),
            pool_max_idle_per_host: 64,
            proxy: None,
            proxy_from_env: false,
            ca: None,
        }
    }
}

impl HttpConfig {
    /// Sets the connect timeout.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Sets a proxy.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Uses the proxies set in the environment (`HTTPS_PROXY` and related variables).
    #[must_use]
    pub fn proxy_from_env(mut self) -> Self {
        self.proxy_from_env = true;
        self
    }

    /// Trusts additional certificate authorities.
    #[must_use]
    pub fn ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca = Some(pem.into());
        self
    }
}
