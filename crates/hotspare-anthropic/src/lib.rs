//! The Anthropic Messages wire.
//!
//! A codec: no sockets, no clock, no opinion on retries.

mod classify;
mod decode;
mod dto;
mod encode;
mod limits;
mod wire;

pub use wire::Anthropic;

/// The wire's name: frames and requests of equal wires are interchangeable.
pub const WIRE: &str = "anthropic-messages";

/// Who signs this wire's reasoning.
pub(crate) const ORIGIN: &str = "anthropic";
