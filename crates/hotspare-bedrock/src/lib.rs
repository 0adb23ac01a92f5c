//! The Bedrock Converse wire, and other wires inside Bedrock's envelope.
//!
//! A codec: no sockets, clock or retries. Bedrock reports no rate limits in headers, so there are none to decode.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod binding;
mod body;
mod classify;
mod decode;
mod dto;
mod encode;
mod family;
mod invoke;
mod native_block;
#[cfg(feature = "sigv4")]
mod sigv4;
mod wire;

pub use body::ModelBody;
pub use classify::RULES;
pub use invoke::Invoke;
#[cfg(feature = "sigv4")]
pub use sigv4::SigV4;
pub use wire::Bedrock;

/// The wire's name: frames and requests of equal wires are interchangeable.
pub const WIRE: &str = "bedrock-converse";
