//! The HTTP transport: reqwest behind Hotspare's port.
//!
//! The only library crate that knows sockets, TLS and pools.

mod config;
mod error;
mod transport;

pub use config::HttpConfig;
pub use transport::ReqwestTransport;
