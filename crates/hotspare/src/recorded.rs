//! Recorded exchanges, read as if they had just arrived.
//!
//! Not a player: nothing is sent, and requests are carried, never read. What a recording holds of a reply (status, headers,
//! body) goes through the very codecs that serve live traffic, so what is shown here is what a client would have seen.
//! Invariant: one line in, one verdict out, in order; a line that is no recording is named and passed over, and memory is
//! bounded by the longest line.
//!
//! A recording is one JSON object a line: `provider`, `endpoint`, `status` and `response_body` (text, or base64 where
//! `response_body_encoding` says so); `id`, `model`, `streaming`, `response_headers`, `response_kind`, `url` and
//! `request_body` are used where they are there, everything else is skipped.
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

mod exchange;
mod house;
mod lines;
mod shown;
mod table;

use hotspare_core::{ChatResponse, EmbedResponse, Error, RateLimits};

pub use exchange::Exchange;
pub use lines::{BadLine, Lines, decode};
pub use table::{Reads, Row, TABLE};

/// What Hotspare makes of one recorded exchange.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Decoded {
    /// The recording's id.
    pub id: String,
    /// Who answered.
    pub provider: String,
    /// The kind of call.
    pub endpoint: String,
    /// HTTP status of the reply.
    pub status: u16,
    /// What the reply's head says of the provider's limits.
    pub limits: RateLimits,
    /// How it went.
    pub outcome: Outcome,
}

/// How a recorded exchange went.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// An answer.
    Answered {
        /// The answer.
        answer: Box<ChatResponse>,
        /// What the provider sent that no shared word covers, by its names, in order.
        others: Vec<String>,
    },
    /// A failure; also an answer that a client would not have been given, such as one that was cut.
    Failed(Error),
    /// Not a call of a model, or none that a wire reads: why.
    Skipped(&'static str),
    /// Vectors.
    Vectors(Box<EmbedResponse>),
}
