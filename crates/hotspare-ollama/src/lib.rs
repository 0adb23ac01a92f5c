//! Ollama's own chat wire.
//!
//! A codec: no sockets, clock or retries. The same servers also offer the OpenAI wire; this one adds reasoning, the
//! context size and how long a model stays loaded, and reports errors as plain text. Replies of the older
//! `/api/generate` can be decoded, too.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod classify;
mod decode;
mod embed;
mod encode;
mod wire;

pub use classify::RULES;
pub use wire::Ollama;

/// The wire's name: frames and requests of equal wires are interchangeable.
pub const WIRE: &str = "ollama-chat";
