//! The Gemini wire: `generateContent`, `streamGenerateContent` and embeddings, at the Gemini API and at Vertex AI.
//!
//! A codec: no sockets, clock or retries. Differences between the two hosts (URL, key, numbers of finish reasons) are
//! rows of [`Host`]; differences between generations of models are rows, too.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod binding;
mod classify;
mod contents;
mod decode;
mod dto;
mod embed;
mod encode;
mod generation;
mod host;
mod interactions;
mod limits;
mod schema;
mod wire;

pub use classify::RULES;
pub use host::{Auth, Embed, Host};
pub use interactions::Interactions;
pub use wire::Gemini;

/// The wire's name: frames and requests of equal wires are interchangeable.
pub const WIRE: &str = "gemini-generate-content";
