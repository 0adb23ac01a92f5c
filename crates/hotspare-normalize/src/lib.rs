//! What makes an answer complete and well-formed, whichever model gave it.
//!
//! Not a decoder: adapters have already put every provider's words into [`Event`](hotspare_core::Event)s. Nothing here
//! sees bytes, headers, a clock or a provider's name. Same input, same output.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod assembler;
mod grammar;
mod history;
mod repair;
#[cfg(feature = "schema")]
mod schema;
mod think;
mod tool_ids;
mod validate;

pub use assembler::Assembler;
pub use grammar::{Block, Grammar};
pub use history::{Note, Portable, portable};
pub use repair::{BadJson, Repair, parse_json, repair_json};
#[cfg(feature = "schema")]
pub use schema::JsonSchema;
pub use think::ThinkSplitter;
pub use tool_ids::ToolIds;
pub use validate::{Validator, Violation};
