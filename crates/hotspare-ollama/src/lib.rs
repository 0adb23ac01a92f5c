//! Ollama's own chat wire.
//!
//! A codec: no sockets, no clock, no opinion on retries. The same servers also speak the OpenAI wire; this one says more
//! (thinking, context size, how a model is kept) and reports its failures plainly. The older `/api/generate` is read, too.

mod classify;
mod decode;
mod embed;
mod encode;
mod wire;

pub use classify::RULES;
pub use wire::Ollama;

/// The wire's name: frames and requests of equal wires are interchangeable.
pub const WIRE: &str = "ollama-chat";
