//! The Responses wire: the same rooms as chat completions have, for the newer way of asking the same hosts.
//!
//! Shared with chat: hosts, keys, errors and limits. Invariant: what only this wire knows travels as
//! [`Native`](hotspare_core::Native) parts and comes back to it untouched.

mod decode;
mod dto;
mod encode;
mod incoming;
mod outgoing;
mod wire;

pub use incoming::ResponsesRequest;
pub use outgoing::ResponsesEncoder;
pub use wire::Responses;

/// The wire's name.
pub const RESPONSES_WIRE: &str = "openai-responses";

/// Fields that speak of what the provider keeps.
const KEPT: [&str; 4] = ["background", "conversation", "previous_response_id", "prompt"];
