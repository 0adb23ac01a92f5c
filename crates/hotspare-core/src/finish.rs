//! Why an answer ended.
//!
//! Not an error: a failure is an [`Error`](crate::Error). Invariant: an answer whose stream has none of these is not
//! complete.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why the model stopped, in one vocabulary for all providers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FinishReason {
    /// A filter withheld or truncated the answer.
    ContentFilter,
    /// The output limit or the context window was reached.
    Length,
    /// A reason without a shared equivalent, as the provider wrote it.
    Other(String),
    /// The model refused.
    Refusal,
    /// The answer is complete, or reached a stop sequence.
    Stop,
    /// The model waits for the results of its tool calls.
    ToolCalls,
}

impl FinishReason {
    /// The reason as a word in snake case, for logs and metrics.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::ContentFilter => "content_filter",
            Self::Length => "length",
            Self::Other(word) => word,
            Self::Refusal => "refusal",
            Self::Stop => "stop",
            Self::ToolCalls => "tool_calls",
        }
    }

    /// Whether the answer stops before its model was done, so that a malformed answer is not the model's fault.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        matches!(self, Self::ContentFilter | Self::Length)
    }

    /// Whether it explains an answer without content: a filter, a limit, a refusal, or a stop sequence that came first.
    /// An answer that is empty for any other reason counts as a failure.
    #[must_use]
    pub fn explains_silence(&self) -> bool {
        match self {
            Self::ContentFilter | Self::Length | Self::Refusal => true,
            Self::Other(word) => word == "stop_sequence",
            Self::Stop | Self::ToolCalls => false,
        }
    }
}

impl fmt::Display for FinishReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
