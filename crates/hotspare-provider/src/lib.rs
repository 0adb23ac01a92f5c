//! The port between Hotspare and whatever answers requests.
//!
//! Two ways to add a provider. If it speaks HTTP, write a [`Wire`]: a codec without IO, and let [`HttpProvider`] do the
//! rest over any [`Transport`]. If it does not, implement [`Provider`]. Either way there is nothing to retry, no health to
//! keep and no clock to read here: the engine does that for every provider alike. With the feature `conformance`, a kit
//! checks in an author's own tests that a provider does what the engine expects.

#[cfg(feature = "conformance")]
pub mod conformance;
mod emit;
pub mod fields;
mod framing;
mod http_provider;
mod provider;
mod retry_after;
mod rule;
mod secret;
mod sign;
mod spell;
mod text;
mod transport;
mod wire;

pub use emit::Emit;
pub use framing::{BODY_LIMIT, EventStream, FRAME_LIMIT, Frame, Framer, JsonArray, Ndjson, Sse, Whole};
pub use http_provider::{HttpProvider, failure};
pub use provider::{Opened, Outbound, Provider, Signal};
pub use retry_after::{ABSURD, pause, pause_in_words, retry_after};
pub use rule::{BY_STATUS, Meaning, Rule, Words, by_status, judge, plain};
pub use secret::Secret;
pub use sign::{Credentials, Signer};
pub use spell::{Object, functions};
pub use text::{Count, Text, count, spelled};
pub use transport::{Head, HttpRequest, HttpResponse, Transport, header};
pub use wire::{Decoder, Decoding, Wire};
