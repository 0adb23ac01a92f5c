//! The Gemini wire: `generateContent`, `streamGenerateContent` and embeddings, at the Gemini API and at Vertex AI.
//!
//! A codec: no sockets, no clock, no opinion on retries. Where the two hosts differ (address, key, numbers of enumerations)
//! they are rows of [`Host`]; what differs by generation of models is a row, too.

mod bound;
mod classify;
mod contents;
mod decode;
mod dto;
mod embeddings;
mod encode;
mod generation;
mod host;
mod interactions;
mod limits;
mod schema;
mod tree;
mod wire;

pub use classify::RULES;
pub use host::{Auth, Embed, Host};
pub use interactions::Interactions;
pub use wire::Gemini;

/// The wire's name: frames and requests of equal wires are interchangeable.
pub const WIRE: &str = "gemini-generate-content";
