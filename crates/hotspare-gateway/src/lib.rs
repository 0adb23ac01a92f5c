//! The failover gateway as a library: what the `hotspare` program is made of.
//!
//! A server that speaks the wires of OpenAI and Anthropic in front of a [`hotspare::Client`]. The only crate that opens configuration files.

mod attend;
mod auth;
mod body;
mod closing;
mod deadline;
#[cfg(feature = "demo")]
pub mod demo;
mod front;
mod gateway;
mod ops;
mod reply;
mod routes;
mod serve;
mod setup;
#[cfg(feature = "simulate")]
pub mod simulate;
mod traffic;

pub use auth::ClientKeys;
pub use serve::{ServeOptions, serve_on};
pub use setup::{Setup, SetupError};

/// A gateway that is built without the validator would pass any JSON for any schema: it does not compile.
const _: fn(&hotspare::Json) -> Result<hotspare::JsonSchema, hotspare::Error> = hotspare::JsonSchema::compile;
