//! The OpenAI wire, and the hosts that offer it as rows of data.
//!
//! A codec: no sockets, clock or retries. [`OpenAi`] encodes requests and decodes replies for targets;
//! [`ChatCompletionsRequest`] and [`ChatCompletionsEncoder`] do the reverse, for a server that offers this wire to its
//! callers.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod accepts;
mod classify;
mod decode;
mod dialect;
mod dto;
mod embed;
mod encode;
mod host;
mod incoming;
mod limits;
mod outgoing;
mod reasoning;
mod responses;
mod table;
mod wire;

pub use classify::RULES;
pub use dialect::{Auth, Dialect, MaxTokens};
pub use embed::EmbeddingsRequest;
pub use incoming::ChatCompletionsRequest;
pub use outgoing::ChatCompletionsEncoder;
pub use responses::{RESPONSES_WIRE, Responses, ResponsesEncoder, ResponsesRequest};
pub use wire::OpenAi;

/// The wire's name: frames and requests of equal wires are interchangeable.
pub const WIRE: &str = "openai-chat";
