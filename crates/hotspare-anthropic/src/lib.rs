//! The Anthropic Messages wire.
//!
//! A codec: no sockets, clock or retries. [`Anthropic`] encodes requests and decodes replies for targets;
//! [`MessagesRequest`] and [`MessagesEncoder`] do the reverse, for a server that offers this wire to its callers.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod binding;
mod classify;
mod decode;
mod dto;
mod encode;
mod host;
mod incoming;
mod limits;
mod outgoing;
mod wire;

pub use classify::RULES;
pub use host::{Auth, Host};
pub use incoming::MessagesRequest;
pub use outgoing::MessagesEncoder;
pub use wire::Anthropic;

/// The wire's name: frames and requests of equal wires are interchangeable.
pub const WIRE: &str = "anthropic-messages";

/// The header with the wire's version, by which callers of this wire are recognized.
pub const VERSION_HEADER: &str = "anthropic-version";

/// The header that enables betas. As an extra of this wire it is sent as a header.
pub const BETA: &str = "anthropic-beta";

/// The most bytes that a request may put into it: hosts close a connection with larger headers.
const BETA_LIMIT: usize = 4 << 10;

/// The origin of this wire's reasoning signatures.
pub(crate) const ORIGIN: &str = "anthropic";
