//! The HTTP transport: reqwest behind [`Transport`](hotspare_provider::Transport).
//!
//! Owns TLS, connection pools and proxies; one request in, one response out, without redirects or retries.

mod config;
mod error;
mod resolve;
mod transport;

pub use config::HttpConfig;
pub use transport::ReqwestTransport;
