//! The Responses wire: the same modules as for chat completions, for the newer API of the same hosts.
//!
//! Shares hosts, keys, errors and limits with chat. Invariant: what only this wire has travels as
//! [`Native`](hotspare_core::Native) parts and is sent back to it unchanged.

mod decode;
mod dto;
mod encode;
mod incoming;
mod outgoing;
mod own_fields;
mod wire;

pub use incoming::ResponsesRequest;
pub use outgoing::ResponsesEncoder;
pub use wire::Responses;

/// The wire's name.
pub const RESPONSES_WIRE: &str = "openai-responses";

/// The field of a tool that says whether its schema is enforced. Without it this wire enforces the schema, unlike any
/// other; a tool that arrived without it has it as null among its own fields.
const STRICT: &str = "strict";

/// Fields that refer to state the provider keeps.
const STATEFUL_FIELDS: [&str; 4] = ["background", "conversation", "previous_response_id", "prompt"];
