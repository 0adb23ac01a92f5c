//! Cohere's own chat wire.
//!
//! A codec: no sockets, no clock, no opinion on retries. The same host also speaks the OpenAI wire; this one has documents,
//! citations and plans. The second version is spoken; replies of the first and of `generate` are read, too.

mod classify;
mod decode;
mod dto;
mod embed;
mod encode;
mod wire;

pub use classify::RULES;
pub use wire::Cohere;

/// The wire's name: frames and requests of equal wires are interchangeable.
pub const WIRE: &str = "cohere-chat";
