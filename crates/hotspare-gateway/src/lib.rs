//! The failover gateway as a library; the `hotspare` program is built on it.
//!
//! [`serve_on`] serves the OpenAI and Anthropic APIs in front of a [`hotspare::Client`]; [`Setup`] builds that client from
//! a configuration file or from the environment.

mod auth;
mod body;
mod client_wire;
mod deadline;
#[cfg(feature = "demo")]
pub mod demo;
mod gateway;
mod hops;
mod logs;
mod ops;
mod output;
mod refusal;
mod reply;
mod request_id;
mod routes;
mod serve;
mod setup;
mod shutdown;
#[cfg(feature = "simulate")]
pub mod simulate;
mod socket;
mod traffic;
mod upload;

pub use auth::ClientKeys;
pub use logs::LogWriter;
pub use output::Output;
pub use serve::{ServeOptions, listen_on, raise_file_limit, serve_on};
pub use setup::{Setup, SetupError};

/// Does not compile without the schema validator: such a gateway would accept any JSON for any schema.
const _: fn(&hotspare::Json) -> Result<hotspare::JsonSchema, hotspare::Error> = hotspare::JsonSchema::compile;
