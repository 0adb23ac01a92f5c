//! Decodes recorded exchanges as if they had just arrived.
//!
//! Not a player: nothing is sent, and request bodies are not interpreted. A recorded reply (status, headers, body) goes
//! through the same codecs as live traffic, so the result is what a client would have seen. Invariant: one line in, one
//! verdict out, in order; an invalid line is reported and skipped, and memory is bounded by the longest line.
//!
//! A recording is one JSON object per line with the fields `provider`, `endpoint`, `status` and `response_body` (text,
//! or base64 if `response_body_encoding` says so). `id`, `model`, `streaming`, `response_headers`, `response_kind`,
//! `url` and `request_body` are optional; other fields are ignored.
//!
//! ```
//! let line = r#"{"id":"1","provider":"groq","endpoint":"chat_completions","status":429,
//!   "response_headers":{"retry-after":"2"},"response_body":"{\"error\":{\"code\":\"rate_limit_exceeded\"}}"}"#
//!     .replace('\n', " ");
//! for decoded in hotspare::recorded::decode(line.as_bytes()) {
//!     let decoded = decoded.expect("a recording");
//!     assert!(decoded.to_json().contains(r#""kind":"rate_limited""#));
//! }
//! ```

mod bedrock_body;
mod decode_as;
mod exchange;
mod json;
mod lines;
mod table;

use hotspare_core::{ChatResponse, EmbedResponse, Error, RateLimits};

pub use decode_as::DecodeAs;
pub use exchange::Exchange;
pub use lines::{BadLine, Lines, decode};
pub use table::{Row, TABLE};

/// What Hotspare makes of one recorded exchange.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Decoded {
    /// The recording's id.
    pub id: String,
    /// The provider that answered.
    pub provider: String,
    /// The kind of call.
    pub endpoint: String,
    /// HTTP status of the reply.
    pub status: u16,
    /// The provider's limits as stated in the reply's headers.
    pub limits: RateLimits,
    /// The result.
    pub outcome: ExchangeOutcome,
}

/// The result of a recorded exchange.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ExchangeOutcome {
    /// An answer.
    Answered {
        /// The answer.
        answer: Box<ChatResponse>,
        /// Names of provider-specific events without a common equivalent, in order.
        others: Vec<String>,
    },
    /// A failure, including an answer that a client would not have been given, such as a truncated one.
    Failed(Error),
    /// Not a model call, or one that no wire reads, and why.
    Skipped(&'static str),
    /// Vectors.
    Vectors(Box<EmbedResponse>),
}
