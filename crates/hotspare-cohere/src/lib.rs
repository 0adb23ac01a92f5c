//! Cohere's own chat wire.
//!
//! A codec: no sockets, clock or retries. The same host also offers the OpenAI wire; this one has documents, citations
//! and plans. Requests use version 2; replies of version 1 and of `generate` can be decoded, too.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

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
