//! The interface that providers implement.
//!
//! There are two ways to add a provider. If it is reached over HTTP, implement [`Wire`], a codec without IO, and
//! [`HttpProvider`] does the rest over any [`Transport`]. Otherwise, implement [`Provider`]. The engine handles
//! retries, health and timeouts for all providers alike. The feature `conformance` adds a test kit that checks what the
//! engine expects of a provider.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod attempts;
#[cfg(feature = "conformance")]
pub mod conformance;
mod describe;
mod embed;
mod emit;
pub mod fields;
mod framing;
mod hops;
mod http_provider;
mod items_limit;
mod json_object;
mod lacks;
mod message;
mod pause;
mod provider;
mod retry_after;
mod rule;
mod secret;
mod sign;
mod text;
mod timestamp;
mod tool_choice;
mod tool_id;
mod transport;
mod wire;

pub use attempts::attempts;
pub use describe::{Describe, Wrapper};
pub use embed::{EmbedDecoder, EmbedReply};
pub use emit::Emit;
pub use fields::count_values;
pub use framing::{
    BODY_LIMIT, EventStream, FRAME_LIMIT, Frame, Framer, JsonArray, Ndjson, Sse, Whole, write_event,
};
pub use hops::{DEADLINE_HEADER, HOPS_HEADER};
pub use http_provider::{HttpProvider, failure};
pub use items_limit::{ITEMS_LIMIT, check_items};
pub use json_object::{JsonObject, function_tools};
pub use lacks::{DROPPED_REASONING, Lacks, result_text, unsigned_reasoning, unwritten_fields, written_stops};
pub use message::{has_error_fields, message_anywhere, own_or_foreign};
pub use pause::{MAX_RETRY_AFTER, pause, retry_after_in_text};
pub use provider::{Opened, Outbound, Provider, Signal};
pub use retry_after::{reset_in_text, retry_after};
pub use rule::{
    BY_STATUS, Classification, ErrorFields, Rule, Rules, SENTENCES, apply_rules, by_status, plain_message,
};
pub use secret::Secret;

pub use sign::{Credentials, Signer};
pub use text::{Count, Text, count, is_blank, json_text};
pub use timestamp::timestamp;
pub use tool_choice::{check_tool_choice, offers_tools};
pub use tool_id::safe_tool_id;
pub use transport::{Head, HttpRequest, HttpResponse, Transport, credential_header, header};
pub use wire::{Decoder, Decoding, Wire};
